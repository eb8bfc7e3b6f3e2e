/* SPDX-License-Identifier: Apache-2.0 */
/* What an owner writes from inside its handler. Each send of SOCK_SEQPACKET is a packet for the peer. */
#include "base/mem.h"
#include "loop/loop_fixture.h"
#include "net/stream_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static void expect_packet(struct world *world, struct str expected)
{
    char bytes[65536];
    ssize_t n = recv(world->peer, bytes, sizeof(bytes), 0);
    assert_int_equal(n, expected.len);
    assert_memory_equal(bytes, expected.ptr, expected.len);
}

static void expect_no_packet(struct world *world)
{
    char byte;
    assert_int_equal(recv(world->peer, &byte, 1, MSG_PEEK), -1);
}

static void write_thrice(struct world *world)
{
    assert_int_equal(write_checked(world, STR_LIT("one")), 0);
    assert_int_equal(write_checked(world, STR_LIT("two")), 0);
    assert_int_equal(write_checked(world, STR_LIT("")), 0);
    assert_int_equal(write_checked(world, STR_LIT("three")), 0);
    expect_no_packet(world);
}

static void test_a_handler_writes_at_once(void **state)
{
    struct world *world = *state;
    use_sockets(world, SOCK_SEQPACKET);
    world->on_received = write_thrice;
    send_text(world, "x");
    run_until(world, &world->receptions, 1);
    expect_packet(world, STR_LIT("onetwothree"));
    expect_no_packet(world);
    assert_int_equal(write_checked(world, STR_LIT("later")), 0);
    expect_packet(world, STR_LIT("later"));
}

static void write_thrice_as_owner(void *owner)
{
    write_thrice(owner);
}

static void test_an_owner_runs_as_a_handler(void **state)
{
    struct world *world = *state;
    use_sockets(world, SOCK_SEQPACKET);
    stream_run(world->stream, write_thrice_as_owner);
    expect_packet(world, STR_LIT("onetwothree"));
    expect_no_packet(world);
}

static void write_as_owner(void *owner)
{
    struct world *world = owner;
    assert_int_equal(write_checked(world, STR_LIT("x")), 0);
}

static void abort_as_owner(void *owner)
{
    struct world *world = owner;
    stream_abort(&world->stream);
}

static void test_an_owner_runs_and_aborts(void **state)
{
    struct world *world = *state;
    stream_run(world->stream, abort_as_owner);
    loop_run_dry(world->loop);
    assert_null(world->stream);
    assert_int_equal(world->closes, 0);
}

static void test_an_owner_runs_and_the_peer_is_gone(void **state)
{
    struct world *world = *state;
    close(world->peer);
    world->peer = -1;
    stream_run(world->stream, write_as_owner);
    assert_int_equal(world->closes, 1);
}

static void write_much(struct world *world)
{
    struct str pattern = make_pattern(20000);
    assert_int_equal(write_checked(world, str_make(pattern.ptr, 4000)), 0);
    assert_int_equal(write_checked(world, str_make(pattern.ptr + 4000, 1000)), 0);
    expect_packet(world, str_make(pattern.ptr, 4000));
    assert_int_equal(write_checked(world, str_make(pattern.ptr + 5000, 15000)), 0);
    expect_packet(world, str_make(pattern.ptr + 4000, 1000));
    expect_packet(world, str_make(pattern.ptr + 5000, 15000));
    mem_free((void *)pattern.ptr);
}

static void test_a_handler_writes_much(void **state)
{
    struct world *world = *state;
    use_sockets(world, SOCK_SEQPACKET);
    world->on_received = write_much;
    send_text(world, "x");
    run_until(world, &world->receptions, 1);
    expect_no_packet(world);
}

static void write_and_abort(struct world *world)
{
    assert_int_equal(write_checked(world, STR_LIT("unsent")), 0);
    stream_abort(&world->stream);
}

/* It must not come out of the next stream. */
static void test_a_handler_writes_and_aborts(void **state)
{
    struct world *world = *state;
    world->on_received = write_and_abort;
    send_text(world, "x");
    run_until(world, &world->receptions, 1);
    use_sockets(world, SOCK_SEQPACKET);
    world->on_received = write_thrice;
    send_text(world, "x");
    run_until(world, &world->receptions, 2);
    expect_packet(world, STR_LIT("onetwothree"));
    assert_int_equal(world->closes, 0);
}

static void leave_and_write(struct world *world)
{
    close(world->peer);
    world->peer = -1;
    assert_int_equal(write_checked(world, STR_LIT("x")), 0);
}

static void test_a_handler_writes_to_a_gone_peer(void **state)
{
    struct world *world = *state;
    world->on_received = leave_and_write;
    send_text(world, "x");
    run_until(world, &world->closes, 1);
}

static void fill(struct world *world)
{
    struct str pattern = make_pattern(4000);
    while (stream_queued(world->stream) == 0)
        assert_int_equal(write_checked(world, pattern), 0);
    assert_int_equal(write_checked(world, STR_LIT("end")), 0);
    mem_free((void *)pattern.ptr);
}

static void test_a_handler_writes_more_than_the_kernel_takes(void **state)
{
    struct world *world = *state;
    struct buf got;
    buf_init(&got, OUTPUT_MAX);
    world->on_received = fill;
    send_text(world, "x");
    run_until(world, &world->receptions, 1);
    while (world->drains == 0) {
        read_peer(world, &got);
        loop_run_dry(world->loop);
    }
    read_peer(world, &got);
    assert_int_equal(got.len % 4000, 3);
    assert_memory_equal(got.ptr + got.len - 3, "end", 3);
    buf_fini(&got);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_a_handler_writes_at_once),
        TEST(test_an_owner_runs_as_a_handler),
        TEST(test_an_owner_runs_and_aborts),
        TEST(test_an_owner_runs_and_the_peer_is_gone),
        TEST(test_a_handler_writes_much),
        TEST(test_a_handler_writes_and_aborts),
        TEST(test_a_handler_writes_to_a_gone_peer),
        TEST(test_a_handler_writes_more_than_the_kernel_takes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
