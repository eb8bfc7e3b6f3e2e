/* SPDX-License-Identifier: Apache-2.0 */
/* An order's JSON to struct order_input, and answers to JSON. No I/O. */
#ifndef ORDERWIRE_API_ORDER_BODY_H
#define ORDERWIRE_API_ORDER_BODY_H

#include "base/arena.h"
#include "service/order_write.h"

/* What a body may hold. */
enum order_body_kind {
    ORDER_BODY_CREATE, /* POST …/orders */
    ORDER_BODY_PATCH,  /* PATCH …/orders/{id}: neither order_id nor user_external_id */
    ORDER_BODY_BATCH,  /* one line of a batch */
};

#define ORDER_BODY_ERROR_SIZE 240

/*
 * Reads one order. Texts are copied to `texts`. API_ERROR_NONE, BAD_JSON or INVALID_FIELD with a
 * sentence in `error`.
 */
enum api_error order_body_read(enum order_body_kind kind, struct str body, struct arena *texts,
                               struct order_input *input, char error[ORDER_BODY_ERROR_SIZE]);

/*
 * Appends the answer for an order that was changed or left: {"order_id","status","seq"} and
 * "applied", "reason", "token" where they belong. `answer->error` is NONE; `token` may be empty.
 */
void order_body_write(const struct order_answer *answer, bool created_form, struct str token,
                      struct buf *out);

#endif
