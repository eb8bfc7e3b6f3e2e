/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Key sets. The algorithm of a signature belongs to the key: its own when it names one, else what a key
 * of its kind can do. Xsolla Login publishes n and e in hexadecimal where RFC 7518 wants base64url; the
 * modulus tells which it is, since hundreds of base64url digits are never all hexadecimal.
 */
#include "base/crypto_key.h"
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

static const struct {
    const char *name;
    enum crypto_scheme scheme;
    enum crypto_hash hash;
} algorithms[] = {
#define JWT_ALGORITHM(id, word, scheme, hash) {word, scheme, hash},
#include "codec/jwt_algorithms.def"
};

bool jwks_key_serves(const struct jwks_key *key, const struct jwt *jwt)
{
    if (key->algorithm != JWT_ALGORITHM_COUNT)
        return key->algorithm == jwt->algorithm;
    return crypto_key_scheme(key->key) == algorithms[jwt->algorithm].scheme;
}

bool jwks_key_verify(const struct jwks_key *key, const struct jwt *jwt)
{
    return jwks_key_serves(key, jwt) &&
           crypto_key_verify(key->key, algorithms[jwt->algorithm].hash, jwt->signed_part,
                             buf_view(&jwt->signature));
}

/* `number` is to be freed whatever comes of it. */
static int decode_member(const struct json *key, const char *name, bool hexadecimal,
                         struct buf *number)
{
    struct str text;
    buf_init(number, NUMBER_MAX);
    if (!json_as_string(json_get(key, name), &text))
        return ERR_INVALID;
    return hexadecimal ? decode_hexadecimal(text, number) : base64_decode_url(text, number);
}

static struct crypto_key *read_rsa(const struct json *json)
{
    struct buf n;
    struct buf e;
    struct str modulus;
    struct crypto_key *key = NULL;
    bool hexadecimal = json_as_string(json_get(json, "n"), &modulus) && is_hexadecimal(modulus);
    int rc = decode_member(json, "n", hexadecimal, &n);
    if (decode_member(json, "e", hexadecimal, &e) == 0 && rc == 0)
        key = crypto_key_new_rsa(buf_view(&n), buf_view(&e));
    buf_fini(&n);
    buf_fini(&e);
    return key;
}

static struct crypto_key *read_point(const struct json *json, enum crypto_scheme scheme)
{
    struct buf x;
    struct buf y;
    struct crypto_key *key = NULL;
    int rc = decode_member(json, "x", false, &x);
    if (decode_member(json, "y", false, &y) == 0 && rc == 0)
        key = crypto_key_new_point(scheme, buf_view(&x), buf_view(&y));
    buf_fini(&x);
    buf_fini(&y);
    return key;
}

static struct crypto_key *read_p256(const struct json *json)
{
    return read_point(json, CRYPTO_P256);
}

static struct crypto_key *read_p384(const struct json *json)
{
    return read_point(json, CRYPTO_P384);
}

static struct crypto_key *read_ed25519(const struct json *json)
{
    struct buf bytes;
    struct crypto_key *key = NULL;
    if (decode_member(json, "x", false, &bytes) == 0)
        key = crypto_key_new_ed25519(buf_view(&bytes));
    buf_fini(&bytes);
    return key;
}

static const struct key_type {
    const char *type;
    const char *curve; /* NULL: it has none */
    enum crypto_scheme scheme;
    struct crypto_key *(*read)(const struct json *json);
    const char *problem;
} key_types[] = {
    {"RSA", NULL, CRYPTO_RSA, read_rsa,
     "n and e are no RSA key of 2048 to 8192 bits, with an exponent of at most 32"},
    {"EC", "P-256", CRYPTO_P256, read_p256, "x and y are no point of P-256"},
    {"EC", "P-384", CRYPTO_P384, read_p384, "x and y are no point of P-384"},
    {"OKP", "Ed25519", CRYPTO_ED25519, read_ed25519, "x is no Ed25519 key of 32 bytes"},
};

static bool member_is(const struct json *key, const char *name, const char *wanted)
{
    struct str text;
    return json_as_string(json_get(key, name), &text) && str_equal_text(text, wanted);
}

static const struct key_type *find_type(const struct json *key)
{
    for (size_t i = 0; i < ARRAY_LENGTH(key_types); i++) {
        const struct key_type *type = &key_types[i];
        if (member_is(key, "kty", type->type) &&
            (type->curve == NULL || member_is(key, "crv", type->curve)))
            return type;
    }
    return NULL;
}

/* False: the key is for something else. */
static bool read_algorithm(const struct json *key, enum crypto_scheme scheme,
                           enum jwt_algorithm *algorithm)
{
    *algorithm = JWT_ALGORITHM_COUNT;
    if (json_get_non_null(key, "alg") == NULL)
        return true;
    for (size_t i = 0; i < ARRAY_LENGTH(algorithms); i++) {
        if (algorithms[i].scheme == scheme && member_is(key, "alg", algorithms[i].name))
            *algorithm = (enum jwt_algorithm)i;
    }
    return *algorithm != JWT_ALGORITHM_COUNT;
}

static void add_key(struct jwks *set, struct str key_id, enum jwt_algorithm algorithm,
                    struct crypto_key *key)
{
    set->keys[set->count++] = (struct jwks_key){
        .key_id = mem_strndup(key_id.ptr, key_id.len),
        .algorithm = algorithm,
        .key = key,
    };
}

/* RFC 7517 sections 4.2 and 4.3: what a key says of its use. */
static bool is_for_signatures(const struct json *key)
{
    const struct json *operations = json_get_non_null(key, "key_ops");
    struct str operation;
    if (json_get_non_null(key, "use") != NULL && !member_is(key, "use", "sig"))
        return false;
    for (size_t i = 0; i < json_length(operations); i++) {
        if (json_as_string(json_at(operations, i), &operation) &&
            str_equal_text(operation, "verify"))
            return true;
    }
    return operations == NULL;
}

static int read_key(const struct json *json, size_t index, struct jwks *set, char *error)
{
    const struct json *id = json_get_non_null(json, "kid");
    struct str key_id = STR_LIT("");
    enum jwt_algorithm algorithm;
    if (json_kind(json) != JSON_KIND_OBJECT)
        return refuse(error, "key %zu: expected an object, got %s", index,
                      json_kind_name(json_kind(json)));
    const struct key_type *type = find_type(json);
    if (type == NULL || !is_for_signatures(json) || !read_algorithm(json, type->scheme, &algorithm))
        return 0;
    if (id && !json_as_string(id, &key_id))
        return refuse(error, "key %zu: kid must be a string", index);
    struct crypto_key *key = type->read(json);
    if (key == NULL)
        return refuse(error, "key %zu: %s", index, type->problem);
    add_key(set, key_id, algorithm, key);
    return 0;
}

static int read_keys(const struct json *keys, bool strict, struct jwks *set, char *error)
{
    size_t length = json_length(keys);
    int rc = 0;
    if (length > LIMIT_JWKS_KEYS) {
        snprintf(error, JSON_ERROR_SIZE, "a key set has at most %d keys", LIMIT_JWKS_KEYS);
        return ERR_TOO_LARGE;
    }
    set->keys = mem_zalloc((length + 1) * sizeof *set->keys);
    for (size_t i = 0; i < length && (rc == 0 || !strict); i++)
        rc = read_key(json_at(keys, i), i, set, error);
    if (rc < 0 && (strict || set->count == 0))
        return rc;
    return set->count > 0 ? 0 : refuse(error, "no key for signatures is in the key set");
}

int jwks_read(const struct json *document, bool strict, struct jwks *set, char *error)
{
    bool is_bare = json_kind(document) == JSON_KIND_ARRAY;
    const struct json *keys = is_bare ? document : json_get(document, "keys");
    *set = (struct jwks){0};
    if (!keys || json_kind(keys) != JSON_KIND_ARRAY)
        return refuse(error, "expected an object with an array \"keys\", or an array of keys");
    int rc = read_keys(keys, strict, set, error);
    if (rc < 0)
        jwks_fini(set);
    return rc;
}

void jwks_init_secret(struct jwks *set, struct str secret, enum jwt_algorithm algorithm)
{
    *set = (struct jwks){.keys = mem_zalloc(sizeof *set->keys)};
    add_key(set, STR_LIT(""), algorithm, crypto_key_new_hmac(secret, algorithms[algorithm].hash));
}

void jwks_fini(struct jwks *set)
{
    for (size_t i = 0; i < set->count; i++) {
        mem_free(set->keys[i].key_id);
        crypto_key_free(&set->keys[i].key);
    }
    mem_free(set->keys);
    *set = (struct jwks){0};
}
