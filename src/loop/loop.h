/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One thread's event loop: readiness of file descriptors, timers, and messages from other threads.
 * Built on libuv, which no other folder sees.
 *
 * Everything but loop_post is called on the loop's own thread, or before loop_run. A callback never
 * runs inside the call that asked for it. What a callback cancels is not called back.
 *
 * loop.c  the loop, descriptors, timers, messages
 */
#ifndef ORDERWIRE_LOOP_LOOP_H
#define ORDERWIRE_LOOP_LOOP_H

#include "base/heap.h"
#include "base/list.h"

/* Opaque types. */
struct loop;
struct loop_watch;

/* NULL when the system refuses (descriptors used up); the reason is logged. */
struct loop *loop_new(void);
/* Everything that was registered has been removed before. Runs what is still deferred. */
void loop_free(struct loop **loop);

/* Runs until loop_stop. The thread that calls it becomes the loop's thread. */
void loop_run(struct loop *loop);
/* Ends loop_run after the present callback. From the loop's own thread. */
void loop_stop(struct loop *loop);

/* Monotonic milliseconds, read once for each pass. */
int64_t loop_now(const struct loop *loop);
/* Wall-clock milliseconds since 1970, read once for each pass. */
int64_t loop_wall(const struct loop *loop);

enum { LOOP_READABLE = 1, LOOP_WRITABLE = 2 };

typedef void loop_ready_fn(void *argument, int events);

/*
 * Watches `fd`, which stays the caller's. `events` is a set of LOOP_READABLE and LOOP_WRITABLE, or
 * 0 for none yet. An error is reported as both, a hang-up as what is watched. NULL when the system
 * refuses.
 */
struct loop_watch *loop_watch_new(struct loop *loop, int fd, int events, loop_ready_fn *ready,
                                  void *argument);
void loop_watch_set(struct loop_watch *watch, int events);
/* No more calls. The caller may close the descriptor at once. */
void loop_watch_free(struct loop_watch **watch);

/* A timer embedded in the struct that waits. All fields are the loop's. */
struct loop_timer {
    struct heap_node node; /* key: the deadline, monotonic */
    struct loop *loop;
    void (*expired)(struct loop_timer *timer);
};

void loop_timer_init(struct loop_timer *timer, struct loop *loop,
                     void (*expired)(struct loop_timer *timer));
/* Calls `expired` once at or after `deadline_mono`; replaces an earlier setting. */
void loop_timer_set(struct loop_timer *timer, int64_t deadline_mono);
/* Harmless when it is not set. */
void loop_timer_cancel(struct loop_timer *timer);
bool loop_timer_is_set(const struct loop_timer *timer);

/*
 * A piece of work for a loop from any thread, embedded in the struct it is about. `run` is called
 * once on the loop's thread and may free the struct. Messages run in the order of posting.
 */
struct loop_message {
    struct list node;
    void (*run)(struct loop_message *message);
};

/*
 * From any thread. One wake-up serves all messages posted before the loop gets to them.
 * ERR_BUSY when LIMIT_LOOP_MESSAGES wait already: the message is then still the caller's.
 */
NODISCARD int loop_post(struct loop *loop, struct loop_message *message);
/* The same, but never refused: for answers, whose number the questions bound. */
void loop_post_always(struct loop *loop, struct loop_message *message);

/*
 * Calls `run` after the present pass, before the loop waits again: for freeing what a callback
 * still stands in. Only from the loop's own thread.
 */
void loop_defer(struct loop *loop, struct loop_message *message);

#endif
