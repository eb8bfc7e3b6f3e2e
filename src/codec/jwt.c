/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON Web Tokens. A token's header is an attacker's text: it picks a key by id, but never the kind
 * of check, which belongs to the key; `none` and critical extensions are refused at once.
 */
#include "codec/jwt.h"

#include "base/crypto.h"
#include "base/err.h"
#include "base/limits.h"
#include "codec/base64.h"

/* The last second of the year 9999. */
#define TIME_CLAIM_MAX 253402300799

static int decode_object(struct str text, struct json **object)
{
    struct buf bytes;
    buf_init(&bytes, LIMIT_TOKEN);
    int rc = base64_decode_url(text, &bytes);
    if (rc == 0) {
        *object = json_parse(buf_view(&bytes), NULL);
        rc = *object && json_kind(*object) == JSON_KIND_OBJECT ? 0 : ERR_INVALID;
    }
    buf_fini(&bytes);
    return rc;
}

static int find_algorithm(struct str name, enum jwt_algorithm *algorithm)
{
    static const char *const names[] = {
#define JWT_ALGORITHM(id, word, scheme, hash) word,
#include "codec/jwt_algorithms.def"
    };
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        if (str_equal_text(name, names[i])) {
            *algorithm = (enum jwt_algorithm)i;
            return 0;
        }
    }
    return ERR_UNSUPPORTED;
}

static int read_header(struct jwt *jwt)
{
    struct str algorithm;
    const struct json *key_id = json_get(jwt->header, "kid");
    if (!json_as_string(json_get(jwt->header, "alg"), &algorithm) || json_get(jwt->header, "crit"))
        return ERR_INVALID;
    if (key_id && !json_as_string(key_id, &jwt->key_id))
        return ERR_INVALID;
    return find_algorithm(algorithm, &jwt->algorithm);
}

static int decode_parts(struct str token, struct jwt *jwt)
{
    struct str rest = token;
    struct str header;
    struct str claims;
    if (!str_split(&rest, '.', &header) || !str_split(&rest, '.', &claims) || !rest.ptr)
        return ERR_INVALID;
    jwt->signed_part = str_make(token.ptr, header.len + 1 + claims.len);
    int rc = decode_object(header, &jwt->header);
    if (rc == 0)
        rc = read_header(jwt);
    if (rc == 0)
        rc = decode_object(claims, &jwt->claims);
    if (rc == 0)
        rc = base64_decode_url(rest, &jwt->signature);
    return rc;
}

int jwt_decode(struct str token, struct jwt *jwt)
{
    *jwt = (struct jwt){0};
    buf_init(&jwt->signature, LIMIT_TOKEN);
    if (token.len > LIMIT_TOKEN)
        return ERR_TOO_LARGE;
    int rc = decode_parts(token, jwt);
    if (rc < 0)
        jwt_fini(jwt);
    return rc;
}

void jwt_fini(struct jwt *jwt)
{
    json_free(&jwt->header);
    json_free(&jwt->claims);
    buf_fini(&jwt->signature);
}

bool jwt_is_by_secret(const struct jwt *jwt)
{
    return jwt->algorithm == JWT_HS256 || jwt->algorithm == JWT_HS384 ||
           jwt->algorithm == JWT_HS512;
}

int jwt_time_claim(const struct jwt *jwt, const char *name, int64_t *wall_ms)
{
    const struct json *claim = json_get(jwt->claims, name);
    double seconds;
    if (!claim)
        return ERR_NOT_FOUND;
    if (!json_as_number(claim, &seconds) || seconds < 0 || seconds > TIME_CLAIM_MAX)
        return ERR_INVALID;
    *wall_ms = (int64_t)seconds * 1000;
    return 0;
}

void jwt_encode_hs256(struct str claims, struct str secret, struct buf *out)
{
    uint8_t mac[CRYPTO_SHA256_SIZE];
    size_t mark = out->len;
    base64_encode_url(STR_LIT("{\"alg\":\"HS256\",\"typ\":\"JWT\"}"), out);
    buf_append_byte(out, '.');
    base64_encode_url(claims, out);
    if (out->overflow)
        return;
    crypto_hmac_sha256(secret, str_make(out->ptr + mark, out->len - mark), mac);
    buf_append_byte(out, '.');
    base64_encode_url(str_make((const char *)mac, sizeof mac), out);
}
