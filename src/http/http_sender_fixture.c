/* SPDX-License-Identifier: Apache-2.0 */
/* The world of a test, and the receiver's table. */
#include "http/http_sender_fixture.h"

#include "base/clock.h"
#include "base/mem.h"
#include "loop/loop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

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
    {"/long-line",
     STR_LIT(
         "HTTP/1.1 200 OK\r\nFirst: 1\r\nX: " TEN(TEN(TEN("xxxxx"))) "\r\nLast: 2\r\n"
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

struct receiver *receiver;

const struct address_network loopback[2] = {
    {.address = {.bytes = {[10] = 0xff, [11] = 0xff, [12] = 127}}, .prefix = 104},
    {.address = {.bytes = {[15] = 1}}, .prefix = 128},
};

static struct loop *running;

struct world *world_new(int connections_max)
{
    struct world *world = mem_zalloc(sizeof(*world));
    world->loop = loop_new();
    assert_non_null(world->loop);
    world->sender = http_sender_new(world->loop, connections_max);
    assert_non_null(world->sender);
    return world;
}

void world_free(struct world **world)
{
    http_sender_free(&(*world)->sender);
    loop_free(&(*world)->loop);
    mem_free(*world);
    *world = NULL;
}

void world_keep_outcome(void *argument, const struct http_sender_result *result)
{
    struct outcome *outcome = argument;
    outcome->calls++;
    outcome->result = *result;
    buf_init(&outcome->kept, 16 * 1024);
    buf_append_str(&outcome->kept, result->headers);
    buf_append_str(&outcome->kept, result->body);
    outcome->result.headers.ptr = outcome->kept.ptr;
    outcome->result.body.ptr = outcome->kept.ptr + result->headers.len;
    loop_stop(running);
}

struct waiting {
    struct loop_timer timer;
    struct loop *loop;
    bool (*condition)(void *argument);
    void *argument;
    int64_t patience_mono;
    bool held;
};

static void look(struct loop_timer *timer)
{
    struct waiting *waiting = CONTAINER_OF(timer, struct waiting, timer);
    waiting->held = waiting->condition(waiting->argument);
    if (waiting->held || loop_now(waiting->loop) > waiting->patience_mono)
        loop_stop(waiting->loop);
    else
        loop_timer_set(timer, loop_now(waiting->loop) + 1);
}

void world_run_until(struct world *world, bool (*condition)(void *argument), void *argument)
{
    struct waiting waiting = {.loop = world->loop, .condition = condition, .argument = argument};
    waiting.patience_mono = clock_mono_ms() + PATIENCE;
    loop_timer_init(&waiting.timer, world->loop, look);
    running = world->loop;
    do {
        loop_timer_set(&waiting.timer, clock_mono_ms());
        loop_run(world->loop);
    } while (!waiting.held && clock_mono_ms() < waiting.patience_mono);
    loop_timer_cancel(&waiting.timer);
    if (!waiting.held)
        fail_msg("what was waited for did not happen");
}

static void impatient(struct loop_timer *timer)
{
    loop_stop(timer->loop);
}

void world_await(struct world *world, struct outcome *outcome)
{
    struct loop_timer guard;
    running = world->loop;
    loop_timer_init(&guard, world->loop, impatient);
    loop_timer_set(&guard, clock_mono_ms() + PATIENCE);
    while (outcome->calls == 0 && loop_timer_is_set(&guard))
        loop_run(world->loop);
    loop_timer_cancel(&guard);
    assert_int_equal(outcome->calls, 1);
}

void world_call(struct world *world, const struct http_sender_request *request,
                struct outcome *outcome)
{
    *outcome = (struct outcome){0};
    assert_non_null(http_sender_send(world->sender, request, world_keep_outcome, outcome));
    world_await(world, outcome);
}

void outcome_fini(struct outcome *outcome)
{
    buf_fini(&outcome->kept);
}

int world_start_receiver(void **state)
{
    (void)state;
    receiver = receiver_start(rows, ARRAY_LENGTH(rows));
    return 0;
}

int world_stop_receiver(void **state)
{
    (void)state;
    receiver_stop(&receiver);
    return 0;
}

int world_set_up(void **state)
{
    if (receiver != NULL)
        receiver_reset_counts(receiver);
    *state = world_new(64);
    return 0;
}

int world_tear_down(void **state)
{
    struct world *world = *state;
    world_free(&world);
    return 0;
}

static char url_text[300];

struct http_sender_request call_request(const struct call *call)
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
void call_expect(struct world *world, const struct call *call, enum http_sender_outcome outcome,
                 int status, const char *body)
{
    struct outcome got;
    struct http_sender_request request = call_request(call);
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

void call_expect_answer(struct world *world, const char *path, int status, const char *body)
{
    call_expect(world, &(struct call){.path = path}, HTTP_SENDER_ANSWERED, status, body);
}
