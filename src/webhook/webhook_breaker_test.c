/* SPDX-License-Identifier: Apache-2.0 */
/* A breaker's life with a clock of its own: closed, open, probed, ramped; and the bucket. */
#include "webhook/webhook_breaker.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const struct webhook_options options = {
    .breaker_after = 3,
    .breaker_pause = 1000,
    .breaker_pause_max = 3000,
};

static struct webhook_endpoint endpoint = {.concurrency = 10};

static int slots_at(struct webhook_breaker *breaker, int in_flight, int64_t now)
{
    int64_t again = -1;
    return webhook_breaker_slots(breaker, &endpoint, in_flight, now, &again);
}

static int64_t again_at(struct webhook_breaker *breaker, int in_flight, int64_t now)
{
    int64_t again = -1;
    assert_int_equal(webhook_breaker_slots(breaker, &endpoint, in_flight, now, &again), 0);
    return again;
}

static enum webhook_breaker_change note(struct webhook_breaker *breaker, enum webhook_health health,
                                        int64_t now)
{
    return webhook_breaker_note(breaker, &options, &endpoint, health, now);
}

static void open_it(struct webhook_breaker *breaker, int64_t now)
{
    assert_int_equal(note(breaker, WEBHOOK_FAILING, now), WEBHOOK_BREAKER_SAME);
    assert_int_equal(note(breaker, WEBHOOK_FAILING, now), WEBHOOK_BREAKER_SAME);
    assert_int_equal(note(breaker, WEBHOOK_FAILING, now), WEBHOOK_BREAKER_OPENED);
}

static void test_closed(void **state)
{
    (void)state;
    struct webhook_breaker breaker = {0};
    assert_int_equal(slots_at(&breaker, 0, 5), 10);
    assert_int_equal(slots_at(&breaker, 7, 5), 3);
    assert_int_equal(again_at(&breaker, 10, 5), -1);
    assert_int_equal(again_at(&breaker, 11, 5), -1);
    for (int i = 0; i < 20; i++) {
        note(&breaker, WEBHOOK_FAILING, 5);
        note(&breaker, WEBHOOK_FAILING, 5);
        assert_int_equal(note(&breaker, WEBHOOK_HEALTHY, 5), WEBHOOK_BREAKER_SAME);
    }
    for (int i = 0; i < 20; i++)
        assert_int_equal(note(&breaker, WEBHOOK_THROTTLED, 5), WEBHOOK_BREAKER_SAME);
    assert_false(webhook_breaker_is_open(&breaker));
    assert_int_equal(slots_at(&breaker, 0, 5), 10);
}

static void test_opens_probes_and_doubles(void **state)
{
    (void)state;
    struct webhook_breaker breaker = {0};
    open_it(&breaker, 100);
    assert_true(webhook_breaker_is_open(&breaker));
    assert_int_equal(again_at(&breaker, 0, 100), 1100);
    /* What was in flight still fails: no probe, no doubling. */
    assert_int_equal(note(&breaker, WEBHOOK_FAILING, 500), WEBHOOK_BREAKER_SAME);
    assert_int_equal(again_at(&breaker, 0, 1099), 1100);
    assert_int_equal(again_at(&breaker, 1, 1100), -1);
    assert_int_equal(slots_at(&breaker, 0, 1100), 1);
    note(&breaker, WEBHOOK_FAILING, 1200);
    assert_int_equal(again_at(&breaker, 0, 1200), 3200);
    note(&breaker, WEBHOOK_FAILING, 3200);
    assert_int_equal(again_at(&breaker, 0, 3200), 6200);
    note(&breaker, WEBHOOK_FAILING, 6200);
    assert_int_equal(again_at(&breaker, 0, 6200), 9200);
    assert_int_equal(slots_at(&breaker, 0, 9200), 1);
}

static void test_recovers_with_a_ramp(void **state)
{
    (void)state;
    static const int ramp[] = {2, 2, 4, 4, 4, 4, 8, 8, 8, 8, 8, 8, 8, 8, 10, 10};
    struct webhook_breaker breaker = {0};
    open_it(&breaker, 0);
    assert_int_equal(note(&breaker, WEBHOOK_HEALTHY, 1000), WEBHOOK_BREAKER_CLOSED);
    for (size_t i = 0; i < ARRAY_LENGTH(ramp); i++) {
        if (slots_at(&breaker, 0, 1000) != ramp[i])
            fail_msg("after %zu successes: %d", i + 1, slots_at(&breaker, 0, 1000));
        assert_int_equal(note(&breaker, WEBHOOK_HEALTHY, 1000), WEBHOOK_BREAKER_SAME);
    }
    open_it(&breaker, 2000);
    assert_int_equal(again_at(&breaker, 0, 2000), 3000);
}

static void test_a_throttled_probe_closes_without_climbing(void **state)
{
    (void)state;
    struct webhook_breaker breaker = {0};
    open_it(&breaker, 0);
    assert_int_equal(note(&breaker, WEBHOOK_THROTTLED, 1000), WEBHOOK_BREAKER_CLOSED);
    assert_int_equal(slots_at(&breaker, 0, 1000), 1);
    note(&breaker, WEBHOOK_HEALTHY, 1000);
    assert_int_equal(slots_at(&breaker, 0, 1000), 2);
    note(&breaker, WEBHOOK_HEALTHY, 1000);
    note(&breaker, WEBHOOK_FAILING, 1000);
    note(&breaker, WEBHOOK_HEALTHY, 1000);
    assert_int_equal(slots_at(&breaker, 0, 1000), 2);
}

/* How many requests go in a second when as many as may do. */
static int count_in_a_second(int rate)
{
    struct webhook_breaker breaker = {0};
    struct webhook_endpoint limited = {.concurrency = 100, .rate = rate};
    int64_t now = 1000000;
    int sent = 0;
    while (now < 1001000) {
        int64_t again = now + 1;
        int slots = webhook_breaker_slots(&breaker, &limited, 0, now, &again);
        for (int i = 0; i < slots; i++)
            webhook_breaker_take(&breaker, &limited);
        sent += slots;
        assert_true(slots > 0 || again > now);
        now = slots > 0 ? now : again;
    }
    return sent;
}

static void test_rate(void **state)
{
    (void)state;
    static const struct {
        int rate;
        int low;
        int high;
    } rows[] = {{1, 1, 1}, {3, 3, 4}, {10, 10, 11}, {100, 100, 110}, {2000, 2000, 2200}};
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        assert_in_range(count_in_a_second(rows[i].rate), rows[i].low, rows[i].high);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_closed),
        cmocka_unit_test(test_opens_probes_and_doubles),
        cmocka_unit_test(test_recovers_with_a_ramp),
        cmocka_unit_test(test_a_throttled_probe_closes_without_climbing),
        cmocka_unit_test(test_rate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
