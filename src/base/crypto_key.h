/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys that check signatures, parsed once and kept with all that a check can reuse, so that
 * checking costs little more than the mathematics. A key is used by one thread at a time.
 */
#ifndef ORDERWIRE_BASE_CRYPTO_KEY_H
#define ORDERWIRE_BASE_CRYPTO_KEY_H

#include "base/crypto.h"

/* Opaque types. */
struct crypto_key;

enum crypto_scheme {
    CRYPTO_HMAC,    /* RFC 2104 */
    CRYPTO_RSA,     /* RSASSA-PKCS1-v1_5, RFC 8017 section 8.2 */
    CRYPTO_P256,    /* ECDSA; the signature is r and s, each as long as the field (RFC 7518 3.4) */
    CRYPTO_P384,    /* the same */
    CRYPTO_ED25519, /* RFC 8032 */
};

/* NULL when the secret is empty. */
struct crypto_key *crypto_key_new_hmac(struct str secret, enum crypto_hash hash);
/*
 * From big-endian modulus and exponent. NULL when it is no RSA key of 2048 to 8192 bits, with an exponent
 * of 32 bits at most.
 */
struct crypto_key *crypto_key_new_rsa(struct str modulus, struct str exponent);
/* CRYPTO_P256 or CRYPTO_P384, from a point of the curve; each coordinate as long as the field. */
struct crypto_key *crypto_key_new_point(enum crypto_scheme scheme, struct str x, struct str y);
/* From the 32 bytes of the public key. */
struct crypto_key *crypto_key_new_ed25519(struct str bytes);
void crypto_key_free(struct crypto_key **key);

enum crypto_scheme crypto_key_scheme(const struct crypto_key *key);

/*
 * Whether `signature` is the key's for `data`. `hash` is the one that data are hashed with before;
 * for HMAC it is that of the key, and for Ed25519 it means nothing.
 */
bool crypto_key_verify(struct crypto_key *key, enum crypto_hash hash, struct str data,
                       struct str signature);

#endif
