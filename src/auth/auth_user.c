/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Buyers. A token is believed only as far as a key of this very project has signed it: keys and
 * verifiers are never shared between projects, an algorithm is fixed by the key and not by
 * the token, and what a token says is read only after its signature was right.
 */
#include "auth/auth_internal.h"

#include "base/clock.h"
#include "base/err.h"
#include "codec/payment_token.h"

#include <string.h>

/* Clocks differ a little; an end of life is meant as it is written. */
enum { LEEWAY = 5000 };

static int set_user(struct auth_user *user, struct str user_external_id)
{
    if (user_external_id.len == 0 || user_external_id.len > LIMIT_USER_EXTERNAL_ID ||
        str_has_control(user_external_id))
        return ERR_DENIED;
    memcpy(user->external_id, user_external_id.ptr, user_external_id.len);
    user->external_id[user_external_id.len] = '\0';
    user->user_external_id = str_make(user->external_id, user_external_id.len);
    return 0;
}

static int check_payment_token(struct auth *auth, int32_t project_id, struct str text,
                               int64_t now_wall, struct auth_user *user)
{
    struct payment_token token;
    struct store_order order;
    if (payment_token_decode(text, store_identity(auth_store(auth))->token_key, &token) < 0)
        return ERR_DENIED;
    if (token.project_id != project_id)
        return ERR_DENIED;
    if (token.expires_at <= now_wall)
        return ERR_EXPIRED;
    int rc = store_order_get(auth_reader(auth), project_id, token.order_id, &order);
    if (rc < 0)
        return rc == ERR_NOT_FOUND ? ERR_DENIED : rc;
    user->expires_at = token.expires_at;
    return set_user(user, order.user_external_id);
}

static bool is_signed_by_named(const struct jwt *jwt, const struct jwks *keys)
{
    for (size_t i = 0; i < keys->count; i++) {
        bool is_named = str_equal_text(jwt->key_id, keys->keys[i].key_id);
        if (is_named && jwt_verify_rs256(jwt, keys->keys[i].rsa))
            return true;
    }
    return false;
}

/* By the key the token names; where one of the two has no name, by any that has none. */
static bool is_signed_by_set(const struct jwt *jwt, const struct jwks *keys)
{
    if (jwt->key_id.len > 0 && is_signed_by_named(jwt, keys))
        return true;
    for (size_t i = 0; i < keys->count; i++) {
        bool is_unnamed = jwt->key_id.len == 0 || keys->keys[i].key_id[0] == '\0';
        if (is_unnamed && jwt_verify_rs256(jwt, keys->keys[i].rsa))
            return true;
    }
    return false;
}

static bool is_signed_by(const struct jwt *jwt, const struct auth_verifier *verifier)
{
    if (jwt->algorithm != verifier->algorithm)
        return false;
    if (verifier->algorithm == JWT_HS256)
        return jwt_verify_hs256(jwt, verifier->secret);
    return is_signed_by_set(jwt, &verifier->keys);
}

/* Equal, or for a claim with several values (RFC 7519 section 4.1.3) equal to one of them. */
static bool claim_has(const struct json *claim, const struct json *wanted)
{
    if (claim == NULL)
        return false;
    if (json_kind(claim) != JSON_KIND_ARRAY)
        return json_equals(claim, wanted);
    for (size_t i = 0; i < json_length(claim); i++) {
        if (json_equals(json_at(claim, i), wanted))
            return true;
    }
    return false;
}

static bool has_required(const struct json *claims, const struct json *require)
{
    const struct json *wanted;
    void *iterator = NULL;
    struct str name;
    if (require == NULL)
        return true;
    while (json_next(require, &iterator, &name, &wanted)) {
        if (!claim_has(json_get(claims, name.ptr), wanted))
            return false;
    }
    return true;
}

static const struct json *find_user_claim(const struct json *claims, struct str name)
{
    /* A view of a JSON string, which ends with a NUL. */
    if (name.len > 0)
        return json_get(claims, name.ptr);
    const struct json *subject = json_get_non_null(claims, "sub");
    return subject != NULL ? subject : json_get(claims, "user_external_id");
}

static int set_user_from_claim(struct auth_user *user, const struct json *claim)
{
    struct str text;
    int64_t number;
    if (claim == NULL)
        return ERR_DENIED;
    if (json_as_string(claim, &text))
        return set_user(user, text);
    if (!json_as_int(claim, &number))
        return ERR_DENIED;
    struct buf digits;
    buf_init(&digits, LIMIT_USER_EXTERNAL_ID);
    buf_append_int(&digits, number);
    int rc = set_user(user, buf_view(&digits));
    buf_fini(&digits);
    return rc;
}

/* A time that, when it is there, has come already. */
static bool has_come(const struct jwt *jwt, const char *name, int64_t now_wall)
{
    int64_t at;
    int rc = jwt_time_claim(jwt, name, &at);
    return rc == ERR_NOT_FOUND || (rc == 0 && at <= now_wall + LEEWAY);
}

/*
 * `exp` is optional in RFC 7519; here it is not, because a token for ever cannot be taken back.
 */
static int check_times(const struct jwt *jwt, int64_t now_wall, struct auth_user *user)
{
    if (jwt_time_claim(jwt, "exp", &user->expires_at) < 0)
        return ERR_DENIED;
    if (!has_come(jwt, "nbf", now_wall) || !has_come(jwt, "iat", now_wall))
        return ERR_DENIED;
    return user->expires_at > now_wall ? 0 : ERR_EXPIRED;
}

static int check_verifier(const struct jwt *jwt, const struct auth_verifier *verifier,
                          int64_t now_wall, struct auth_user *user)
{
    if (!is_signed_by(jwt, verifier) || !has_required(jwt->claims, verifier->require))
        return ERR_DENIED;
    int rc = set_user_from_claim(user, find_user_claim(jwt->claims, verifier->user_claim));
    return rc < 0 ? rc : check_times(jwt, now_wall, user);
}

static int check_jwt(const struct auth_project *project, struct str token, int64_t now_wall,
                     struct auth_user *user)
{
    struct jwt jwt;
    int result = ERR_DENIED;
    if (jwt_decode(token, &jwt) < 0)
        return ERR_DENIED;
    for (size_t i = 0; i < project->settings.verifier_count && result != 0; i++) {
        int rc = check_verifier(&jwt, &project->settings.verifiers[i], now_wall, user);
        if (rc == 0 || rc == ERR_EXPIRED)
            result = rc;
    }
    jwt_fini(&jwt);
    return result;
}

int auth_user(struct auth *auth, int32_t project_id, struct str token, int64_t now_wall,
              struct auth_user *user)
{
    const struct auth_project *project;
    int rc = auth_project(auth, project_id, &project);
    if (rc < 0)
        return rc;
    if (token.len == 0 || token.len > LIMIT_TOKEN)
        return ERR_DENIED;
    if (payment_token_recognize(token))
        return check_payment_token(auth, project_id, token, now_wall, user);
    return check_jwt(project, token, now_wall, user);
}

static void write_claims(struct buf *out, struct str user_external_id, int64_t now_wall,
                         int64_t ttl, const struct json *claims)
{
    const struct json *value;
    void *iterator = NULL;
    struct str name;
    buf_append_byte(out, '{');
    if (json_get(claims, "sub") == NULL)
        json_write_text(out, "sub", user_external_id);
    if (json_get(claims, "iat") == NULL)
        json_write_int(out, "iat", now_wall / CLOCK_SECOND);
    if (json_get(claims, "exp") == NULL)
        json_write_int(out, "exp", (now_wall + ttl) / CLOCK_SECOND);
    while (claims != NULL && json_next(claims, &iterator, &name, &value)) {
        json_write_key(out, name.ptr);
        json_dump(value, out);
    }
    buf_append_byte(out, '}');
}

int auth_make_user_token(const struct auth_project *project, struct str user_external_id,
                         int64_t now_wall, int64_t ttl, const struct json *claims, struct buf *out)
{
    struct buf text;
    struct str secret = project->settings.user_token_secret;
    if (secret.len == 0)
        return ERR_UNSUPPORTED;
    buf_init(&text, LIMIT_TOKEN);
    write_claims(&text, user_external_id, now_wall, ttl, claims);
    int rc = text.overflow ? ERR_TOO_LARGE : 0;
    if (rc == 0)
        jwt_encode_hs256(buf_view(&text), secret, out);
    buf_fini(&text);
    return rc;
}
