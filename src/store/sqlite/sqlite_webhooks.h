/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rows of webhooks in the SQLite driver: as in store_webhooks.h, and as in store_driver.h what
 * is only there.
 *
 * sqlite_endpoints.c         endpoints, replays
 * sqlite_deliveries.c        deliveries: added, found, listed
 * sqlite_backlog.c           how many are not finished
 * sqlite_delivery_changes.c  the life of a delivery: attempts, its states, its end
 */
#ifndef ORDERWIRE_STORE_SQLITE_SQLITE_WEBHOOKS_H
#define ORDERWIRE_STORE_SQLITE_SQLITE_WEBHOOKS_H

#include "store/sqlite/sqlite_internal.h"

NODISCARD int sqlite_endpoint_add(struct store_connection *writer, struct store_endpoint *endpoint);
NODISCARD int sqlite_endpoint_update(struct store_connection *writer,
                                     const struct store_endpoint *endpoint);
NODISCARD int sqlite_endpoint_delete(struct store_connection *writer, int64_t endpoint_id);
NODISCARD int sqlite_endpoint_get(struct store_connection *connection, int64_t endpoint_id,
                                  struct store_endpoint *endpoint);
NODISCARD int
sqlite_endpoint_list(struct store_connection *connection, int32_t project_id, int64_t after,
                     int limit, void (*row)(void *argument, const struct store_endpoint *endpoint),
                     void *argument);

NODISCARD int sqlite_replay_add(struct store_connection *writer, struct store_replay *replay);
NODISCARD int sqlite_replay_get(struct store_connection *connection, int64_t replay_id,
                                struct store_replay *replay);
NODISCARD int sqlite_replay_open(struct store_connection *connection, int limit,
                                 void (*row)(void *argument, const struct store_replay *replay),
                                 void *argument);
NODISCARD int sqlite_replay_update(struct store_connection *writer,
                                   const struct store_replay *replay);

NODISCARD int sqlite_delivery_add(struct store_connection *writer, int64_t endpoint_id,
                                  const struct store_order *order, int32_t seq, int64_t now_wall,
                                  int64_t *delivery_id, bool *waiting);
NODISCARD int sqlite_delivery_add_body(struct store_connection *writer, int64_t endpoint_id,
                                       int32_t project_id, struct str type, struct str body,
                                       int64_t now_wall, int64_t *delivery_id);
NODISCARD int
sqlite_delivery_next(struct store_connection *connection, int64_t endpoint_id, int limit,
                     void (*row)(void *argument, const struct store_delivery *delivery),
                     void *argument);
NODISCARD int sqlite_delivery_payload(struct store_connection *connection, int64_t delivery_id,
                                      struct store_delivery_payload *payload);
NODISCARD int sqlite_delivery_get(struct store_connection *connection, int64_t delivery_id,
                                  struct store_delivery *delivery);
NODISCARD int sqlite_delivery_list(struct store_connection *connection,
                                   const struct store_delivery_filter *filter,
                                   void (*row)(void *argument,
                                               const struct store_delivery *delivery),
                                   void *argument, int64_t *next_before);
NODISCARD int sqlite_delivery_list_dead(
    struct store_connection *connection, int64_t endpoint_id, int64_t after, int limit,
    void (*row)(void *argument, const struct store_delivery *delivery), void *argument);
/*
 * That many deliveries of the endpoint are unfinished, more or fewer. Kept until the commit, so that
 * a group of updates writes the number of an endpoint once.
 */
NODISCARD int sqlite_backlog_change(struct sqlite_connection *c, int64_t endpoint_id,
                                    int64_t change);
NODISCARD int sqlite_delivery_backlog(struct store_connection *connection, int64_t endpoint_id,
                                      struct store_backlog *backlog);
NODISCARD int sqlite_backlog_write(struct sqlite_connection *c);
/* Column `index` of the current row; damage on disk does not lead out of bounds. */
enum store_delivery_state sqlite_delivery_state(sqlite3_stmt *statement, int index);

NODISCARD int sqlite_attempt_add(struct store_connection *writer,
                                 const struct store_attempt *attempt);
NODISCARD int sqlite_attempt_list(struct store_connection *connection, int64_t delivery_id,
                                  void (*row)(void *argument, const struct store_attempt *attempt),
                                  void *argument);
NODISCARD int sqlite_delivery_postpone(struct store_connection *writer, int64_t delivery_id,
                                       int32_t step, int64_t next_at);
NODISCARD int sqlite_delivery_finish(struct store_connection *writer, int64_t delivery_id,
                                     enum store_delivery_state state, int64_t now_wall);
NODISCARD int sqlite_delivery_retry(struct store_connection *writer, int64_t delivery_id,
                                    int64_t now_wall);
/* The share of deliveries and replays in store_prune; adds to `*deleted`. */
NODISCARD int sqlite_delivery_prune(struct sqlite_connection *c, int64_t now_wall, int rows,
                                    int *deleted);

#endif
