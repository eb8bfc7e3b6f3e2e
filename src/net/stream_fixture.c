/* SPDX-License-Identifier: Apache-2.0 */
/* The owner of the stream, who checks what he is told. */
#include "net/stream_fixture.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/metrics.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static void received(void *owner, struct str bytes)
{
    struct world *world = owner;
    assert_false(world->in_call);
    assert_in_range(bytes.len, 1, STREAM_READ_SIZE);
    buf_append_str(&world->received, bytes);
    world->receptions++;
    if (world->on_received != NULL)
        world->on_received(world);
    loop_stop(world->loop);
}

static void drained(void *owner)
{
    struct world *world = owner;
    assert_false(world->in_call);
    assert_int_equal(stream_queued(world->stream), 0);
    world->drains++;
    loop_stop(world->loop);
}

static void closed(void *owner)
{
    struct world *world = owner;
    assert_false(world->in_call);
    world->closes++;
    world->stream = NULL;
    loop_stop(world->loop);
}

const struct stream_handlers world_handlers = {received, drained, closed};

static void on_guard(struct loop_timer *timer)
{
    (void)timer;
    fail_msg("nothing happened for too long");
}

void use_sockets(struct world *world, int type)
{
    int pair[2];
    stream_abort(&world->stream);
    if (world->peer >= 0)
        close(world->peer);
    assert_int_equal(socketpair(AF_UNIX, type | SOCK_NONBLOCK, 0, pair), 0);
    world->peer = pair[1];
    world->stream = stream_new(world->loop, pair[0], &somebody, OUTPUT_MAX, &world_handlers, world);
    assert_non_null(world->stream);
}

int set_up(void **state)
{
    struct world *world = mem_zalloc(sizeof(*world));
    world->connections_before = metrics_value(METRIC_CONNECTIONS);
    world->loop = loop_new();
    world->peer = -1;
    use_sockets(world, SOCK_STREAM);
    buf_init(&world->received, OUTPUT_MAX);
    loop_timer_init(&world->guard, world->loop, on_guard);
    loop_timer_set(&world->guard, clock_mono_ms() + PATIENCE);
    *state = world;
    return 0;
}

int tear_down(void **state)
{
    struct world *world = *state;
    stream_abort(&world->stream);
    loop_timer_cancel(&world->guard);
    loop_free(&world->loop);
    if (world->peer >= 0)
        close(world->peer);
    buf_fini(&world->received);
    assert_int_equal(metrics_value(METRIC_CONNECTIONS), world->connections_before);
    mem_free(world);
    return 0;
}

void run_until(struct world *world, const int *counter, int value)
{
    while (*counter < value)
        loop_run(world->loop);
    assert_int_equal(*counter, value);
}

int write_checked(struct world *world, struct str bytes)
{
    world->in_call = true;
    int result = stream_write(world->stream, bytes);
    world->in_call = false;
    return result;
}

void close_checked(struct world *world, int64_t deadline_mono)
{
    world->in_call = true;
    stream_close(world->stream, deadline_mono);
    world->in_call = false;
}

void send_text(struct world *world, const char *text)
{
    assert_int_equal(send(world->peer, text, strlen(text), 0), strlen(text));
}

bool read_peer(struct world *world, struct buf *out)
{
    char bytes[65536];
    ssize_t n;
    while ((n = recv(world->peer, bytes, sizeof(bytes), 0)) > 0)
        buf_append(out, bytes, (size_t)n);
    return n == 0;
}

struct str make_pattern(size_t length)
{
    char *bytes = mem_alloc(length);
    for (size_t i = 0; i < length; i++)
        bytes[i] = (char)(i * 31 + i / 251);
    return str_make(bytes, length);
}
