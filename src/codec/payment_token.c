/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Payment tokens carry what they stand for under a MAC, so that issuing one writes nothing and
 * checking one costs a hash.
 */
#include "codec/payment_token.h"

#include "base/crypto.h"
#include "base/err.h"
#include "codec/base64.h"

#include <string.h>

#define PREFIX "owp_"
#define VERSION 1
#define BODY_SIZE 17
#define MAC_SIZE 16
#define TOKEN_SIZE (BODY_SIZE + MAC_SIZE)

/* The last second of the year 9999. */
#define EXPIRES_MAX 253402300799

static void put_number(uint8_t *out, size_t size, uint64_t value)
{
    for (size_t i = 0; i < size; i++)
        out[i] = (uint8_t)(value >> 8 * (size - 1 - i));
}

static uint64_t get_number(const uint8_t *bytes, size_t size)
{
    uint64_t value = 0;
    for (size_t i = 0; i < size; i++)
        value = value << 8 | bytes[i];
    return value;
}

static void compute_mac(const uint8_t *body, const uint8_t *key, uint8_t mac[CRYPTO_SHA256_SIZE])
{
    crypto_hmac_sha256(str_make((const char *)key, PAYMENT_TOKEN_KEY_SIZE),
                       str_make((const char *)body, BODY_SIZE), mac);
}

bool payment_token_recognize(struct str token)
{
    return str_starts_with(token, STR_LIT(PREFIX));
}

void payment_token_encode(const struct payment_token *token,
                          const uint8_t key[PAYMENT_TOKEN_KEY_SIZE], struct buf *out)
{
    uint8_t bytes[TOKEN_SIZE] = {VERSION};
    uint8_t mac[CRYPTO_SHA256_SIZE];
    put_number(bytes + 1, 4, (uint32_t)token->project_id);
    put_number(bytes + 5, 4, (uint32_t)token->order_id);
    put_number(bytes + 9, 8, (uint64_t)(token->expires_at / 1000));
    compute_mac(bytes, key, mac);
    memcpy(bytes + BODY_SIZE, mac, MAC_SIZE);
    buf_append_text(out, PREFIX);
    base64_encode_url(str_make((const char *)bytes, sizeof bytes), out);
}

static int decode_bytes(struct str text, uint8_t bytes[TOKEN_SIZE])
{
    struct buf decoded;
    size_t prefix = sizeof PREFIX - 1;
    if (!payment_token_recognize(text))
        return ERR_INVALID;
    buf_init(&decoded, TOKEN_SIZE);
    int rc = base64_decode_url(str_make(text.ptr + prefix, text.len - prefix), &decoded);
    if (rc == 0 && decoded.len == TOKEN_SIZE)
        memcpy(bytes, decoded.ptr, TOKEN_SIZE);
    else
        rc = ERR_INVALID;
    buf_fini(&decoded);
    return rc;
}

int payment_token_decode(struct str text, const uint8_t key[PAYMENT_TOKEN_KEY_SIZE],
                         struct payment_token *token)
{
    uint8_t bytes[TOKEN_SIZE];
    uint8_t mac[CRYPTO_SHA256_SIZE];
    int rc = decode_bytes(text, bytes);
    if (rc < 0)
        return rc;
    compute_mac(bytes, key, mac);
    uint64_t project_id = get_number(bytes + 1, 4);
    uint64_t order_id = get_number(bytes + 5, 4);
    uint64_t expires = get_number(bytes + 9, 8);
    if (!crypto_equal(mac, bytes + BODY_SIZE, MAC_SIZE) || bytes[0] != VERSION ||
        project_id > INT32_MAX || order_id > INT32_MAX || expires > EXPIRES_MAX)
        return ERR_INVALID;
    token->project_id = (int32_t)project_id;
    token->order_id = (int32_t)order_id;
    token->expires_at = (int64_t)expires * 1000;
    return 0;
}
