/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random bytes, hashes and sealing over OpenSSL 3. Looking an algorithm up by its name costs
 * more there than hashing a token, so each is fetched once and kept for the life of the process. A
 * call that cannot fail with these arguments and fails nevertheless ends the process.
 */
#include "base/crypto.h"

#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>

/* A sealed text: version, nonce, ciphertext, tag. */
enum { SEAL_VERSION = 1, NONCE_SIZE = 12, TAG_SIZE = 16, SEAL_HEAD = 1 + NONCE_SIZE };
_Static_assert(SEAL_HEAD + TAG_SIZE == CRYPTO_SEAL_SIZE, "the size that the header promises");

static pthread_once_t fetch_once = PTHREAD_ONCE_INIT;
static EVP_MD *hashes[CRYPTO_SHA512 + 1];
static EVP_MD *sha1;
static EVP_CIPHER *aes;
static EVP_MAC *hmac;
static EVP_MAC_CTX *hmac_sha256; /* without a key; copied for each use */

static void must(bool done, const char *what)
{
    if (done)
        return;
    log_error("cryptography failed", LOG_TEXT("call", what));
    abort();
}

static void fetch_all(void)
{
    hashes[CRYPTO_SHA256] = EVP_MD_fetch(NULL, "SHA256", NULL);
    hashes[CRYPTO_SHA384] = EVP_MD_fetch(NULL, "SHA384", NULL);
    hashes[CRYPTO_SHA512] = EVP_MD_fetch(NULL, "SHA512", NULL);
    sha1 = EVP_MD_fetch(NULL, "SHA1", NULL);
    hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    aes = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
    must(hashes[CRYPTO_SHA256] != NULL && hashes[CRYPTO_SHA384] != NULL &&
             hashes[CRYPTO_SHA512] != NULL && sha1 != NULL && hmac != NULL && aes != NULL,
         "fetch");
    hmac_sha256 = EVP_MAC_CTX_new(hmac);
    char digest[] = "SHA256";
    const OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end(),
    };
    must(hmac_sha256 != NULL && EVP_MAC_CTX_set_params(hmac_sha256, parameters) == 1, "hmac");
}

void crypto_random(void *out, size_t length)
{
    uint8_t *bytes = out;
    while (length > 0) {
        ssize_t got = getrandom(bytes, length, 0);
        if (got < 0 && errno == EINTR)
            continue;
        must(got > 0, "getrandom");
        bytes += got;
        length -= (size_t)got;
    }
}

uint32_t crypto_random_below(uint32_t bound)
{
    /* The numbers below the remainder would come up once more often than the rest. */
    uint32_t unfair = -bound % bound;
    uint32_t number;
    do {
        crypto_random(&number, sizeof(number));
    } while (number < unfair);
    return number % bound;
}

void crypto_random_text(char *out, size_t length)
{
    static const char alphabet[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    const uint8_t letters = sizeof(alphabet) - 1;
    const uint8_t fair = (uint8_t)(256 / letters * letters);
    uint8_t pool[64];
    size_t filled = 0;
    while (filled < length) {
        crypto_random(pool, sizeof(pool));
        for (size_t i = 0; i < sizeof(pool) && filled < length; i++) {
            if (pool[i] < fair)
                out[filled++] = alphabet[pool[i] % letters];
        }
    }
    out[length] = '\0';
    mem_wipe(pool, sizeof(pool));
}

void crypto_uuid(char out[37])
{
    static const char hex[] = "0123456789abcdef";
    uint8_t bytes[16];
    crypto_random(bytes, sizeof(bytes));
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    char *to = out;
    for (size_t i = 0; i < sizeof(bytes); i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *to++ = '-';
        *to++ = hex[bytes[i] >> 4];
        *to++ = hex[bytes[i] & 15];
    }
    *to = '\0';
}

size_t crypto_digest(enum crypto_hash hash, struct str data, uint8_t out[CRYPTO_DIGEST_MAX])
{
    unsigned int length = 0;
    pthread_once(&fetch_once, fetch_all);
    must(EVP_Digest(data.ptr, data.len, out, &length, hashes[hash], NULL) == 1, "digest");
    return length;
}

void crypto_sha256(struct str data, uint8_t out[CRYPTO_SHA256_SIZE])
{
    pthread_once(&fetch_once, fetch_all);
    must(EVP_Digest(data.ptr, data.len, out, NULL, hashes[CRYPTO_SHA256], NULL) == 1, "sha256");
}

void crypto_sha1(struct str data, uint8_t out[CRYPTO_SHA1_SIZE])
{
    pthread_once(&fetch_once, fetch_all);
    must(EVP_Digest(data.ptr, data.len, out, NULL, sha1, NULL) == 1, "sha1");
}

void crypto_hmac_sha256(struct str key, struct str data, uint8_t out[CRYPTO_SHA256_SIZE])
{
    pthread_once(&fetch_once, fetch_all);
    EVP_MAC_CTX *context = EVP_MAC_CTX_dup(hmac_sha256);
    /* A NULL key would mean "the key of before". */
    const char *key_bytes = key.len > 0 ? key.ptr : "";
    size_t size;
    bool done = context != NULL &&
                EVP_MAC_init(context, (const unsigned char *)key_bytes, key.len, NULL) == 1 &&
                EVP_MAC_update(context, (const unsigned char *)data.ptr, data.len) == 1 &&
                EVP_MAC_final(context, out, &size, CRYPTO_SHA256_SIZE) == 1;
    EVP_MAC_CTX_free(context);
    must(done, "hmac");
}

bool crypto_equal(const void *a, const void *b, size_t length)
{
    return length == 0 || CRYPTO_memcmp(a, b, length) == 0;
}

void crypto_seal(const uint8_t key[CRYPTO_KEY_SIZE], struct str plain, struct buf *out)
{
    unsigned char *sealed = (unsigned char *)buf_reserve(out, plain.len + CRYPTO_SEAL_SIZE);
    int length = 0;
    int rest = 0;
    if (sealed == NULL)
        return;
    pthread_once(&fetch_once, fetch_all);
    sealed[0] = SEAL_VERSION;
    crypto_random(sealed + 1, NONCE_SIZE);
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    bool done = context != NULL && EVP_EncryptInit_ex2(context, aes, key, sealed + 1, NULL) == 1 &&
                EVP_EncryptUpdate(context, sealed + SEAL_HEAD, &length,
                                  (const unsigned char *)plain.ptr, (int)plain.len) == 1 &&
                EVP_EncryptFinal_ex(context, sealed + SEAL_HEAD + length, &rest) == 1 &&
                EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, TAG_SIZE,
                                    sealed + SEAL_HEAD + plain.len) == 1;
    EVP_CIPHER_CTX_free(context);
    must(done && (size_t)length + (size_t)rest == plain.len, "seal");
    buf_wrote(out, plain.len + CRYPTO_SEAL_SIZE);
}

/* False when the tag does not fit. */
static bool decrypt(const uint8_t *key, const unsigned char *sealed, size_t plain_length,
                    unsigned char *plain)
{
    unsigned char tag[TAG_SIZE];
    int length = 0;
    int rest = 0;
    memcpy(tag, sealed + SEAL_HEAD + plain_length, TAG_SIZE);
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    must(context != NULL && EVP_DecryptInit_ex2(context, aes, key, sealed + 1, NULL) == 1 &&
             EVP_DecryptUpdate(context, plain, &length, sealed + SEAL_HEAD, (int)plain_length) ==
                 1 &&
             EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, TAG_SIZE, tag) == 1,
         "open");
    bool is_genuine = EVP_DecryptFinal_ex(context, plain + length, &rest) == 1;
    EVP_CIPHER_CTX_free(context);
    ERR_clear_error();
    return is_genuine;
}

int crypto_open(const uint8_t key[CRYPTO_KEY_SIZE], struct str sealed, struct buf *out)
{
    if (sealed.len < CRYPTO_SEAL_SIZE || sealed.len > INT_MAX)
        return ERR_INVALID;
    if (sealed.ptr[0] != SEAL_VERSION)
        return ERR_UNSUPPORTED;
    size_t length = sealed.len - CRYPTO_SEAL_SIZE;
    /* A text of none has a place to be written to as well. */
    unsigned char none;
    unsigned char *plain = length > 0 ? (unsigned char *)buf_reserve(out, length) : &none;
    if (plain == NULL)
        return ERR_TOO_LARGE;
    pthread_once(&fetch_once, fetch_all);
    if (!decrypt(key, (const unsigned char *)sealed.ptr, length, plain)) {
        mem_wipe(plain, length);
        return ERR_DENIED;
    }
    if (length > 0)
        buf_wrote(out, length);
    return 0;
}
