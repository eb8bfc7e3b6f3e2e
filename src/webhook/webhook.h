/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The webhook thread: sends what the rows say is to be sent. It keeps per endpoint when the next
 * delivery is due, what is in flight, breaker, rate and ramp; the deliveries themselves stay in the
 * store and are read a few at a time, so that memory does not grow with the backlog. It writes
 * nothing: results go to the store thread through struct webhook_recorder, and a delivery is in
 * flight until its result is durable.
 *
 * webhook.c           the thread: endpoints read, poked, stopped
 * webhook_queue.c     endpoints: what is due, what may go now
 * webhook_send.c      one delivery: body, headers, attempt, result
 * webhook_policy.c    what an answer means, when to try again; pure
 * webhook_breaker.c   breaker, ramp and rate of one endpoint; pure
 * webhook_endpoint.c  settings and secrets
 * webhook_message.c   bodies and signatures
 */
#ifndef ORDERWIRE_WEBHOOK_WEBHOOK_H
#define ORDERWIRE_WEBHOOK_WEBHOOK_H

#include "loop/loop.h"
#include "store/store_webhooks.h"

/* Opaque types. */
struct webhook;

enum webhook_verdict {
    WEBHOOK_DELIVERED,
    WEBHOOK_RETRY, /* again at next_at, at `step` */
    WEBHOOK_DEAD,
    WEBHOOK_SUPERSEDED,
};

/* What became of one delivery; embedded in the webhook thread's own struct until recorded. */
struct webhook_result {
    struct loop_message message; /* the recorder's, for its answer */
    int64_t delivery_id;
    int64_t endpoint_id;
    enum webhook_verdict verdict;
    int32_t step;
    int64_t next_at;
    bool gives_way; /* with WEBHOOK_RETRY: not when a newer delivery is in its lane */
    /*
     * False: superseded. What ended without a request (too old, too large) has an attempt that says
     * so, without status and address.
     */
    bool has_attempt;
    struct store_attempt attempt;
    const char *disable_reason; /* not NULL: the endpoint is to be disabled, and why */
};

/*
 * How results become durable; the service gives it. `record` is called on the webhook thread; it
 * takes `result` until it has called `recorded` once, later, on the webhook thread, with 0 or the
 * store's error. After an error the webhook thread calls `record` again a little later.
 */
struct webhook_recorder {
    /* ERR_NOT_FOUND is not tried again: there is no such delivery any more. */
    void (*record)(void *context, struct webhook_result *result,
                   void (*recorded)(struct webhook_result *result, int error));
    /* One step of an open replay; the same way. It pokes the replay's endpoint. */
    void (*replay)(void *context, int64_t replay_id, void (*stepped)(void *argument, int error),
                   void *argument);
};

struct webhook_options {
    int64_t breaker_after; /* failures in a row that open an endpoint's breaker */
    int64_t breaker_pause; /* ms before the first probe; doubles up to breaker_pause_max */
    int64_t breaker_pause_max;
    int64_t store_pause; /* ms before the store is asked again after a failure, at first; 0: 1 s */
};

/*
 * Starts the thread. All arguments outlive it. NULL when the store gives no reading connection or
 * the system no thread; logged.
 */
struct webhook *webhook_start(struct store *store, const uint8_t key[32],
                              const struct webhook_options *options);
/* Before anything is sent, once: the recorder. Sending begins with this call. */
void webhook_run(struct webhook *webhook, const struct webhook_recorder *recorder, void *context);
struct loop *webhook_loop(const struct webhook *webhook);

/* From any thread: an endpoint has new deliveries, or has changed, or has been deleted. */
void webhook_poke(struct webhook *webhook, int64_t endpoint_id);
/* From any thread: a replay was added. */
void webhook_poke_replays(struct webhook *webhook);

/*
 * Begins no new attempts, waits until those in flight are recorded or `timeout` ms have passed.
 * The store thread must still be running. What is not recorded by then is sent again after a restart.
 * Afterwards the recorder is not called any more.
 */
void webhook_drain(struct webhook *webhook, int64_t timeout);
/*
 * Ends the thread and frees. Before it webhook_drain, and then the end of the store thread: the
 * recorder's answers that were posted by then are still heard.
 */
void webhook_stop(struct webhook **webhook);

#endif
