/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The webhook thread: how it starts, what reaches it from other threads, how it ends. Pokes come
 * with every group that the store thread commits, so they are gathered in a small set under a lock
 * and one message serves them all; when the set is full, all endpoints are looked at.
 */
#include "webhook/webhook_internal.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "http/http_sender.h"

#include <string.h>

enum {
    LISTING_PAGE = 50,
    REPLAYS_LOOKED_AT = 16,
    STORE_PAUSE = CLOCK_SECOND,
    STORE_PAUSE_MAX = 30 * CLOCK_SECOND,
    BACKLOG_INTERVAL = 10 * CLOCK_SECOND,
    BACKLOG_SHARE = 200, /* counting may take a two-hundredth of the thread's time */
};

int64_t webhook_ask_again(const struct webhook *webhook, int failures)
{
    int64_t first = webhook->options->store_pause > 0 ? webhook->options->store_pause : STORE_PAUSE;
    int64_t wait = first << (failures < 10 ? failures : 10);
    return loop_now(webhook->loop) + (wait < STORE_PAUSE_MAX ? wait : STORE_PAUSE_MAX);
}

/* Endpoints, a page for each pass of the loop. */

static void set_listing(struct webhook *webhook)
{
    if (webhook->listing_is_set || webhook->phase != WEBHOOK_RUNNING)
        return;
    webhook->listing_is_set = true;
    loop_defer(webhook->loop, &webhook->listing);
}

static void list_again(struct loop_timer *timer)
{
    set_listing(CONTAINER_OF(timer, struct webhook, list_again));
}

static void list_from_start(struct webhook *webhook)
{
    webhook->listed = 0;
    set_listing(webhook);
}

struct listing {
    struct webhook *webhook;
    int rows;
};

static void take_endpoint(void *argument, const struct store_endpoint *endpoint)
{
    struct listing *listing = argument;
    listing->rows++;
    listing->webhook->listed = endpoint->endpoint_id;
    webhook_queue_poke(listing->webhook, endpoint->endpoint_id);
}

static void run_listing(struct loop_message *message)
{
    struct webhook *webhook = CONTAINER_OF(message, struct webhook, listing);
    struct listing listing = {.webhook = webhook};
    webhook->listing_is_set = false;
    if (webhook->phase != WEBHOOK_RUNNING)
        return;
    int rc = store_endpoint_list(webhook->reader, 0, webhook->listed, LISTING_PAGE, take_endpoint,
                                 &listing);
    if (rc < 0)
        loop_timer_set(&webhook->list_again, webhook_ask_again(webhook, 0));
    else if (listing.rows == LISTING_PAGE)
        set_listing(webhook);
}

/* Replays, one step at a time, those that go on in turn. */

struct next_replay {
    int64_t after;
    struct store_replay first;
    struct store_replay next; /* the first one after `after` */
};

static void take_replay(void *argument, const struct store_replay *replay)
{
    struct next_replay *found = argument;
    if (found->first.replay_id == 0)
        found->first = *replay;
    if (found->next.replay_id == 0 && replay->replay_id > found->after)
        found->next = *replay;
}

static void replay_stepped(void *argument, int error);

static void step_replay(struct webhook *webhook)
{
    struct next_replay found = {.after = webhook->replay_id};
    if (webhook->replay_is_stepping || webhook->phase != WEBHOOK_RUNNING)
        return;
    int rc = store_replay_open(webhook->reader, REPLAYS_LOOKED_AT, take_replay, &found);
    if (rc < 0) {
        loop_timer_set(&webhook->replay_again, webhook_ask_again(webhook, 0));
        return;
    }
    const struct store_replay *replay = found.next.replay_id != 0 ? &found.next : &found.first;
    if (replay->replay_id == 0)
        return;
    webhook->replay_id = replay->replay_id;
    webhook->replay_is_stepping = true;
    webhook->recorder->replay(webhook->recorder_context, replay->replay_id, replay_stepped,
                              webhook);
}

static void replay_stepped(void *argument, int error)
{
    struct webhook *webhook = argument;
    webhook->replay_is_stepping = false;
    if (webhook->phase != WEBHOOK_RUNNING)
        return;
    if (error < 0) {
        loop_timer_set(&webhook->replay_again, webhook_ask_again(webhook, 0));
        return;
    }
    /* Whether this one or another goes on, the rows know. */
    step_replay(webhook);
}

static void replay_again(struct loop_timer *timer)
{
    step_replay(CONTAINER_OF(timer, struct webhook, replay_again));
}

/* The backlog's gauges. */

static void count_backlog(struct loop_timer *timer)
{
    struct webhook *webhook = CONTAINER_OF(timer, struct webhook, backlog_due);
    struct store_backlog backlog;
    int64_t interval = BACKLOG_INTERVAL;
    int64_t start = clock_mono_ms();
    if (webhook->phase != WEBHOOK_RUNNING)
        return;
    if (store_delivery_backlog(webhook->reader, 0, &backlog) == 0) {
        int64_t age = loop_wall(webhook->loop) - backlog.oldest_at;
        metrics_set(METRIC_WEBHOOK_BACKLOG, backlog.count);
        metrics_set(METRIC_WEBHOOK_OLDEST_SECONDS,
                    backlog.count > 0 && age > 0 ? age / CLOCK_SECOND : 0);
    }
    int64_t rest = (clock_mono_ms() - start) * BACKLOG_SHARE;
    loop_timer_set(timer, loop_now(webhook->loop) + (rest > interval ? rest : interval));
}

/* What is read in one pass of the loop shares a transaction. */

static void end_reading(struct loop_message *message)
{
    store_end_reading(CONTAINER_OF(message, struct webhook, end_reading)->reader);
}

static void reading_began(void *argument)
{
    struct webhook *webhook = argument;
    loop_defer(webhook->loop, &webhook->end_reading);
}

/* What comes from other threads. */

static void run_pokes(struct loop_message *message)
{
    struct webhook *webhook = CONTAINER_OF(message, struct webhook, poke_message);
    int64_t pokes[WEBHOOK_POKES_MAX];
    pthread_mutex_lock(&webhook->lock);
    int count = webhook->poke_count;
    bool all = webhook->poke_all;
    bool replays = webhook->poke_replays;
    memcpy(pokes, webhook->pokes, (size_t)count * sizeof(pokes[0]));
    webhook->poke_count = 0;
    webhook->poke_all = false;
    webhook->poke_replays = false;
    webhook->poke_is_posted = false;
    pthread_mutex_unlock(&webhook->lock);
    /* Before webhook_run all this is to be read anyway, and while draining it waits for a restart. */
    if (webhook->phase != WEBHOOK_RUNNING)
        return;
    for (int i = 0; i < count; i++)
        webhook_queue_poke(webhook, pokes[i]);
    if (all) {
        webhook_queue_poke_all(webhook);
        list_from_start(webhook);
    }
    if (replays)
        step_replay(webhook);
}

static void post_pokes(struct webhook *webhook)
{
    if (webhook->poke_is_posted)
        return;
    webhook->poke_is_posted = true;
    loop_post_always(webhook->loop, &webhook->poke_message);
}

static void add_poke(struct webhook *webhook, int64_t endpoint_id)
{
    for (int i = webhook->poke_count - 1; i >= 0; i--) {
        if (webhook->pokes[i] == endpoint_id)
            return;
    }
    if (webhook->poke_count < WEBHOOK_POKES_MAX)
        webhook->pokes[webhook->poke_count++] = endpoint_id;
    else
        webhook->poke_all = true;
}

void webhook_poke(struct webhook *webhook, int64_t endpoint_id)
{
    pthread_mutex_lock(&webhook->lock);
    add_poke(webhook, endpoint_id);
    post_pokes(webhook);
    pthread_mutex_unlock(&webhook->lock);
}

void webhook_poke_replays(struct webhook *webhook)
{
    pthread_mutex_lock(&webhook->lock);
    webhook->poke_replays = true;
    post_pokes(webhook);
    pthread_mutex_unlock(&webhook->lock);
}

static void run(struct loop_message *message)
{
    struct webhook *webhook = CONTAINER_OF(message, struct webhook, run_message);
    if (webhook->phase != WEBHOOK_IDLE)
        return;
    webhook->phase = WEBHOOK_RUNNING;
    list_from_start(webhook);
    step_replay(webhook);
    count_backlog(&webhook->backlog_due);
}

void webhook_run(struct webhook *webhook, const struct webhook_recorder *recorder, void *context)
{
    webhook->recorder = recorder;
    webhook->recorder_context = context;
    loop_post_always(webhook->loop, &webhook->run_message);
}

struct loop *webhook_loop(const struct webhook *webhook)
{
    return webhook->loop;
}

/* The end. */

static void abandon(void *argument, struct str key, void *value)
{
    (void)argument;
    (void)key;
    webhook_send_abandon(value, false);
}

static void halt(struct webhook *webhook)
{
    if (webhook->phase == WEBHOOK_HALTED)
        return;
    webhook->phase = WEBHOOK_HALTED;
    map_each(&webhook->targets, abandon, NULL);
    pthread_mutex_lock(&webhook->lock);
    webhook->is_halted = true;
    pthread_cond_broadcast(&webhook->halted);
    pthread_mutex_unlock(&webhook->lock);
}

static void drain_ended(struct loop_timer *timer)
{
    halt(CONTAINER_OF(timer, struct webhook, drain_deadline));
}

void webhook_check_drained(struct webhook *webhook)
{
    if (webhook->phase == WEBHOOK_DRAINING && webhook->in_flight == 0)
        halt(webhook);
}

static void drain(struct loop_message *message)
{
    struct webhook *webhook = CONTAINER_OF(message, struct webhook, drain_message);
    if (webhook->phase == WEBHOOK_HALTED)
        return;
    webhook->phase = WEBHOOK_DRAINING;
    loop_timer_set(&webhook->drain_deadline, loop_now(webhook->loop) + webhook->drain_timeout);
    webhook_check_drained(webhook);
}

void webhook_drain(struct webhook *webhook, int64_t timeout)
{
    webhook->drain_timeout = timeout;
    loop_post_always(webhook->loop, &webhook->drain_message);
    pthread_mutex_lock(&webhook->lock);
    while (!webhook->is_halted)
        pthread_cond_wait(&webhook->halted, &webhook->lock);
    pthread_mutex_unlock(&webhook->lock);
}

static void stop(struct loop_message *message)
{
    struct webhook *webhook = CONTAINER_OF(message, struct webhook, stop_message);
    halt(webhook);
    loop_stop(webhook->loop);
}

static void *run_thread(void *argument)
{
    struct webhook *webhook = argument;
    loop_run(webhook->loop);
    return NULL;
}

static void webhook_free(struct webhook *webhook)
{
    loop_timer_cancel(&webhook->list_again);
    loop_timer_cancel(&webhook->replay_again);
    loop_timer_cancel(&webhook->backlog_due);
    loop_timer_cancel(&webhook->drain_deadline);
    webhook_queue_fini(webhook);
    http_sender_free(&webhook->sender);
    loop_free(&webhook->loop);
    store_disconnect(&webhook->reader);
    pthread_cond_destroy(&webhook->halted);
    pthread_mutex_destroy(&webhook->lock);
    mem_wipe(webhook->key, sizeof(webhook->key));
    mem_free(webhook);
}

void webhook_stop(struct webhook **webhook)
{
    if (*webhook == NULL)
        return;
    loop_post_always((*webhook)->loop, &(*webhook)->stop_message);
    pthread_join((*webhook)->thread, NULL);
    webhook_free(*webhook);
    *webhook = NULL;
}

static struct webhook *webhook_new(struct store *store, const uint8_t *key,
                                   const struct webhook_options *options)
{
    struct webhook *webhook = mem_zalloc(sizeof(*webhook));
    webhook->store = store;
    webhook->options = options;
    memcpy(webhook->key, key, sizeof(webhook->key));
    map_init(&webhook->targets);
    list_init(&webhook->ready);
    webhook->turns.run = webhook_queue_run;
    webhook->listing.run = run_listing;
    webhook->end_reading.run = end_reading;
    webhook->run_message.run = run;
    webhook->drain_message.run = drain;
    webhook->stop_message.run = stop;
    webhook->poke_message.run = run_pokes;
    pthread_mutex_init(&webhook->lock, NULL);
    pthread_cond_init(&webhook->halted, NULL);
    return webhook;
}

/* What may be refused. */
static int acquire(struct webhook *webhook)
{
    int rc = store_connect(webhook->store, STORE_READER, &webhook->reader);
    if (rc < 0)
        return rc;
    webhook->loop = loop_new();
    if (webhook->loop == NULL)
        return ERR_IO;
    webhook->sender = http_sender_new(webhook->loop, LIMIT_WEBHOOK_IN_FLIGHT);
    if (webhook->sender == NULL)
        return ERR_IO;
    store_share_reading(webhook->reader, reading_began, webhook);
    loop_timer_init(&webhook->list_again, webhook->loop, list_again);
    loop_timer_init(&webhook->replay_again, webhook->loop, replay_again);
    loop_timer_init(&webhook->backlog_due, webhook->loop, count_backlog);
    loop_timer_init(&webhook->drain_deadline, webhook->loop, drain_ended);
    return pthread_create(&webhook->thread, NULL, run_thread, webhook) == 0 ? 0 : ERR_IO;
}

struct webhook *webhook_start(struct store *store, const uint8_t key[CRYPTO_KEY_SIZE],
                              const struct webhook_options *options)
{
    struct webhook *webhook = webhook_new(store, key, options);
    int rc = acquire(webhook);
    if (rc < 0) {
        log_error("no webhook thread", LOG_TEXT("reason", err_text(rc)));
        webhook_free(webhook);
        return NULL;
    }
    return webhook;
}
