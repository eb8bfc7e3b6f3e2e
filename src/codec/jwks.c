/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Key sets. Xsolla Login publishes n and e in hexadecimal where RFC 7518 wants base64url; the
 * modulus tells which it is, since hundreds of base64url digits are never all hexadecimal.
 */
#include "base/crypto.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/mem.h"
#include "codec/base64.h"
#include "codec/jwt.h"

#include <stdarg.h>
#include <stdio.h>

/* 8192 bits. */
#define NUMBER_MAX 1024

static int refuse(char *error, const char *format, ...) PRINTF_LIKE(2, 3);

static int refuse(char *error, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error, JSON_ERROR_SIZE, format, arguments);
    va_end(arguments);
    return ERR_INVALID;
}

static bool is_hexadecimal(struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F')))
            return false;
    }
    return true;
}

/* Xsolla prints numbers, not bytes: 65537 is "10001", with an odd number of digits. */
static int decode_hexadecimal(struct str text, struct buf *out)
{
    struct buf padded;
    buf_init(&padded, 2 * NUMBER_MAX);
    if (text.len % 2 != 0)
        buf_append_byte(&padded, '0');
    buf_append_str(&padded, text);
    int rc = padded.overflow ? ERR_TOO_LARGE : base64_decode_hex(buf_view(&padded), out);
    buf_fini(&padded);
    return rc;
}

static struct crypto_rsa *rsa_from_text(struct str modulus, struct str exponent)
{
    struct crypto_rsa *rsa = NULL;
    struct buf n;
    struct buf e;
    bool hexadecimal = is_hexadecimal(modulus);
    int (*decode)(struct str, struct buf *) = hexadecimal ? decode_hexadecimal : base64_decode_url;
    buf_init(&n, NUMBER_MAX);
    buf_init(&e, NUMBER_MAX);
    if (decode(modulus, &n) == 0 && decode(exponent, &e) == 0)
        rsa = crypto_rsa_new(buf_view(&n), buf_view(&e));
    buf_fini(&n);
    buf_fini(&e);
    return rsa;
}

/* A member that is absent fits; one that is no string does not. */
static bool member_fits(const struct json *key, const char *name, const char *wanted)
{
    const struct json *member = json_get_non_null(key, name);
    struct str text;
    return !member || (json_as_string(member, &text) && str_equal_text(text, wanted));
}

static bool is_for_us(const struct json *key)
{
    struct str type;
    return json_as_string(json_get(key, "kty"), &type) && str_equal_text(type, "RSA") &&
           member_fits(key, "use", "sig") && member_fits(key, "alg", "RS256");
}

static int read_key(const struct json *key, size_t index, struct jwks *set, char *error)
{
    const struct json *id = json_get_non_null(key, "kid");
    struct str key_id = STR_LIT("");
    struct str modulus;
    struct str exponent;
    if (json_kind(key) != JSON_KIND_OBJECT)
        return refuse(error, "key %zu: expected an object, got %s", index,
                      json_kind_name(json_kind(key)));
    if (!is_for_us(key))
        return 0;
    if (id && !json_as_string(id, &key_id))
        return refuse(error, "key %zu: kid must be a string", index);
    if (!json_as_string(json_get(key, "n"), &modulus) ||
        !json_as_string(json_get(key, "e"), &exponent))
        return refuse(error, "key %zu: n and e must be strings", index);
    struct crypto_rsa *rsa = rsa_from_text(modulus, exponent);
    if (!rsa)
        return refuse(error, "key %zu: n and e are no RSA key of 2048 to 8192 bits", index);
    set->keys[set->count].key_id = mem_strndup(key_id.ptr, key_id.len);
    set->keys[set->count].rsa = rsa;
    set->count++;
    return 0;
}

static int read_keys(const struct json *keys, struct jwks *set, char *error)
{
    size_t length = json_length(keys);
    if (length > LIMIT_JWKS_KEYS) {
        snprintf(error, JSON_ERROR_SIZE, "a key set has at most %d keys", LIMIT_JWKS_KEYS);
        return ERR_TOO_LARGE;
    }
    set->keys = mem_zalloc((length + 1) * sizeof *set->keys);
    for (size_t i = 0; i < length; i++) {
        int rc = read_key(json_at(keys, i), i, set, error);
        if (rc < 0)
            return rc;
    }
    return set->count > 0 ? 0 : refuse(error, "no RSA key for RS256 signatures is in the key set");
}

int jwks_read(const struct json *document, struct jwks *set, char *error)
{
    bool is_bare = json_kind(document) == JSON_KIND_ARRAY;
    const struct json *keys = is_bare ? document : json_get(document, "keys");
    *set = (struct jwks){0};
    if (!keys || json_kind(keys) != JSON_KIND_ARRAY)
        return refuse(error, "expected an object with an array \"keys\", or an array of keys");
    int rc = read_keys(keys, set, error);
    if (rc < 0)
        jwks_fini(set);
    return rc;
}

void jwks_fini(struct jwks *set)
{
    for (size_t i = 0; i < set->count; i++) {
        mem_free(set->keys[i].key_id);
        crypto_rsa_free(&set->keys[i].rsa);
    }
    mem_free(set->keys);
    *set = (struct jwks){0};
}
