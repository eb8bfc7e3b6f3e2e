/* SPDX-License-Identifier: Apache-2.0 */
/* Random bytes, hashes and sealing. The only folder that knows OpenSSL's libcrypto. */
#ifndef ORDERWIRE_BASE_CRYPTO_H
#define ORDERWIRE_BASE_CRYPTO_H

#include "base/buf.h"

#define CRYPTO_SHA256_SIZE 32
#define CRYPTO_SHA1_SIZE 20
#define CRYPTO_DIGEST_MAX 64

enum crypto_hash { CRYPTO_SHA256, CRYPTO_SHA384, CRYPTO_SHA512 };

/* From the system's generator. Ends the process if that fails. */
void crypto_random(void *out, size_t length);
/* Uniform in [0, bound). `bound` > 0. */
uint32_t crypto_random_below(uint32_t bound);

/* `length` random characters of [0-9A-Za-z] and a NUL; `out` has length + 1 bytes. */
void crypto_random_text(char *out, size_t length);
/* A random UUID, version 4 (RFC 9562), as 36 characters and a NUL. */
void crypto_uuid(char out[37]);

/* Returns how many bytes of `out` it fills. */
size_t crypto_digest(enum crypto_hash hash, struct str data, uint8_t out[CRYPTO_DIGEST_MAX]);
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

#endif
