/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For tests of the webhook thread: it runs for real between the memory store, a recorder that writes
 * there or does not, and a receiver in a thread of its own that does what the path asks for:
 *
 *   /ok        200
 *   /fail      500
 *   /gone      410
 *   /abort     500 with webhook-delivery: abort-message
 *   /pace      200 after 2 ms
 *   /hold      nothing until world_release, then world->held_status, or 200
 *   /script    the statuses of world->script one after another, then 200
 *
 * A test that waits for too long fails.
 */
#ifndef ORDERWIRE_WEBHOOK_WEBHOOK_FIXTURE_H
#define ORDERWIRE_WEBHOOK_WEBHOOK_FIXTURE_H

#include "base/list.h"
#include "webhook/webhook.h"

#include <pthread.h>

enum { WORLD_RECEIVED_MAX = 2000, WORLD_PROJECT = 5 };

/* One request. */
struct received {
    char path[32];
    char id[40];
    int32_t order_id;
    int32_t seq;
};

/* What the store keeps of an attempt. */
struct kept_attempt {
    int64_t started_at;
    int32_t status;
    char error[200];
};

struct world {
    struct store_options store_options;
    struct store *store;
    pthread_mutex_t store_lock;
    struct store_connection *writer; /* under store_lock */
    struct store_connection *reader; /* the test's */
    struct webhook_options options;
    struct webhook *webhook;
    int64_t user_id;

    struct loop *loop; /* the receiver's, as what follows */
    struct http_server *server;
    struct listener *listener;
    pthread_t thread;
    struct loop_message release;
    struct loop_message stop;
    struct list held;
    int port;

    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t changed;
    struct received received[WORLD_RECEIVED_MAX];
    int received_count;
    int active; /* requests that wait for their answer */
    int active_max;
    const int *script; /* ended by 0 */
    int held_status;   /* 0: 200; set before anything is held */
    int records;       /* results recorded */
    int record_calls;
    int fail_records; /* so many calls are answered with an error */
    int replay_steps; /* calls for a step */
};

/* The thread is not started. */
struct world *world_new(void);
void world_start(struct world *world);
/* Ends the thread in the order that webhook.h asks for; harmless when it does not run. */
void world_stop(struct world *world);
void world_free(struct world **world);

/* An endpoint of the receiver; `more` are members of its settings, each with a comma before it. */
int64_t world_add_endpoint(struct world *world, const char *path, const char *more);
/* Replaces them and pokes. */
void world_change_endpoint(struct world *world, int64_t endpoint_id,
                           enum store_endpoint_state state, const char *path, const char *more);
void world_delete_endpoint(struct world *world, int64_t endpoint_id);
/* The order becomes `status`, by its next event (`seq`), of which the endpoint is told. */
int64_t world_add_event(struct world *world, int64_t endpoint_id, int32_t order_id, int32_t seq);
int64_t world_add_body(struct world *world, int64_t endpoint_id, size_t length);
/* Only rows, nobody is poked. */
int64_t world_add_silently(struct world *world, int64_t endpoint_id, int32_t order_id, int32_t seq);
/* Without the webhook thread's part: networks that the project allows, as JSON. */
void world_allow(struct world *world, const char *networks);

/* Until so many requests were received, or results recorded, since the start. */
void world_await_received(struct world *world, int count);
void world_await_records(struct world *world, int count);
/* Until the recorder was called so often, also in vain. */
void world_await_calls(struct world *world, int count);
/* What is held is answered, and what comes after it too. */
void world_release(struct world *world);
/* As it stands in the store. */
struct store_delivery world_delivery(struct world *world, int64_t delivery_id);
/* Its attempt `number`. */
struct kept_attempt world_attempt(struct world *world, int64_t delivery_id, int32_t number);
/* How many requests came to a path. */
int world_count(struct world *world, const char *path);
/* From now on so many look-ups of deliveries fail. */
void world_break_store(int failures);

#endif
