/* SPDX-License-Identifier: Apache-2.0 */
/* The rows of webhooks in the fake: as in store_driver.h. */
#ifndef ORDERWIRE_STORE_MEMORY_MEMORY_WEBHOOKS_H
#define ORDERWIRE_STORE_MEMORY_MEMORY_WEBHOOKS_H

#include "store/memory/memory_internal.h"

NODISCARD int memory_endpoint_add(struct store_connection *writer, struct store_endpoint *endpoint);
NODISCARD int memory_endpoint_update(struct store_connection *writer,
                                     const struct store_endpoint *endpoint);
NODISCARD int memory_endpoint_delete(struct store_connection *writer, int64_t endpoint_id);
NODISCARD int memory_endpoint_get(struct store_connection *connection, int64_t endpoint_id,
                                  struct store_endpoint *endpoint);
NODISCARD int
memory_endpoint_list(struct store_connection *connection, int32_t project_id, int64_t after,
                     int limit, void (*row)(void *argument, const struct store_endpoint *endpoint),
                     void *argument);

NODISCARD int memory_delivery_add(struct store_connection *writer, int64_t endpoint_id,
                                  const struct store_order *order, int32_t seq, int64_t now_wall,
                                  int64_t *delivery_id, bool *waiting);
NODISCARD int memory_delivery_add_body(struct store_connection *writer, int64_t endpoint_id,
                                       int32_t project_id, struct str type, struct str body,
                                       int64_t now_wall, int64_t *delivery_id);
NODISCARD int
memory_delivery_next(struct store_connection *connection, int64_t endpoint_id, int limit,
                     void (*row)(void *argument, const struct store_delivery *delivery),
                     void *argument);
NODISCARD int memory_delivery_payload(struct store_connection *connection, int64_t delivery_id,
                                      struct store_delivery_payload *payload);
NODISCARD int memory_delivery_postpone(struct store_connection *writer, int64_t delivery_id,
                                       int32_t step, int64_t next_at);
NODISCARD int memory_delivery_finish(struct store_connection *writer, int64_t delivery_id,
                                     enum store_delivery_state state, int64_t now_wall);
NODISCARD int memory_delivery_retry(struct store_connection *writer, int64_t delivery_id,
                                    int64_t now_wall);
NODISCARD int memory_delivery_get(struct store_connection *connection, int64_t delivery_id,
                                  struct store_delivery *delivery);
NODISCARD int memory_delivery_list(struct store_connection *connection,
                                   const struct store_delivery_filter *filter,
                                   void (*row)(void *argument,
                                               const struct store_delivery *delivery),
                                   void *argument, int64_t *next_before);
NODISCARD int memory_delivery_backlog(struct store_connection *connection, int64_t endpoint_id,
                                      struct store_backlog *backlog);
NODISCARD int memory_delivery_list_dead(
    struct store_connection *connection, int64_t endpoint_id, int64_t after, int limit,
    void (*row)(void *argument, const struct store_delivery *delivery), void *argument);
/* The share of deliveries and replays in store_prune; adds to `*deleted`. */
void memory_delivery_prune(struct store_connection *writer, int64_t now_wall, int rows,
                           int *deleted);

NODISCARD int memory_attempt_add(struct store_connection *writer,
                                 const struct store_attempt *attempt);
NODISCARD int memory_attempt_list(struct store_connection *connection, int64_t delivery_id,
                                  void (*row)(void *argument, const struct store_attempt *attempt),
                                  void *argument);

NODISCARD int memory_replay_add(struct store_connection *writer, struct store_replay *replay);
NODISCARD int memory_replay_get(struct store_connection *connection, int64_t replay_id,
                                struct store_replay *replay);
NODISCARD int memory_replay_open(struct store_connection *connection, int limit,
                                 void (*row)(void *argument, const struct store_replay *replay),
                                 void *argument);
NODISCARD int memory_replay_update(struct store_connection *writer,
                                   const struct store_replay *replay);

#endif
