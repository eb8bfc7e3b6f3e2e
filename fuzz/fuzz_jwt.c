/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tokens and key sets: no input verifies under a key that its author does not have, and whatever
 * claims we sign ourselves do.
 */
#include "fuzz.h"

#include "base/err.h"
#include "base/limits.h"
#include "codec/jwt.h"

#include <stdlib.h>

static const struct str secret = {"correct horse battery staple", 28};

static bool is_by_secret(const struct jwt *jwt)
{
    bool verified = false;
    for (enum jwt_algorithm algorithm = JWT_HS256; algorithm <= JWT_HS512; algorithm++) {
        struct jwks set;
        jwks_init_secret(&set, secret, algorithm);
        verified |= jwks_key_verify(&set.keys[0], jwt);
        jwks_fini(&set);
    }
    return verified;
}

static void try_token(struct str token)
{
    struct jwt jwt;
    int64_t at;
    if (jwt_decode(token, &jwt) < 0)
        return;
    if (is_by_secret(&jwt))
        abort();
    if (jwt_time_claim(&jwt, "exp", &at) == 0 && (at < 0 || at % 1000 != 0))
        abort();
    jwt_fini(&jwt);
}

static void try_claims(struct str claims)
{
    struct buf token;
    struct jwt jwt;
    buf_init(&token, LIMIT_TOKEN);
    jwt_encode_hs256(claims, secret, &token);
    if (!token.overflow && jwt_decode(buf_view(&token), &jwt) == 0) {
        if (!is_by_secret(&jwt))
            abort();
        jwt_fini(&jwt);
    }
    buf_fini(&token);
}

/* A published key never takes for signed what nobody signed, whatever algorithm the token names. */
static void try_keys(const struct jwks *set)
{
    struct jwt jwt = {.signed_part = STR_LIT("e30.e30")};
    buf_init(&jwt.signature, LIMIT_TOKEN);
    for (int i = 0; i < 96; i++)
        buf_append_byte(&jwt.signature, 0);
    for (size_t i = 0; i < set->count; i++) {
        for (int algorithm = 0; algorithm < JWT_ALGORITHM_COUNT; algorithm++) {
            jwt.algorithm = algorithm;
            jwt.signature.len = 64;
            bool verified = jwks_key_verify(&set->keys[i], &jwt);
            jwt.signature.len = 96;
            if (verified || jwks_key_verify(&set->keys[i], &jwt))
                abort();
        }
    }
    buf_fini(&jwt.signature);
}

static void try_key_set(struct str text, bool strict)
{
    char error[JSON_ERROR_SIZE];
    struct jwks set;
    struct json *document = json_parse(text, error);
    if (document && jwks_read(document, strict, &set, error) == 0) {
        if (set.count == 0 || set.count > LIMIT_JWKS_KEYS)
            abort();
        try_keys(&set);
        jwks_fini(&set);
    }
    json_free(&document);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = str_make((const char *)data, size);
    try_token(text);
    try_claims(text);
    try_key_set(text, true);
    try_key_set(text, false);
    return 0;
}
