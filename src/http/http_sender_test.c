/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sender against receivers that are good, slow, hostile or gone; what it may not call; and what
 * it says of each.
 */
#include "http/http_sender_fixture.h"

#include "base/limits.h"
#include "base/mem.h"
#include "loop/loop.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static void test_what_goes_out(void **state)
{
    static const char *const headers[] = {"Content-Type: application/json", "webhook-id: msg_1",
                                          "User-Agent: Orderwire", NULL};
    struct outcome got;
    struct call call = {.path = "/a/../b?c=d%20e"};
    struct http_sender_request request = call_request(&call);
    char expected[300];
    request.headers = headers;
    world_call(*state, &request, &got);
    snprintf(expected, sizeof(expected),
             "POST /a/../b?c=d%%20e HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n"
             "Content-Type: application/json\r\nwebhook-id: msg_1\r\nUser-Agent: Orderwire\r\n"
             "Content-Length: 7\r\n\r\n{\"a\":1}",
             receiver_port(receiver));
    char *text = receiver_last_request(receiver);
    assert_string_equal(text, expected);
    mem_free(text);
    snprintf(expected, sizeof(expected), "127.0.0.1:%d", receiver_port(receiver));
    assert_string_equal(got.result.address, expected);
    outcome_fini(&got);
}

static void test_without_headers_or_body(void **state)
{
    struct outcome got;
    struct call call = {.path = "/ok"};
    struct http_sender_request request = call_request(&call);
    request.body = (struct str){0};
    world_call(*state, &request, &got);
    assert_int_equal(got.result.status, 200);
    char *text = receiver_last_request(receiver);
    assert_null(strstr(text, "Content-Type"));
    assert_null(strstr(text, "User-Agent"));
    assert_null(strstr(text, "Accept"));
    assert_non_null(strstr(text, "\r\nContent-Length: 0\r\n"));
    mem_free(text);
    outcome_fini(&got);
}

static void test_get(void **state)
{
    struct outcome got;
    struct call call = {.path = "/ok?a=b"};
    struct http_sender_request request = call_request(&call);
    char expected[100];
    request.get = true;
    world_call(*state, &request, &got);
    snprintf(expected, sizeof(expected), "GET /ok?a=b HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n",
             receiver_port(receiver));
    assert_int_equal(got.result.outcome, HTTP_SENDER_ANSWERED);
    assert_true(got.result.body_is_whole);
    char *text = receiver_last_request(receiver);
    assert_string_equal(text, expected);
    mem_free(text);
    outcome_fini(&got);
}

static void test_how_much_is_kept(void **state)
{
    static const struct {
        size_t body_max;
        size_t kept;
        bool is_whole;
    } rows[] = {{0, LIMIT_WEBHOOK_RESPONSE, false},
                {9999, 9999, false},
                {10000, 10000, true},
                {20000, 10000, true}};
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct outcome got;
        struct call call = {.path = "/10k"};
        struct http_sender_request request = call_request(&call);
        request.body_max = rows[i].body_max;
        world_call(*state, &request, &got);
        assert_int_equal(got.result.body.len, rows[i].kept);
        assert_int_equal(got.result.body_is_whole, rows[i].is_whole);
        outcome_fini(&got);
    }
}

/* Whatever listens at a public address is not asked: the check comes before the socket. */
static void test_allowed_networks_alone(void **state)
{
    struct outcome got;
    struct call call = {.url = "http://1.1.1.1/"};
    struct http_sender_request request = call_request(&call);
    request.allowed_only = true;
    world_call(*state, &request, &got);
    assert_int_equal(got.result.outcome, HTTP_SENDER_BLOCKED);
    outcome_fini(&got);
    call = (struct call){.path = "/ok"};
    request = call_request(&call);
    request.allowed_only = true;
    world_call(*state, &request, &got);
    assert_int_equal(got.result.status, 200);
    outcome_fini(&got);
}

static void test_the_largest_body(void **state)
{
    struct outcome got = {0};
    struct call call = {.path = "/ok"};
    struct http_sender_request request = call_request(&call);
    char *bytes = mem_alloc(LIMIT_WEBHOOK_BODY);
    memset(bytes, 'b', LIMIT_WEBHOOK_BODY);
    bytes[LIMIT_WEBHOOK_BODY - 1] = 'z';
    request.body = str_make(bytes, LIMIT_WEBHOOK_BODY);
    assert_non_null(
        http_sender_send(((struct world *)*state)->sender, &request, world_keep_outcome, &got));
    mem_free(bytes);
    world_await(*state, &got);
    assert_int_equal(got.result.status, 200);
    char *text = receiver_last_request(receiver);
    assert_int_equal(strlen(strstr(text, "\r\n\r\n") + 4), LIMIT_WEBHOOK_BODY);
    assert_int_equal(text[strlen(text) - 1], 'z');
    assert_null(strstr(text, "Expect"));
    mem_free(text);
    outcome_fini(&got);
}

static void test_answers(void **state)
{
    call_expect_answer(*state, "/ok", 200, "ok");
    call_expect_answer(*state, "/204", 204, "");
    call_expect_answer(*state, "/http-1.0", 201, "old");
    call_expect_answer(*state, "/connection-close", 200, "ok");
    call_expect_answer(*state, "/pieces", 200, "ok");
    call_expect_answer(*state, "/chunked", 500, "abcdefg");
    call_expect_answer(*state, "/redirect", 302, "");
    call_expect_answer(*state, "/unauthorized", 401, "");
}

static void test_fields_of_the_answer(void **state)
{
    struct outcome got;
    struct call call = {.path = "/fields"};
    struct http_sender_request request = call_request(&call);
    world_call(*state, &request, &got);
    assert_true(str_equal_text(http_sender_header(&got.result, "retry-after"), "120"));
    assert_true(str_equal_text(http_sender_header(&got.result, "Webhook-Delivery"), "disable"));
    assert_true(str_equal_text(http_sender_header(&got.result, "empty"), ""));
    assert_null(http_sender_header(&got.result, "Retry-After2").ptr);
    assert_null(http_sender_header(&got.result, "Retry").ptr);
    assert_null(http_sender_header(&got.result, "HTTP/1.1 200 OK").ptr);
    assert_true(str_starts_with(got.result.headers, STR_LIT("Retry-After:  120 \r\n")));
    outcome_fini(&got);
    call.path = "/early-hints";
    request = call_request(&call);
    world_call(*state, &request, &got);
    assert_int_equal(got.result.status, 202);
    assert_true(str_equal_text(got.result.headers, "A: b\r\nContent-Length: 0\r\n"));
    outcome_fini(&got);
    call.path = "/chunked";
    request = call_request(&call);
    world_call(*state, &request, &got);
    assert_true(str_equal_text(got.result.headers, "Transfer-Encoding: chunked\r\n"));
    outcome_fini(&got);
}

static void test_broken_answers(void **state)
{
    static const struct {
        const char *path;
        const char *body;
    } cases[] = {
        {"/reset", ""},           {"/close", ""},
        {"/close-in-head", ""},   {"/close-in-body", "half"},
        {"/reset-in-body", NULL}, {"/close-in-chunk", "half"},
        {"/bad-chunk", ""},       {"/garbage", ""},
        {"/http-0.9", ""},        {"/nul", ""},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct call call = {.path = cases[i].path};
        call_expect(*state, &call, HTTP_SENDER_BROKEN, 0, cases[i].body);
    }
}

static void test_the_deadline(void **state)
{
    static const char *const paths[] = {"/hang", "/hang-in-head", "/hang-in-body", "/dripped-head",
                                        "/dripped-body"};
    static const char *const words[] = {
        "there was no answer in time", "the answer was not whole in time",
        "the answer was not whole in time", "the answer was not whole in time",
        "the answer was not whole in time"};
    struct outcome got[ARRAY_LENGTH(paths)] = {0};
    /* At once, to wait but once. */
    for (size_t i = 0; i < ARRAY_LENGTH(paths); i++) {
        struct call call = {.path = paths[i], .timeout = SHORT};
        struct http_sender_request request = call_request(&call);
        assert_non_null(http_sender_send(((struct world *)*state)->sender, &request,
                                         world_keep_outcome, &got[i]));
    }
    for (size_t i = 0; i < ARRAY_LENGTH(paths); i++) {
        world_await(*state, &got[i]);
        assert_int_equal(got[i].result.outcome, HTTP_SENDER_TIMEOUT);
        assert_int_equal(got[i].result.status, 0);
        assert_string_equal(got[i].result.error, words[i]);
        assert_in_range(got[i].result.duration_us, (SHORT - 5) * 1000, PATIENCE * 1000);
        outcome_fini(&got[i]);
    }
    call_expect_answer(*state, "/ok", 200, "ok");
}

static void test_the_deadline_of_a_tls_handshake(void **state)
{
    char url[100];
    snprintf(url, sizeof(url), "https://127.0.0.1:%d/", receiver_port(receiver));
    struct call call = {.url = url, .timeout = SHORT};
    struct http_sender_request request = call_request(&call);
    struct outcome got;
    world_call(*state, &request, &got);
    assert_int_equal(got.result.outcome, HTTP_SENDER_TIMEOUT);
    assert_string_equal(got.result.error, "there was no connection in time");
    outcome_fini(&got);
}

static void test_too_many_bytes_of_headers(void **state)
{
    static const char *const paths[] = {"/endless-1xx", "/endless-fields", "/endless-line",
                                        "/endless-trailers"};
    for (size_t i = 0; i < ARRAY_LENGTH(paths); i++)
        call_expect(*state, &(struct call){.path = paths[i]}, HTTP_SENDER_TOO_LARGE, 0, NULL);
}

static void test_a_long_line_hides_no_other(void **state)
{
    struct outcome got;
    struct call call = {.path = "/long-line"};
    struct http_sender_request request = call_request(&call);
    world_call(*state, &request, &got);
    assert_int_equal(got.result.status, 200);
    assert_true(str_equal_text(got.result.headers, "First: 1\r\nLast: 2\r\nContent-Length: 0\r\n"));
    outcome_fini(&got);
}

static void test_what_is_kept_of_long_answers(void **state)
{
    struct outcome got;
    struct call call = {.path = "/long-head"};
    struct http_sender_request request = call_request(&call);
    world_call(*state, &request, &got);
    assert_int_equal(got.result.status, 200);
    assert_in_range(got.result.headers.len, 4096 - 100, 4096);
    assert_memory_equal(got.result.headers.ptr + got.result.headers.len - 2, "\r\n", 2);
    assert_true(str_equal_text(http_sender_header(&got.result, "First"), "1"));
    assert_true(str_equal_text(http_sender_header(&got.result, "Last"), "2"));
    outcome_fini(&got);
    static const char *const paths[] = {"/10k", "/endless"};
    for (size_t i = 0; i < ARRAY_LENGTH(paths); i++) {
        call.path = paths[i];
        request = call_request(&call);
        world_call(*state, &request, &got);
        assert_int_equal(got.result.outcome, HTTP_SENDER_ANSWERED);
        assert_int_equal(got.result.status, 200);
        assert_int_equal(got.result.body.len, LIMIT_WEBHOOK_RESPONSE);
        assert_memory_equal(got.result.body.ptr + 4090, "012345", 6);
        outcome_fini(&got);
    }
}

static void test_nothing_is_decompressed(void **state)
{
    call_expect_answer(*state, "/gzip", 200, "\x1f\x8b\x08 no gzip");
}

static void test_cookies_and_redirects_leave_no_trace(void **state)
{
    call_expect_answer(*state, "/cookie", 200, "");
    call_expect_answer(*state, "/ok", 200, "ok");
    char *text = receiver_last_request(receiver);
    assert_null(strstr(text, "ookie"));
    mem_free(text);
    receiver_reset_counts(receiver);
    call_expect_answer(*state, "/redirect", 302, "");
    call_expect_answer(*state, "/unauthorized", 401, "");
    assert_int_equal(receiver_counts(receiver).requests, 2);
}

static void test_no_proxy_of_the_environment(void **state)
{
    setenv("http_proxy", "http://127.0.0.1:1", 1);
    setenv("ALL_PROXY", "http://127.0.0.1:1", 1);
    call_expect_answer(*state, "/ok", 200, "ok");
    unsetenv("http_proxy");
    unsetenv("ALL_PROXY");
}

static void test_blocked_addresses(void **state)
{
    static const char *const hosts[] = {"127.0.0.1",          "127.0.0.2", "[::1]",
                                        "[::ffff:127.0.0.1]", "localhost", "127.1",
                                        "0x7f000001",         "[::]",      "0.0.0.0",
                                        "169.254.169.254",    "10.0.0.1",  "[fd00:ec2::254]",
                                        "[64:ff9b::7f00:1]"};
    for (size_t i = 0; i < ARRAY_LENGTH(hosts); i++) {
        char url[100];
        snprintf(url, sizeof(url), "http://%s:%d/ok", hosts[i], receiver_port(receiver));
        struct call call = {.url = url, .nothing_allowed = true};
        struct http_sender_request request = call_request(&call);
        struct outcome got;
        world_call(*state, &request, &got);
        if (got.result.outcome != HTTP_SENDER_BLOCKED)
            fail_msg("%s: outcome %d, \"%s\"", url, got.result.outcome, got.result.error);
        assert_string_equal(got.result.address, "");
        assert_string_equal(got.result.error, "requests may not go to this address");
        outcome_fini(&got);
    }
    assert_int_equal(receiver_counts(receiver).accepted, 0);
}

static void test_allowed_addresses(void **state)
{
    static const char *const hosts[] = {"127.0.0.1", "[::ffff:127.0.0.1]", "localhost", "[::1]"};
    size_t count = ARRAY_LENGTH(hosts) - (receiver_has_ipv6(receiver) ? 0 : 1);
    for (size_t i = 0; i < count; i++) {
        char url[100];
        char address[100];
        snprintf(url, sizeof(url), "http://%s:%d/ok", hosts[i], receiver_port(receiver));
        struct call call = {.url = url};
        struct http_sender_request request = call_request(&call);
        struct outcome got;
        /* Of localhost's two addresses one stays blocked. */
        request.allowed_count = i == 3 ? 2 : 1;
        world_call(*state, &request, &got);
        assert_int_equal(got.result.outcome, HTTP_SENDER_ANSWERED);
        snprintf(address, sizeof(address), "%s:%d", i == 3 ? "[::1]" : "127.0.0.1",
                 receiver_port(receiver));
        assert_string_equal(got.result.address, address);
        outcome_fini(&got);
    }
}

/* libcurl closes the socket of the first address and gets its number again for the second. */
static void test_the_second_address_of_a_name(void **state)
{
    static const struct receiver_row row = {"/", STR_LIT("HTTP/1.1 204 x\r\n\r\n"), THEN_KEEP};
    struct receiver *ipv6_only = receiver_start_ipv6(&row, 1);
    char url[100];
    (void)state;
    if (ipv6_only == NULL)
        skip();
    snprintf(url, sizeof(url), "http://localhost:%d/", receiver_port(ipv6_only));
    for (int i = 0; i < 3; i++) {
        struct world *world = world_new(4);
        struct call call = {.url = url, .timeout = 2000};
        call_expect(world, &call, HTTP_SENDER_ANSWERED, 204, "");
        world_free(&world);
    }
    receiver_stop(&ipv6_only);
}

/* A port that nobody listens on: it stays bound, so that nobody can. */
static int closed_port(int *fd)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof(address);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    *fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(*fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(getsockname(*fd, (struct sockaddr *)&address, &size), 0);
    return ntohs(address.sin_port);
}

static void test_a_refused_connection(void **state)
{
    int fd;
    char address[40];
    char url[100];
    snprintf(address, sizeof(address), "127.0.0.1:%d", closed_port(&fd));
    snprintf(url, sizeof(url), "http://%s/secret", address);
    struct call call = {.url = url};
    struct http_sender_request request = call_request(&call);
    struct outcome got;
    world_call(*state, &request, &got);
    assert_int_equal(got.result.outcome, HTTP_SENDER_CONNECT);
    assert_string_equal(got.result.error, "the connection was refused");
    assert_string_equal(got.result.address, address);
    outcome_fini(&got);
    close(fd);
}

static void test_urls_that_cannot_be_called(void **state)
{
    static const char *const urls[] = {"file:///etc/hostname",
                                       "gopher://127.0.0.1/",
                                       "ftp://a/",
                                       "",
                                       "http://",
                                       "http://[::",
                                       "http://user:secret@127.0.0.1/",
                                       "http://127.0.0.1:99999/"};
    for (size_t i = 0; i < ARRAY_LENGTH(urls); i++) {
        struct call call = {.url = urls[i]};
        struct http_sender_request request = call_request(&call);
        struct outcome got;
        world_call(*state, &request, &got);
        if (got.result.outcome != HTTP_SENDER_CONNECT)
            fail_msg("%s: outcome %d, \"%s\"", urls[i], got.result.outcome, got.result.error);
        assert_string_equal(got.result.error, "the URL cannot be called");
        outcome_fini(&got);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_what_goes_out),
        WORLD_TEST(test_without_headers_or_body),
        WORLD_TEST(test_get),
        WORLD_TEST(test_how_much_is_kept),
        WORLD_TEST(test_allowed_networks_alone),
        WORLD_TEST(test_the_largest_body),
        WORLD_TEST(test_answers),
        WORLD_TEST(test_fields_of_the_answer),
        WORLD_TEST(test_broken_answers),
        WORLD_TEST(test_the_deadline),
        WORLD_TEST(test_the_deadline_of_a_tls_handshake),
        WORLD_TEST(test_too_many_bytes_of_headers),
        WORLD_TEST(test_a_long_line_hides_no_other),
        WORLD_TEST(test_what_is_kept_of_long_answers),
        WORLD_TEST(test_nothing_is_decompressed),
        WORLD_TEST(test_cookies_and_redirects_leave_no_trace),
        WORLD_TEST(test_no_proxy_of_the_environment),
        WORLD_TEST(test_blocked_addresses),
        WORLD_TEST(test_allowed_addresses),
        WORLD_TEST(test_the_second_address_of_a_name),
        WORLD_TEST(test_a_refused_connection),
        WORLD_TEST(test_urls_that_cannot_be_called),
    };
    return cmocka_run_group_tests(tests, world_start_receiver, world_stop_receiver);
}
