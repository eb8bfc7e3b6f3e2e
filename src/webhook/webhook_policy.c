/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Verdicts. A receiver's answer decides over somebody's goods, so that all of it is one pure
 * function over small tables and no rule hides in the sender.
 */
#include "webhook/webhook_policy.h"

#include "base/clock.h"
#include "http/http_sender.h"

#include <string.h>

enum { JITTER_PERCENT = 20 };

static const int64_t standard_schedule[] = {
    5 * CLOCK_SECOND, 5 * CLOCK_MINUTE, 30 * CLOCK_MINUTE, 2 * CLOCK_HOUR,  5 * CLOCK_HOUR,
    10 * CLOCK_HOUR,  14 * CLOCK_HOUR,  20 * CLOCK_HOUR,   24 * CLOCK_HOUR,
};

/* How often which wait. */
static const struct {
    int count;
    int64_t wait;
} xsolla_schedule[] = {
    {2, 5 * CLOCK_MINUTE},
    {7, 15 * CLOCK_MINUTE},
    {10, CLOCK_HOUR},
};

int webhook_policy_schedule(enum webhook_preset preset, int64_t schedule[LIMIT_WEBHOOK_SCHEDULE])
{
    if (preset == WEBHOOK_STANDARD) {
        memcpy(schedule, standard_schedule, sizeof(standard_schedule));
        return ARRAY_LENGTH(standard_schedule);
    }
    int length = 0;
    for (size_t i = 0; i < ARRAY_LENGTH(xsolla_schedule); i++) {
        for (int n = 0; n < xsolla_schedule[i].count; n++)
            schedule[length++] = xsolla_schedule[i].wait;
    }
    return length;
}

static bool is_success(enum webhook_preset preset, int status)
{
    if (preset == WEBHOOK_XSOLLA)
        return status == 200 || status == 201 || status == 204;
    return status >= 200 && status <= 299;
}

static bool ends_xsolla(int status)
{
    static const int final[] = {400, 401, 402, 403, 404, 409, 415, 422};
    for (size_t i = 0; i < ARRAY_LENGTH(final); i++) {
        if (final[i] == status)
            return true;
    }
    return false;
}

/* The wait that the receiver asks for, in ms. */
static bool read_retry_after(struct str text, int64_t now_wall, int64_t *wait)
{
    int64_t value;
    if (str_to_int64(text, 0, INT64_MAX / CLOCK_SECOND, &value)) {
        *wait = value * CLOCK_SECOND;
        return true;
    }
    if (!http_sender_date(text, &value))
        return false;
    *wait = value - now_wall;
    return true;
}

static int64_t with_jitter(int64_t wait, uint32_t random)
{
    int64_t spread = wait * JITTER_PERCENT / 100;
    return wait - spread + (int64_t)(random % (uint64_t)(2 * spread + 1));
}

static int64_t clamp(int64_t value, int64_t low, int64_t high)
{
    if (value > high)
        value = high;
    return value < low ? low : value;
}

static void decide_retry(const struct webhook_endpoint *endpoint,
                         const struct webhook_answer *answer, int32_t step, int64_t now_wall,
                         uint32_t random, struct webhook_decision *decision)
{
    int64_t asked;
    bool has_asked = read_retry_after(answer->retry_after, now_wall, &asked);
    decision->health = has_asked || answer->status == 429 ? WEBHOOK_THROTTLED : WEBHOOK_FAILING;
    if (answer->status >= 300 && answer->status <= 399)
        decision->words = "a redirect, which is not followed";
    if (step >= endpoint->schedule_length) {
        decision->verdict = WEBHOOK_DEAD;
        return;
    }
    int64_t base = endpoint->schedule[step];
    int64_t wait = has_asked ? clamp(asked, base, CLOCK_DAY) : with_jitter(base, random);
    decision->verdict = WEBHOOK_RETRY;
    decision->step = step + 1;
    decision->next_at = now_wall + wait;
}

/* The delivery keeps its place and its step: it goes first when the endpoint is resumed. */
static void decide_disable(const char *reason, int64_t now_wall, struct webhook_decision *decision)
{
    decision->disable_reason = reason;
    decision->words = reason;
    if (decision->verdict == WEBHOOK_DELIVERED)
        return;
    decision->verdict = WEBHOOK_RETRY;
    decision->next_at = now_wall;
}

void webhook_policy_decide(const struct webhook_endpoint *endpoint,
                           const struct webhook_answer *answer, int32_t step, int64_t now_wall,
                           uint32_t random, struct webhook_decision *decision)
{
    bool is_standard = endpoint->preset == WEBHOOK_STANDARD;
    *decision = (struct webhook_decision){
        .verdict = is_success(endpoint->preset, answer->status) ? WEBHOOK_DELIVERED : WEBHOOK_DEAD,
        .step = step > 0 ? step : 0,
        .health = WEBHOOK_HEALTHY,
        .words = "",
    };
    if (is_standard && str_equal_ignoring_case(answer->control, STR_LIT("disable")))
        decide_disable("the receiver answered webhook-delivery: disable", now_wall, decision);
    else if (decision->verdict == WEBHOOK_DELIVERED)
        return;
    else if (is_standard && answer->status == 410)
        decide_disable("the receiver answered 410 Gone", now_wall, decision);
    else if (is_standard && str_equal_ignoring_case(answer->control, STR_LIT("abort-message")))
        decision->words = "the receiver answered webhook-delivery: abort-message";
    else if (is_standard || !ends_xsolla(answer->status))
        decide_retry(endpoint, answer, decision->step, now_wall, random, decision);
}

int64_t webhook_policy_held_until(const struct webhook_endpoint *endpoint,
                                  const struct store_delivery *delivery, int64_t behind)
{
    bool is_new = delivery->attempts == 0 && delivery->step != STORE_STEP_BY_HAND;
    int64_t since = is_new ? delivery->created_at : delivery->next_at;
    return endpoint->max_age > 0 ? since + behind + endpoint->max_age : INT64_MAX;
}
