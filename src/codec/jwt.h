/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON Web Tokens (RFC 7519, RFC 7515 compact form): taking apart, checking a signature with a
 * given key, and making HS256 ones. Who may sign for whom is auth/'s business.
 */
#ifndef ORDERWIRE_CODEC_JWT_H
#define ORDERWIRE_CODEC_JWT_H

#include "codec/json.h"

/* Opaque types. */
struct crypto_key;

enum jwt_algorithm {
#define JWT_ALGORITHM(id, name, scheme, hash) JWT_##id,
#include "codec/jwt_algorithms.def"
    JWT_ALGORITHM_COUNT, /* for a key: any that is of its kind */
};

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

/* Whether its algorithm is one of HMAC's, whose keys nobody publishes. */
bool jwt_is_by_secret(const struct jwt *jwt);

/* The `exp`, `nbf`, `iat` claims (seconds, fractions cut) in ms. ERR_NOT_FOUND, ERR_INVALID. */
NODISCARD int jwt_time_claim(const struct jwt *jwt, const char *name, int64_t *wall_ms);

/* Appends a token with `claims` (JSON text) signed by HS256. */
void jwt_encode_hs256(struct str claims, struct str secret, struct buf *out);

/* One key of a key set. */
struct jwks_key {
    char *key_id; /* "" when absent */
    enum jwt_algorithm algorithm;
    struct crypto_key *key;
};

/* Used by one thread at a time, as its keys are. */
struct jwks {
    struct jwks_key *keys;
    size_t count;
};

/*
 * Reads a key set: {"keys":[…]} (RFC 7517) or a bare array (xsolla-sdks.md section 4). RSA keys, points
 * of P-256 and P-384, and Ed25519 keys; those of other types, curves, uses and algorithms are passed
 * over, secrets ("oct") too. A use is "use" or "key_ops". n and e may be base64url or, as Xsolla Login
 * gives them, hexadecimal.
 * ERR_INVALID with a sentence in `error` (JSON_ERROR_SIZE bytes) when it is malformed or leaves no
 * key; ERR_TOO_LARGE over LIMIT_JWKS_KEYS. A key that is bad (RSA below 2048 bits, say) makes the set
 * malformed when `strict`, and is passed over otherwise.
 */
NODISCARD int jwks_read(const struct json *document, bool strict, struct jwks *set, char *error);
/* A set of one key without an id: a secret, which is not empty, for one of the HMAC algorithms. */
void jwks_init_secret(struct jwks *set, struct str secret, enum jwt_algorithm algorithm);
void jwks_fini(struct jwks *set);

/*
 * Whether the key may sign such a token: the algorithm that the token names is the key's own, or of
 * its kind when the key has none. So an RSA key never serves as an HMAC secret.
 */
bool jwks_key_serves(const struct jwks_key *key, const struct jwt *jwt);
/* False too when the key does not serve. */
bool jwks_key_verify(const struct jwks_key *key, const struct jwt *jwt);

#endif
