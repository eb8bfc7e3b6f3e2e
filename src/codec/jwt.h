/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON Web Tokens (RFC 7519, RFC 7515 compact form): taking apart, checking a signature with a
 * given key, and making HS256 ones. Who may sign for whom is auth/'s business.
 */
#ifndef ORDERWIRE_CODEC_JWT_H
#define ORDERWIRE_CODEC_JWT_H

#include "codec/json.h"

/* Opaque types. */
struct crypto_rsa;

enum jwt_algorithm { JWT_HS256, JWT_RS256 };

struct jwt {
    enum jwt_algorithm algorithm;
    struct str key_id;      /* "kid"; empty when absent */
    struct str signed_part; /* header.payload, a view of the token */
    struct buf signature;
    struct json *header;
    struct json *claims;
};

/*
 * Takes a token apart without trusting it. ERR_INVALID when malformed (three parts, base64url,
 * JSON objects, a `crit` header), ERR_TOO_LARGE over LIMIT_TOKEN, ERR_UNSUPPORTED for another
 * algorithm, "none" among them. On success the caller calls jwt_fini.
 */
NODISCARD int jwt_decode(struct str token, struct jwt *jwt);
void jwt_fini(struct jwt *jwt);

/* False too when the token's algorithm is not the key's: an RSA key never serves as HMAC secret. */
bool jwt_verify_hs256(const struct jwt *jwt, struct str secret);
bool jwt_verify_rs256(const struct jwt *jwt, const struct crypto_rsa *key);

/* The `exp`, `nbf`, `iat` claims (seconds, fractions cut) in ms. ERR_NOT_FOUND, ERR_INVALID. */
NODISCARD int jwt_time_claim(const struct jwt *jwt, const char *name, int64_t *wall_ms);

/* Appends a token with `claims` (JSON text) signed by HS256. */
void jwt_encode_hs256(struct str claims, struct str secret, struct buf *out);

/* One key of a key set. */
struct jwks_key {
    char *key_id; /* "" when absent */
    struct crypto_rsa *rsa;
};

struct jwks {
    struct jwks_key *keys;
    size_t count;
};

/*
 * Reads a key set: {"keys":[…]} (RFC 7517) or a bare array (xsolla-sdks.md section 4). RSA keys
 * only; keys of other types, uses and algorithms are passed over. n and e may be base64url or, as
 * Xsolla Login gives them, hexadecimal. ERR_INVALID with a sentence in `error` (JSON_ERROR_SIZE
 * bytes) when it is malformed or leaves no key; ERR_TOO_LARGE over LIMIT_JWKS_KEYS.
 */
NODISCARD int jwks_read(const struct json *document, struct jwks *set, char *error);
void jwks_fini(struct jwks *set);

#endif
