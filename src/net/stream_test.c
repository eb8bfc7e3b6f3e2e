/* SPDX-License-Identifier: Apache-2.0 */
#include "net/stream.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/quota.h"
#include "loop/loop_fixture.h"
#include "net/stream_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static void test_both_ways(void **state)
{
    struct world *world = *state;
    struct buf got;
    buf_init(&got, 100);
    send_text(world, "ping");
    run_until(world, &world->receptions, 1);
    assert_true(str_equal_text(buf_view(&world->received), "ping"));
    assert_int_equal(write_checked(world, STR_LIT("pong")), 0);
    assert_int_equal(stream_queued(world->stream), 0);
    assert_false(read_peer(world, &got));
    assert_true(str_equal_text(buf_view(&got), "pong"));
    assert_true(address_equal(stream_peer(world->stream), &somebody));
    assert_int_equal(metrics_value(METRIC_CONNECTIONS), world->connections_before + 1);
    buf_fini(&got);
}

static void test_queue_goes_out_in_order(void **state)
{
    struct world *world = *state;
    struct str pattern = make_pattern(3 * 1024 * 1024);
    struct buf got;
    size_t at = 0;
    buf_init(&got, OUTPUT_MAX);
    /* Pieces of odd sizes, so that some are written while others have been sent in part. */
    for (size_t piece = 100001; at < pattern.len; at += piece) {
        if (piece > pattern.len - at)
            piece = pattern.len - at;
        assert_int_equal(write_checked(world, str_make(pattern.ptr + at, piece)), 0);
        if (at / piece % 5 == 0) {
            read_peer(world, &got);
            loop_run_dry(world->loop);
        }
    }
    assert_true(stream_queued(world->stream) > 0);
    int drains = world->drains;
    while (world->drains == drains) {
        read_peer(world, &got);
        loop_run_dry(world->loop);
    }
    assert_int_equal(world->drains, drains + 1);
    read_peer(world, &got);
    assert_int_equal(got.len, pattern.len);
    assert_memory_equal(got.ptr, pattern.ptr, pattern.len);
    buf_fini(&got);
    mem_free((void *)pattern.ptr);
}

static void test_queue_is_bounded(void **state)
{
    struct world *world = *state;
    struct str pattern = make_pattern(OUTPUT_MAX + 1);
    struct buf got;
    buf_init(&got, 2 * OUTPUT_MAX);
    assert_int_equal(write_checked(world, pattern), ERR_TOO_LARGE);
    read_peer(world, &got);
    assert_int_equal(got.len, 0);
    pattern.len--;
    assert_int_equal(write_checked(world, pattern), 0);
    size_t room = OUTPUT_MAX - stream_queued(world->stream);
    assert_int_equal(write_checked(world, str_make(pattern.ptr, room + 1)), ERR_TOO_LARGE);
    assert_int_equal(write_checked(world, str_make(pattern.ptr, room)), 0);
    assert_int_equal(write_checked(world, str_make(pattern.ptr, 1)), ERR_TOO_LARGE);
    while (world->drains == 0) {
        read_peer(world, &got);
        loop_run_dry(world->loop);
    }
    read_peer(world, &got);
    assert_int_equal(got.len, OUTPUT_MAX + room);
    buf_fini(&got);
    mem_free((void *)pattern.ptr);
}

static void test_peer_closes(void **state)
{
    struct world *world = *state;
    send_text(world, "last");
    close(world->peer);
    world->peer = -1;
    run_until(world, &world->closes, 1);
    assert_true(str_equal_text(buf_view(&world->received), "last"));
}

static void test_write_to_a_gone_peer(void **state)
{
    struct world *world = *state;
    close(world->peer);
    world->peer = -1;
    assert_int_equal(write_checked(world, STR_LIT("x")), ERR_CLOSED);
    assert_int_equal(write_checked(world, STR_LIT("x")), ERR_CLOSED);
    assert_int_equal(world->closes, 0);
    run_until(world, &world->closes, 1);
}

static void test_abort_after_a_failed_write(void **state)
{
    struct world *world = *state;
    close(world->peer);
    world->peer = -1;
    assert_int_equal(write_checked(world, STR_LIT("x")), ERR_CLOSED);
    stream_abort(&world->stream);
    assert_null(world->stream);
    loop_run_dry(world->loop);
    assert_int_equal(world->closes, 0);
}

static void abort_it(struct world *world)
{
    stream_abort(&world->stream);
    assert_null(world->stream);
}

static void test_abort_in_handler(void **state)
{
    struct world *world = *state;
    struct buf got;
    buf_init(&got, 10);
    world->on_received = abort_it;
    send_text(world, "x");
    run_until(world, &world->receptions, 1);
    assert_true(read_peer(world, &got));
    loop_run_dry(world->loop);
    assert_int_equal(world->closes, 0);
    buf_fini(&got);
}

static void close_it(struct world *world)
{
    assert_int_equal(stream_write(world->stream, STR_LIT("bye")), 0);
    close_checked(world, clock_mono_ms() + PATIENCE);
    assert_int_equal(stream_write(world->stream, STR_LIT("more")), ERR_CLOSED);
}

static void test_close_in_handler(void **state)
{
    struct world *world = *state;
    struct buf got;
    buf_init(&got, 10);
    world->on_received = close_it;
    send_text(world, "x");
    run_until(world, &world->receptions, 1);
    assert_true(read_peer(world, &got));
    assert_true(str_equal_text(buf_view(&got), "bye"));
    send_text(world, "too late");
    loop_run_dry(world->loop);
    assert_int_equal(world->receptions, 1);
    assert_int_equal(world->closes, 0);
    close(world->peer);
    world->peer = -1;
    run_until(world, &world->closes, 1);
    buf_fini(&got);
}

static void test_close_sends_what_is_queued(void **state)
{
    struct world *world = *state;
    struct str pattern = make_pattern(OUTPUT_MAX);
    struct buf got;
    buf_init(&got, OUTPUT_MAX);
    assert_int_equal(write_checked(world, pattern), 0);
    assert_true(stream_queued(world->stream) > 0);
    close_checked(world, clock_mono_ms() + PATIENCE);
    while (!read_peer(world, &got))
        loop_run_dry(world->loop);
    assert_int_equal(got.len, pattern.len);
    assert_int_equal(world->drains, 0);
    close(world->peer);
    world->peer = -1;
    run_until(world, &world->closes, 1);
    buf_fini(&got);
    mem_free((void *)pattern.ptr);
}

static void test_close_after_the_peer(void **state)
{
    struct world *world = *state;
    close(world->peer);
    world->peer = -1;
    close_checked(world, clock_mono_ms() + PATIENCE);
    assert_int_equal(world->closes, 0);
    run_until(world, &world->closes, 1);
}

static void test_close_while_paused(void **state)
{
    struct world *world = *state;
    stream_pause(world->stream);
    close_checked(world, clock_mono_ms() + 2 * PATIENCE);
    send_text(world, "unheard");
    close(world->peer);
    world->peer = -1;
    run_until(world, &world->closes, 1);
    assert_int_equal(world->receptions, 0);
}

static void test_close_has_a_deadline(void **state)
{
    struct world *world = *state;
    int64_t start = clock_mono_ms();
    close_checked(world, start + 20);
    run_until(world, &world->closes, 1);
    assert_in_range(clock_mono_ms() - start, 20, PATIENCE);
}

static void test_pause(void **state)
{
    struct world *world = *state;
    stream_pause(world->stream);
    send_text(world, "x");
    loop_run_dry(world->loop);
    assert_int_equal(world->receptions, 0);
    stream_resume(world->stream);
    run_until(world, &world->receptions, 1);
}

static void pause_it(struct world *world)
{
    stream_pause(world->stream);
}

static void test_pause_in_handler(void **state)
{
    struct world *world = *state;
    world->on_received = pause_it;
    send_text(world, "x");
    run_until(world, &world->receptions, 1);
    send_text(world, "y");
    loop_run_dry(world->loop);
    assert_int_equal(world->receptions, 1);
    /* Output still flows. */
    assert_int_equal(write_checked(world, STR_LIT("z")), 0);
    stream_resume(world->stream);
    run_until(world, &world->receptions, 2);
}

static void received_by_other(void *owner, struct str bytes)
{
    int *count = owner;
    *count += (int)bytes.len;
}

static void closed_for_other(void *owner)
{
    int *count = owner;
    *count += 1000;
}

static int other_count;

static void give_away(struct world *world)
{
    static const struct stream_handlers other = {received_by_other, NULL, closed_for_other};
    stream_set_owner(world->stream, 10, &other, &other_count);
    world->stream = NULL;
}

static void test_another_owner(void **state)
{
    struct world *world = *state;
    struct stream *stream = world->stream;
    other_count = 0;
    world->on_received = give_away;
    send_text(world, "mine");
    run_until(world, &world->receptions, 1);
    send_text(world, "other");
    loop_run_dry(world->loop);
    assert_int_equal(other_count, 5);
    assert_int_equal(stream_write(stream, STR_LIT("12345678901")), ERR_TOO_LARGE);
    close(world->peer);
    world->peer = -1;
    loop_run_dry(world->loop);
    assert_int_equal(other_count, 1005);
    assert_int_equal(world->closes, 0);
}

static void test_a_flood_takes_turns(void **state)
{
    struct world *world = *state;
    struct str pattern = make_pattern(STREAM_READ_SIZE + 4096);
    size_t sent = 0;
    while (sent < pattern.len) {
        ssize_t n = send(world->peer, pattern.ptr + sent, pattern.len - sent, 0);
        assert_true(n > 0);
        sent += (size_t)n;
    }
    /* The loop is left after one read although more is there. */
    loop_run(world->loop);
    assert_int_equal(world->receptions, 1);
    assert_in_range(world->received.len, 1, STREAM_READ_SIZE);
    run_until(world, &world->receptions, 2);
    mem_free((void *)pattern.ptr);
}

static void check_peer(const struct world *world, const char *text)
{
    char peer[ADDRESS_TEXT_SIZE];
    assert_string_equal(address_text(stream_peer(world->stream), peer), text);
}

static void test_proxy_header_in_bytes(void **state)
{
    struct world *world = *state;
    const char *header = "PROXY TCP4 198.51.100.7 192.0.2.9 1 2\r\n";
    struct buf got;
    buf_init(&got, 100);
    stream_expect_proxy(world->stream, clock_mono_ms() + PATIENCE);
    /* Nothing goes out before it is known who is there. */
    assert_int_equal(write_checked(world, STR_LIT("hello")), 0);
    for (const char *c = header; *c != '\0'; c++) {
        check_peer(world, "192.0.2.1");
        loop_run_dry(world->loop);
        assert_false(read_peer(world, &got));
        assert_int_equal(got.len, 0);
        assert_int_equal(send(world->peer, c, 1, 0), 1);
        loop_run_dry(world->loop);
    }
    check_peer(world, "198.51.100.7");
    assert_false(read_peer(world, &got));
    assert_true(str_equal_text(buf_view(&got), "hello"));
    assert_int_equal(world->receptions, 0);
    send_text(world, "ping");
    run_until(world, &world->receptions, 1);
    assert_true(str_equal_text(buf_view(&world->received), "ping"));
    buf_fini(&got);
}

static void test_proxy_header_with_what_follows(void **state)
{
    struct world *world = *state;
    stream_expect_proxy(world->stream, clock_mono_ms() + PATIENCE);
    send_text(world, "PROXY UNKNOWN\r\nPROXY TCP4 \r\n");
    run_until(world, &world->receptions, 1);
    assert_true(str_equal_text(buf_view(&world->received), "PROXY TCP4 \r\n"));
    check_peer(world, "192.0.2.1");
}

static void test_proxy_header_malformed(void **state)
{
    struct world *world = *state;
    stream_expect_proxy(world->stream, clock_mono_ms() + PATIENCE);
    send_text(world, "PROXYGET / HTTP/1.1\r\n");
    run_until(world, &world->closes, 1);
    assert_int_equal(world->receptions, 0);
}

static void test_proxy_header_cut_off(void **state)
{
    struct world *world = *state;
    stream_expect_proxy(world->stream, clock_mono_ms() + PATIENCE);
    send_text(world, "PROXY TCP4 ");
    loop_run_dry(world->loop);
    close(world->peer);
    world->peer = -1;
    run_until(world, &world->closes, 1);
}

/* The socket dies in stream_close, as one that the peer has reset does. */
static void test_proxy_header_awaited_by_an_aborted_stream(void **state)
{
    struct world *world = *state;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct stream *stream =
        stream_new(world->loop, fd, &somebody, OUTPUT_MAX, &world_handlers, world);
    assert_non_null(stream);
    stream_expect_proxy(stream, clock_mono_ms() + PATIENCE);
    stream_close(stream, clock_mono_ms() + PATIENCE);
    stream_abort(&stream);
    loop_run_dry(world->loop);
    assert_int_equal(world->closes, 0);
}

static void test_proxy_header_too_slow(void **state)
{
    struct world *world = *state;
    stream_expect_proxy(world->stream, clock_mono_ms() + 20);
    send_text(world, "PROXY TCP4 ");
    run_until(world, &world->closes, 1);
    assert_int_equal(world->receptions, 0);
}

/* How many of `tries` streams of one peer are let in, each ended before the next. */
static int count_let_in(struct world *world, struct quota *quota, const struct address *peer,
                        int tries)
{
    static const struct stream_limits limits = {.handshakes = 2, .handshakes_per_address = 1};
    int let_in = 0;
    for (int i = 0; i < tries; i++) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        struct stream *stream =
            stream_new(world->loop, fd, peer, OUTPUT_MAX, &world_handlers, world);
        assert_non_null(stream);
        bool is_let_in = stream_count(stream, quota, &limits) == 0;
        assert_int_equal(stream_was_refused(stream), !is_let_in);
        let_in += is_let_in;
        stream_abort(&stream);
    }
    return let_in;
}

static void test_one_peer_does_not_begin_for_all(void **state)
{
    static const struct address other = {{[10] = 0xff, 0xff, 192, 0, 2, 2}};
    struct quota *quota = quota_new();
    assert_int_equal(count_let_in(*state, quota, &somebody, 10), 2);
    assert_int_equal(count_let_in(*state, quota, &other, 10), 2);
    /* And all was given back. */
    assert_true(quota_enter(quota, QUOTA_ALL_CONNECTIONS, STR_LIT(""), 1));
    assert_true(quota_enter(quota, QUOTA_CONNECTIONS, address_holder(&other), 1));
    quota_free(&quota);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_both_ways),
        TEST(test_proxy_header_in_bytes),
        TEST(test_proxy_header_with_what_follows),
        TEST(test_proxy_header_malformed),
        TEST(test_proxy_header_cut_off),
        TEST(test_proxy_header_awaited_by_an_aborted_stream),
        TEST(test_proxy_header_too_slow),
        TEST(test_one_peer_does_not_begin_for_all),
        TEST(test_queue_goes_out_in_order),
        TEST(test_queue_is_bounded),
        TEST(test_peer_closes),
        TEST(test_write_to_a_gone_peer),
        TEST(test_abort_after_a_failed_write),
        TEST(test_abort_in_handler),
        TEST(test_close_in_handler),
        TEST(test_close_sends_what_is_queued),
        TEST(test_close_after_the_peer),
        TEST(test_close_while_paused),
        TEST(test_close_has_a_deadline),
        TEST(test_pause),
        TEST(test_pause_in_handler),
        TEST(test_another_owner),
        TEST(test_a_flood_takes_turns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
