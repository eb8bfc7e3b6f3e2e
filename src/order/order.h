/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rules of an order: what an update does to it. Pure: no store, no clock, no memory.
 *
 * order.c  the vocabulary of statuses, and order_apply
 */
#ifndef ORDERWIRE_ORDER_ORDER_H
#define ORDERWIRE_ORDER_ORDER_H

#include "base/str.h"

enum order_status {
#define STATUS(name, rank, word, final, meaning) ORDER_##name = (rank),
#include "order/status.def"
};

#define ORDER_STATUS_COUNT 4

/* What an order without content reads as. */
#define ORDER_CONTENT_NONE "{\"price\":null,\"virtual_price\":null,\"is_free\":false,\"items\":[]}"

/* The word on the wire. */
const char *order_status_word(enum order_status status);
/* Exact, lower case. */
NODISCARD bool order_status_parse(struct str word, enum order_status *status);
/* A buyer's client stops waiting at it. */
bool order_status_is_final(enum order_status status);

/* What the rules need to know of an order. */
struct order_state {
    bool exists;
    enum order_status status;
    int32_t seq; /* of its last event; 0 when it does not exist */
    bool is_free;
};

/* What is asked for. */
struct order_update {
    bool has_status; /* false: only other fields change */
    enum order_status status;
    bool changes_content; /* content, custom parameters or cancel reason differ from the stored */
    bool is_free;         /* after the update */
    bool strict;          /* the project refuses to skip `paid` */
};

enum order_verdict {
    ORDER_APPLIED,
    ORDER_DUPLICATE, /* nothing would change */
    ORDER_STALE,     /* the order is further already */
    ORDER_CONFLICT,  /* canceled is final */
    ORDER_SKIPPED,   /* strict: `paid` must come first */
};

/* "duplicate", "stale", "conflict", "skipped" or "applied": the word of the answer's `reason`. */
const char *order_verdict_word(enum order_verdict verdict);

/* One accepted change. */
struct order_event {
    int32_t seq;
    enum order_status status;
    enum order_status previous; /* `status` for the first event, and when only content changed */
    bool synthetic;             /* inserted by the rules, not asked for */
    bool is_publication; /* false: only content changed; the buyer's stream does not see it */
};

#define ORDER_EVENTS_MAX 3

struct order_effects {
    enum order_verdict verdict;
    bool created;
    struct order_state after;
    size_t event_count; /* 0 unless the verdict is ORDER_APPLIED */
    struct order_event events[ORDER_EVENTS_MAX];
};

/*
 * The table of docs/architecture.md, "The order's rules". An update without a status to an order
 * that does not exist creates it as `new`. Duplicate, stale and refused ones have no effect.
 */
struct order_effects order_apply(const struct order_state *now, const struct order_update *update);

#endif
