/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an answer to a webhook means, and when to try again. Pure: time and chance are parameters.
 *
 *   outcome                                     standard             xsolla
 *   2xx (xsolla: 200, 201, 204)                 delivered            delivered
 *   410, `webhook-delivery: disable`            disable the endpoint, the delivery is held
 *   `webhook-delivery: abort-message`           dead
 *   400 401 402 403 404 409 415 422             retry                dead
 *   anything else, 3xx too, or no answer        retry                retry
 *
 * (webhooks.md section 1, xsolla-sdks.md 3.4 and 3.5.) Redirects are never followed.
 */
#ifndef ORDERWIRE_WEBHOOK_WEBHOOK_POLICY_H
#define ORDERWIRE_WEBHOOK_WEBHOOK_POLICY_H

#include "webhook/webhook.h"
#include "webhook/webhook_endpoint.h"

/* How one attempt ended. */
struct webhook_answer {
    int status;             /* HTTP; 0 without an answer */
    struct str retry_after; /* header fields, empty when absent */
    struct str control;     /* `webhook-delivery` */
};

/* What the attempt says of the endpoint, for its breaker. */
enum webhook_health {
    WEBHOOK_HEALTHY, /* it takes webhooks, or ends them on purpose */
    WEBHOOK_FAILING,
    WEBHOOK_THROTTLED, /* alive, and asks for time */
};

struct webhook_decision {
    enum webhook_verdict verdict;
    int32_t step;    /* in the schedule, for the next attempt */
    int64_t next_at; /* wall ms of the next attempt, when the verdict is WEBHOOK_RETRY */
    enum webhook_health health;
    const char *disable_reason; /* not NULL: the endpoint is to be disabled, and why */
    const char *words;          /* for the record, beside the status; "" when it says all */
};

/*
 * `step` is the place in the endpoint's schedule of this attempt. `random` is any number: waits are
 * spread over +-20 %. Retry-After, in seconds or as a date, replaces the wait: not less than the
 * schedule's, not more than 24 h unless the schedule's is.
 */
void webhook_policy_decide(const struct webhook_endpoint *endpoint,
                           const struct webhook_answer *answer, int32_t step, int64_t now_wall,
                           uint32_t random, struct webhook_decision *decision);

/*
 * When a delivery will have been held longer than the endpoint's max_age: counted from its
 * creation, or once it was tried or asked for by hand from when it became due again. INT64_MAX:
 * never. `behind` is by how much the clock that stamps rows is behind the one that deliveries wait
 * for.
 */
int64_t webhook_policy_held_until(const struct webhook_endpoint *endpoint,
                                  const struct store_delivery *delivery, int64_t behind);

/* The preset's schedule: waits in ms into `schedule`, their number is returned. */
int webhook_policy_schedule(enum webhook_preset preset, int64_t schedule[LIMIT_WEBHOOK_SCHEDULE]);

#endif
