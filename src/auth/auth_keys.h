/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Key sets that login services publish at a URL. A thread of its own fetches them, keeps the last
 * good one in memory and in a file, and refreshes it in the background and when somebody asks. A
 * set belongs to one project: what another project fetched, from the same URL too, is another set.
 *
 * auth_keys.c       the thread, the sets, when each is fetched
 * auth_keys_file.c  the last good documents in DATA/jwks
 * auth_keys_turn.c  who goes first when many wait
 */
#ifndef ORDERWIRE_AUTH_AUTH_KEYS_H
#define ORDERWIRE_AUTH_AUTH_KEYS_H

#include "base/buf.h"
#include "codec/address.h"

/* Opaque types. */
struct auth_keys;
struct auth_keys_set;
struct auth_settings;
struct auth_verifier;
struct store;

/* Where a set comes from; who it is for is a part of that. */
struct auth_keys_source {
    int32_t project_id;
    struct str url;                         /* http only into `networks` */
    struct str ca;                          /* PEM; empty: the system's */
    const struct address_network *networks; /* that may be called beside the public internet */
    size_t network_count;
    int64_t refresh; /* ms; not a part of it */
};

/* Of a verifier with a URL, as long as the settings live. */
struct auth_keys_source auth_keys_source_of(int32_t project_id,
                                            const struct auth_settings *settings,
                                            const struct auth_verifier *verifier);

/*
 * Starts the thread. `directory`, the data directory, is copied; `interval` is ms between two
 * requests for the same set, at least. `store`, which outlives it, has the projects: all sets that they name
 * now are fetched from now on, before anybody holds them; those named later once a worker has met their project.
 * NULL: whatever was held is. NULL when the system refuses; logged.
 */
struct auth_keys *auth_keys_start(const char *directory, int64_t interval, struct store *store);
/* All sets have been released. */
void auth_keys_stop(struct auth_keys **keys);

/* What follows, from any thread. */

/*
 * The set of a source, which is fetched from now on as long as its project names it, whether anybody holds
 * it or not. When a file of an earlier run has it, it is there at once.
 */
struct auth_keys_set *auth_keys_hold(struct auth_keys *keys, const struct auth_keys_source *source);
void auth_keys_release(struct auth_keys_set **set);

/* Another number for each other document; 0 while there is none. Takes no lock. */
uint64_t auth_keys_version(const struct auth_keys_set *set);
/* Appends the document, a key set that jwks_read takes, and tells its version. */
void auth_keys_read(struct auth_keys_set *set, struct buf *out, uint64_t *version);
/* When the last good fetch of this run began: wall ms; 0: there was none. Takes no lock. */
int64_t auth_keys_fetched_at(const struct auth_keys_set *set);
int64_t auth_keys_interval(const struct auth_keys_set *set);
/* The set may be out of date: it is fetched as soon as the interval allows. Takes no lock. */
void auth_keys_ask(struct auth_keys_set *set);
/* The same for all sets. */
void auth_keys_ask_all(struct auth_keys *keys);

#endif
