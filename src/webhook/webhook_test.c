/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The webhook thread as a whole: order in lanes, bounds, isolation, retries, the breaker, what holds
 * a delivery and what ends it, a store that fails, and the end of the thread.
 */
#include "webhook/webhook_fixture.h"

#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/metrics.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static int set_up(void **state)
{
    *state = world_new();
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;
    world_free(&world);
    return 0;
}

static void assert_state(struct world *world, int64_t delivery_id, enum store_delivery_state state,
                         int attempts)
{
    struct store_delivery delivery = world_delivery(world, delivery_id);
    assert_int_equal(delivery.state, state);
    assert_int_equal(delivery.attempts, attempts);
}

static void test_lanes_keep_their_order(void **state)
{
    enum { ORDERS = 30, EVENTS = 4 };
    struct world *world = *state;
    int32_t seen[ORDERS + 1] = {0};
    int64_t endpoint_id = world_add_endpoint(world, "/pace", "");
    world_start(world);
    for (int32_t seq = 1; seq <= EVENTS; seq++) {
        for (int32_t order_id = 1; order_id <= ORDERS; order_id++)
            world_add_event(world, endpoint_id, order_id, seq);
    }
    world_await_records(world, ORDERS * EVENTS);
    assert_int_equal(world->received_count, ORDERS * EVENTS);
    for (int i = 0; i < world->received_count; i++) {
        const struct received *received = &world->received[i];
        assert_int_equal(received->seq, seen[received->order_id] + 1);
        seen[received->order_id] = received->seq;
        for (int other = 0; other < i; other++)
            assert_string_not_equal(received->id, world->received[other].id);
    }
    assert_in_range(world->active_max, 2, 10);
}

static void test_concurrency_is_bounded(void **state)
{
    struct world *world = *state;
    int64_t endpoint_id = world_add_endpoint(world, "/hold", ",\"concurrency\":3");
    world_start(world);
    for (int32_t order_id = 1; order_id <= 8; order_id++)
        world_add_event(world, endpoint_id, order_id, 1);
    for (int received = 3; received <= 8; received += 3) {
        world_await_received(world, received);
        world_release(world);
        world_await_records(world, received);
    }
    world_await_received(world, 8);
    world_release(world);
    world_await_records(world, 8);
    assert_int_equal(world->active_max, 3);
}

static void test_a_hanging_endpoint_delays_no_other(void **state)
{
    enum { ENDPOINTS = 5, ORDERS = 40 };
    struct world *world = *state;
    int64_t healthy[ENDPOINTS];
    int64_t hanging = world_add_endpoint(world, "/hold", "");
    for (int i = 0; i < ENDPOINTS; i++)
        healthy[i] = world_add_endpoint(world, "/ok", "");
    world_start(world);
    for (int32_t order_id = 1; order_id <= ORDERS; order_id++) {
        world_add_event(world, hanging, 1000 + order_id, 1);
        world_add_event(world, healthy[order_id % ENDPOINTS], order_id, 1);
    }
    world_await_records(world, ORDERS);
    assert_int_equal(world_count(world, "/ok"), ORDERS);
    assert_in_range(world_count(world, "/hold"), 0, 10);
}

static void test_retries_follow_the_schedule(void **state)
{
    static const int script[] = {500, 302, 200, 0};
    struct world *world = *state;
    world->script = script;
    int64_t endpoint_id = world_add_endpoint(world, "/script", ",\"schedule\":[0.01,0.02]");
    world_start(world);
    int64_t delivery_id = world_add_event(world, endpoint_id, 1, 1);
    world_await_records(world, 3);
    assert_state(world, delivery_id, STORE_DELIVERY_DELIVERED, 3);
    assert_int_equal(world->received_count, 3);
    assert_string_equal(world->received[0].id, world->received[1].id);
    assert_string_equal(world->received[0].id, world->received[2].id);
    struct kept_attempt first = world_attempt(world, delivery_id, 1);
    struct kept_attempt second = world_attempt(world, delivery_id, 2);
    struct kept_attempt third = world_attempt(world, delivery_id, 3);
    assert_true(second.started_at - first.started_at >= 8);
    assert_true(third.started_at - second.started_at >= 16);
    assert_int_equal(first.status, 500);
    assert_string_equal(first.error, "");
    assert_string_equal(second.error, "a redirect, which is not followed");
}

static void test_a_failing_lane_dies_and_goes_on(void **state)
{
    static const int script[] = {500, 500, 500, 0};
    struct world *world = *state;
    world->script = script;
    int64_t endpoint_id = world_add_endpoint(world, "/script", ",\"schedule\":[0.01,0.01]");
    world_start(world);
    int64_t first = world_add_event(world, endpoint_id, 1, 1);
    int64_t second = world_add_event(world, endpoint_id, 1, 2);
    world_await_records(world, 4);
    assert_state(world, first, STORE_DELIVERY_DEAD, 3);
    assert_state(world, second, STORE_DELIVERY_DELIVERED, 1);
    assert_int_equal(world->received[2].seq, 1);
    assert_int_equal(world->received[3].seq, 2);
}

static int compare_times(const void *a, const void *b)
{
    const int64_t *left = a;
    const int64_t *right = b;
    return (*left > *right) - (*left < *right);
}

static void test_the_breaker_saves_attempts(void **state)
{
    enum { ORDERS = 20 };
    static const int script[] = {500, 500, 500, 500, 500, 0};
    struct world *world = *state;
    int attempts = 0;
    int64_t ids[ORDERS];
    int64_t starts[ORDERS + 5];
    world->script = script;
    world->options.breaker_after = 3;
    int64_t open = metrics_value(METRIC_WEBHOOK_BREAKERS_OPEN);
    int64_t endpoint_id =
        world_add_endpoint(world, "/script", ",\"concurrency\":1,\"schedule\":[0.01,0.01,0.01]");
    for (int32_t i = 0; i < ORDERS; i++)
        ids[i] = world_add_silently(world, endpoint_id, i + 1, 1);
    world_start(world);
    world_await_records(world, ORDERS + 5);
    assert_int_equal(world->received_count, ORDERS + 5);
    for (int i = 0; i < ORDERS; i++) {
        struct store_delivery delivery = world_delivery(world, ids[i]);
        assert_int_equal(delivery.state, STORE_DELIVERY_DELIVERED);
        for (int32_t number = 1; number <= delivery.attempts; number++)
            starts[attempts++] = world_attempt(world, ids[i], number).started_at;
    }
    assert_int_equal(attempts, ORDERS + 5);
    qsort(starts, ARRAY_LENGTH(starts), sizeof(starts[0]), compare_times);
    /* Two pauses: 20 ms after the third failure, twice as long after the first probe. */
    assert_true(starts[3] - starts[2] >= 19);
    assert_true(starts[4] - starts[3] >= 39);
    assert_int_equal(metrics_value(METRIC_WEBHOOK_BREAKERS_OPEN), open);
}

static void test_a_result_is_recorded_until_it_is_durable(void **state)
{
    struct world *world = *state;
    int64_t endpoint_id = world_add_endpoint(world, "/ok", "");
    world->fail_records = 3;
    world_start(world);
    int64_t delivery_id = world_add_event(world, endpoint_id, 1, 1);
    int64_t next = world_add_event(world, endpoint_id, 1, 2);
    world_await_records(world, 2);
    assert_state(world, delivery_id, STORE_DELIVERY_DELIVERED, 1);
    assert_state(world, next, STORE_DELIVERY_DELIVERED, 1);
    assert_int_equal(world->received_count, 2);
    assert_int_equal(world->record_calls, 5);
}

static void test_a_store_that_cannot_be_read_is_asked_again(void **state)
{
    struct world *world = *state;
    int64_t endpoint_id = world_add_endpoint(world, "/ok", "");
    world_break_store(3);
    world_start(world);
    world_add_event(world, endpoint_id, 1, 1);
    world_await_records(world, 1);
}

static void test_rows_are_sent_after_a_start(void **state)
{
    enum { ENDPOINTS = 120 }; /* more than are read at once */
    struct world *world = *state;
    for (int32_t i = 1; i <= ENDPOINTS; i++)
        world_add_silently(world, world_add_endpoint(world, "/ok", ""), i, 1);
    world_start(world);
    world_await_records(world, ENDPOINTS);
    assert_int_equal(world->received_count, ENDPOINTS);
}

static void test_no_poke_is_lost(void **state)
{
    enum { ENDPOINTS = 300 }; /* more than are remembered one by one */
    static int64_t ids[ENDPOINTS];
    struct world *world = *state;
    world_start(world);
    for (int i = 0; i < ENDPOINTS; i++)
        ids[i] = world_add_endpoint(world, "/ok", "");
    world_add_event(world, ids[0], 1, 1);
    world_await_records(world, 1);
    for (int32_t i = 0; i < ENDPOINTS; i++)
        world_add_silently(world, ids[i], i + 2, 1);
    for (int i = 0; i < ENDPOINTS; i++)
        webhook_poke(world->webhook, ids[i]);
    world_await_records(world, ENDPOINTS + 1);
}

static void test_latest_gives_way(void **state)
{
    struct world *world = *state;
    int64_t ids[4];
    int64_t endpoint_id = world_add_endpoint(world, "/ok", ",\"mode\":\"latest\"");
    int64_t all_id = world_add_endpoint(world, "/ok", "");
    for (int32_t seq = 1; seq <= 4; seq++)
        ids[seq - 1] = world_add_silently(world, endpoint_id, 1, seq);
    world_add_silently(world, all_id, 2, 1);
    world_start(world);
    world_await_records(world, 5);
    for (int i = 0; i < 3; i++)
        assert_state(world, ids[i], STORE_DELIVERY_SUPERSEDED, 0);
    assert_state(world, ids[3], STORE_DELIVERY_DELIVERED, 1);
    assert_int_equal(world->received_count, 2);
}

static void test_gone_disables(void **state)
{
    struct world *world = *state;
    int64_t disabled = metrics_value(METRIC_WEBHOOK_ENDPOINTS_DISABLED);
    int64_t endpoint_id = world_add_endpoint(world, "/gone", ",\"concurrency\":1");
    int64_t first = world_add_silently(world, endpoint_id, 1, 1);
    int64_t second = world_add_silently(world, endpoint_id, 2, 1);
    world_start(world);
    world_await_records(world, 1);
    assert_state(world, first, STORE_DELIVERY_WAITING, 1);
    assert_int_equal(world_delivery(world, first).step, 0);
    /* Served by the same thread: when it has come, the disabled one would have had its turn. */
    world_add_event(world, world_add_endpoint(world, "/ok", ""), 3, 1);
    world_await_records(world, 2);
    assert_state(world, second, STORE_DELIVERY_WAITING, 0);
    assert_int_equal(world_count(world, "/gone"), 1);
    assert_int_equal(metrics_value(METRIC_WEBHOOK_ENDPOINTS_DISABLED), disabled + 1);
    world_change_endpoint(world, endpoint_id, STORE_ENDPOINT_ACTIVE, "/ok", "");
    world_await_records(world, 4);
    assert_state(world, first, STORE_DELIVERY_DELIVERED, 2);
    assert_state(world, second, STORE_DELIVERY_DELIVERED, 1);
    assert_int_equal(metrics_value(METRIC_WEBHOOK_ENDPOINTS_DISABLED), disabled);
}

static void test_a_disabled_endpoint_is_left_alone_before_it_is_durable(void **state)
{
    struct world *world = *state;
    int64_t disabled = metrics_value(METRIC_WEBHOOK_ENDPOINTS_DISABLED);
    int64_t endpoint_id = world_add_endpoint(world, "/gone", "");
    int64_t other = world_add_endpoint(world, "/ok", "");
    world->fail_records = 4;
    world_start(world);
    world_add_event(world, endpoint_id, 1, 1);
    world_await_received(world, 1);
    world_await_calls(world, 2);
    world_add_event(world, endpoint_id, 2, 1);
    world_add_event(world, other, 3, 1);
    world_await_records(world, 2);
    assert_int_equal(world_count(world, "/gone"), 1);
    world_delete_endpoint(world, endpoint_id);
    world_add_event(world, other, 4, 1);
    world_await_records(world, 3);
    assert_int_equal(metrics_value(METRIC_WEBHOOK_ENDPOINTS_DISABLED), disabled);
}

static void test_a_change_closes_the_breaker(void **state)
{
    struct world *world = *state;
    int64_t open = metrics_value(METRIC_WEBHOOK_BREAKERS_OPEN);
    world->options.breaker_after = 1;
    world->options.breaker_pause = CLOCK_HOUR;
    int64_t endpoint_id = world_add_endpoint(world, "/fail", ",\"schedule\":[0.01]");
    world_start(world);
    world_add_event(world, endpoint_id, 1, 1);
    world_await_records(world, 1);
    assert_int_equal(metrics_value(METRIC_WEBHOOK_BREAKERS_OPEN), open + 1);
    world_change_endpoint(world, endpoint_id, STORE_ENDPOINT_ACTIVE, "/ok", "");
    world_await_records(world, 2);
    assert_int_equal(metrics_value(METRIC_WEBHOOK_BREAKERS_OPEN), open);
}

static void test_a_failure_of_before_a_change_does_not_count(void **state)
{
    struct world *world = *state;
    world->options.breaker_after = 1;
    world->options.breaker_pause = CLOCK_HOUR;
    int64_t endpoint_id = world_add_endpoint(world, "/hold", ",\"timeout\":0.05,\"schedule\":[]");
    world_start(world);
    world_add_event(world, endpoint_id, 1, 1);
    world_await_received(world, 1);
    world_change_endpoint(world, endpoint_id, STORE_ENDPOINT_ACTIVE, "/ok", "");
    world_add_event(world, endpoint_id, 2, 1);
    world_await_records(world, 2);
    world_add_event(world, endpoint_id, 3, 1);
    world_await_records(world, 3);
}

static void test_gone_of_before_a_change_disables_nothing(void **state)
{
    struct world *world = *state;
    world->held_status = 410;
    int64_t endpoint_id = world_add_endpoint(world, "/hold", ",\"concurrency\":1");
    world_start(world);
    int64_t first = world_add_event(world, endpoint_id, 1, 1);
    world_await_received(world, 1);
    world_change_endpoint(world, endpoint_id, STORE_ENDPOINT_ACTIVE, "/ok", "");
    world_add_event(world, endpoint_id, 2, 1);
    world_await_records(world, 1);
    world_release(world);
    world_await_records(world, 3);
    assert_state(world, first, STORE_DELIVERY_DELIVERED, 2);
}

static void test_aborted_by_the_receiver(void **state)
{
    struct world *world = *state;
    int64_t endpoint_id = world_add_endpoint(world, "/abort", "");
    world_start(world);
    int64_t delivery_id = world_add_event(world, endpoint_id, 1, 1);
    world_await_records(world, 1);
    assert_state(world, delivery_id, STORE_DELIVERY_DEAD, 1);
    assert_string_equal(world_attempt(world, delivery_id, 1).error,
                        "the receiver answered webhook-delivery: abort-message");
}

static void test_paused_is_held_and_resumed(void **state)
{
    struct world *world = *state;
    int64_t endpoint_id = world_add_endpoint(world, "/ok", "");
    world_change_endpoint(world, endpoint_id, STORE_ENDPOINT_PAUSED, "/ok", "");
    world_start(world);
    int64_t delivery_id = world_add_event(world, endpoint_id, 1, 1);
    world_add_event(world, world_add_endpoint(world, "/ok", ""), 2, 1);
    world_await_records(world, 1);
    assert_state(world, delivery_id, STORE_DELIVERY_WAITING, 0);
    world_change_endpoint(world, endpoint_id, STORE_ENDPOINT_ACTIVE, "/ok", "");
    world_await_records(world, 2);
    assert_state(world, delivery_id, STORE_DELIVERY_DELIVERED, 1);
}

static void test_held_too_long(void **state)
{
    struct world *world = *state;
    int64_t endpoint_id = world_add_endpoint(world, "/ok", "");
    world_change_endpoint(world, endpoint_id, STORE_ENDPOINT_PAUSED, "/ok", ",\"max_age\":0.03");
    world_start(world);
    int64_t start = clock_wall_ms();
    int64_t first = world_add_event(world, endpoint_id, 1, 1);
    int64_t second = world_add_event(world, endpoint_id, 1, 2);
    world_await_records(world, 2);
    assert_true(clock_wall_ms() >= start + 30);
    assert_state(world, first, STORE_DELIVERY_DEAD, 1);
    assert_state(world, second, STORE_DELIVERY_DEAD, 1);
    assert_string_equal(world_attempt(world, first, 1).error,
                        "not sent: it was held longer than the endpoint's max_age");
    assert_int_equal(world->received_count, 0);
}

static void test_changes_while_in_flight(void **state)
{
    struct world *world = *state;
    int64_t endpoint_id = world_add_endpoint(world, "/hold", ",\"concurrency\":1");
    world_start(world);
    int64_t first = world_add_event(world, endpoint_id, 1, 1);
    world_await_received(world, 1);
    int64_t second = world_add_event(world, endpoint_id, 1, 2);
    world_change_endpoint(world, endpoint_id, STORE_ENDPOINT_ACTIVE, "/ok", "");
    int64_t third = world_add_event(world, endpoint_id, 2, 1);
    world_await_records(world, 1);
    assert_state(world, third, STORE_DELIVERY_DELIVERED, 1);
    assert_state(world, second, STORE_DELIVERY_BLOCKED, 0);
    world_release(world);
    world_await_records(world, 3);
    assert_state(world, first, STORE_DELIVERY_DELIVERED, 1);
    assert_state(world, second, STORE_DELIVERY_DELIVERED, 1);
    assert_int_equal(world_count(world, "/ok"), 2);
}

static void test_deleted_while_in_flight(void **state)
{
    struct world *world = *state;
    int64_t endpoint_id = world_add_endpoint(world, "/hold", ",\"concurrency\":1");
    int64_t other = world_add_endpoint(world, "/ok", "");
    world_start(world);
    int64_t first = world_add_event(world, endpoint_id, 1, 1);
    world_add_event(world, endpoint_id, 2, 1);
    world_await_received(world, 1);
    world_delete_endpoint(world, endpoint_id);
    world_add_event(world, other, 3, 1);
    world_await_records(world, 1);
    world_release(world);
    world_await_records(world, 2);
    assert_state(world, first, STORE_DELIVERY_DELIVERED, 1);
    world_add_event(world, other, 4, 1);
    world_await_records(world, 3);
    assert_int_equal(world_count(world, "/hold"), 1);
}

static void test_what_cannot_be_sent(void **state)
{
    struct world *world = *state;
    int64_t large = world_add_endpoint(world, "/ok", "");
    int64_t xsolla = world_add_endpoint(world, "/ok", ",\"preset\":\"xsolla\"");
    world_start(world);
    int64_t fits = world_add_body(world, large, LIMIT_WEBHOOK_BODY);
    int64_t too_large = world_add_body(world, large, LIMIT_WEBHOOK_BODY + 1);
    int64_t unwanted = world_add_event(world, xsolla, 1, 1);
    world_await_records(world, 3);
    assert_state(world, fits, STORE_DELIVERY_DELIVERED, 1);
    assert_state(world, too_large, STORE_DELIVERY_DEAD, 1);
    assert_string_equal(world_attempt(world, too_large, 1).error,
                        "not sent: the body is larger than 80 KiB");
    assert_state(world, unwanted, STORE_DELIVERY_DEAD, 1);
    assert_string_equal(world_attempt(world, unwanted, 1).error,
                        "not sent: the preset has no webhook for this status");
}

static void test_blocked_until_the_project_allows(void **state)
{
    struct world *world = *state;
    int64_t blocked = metrics_value(METRIC_WEBHOOK_ATTEMPTS__BLOCKED);
    world_allow(world, "[\"10.0.0.0/8\"]");
    int64_t endpoint_id = world_add_endpoint(world, "/ok", ",\"schedule\":[0.01,600]");
    world_start(world);
    int64_t delivery_id = world_add_event(world, endpoint_id, 1, 1);
    world_await_records(world, 2);
    assert_state(world, delivery_id, STORE_DELIVERY_WAITING, 2);
    assert_string_not_equal(world_attempt(world, delivery_id, 1).error, "");
    assert_int_equal(world->received_count, 0);
    assert_int_equal(metrics_value(METRIC_WEBHOOK_ATTEMPTS__BLOCKED), blocked + 2);
    world_allow(world, "[\"127.0.0.0/8\"]");
    int64_t next = world_add_event(world, endpoint_id, 2, 1);
    world_await_records(world, 3);
    /* The row may be seen before the poke is heard. */
    if (world_delivery(world, next).state == STORE_DELIVERY_WAITING)
        world_await_records(world, 4);
    assert_int_equal(world_delivery(world, next).state, STORE_DELIVERY_DELIVERED);
}

static void test_a_deadline_ends_an_attempt(void **state)
{
    struct world *world = *state;
    int64_t endpoint_id = world_add_endpoint(world, "/hold", ",\"timeout\":0.05,\"schedule\":[]");
    world_start(world);
    int64_t delivery_id = world_add_event(world, endpoint_id, 1, 1);
    world_await_records(world, 1);
    assert_state(world, delivery_id, STORE_DELIVERY_DEAD, 1);
}

static void test_rate_is_kept(void **state)
{
    enum { ORDERS = 30 };
    struct world *world = *state;
    int64_t ids[ORDERS];
    int64_t first = INT64_MAX;
    int64_t last = 0;
    int64_t endpoint_id = world_add_endpoint(world, "/ok", ",\"rate\":200");
    world_start(world);
    for (int32_t i = 0; i < ORDERS; i++)
        ids[i] = world_add_silently(world, endpoint_id, i + 1, 1);
    webhook_poke(world->webhook, endpoint_id);
    world_await_records(world, ORDERS);
    for (int i = 0; i < ORDERS; i++) {
        int64_t started_at = world_attempt(world, ids[i], 1).started_at;
        first = started_at < first ? started_at : first;
        last = started_at > last ? started_at : last;
    }
    /* A tenth of a second's worth may go at once, that is 20; the other 10 take 50 ms. */
    assert_true(last - first >= 48);
}

static void test_replays_are_stepped(void **state)
{
    enum { ORDERS = 5 };
    struct world *world = *state;
    int64_t ids[ORDERS];
    int64_t endpoint_id = world_add_endpoint(world, "/fail", ",\"schedule\":[]");
    world_start(world);
    for (int32_t i = 0; i < ORDERS; i++)
        ids[i] = world_add_event(world, endpoint_id, i + 1, 1);
    world_await_records(world, ORDERS);
    world_change_endpoint(world, endpoint_id, STORE_ENDPOINT_ACTIVE, "/ok", "");
    struct store_replay replay = {
        .project_id = WORLD_PROJECT,
        .endpoint_id = endpoint_id,
        .until = clock_wall_ms() + 1000,
    };
    pthread_mutex_lock(&world->store_lock);
    assert_int_equal(store_begin(world->writer), 0);
    assert_int_equal(store_replay_add(world->writer, &replay), 0);
    assert_int_equal(store_commit(world->writer), 0);
    pthread_mutex_unlock(&world->store_lock);
    webhook_poke_replays(world->webhook);
    world_await_records(world, 2 * ORDERS);
    for (int i = 0; i < ORDERS; i++)
        assert_state(world, ids[i], STORE_DELIVERY_DELIVERED, 2);
    assert_in_range(world->replay_steps, 3, 4);
}

static void test_drained(void **state)
{
    enum { ORDERS = 100 }; /* 2 ms each, one after the other */
    struct world *world = *state;
    int64_t endpoint_id = world_add_endpoint(world, "/pace", ",\"concurrency\":1");
    for (int32_t order_id = 1; order_id <= ORDERS; order_id++)
        world_add_silently(world, endpoint_id, order_id, 1);
    world_start(world);
    world_await_received(world, 1);
    int64_t start = clock_mono_ms();
    webhook_drain(world->webhook, CLOCK_MINUTE);
    assert_true(clock_mono_ms() - start < CLOCK_MINUTE / 2);
    int received = world->received_count;
    assert_in_range(received, 1, ORDERS - 1);
    assert_int_equal(world->records, received);
    webhook_poke(world->webhook, endpoint_id);
    world_stop(world);
    assert_int_equal(world->received_count, received);
    world_change_endpoint(world, endpoint_id, STORE_ENDPOINT_ACTIVE, "/ok", "");
    world_start(world);
    world_await_records(world, ORDERS);
    assert_int_equal(world->received_count, ORDERS);
}

static void test_drained_in_vain(void **state)
{
    struct world *world = *state;
    int64_t endpoint_id = world_add_endpoint(world, "/hold", "");
    world_start(world);
    int64_t delivery_id = world_add_event(world, endpoint_id, 1, 1);
    world_await_received(world, 1);
    webhook_drain(world->webhook, 10);
    assert_int_equal(world->record_calls, 0);
    world_stop(world);
    assert_state(world, delivery_id, STORE_DELIVERY_WAITING, 0);
}

static void test_drained_while_the_store_refuses(void **state)
{
    struct world *world = *state;
    int64_t endpoint_id = world_add_endpoint(world, "/ok", "");
    world->fail_records = 1000;
    world_start(world);
    int64_t delivery_id = world_add_event(world, endpoint_id, 1, 1);
    world_await_received(world, 1);
    webhook_drain(world->webhook, 10);
    world_stop(world);
    assert_state(world, delivery_id, STORE_DELIVERY_WAITING, 0);
}

static void test_stopped_before_it_ran(void **state)
{
    struct world *world = *state;
    static const uint8_t key[32];
    struct webhook *webhook = webhook_start(world->store, key, &world->options);
    assert_non_null(webhook);
    webhook_poke(webhook, 1);
    webhook_poke_replays(webhook);
    webhook_drain(webhook, 1000);
    webhook_stop(&webhook);
    assert_null(webhook);
    webhook_stop(&webhook);
}

#define IN_WORLD(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_WORLD(test_lanes_keep_their_order),
        IN_WORLD(test_concurrency_is_bounded),
        IN_WORLD(test_a_hanging_endpoint_delays_no_other),
        IN_WORLD(test_retries_follow_the_schedule),
        IN_WORLD(test_a_failing_lane_dies_and_goes_on),
        IN_WORLD(test_the_breaker_saves_attempts),
        IN_WORLD(test_a_result_is_recorded_until_it_is_durable),
        IN_WORLD(test_a_store_that_cannot_be_read_is_asked_again),
        IN_WORLD(test_rows_are_sent_after_a_start),
        IN_WORLD(test_no_poke_is_lost),
        IN_WORLD(test_latest_gives_way),
        IN_WORLD(test_gone_disables),
        IN_WORLD(test_a_disabled_endpoint_is_left_alone_before_it_is_durable),
        IN_WORLD(test_a_change_closes_the_breaker),
        IN_WORLD(test_a_failure_of_before_a_change_does_not_count),
        IN_WORLD(test_gone_of_before_a_change_disables_nothing),
        IN_WORLD(test_aborted_by_the_receiver),
        IN_WORLD(test_paused_is_held_and_resumed),
        IN_WORLD(test_held_too_long),
        IN_WORLD(test_changes_while_in_flight),
        IN_WORLD(test_deleted_while_in_flight),
        IN_WORLD(test_what_cannot_be_sent),
        IN_WORLD(test_blocked_until_the_project_allows),
        IN_WORLD(test_a_deadline_ends_an_attempt),
        IN_WORLD(test_rate_is_kept),
        IN_WORLD(test_replays_are_stepped),
        IN_WORLD(test_drained),
        IN_WORLD(test_drained_in_vain),
        IN_WORLD(test_drained_while_the_store_refuses),
        IN_WORLD(test_stopped_before_it_ran),
    };
    /* What is logged on the way is no news for who runs the tests. */
    log_set_fd(open("/dev/null", O_WRONLY | O_CLOEXEC));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
