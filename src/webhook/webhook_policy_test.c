/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of answers, waits and ages, row by row. */
#include "webhook/webhook_policy.h"

#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

/* 1994-11-06T08:49:07Z */
#define NOW INT64_C(784111747000)
/* The random number in the middle of +-20 % of 10 s: no jitter. */
#define MIDDLE 2000

static struct webhook_endpoint endpoint_of(enum webhook_preset preset)
{
    struct webhook_endpoint endpoint = {.preset = preset};
    endpoint.schedule[0] = 10 * CLOCK_SECOND;
    endpoint.schedule[1] = 10 * CLOCK_MINUTE;
    endpoint.schedule[2] = 2 * CLOCK_DAY;
    endpoint.schedule_length = 3;
    return endpoint;
}

static struct webhook_decision decide(enum webhook_preset preset, int status, const char *after,
                                      const char *control, int32_t step)
{
    struct webhook_endpoint endpoint = endpoint_of(preset);
    struct webhook_answer answer = {
        .status = status,
        .retry_after = str_from(after),
        .control = str_from(control),
    };
    struct webhook_decision decision;
    webhook_policy_decide(&endpoint, &answer, step, NOW, MIDDLE, &decision);
    return decision;
}

static void test_verdicts(void **state)
{
    (void)state;
    const enum webhook_preset S = WEBHOOK_STANDARD;
    const enum webhook_preset X = WEBHOOK_XSOLLA;
    const struct {
        enum webhook_preset preset;
        int status;
        const char *control;
        enum webhook_verdict verdict;
        enum webhook_health health;
        bool disables;
    } rows[] = {
        {S, 200, NULL, WEBHOOK_DELIVERED, WEBHOOK_HEALTHY, false},
        {S, 202, NULL, WEBHOOK_DELIVERED, WEBHOOK_HEALTHY, false},
        {S, 299, NULL, WEBHOOK_DELIVERED, WEBHOOK_HEALTHY, false},
        {S, 204, "abort-message", WEBHOOK_DELIVERED, WEBHOOK_HEALTHY, false},
        {S, 200, "disable", WEBHOOK_DELIVERED, WEBHOOK_HEALTHY, true},
        {S, 500, "disable", WEBHOOK_RETRY, WEBHOOK_HEALTHY, true},
        {S, 500, "Disable", WEBHOOK_RETRY, WEBHOOK_HEALTHY, true},
        {S, 410, NULL, WEBHOOK_RETRY, WEBHOOK_HEALTHY, true},
        {S, 400, "abort-message", WEBHOOK_DEAD, WEBHOOK_HEALTHY, false},
        {S, 500, "abort-message", WEBHOOK_DEAD, WEBHOOK_HEALTHY, false},
        {S, 500, "something", WEBHOOK_RETRY, WEBHOOK_FAILING, false},
        {S, 0, NULL, WEBHOOK_RETRY, WEBHOOK_FAILING, false},
        {S, 199, NULL, WEBHOOK_RETRY, WEBHOOK_FAILING, false},
        {S, 301, NULL, WEBHOOK_RETRY, WEBHOOK_FAILING, false},
        {S, 308, NULL, WEBHOOK_RETRY, WEBHOOK_FAILING, false},
        {S, 400, NULL, WEBHOOK_RETRY, WEBHOOK_FAILING, false},
        {S, 404, NULL, WEBHOOK_RETRY, WEBHOOK_FAILING, false},
        {S, 429, NULL, WEBHOOK_RETRY, WEBHOOK_THROTTLED, false},
        {S, 503, NULL, WEBHOOK_RETRY, WEBHOOK_FAILING, false},
        {X, 200, NULL, WEBHOOK_DELIVERED, WEBHOOK_HEALTHY, false},
        {X, 201, NULL, WEBHOOK_DELIVERED, WEBHOOK_HEALTHY, false},
        {X, 204, NULL, WEBHOOK_DELIVERED, WEBHOOK_HEALTHY, false},
        {X, 202, NULL, WEBHOOK_RETRY, WEBHOOK_FAILING, false},
        {X, 400, NULL, WEBHOOK_DEAD, WEBHOOK_HEALTHY, false},
        {X, 401, NULL, WEBHOOK_DEAD, WEBHOOK_HEALTHY, false},
        {X, 402, NULL, WEBHOOK_DEAD, WEBHOOK_HEALTHY, false},
        {X, 403, NULL, WEBHOOK_DEAD, WEBHOOK_HEALTHY, false},
        {X, 404, NULL, WEBHOOK_DEAD, WEBHOOK_HEALTHY, false},
        {X, 409, NULL, WEBHOOK_DEAD, WEBHOOK_HEALTHY, false},
        {X, 415, NULL, WEBHOOK_DEAD, WEBHOOK_HEALTHY, false},
        {X, 422, NULL, WEBHOOK_DEAD, WEBHOOK_HEALTHY, false},
        {X, 405, NULL, WEBHOOK_RETRY, WEBHOOK_FAILING, false},
        {X, 410, NULL, WEBHOOK_RETRY, WEBHOOK_FAILING, false},
        {X, 500, "disable", WEBHOOK_RETRY, WEBHOOK_FAILING, false},
        {X, 500, "abort-message", WEBHOOK_RETRY, WEBHOOK_FAILING, false},
        {X, 0, NULL, WEBHOOK_RETRY, WEBHOOK_FAILING, false},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct webhook_decision decision =
            decide(rows[i].preset, rows[i].status, NULL, rows[i].control, 0);
        if (decision.verdict != rows[i].verdict || decision.health != rows[i].health ||
            (decision.disable_reason != NULL) != rows[i].disables)
            fail_msg("row %zu: verdict %d, health %d", i, decision.verdict, decision.health);
    }
}

static void test_waits(void **state)
{
    (void)state;
    static const struct {
        int status;
        int32_t step;
        const char *after;
        int64_t wait;
    } rows[] = {
        {500, 0, NULL, 10 * CLOCK_SECOND},
        {500, 0, "1 Nov 666666666 00:00:00 GMT", CLOCK_DAY},
        {500, 0, "", 10 * CLOCK_SECOND},
        {500, -1, NULL, 10 * CLOCK_SECOND},
        {503, 0, "30", 30 * CLOCK_SECOND},
        {429, 0, "30", 30 * CLOCK_SECOND},
        {404, 0, "30", 30 * CLOCK_SECOND},
        {429, 0, "3", 10 * CLOCK_SECOND},
        {429, 0, "0", 10 * CLOCK_SECOND},
        {429, 0, "999999999", CLOCK_DAY},
        {429, 2, "30", 2 * CLOCK_DAY},
        {429, 0, "-5", 10 * CLOCK_SECOND},
        {503, 0, "31536000000", CLOCK_DAY},
        {503, 0, "9223372036854775", CLOCK_DAY},
        {429, 0, "99999999999999999999", 10 * CLOCK_SECOND},
        {429, 0, "soon", 10 * CLOCK_SECOND},
        {429, 0, "Sun, 06 Nov 1994 08:49:37 GMT", 30 * CLOCK_SECOND},
        {429, 0, "Sun, 06 Nov 1994 08:48:37 GMT", 10 * CLOCK_SECOND},
        {429, 0, "Sun, 06 Nov 2094 08:48:37 GMT", CLOCK_DAY},
        {429, 0, "Sun, 06 Xyz 1994 08:49:37 GMT", 10 * CLOCK_SECOND},
        {429, 0, "Sun, 96 Nov 1994 08:49:37 GMT", 10 * CLOCK_SECOND},
        {429, 0, "Sun, 0a Nov 1994 08:49:37 GMT", 10 * CLOCK_SECOND},
        {429, 0, "Sunday, 06-Nov-94 08:49:37 GMT", 30 * CLOCK_SECOND},
        {429, 0, "Sun Nov  6 08:49:37 1994", 30 * CLOCK_SECOND},
        {429, 0, "Sun, 06 Nov 1994 08:49:37 GMT and so on, longer than any date",
         10 * CLOCK_SECOND},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct webhook_decision decision =
            decide(WEBHOOK_STANDARD, rows[i].status, rows[i].after, NULL, rows[i].step);
        if (decision.verdict != WEBHOOK_RETRY || decision.next_at - NOW != rows[i].wait)
            fail_msg("row %zu: %lld", i, (long long)(decision.next_at - NOW));
        int32_t step = rows[i].step > 0 ? rows[i].step : 0;
        assert_int_equal(decision.step, step + 1);
        if (rows[i].wait != 10 * CLOCK_SECOND)
            assert_int_equal(decision.health, WEBHOOK_THROTTLED);
    }
}

static void test_the_schedule_has_an_end(void **state)
{
    (void)state;
    assert_int_equal(decide(WEBHOOK_STANDARD, 500, NULL, NULL, 2).verdict, WEBHOOK_RETRY);
    assert_int_equal(decide(WEBHOOK_STANDARD, 500, NULL, NULL, 3).verdict, WEBHOOK_DEAD);
    assert_int_equal(decide(WEBHOOK_STANDARD, 429, "5", NULL, 3).verdict, WEBHOOK_DEAD);
    assert_int_equal(decide(WEBHOOK_STANDARD, 200, NULL, NULL, 3).verdict, WEBHOOK_DELIVERED);
    struct webhook_decision decision = decide(WEBHOOK_STANDARD, 410, NULL, NULL, 3);
    assert_int_equal(decision.verdict, WEBHOOK_RETRY);
    assert_int_equal(decision.step, 3);
    assert_int_equal(decision.next_at, NOW);
}

static void test_jitter(void **state)
{
    (void)state;
    struct webhook_endpoint endpoint = endpoint_of(WEBHOOK_STANDARD);
    struct webhook_answer answer = {.status = 500};
    struct webhook_decision decision;
    int64_t low = INT64_MAX;
    int64_t high = 0;
    for (uint32_t random = 0; random < 5000; random++) {
        webhook_policy_decide(&endpoint, &answer, 0, NOW, random, &decision);
        int64_t wait = decision.next_at - NOW;
        low = wait < low ? wait : low;
        high = wait > high ? wait : high;
    }
    assert_int_equal(low, 8 * CLOCK_SECOND);
    assert_int_equal(high, 12 * CLOCK_SECOND);
    endpoint.schedule[0] = 1;
    webhook_policy_decide(&endpoint, &answer, 0, NOW, UINT32_MAX, &decision);
    assert_int_equal(decision.next_at, NOW + 1);
}

static void test_schedules(void **state)
{
    (void)state;
    int64_t waits[LIMIT_WEBHOOK_SCHEDULE];
    int64_t sum = 0;
    assert_int_equal(webhook_policy_schedule(WEBHOOK_STANDARD, waits), 9);
    assert_int_equal(waits[0], 5 * CLOCK_SECOND);
    assert_int_equal(waits[8], 24 * CLOCK_HOUR);
    for (int i = 0; i < 9; i++)
        sum += waits[i];
    assert_int_equal(sum, 75 * CLOCK_HOUR + 35 * CLOCK_MINUTE + 5 * CLOCK_SECOND);
    assert_int_equal(webhook_policy_schedule(WEBHOOK_XSOLLA, waits), 19);
    assert_int_equal(waits[1], 5 * CLOCK_MINUTE);
    assert_int_equal(waits[2], 15 * CLOCK_MINUTE);
    assert_int_equal(waits[8], 15 * CLOCK_MINUTE);
    assert_int_equal(waits[9], CLOCK_HOUR);
    assert_int_equal(waits[18], CLOCK_HOUR);
}

static void test_words(void **state)
{
    (void)state;
    assert_string_equal(decide(WEBHOOK_STANDARD, 302, NULL, NULL, 0).words,
                        "a redirect, which is not followed");
    assert_string_equal(decide(WEBHOOK_STANDARD, 500, NULL, "abort-message", 0).words,
                        "the receiver answered webhook-delivery: abort-message");
    assert_string_equal(decide(WEBHOOK_STANDARD, 410, NULL, NULL, 0).disable_reason,
                        "the receiver answered 410 Gone");
    assert_string_equal(decide(WEBHOOK_STANDARD, 500, NULL, NULL, 0).words, "");
    assert_string_equal(decide(WEBHOOK_STANDARD, 200, NULL, NULL, 0).words, "");
}

static void test_ages(void **state)
{
    (void)state;
    static const struct {
        int64_t max_age;
        int64_t created_at;
        int64_t next_at;
        int32_t attempts;
        int32_t step;
        int64_t behind;
        int64_t held_until;
    } rows[] = {
        {1000, 5000, 5000, 0, 0, 0, 6000},
        {0, 5000, 5000, 0, 0, 0, INT64_MAX},
        {0, 5000, 5000, 0, 0, 10, INT64_MAX},
        {1000, 5000, 5900, 0, 0, 0, 6000},
        {1000, 5000, 5900, 1, 1, 0, 6900},
        {1000, 5000, 5000, 0, 0, 3000, 9000},
        {1000, 4000, 5000, 1, 1, 3000, 9000},
        /* Superseded long ago, and asked for by hand. */
        {1000, 4000, 5900, 0, STORE_STEP_BY_HAND, 0, 6900},
        {1000, 4000, 5900, 3, STORE_STEP_BY_HAND, 0, 6900},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct webhook_endpoint endpoint = {.max_age = rows[i].max_age};
        struct store_delivery delivery = {
            .created_at = rows[i].created_at,
            .next_at = rows[i].next_at,
            .attempts = rows[i].attempts,
            .step = rows[i].step,
        };
        if (webhook_policy_held_until(&endpoint, &delivery, rows[i].behind) != rows[i].held_until)
            fail_msg("row %zu", i);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_verdicts),  cmocka_unit_test(test_waits),
        cmocka_unit_test(test_jitter),    cmocka_unit_test(test_the_schedule_has_an_end),
        cmocka_unit_test(test_schedules), cmocka_unit_test(test_words),
        cmocka_unit_test(test_ages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
