/* SPDX-License-Identifier: Apache-2.0 */
/* No text but one of our own making is a payment token, and each of those comes back whole. */
#include "fuzz.h"

#include "codec/payment_token.h"

#include <stdlib.h>
#include <string.h>

enum { OUT_MAX = 256 };

static const uint8_t key[PAYMENT_TOKEN_KEY_SIZE] = "not a secret, but a fuzzer's key";

static void try_round_trip(const uint8_t *data)
{
    struct payment_token token, again;
    struct buf text;
    memcpy(&token.project_id, data, 4);
    memcpy(&token.order_id, data + 4, 4);
    memcpy(&token.expires_at, data + 8, 8);
    token.project_id &= INT32_MAX;
    token.order_id &= INT32_MAX;
    token.expires_at &= (INT64_C(1) << 47) - 1;
    buf_init(&text, OUT_MAX);
    payment_token_encode(&token, key, &text);
    if (!payment_token_recognize(buf_view(&text)) ||
        payment_token_decode(buf_view(&text), key, &again) < 0 ||
        again.project_id != token.project_id || again.order_id != token.order_id ||
        again.expires_at != token.expires_at / 1000 * 1000)
        abort();
    buf_fini(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct payment_token token;
    if (payment_token_decode(str_make((const char *)data, size), key, &token) == 0)
        abort();
    if (size >= 16)
        try_round_trip(data);
    return 0;
}
