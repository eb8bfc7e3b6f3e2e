/* SPDX-License-Identifier: Apache-2.0 */
/* The answers of a request as the bytes that are kept under its Idempotency-Key. */
#ifndef ORDERWIRE_SERVICE_ORDER_ANSWERS_H
#define ORDERWIRE_SERVICE_ORDER_ANSWERS_H

#include "service/order_write.h"

size_t order_answers_size(size_t count);
void order_answers_encode(const struct order_answer *answers, size_t count, struct buf *out);
/* False when the bytes are not `count` answers of a version we know; `answers` then mean nothing. */
NODISCARD bool order_answers_decode(struct str bytes, struct order_answer *answers, size_t count);

#endif
