/* SPDX-License-Identifier: Apache-2.0 */
/* One connection over time: pipelines, slow and absent peers, upgrades, and the end of the server. */
#include "http/http_fixture.h"

#include "net/stream.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

/* Pipelines. */

static void append_pipeline(struct buf *out, int count, const char *path)
{
    buf_init(out, 4 * 1024 * 1024);
    for (int i = 0; i < count; i++)
        buf_printf(out, "GET %s/%d/x HTTP/1.1\r\n" HOST "\r\n", path, i);
}

static void test_pipeline(void **state)
{
    (void)state;
    struct buf text;
    append_pipeline(&text, 20000, "/show");
    static const size_t steps[] = {0, 977};
    for (size_t k = 0; k < ARRAY_LENGTH(steps); k++) {
        char wanted[40];
        client_say(buf_view(&text), steps[k]);
        for (int i = 0; i < 200; i++) {
            assert_int_equal(client_take_reply(false), 200);
            snprintf(wanted, sizeof(wanted), "] [%d] [x]", i);
            assert_true(reply_body_has(wanted));
        }
        client_dial();
    }
    buf_fini(&text);
}

static int handled_at_first;

static void look_after_each_pass(struct loop_timer *timer)
{
    handled_at_first = world->handled;
    if (world->handled == 0)
        loop_timer_set(timer, 0);
}

/* However many requests come together, others have their turn in between. */
static void test_a_pipeline_does_not_hold_up_the_loop(void **state)
{
    (void)state;
    struct buf text;
    struct loop_timer timer;
    append_pipeline(&text, 500, "/show");
    loop_timer_init(&timer, world->loop, look_after_each_pass);
    loop_timer_set(&timer, 0);
    client_say(buf_view(&text), 0);
    for (int i = 0; i < 500; i++)
        assert_int_equal(client_take_reply(false), 200);
    assert_in_range(handled_at_first, 1, 16);
    assert_int_equal(world->handled, 500);
    buf_fini(&text);
}

static void test_pipeline_of_held_requests(void **state)
{
    (void)state;
    client_say_text("GET /hold HTTP/1.1\r\n" HOST "\r\nPOST /hold HTTP/1.1\r\n" HOST
                    "Content-Length: 3\r\n\r\nabcGET /hold HTTP/1.1\r\n" HOST
                    "\r\n"
                    "GET /show HTTP/1.1\r\n" HOST "\r\n");
    for (int i = 0; i < 3; i++) {
        world_wait_until_held();
        struct http_request *request = world->held;
        world_run_dry();
        assert_ptr_equal(world->held, request);
        assert_int_equal(world->client.got.len, 0);
        world->held = NULL;
        world_answer(request, 200 + i, request->body);
        assert_int_equal(client_take_reply(false), 200 + i);
        reply_assert_body(i == 1 ? "abc" : "");
    }
    assert_int_equal(client_take_reply(false), 200);
}

static void test_a_held_request_bounds_its_pipeline(void **state)
{
    (void)state;
    struct buf text;
    append_pipeline(&text, 30000, "/show");
    client_say_text("GET /hold HTTP/1.1\r\n" HOST "\r\n");
    world_wait_until_held();
    client_say(buf_view(&text), 0);
    world_run_dry();
    /* One read of the server's, and what the sockets hold. */
    assert_true(world->client.to_send.len > text.len / 2);
    http_respond_json(world->held, 200, STR_LIT("{}"));
    for (int i = 0; i < 1000; i++)
        assert_int_equal(client_take_reply(false), 200);
    buf_fini(&text);
}

/* Slow and absent peers. */

static void test_slow_head(void **state)
{
    (void)state;
    world->options.header_timeout = SHORT;
    client_dial();
    assert_int_equal(client_ask("GET /show HTTP/1.1\r\nHost: a"), 408);
    assert_true(reply_has_line("Connection: close"));
    assert_true(reply_body_has("\"errorCode\":1080"));
    client_assert_ended();
}

static void test_slow_body(void **state)
{
    (void)state;
    world->options.body_timeout = SHORT;
    client_dial();
    assert_int_equal(client_ask("POST /echo HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nab"), 408);
    client_assert_ended();
}

static void test_idle(void **state)
{
    (void)state;
    world->options.idle_timeout = SHORT;
    client_dial();
    client_assert_ended();
    client_dial();
    assert_int_equal(client_ask("GET /show HTTP/1.1\r\n" HOST "\r\n"), 200);
    client_assert_ended();
    assert_int_equal(world->handled, 1);
}

static void test_no_deadline_while_handled(void **state)
{
    (void)state;
    world->options.header_timeout = SHORT;
    world->options.body_timeout = SHORT;
    world->options.idle_timeout = SHORT;
    client_dial();
    client_say_text("GET /hold HTTP/1.1\r\n" HOST "\r\n");
    world_wait_until_held();
    world_run_for(3 * SHORT);
    http_respond_json(world->held, 200, STR_LIT("{}"));
    assert_int_equal(client_take_reply(false), 200);
    client_assert_ended();
}

static void test_big_answer(void **state)
{
    (void)state;
    client_say_text("GET /big HTTP/1.1\r\n" HOST "\r\nGET /show HTTP/1.1\r\n" HOST "\r\n");
    assert_int_equal(client_take_reply(false), 200);
    assert_int_equal(last_reply.body.len, BIG);
    assert_int_equal(strspn(last_reply.body.ptr, "b"), BIG);
    assert_int_equal(client_take_reply(false), 200);
    assert_int_equal(world->handled, 2);
    assert_int_equal(client_ask("GET /big HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n"), 200);
    assert_int_equal(last_reply.body.len, BIG);
    client_assert_ended();
}

static void test_client_that_never_reads(void **state)
{
    (void)state;
    world->options.idle_timeout = SHORT;
    client_dial();
    world->client.reading = false;
    client_say_text("GET /big HTTP/1.1\r\n" HOST "\r\nGET /big HTTP/1.1\r\n" HOST "\r\n");
    while (world->handled == 0)
        world_run_dry();
    world_wait_until_empty();
    /* The second answer was not made while the first one waited. */
    assert_int_equal(world->handled, 1);
}

static void on_abort(void *argument)
{
    assert_ptr_equal(argument, world);
    world->aborts++;
}

static void test_abort_is_heard_once(void **state)
{
    (void)state;
    client_say_text("GET /hold HTTP/1.1\r\n" HOST "\r\n");
    world_wait_until_held();
    http_request_on_abort(world->held, on_abort, world);
    client_hang_up();
    world_run_dry();
    assert_int_equal(world->aborts, 1);
    assert_int_equal(http_server_connections(world->server), 1);
    assert_true(address_equal(http_request_address(world->held), &world->peer));
    http_respond_json(world->held, 200, STR_LIT("{}"));
    world_wait_until_empty();
    assert_int_equal(world->aborts, 1);
}

static void test_abort_wished_too_late(void **state)
{
    (void)state;
    client_say_text("GET /hold HTTP/1.1\r\n" HOST "\r\n");
    world_wait_until_held();
    client_hang_up();
    world_run_dry();
    http_request_on_abort(world->held, on_abort, world);
    assert_int_equal(world->aborts, 0);
    world_run_dry();
    assert_int_equal(world->aborts, 1);
    http_respond_error(world->held, API_ERROR_BUSY, NULL);
    world_wait_until_empty();
}

static void test_abort_not_wished_any_more(void **state)
{
    (void)state;
    client_say_text("GET /hold HTTP/1.1\r\n" HOST "\r\n");
    world_wait_until_held();
    http_request_on_abort(world->held, on_abort, world);
    http_request_on_abort(world->held, NULL, NULL);
    client_hang_up();
    world_run_dry();
    assert_int_equal(world->aborts, 0);
    http_respond_json(world->held, 200, STR_LIT("{}"));
    world_wait_until_empty();
}

static void answer_on_abort(void *argument)
{
    (void)argument;
    world->aborts++;
    http_respond_json(world->held, 200, STR_LIT("{}"));
}

static void test_answer_from_abort(void **state)
{
    (void)state;
    client_say_text("GET /hold HTTP/1.1\r\n" HOST "\r\n");
    world_wait_until_held();
    http_request_on_abort(world->held, answer_on_abort, NULL);
    client_hang_up();
    world_wait_until_empty();
    assert_int_equal(world->aborts, 1);
}

/* Streams given away. */

static void test_upgrade_with_early_bytes(void **state)
{
    (void)state;
    assert_int_equal(client_ask("GET /upgrade HTTP/1.1\r\n" HOST "Connection: Upgrade\r\n"
                                "Upgrade: websocket\r\n\r\nearly"),
                     101);
    assert_true(reply_has_line("Upgrade: websocket"));
    assert_true(str_equal_text(buf_view(&world->upgraded_bytes), "early"));
    world_wait_until_empty();
    client_say_text(" late");
    while (world->upgraded_bytes.len < 10)
        loop_run(world->loop);
    assert_true(str_equal_text(buf_view(&world->upgraded_bytes), "early late"));
    assert_int_equal(stream_write(world->upgraded, STR_LIT("raw")), 0);
    while (world->client.got.len == 0)
        loop_run(world->loop);
    assert_memory_equal(world->client.got.ptr, "raw", 3);
    client_hang_up();
    while (world->upgraded_closes == 0)
        loop_run(world->loop);
}

static void test_upgrade_of_a_held_request(void **state)
{
    (void)state;
    client_say_text("GET /hold HTTP/1.1\r\n" HOST "\r\n");
    world_wait_until_held();
    client_say_text("early");
    world_run_dry();
    world_upgrade(world->held);
    assert_non_null(world->upgraded);
    assert_int_equal(http_server_connections(world->server), 0);
    assert_true(str_equal_text(buf_view(&world->upgraded_bytes), "early"));
    client_say_text(" late");
    while (world->upgraded_bytes.len < 10)
        loop_run(world->loop);
}

static void test_upgrade_when_the_client_is_gone(void **state)
{
    (void)state;
    client_say_text("GET /hold HTTP/1.1\r\n" HOST "\r\n");
    world_wait_until_held();
    client_hang_up();
    world_run_dry();
    world_upgrade(world->held);
    assert_null(world->upgraded);
    world_wait_until_empty();
}

/* Whoever took the stream over would not hear of the drain. */
static void test_upgrade_while_draining(void **state)
{
    (void)state;
    client_say_text("GET /upgrade HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n");
    world_run_dry();
    http_server_drain(world->server);
    assert_int_equal(client_ask("0\r\n\r\n"), 503);
    assert_null(world->upgraded);
    world_wait_until_empty();
}

static void test_take_over(void **state)
{
    (void)state;
    assert_int_equal(client_ask("POST /stream HTTP/1.1\r\n" HOST "Origin: http://b\r\n"
                                "Content-Length: 5\r\n\r\nfirstGET /show HTTP/1.1\r\n"),
                     200);
    assert_true(reply_has_line("Content-Type: text/plain"));
    assert_true(reply_has_line("Connection: close"));
    assert_true(reply_has_line("Access-Control-Allow-Origin: *"));
    assert_false(reply_has_field("Content-Length"));
    world_wait_until_empty();
    while (world->client.got.len < 5)
        loop_run(world->loop);
    assert_memory_equal(world->client.got.ptr, "first", 5);
    assert_int_equal(world->upgraded_bytes.len, 0);
    client_hang_up();
    while (world->upgraded_closes == 0)
        loop_run(world->loop);
}

static void test_take_over_for_head(void **state)
{
    (void)state;
    client_say_text("HEAD /stream HTTP/1.1\r\n" HOST "\r\n");
    assert_int_equal(client_take_reply(true), 200);
    assert_true(reply_has_line("Content-Type: text/plain"));
    assert_null(world->upgraded);
    client_assert_ended();
}

/* The end. */

static void test_drain(void **state)
{
    (void)state;
    struct client idle;
    assert_int_equal(client_ask("GET /show HTTP/1.1\r\n" HOST "\r\n"), 200);
    idle = world->client;
    /* The watch's argument is the client's place, so only the descriptor is kept. */
    loop_watch_free(&idle.watch);
    buf_fini(&idle.got);
    world->client.fd = -1;
    client_dial();
    client_say_text("GET /hold HTTP/1.1\r\n" HOST "\r\n");
    world_wait_until_held();
    http_server_drain(world->server);
    char byte;
    assert_int_equal(recv(idle.fd, &byte, 1, 0), 0);
    close(idle.fd);
    http_respond_json(world->held, 200, STR_LIT("{}"));
    assert_int_equal(client_take_reply(false), 200);
    assert_true(reply_has_line("Connection: close"));
    client_assert_ended();

    client_dial();
    assert_int_equal(client_ask("GET /show HTTP/1.1\r\n" HOST "\r\n"), 503);
    assert_true(reply_body_has("\"errorCode\":1532"));
    assert_true(reply_has_line("Retry-After: 1"));
    client_assert_ended();
    client_dial();
    assert_int_equal(client_ask("GET /health HTTP/1.1\r\n" HOST "\r\n"), 200);
    client_assert_ended();
    client_hang_up();
    world_wait_until_empty();
}

static void test_server_abort(void **state)
{
    (void)state;
    client_say_text("GET /hold HTTP/1.1\r\n" HOST "\r\n");
    world_wait_until_held();
    http_request_on_abort(world->held, on_abort, world);
    http_server_abort(world->server);
    assert_int_equal(world->aborts, 1);
    assert_int_equal(http_server_connections(world->server), 1);
    client_assert_ended();
    http_respond_json(world->held, 200, STR_LIT("{}"));
    assert_int_equal(http_server_connections(world->server), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_set_up, world_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_pipeline),
        TEST(test_a_pipeline_does_not_hold_up_the_loop),
        TEST(test_pipeline_of_held_requests),
        TEST(test_a_held_request_bounds_its_pipeline),
        TEST(test_slow_head),
        TEST(test_slow_body),
        TEST(test_idle),
        TEST(test_no_deadline_while_handled),
        TEST(test_big_answer),
        TEST(test_client_that_never_reads),
        TEST(test_abort_is_heard_once),
        TEST(test_abort_wished_too_late),
        TEST(test_abort_not_wished_any_more),
        TEST(test_answer_from_abort),
        TEST(test_upgrade_with_early_bytes),
        TEST(test_upgrade_of_a_held_request),
        TEST(test_upgrade_when_the_client_is_gone),
        TEST(test_upgrade_while_draining),
        TEST(test_take_over),
        TEST(test_take_over_for_head),
        TEST(test_drain),
        TEST(test_server_abort),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
