/* SPDX-License-Identifier: Apache-2.0 */
/* What strangers, and all connections together, may take of the server. */
#include "base/limits.h"
#include "base/quota.h"
#include "http/http_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct quota *quota;

static int set_up(void **state)
{
    quota = quota_new();
    world_set_up(state);
    http_server_use_quota(world->server, quota);
    return 0;
}

static int tear_down(void **state)
{
    world_tear_down(state);
    /* Whatever happened, all was given back. */
    assert_true(quota_reserve(quota, LIMIT_LARGE_BYTES));
    quota_free(&quota);
    return 0;
}

static void test_a_stranger_sends_no_body(void **state)
{
    (void)state;
    assert_int_equal(client_ask("POST /much HTTP/1.1\r\n" HOST "Content-Length: 9\r\n\r\n"), 401);
    client_assert_ended();
    client_dial();
    assert_int_equal(client_ask("POST /much HTTP/1.1\r\n" HOST "Expect: 100-continue\r\n"
                                "Content-Length: 9\r\n\r\n"),
                     401);
    client_assert_ended();
    client_dial();
    assert_int_equal(client_ask("POST /much HTTP/1.1\r\n" HOST "X-Friend: 1\r\n"
                                "Content-Length: 9\r\n\r\n123456789"),
                     200);
    reply_assert_body("9");
    assert_int_equal(world->handled, 1);
}

static int send_much(size_t length)
{
    static char text[2 * LIMIT_LARGE_BODY];
    int head = snprintf(text, sizeof(text),
                        "POST /much HTTP/1.1\r\n" HOST "X-Friend: 1\r\nContent-Length: %zu\r\n\r\n",
                        length);
    memset(text + head, 'x', length);
    client_say(str_make(text, (size_t)head + length), 0);
    return client_take_reply(false);
}

static void test_large_bodies_share_a_stock(void **state)
{
    (void)state;
    assert_true(quota_reserve(quota, LIMIT_LARGE_BYTES - LIMIT_LARGE_BODY));
    assert_int_equal(send_much(LIMIT_LARGE_BODY), 200);
    assert_int_equal(send_much(LIMIT_LARGE_BODY + 1), 503);
    assert_true(reply_has_line("Retry-After: 1"));
    client_assert_ended();
    client_dial();
    assert_int_equal(client_ask("POST /much HTTP/1.1\r\n" HOST "X-Friend: 1\r\n"
                                "Transfer-Encoding: chunked\r\n\r\n"),
                     503);
    client_dial();
    quota_give_back(quota, LIMIT_LARGE_BYTES - LIMIT_LARGE_BODY);
    assert_int_equal(send_much(LIMIT_LARGE_BODY + 1), 200);
    assert_int_equal(send_much(LIMIT_LARGE_BODY + 1), 200);
}

static void test_sizes_are_options(void **state)
{
    (void)state;
    static const struct {
        int64_t header_bytes, body_bytes;
        int status;
    } rows[] = {{32, 3, 200}, {31, 3, 431}, {32, 2, 413}, {32, 100, 200}};
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        world->options.header_bytes = rows[i].header_bytes;
        world->options.body_bytes = rows[i].body_bytes;
        client_dial();
        if (client_ask("POST /echo HTTP/1.1\r\n" HOST "Content-Length:   3\r\n\r\nabc") !=
            rows[i].status)
            fail_msg("row %zu", i);
    }
    world->options.header_bytes = 1000;
    world->options.batch_bytes = 1000;
    client_dial();
    assert_int_equal(send_much(1000), 200);
    assert_int_equal(send_much(1001), 413);
}

static void test_large_answers_share_a_stock(void **state)
{
    (void)state;
    size_t rest = BIG;
    assert_true(quota_reserve(quota, LIMIT_LARGE_BYTES - rest));
    world->client.reading = false;
    client_say_text("GET /big HTTP/1.1\r\n" HOST "\r\n");
    while (world->handled == 0)
        world_run_dry();
    /* What the system has taken is not held any more. */
    assert_false(quota_reserve(quota, rest / 2));
    world->client.reading = true;
    loop_watch_set(world->client.watch, LOOP_READABLE);
    /* The peer has taken it: it is given back before the connection ends. */
    assert_int_equal(client_take_reply(false), 200);
    world_run_dry();
    assert_true(quota_reserve(quota, rest));
    assert_int_equal(client_ask("GET /big HTTP/1.1\r\n" HOST "\r\n"), 503);
    assert_int_equal(client_ask("GET /show HTTP/1.1\r\n" HOST "\r\n"), 200);
    quota_give_back(quota, LIMIT_LARGE_BYTES);
}

static void test_a_body_gives_back_what_the_answer_does_not_need(void **state)
{
    static char text[BIG + 100];
    (void)state;
    size_t others = LIMIT_LARGE_BYTES - BIG;
    int head = snprintf(text, sizeof(text),
                        "POST /half HTTP/1.1\r\n" HOST "Content-Length: %d\r\n\r\n", BIG);
    memset(text + head, 'x', BIG);
    world->options.batch_bytes = BIG;
    assert_true(quota_reserve(quota, others));
    world->client.reading = false;
    client_say(str_make(text, (size_t)head + BIG), 0);
    while (world->handled == 0)
        world_run_dry();
    assert_false(quota_reserve(quota, BIG));
    assert_true(quota_reserve(quota, BIG / 2));
    quota_give_back(quota, others + BIG / 2);
    client_hang_up();
    world_wait_until_empty();
}

static void test_a_lost_client_gives_back(void **state)
{
    (void)state;
    world->client.reading = false;
    client_say_text("GET /big HTTP/1.1\r\n" HOST "\r\n");
    while (world->handled == 0)
        world_run_dry();
    assert_false(quota_reserve(quota, LIMIT_LARGE_BYTES));
    client_hang_up();
    world_wait_until_empty();
    assert_true(quota_reserve(quota, LIMIT_LARGE_BYTES));
    quota_give_back(quota, LIMIT_LARGE_BYTES);
}

static void test_connections_of_one_address(void **state)
{
    (void)state;
    world->options.connections_per_address = 1;
    /* The first one, dialled before the quota was there, is not counted. */
    client_dial();
    assert_int_equal(client_ask("GET /show HTTP/1.1\r\n" HOST "\r\n"), 200);
    assert_false(quota_enter(quota, QUOTA_CONNECTIONS, str_make("\xc0\0\x02\x07", 4), 1));
    client_hang_up();
    world_wait_until_empty();
    assert_true(quota_enter(quota, QUOTA_CONNECTIONS, str_make("\xc0\0\x02\x07", 4), 1));
    client_dial();
    client_assert_ended();
    quota_leave(quota, QUOTA_CONNECTIONS, str_make("\xc0\0\x02\x07", 4));
    client_dial();
    assert_int_equal(client_ask("GET /show HTTP/1.1\r\n" HOST "\r\n"), 200);
}

static void test_connections_in_all(void **state)
{
    (void)state;
    world->options.connections = 1;
    assert_true(quota_enter(quota, QUOTA_ALL_CONNECTIONS, STR_LIT(""), 0));
    client_dial();
    client_assert_ended();
    quota_leave(quota, QUOTA_ALL_CONNECTIONS, STR_LIT(""));
    client_dial();
    assert_int_equal(client_ask("GET /show HTTP/1.1\r\n" HOST "\r\n"), 200);
}

/* How many of `count` requests are answered 200 before one is refused with `status`. */
static int ask_until_refused(const char *text, int status)
{
    for (int i = 0;; i++) {
        int got = client_ask(text);
        if (got != 200) {
            assert_int_equal(got, status);
            assert_true(reply_has_line("Retry-After: 1"));
            return i;
        }
    }
}

static void test_requests_of_one_address(void **state)
{
    (void)state;
    world->options.requests_per_address = 1;
    client_dial();
    assert_int_equal(ask_until_refused("GET /headers HTTP/1.1\r\n" HOST "\r\n", 429), 2);
    /* Routes that are not for buyers' clients do not count. */
    assert_int_equal(client_ask("GET /show HTTP/1.1\r\n" HOST "\r\n"), 200);
}

static void test_handshakes(void **state)
{
    (void)state;
    world->options.handshakes_per_address = 1;
    client_dial();
    assert_int_equal(ask_until_refused("GET /begin HTTP/1.1\r\n" HOST "\r\n", 503), 2);
    world->options.handshakes_per_address = 0;
    world->options.handshakes = 1;
    assert_int_equal(ask_until_refused("GET /begin HTTP/1.1\r\n" HOST "\r\n", 503), 2);
}

static void test_a_preflight_is_no_handshake(void **state)
{
    static const char preflight[] = "OPTIONS /begin HTTP/1.1\r\n" HOST "Origin: https://a\r\n\r\n";
    (void)state;
    world->options.handshakes = 1;
    world->options.handshakes_per_address = 1;
    client_dial();
    for (int i = 0; i < 5; i++)
        assert_int_equal(client_ask(preflight), 204);
    assert_int_equal(client_ask("GET /begin HTTP/1.1\r\n" HOST "\r\n"), 200);
    world->options.requests_per_address = 1;
    assert_int_equal(client_ask(preflight), 204);
    assert_int_equal(client_ask(preflight), 204);
    assert_int_equal(client_ask(preflight), 429);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_stranger_sends_no_body),
        TEST(test_large_bodies_share_a_stock),
        TEST(test_sizes_are_options),
        TEST(test_large_answers_share_a_stock),
        TEST(test_a_body_gives_back_what_the_answer_does_not_need),
        TEST(test_a_lost_client_gives_back),
        TEST(test_connections_of_one_address),
        TEST(test_connections_in_all),
        TEST(test_requests_of_one_address),
        TEST(test_handshakes),
        TEST(test_a_preflight_is_no_handshake),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
