/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JWTs that were accepted, so that a client that polls has its token verified once and not each time. One per
 * worker, of a fixed size: a new token takes the place of an older one. A token is known by its
 * SHA-256; nothing else of it is kept. Its acceptance holds as long as all that it rested on:
 *   the project and its keys   a number that the caller gives another value when they change
 *   a published key set        its version
 *   the clock                  from, until
 */
#ifndef ORDERWIRE_AUTH_AUTH_ACCEPTED_H
#define ORDERWIRE_AUTH_AUTH_ACCEPTED_H

#include "auth/auth.h"
#include "base/crypto.h"

/* Opaque types. */
struct auth_accepted;
struct auth_remote;

struct auth_acceptance {
    uint8_t token[CRYPTO_SHA256_SIZE];
    int32_t project_id;
    uint64_t generation;
    struct auth_remote *remote; /* NULL: signed by a key of the project's settings */
    uint64_t remote_version;
    int64_t from;  /* wall ms; a clock that was set back may come before it */
    int64_t until; /* wall ms, exclusive */
    struct auth_user user;
};

struct auth_accepted *auth_accepted_new(void);
/* What one takes, at most. */
size_t auth_accepted_size(void);
void auth_accepted_free(struct auth_accepted **accepted);

/* Whether a token, with what identifies it filled in, was accepted and still is; then `user` is filled in. */
NODISCARD bool auth_accepted_find(const struct auth_accepted *accepted,
                                  struct auth_acceptance *wanted, int64_t now_wall);
void auth_accepted_add(struct auth_accepted *accepted, const struct auth_acceptance *acceptance);

#endif
