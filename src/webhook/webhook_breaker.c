/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Breaker, ramp and rate. A dead receiver would else use up the attempts of each delivery that
 * waits for it; while the breaker is open they wait without losing any.
 */
#include "webhook/webhook_breaker.h"

enum {
    TOKEN = 1000,          /* thousandths in a request */
    BURST_PER_SECOND = 10, /* a tenth of a second's requests may go at once */
};

bool webhook_breaker_is_open(const struct webhook_breaker *breaker)
{
    return breaker->pause > 0;
}

static int64_t bucket_size(int rate)
{
    int64_t burst = (int64_t)rate * TOKEN / BURST_PER_SECOND;
    return burst > TOKEN ? burst : TOKEN;
}

/* `rate` requests a second are `rate` thousandths a millisecond. */
static void drain_bucket(struct webhook_breaker *breaker, int rate, int64_t now_mono)
{
    int64_t passed = now_mono - breaker->bucket_mono;
    breaker->bucket_mono = now_mono;
    breaker->bucket -= passed * rate;
    if (breaker->bucket < 0)
        breaker->bucket = 0;
}

static int allowed_by_rate(struct webhook_breaker *breaker, int rate, int64_t now_mono,
                           int64_t *again_mono)
{
    drain_bucket(breaker, rate, now_mono);
    int64_t room = bucket_size(rate) - breaker->bucket;
    if (room >= TOKEN)
        return (int)(room / TOKEN);
    *again_mono = now_mono + (TOKEN - room + rate - 1) / rate;
    return 0;
}

static int concurrency_of(const struct webhook_breaker *breaker,
                          const struct webhook_endpoint *endpoint)
{
    bool is_ramp = breaker->ramp > 0 && breaker->ramp < endpoint->concurrency;
    return is_ramp ? breaker->ramp : endpoint->concurrency;
}

int webhook_breaker_slots(struct webhook_breaker *breaker, const struct webhook_endpoint *endpoint,
                          int in_flight, int64_t now_mono, int64_t *again_mono)
{
    bool is_open = webhook_breaker_is_open(breaker);
    int slots = (is_open ? 1 : concurrency_of(breaker, endpoint)) - in_flight;
    if (slots <= 0)
        return 0;
    if (is_open && now_mono < breaker->until_mono) {
        *again_mono = breaker->until_mono;
        return 0;
    }
    if (endpoint->rate <= 0)
        return slots;
    int by_rate = allowed_by_rate(breaker, endpoint->rate, now_mono, again_mono);
    return slots < by_rate ? slots : by_rate;
}

void webhook_breaker_take(struct webhook_breaker *breaker, const struct webhook_endpoint *endpoint)
{
    if (endpoint->rate > 0)
        breaker->bucket += TOKEN;
}

static enum webhook_breaker_change note_failure(struct webhook_breaker *breaker,
                                                const struct webhook_options *options,
                                                int64_t now_mono)
{
    breaker->successes = 0;
    if (webhook_breaker_is_open(breaker)) {
        /* Not a probe: it was in flight when the breaker opened. */
        if (now_mono < breaker->until_mono)
            return WEBHOOK_BREAKER_SAME;
        breaker->pause *= 2;
        if (breaker->pause > options->breaker_pause_max)
            breaker->pause = options->breaker_pause_max;
        breaker->until_mono = now_mono + breaker->pause;
        return WEBHOOK_BREAKER_SAME;
    }
    if (++breaker->failures < options->breaker_after)
        return WEBHOOK_BREAKER_SAME;
    breaker->pause = options->breaker_pause;
    breaker->until_mono = now_mono + breaker->pause;
    return WEBHOOK_BREAKER_OPENED;
}

static void climb(struct webhook_breaker *breaker, const struct webhook_endpoint *endpoint)
{
    if (breaker->ramp == 0 || ++breaker->successes < breaker->ramp)
        return;
    breaker->successes = 0;
    breaker->ramp *= 2;
    if (breaker->ramp >= endpoint->concurrency)
        breaker->ramp = 0;
}

enum webhook_breaker_change webhook_breaker_note(struct webhook_breaker *breaker,
                                                 const struct webhook_options *options,
                                                 const struct webhook_endpoint *endpoint,
                                                 enum webhook_health health, int64_t now_mono)
{
    bool was_open = webhook_breaker_is_open(breaker);
    if (health == WEBHOOK_FAILING)
        return note_failure(breaker, options, now_mono);
    if (was_open) {
        breaker->pause = 0;
        breaker->ramp = 1;
        breaker->successes = 0;
    }
    if (was_open || health == WEBHOOK_HEALTHY)
        breaker->failures = 0;
    if (health == WEBHOOK_HEALTHY)
        climb(breaker, endpoint);
    return was_open ? WEBHOOK_BREAKER_CLOSED : WEBHOOK_BREAKER_SAME;
}
