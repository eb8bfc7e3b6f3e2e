/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ORDERWIRE_CLIENT_TRACKER_INTERNAL_H
#define ORDERWIRE_CLIENT_TRACKER_INTERNAL_H

#include "base/buf.h"
#include "client/tracker.h"
#include "codec/json.h"

struct tracker {
    struct tracker_options options; /* with the defaults filled in */
    struct str base;                /* the server's URL without a slash at its end */
    const struct tracker_handlers *handlers;
    void *argument;
    bool is_unanswered;    /* and that was told */
    int rank;              /* of the highest status told; -1 before the first */
    int64_t deadline_mono; /* INT64_MAX without a limit */
    char *error;           /* TRACKER_ERROR_SIZE bytes */
};

enum tracker_progress {
    TRACKER_GOES_ON,
    TRACKER_ENDED,   /* at a final status */
    TRACKER_TROUBLE, /* this way is closed; `error` says why */
    TRACKER_REFUSED, /* no way will help; `error` says why */
};

/* Tells a status if it is news. TRACKER_ENDED at a final one. */
enum tracker_progress tracker_tell(struct tracker *tracker, struct str word, const char *source);
/* An object with "order_id" and "status"; other orders, and what is malformed, are passed over. */
enum tracker_progress tracker_tell_publication(struct tracker *tracker, const struct json *data);

enum tracker_progress tracker_trouble(struct tracker *tracker, const char *format, ...)
    PRINTF_LIKE(2, 3);

/* `wanted` ms, or what is left of the time limit when that is less; never negative. */
int64_t tracker_patience(const struct tracker *tracker, int64_t wanted);
/* TRACKER_REFUSED, with a sentence about the time limit. */
enum tracker_progress tracker_out_of_time(struct tracker *tracker);

/* Both return anything but TRACKER_GOES_ON. */
enum tracker_progress tracker_follow_websocket(struct tracker *tracker);
enum tracker_progress tracker_follow_polling(struct tracker *tracker);

#endif
