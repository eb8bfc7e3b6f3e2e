/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is due and may go now. The rows are the queue: an endpoint looks at the first few of them
 * when it has room, and at no other time, so a backlog costs nothing here and a dead endpoint holds
 * up nobody. Those that have something to do take turns, each for a few deliveries, so that none
 * starves when many want more than the sender may have in flight.
 */
#include "webhook/webhook_internal.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "codec/url.h"

#include <string.h>

enum {
    TURNS_PER_PASS = 32,
    STARTS_PER_TURN = 16,
    SHARE_OF_FREE = 16, /* one endpoint may have a sixteenth of what is free in flight, or one */
    REFRESH = 10 * CLOCK_SECOND,   /* between two readings of a busy endpoint's settings */
    LOOK_AGAIN_MAX = CLOCK_MINUTE, /* so that a clock that was set is noticed */
};

static struct str key_of(const int64_t *endpoint_id)
{
    return str_make((const char *)endpoint_id, sizeof(*endpoint_id));
}

static void timer_expired(struct loop_timer *timer)
{
    webhook_queue_ready(CONTAINER_OF(timer, struct webhook_target, timer));
}

static struct webhook_target *target_of(struct webhook *webhook, int64_t endpoint_id)
{
    struct webhook_target *target = map_get(&webhook->targets, key_of(&endpoint_id));
    if (target != NULL)
        return target;
    target = mem_zalloc(sizeof(*target));
    target->webhook = webhook;
    target->endpoint_id = endpoint_id;
    list_init(&target->ready);
    list_init(&target->sendings);
    loop_timer_init(&target->timer, webhook->loop, timer_expired);
    map_put(&webhook->targets, key_of(&endpoint_id), target);
    return target;
}

struct webhook_config *webhook_queue_hold(struct webhook_config *config)
{
    config->references++;
    return config;
}

void webhook_queue_release(struct webhook_config **owner)
{
    struct webhook_config *config = *owner;
    *owner = NULL;
    if (config == NULL || --config->references > 0)
        return;
    webhook_endpoint_fini(&config->endpoint);
    mem_free(config->networks);
    mem_free(config);
}

static void reset_breaker(struct webhook_target *target)
{
    if (webhook_breaker_is_open(&target->breaker))
        metrics_add(METRIC_WEBHOOK_BREAKERS_OPEN, -1);
    target->breaker = (struct webhook_breaker){0};
}

static void set_state(struct webhook_target *target, enum store_endpoint_state state)
{
    int was_disabled = target->state == STORE_ENDPOINT_DISABLED;
    int is_disabled = state == STORE_ENDPOINT_DISABLED;
    if (target->state == state)
        return;
    metrics_add(METRIC_WEBHOOK_ENDPOINTS_DISABLED, is_disabled - was_disabled);
    target->state = state;
    reset_breaker(target);
}

static void target_free(struct webhook_target *target)
{
    list_remove(&target->ready);
    loop_timer_cancel(&target->timer);
    set_state(target, STORE_ENDPOINT_ACTIVE);
    reset_breaker(target);
    webhook_queue_release(&target->config);
    mem_free(target);
}

/* It goes with its last sending. */
static void target_remove(struct webhook_target *target)
{
    target->is_gone = true;
    if (target->in_flight > 0)
        return;
    map_remove(&target->webhook->targets, key_of(&target->endpoint_id));
    target_free(target);
}

/* Settings that are still the same are not parsed again. */
static int take_settings(struct webhook_target *target, const struct store_endpoint *stored)
{
    struct webhook_config *config = target->config;
    uint8_t settings_hash[CRYPTO_SHA256_SIZE];
    uint8_t secrets_hash[CRYPTO_SHA256_SIZE];
    char error[WEBHOOK_ERROR_SIZE];
    crypto_sha256(stored->settings, settings_hash);
    crypto_sha256(stored->secrets, secrets_hash);
    if (config != NULL &&
        memcmp(config->settings_hash, settings_hash, sizeof(settings_hash)) == 0 &&
        memcmp(config->secrets_hash, secrets_hash, sizeof(secrets_hash)) == 0)
        return 0;
    /* Somebody has changed something: what was learnt about the old settings counts no more. */
    if (config != NULL)
        reset_breaker(target);
    webhook_queue_release(&target->config);
    config = mem_zalloc(sizeof(*config));
    config->references = 1;
    int rc = webhook_endpoint_read(stored, target->webhook->key, &config->endpoint, error);
    if (rc < 0) {
        log_error("webhook endpoint cannot be read; its deliveries are held",
                  LOG_INT("project_id", stored->project_id),
                  LOG_INT("endpoint_id", stored->endpoint_id), LOG_TEXT("reason", error));
        webhook_queue_release(&config);
        return rc;
    }
    memcpy(config->settings_hash, settings_hash, sizeof(settings_hash));
    memcpy(config->secrets_hash, secrets_hash, sizeof(secrets_hash));
    target->config = config;
    return 0;
}

static int take_networks(struct webhook_target *target, int32_t project_id)
{
    struct webhook_config *config = target->config;
    struct store_project project = {.settings = STR_LIT("{}")};
    struct address_network networks[WEBHOOK_NETWORKS_MAX];
    uint8_t hash[CRYPTO_SHA256_SIZE];
    int rc = store_project_get(target->webhook->reader, project_id, &project);
    if (rc < 0 && rc != ERR_NOT_FOUND)
        return rc;
    crypto_sha256(project.settings, hash);
    if (memcmp(config->project_hash, hash, sizeof(hash)) == 0)
        return 0;
    memcpy(config->project_hash, hash, sizeof(hash));
    mem_free(config->networks);
    config->network_count =
        webhook_allowed_networks(project.settings, networks, WEBHOOK_NETWORKS_MAX);
    config->networks = mem_dup(networks, config->network_count * sizeof(networks[0]));
    return 0;
}

/* An error of the store, or ERR_NOT_FOUND. After it `target->config` may be NULL: unreadable. */
static int refresh(struct webhook_target *target)
{
    struct store_endpoint stored;
    int rc = store_endpoint_get(target->webhook->reader, target->endpoint_id, &stored);
    if (rc < 0)
        return rc;
    int32_t project_id = stored.project_id;
    set_state(target, stored.state);
    if (take_settings(target, &stored) == 0)
        rc = take_networks(target, project_id);
    if (rc == 0) {
        target->is_stale = false;
        target->read_mono = loop_now(target->webhook->loop);
    }
    return rc;
}

static bool is_fresh(const struct webhook_target *target)
{
    return target->config != NULL && !target->is_stale &&
           loop_now(target->webhook->loop) < target->read_mono + REFRESH;
}

static bool is_active(const struct webhook_target *target)
{
    return target->state == STORE_ENDPOINT_ACTIVE && target->disabling == 0;
}

static bool is_in_flight(const struct webhook_target *target, int64_t delivery_id)
{
    LIST_EACH (&target->sendings, node) {
        if (LIST_ENTRY(node, struct webhook_sending, node)->result.delivery_id == delivery_id)
            return true;
    }
    return false;
}

int64_t webhook_queue_wall(struct webhook *webhook)
{
    int64_t wall = loop_wall(webhook->loop);
    int64_t mono = loop_now(webhook->loop);
    int64_t running_on = webhook->due_wall + (mono - webhook->due_mono);
    webhook->due_wall = clock_later(wall, running_on);
    webhook->due_mono = mono;
    return webhook->due_wall;
}

/* The first rows of an endpoint; those that are due go into its config. */
struct page {
    const struct webhook_target *target;
    bool may_send;
    bool is_read;
    int rows;        /* seen, without those in flight */
    int64_t next_at; /* when a row is due that is not yet, or will have been held too long */
    struct store_delivery expired[STARTS_PER_TURN];
    int expired_count;
};

static void take_row(void *argument, const struct store_delivery *delivery)
{
    struct page *page = argument;
    struct webhook_config *config = page->target->config;
    struct webhook *webhook = page->target->webhook;
    int64_t now_wall = webhook_queue_wall(webhook);
    int64_t held_until =
        webhook_policy_held_until(&config->endpoint, delivery, now_wall - loop_wall(webhook->loop));
    bool is_due = delivery->next_at <= now_wall;
    if (is_in_flight(page->target, delivery->delivery_id))
        return;
    page->rows++;
    if (is_due && held_until <= now_wall) {
        if (page->expired_count < STARTS_PER_TURN)
            page->expired[page->expired_count++] = *delivery;
        return;
    }
    if (is_due && page->may_send) {
        if (config->due_count < WEBHOOK_DUE_MAX)
            config->due[config->due_count++] = delivery->delivery_id;
        return;
    }
    int64_t at = page->may_send ? delivery->next_at : clock_later(delivery->next_at, held_until);
    page->next_at = clock_earlier(page->next_at, at);
}

static int read_page(struct webhook_target *target, struct page *page)
{
    target->config->due_at = 0;
    target->config->due_count = 0;
    page->is_read = true;
    int rc = store_delivery_next(target->webhook->reader, target->endpoint_id,
                                 target->in_flight + WEBHOOK_DUE_MAX, take_row, page);
    for (int i = 0; i < page->expired_count && rc == 0; i++)
        webhook_send_expire(target, &page->expired[i]);
    return rc;
}

/* Takes from what was found due; `*slots` becomes what is left of them. */
static int start(struct webhook_target *target, int *slots)
{
    struct webhook_config *config = target->config;
    int rc = 0;
    while (rc == 0 && *slots > 0 && config->due_at < config->due_count) {
        int64_t delivery_id = config->due[config->due_at++];
        if (is_in_flight(target, delivery_id))
            continue;
        --*slots;
        rc = webhook_send_start(target, delivery_id);
    }
    return rc;
}

static void look_at(struct webhook_target *target, int64_t mono)
{
    int64_t latest = loop_now(target->webhook->loop) + LOOK_AGAIN_MAX;
    loop_timer_set(&target->timer, mono < latest ? mono : latest);
}

/* The store could not be read. */
static void look_later(struct webhook_target *target)
{
    loop_timer_set(&target->timer, webhook_ask_again(target->webhook, target->store_failures));
    target->store_failures++;
}

/*
 * How many requests may start; `*again_mono` as of webhook_breaker_slots. Results that are being
 * recorded do not count against the concurrency, up to a bound; but if the store refuses them they do.
 */
static int slots_of(struct webhook_target *target, int64_t *again_mono)
{
    struct webhook *webhook = target->webhook;
    const struct webhook_endpoint *endpoint = &target->config->endpoint;
    int free = LIMIT_WEBHOOK_IN_FLIGHT - webhook->in_flight;
    int bound = free / SHARE_OF_FREE > 1 ? free / SHARE_OF_FREE : 1;
    int unrecorded = webhook->records_fail ? 0 : LIMIT_WEBHOOK_CONCURRENCY;
    if (!is_active(target))
        return 0;
    int slots = webhook_breaker_slots(&target->breaker, endpoint, target->requests,
                                      loop_now(webhook->loop), again_mono);
    if (bound > endpoint->concurrency + unrecorded)
        bound = endpoint->concurrency + unrecorded;
    if (slots > bound - target->in_flight)
        slots = bound - target->in_flight;
    if (slots > STARTS_PER_TURN)
        slots = STARTS_PER_TURN;
    return slots > 0 ? slots : 0;
}

/* When the next turn is to come, after one that left `slots` unused. */
static void plan(struct webhook_target *target, const struct page *page, int slots,
                 int64_t again_mono)
{
    struct webhook *webhook = target->webhook;
    int64_t wait = page->next_at - webhook_queue_wall(webhook);
    if (page->expired_count > 0 || (page->may_send && (slots == 0 || !page->is_read))) {
        webhook_queue_ready(target);
        return;
    }
    if (page->next_at != INT64_MAX && loop_now(webhook->loop) + wait < again_mono)
        again_mono = loop_now(webhook->loop) + wait;
    if (page->rows > 0)
        look_at(target, again_mono);
    if (target->in_flight == 0 && (page->rows == 0 || !is_active(target)))
        webhook_queue_release(&target->config);
}

static int look(struct webhook_target *target)
{
    int64_t again_mono = INT64_MAX;
    int rc = is_fresh(target) ? 0 : refresh(target);
    if (rc < 0 || target->config == NULL)
        return rc;
    int slots = slots_of(target, &again_mono);
    struct page page = {.target = target, .may_send = slots > 0, .next_at = INT64_MAX};
    /* Even what may not be sent may have been held too long. */
    bool is_held = !is_active(target) || webhook_breaker_is_open(&target->breaker);
    if (slots == 0 && (!is_held || target->in_flight >= LIMIT_WEBHOOK_CONCURRENCY)) {
        if (again_mono != INT64_MAX)
            look_at(target, again_mono);
        return 0;
    }
    if (slots == 0 || target->config->due_at == target->config->due_count)
        rc = read_page(target, &page);
    if (rc == 0)
        rc = start(target, &slots);
    if (rc == 0)
        plan(target, &page, slots, again_mono);
    return rc;
}

/* All that a turn reads is of one moment. */
static void take_turn(struct webhook_target *target)
{
    struct store_connection *reader = target->webhook->reader;
    loop_timer_cancel(&target->timer);
    int rc = store_begin(reader);
    if (rc == 0)
        rc = look(target);
    rc = store_end(reader, rc);
    if (rc == ERR_NOT_FOUND)
        target_remove(target);
    else if (rc < 0)
        look_later(target);
    else
        target->store_failures = 0;
}

static void set_turns(struct webhook *webhook)
{
    if (webhook->turns_are_set || list_is_empty(&webhook->ready))
        return;
    webhook->turns_are_set = true;
    loop_defer(webhook->loop, &webhook->turns);
}

void webhook_queue_ready(struct webhook_target *target)
{
    struct webhook *webhook = target->webhook;
    if (target->is_gone || webhook->phase != WEBHOOK_RUNNING)
        return;
    if (list_is_empty(&target->ready))
        list_append(&webhook->ready, &target->ready);
    set_turns(webhook);
}

void webhook_queue_run(struct loop_message *turns)
{
    struct webhook *webhook = CONTAINER_OF(turns, struct webhook, turns);
    struct list *node;
    webhook->turns_are_set = false;
    for (int i = 0; i < TURNS_PER_PASS; i++) {
        /* The next sending that ends sets the turns going again. */
        if (webhook->phase != WEBHOOK_RUNNING || webhook->in_flight >= LIMIT_WEBHOOK_IN_FLIGHT)
            return;
        if ((node = list_pop(&webhook->ready)) == NULL)
            return;
        take_turn(LIST_ENTRY(node, struct webhook_target, ready));
    }
    set_turns(webhook);
}

void webhook_queue_released(struct webhook_target *target, bool later)
{
    struct webhook *webhook = target->webhook;
    if (target->is_gone)
        target_remove(target);
    else if (later)
        look_later(target);
    else
        webhook_queue_ready(target);
    set_turns(webhook);
    webhook_check_drained(webhook);
}

void webhook_queue_poke(struct webhook *webhook, int64_t endpoint_id)
{
    struct webhook_target *target = target_of(webhook, endpoint_id);
    target->is_stale = true;
    webhook_queue_ready(target);
}

static void poke_one(void *argument, struct str key, void *value)
{
    struct webhook_target *target = value;
    (void)argument;
    (void)key;
    target->is_stale = true;
    webhook_queue_ready(target);
}

void webhook_queue_poke_all(struct webhook *webhook)
{
    map_each(&webhook->targets, poke_one, NULL);
}

void webhook_queue_note(struct webhook_target *target, const struct webhook_config *config,
                        enum webhook_health health)
{
    struct webhook *webhook = target->webhook;
    struct url url = {0};
    enum webhook_breaker_change change = webhook_breaker_note(
        &target->breaker, webhook->options, &config->endpoint, health, loop_now(webhook->loop));
    if (change == WEBHOOK_BREAKER_SAME)
        return;
    bool is_open = change == WEBHOOK_BREAKER_OPENED;
    metrics_add(METRIC_WEBHOOK_BREAKERS_OPEN, is_open ? 1 : -1);
    (void)!url_parse(config->endpoint.url, &url);
    log_info(is_open ? "webhook endpoint fails, its deliveries are held"
                     : "webhook endpoint has recovered",
             LOG_INT("project_id", config->endpoint.project_id),
             LOG_INT("endpoint_id", target->endpoint_id), LOG_STR("host", url.host));
}

static void end_target(void *argument, struct str key, void *value)
{
    struct webhook_target *target = value;
    (void)argument;
    (void)key;
    webhook_send_abandon(target, true);
    target_free(target);
}

void webhook_queue_fini(struct webhook *webhook)
{
    map_each(&webhook->targets, end_target, NULL);
    map_fini(&webhook->targets);
}
