/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a buyer's client may know of its stream: where it stands, what it missed, what is under way.
 *
 * No event is lost or doubled between opening and the first push: the caller subscribes to the hub
 * first and opens then, so that an event committed before the look-up is in the look-up, and one
 * committed after it comes through the hub with an offset above `top`. What comes with an offset
 * not above the position is skipped; what leaves a gap is read by buyer_stream_missed.
 */
#ifndef ORDERWIRE_SERVICE_BUYER_STREAM_H
#define ORDERWIRE_SERVICE_BUYER_STREAM_H

#include "base/buf.h"
#include "store/store.h"

/* Opaque types. */
struct service;

struct buyer_stream_query {
    int32_t project_id;
    struct str user_external_id;
    int64_t now_wall;
    bool recover; /* the client brings a position */
    int32_t offset;
    struct str epoch; /* empty: not compared (centrifuge-protocol.md B) */
};

struct buyer_stream_view {
    int32_t top;
    bool recovered; /* `publications` lead from the query's offset to `top` without a gap */
    /*
     * Recovered: what was missed, rising. Else: the latest status of each order under way or
     * finished within latest_window, oldest change first, offsets 0; at most LIMIT_LATEST_ORDERS.
     */
    struct store_publication *publications;
    size_t publication_count;
};

/* `now_wall` bounds "just finished". The view is freed by buyer_stream_view_fini. */
NODISCARD int buyer_stream_open(struct service *service, const struct buyer_stream_query *query,
                                struct buyer_stream_view *view);
/*
 * For one who follows a single order: appends its user to `user`; `publications` is the order's
 * status alone, offset 0. ERR_NOT_FOUND.
 */
NODISCARD int buyer_stream_open_order(struct service *service, int32_t project_id, int32_t order_id,
                                      struct buf *user, struct buyer_stream_view *view);
void buyer_stream_view_fini(struct buyer_stream_view *view);

/* All of centrifuge-protocol.md A.6. */
struct buyer_stream_history {
    int64_t limit; /* 0: none, negative: all, up to LIMIT_HISTORY_PAGE */
    bool has_since;
    int64_t since_offset;
    struct str since_epoch;
    bool reverse;
};

/*
 * Fills `view` (recovered is false). ERR_EXPIRED: the epoch is another (error 112). ERR_INVALID:
 * reverse from offset 0 (error 107). Or an error of the store.
 */
NODISCARD int buyer_stream_history(struct service *service, int32_t project_id,
                                   struct str user_external_id,
                                   const struct buyer_stream_history *history,
                                   struct buyer_stream_view *view);

/*
 * What came after `after`, rising, without a gap: `publications` and the new `top`.
 * ERR_NOT_FOUND when the stream no longer holds it all.
 */
NODISCARD int buyer_stream_missed(struct service *service, int32_t project_id,
                                  struct str user_external_id, int32_t after,
                                  struct buyer_stream_view *view);

#endif
