/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An order's content in the one form that all five SDKs decode (xsolla-sdks.md 2.2 and 6): it is
 * brought into that form when it is written, so that reading it is one copy.
 */
#ifndef ORDERWIRE_SERVICE_ORDER_CONTENT_H
#define ORDERWIRE_SERVICE_ORDER_CONTENT_H

#include "codec/json.h"

#define ORDER_CONTENT_ERROR_SIZE 200

/*
 * Appends `content` as compact JSON: price, virtual_price, is_free, items, always and in this
 * order, then what else the merchant gave.
 *   price          null, or amount and currency; amount_without_discount is amount unless given.
 *                  Amounts are decimal strings; numbers become strings.
 *   virtual_price  null, or an integer amount with sku or currency; amounts may come as strings of
 *                  digits. sku, is_default, name, type and currency are filled in.
 *   is_free        false unless given
 *   items          [] unless given; sku, quantity (1 unless given), is_free, price
 * ERR_INVALID or ERR_TOO_LARGE (LIMIT_CONTENT) with a sentence that names the field.
 */
NODISCARD int order_content_normalize(const struct json *content, struct buf *out, bool *is_free,
                                      char error[ORDER_CONTENT_ERROR_SIZE]);

#endif
