/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The receiver verifies with nothing but HMAC and base64, so that what the demo calls good is good
 * by the Standard Webhooks specification and not by the sender's own code.
 */
#include "cli/demo_receiver.h"

#include "base/clock.h"
#include "base/crypto.h"
#include "base/limits.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "codec/base64.h"
#include "codec/json.h"
#include "http/http_server.h"
#include "loop/loop.h"
#include "net/listener.h"

#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#define PREFIX "whsec_"
#define KEY_MAX 64
#define SIGNATURE_MAX 64
#define TOLERANCE_MS (5 * CLOCK_MINUTE)
#define TIMEOUT_MS (10 * CLOCK_SECOND)
#define IDLE_MS (75 * CLOCK_SECOND)

struct demo_receiver {
    pthread_t thread;
    struct loop *loop;
    struct listener *listener;
    struct http_server *http;
    struct http_options options;
    struct loop_message stop;
    char url[LISTENER_ADDRESS_SIZE + 20];
    pthread_mutex_t mutex; /* over all below */
    struct buf key;
    demo_receiver_fn *seen;
    void *seen_argument;
};

/* "v1," and the base64 of HMAC-SHA256 over id.timestamp.body. */
static void sign(struct str key, struct str id, struct str timestamp, struct str body,
                 struct buf *out)
{
    uint8_t digest[CRYPTO_SHA256_SIZE];
    struct buf text;
    buf_init(&text, id.len + timestamp.len + body.len + 2);
    buf_append_str(&text, id);
    buf_append_byte(&text, '.');
    buf_append_str(&text, timestamp);
    buf_append_byte(&text, '.');
    buf_append_str(&text, body);
    crypto_hmac_sha256(key, buf_view(&text), digest);
    buf_append_text(out, "v1,");
    base64_encode(str_make((const char *)digest, sizeof(digest)), out);
    buf_fini(&text);
}

static bool is_among(struct str list, struct str signature)
{
    struct str one;
    bool found = false;
    while (str_split(&list, ' ', &one))
        found |= one.len == signature.len && crypto_equal(one.ptr, signature.ptr, one.len);
    return found;
}

static bool verify(const struct demo_receiver *receiver, const struct http_request *request)
{
    struct str id = http_request_header(request, "webhook-id");
    struct str timestamp = http_request_header(request, "webhook-timestamp");
    struct str list = http_request_header(request, "webhook-signature");
    struct buf signature;
    int64_t seconds = 0;
    if (receiver->key.len == 0 || !str_to_int64(timestamp, 0, INT32_MAX, &seconds))
        return false;
    int64_t age = clock_wall_ms() - seconds * CLOCK_SECOND;
    if (age > TOLERANCE_MS || age < -TOLERANCE_MS)
        return false;
    buf_init(&signature, SIGNATURE_MAX);
    sign(buf_view(&receiver->key), id, timestamp, request->body, &signature);
    bool is_good = is_among(list, buf_view(&signature));
    buf_fini(&signature);
    return is_good;
}

static void tell(const struct demo_receiver *receiver, struct str body)
{
    struct json *document = json_parse(body, NULL);
    const struct json *data = json_get(document, "data");
    int64_t order_id = 0;
    struct str status;
    if (receiver->seen != NULL && json_as_int(json_get(data, "order_id"), &order_id) &&
        json_as_string(json_get(data, "status"), &status))
        receiver->seen(receiver->seen_argument, order_id, status);
    json_free(&document);
}

static void take(struct http_request *request)
{
    struct demo_receiver *receiver = request->context;
    pthread_mutex_lock(&receiver->mutex);
    bool is_good = verify(receiver, request);
    if (is_good)
        tell(receiver, request->body);
    pthread_mutex_unlock(&receiver->mutex);
    http_respond(request, &(struct http_answer){.status = is_good ? 204 : 400});
}

static const struct http_route routes[] = {
    {"POST", "/webhook", HTTP_ANYONE, take, LIMIT_WEBHOOK_BODY, 0},
    {NULL},
};

static void accept_connection(void *argument, int descriptor, const struct address *peer)
{
    struct demo_receiver *receiver = argument;
    http_server_accept(receiver->http, descriptor, peer, &(struct http_port){0});
}

static void *run(void *argument)
{
    struct demo_receiver *receiver = argument;
    loop_run(receiver->loop);
    return NULL;
}

/* What the thread does not run any more, or never did. */
static void release(struct demo_receiver *receiver)
{
    listener_free(&receiver->listener);
    http_server_free(&receiver->http);
    loop_free(&receiver->loop);
    buf_wipe(&receiver->key);
    pthread_mutex_destroy(&receiver->mutex);
    mem_free(receiver);
}

static struct demo_receiver *make(struct loop *loop, int descriptor, const char *address)
{
    struct demo_receiver *receiver = mem_zalloc(sizeof(*receiver));
    receiver->loop = loop;
    receiver->options =
        (struct http_options){TIMEOUT_MS, TIMEOUT_MS, IDLE_MS, .header_bytes = LIMIT_HTTP_HEADERS};
    snprintf(receiver->url, sizeof(receiver->url), "http://%s/webhook", address);
    pthread_mutex_init(&receiver->mutex, NULL);
    buf_init(&receiver->key, KEY_MAX);
    receiver->http = http_server_new(loop, (struct http_route_table[]){{routes, receiver}, {NULL}},
                                     &receiver->options);
    receiver->listener = listener_new(loop, descriptor, accept_connection, receiver);
    return receiver;
}

struct demo_receiver *demo_receiver_start(void)
{
    char address[LISTENER_ADDRESS_SIZE];
    char error[LISTENER_ERROR_SIZE];
    int descriptor = -1;
    if (listener_bind("127.0.0.1:0", 1, &descriptor, address, error) != 0) {
        cli_fail("the demo's receiver: %s", error);
        return NULL;
    }
    struct loop *loop = loop_new();
    if (loop == NULL) {
        close(descriptor);
        cli_fail("the demo's receiver: no event loop");
        return NULL;
    }
    struct demo_receiver *receiver = make(loop, descriptor, address);
    if (receiver->listener == NULL || pthread_create(&receiver->thread, NULL, run, receiver) != 0) {
        cli_fail("the demo's receiver cannot be started");
        release(receiver);
        return NULL;
    }
    return receiver;
}

static void stop(struct loop_message *message)
{
    struct demo_receiver *receiver = CONTAINER_OF(message, struct demo_receiver, stop);
    listener_free(&receiver->listener);
    http_server_abort(receiver->http);
    loop_stop(receiver->loop);
}

void demo_receiver_stop(struct demo_receiver **owner)
{
    struct demo_receiver *receiver = *owner;
    *owner = NULL;
    if (receiver == NULL)
        return;
    receiver->stop.run = stop;
    loop_post_always(receiver->loop, &receiver->stop);
    pthread_join(receiver->thread, NULL);
    release(receiver);
}

const char *demo_receiver_url(const struct demo_receiver *receiver)
{
    return receiver->url;
}

void demo_receiver_set_secret(struct demo_receiver *receiver, struct str secret)
{
    struct str prefix = STR_LIT(PREFIX);
    if (!str_starts_with(secret, prefix))
        return;
    pthread_mutex_lock(&receiver->mutex);
    buf_clear(&receiver->key);
    if (base64_decode(str_make(secret.ptr + prefix.len, secret.len - prefix.len), &receiver->key) !=
        0)
        buf_clear(&receiver->key);
    pthread_mutex_unlock(&receiver->mutex);
}

void demo_receiver_watch(struct demo_receiver *receiver, demo_receiver_fn *seen, void *argument)
{
    pthread_mutex_lock(&receiver->mutex);
    receiver->seen = seen;
    receiver->seen_argument = argument;
    pthread_mutex_unlock(&receiver->mutex);
}
