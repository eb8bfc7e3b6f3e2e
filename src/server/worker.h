/* SPDX-License-Identifier: Apache-2.0 */
/* One worker thread: a loop with its own listener, connections, hub and reading connection. */
#ifndef ORDERWIRE_SERVER_WORKER_H
#define ORDERWIRE_SERVER_WORKER_H

#include "config/config.h"
#include "server/server.h"

/* Opaque types. */
struct auth_shared;
struct hub_feed;
struct quota;
struct realtime_peers;
struct store;
struct tls_settings;
struct worker;
struct writer;

/* What all workers have in common; all of it outlives them. */
struct worker_shared {
    struct store *store;
    struct auth_shared *auth;
    const uint8_t *secrets_key; /* seals the secrets of webhooks */
    struct realtime_peers *peers;
    struct quota *quota;
    struct tls_settings *tls; /* NULL: none */
};

/*
 * Makes what the store thread needs to know of it: loop, hub and feed. NULL when the system refuses.
 */
struct worker *worker_new(const struct config *config, const struct worker_shared *shared);
struct hub_feed *worker_feed(const struct worker *worker);
/* Takes the listening descriptors over (-1: none), whatever it answers, and starts the thread. */
NODISCARD int worker_start(struct worker *worker, struct writer *writer,
                           const int descriptors[SERVER_PORTS], const struct server_extras *extras);

/* False after a worker_start that failed, and before. */
bool worker_is_started(const struct worker *worker);

/* From any thread. `admin_key_hash` is that of the operator's key as it is now. */
void worker_reload(struct worker *worker, const struct config *fresh,
                   const uint8_t admin_key_hash[32]);
/* From any thread: connections accepted from now on use these. */
void worker_use_tls(struct worker *worker, struct tls_settings *tls);
/* Begins to drain. `drained` runs once on the worker's thread when no connection is left. */
void worker_drain(struct worker *worker, int64_t duration, void (*drained)(void *argument),
                  void *argument);

/* Ends the thread, when it was started, and frees all. Nothing posts to its loop any more. */
void worker_free(struct worker **worker);

#endif
