/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many requests an endpoint may be sent now. Pure: time is a parameter, monotonic ms.
 *
 *   closed    all of its concurrency; `breaker_after` failures in a row open it
 *   open      nothing, for a pause that doubles from one failed probe to the next
 *   half-open the pause is over: one request at a time, the probe
 *
 * A success closes it, and a ramp begins: 1 request at a time, after one success 2, after two more
 * 4, up to the endpoint's concurrency, so that a receiver that has just come back is not buried.
 * Beside it a token bucket keeps the endpoint's rate.
 */
#ifndef ORDERWIRE_WEBHOOK_WEBHOOK_BREAKER_H
#define ORDERWIRE_WEBHOOK_WEBHOOK_BREAKER_H

#include "webhook/webhook.h"
#include "webhook/webhook_policy.h"

/* All zero is a closed breaker with a full bucket. */
struct webhook_breaker {
    int32_t failures;  /* in a row, while closed */
    int32_t ramp;      /* requests at a time after a recovery; 0: no bound */
    int32_t successes; /* on this step of the ramp */
    int64_t pause;     /* the present one's length; 0: closed */
    int64_t until_mono;
    int64_t bucket; /* what has been used of the bucket, in thousandths of a request */
    int64_t bucket_mono;
};

enum webhook_breaker_change {
    WEBHOOK_BREAKER_SAME,
    WEBHOOK_BREAKER_OPENED,
    WEBHOOK_BREAKER_CLOSED,
};

bool webhook_breaker_is_open(const struct webhook_breaker *breaker);

/*
 * How many more requests may start beside those in flight. When time is all that is missing, 0, and
 * `*again_mono` is when to ask again; else it is untouched.
 */
int webhook_breaker_slots(struct webhook_breaker *breaker, const struct webhook_endpoint *endpoint,
                          int in_flight, int64_t now_mono, int64_t *again_mono);
/* One of them starts. */
void webhook_breaker_take(struct webhook_breaker *breaker, const struct webhook_endpoint *endpoint);

/* One has ended. */
enum webhook_breaker_change webhook_breaker_note(struct webhook_breaker *breaker,
                                                 const struct webhook_options *options,
                                                 const struct webhook_endpoint *endpoint,
                                                 enum webhook_health health, int64_t now_mono);

#endif
