/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sender against receivers that are good, slow, hostile or gone; what it may not call; and what
 * it says of each. One receiver serves all tests, each test has a world of its own.
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

#define OK_ANSWER "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
#define LINE_OF_99                                                                                 \
    "X-Long: 89 123456789 123456789 123456789 123456789 123456789 123456789 123456789 123456789 "  \
    "12345\r\n"
#define TEN(text) text text text text text text text text text text

/* The first row answers whatever path no other row has. */
static const struct receiver_row rows[] = {
    {"/ok", STR_LIT(OK_ANSWER), THEN_KEEP},
    {"/fields",
     STR_LIT("HTTP/1.1 200 OK\r\nRetry-After:  120 \r\nwebhook-delivery: disable\r\nEmpty:\r\n"
             "Folded: a\r\n Retry-After2: b\r\nContent-Length: 0\r\nRetry-After: 9\r\n\r\n"),
     THEN_KEEP},
    {"/204", STR_LIT("HTTP/1.1 204 No Content\r\n\r\n"), THEN_KEEP},
    {"/204-with-body", STR_LIT("HTTP/1.1 204 No Content\r\nContent-Length: 4\r\n\r\nbody"),
     THEN_KEEP},
    {"/204-junk-later", STR_LIT("HTTP/1.1 204 No Content\r\n\r\n"), THEN_JUNK, STR_LIT("junk")},
    {"/http-1.0", STR_LIT("HTTP/1.0 201 Created\r\n\r\nold"), THEN_CLOSE},
    {"/connection-close",
     STR_LIT("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"), THEN_CLOSE},
    {"/leave", STR_LIT(OK_ANSWER), THEN_LEAVE},
    {"/chunked",
     STR_LIT("HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4\r\ndefg\r\n0\r\n"
             "Trailer: x\r\n\r\n"),
     THEN_PIECES},
    {"/pieces", STR_LIT(OK_ANSWER), THEN_PIECES},
    {"/early-hints",
     STR_LIT("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n"
             "HTTP/1.1 202 Accepted\r\nA: b\r\nContent-Length: 0\r\n\r\n"),
     THEN_KEEP},
    {"/redirect",
     STR_LIT("HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/latest/meta-data/\r\n"
             "Content-Length: 0\r\n\r\n"),
     THEN_KEEP},
    {"/unauthorized",
     STR_LIT("HTTP/1.1 401 No\r\nWWW-Authenticate: Basic realm=\"x\"\r\nContent-Length: 0\r\n\r\n"),
     THEN_KEEP},
    {"/cookie", STR_LIT("HTTP/1.1 200 OK\r\nSet-Cookie: a=b; Path=/\r\nContent-Length: 0\r\n\r\n"),
     THEN_KEEP},
    {"/hang", STR_LIT(""), THEN_HANG},
    {"/hang-in-head", STR_LIT("HTTP/1.1 200 OK\r\nX: "), THEN_HANG},
    {"/hang-in-body", STR_LIT("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"), THEN_HANG},
    {"/dripped-head", STR_LIT("HTTP/1.1 200 OK\r\n"), THEN_DRIP, STR_LIT("X: y\r\n")},
    {"/dripped-body", STR_LIT("HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n"), THEN_DRIP,
     STR_LIT("x")},
    {"/reset", STR_LIT(""), THEN_RESET},
    {"/close", STR_LIT(""), THEN_CLOSE},
    {"/close-in-head", STR_LIT("HTTP/1.1 200 OK\r\nContent-Le"), THEN_CLOSE},
    {"/close-in-body", STR_LIT("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"), THEN_CLOSE},
    {"/reset-in-body", STR_LIT("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"), THEN_RESET},
    {"/close-in-chunk", STR_LIT("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhalf"),
     THEN_CLOSE},
    {"/bad-chunk", STR_LIT("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n"),
     THEN_HANG},
    {"/garbage", STR_LIT("SSH-2.0-OpenSSH_9.2p1\r\n\r\n"), THEN_CLOSE},
    {"/http-0.9", STR_LIT("<html>hello</html>"), THEN_CLOSE},
    {"/nul", STR_LIT("HTTP/1.1 200 OK\r\nA: \0b\r\nContent-Length: 0\r\n\r\n"), THEN_CLOSE},
    {"/endless", STR_LIT("HTTP/1.1 200 OK\r\n\r\n"), THEN_FLOOD, STR_LIT(TEN(TEN("0123456789")))},
    {"/endless-204", STR_LIT("HTTP/1.1 204 No Content\r\n\r\n"), THEN_FLOOD,
     STR_LIT(TEN(TEN("0123456789")))},
    {"/endless-1xx", STR_LIT(""), THEN_FLOOD,
     STR_LIT(TEN("HTTP/1.1 102 Processing\r\nX: y\r\n\r\n"))},
    {"/endless-fields", STR_LIT("HTTP/1.1 200 OK\r\n"), THEN_FLOOD, STR_LIT(TEN(LINE_OF_99))},
    {"/endless-line", STR_LIT("HTTP/1.1 200 OK\r\nX: "), THEN_FLOOD, STR_LIT(TEN(TEN("x")))},
    {"/endless-trailers",
     STR_LIT("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n"), THEN_FLOOD,
     STR_LIT(TEN(LINE_OF_99))},
    {"/long-head",
     STR_LIT("HTTP/1.1 200 OK\r\nFirst: 1\r\n" TEN(TEN(LINE_OF_99)) "Last: 2\r\n"
                                                                    "Content-Length: 0\r\n\r\n"),
     THEN_KEEP},
    {"/10k",
     STR_LIT("HTTP/1.1 200 OK\r\nContent-Length: 10000\r\n\r\n" TEN(TEN(TEN("0123456789")))),
     THEN_KEEP},
    {"/gzip",
     STR_LIT("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 11\r\n\r\n"
             "\x1f\x8b\x08 no gzip"),
     THEN_KEEP},
};

static struct receiver *receiver;

static int start_receiver(void **state)
{
    (void)state;
    receiver = receiver_start(rows, ARRAY_LENGTH(rows));
    return 0;
}

static int stop_receiver(void **state)
{
    (void)state;
    receiver_stop(&receiver);
    return 0;
}

static int set_up(void **state)
{
    receiver_reset_counts(receiver);
    *state = world_new(64);
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;
    world_free(&world);
    return 0;
}

struct call {
    const char *url; /* NULL: that of the receiver */
    const char *path;
    int64_t timeout; /* 0: PATIENCE */
    bool nothing_allowed;
};

static char url_text[300];

static struct http_sender_request request_of(const struct call *call)
{
    if (call->url != NULL)
        snprintf(url_text, sizeof(url_text), "%s", call->url);
    else
        snprintf(url_text, sizeof(url_text), "http://127.0.0.1:%d%s", receiver_port(receiver),
                 call->path);
    struct http_sender_request request = {.url = url_text, .body = STR_LIT("{\"a\":1}")};
    request.timeout = call->timeout != 0 ? call->timeout : PATIENCE;
    if (!call->nothing_allowed) {
        request.allowed = loopback;
        request.allowed_count = ARRAY_LENGTH(loopback);
    }
    return request;
}

/* Sends, awaits, and expects this. */
static void expect(struct world *world, const struct call *call, enum http_sender_outcome outcome,
                   int status, const char *body)
{
    struct outcome got;
    struct http_sender_request request = request_of(call);
    world_call(world, &request, &got);
    if (got.result.outcome != outcome || got.result.status != status)
        fail_msg("%s: outcome %d, status %d, \"%s\"", request.url, got.result.outcome,
                 got.result.status, got.result.error);
    assert_int_equal(got.result.error[0] == '\0', outcome == HTTP_SENDER_ANSWERED);
    assert_null(strstr(got.result.error, "127.0.0.1"));
    if (body != NULL && !str_equal_text(got.result.body, body))
        fail_msg("%s: the body is \"%.*s\"", request.url, STR_ARG(got.result.body));
    assert_true(got.result.duration_us > 0 && got.result.duration_us < 2 * PATIENCE * 1000);
    outcome_fini(&got);
}

static void expect_answer(struct world *world, const char *path, int status, const char *body)
{
    expect(world, &(struct call){.path = path}, HTTP_SENDER_ANSWERED, status, body);
}

static void test_what_goes_out(void **state)
{
    static const char *const headers[] = {"Content-Type: application/json", "webhook-id: msg_1",
                                          "User-Agent: Orderwire", NULL};
    struct outcome got;
    struct call call = {.path = "/a/../b?c=d%20e"};
    struct http_sender_request request = request_of(&call);
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
    struct http_sender_request request = request_of(&call);
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

static void test_the_largest_body(void **state)
{
    struct outcome got = {0};
    struct call call = {.path = "/ok"};
    struct http_sender_request request = request_of(&call);
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
    expect_answer(*state, "/ok", 200, "ok");
    expect_answer(*state, "/204", 204, "");
    expect_answer(*state, "/http-1.0", 201, "old");
    expect_answer(*state, "/connection-close", 200, "ok");
    expect_answer(*state, "/pieces", 200, "ok");
    expect_answer(*state, "/chunked", 500, "abcdefg");
    expect_answer(*state, "/redirect", 302, "");
    expect_answer(*state, "/unauthorized", 401, "");
}

static void test_fields_of_the_answer(void **state)
{
    struct outcome got;
    struct call call = {.path = "/fields"};
    struct http_sender_request request = request_of(&call);
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
    request = request_of(&call);
    world_call(*state, &request, &got);
    assert_int_equal(got.result.status, 202);
    assert_true(str_equal_text(got.result.headers, "A: b\r\nContent-Length: 0\r\n"));
    outcome_fini(&got);
    call.path = "/chunked";
    request = request_of(&call);
    world_call(*state, &request, &got);
    assert_true(str_equal_text(got.result.headers, "Transfer-Encoding: chunked\r\n"));
    outcome_fini(&got);
}

static void test_connections_are_kept(void **state)
{
    for (int i = 0; i < 5; i++) {
        expect_answer(*state, "/ok", 200, "ok");
        expect_answer(*state, "/204", 204, "");
        expect_answer(*state, "/10k", 200, NULL);
        expect_answer(*state, "/chunked", 500, "abcdefg");
    }
    struct receiver_counts counts = receiver_counts(receiver);
    assert_int_equal(counts.requests, 20);
    assert_int_equal(counts.accepted, 1);
    expect_answer(*state, "/connection-close", 200, "ok");
    expect_answer(*state, "/ok", 200, "ok");
    assert_int_equal(receiver_counts(receiver).accepted, 2);
}

static bool later_happened(void *argument)
{
    (void)argument;
    return receiver_counts(receiver).later > 0;
}

static bool nobody_is_connected(void *argument)
{
    (void)argument;
    return receiver_counts(receiver).open == 0;
}

static void test_a_kept_connection_that_is_no_good_is_not_used(void **state)
{
    static const char *const paths[] = {"/leave", "/204-junk-later"};
    for (size_t i = 0; i < ARRAY_LENGTH(paths); i++) {
        receiver_reset_counts(receiver);
        expect_answer(*state, paths[i], i == 0 ? 200 : 204, NULL);
        world_run_until(*state, later_happened, NULL);
        expect_answer(*state, "/ok", 200, "ok");
        expect_answer(*state, "/ok", 200, "ok");
        struct receiver_counts counts = receiver_counts(receiver);
        assert_int_equal(counts.requests, 3);
        assert_int_equal(counts.accepted, i == 0 ? 2 : 1);
    }
    for (int i = 0; i < 3; i++)
        expect_answer(*state, "/204-with-body", 204, "");
    expect_answer(*state, "/endless-204", 204, "");
    world_run_until(*state, nobody_is_connected, NULL);
    expect_answer(*state, "/ok", 200, "ok");
}

static void test_nothing_is_sent_twice(void **state)
{
    static const char *const paths[] = {"/reset", "/close"};
    for (size_t i = 0; i < ARRAY_LENGTH(paths); i++) {
        expect_answer(*state, "/ok", 200, "ok");
        receiver_reset_counts(receiver);
        expect(*state, &(struct call){.path = paths[i]}, HTTP_SENDER_BROKEN, 0, "");
        struct receiver_counts counts = receiver_counts(receiver);
        assert_int_equal(counts.requests, 1);
        assert_int_equal(counts.accepted, 0);
    }
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
        expect(*state, &call, HTTP_SENDER_BROKEN, 0, cases[i].body);
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
        struct http_sender_request request = request_of(&call);
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
    expect_answer(*state, "/ok", 200, "ok");
}

static void test_the_deadline_of_a_tls_handshake(void **state)
{
    char url[100];
    snprintf(url, sizeof(url), "https://127.0.0.1:%d/", receiver_port(receiver));
    struct call call = {.url = url, .timeout = SHORT};
    struct http_sender_request request = request_of(&call);
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
        expect(*state, &(struct call){.path = paths[i]}, HTTP_SENDER_TOO_LARGE, 0, NULL);
}

static void test_what_is_kept_of_long_answers(void **state)
{
    struct outcome got;
    struct call call = {.path = "/long-head"};
    struct http_sender_request request = request_of(&call);
    world_call(*state, &request, &got);
    assert_int_equal(got.result.status, 200);
    assert_in_range(got.result.headers.len, 4096 - 100, 4096);
    assert_memory_equal(got.result.headers.ptr + got.result.headers.len - 2, "\r\n", 2);
    assert_true(str_equal_text(http_sender_header(&got.result, "First"), "1"));
    assert_null(http_sender_header(&got.result, "Last").ptr);
    outcome_fini(&got);
    static const char *const paths[] = {"/10k", "/endless"};
    for (size_t i = 0; i < ARRAY_LENGTH(paths); i++) {
        call.path = paths[i];
        request = request_of(&call);
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
    expect_answer(*state, "/gzip", 200, "\x1f\x8b\x08 no gzip");
}

static void test_cookies_and_redirects_leave_no_trace(void **state)
{
    expect_answer(*state, "/cookie", 200, "");
    expect_answer(*state, "/ok", 200, "ok");
    char *text = receiver_last_request(receiver);
    assert_null(strstr(text, "ookie"));
    mem_free(text);
    receiver_reset_counts(receiver);
    expect_answer(*state, "/redirect", 302, "");
    expect_answer(*state, "/unauthorized", 401, "");
    assert_int_equal(receiver_counts(receiver).requests, 2);
}

static void test_no_proxy_of_the_environment(void **state)
{
    setenv("http_proxy", "http://127.0.0.1:1", 1);
    setenv("ALL_PROXY", "http://127.0.0.1:1", 1);
    expect_answer(*state, "/ok", 200, "ok");
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
        struct http_sender_request request = request_of(&call);
        struct outcome got;
        world_call(*state, &request, &got);
        if (got.result.outcome != HTTP_SENDER_BLOCKED)
            fail_msg("%s: outcome %d, \"%s\"", url, got.result.outcome, got.result.error);
        assert_string_equal(got.result.address, "");
        assert_string_equal(got.result.error, "webhooks may not go to this address");
        outcome_fini(&got);
    }
    assert_int_equal(receiver_counts(receiver).accepted, 0);
}

static void test_a_kept_connection_is_not_for_everyone(void **state)
{
    expect_answer(*state, "/ok", 200, "ok");
    receiver_reset_counts(receiver);
    struct call call = {.path = "/ok", .nothing_allowed = true};
    expect(*state, &call, HTTP_SENDER_BLOCKED, 0, "");
    assert_int_equal(receiver_counts(receiver).accepted, 0);
    assert_int_equal(receiver_counts(receiver).requests, 0);
    expect_answer(*state, "/ok", 200, "ok");
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
        struct http_sender_request request = request_of(&call);
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
    struct http_sender_request request = request_of(&call);
    struct outcome got;
    world_call(*state, &request, &got);
    assert_int_equal(got.result.outcome, HTTP_SENDER_CONNECT);
    assert_string_equal(got.result.error, "the connection was refused");
    assert_string_equal(got.result.address, address);
    outcome_fini(&got);
    close(fd);
}

static void test_an_unknown_name(void **state)
{
    struct call call = {.url = "http://no-such-host.invalid/", .timeout = 500};
    struct http_sender_request request = request_of(&call);
    struct outcome got;
    world_call(*state, &request, &got);
    if (got.result.outcome == HTTP_SENDER_NAME) {
        assert_string_equal(got.result.error, "the name was not resolved");
    } else {
        assert_int_equal(got.result.outcome, HTTP_SENDER_TIMEOUT);
        assert_string_equal(got.result.error, "the name was not resolved in time");
    }
    assert_string_equal(got.result.address, "");
    outcome_fini(&got);
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
        struct http_sender_request request = request_of(&call);
        struct outcome got;
        world_call(*state, &request, &got);
        if (got.result.outcome != HTTP_SENDER_CONNECT)
            fail_msg("%s: outcome %d, \"%s\"", urls[i], got.result.outcome, got.result.error);
        assert_string_equal(got.result.error, "the URL cannot be called");
        outcome_fini(&got);
    }
}

/* Many requests, some at a time, each `done` sending the next. */
struct load {
    struct world *world;
    int left, answered, under_way;
};

static void send_next(struct load *load);

static void on_load_done(void *argument, const struct http_sender_result *result)
{
    struct load *load = argument;
    load->under_way--;
    if (result->outcome == HTTP_SENDER_ANSWERED && result->status == 200)
        load->answered++;
    send_next(load);
}

static void send_next(struct load *load)
{
    static const char *const paths[] = {"/ok", "/10k", "/connection-close", "/pieces", "/ok"};
    if (load->left == 0)
        return;
    struct call call = {.path = paths[load->left % 500 < 5 ? load->left % 5 : 0]};
    struct http_sender_request request = request_of(&call);
    load->left--;
    load->under_way++;
    assert_non_null(http_sender_send(load->world->sender, &request, on_load_done, load));
}

static bool load_is_done(void *argument)
{
    struct load *load = argument;
    return load->under_way == 0;
}

static void run_load(struct world *world, int count, int concurrency)
{
    struct load load = {.world = world, .left = count};
    for (int i = 0; i < concurrency; i++)
        send_next(&load);
    world_run_until(world, load_is_done, &load);
    assert_int_equal(load.answered, count);
}

static void test_two_thousand_requests(void **state)
{
    run_load(*state, 2000, 50);
    struct receiver_counts counts = receiver_counts(receiver);
    assert_int_equal(counts.requests, 2000);
    assert_in_range(counts.accepted, 2, 50 + 4);
}

static bool few_are_open(void *argument)
{
    (void)argument;
    return receiver_counts(receiver).open <= 4;
}

static void test_connections_are_bounded(void **state)
{
    (void)state;
    struct world *world = world_new(4);
    run_load(world, 200, 50);
    world_run_until(world, few_are_open, NULL);
    assert_in_range(receiver_counts(receiver).accepted, 1, 4 + 1);
    world_free(&world);
}

/* Those that wait for a connection have their deadline too. */
static void test_the_deadline_of_those_that_wait_for_a_connection(void **state)
{
    (void)state;
    struct world *world = world_new(1);
    struct outcome got[3] = {0};
    for (size_t i = 0; i < ARRAY_LENGTH(got); i++) {
        struct call call = {.path = "/hang", .timeout = SHORT};
        struct http_sender_request request = request_of(&call);
        assert_non_null(http_sender_send(world->sender, &request, world_keep_outcome, &got[i]));
    }
    for (size_t i = 0; i < ARRAY_LENGTH(got); i++) {
        world_await(world, &got[i]);
        assert_int_equal(got[i].result.outcome, HTTP_SENDER_TIMEOUT);
        outcome_fini(&got[i]);
    }
    expect_answer(world, "/ok", 200, "ok");
    world_free(&world);
}

static void never(void *argument, const struct http_sender_result *result)
{
    (void)argument;
    fail_msg("a cancelled request ended: %d", result->outcome);
}

struct phase {
    const char *url; /* NULL: that of the receiver */
    const char *path;
    bool (*reached)(void *argument);
    int wanted;
};

static bool at_once(void *argument)
{
    (void)argument;
    return true;
}

static bool connected(void *argument)
{
    (void)argument;
    return receiver_counts(receiver).accepted > 0;
}

static bool requested(void *argument)
{
    (void)argument;
    return receiver_counts(receiver).requests > 0;
}

static bool greeted(void *argument)
{
    (void)argument;
    return receiver_counts(receiver).bytes > 0;
}

static const struct phase phases[] = {
    {NULL, "/hang", NULL}, /* before the loop ran */
    {NULL, "/hang", at_once},
    {NULL, "/hang", connected},
    {NULL, "/hang", requested},
    {NULL, "/hang-in-head", requested},
    {NULL, "/hang-in-body", requested},
    {NULL, "/dripped-body", requested},
    {"https", "/", connected},
    {"https", "/", greeted},
    {"http://no-such-host.invalid/", NULL, NULL},
    {"http://no-such-host.invalid/", NULL, at_once},
};

static struct http_sending *begin(struct world *world, const struct phase *phase)
{
    char url[100];
    snprintf(url, sizeof(url), "https://127.0.0.1:%d/", receiver_port(receiver));
    struct call call = {.url = phase->url, .path = phase->path};
    if (phase->url != NULL && strcmp(phase->url, "https") == 0)
        call.url = url;
    struct http_sender_request request = request_of(&call);
    receiver_reset_counts(receiver);
    struct http_sending *sending = http_sender_send(world->sender, &request, never, NULL);
    assert_non_null(sending);
    if (phase->reached != NULL)
        world_run_until(world, phase->reached, NULL);
    return sending;
}

static void test_cancel_in_every_phase(void **state)
{
    for (size_t i = 0; i < ARRAY_LENGTH(phases); i++) {
        struct http_sending *sending = begin(*state, &phases[i]);
        http_sender_cancel(&sending);
        assert_null(sending);
        http_sender_cancel(&sending);
        world_run_until(*state, nobody_is_connected, NULL);
    }
    expect_answer(*state, "/ok", 200, "ok");
}

static void test_free_in_every_phase(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(phases); i++) {
        struct world *world = world_new(2);
        char url[100];
        snprintf(url, sizeof(url), "http://localhost:%d/ok", receiver_port(receiver));
        expect(world, &(struct call){.url = url}, HTTP_SENDER_ANSWERED, 200, "ok");
        begin(world, &phases[i]);
        http_sender_free(&world->sender);
        http_sender_free(&world->sender);
        world_run_until(world, nobody_is_connected, NULL);
        world_free(&world);
    }
}

/* `done` cancels itself and another one whose end may wait behind it. */
struct pair {
    struct http_sending *sendings[2];
    int calls;
};

static void cancel_both(void *argument, const struct http_sender_result *result)
{
    struct pair *pair = argument;
    assert_int_equal(result->outcome, HTTP_SENDER_ANSWERED);
    pair->calls++;
    http_sender_cancel(&pair->sendings[0]);
    http_sender_cancel(&pair->sendings[1]);
}

static bool pair_was_called(void *argument)
{
    return ((struct pair *)argument)->calls > 0;
}

static void test_cancel_inside_done(void **state)
{
    struct pair pair = {0};
    struct call call = {.path = "/ok"};
    struct http_sender_request request = request_of(&call);
    for (size_t i = 0; i < 2; i++) {
        pair.sendings[i] =
            http_sender_send(((struct world *)*state)->sender, &request, cancel_both, &pair);
        assert_non_null(pair.sendings[i]);
    }
    world_run_until(*state, pair_was_called, &pair);
    expect_answer(*state, "/ok", 200, "ok");
    assert_int_equal(pair.calls, 1);
}

#define WORLD_TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_what_goes_out),
        WORLD_TEST(test_without_headers_or_body),
        WORLD_TEST(test_the_largest_body),
        WORLD_TEST(test_answers),
        WORLD_TEST(test_fields_of_the_answer),
        WORLD_TEST(test_connections_are_kept),
        WORLD_TEST(test_a_kept_connection_that_is_no_good_is_not_used),
        WORLD_TEST(test_nothing_is_sent_twice),
        WORLD_TEST(test_broken_answers),
        WORLD_TEST(test_the_deadline),
        WORLD_TEST(test_the_deadline_of_a_tls_handshake),
        WORLD_TEST(test_too_many_bytes_of_headers),
        WORLD_TEST(test_what_is_kept_of_long_answers),
        WORLD_TEST(test_nothing_is_decompressed),
        WORLD_TEST(test_cookies_and_redirects_leave_no_trace),
        WORLD_TEST(test_no_proxy_of_the_environment),
        WORLD_TEST(test_blocked_addresses),
        WORLD_TEST(test_a_kept_connection_is_not_for_everyone),
        WORLD_TEST(test_allowed_addresses),
        WORLD_TEST(test_a_refused_connection),
        WORLD_TEST(test_an_unknown_name),
        WORLD_TEST(test_urls_that_cannot_be_called),
        WORLD_TEST(test_two_thousand_requests),
        WORLD_TEST(test_connections_are_bounded),
        WORLD_TEST(test_the_deadline_of_those_that_wait_for_a_connection),
        WORLD_TEST(test_cancel_in_every_phase),
        WORLD_TEST(test_free_in_every_phase),
        WORLD_TEST(test_cancel_inside_done),
    };
    return cmocka_run_group_tests(tests, start_receiver, stop_receiver);
}
