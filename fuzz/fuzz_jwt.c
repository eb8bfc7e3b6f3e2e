/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tokens and key sets: no input verifies under a key that its author does not have, and whatever
 * claims we sign ourselves do.
 */
#include "base/err.h"
#include "base/limits.h"
#include "codec/jwt.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct str secret = {"correct horse battery staple", 28};

static void try_token(struct str token)
{
    struct jwt jwt;
    int64_t at;
    if (jwt_decode(token, &jwt) < 0)
        return;
    if (jwt_verify_hs256(&jwt, secret))
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
        if (!jwt_verify_hs256(&jwt, secret))
            abort();
        jwt_fini(&jwt);
    }
    buf_fini(&token);
}

static void try_key_set(struct str text)
{
    char error[JSON_ERROR_SIZE];
    struct jwks set;
    struct json *document = json_parse(text, error);
    if (document && jwks_read(document, &set, error) == 0) {
        if (set.count == 0 || set.count > LIMIT_JWKS_KEYS)
            abort();
        jwks_fini(&set);
    }
    json_free(&document);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = str_make((const char *)data, size);
    try_token(text);
    try_claims(text);
    try_key_set(text);
    return 0;
}
