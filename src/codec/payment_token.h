/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The opaque payment token that creating an order returns: 24 h long it stands for the JWT of the
 * order's user. It is not stored: it names project, order and end of life under a MAC with the data
 * directory's token key, and the user is looked up through the order.
 *
 * Text form: "owp_" and base64url of version(1) project_id(4) order_id(4) expires_s(8) mac(16).
 */
#ifndef ORDERWIRE_CODEC_PAYMENT_TOKEN_H
#define ORDERWIRE_CODEC_PAYMENT_TOKEN_H

#include "base/buf.h"

#define PAYMENT_TOKEN_KEY_SIZE 32

struct payment_token {
    int32_t project_id;
    int32_t order_id;
    int64_t expires_at; /* wall ms; whole seconds */
};

/* Whether a token is one of ours by its looks; if so it is no JWT. */
bool payment_token_recognize(struct str token);
void payment_token_encode(const struct payment_token *token,
                          const uint8_t key[PAYMENT_TOKEN_KEY_SIZE], struct buf *out);
/* ERR_INVALID when malformed or the MAC is wrong. The end of life is the caller's to check. */
NODISCARD int payment_token_decode(struct str text, const uint8_t key[PAYMENT_TOKEN_KEY_SIZE],
                                   struct payment_token *token);

#endif
