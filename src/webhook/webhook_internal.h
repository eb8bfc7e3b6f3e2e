/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the webhook thread share. Everything here is that thread's own. */
#ifndef ORDERWIRE_WEBHOOK_WEBHOOK_INTERNAL_H
#define ORDERWIRE_WEBHOOK_WEBHOOK_INTERNAL_H

#include "base/arena.h"
#include "base/crypto.h"
#include "base/map.h"
#include "webhook/webhook_breaker.h"

#include <pthread.h>

/* Opaque types. */
struct http_sender;
struct http_sending;

enum {
    WEBHOOK_POKES_MAX = 256,
    WEBHOOK_DUE_MAX = 32, /* deliveries that one look into the store finds */
};

enum webhook_phase {
    WEBHOOK_IDLE, /* webhook_run was not called yet */
    WEBHOOK_RUNNING,
    WEBHOOK_DRAINING, /* nothing new begins */
    WEBHOOK_HALTED,   /* and nothing is given to the recorder */
};

struct webhook {
    struct store *store;
    uint8_t key[CRYPTO_KEY_SIZE];
    const struct webhook_options *options;
    const struct webhook_recorder *recorder;
    void *recorder_context;
    struct loop *loop;
    struct store_connection *reader;
    struct http_sender *sender;
    pthread_t thread;

    enum webhook_phase phase;
    struct map targets; /* by endpoint_id */
    struct list ready;  /* targets whose turn is to come */
    struct loop_message turns;
    bool turns_are_set;
    int in_flight;
    int64_t due_wall; /* of webhook_queue_wall, when it was asked last */
    int64_t due_mono;
    bool records_fail; /* the last result that the recorder answered was not recorded */

    struct loop_message end_reading; /* after the pass */
    struct loop_message listing;     /* the next page of endpoints is to be read */
    bool listing_is_set;
    int64_t listed; /* the last endpoint_id read */
    struct loop_timer list_again;
    bool replay_is_stepping;
    int64_t replay_id; /* the last one stepped */
    struct loop_timer replay_again;
    struct loop_timer backlog_due;
    struct loop_timer drain_deadline;
    struct loop_message run_message;
    struct loop_message drain_message;
    struct loop_message stop_message;

    pthread_mutex_t lock; /* of what follows, which other threads see */
    pthread_cond_t halted;
    bool is_halted;
    int64_t drain_timeout;
    struct loop_message poke_message;
    bool poke_is_posted;
    bool poke_all; /* more endpoints than `pokes` has room for */
    bool poke_replays;
    int64_t pokes[WEBHOOK_POKES_MAX];
    int poke_count;
};

/* An endpoint as its requests need it; kept while there are any, and while deliveries wait. */
struct webhook_config {
    int references;
    struct webhook_endpoint endpoint;
    struct address_network *networks;
    size_t network_count;
    uint8_t settings_hash[CRYPTO_SHA256_SIZE];
    uint8_t secrets_hash[CRYPTO_SHA256_SIZE];
    uint8_t project_hash[CRYPTO_SHA256_SIZE];
    int64_t due[WEBHOOK_DUE_MAX]; /* the target's: deliveries found due, `due_at` the next to go */
    int due_at;
    int due_count;
};

/* An endpoint as the queue knows it, whatever its state. */
struct webhook_target {
    struct webhook *webhook;
    int64_t endpoint_id;
    struct list ready;       /* in webhook->ready, or alone */
    struct list sendings;    /* what is in flight */
    struct loop_timer timer; /* the next look */
    struct webhook_breaker breaker;
    struct webhook_config *config; /* NULL: not read, or not to be read */
    int64_t read_mono;             /* when it was */
    int32_t in_flight;
    int32_t requests;       /* of these, those that wait for an answer */
    int32_t disabling;      /* of these, results that disable the endpoint */
    int32_t store_failures; /* in a row */
    enum store_endpoint_state state;
    bool is_stale; /* poked since it was read */
    bool is_gone;  /* deleted; freed with its last sending */
};

/* A delivery in flight: from its start until its result is durable. */
struct webhook_sending {
    struct webhook_result result;
    struct list node; /* in target->sendings */
    struct webhook_target *target;
    struct webhook_config *config;
    struct http_sending *http; /* NULL before and after */
    struct arena texts;        /* of the result's attempt */
    struct loop_timer again;   /* when it is to be recorded again */
    int32_t record_failures;
    int32_t step;
    int64_t created_at;
    bool is_first;   /* attempt */
    bool is_by_hand; /* a retry that somebody asked for: of an unknown age */
};

/* webhook_queue.c */

/* The endpoint has changed, or has new deliveries. */
void webhook_queue_poke(struct webhook *webhook, int64_t endpoint_id);
void webhook_queue_poke_all(struct webhook *webhook);
/*
 * The time that deliveries wait for: the wall clock, but when that is set back it runs on, so that
 * nothing waits longer than it was to.
 */
int64_t webhook_queue_wall(struct webhook *webhook);
/* The target gets a turn before the loop waits again. */
void webhook_queue_ready(struct webhook_target *target);
/* As a loop message: turns of those that are ready. */
void webhook_queue_run(struct loop_message *turns);
/* A sending is over. */
void webhook_queue_released(struct webhook_target *target, bool look_later);
/* What an attempt says of the endpoint. */
void webhook_queue_note(struct webhook_target *target, const struct webhook_config *config,
                        enum webhook_health health);
struct webhook_config *webhook_queue_hold(struct webhook_config *config);
void webhook_queue_release(struct webhook_config **config);
/* Frees all targets. */
void webhook_queue_fini(struct webhook *webhook);

/* webhook_send.c */

/* Begins with a delivery that is due. An error of the store: nothing was begun. */
NODISCARD int webhook_send_start(struct webhook_target *target, int64_t delivery_id);
/* Ends a delivery without a request. */
void webhook_send_expire(struct webhook_target *target, const struct store_delivery *delivery);
/* Ends what is in flight but not with the recorder; with `all` that too, without a call. */
void webhook_send_abandon(struct webhook_target *target, bool all);

/* webhook.c */

/* When to ask the store again after `failures` in a row before this one: monotonic. */
int64_t webhook_ask_again(const struct webhook *webhook, int failures);
/* Nothing is in flight any more, which a drain waits for. */
void webhook_check_drained(struct webhook *webhook);

#endif
