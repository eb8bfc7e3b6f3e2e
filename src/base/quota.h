/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How much of the server one key may take: how many at once, and how often. A key is an address, a
 * user, an API key. One struct quota for the process; any thread. It is asked where connections and
 * requests begin, never on the way of a message.
 *
 * Memory is bounded: a counter lives while something is counted (so there are at most as many as
 * connections), and rates live in a table of a fixed size that forgets whose turn comes soonest.
 *
 * Where a quota is NULL, everything is allowed.
 */
#ifndef ORDERWIRE_BASE_QUOTA_H
#define ORDERWIRE_BASE_QUOTA_H

#include "base/attributes.h"
#include "base/str.h"

/* Opaque types. */
struct quota;

enum quota_kind {
    QUOTA_ALL_CONNECTIONS,    /* at once; the key is empty */
    QUOTA_CONNECTIONS,        /* of one address, at once */
    QUOTA_SESSIONS,           /* of one user, at once */
    QUOTA_HANDSHAKES,         /* of all, a second; the key is empty */
    QUOTA_ADDRESS_HANDSHAKES, /* of one address, a second */
    QUOTA_TLS_HANDSHAKES,     /* of all, a second; the key is empty */
    QUOTA_ADDRESS_TLS,        /* of one address, a second */
    QUOTA_ADDRESS_REQUESTS,   /* of one address, a second */
    QUOTA_USER_REQUESTS,      /* of one user, a second */
    QUOTA_PROJECT_REQUESTS,   /* of one project's merchant, a second */
};

struct quota *quota_new(void);
/* Nothing is counted any more. */
void quota_free(struct quota **quota);

/* One more, unless `max` are there already (then false). `max` 0: no limit, still counted. */
NODISCARD bool quota_enter(struct quota *quota, enum quota_kind kind, struct str key, int64_t max);
/* Takes one back that quota_enter has counted. */
void quota_leave(struct quota *quota, enum quota_kind kind, struct str key);

/*
 * Once more at `now_mono` (ms). 0: allowed; else the ms after which it will be. `per_second` is what
 * is allowed in the long run (0: no limit); twice as many may come at once.
 */
NODISCARD int64_t quota_take(struct quota *quota, enum quota_kind kind, struct str key,
                             int64_t per_second, int64_t now_mono);

/*
 * Memory for one large body or answer, out of LIMIT_LARGE_BYTES that all share; given back by
 * quota_give_back. False when too much is in use.
 */
NODISCARD bool quota_reserve(struct quota *quota, size_t bytes);
void quota_give_back(struct quota *quota, size_t bytes);

/*
 * The same as quota_take for one owner that keeps its own state, zeroed at first (the generic cell rate algorithm,
 * ITU-T I.371: the time in µs at which all that was taken will have been earned).
 */
NODISCARD int64_t quota_rate_take(int64_t *earned_us, int64_t per_second, int64_t now_mono);

#endif
