/* SPDX-License-Identifier: Apache-2.0 */
/* Orders looked up, on the worker's own connection, and written as JSON. */
#ifndef ORDERWIRE_SERVICE_ORDER_READ_H
#define ORDERWIRE_SERVICE_ORDER_READ_H

#include "base/buf.h"
#include "store/store.h"

/* Opaque types. */
struct service;

/*
 * Get order for a buyer: appends {"order_id","status","content"} as xsolla-sdks.md 2.2 and 6 want
 * it; `*seq` is the entity tag. ERR_NOT_FOUND also for another user's order; or the store's error.
 */
NODISCARD int order_read_for_user(struct service *service, int32_t project_id, int32_t order_id,
                                  struct str user_external_id, struct buf *out, int32_t *seq);
/* The entity tag alone. */
NODISCARD int order_read_seq(struct service *service, int32_t project_id, int32_t order_id,
                             struct str user_external_id, int32_t *seq);

/* For the merchant: everything, with events and deliveries. */
NODISCARD int order_read_for_merchant(struct service *service, int32_t project_id, int32_t order_id,
                                      struct buf *out, int32_t *seq);

/*
 * For the merchant: {"orders":[…],"next_cursor":"…"|null}. A page that would not fit into `out` is cut
 * short and goes on at its cursor.
 */
NODISCARD int order_read_list(struct service *service, const struct store_order_filter *filter,
                              struct buf *out);

#endif
