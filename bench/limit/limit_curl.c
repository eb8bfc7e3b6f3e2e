/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Webhooks' requests by a bare libcurl multi handle: the same size and headers, as many at once, over
 * connections that are kept. It reads nothing out of a store, signs nothing and records nothing.
 *
 *   limit_curl --port N --count N --connections N --warm-up N
 */
#include "base/attributes.h"
#include "base/mem.h"
#include "base/str.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* As long as a webhook of the preset `standard`. */
#define BODY                                                                                       \
    "{\"type\":\"order.paid\",\"timestamp\":\"2026-11-22T12:58:29.459Z\",\"data\":{"               \
    "\"order_id\":59614241,\"status\":\"paid\",\"content\":{\"price\":{\"amount\":\"4.99\","       \
    "\"amount_without_discount\":\"4.99\",\"currency\":\"USD\"},\"virtual_price\":null,"           \
    "\"is_free\":false,\"items\":[{\"sku\":\"com.example.sword_of_dawn\",\"quantity\":1,"          \
    "\"is_free\":false,\"price\":{\"amount\":\"4.99\",\"amount_without_discount\":\"4.99\","       \
    "\"currency\":\"USD\"}}]},\"user_external_id\":\"user-123\",\"seq\":2,"                        \
    "\"previous_status\":\"new\",\"cancel_reason\":null,"                                          \
    "\"occurred_at\":\"2026-11-22T12:58:29.459Z\",\"custom_parameters\":null,\"synthetic\":false}" \
    "}"

static int64_t port, count = 1000, connections = 64, warm_up;
static int64_t started, finished;

static int64_t now_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static size_t drop(char *bytes, size_t size, size_t length, void *argument)
{
    (void)bytes;
    (void)argument;
    return size * length;
}

static CURL *new_request(const char *url, struct curl_slist *headers)
{
    CURL *easy = curl_easy_init();
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, BODY);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, (long)sizeof(BODY) - 1);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, drop);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    return easy;
}

static void take_finished(CURLM *multi, int64_t end)
{
    int left;
    CURLMsg *message;
    while ((message = curl_multi_info_read(multi, &left))) {
        CURL *easy = message->easy_handle;
        long status = 0;
        curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
        if (status != 204) {
            fprintf(stderr, "limit_curl: %ld %s\n", status,
                    curl_easy_strerror(message->data.result));
            exit(1);
        }
        finished++;
        curl_multi_remove_handle(multi, easy);
        if (started < end) {
            started++;
            curl_multi_add_handle(multi, easy);
        }
    }
}

static void send_until(CURLM *multi, CURL **requests, int64_t end)
{
    int running;
    for (int64_t i = 0; i < connections && started < end; i++, started++)
        curl_multi_add_handle(multi, requests[i]);
    while (finished < end) {
        curl_multi_perform(multi, &running);
        take_finished(multi, end);
        if (finished < end)
            curl_multi_poll(multi, NULL, 0, 1000, NULL);
    }
}

static void read_options(int argc, char **argv)
{
    static const struct {
        const char *name;
        int64_t *value;
    } numbers[] = {
        {"--port", &port},
        {"--count", &count},
        {"--connections", &connections},
        {"--warm-up", &warm_up},
    };
    for (int i = 1; i + 1 < argc; i += 2)
        for (size_t j = 0; j < ARRAY_LENGTH(numbers); j++)
            if (strcmp(argv[i], numbers[j].name) == 0 &&
                !str_to_int64(str_from(argv[i + 1]), 0, INT32_MAX, numbers[j].value))
                exit(2);
}

int main(int argc, char **argv)
{
    char url[64];
    static const char *const lines[] = {
        "Content-Type: application/json",
        "webhook-id: msg_sfhugcsy_123456",
        "webhook-timestamp: 1795694602",
        "webhook-signature: v1,34cZY+GQ5nQzVvRvQ1rL7mnBFHdFoE/9E9qtI1AA9pw=",
        "User-Agent: Orderwire/0.1.0",
        "Expect:",
    };
    struct curl_slist *headers = NULL;
    read_options(argc, argv);
    curl_global_init(CURL_GLOBAL_DEFAULT);
    for (size_t i = 0; i < ARRAY_LENGTH(lines); i++)
        headers = curl_slist_append(headers, lines[i]);
    snprintf(url, sizeof(url), "http://127.0.0.1:%d/hook/0", (int)port);
    CURLM *multi = curl_multi_init();
    curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, (long)connections);
    CURL **requests = mem_zalloc((size_t)connections * sizeof(CURL *));
    for (int64_t i = 0; i < connections; i++)
        requests[i] = new_request(url, headers);
    send_until(multi, requests, warm_up);
    int64_t wall = now_ns(CLOCK_MONOTONIC);
    int64_t cpu = now_ns(CLOCK_PROCESS_CPUTIME_ID);
    send_until(multi, requests, warm_up + count);
    printf("{\"units\":%lld,\"wall_ns\":%lld,\"server_ns\":%lld}\n", (long long)count,
           (long long)(now_ns(CLOCK_MONOTONIC) - wall),
           (long long)(now_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu));
    return 0;
}
