/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys over OpenSSL 3, where setting a check up anew each time costs as much as a tenth of an RSA
 * check and several times an HMAC. So the set-up is kept with the key: for RSA one for each hash,
 * since the hash is a part of it.
 */
#include "base/crypto_key.h"

#include "base/log.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>

enum {
    RSA_MIN_BITS = 2048,
    RSA_MAX_BITS = 8192,
    RSA_EXPONENT_MAX_BITS = 32,
    ED25519_SIZE = 32,
    FIELD_MAX = 48,
    DER_MAX = 2 * FIELD_MAX + 16, /* a sequence of two numbers */
};

struct crypto_key {
    enum crypto_scheme scheme;
    EVP_PKEY *public;                         /* NULL for HMAC */
    EVP_PKEY_CTX *set_ups[CRYPTO_SHA512 + 1]; /* made with the first check */
    EVP_MAC_CTX *mac;
    EVP_MD_CTX *one_shot; /* Ed25519 */
};

static const char *const hash_names[] = {
    [CRYPTO_SHA256] = "SHA256",
    [CRYPTO_SHA384] = "SHA384",
    [CRYPTO_SHA512] = "SHA512",
};

/* With these arguments only a lack of memory can make it fail. */
static void must(bool done)
{
    if (done)
        return;
    log_error("cryptography failed", LOG_TEXT("call", "key"));
    abort();
}

static struct crypto_key *key_new(enum crypto_scheme scheme, EVP_PKEY *public)
{
    struct crypto_key *key = mem_zalloc(sizeof(*key));
    key->scheme = scheme;
    key->public = public;
    return key;
}

void crypto_key_free(struct crypto_key **owner)
{
    struct crypto_key *key = *owner;
    *owner = NULL;
    if (key == NULL)
        return;
    for (size_t i = 0; i < ARRAY_LENGTH(key->set_ups); i++)
        EVP_PKEY_CTX_free(key->set_ups[i]);
    EVP_MD_CTX_free(key->one_shot);
    EVP_MAC_CTX_free(key->mac);
    EVP_PKEY_free(key->public);
    mem_free(key);
}

enum crypto_scheme crypto_key_scheme(const struct crypto_key *key)
{
    return key->scheme;
}

struct crypto_key *crypto_key_new_hmac(struct str secret, enum crypto_hash hash)
{
    const OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)hash_names[hash], 0),
        OSSL_PARAM_construct_end(),
    };
    if (secret.len == 0)
        return NULL;
    struct crypto_key *key = key_new(CRYPTO_HMAC, NULL);
    EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    must(hmac != NULL);
    key->mac = EVP_MAC_CTX_new(hmac);
    EVP_MAC_free(hmac);
    must(key->mac != NULL &&
         EVP_MAC_init(key->mac, (const unsigned char *)secret.ptr, secret.len, parameters) == 1);
    return key;
}

/* NULL when they make no key. */
static EVP_PKEY *public_key(const char *type, OSSL_PARAM *parameters)
{
    EVP_PKEY *key = NULL;
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    must(context != NULL && parameters != NULL);
    if (EVP_PKEY_fromdata_init(context) != 1 ||
        EVP_PKEY_fromdata(context, &key, EVP_PKEY_PUBLIC_KEY, parameters) != 1)
        key = NULL;
    EVP_PKEY_CTX_free(context);
    ERR_clear_error();
    return key;
}

/* Without the zeros in front, so that the length is the number's. */
static BIGNUM *number_of(struct str bytes)
{
    while (bytes.len > 0 && bytes.ptr[0] == '\0') {
        bytes.ptr++;
        bytes.len--;
    }
    if (bytes.len == 0 || bytes.len > RSA_MAX_BITS / 8)
        return NULL;
    return BN_bin2bn((const unsigned char *)bytes.ptr, (int)bytes.len, NULL);
}

/*
 * An even modulus or exponent, or the exponent 1, makes signatures that anybody can forge; one of thousands
 * of bits makes a check take milliseconds.
 */
static bool is_sound(const BIGNUM *n, const BIGNUM *e)
{
    return n != NULL && e != NULL && BN_num_bits(n) >= RSA_MIN_BITS && BN_is_odd(n) &&
           BN_is_odd(e) && !BN_is_one(e) && BN_num_bits(e) <= RSA_EXPONENT_MAX_BITS;
}

static EVP_PKEY *rsa_of(const BIGNUM *n, const BIGNUM *e)
{
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    must(builder != NULL && OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, n) == 1 &&
         OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, e) == 1);
    OSSL_PARAM *parameters = OSSL_PARAM_BLD_to_param(builder);
    EVP_PKEY *public = public_key("RSA", parameters);
    OSSL_PARAM_free(parameters);
    OSSL_PARAM_BLD_free(builder);
    return public;
}

struct crypto_key *crypto_key_new_rsa(struct str modulus, struct str exponent)
{
    BIGNUM *n = number_of(modulus);
    BIGNUM *e = number_of(exponent);
    EVP_PKEY *public = is_sound(n, e) ? rsa_of(n, e) : NULL;
    BN_free(e);
    BN_free(n);
    return public != NULL ? key_new(CRYPTO_RSA, public) : NULL;
}

static size_t field_size(enum crypto_scheme scheme)
{
    return scheme == CRYPTO_P384 ? 48 : 32;
}

/* fromdata has seen to it that the point is on the curve; the check adds that it is not infinity. */
static bool is_good_point(EVP_PKEY *public)
{
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_pkey(NULL, public, NULL);
    must(context != NULL);
    bool good = EVP_PKEY_public_check(context) == 1;
    EVP_PKEY_CTX_free(context);
    ERR_clear_error();
    return good;
}

struct crypto_key *crypto_key_new_point(enum crypto_scheme scheme, struct str x, struct str y)
{
    char *group = (char *)(scheme == CRYPTO_P384 ? "P-384" : "P-256");
    size_t size = field_size(scheme);
    unsigned char point[1 + 2 * FIELD_MAX] = {0x04}; /* SEC 1 section 2.3.3: uncompressed */
    if (x.len != size || y.len != size)
        return NULL;
    memcpy(point + 1, x.ptr, size);
    memcpy(point + 1 + size, y.ptr, size);
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0),
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point, 1 + 2 * size),
        OSSL_PARAM_construct_end(),
    };
    EVP_PKEY *public = public_key("EC", parameters);
    if (public != NULL && is_good_point(public))
        return key_new(scheme, public);
    EVP_PKEY_free(public);
    return NULL;
}

/*
 * Whoever knows that a key is a point of order 1, 2, 4 or 8 can sign to it. These are all of them and
 * their other spellings, without the sign, which is the highest bit.
 */
static bool is_of_small_order(struct str bytes)
{
    static const uint8_t points[][ED25519_SIZE] = {
        {0},
        {1},
        {0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4,
         0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6,
         0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05},
        {0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b,
         0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39,
         0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a},
    };
    uint8_t point[ED25519_SIZE];
    memcpy(point, bytes.ptr, ED25519_SIZE);
    point[ED25519_SIZE - 1] &= 0x7f;
    for (size_t i = 0; i < ARRAY_LENGTH(points); i++) {
        if (memcmp(point, points[i], ED25519_SIZE) == 0)
            return true;
    }
    /* p - 1, p and p + 1, where p is 2^255 - 19; no other key begins so and goes on with ones. */
    if (point[0] < 0xec || point[0] > 0xee || point[ED25519_SIZE - 1] != 0x7f)
        return false;
    for (size_t i = 1; i < ED25519_SIZE - 1; i++) {
        if (point[i] != 0xff)
            return false;
    }
    return true;
}

struct crypto_key *crypto_key_new_ed25519(struct str bytes)
{
    if (bytes.len != ED25519_SIZE || is_of_small_order(bytes))
        return NULL;
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, (void *)bytes.ptr, bytes.len),
        OSSL_PARAM_construct_end(),
    };
    EVP_PKEY *public = public_key("ED25519", parameters);
    if (public == NULL)
        return NULL;
    struct crypto_key *key = key_new(CRYPTO_ED25519, public);
    key->one_shot = EVP_MD_CTX_new();
    must(key->one_shot != NULL);
    return key;
}

static bool verify_hmac(struct crypto_key *key, struct str data, struct str signature)
{
    uint8_t mac[CRYPTO_DIGEST_MAX];
    size_t size = 0;
    /* Without a key: the one of before. */
    must(EVP_MAC_init(key->mac, NULL, 0, NULL) == 1 &&
         EVP_MAC_update(key->mac, (const unsigned char *)data.ptr, data.len) == 1 &&
         EVP_MAC_final(key->mac, mac, &size, sizeof(mac)) == 1);
    return signature.len == size && crypto_equal(mac, signature.ptr, size);
}

static EVP_PKEY_CTX *set_up(struct crypto_key *key, enum crypto_hash hash)
{
    EVP_PKEY_CTX **kept = &key->set_ups[hash];
    if (*kept != NULL)
        return *kept;
    /* The padding that an RSA key starts with is PKCS #1 v1.5. */
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_SIGNATURE_PARAM_DIGEST, (char *)hash_names[hash], 0),
        OSSL_PARAM_construct_end(),
    };
    *kept = EVP_PKEY_CTX_new_from_pkey(NULL, key->public, NULL);
    must(*kept != NULL && EVP_PKEY_verify_init(*kept) == 1 &&
         EVP_PKEY_CTX_set_params(*kept, parameters) == 1);
    return *kept;
}

static bool verify_digest(struct crypto_key *key, enum crypto_hash hash, struct str data,
                          struct str signature)
{
    uint8_t digest[CRYPTO_DIGEST_MAX];
    size_t length = crypto_digest(hash, data, digest);
    bool valid = EVP_PKEY_verify(set_up(key, hash), (const unsigned char *)signature.ptr,
                                 signature.len, digest, length) == 1;
    if (!valid)
        ERR_clear_error();
    return valid;
}

/* OpenSSL wants r and s as ASN.1 numbers in a sequence. */
static size_t der_of(struct str signature, size_t size, unsigned char der[DER_MAX])
{
    const unsigned char *bytes = (const unsigned char *)signature.ptr;
    unsigned char *end = der;
    ECDSA_SIG *pair = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(bytes, (int)size, NULL);
    BIGNUM *s = BN_bin2bn(bytes + size, (int)size, NULL);
    must(pair != NULL && r != NULL && s != NULL && ECDSA_SIG_set0(pair, r, s) == 1);
    int length = i2d_ECDSA_SIG(pair, &end);
    must(length > 0);
    ECDSA_SIG_free(pair);
    return (size_t)length;
}

static bool verify_ecdsa(struct crypto_key *key, enum crypto_hash hash, struct str data,
                         struct str signature)
{
    unsigned char der[DER_MAX];
    size_t size = field_size(key->scheme);
    if (signature.len != 2 * size)
        return false;
    size_t length = der_of(signature, size, der);
    return verify_digest(key, hash, data, str_make((const char *)der, length));
}

/* OpenSSL has no check of Ed25519 that could be set up before the data come. */
static bool verify_ed25519(struct crypto_key *key, struct str data, struct str signature)
{
    bool valid = EVP_DigestVerifyInit(key->one_shot, NULL, NULL, NULL, key->public) == 1 &&
                 EVP_DigestVerify(key->one_shot, (const unsigned char *)signature.ptr,
                                  signature.len, (const unsigned char *)data.ptr, data.len) == 1;
    if (!valid)
        ERR_clear_error();
    return valid;
}

bool crypto_key_verify(struct crypto_key *key, enum crypto_hash hash, struct str data,
                       struct str signature)
{
    switch (key->scheme) {
    case CRYPTO_HMAC:
        return verify_hmac(key, data, signature);
    case CRYPTO_RSA:
        return verify_digest(key, hash, data, signature);
    case CRYPTO_P256:
    case CRYPTO_P384:
        return verify_ecdsa(key, hash, data, signature);
    case CRYPTO_ED25519:
        return verify_ed25519(key, data, signature);
    }
    return false;
}
