/* SPDX-License-Identifier: Apache-2.0 */
/* A published key set as one worker uses it: the keys parsed, and parsed anew when they changed. */
#ifndef ORDERWIRE_AUTH_AUTH_REMOTE_H
#define ORDERWIRE_AUTH_AUTH_REMOTE_H

#include "auth/auth_keys.h"

/* Opaque types. */
struct auth_remote;
struct jwks;

/* `keys` NULL: nothing is ever fetched. */
struct auth_remote *auth_remote_new(struct auth_keys *keys, const struct auth_keys_source *source);
void auth_remote_free(struct auth_remote **remote);

/* The keys as they stand; valid until the next call. None before the first fetch. */
const struct jwks *auth_remote_keys(struct auth_remote *remote);
/* The version of those, and whether there is no other one by now. */
uint64_t auth_remote_version(const struct auth_remote *remote);
bool auth_remote_is_current(const struct auth_remote *remote, uint64_t version);
/*
 * When the fetch began by which auth_remote_keys gave the keys last: wall ms; 0: none of this run had
 * ended well.
 */
int64_t auth_remote_fetched_at(const struct auth_remote *remote);

/*
 * None of the keys that auth_remote_keys gave last is the one that signed a token of `issued_at` (wall
 * ms; INT64_MIN: the token does not say). Asks for the set. ERR_DENIED when they were fetched after the
 * token was made, so that the key is none of the set's; else ERR_BUSY: nobody knows yet.
 */
NODISCARD int auth_remote_miss(struct auth_remote *remote, int64_t issued_at, int64_t now_wall);

#endif
