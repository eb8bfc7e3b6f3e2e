/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is calling. One per worker: it keeps the projects it has seen, with keys parsed, and reads
 * them anew when a project has changed (struct auth_shared counts changes, on all threads).
 *
 * auth.c           projects kept, merchants, admin
 * auth_accepted.c  tokens that need no second verification
 * auth_origin.c    pages of which origins
 * auth_user.c      users: JWTs and payment tokens
 * auth_settings.c  a project's settings: JSON read, checked, merged
 * auth_remote.c    keys of a published set, parsed for one worker
 * auth_keys*.c     the thread that fetches published key sets
 */
#ifndef ORDERWIRE_AUTH_AUTH_H
#define ORDERWIRE_AUTH_AUTH_H

#include "auth/auth_settings.h"
#include "base/limits.h"

#include <stdatomic.h>

/* Opaque types. */
struct auth;
struct auth_keys;
struct store;
struct store_connection;

/* One per process. */
struct auth_shared {
    /* Raised after each committed change of a project or key, before the change is answered. */
    _Atomic uint64_t generation;
    uint8_t admin_key_hash[32]; /* SHA-256; what auth_new begins with */
    struct auth_keys *keys;     /* NULL: published key sets are not fetched */
};

struct auth_project {
    int32_t project_id;
    int32_t merchant_id;
    bool has_revocations;
    struct auth_settings settings;
};

/* `reader` and `shared` outlive it. */
struct auth *auth_new(struct store *store, struct store_connection *reader,
                      struct auth_shared *shared);
void auth_free(struct auth **auth);

/* Another operator's key from now on. */
void auth_use_admin_key(struct auth *auth, const uint8_t hash[32]);

/*
 * A project. Valid until control returns to the loop and, should projects change meanwhile, for two
 * more calls. ERR_NOT_FOUND, or an error of the store.
 */
NODISCARD int auth_project(struct auth *auth, int32_t project_id,
                           const struct auth_project **project);

/* Who calls, for the record of actions: "admin", or "key" and the key's id. Never a secret. */
#define AUTH_CALLER_SIZE 32
#define AUTH_ADMIN "admin"

/*
 * A page in a browser, by its Origin field; empty, or that of a native library: no browser, and
 * nothing is asked. `*is_listed`: it is one of the project's allowed_origins; false when there is no
 * list. ERR_DENIED: there is a list without it. ERR_NOT_FOUND for an unknown project, or an error of
 * the store.
 */
NODISCARD int auth_origin(struct auth *auth, int32_t project_id, struct str origin,
                          bool *is_listed);

/*
 * A merchant's backend, from its Authorization header: "Basic" with project_id or merchant_id as
 * name and an API key as password; or the operator, who may act for any project. ERR_DENIED when
 * missing, malformed or wrong; ERR_NOT_FOUND for an unknown project. Comparisons take constant time.
 */
NODISCARD int auth_merchant(struct auth *auth, int32_t project_id, struct str authorization,
                            const struct auth_project **project, char caller[AUTH_CALLER_SIZE]);

/* The operator, from "Bearer <admin key>". ERR_DENIED. */
NODISCARD int auth_admin(struct auth *auth, struct str authorization);

struct auth_user {
    char external_id[LIMIT_USER_EXTERNAL_ID + 1];
    struct str user_external_id; /* a view of it */
    int64_t expires_at;          /* wall ms; INT64_MAX when the token has no end */
    int64_t issued_at;           /* wall ms; INT64_MIN when the token does not say */
};

/*
 * A buyer, from a JWT that one of the project's verifiers accepts, or a payment token of one of the
 * project's orders. A JWT needs `exp`; `nbf` and `iat` are honoured. ERR_DENIED when missing,
 * malformed, unverifiable, revoked or of another project, ERR_EXPIRED, ERR_BUSY when its key may be one that
 * is not there yet, ERR_NOT_FOUND for an unknown project, or an error of the store.
 */
NODISCARD int auth_user(struct auth *auth, int32_t project_id, struct str token, int64_t now_wall,
                        struct auth_user *user);

/*
 * Whether a token that was accepted is so still: 0; ERR_DENIED when it was made before a time of
 * which the user's tokens are revoked; or an error of the store.
 */
NODISCARD int auth_check_revoked(struct auth *auth, int32_t project_id, struct str user_external_id,
                                 int64_t issued_at);

/*
 * Appends a JWT of the project for a user: claims sub, iat, exp, and `claims` (an object, or NULL),
 * whose members win. ERR_UNSUPPORTED: the project has no user_token_secret. ERR_TOO_LARGE.
 */
NODISCARD int auth_make_user_token(const struct auth_project *project, struct str user_external_id,
                                   int64_t now_wall, int64_t ttl, const struct json *claims,
                                   struct buf *out);

/* A new API key ("owk_" and 40 characters) and the hash under which it is kept. */
#define AUTH_KEY_SIZE 48
void auth_make_key(char key[AUTH_KEY_SIZE], uint8_t hash[32]);
void auth_hash_key(struct str key, uint8_t hash[32]);

#endif
