/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Buyers. A token is believed only as far as a key of this very project has signed it: keys and
 * verifiers are never shared between projects, an algorithm is fixed by the key and not by
 * the token, and what a token says is read only after its signature was right.
 */
#include "auth/auth_accepted.h"
#include "auth/auth_internal.h"
#include "auth/auth_remote.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "codec/payment_token.h"

#include <stdio.h>
#include <string.h>

/* Clocks differ a little; an end of life is meant as it is written. */
enum { LEEWAY = 5000 };

/* How far a token came; of several verifiers the one that took it furthest says why not. */
enum stage {
    STAGE_NONE,
    STAGE_READ,
    STAGE_KEY_FOUND,
    STAGE_SIGNED,
    STAGE_EXPIRED,
};

/* Why a token was refused, for the operator's log: never a part of the token. */
struct refusal {
    enum stage stage;
    char reason[80];
};

static int refuse(struct refusal *refusal, enum stage stage, const char *reason)
{
    if (stage > refusal->stage) {
        refusal->stage = stage;
        snprintf(refusal->reason, sizeof(refusal->reason), "%s", reason);
    }
    return stage == STAGE_EXPIRED ? ERR_EXPIRED : ERR_DENIED;
}

static int set_user(struct auth_user *user, struct str user_external_id, struct refusal *refusal)
{
    if (user_external_id.len == 0 || user_external_id.len > LIMIT_USER_EXTERNAL_ID ||
        str_has_control(user_external_id))
        return refuse(refusal, STAGE_SIGNED, "the user's id is empty, too long or not printable");
    memcpy(user->external_id, user_external_id.ptr, user_external_id.len);
    user->external_id[user_external_id.len] = '\0';
    user->user_external_id = str_make(user->external_id, user_external_id.len);
    return 0;
}

static int check_payment_token(struct auth *auth, int32_t project_id, struct str text,
                               int64_t now_wall, struct auth_user *user, struct refusal *refusal)
{
    struct payment_token token;
    struct store_order order;
    if (payment_token_decode(text, store_identity(auth_store(auth))->token_key, &token) < 0)
        return refuse(refusal, STAGE_READ, "malformed or made by another server");
    if (token.project_id != project_id)
        return refuse(refusal, STAGE_SIGNED, "of another project");
    if (token.expires_at <= now_wall)
        return refuse(refusal, STAGE_EXPIRED, "expired");
    int rc = store_order_get(auth_reader(auth), project_id, token.order_id, &order);
    if (rc == ERR_NOT_FOUND)
        return refuse(refusal, STAGE_SIGNED, "its order is gone");
    if (rc < 0)
        return rc;
    /* Only the answer that creates an order has one. */
    user->issued_at = order.created_at;
    user->expires_at = token.expires_at;
    return set_user(user, order.user_external_id, refusal);
}

/* How far the keys of a verifier came with a token. */
struct search {
    bool has_kind;  /* a key of its algorithm */
    bool has_named; /* one with its kid */
    bool has_other; /* one that fits because it or the token has no kid */
};

/* By the key the token names; where one of the two has no name, by any that has none. */
static bool is_signed_by(const struct jwt *jwt, const struct jwks *keys, struct search *search)
{
    for (size_t i = 0; i < keys->count; i++) {
        const struct jwks_key *key = &keys->keys[i];
        bool is_unnamed = jwt->key_id.len == 0 || key->key_id[0] == '\0';
        bool is_named = !is_unnamed && str_equal_text(jwt->key_id, key->key_id);
        if (!jwks_key_serves(key, jwt))
            continue;
        search->has_kind = true;
        search->has_named |= is_named;
        search->has_other |= is_unnamed;
        if ((is_named || is_unnamed) && jwks_key_verify(key, jwt))
            return true;
    }
    return false;
}

/*
 * Its key may be one that was published after we fetched the set, so the set is fetched. Under the name
 * of a key that is there that happens too, but it is not what a wrong signature most likely means.
 */
static int check_again(const struct jwt *jwt, struct auth_remote *remote,
                       const struct search *search, int64_t now_wall, struct refusal *refusal)
{
    int64_t issued_at;
    if (jwt_time_claim(jwt, "iat", &issued_at) < 0)
        issued_at = INT64_MIN;
    int rc = auth_remote_miss(remote, issued_at, now_wall);
    if (search->has_named)
        return ERR_DENIED;
    if (rc == ERR_BUSY)
        refuse(refusal, STAGE_KEY_FOUND, "its key has not been fetched yet");
    return rc;
}

static int check_signature(const struct jwt *jwt, const struct auth_verifier *verifier,
                           int64_t now_wall, struct refusal *refusal)
{
    struct auth_remote *remote = verifier->remote;
    struct search search = {0};
    if (is_signed_by(jwt, remote != NULL ? auth_remote_keys(remote) : &verifier->keys, &search))
        return 0;
    if (verifier->is_unread && !jwt_is_by_secret(jwt)) {
        refuse(refusal, STAGE_KEY_FOUND, "the file of its key cannot be read");
        return ERR_BUSY;
    }
    if (remote != NULL && !jwt_is_by_secret(jwt) &&
        check_again(jwt, remote, &search, now_wall, refusal) == ERR_BUSY)
        return ERR_BUSY;
    if (!search.has_kind)
        return refuse(refusal, STAGE_READ, "no key of its algorithm");
    return refuse(refusal, STAGE_KEY_FOUND,
                  search.has_named || search.has_other ? "signature" : "no key with that kid");
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

static int check_required(const struct json *claims, const struct json *require,
                          struct refusal *refusal)
{
    char reason[sizeof(refusal->reason)];
    const struct json *wanted;
    void *iterator = NULL;
    struct str name;
    if (require == NULL)
        return 0;
    while (json_next(require, &iterator, &name, &wanted)) {
        const struct json *claim = json_get(claims, name.ptr);
        if (claim_has(claim, wanted))
            continue;
        snprintf(reason, sizeof(reason), "claim %.60s %s", name.ptr,
                 claim == NULL ? "is missing" : "differs");
        return refuse(refusal, STAGE_SIGNED, reason);
    }
    return 0;
}

static const struct json *find_user_claim(const struct json *claims, struct str name)
{
    /* A view of a JSON string, which ends with a NUL. */
    if (name.len > 0)
        return json_get(claims, name.ptr);
    const struct json *subject = json_get_non_null(claims, "sub");
    return subject != NULL ? subject : json_get(claims, "user_external_id");
}

static int set_user_from_claim(struct auth_user *user, const struct json *claim,
                               struct refusal *refusal)
{
    struct str text;
    int64_t number;
    if (claim == NULL)
        return refuse(refusal, STAGE_SIGNED, "no user claim");
    if (json_as_string(claim, &text))
        return set_user(user, text, refusal);
    if (!json_as_int(claim, &number))
        return refuse(refusal, STAGE_SIGNED, "the user claim is neither text nor a whole number");
    struct buf digits;
    buf_init(&digits, LIMIT_USER_EXTERNAL_ID);
    buf_append_int(&digits, number);
    int rc = set_user(user, buf_view(&digits), refusal);
    buf_fini(&digits);
    return rc;
}

/* A time that, when it is there, has come already. */
static bool has_come(const struct jwt *jwt, const char *name, int64_t now_wall, int64_t *at)
{
    *at = INT64_MIN;
    int rc = jwt_time_claim(jwt, name, at);
    return rc == ERR_NOT_FOUND || (rc == 0 && *at <= now_wall + LEEWAY);
}

/*
 * `exp` is optional in RFC 7519; here it is not, because a token for ever cannot be taken back.
 */
static int check_times(const struct jwt *jwt, int64_t now_wall, struct auth_acceptance *acceptance,
                       struct refusal *refusal)
{
    struct auth_user *user = &acceptance->user;
    int64_t begins_at;
    int rc = jwt_time_claim(jwt, "exp", &user->expires_at);
    if (rc < 0)
        return refuse(refusal, STAGE_SIGNED, rc == ERR_NOT_FOUND ? "no exp" : "exp is no time");
    if (!has_come(jwt, "nbf", now_wall, &begins_at))
        return refuse(refusal, STAGE_SIGNED, "nbf is in the future or no time");
    if (!has_come(jwt, "iat", now_wall, &user->issued_at))
        return refuse(refusal, STAGE_SIGNED, "iat is in the future or no time");
    acceptance->from = clock_later(begins_at, user->issued_at);
    acceptance->until = user->expires_at;
    return user->expires_at > now_wall ? 0 : refuse(refusal, STAGE_EXPIRED, "expired");
}

static void note_verifier(struct auth_acceptance *acceptance, const struct auth_verifier *verifier)
{
    acceptance->until = clock_earlier(acceptance->until, verifier->until);
    acceptance->remote = verifier->remote;
    if (verifier->remote != NULL)
        acceptance->remote_version = auth_remote_version(verifier->remote);
}

static int check_verifier(const struct jwt *jwt, const struct auth_verifier *verifier,
                          int64_t now_wall, struct auth_acceptance *acceptance,
                          struct refusal *refusal)
{
    if (now_wall >= verifier->until)
        return refuse(refusal, STAGE_READ, "its secret was replaced");
    int rc = check_signature(jwt, verifier, now_wall, refusal);
    if (rc == 0)
        rc = check_required(jwt->claims, verifier->require, refusal);
    if (rc == 0)
        rc = set_user_from_claim(&acceptance->user,
                                 find_user_claim(jwt->claims, verifier->user_claim), refusal);
    if (rc == 0)
        rc = check_times(jwt, now_wall, acceptance, refusal);
    if (rc == 0)
        note_verifier(acceptance, verifier);
    return rc;
}

/* What one verifier says that counts for more than what the others say. */
static int weight_of(int rc)
{
    return rc == 0 ? 3 : rc == ERR_EXPIRED ? 2 : rc == ERR_BUSY ? 1 : 0;
}

static int check_jwt(const struct auth_project *project, struct str token, int64_t now_wall,
                     struct auth_acceptance *acceptance, struct refusal *refusal)
{
    struct jwt jwt;
    int result = ERR_DENIED;
    int rc = jwt_decode(token, &jwt);
    if (rc < 0)
        return refuse(refusal, STAGE_READ,
                      rc == ERR_UNSUPPORTED ? "its algorithm is not supported" : "malformed");
    for (size_t i = 0; i < project->settings.verifier_count && result != 0; i++) {
        rc = check_verifier(&jwt, &project->settings.verifiers[i], now_wall, acceptance, refusal);
        if (weight_of(rc) > weight_of(result))
            result = rc;
    }
    jwt_fini(&jwt);
    return result;
}

/* The same, unless the token is one that was accepted before. */
static int check_jwt_once(struct auth *auth, const struct auth_project *project, struct str token,
                          int64_t now_wall, struct auth_user *user, struct refusal *refusal)
{
    struct auth_acceptance acceptance = {
        .project_id = project->project_id,
        .generation = auth_round(auth),
    };
    int rc = 0;
    crypto_sha256(token, acceptance.token);
    if (!auth_accepted_find(auth_accepted(auth), &acceptance, now_wall)) {
        rc = check_jwt(project, token, now_wall, &acceptance, refusal);
        if (rc == 0)
            auth_accepted_add(auth_accepted(auth), &acceptance);
    }
    *user = acceptance.user;
    user->user_external_id.ptr = user->external_id;
    return rc;
}

static int check_token(struct auth *auth, const struct auth_project *project, struct str token,
                       int64_t now_wall, struct auth_user *user, struct refusal *refusal)
{
    if (token.len == 0 || token.len > LIMIT_TOKEN)
        return refuse(refusal, STAGE_READ, token.len == 0 ? "no token" : "too long");
    if (payment_token_recognize(token))
        return check_payment_token(auth, project->project_id, token, now_wall, user, refusal);
    return check_jwt_once(auth, project, token, now_wall, user, refusal);
}

int auth_check_revoked(struct auth *auth, int32_t project_id, struct str user_external_id,
                       int64_t issued_at)
{
    int64_t before;
    int rc = store_revocation_get(auth_reader(auth), project_id, user_external_id, &before);
    if (rc < 0)
        return rc;
    return before > 0 && issued_at < before ? ERR_DENIED : 0;
}

/* Most projects have revoked nothing, and then it costs nothing. */
static int check_revoked(struct auth *auth, const struct auth_project *project,
                         const struct auth_user *user, struct refusal *refusal)
{
    if (!project->has_revocations)
        return 0;
    int rc = auth_check_revoked(auth, project->project_id, user->user_external_id, user->issued_at);
    return rc == ERR_DENIED ? refuse(refusal, STAGE_SIGNED, "revoked") : rc;
}

int auth_user(struct auth *auth, int32_t project_id, struct str token, int64_t now_wall,
              struct auth_user *user)
{
    struct refusal refusal = {.reason = "no verifier"};
    const struct auth_project *project;
    int rc = auth_project(auth, project_id, &project);
    if (rc == ERR_NOT_FOUND)
        snprintf(refusal.reason, sizeof(refusal.reason), "no such project");
    else if (rc == 0)
        rc = check_token(auth, project, token, now_wall, user, &refusal);
    /* Whoever made it has a clock that is ahead: a revocation from now on ends what it opens now. */
    if (rc == 0)
        user->issued_at = clock_earlier(user->issued_at, now_wall);
    if (rc == 0)
        rc = check_revoked(auth, project, user, &refusal);
    if (rc == ERR_DENIED || rc == ERR_EXPIRED || rc == ERR_BUSY || rc == ERR_NOT_FOUND)
        log_debug("token refused", LOG_INT("project_id", project_id),
                  LOG_TEXT("reason", refusal.reason));
    return rc;
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
