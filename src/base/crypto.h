/* SPDX-License-Identifier: Apache-2.0 */
/* Random bytes, hashes, signatures and sealing. The only folder that knows OpenSSL's libcrypto. */
#ifndef ORDERWIRE_BASE_CRYPTO_H
#define ORDERWIRE_BASE_CRYPTO_H

#include "base/buf.h"

#define CRYPTO_SHA256_SIZE 32
#define CRYPTO_SHA1_SIZE 20

/* From the system's generator. Ends the process if that fails. */
void crypto_random(void *out, size_t length);
/* Uniform in [0, bound). `bound` > 0. */
uint32_t crypto_random_below(uint32_t bound);

/* `length` random characters of [0-9A-Za-z] and a NUL; `out` has length + 1 bytes. */
void crypto_random_text(char *out, size_t length);
/* A random UUID, version 4 (RFC 9562), as 36 characters and a NUL. */
void crypto_uuid(char out[37]);

void crypto_sha256(struct str data, uint8_t out[CRYPTO_SHA256_SIZE]);
void crypto_sha1(struct str data, uint8_t out[CRYPTO_SHA1_SIZE]);
void crypto_hmac_sha256(struct str key, struct str data, uint8_t out[CRYPTO_SHA256_SIZE]);

/* Takes the same time wherever the bytes differ. Lengths are not secret. */
bool crypto_equal(const void *a, const void *b, size_t length);

#define CRYPTO_KEY_SIZE 32
#define CRYPTO_SEAL_SIZE 29 /* bytes that sealing adds */

/*
 * Encrypts and authenticates (AES-256-GCM, NIST SP 800-38D): appends a version byte, a random nonce,
 * the ciphertext and its tag. A key is good for 2^32 sealings.
 */
void crypto_seal(const uint8_t key[CRYPTO_KEY_SIZE], struct str plain, struct buf *out);
/*
 * Appends what was sealed. ERR_INVALID: too short to be sealed. ERR_UNSUPPORTED: a newer version
 * sealed it. ERR_DENIED: another key, or changed bytes. ERR_TOO_LARGE: `out` is full. `out` is then
 * as it was.
 */
NODISCARD int crypto_open(const uint8_t key[CRYPTO_KEY_SIZE], struct str sealed, struct buf *out);

/* An RSA public key, parsed once and kept. Any thread may verify with it. */
struct crypto_rsa;

/* From big-endian modulus and exponent. NULL when it is no RSA key of 2048 to 8192 bits. */
struct crypto_rsa *crypto_rsa_new(struct str modulus, struct str exponent);
void crypto_rsa_free(struct crypto_rsa **key);
/* RSASSA-PKCS1-v1_5 with SHA-256 (RFC 7518 section 3.3, "RS256"). */
bool crypto_rsa_verify_sha256(const struct crypto_rsa *key, struct str data, struct str signature);

#endif
