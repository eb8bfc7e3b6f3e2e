/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loop, a pass at a time: wait and serve descriptors, then messages, then timers, then what was
 * deferred. libuv gives the readiness and the wake-up. Timers are a heap of our own under one
 * timer of libuv's, because a session has several, they sit inside it, and no closing call
 * may come back for them.
 */
#include "loop/loop.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"

#include <pthread.h>
#include <uv.h>

struct loop {
    uv_loop_t uv;
    uv_async_t wake;
    uv_timer_t alarm;
    struct heap timers;
    struct list ready;    /* messages taken from the inbox and not yet run */
    struct list deferred; /* run at the end of the pass */
    int64_t now;
    int64_t wall;
    bool time_is_stale;
    bool woken;
    bool stopping;

    pthread_mutex_t lock; /* of what follows */
    struct list inbox;
    size_t waiting; /* messages in `inbox` and in `ready` */
};

struct loop_watch {
    uv_poll_t poll;
    struct loop *loop;
    int events;
    loop_ready_fn *ready;
    void *argument;
};

/* The first callback of a pass reads the clocks for all. */
static void read_clocks(struct loop *loop)
{
    if (!loop->time_is_stale)
        return;
    loop->now = clock_mono_ms();
    loop->wall = clock_wall_ms();
    loop->time_is_stale = false;
}

static void on_wake(uv_async_t *wake)
{
    struct loop *loop = CONTAINER_OF(wake, struct loop, wake);
    loop->woken = true;
}

/* Fired before polling, as some versions of libuv do, it must keep the poll from blocking. */
static void on_alarm(uv_timer_t *alarm)
{
    uv_stop(alarm->loop);
}

static void log_refusal(const char *what, int status)
{
    log_error("event loop refused", LOG_TEXT("what", what),
              LOG_TEXT("reason", uv_strerror(status)));
}

struct loop *loop_new(void)
{
    struct loop *loop = mem_zalloc(sizeof(*loop));
    int status = uv_loop_init(&loop->uv);
    if (status != 0)
        goto no_loop;
    status = uv_async_init(&loop->uv, &loop->wake, on_wake);
    if (status != 0)
        goto no_wake;
    uv_timer_init(&loop->uv, &loop->alarm);
    pthread_mutex_init(&loop->lock, NULL);
    heap_init(&loop->timers);
    list_init(&loop->ready);
    list_init(&loop->deferred);
    list_init(&loop->inbox);
    loop->time_is_stale = true;
    read_clocks(loop);
    return loop;
no_wake:
    uv_loop_close(&loop->uv);
no_loop:
    log_refusal("loop", status);
    mem_free(loop);
    return NULL;
}

static void run_deferred(struct loop *loop)
{
    /* What these defer in turn waits for the next pass, so that a pass has an end. */
    struct list batch;
    struct list *node;
    list_init(&batch);
    list_move_all(&batch, &loop->deferred);
    while ((node = list_pop(&batch)) != NULL) {
        struct loop_message *message = LIST_ENTRY(node, struct loop_message, node);
        message->run(message);
    }
}

void loop_free(struct loop **owner)
{
    struct loop *loop = *owner;
    if (loop == NULL)
        return;
    while (!list_is_empty(&loop->deferred))
        run_deferred(loop);
    uv_close((uv_handle_t *)&loop->wake, NULL);
    uv_close((uv_handle_t *)&loop->alarm, NULL);
    uv_run(&loop->uv, UV_RUN_NOWAIT);
    int status = uv_loop_close(&loop->uv);
    if (status != 0)
        log_refusal("close", status);
    pthread_mutex_destroy(&loop->lock);
    heap_fini(&loop->timers);
    mem_free(loop);
    *owner = NULL;
}

static void set_alarm(struct loop *loop)
{
    const struct heap_node *first = heap_first(&loop->timers);
    if (first == NULL) {
        uv_timer_stop(&loop->alarm);
        return;
    }
    int64_t delay = first->key - clock_mono_ms();
    /* libuv counts from its own idea of now, which is as old as the pass. */
    uv_update_time(&loop->uv);
    uv_timer_start(&loop->alarm, on_alarm, delay > 0 ? (uint64_t)delay : 0, 0);
}

static void serve_descriptors(struct loop *loop)
{
    bool work_left = loop->woken || !list_is_empty(&loop->deferred);
    set_alarm(loop);
    loop->time_is_stale = true;
    uv_run(&loop->uv, work_left ? UV_RUN_NOWAIT : UV_RUN_ONCE);
    read_clocks(loop);
}

static void take_inbox(struct loop *loop)
{
    pthread_mutex_lock(&loop->lock);
    list_move_all(&loop->ready, &loop->inbox);
    pthread_mutex_unlock(&loop->lock);
}

static void run_messages(struct loop *loop)
{
    if (!loop->woken)
        return;
    take_inbox(loop);
    size_t done = 0;
    while (!loop->stopping && !list_is_empty(&loop->ready)) {
        struct list *node = list_pop(&loop->ready);
        struct loop_message *message = LIST_ENTRY(node, struct loop_message, node);
        message->run(message);
        done++;
    }
    loop->woken = !list_is_empty(&loop->ready);
    pthread_mutex_lock(&loop->lock);
    loop->waiting -= done;
    pthread_mutex_unlock(&loop->lock);
}

static void run_timers(struct loop *loop)
{
    /* Counted, so that a timer which sets itself to the past cannot hold the pass for ever. */
    for (size_t left = loop->timers.count; left > 0 && !loop->stopping; left--) {
        struct heap_node *node = heap_first(&loop->timers);
        if (node == NULL || node->key > loop->now)
            return;
        heap_remove(&loop->timers, node);
        struct loop_timer *timer = CONTAINER_OF(node, struct loop_timer, node);
        timer->expired(timer);
    }
}

void loop_run(struct loop *loop)
{
    while (!loop->stopping) {
        serve_descriptors(loop);
        run_messages(loop);
        run_timers(loop);
        run_deferred(loop);
    }
    loop->stopping = false;
}

void loop_stop(struct loop *loop)
{
    loop->stopping = true;
}

int64_t loop_now(const struct loop *loop)
{
    return loop->now;
}

int64_t loop_wall(const struct loop *loop)
{
    return loop->wall;
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
    struct loop_watch *watch = CONTAINER_OF(poll, struct loop_watch, poll);
    struct loop *loop = watch->loop;
    int ready = 0;
    read_clocks(loop);
    if (status < 0) {
        /* libuv has stopped the watch; an owner that does not free it shall hear of it again. */
        uv_poll_start(poll, watch->events, on_ready);
        ready = LOOP_READABLE | LOOP_WRITABLE;
    }
    if (events & UV_READABLE)
        ready |= LOOP_READABLE;
    if (events & UV_WRITABLE)
        ready |= LOOP_WRITABLE;
    /* After loop_stop the rest of the batch stays for the next loop_run: readiness does not go
     * away. */
    if (!loop->stopping)
        watch->ready(watch->argument, ready);
}

static void on_closed(uv_handle_t *handle)
{
    mem_free(CONTAINER_OF((uv_poll_t *)handle, struct loop_watch, poll));
}

struct loop_watch *loop_watch_new(struct loop *loop, int fd, int events, loop_ready_fn *ready,
                                  void *argument)
{
    struct loop_watch *watch = mem_zalloc(sizeof(*watch));
    watch->loop = loop;
    watch->ready = ready;
    watch->argument = argument;
    int status = uv_poll_init(&loop->uv, &watch->poll, fd);
    if (status != 0) {
        log_refusal("watch", status);
        mem_free(watch);
        return NULL;
    }
    loop_watch_set(watch, events);
    return watch;
}

void loop_watch_set(struct loop_watch *watch, int events)
{
    if (events == watch->events)
        return;
    int wanted = 0;
    if (events & LOOP_READABLE)
        wanted |= UV_READABLE;
    if (events & LOOP_WRITABLE)
        wanted |= UV_WRITABLE;
    watch->events = events;
    /* Fails only when another watch has the same descriptor, which uv_poll_init has refused. */
    uv_poll_start(&watch->poll, wanted, on_ready);
}

void loop_watch_free(struct loop_watch **watch)
{
    if (*watch == NULL)
        return;
    uv_close((uv_handle_t *)&(*watch)->poll, on_closed);
    *watch = NULL;
}

void loop_timer_init(struct loop_timer *timer, struct loop *loop,
                     void (*expired)(struct loop_timer *timer))
{
    *timer = (struct loop_timer){.loop = loop, .expired = expired};
}

void loop_timer_set(struct loop_timer *timer, int64_t deadline_mono)
{
    heap_remove(&timer->loop->timers, &timer->node);
    heap_insert(&timer->loop->timers, &timer->node, deadline_mono);
}

void loop_timer_cancel(struct loop_timer *timer)
{
    /* A timer that was never initialised has no loop. */
    if (heap_contains(&timer->node))
        heap_remove(&timer->loop->timers, &timer->node);
}

bool loop_timer_is_set(const struct loop_timer *timer)
{
    return heap_contains(&timer->node);
}

static void post(struct loop *loop, struct loop_message *message)
{
    bool first = list_is_empty(&loop->inbox);
    list_append(&loop->inbox, &message->node);
    loop->waiting++;
    if (first)
        uv_async_send(&loop->wake);
}

int loop_post(struct loop *loop, struct loop_message *message)
{
    pthread_mutex_lock(&loop->lock);
    bool accepted = loop->waiting < LIMIT_LOOP_MESSAGES;
    if (accepted)
        post(loop, message);
    pthread_mutex_unlock(&loop->lock);
    return accepted ? 0 : ERR_BUSY;
}

void loop_post_always(struct loop *loop, struct loop_message *message)
{
    pthread_mutex_lock(&loop->lock);
    post(loop, message);
    pthread_mutex_unlock(&loop->lock);
}

void loop_defer(struct loop *loop, struct loop_message *message)
{
    list_append(&loop->deferred, &message->node);
}
