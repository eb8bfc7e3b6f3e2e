/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a driver of the store implements. Seen by store.c and the drivers only.
 *
 * A driver's own structs begin with the public ones below, which store.c fills after `open` and
 * `connect` unless said otherwise. The functions mean what those of store.h mean; store.c sees to
 * it that a changing function runs inside of a transaction, that begin and commit come in pairs,
 * and that rollback is called only when there is one.
 */
#ifndef ORDERWIRE_STORE_STORE_DRIVER_H
#define ORDERWIRE_STORE_STORE_DRIVER_H

#include "base/arena.h"
#include "store/store.h"

struct store {
    const struct store_driver *driver;
    const struct store_options *options;
    struct store_identity identity; /* the driver's `open` fills it */
};

struct store_connection {
    struct store *store;
    enum store_role role;
    bool in_transaction;
    struct arena texts;     /* what the last look-up gave out */
    struct arena old_texts; /* and the one before: the last one's arguments may be there */
};

struct store_driver {
    const char *name;

    int (*open)(const struct store_options *options, struct store **store,
                char error[STORE_ERROR_SIZE]);
    void (*close)(struct store *store);
    int (*connect)(struct store *store, enum store_role role, struct store_connection **connection);
    void (*disconnect)(struct store_connection *connection);
    int (*backup)(const char *directory, const char *destination, char error[STORE_ERROR_SIZE]);

    int (*begin)(struct store_connection *connection);
    int (*commit)(struct store_connection *connection);
    void (*rollback)(struct store_connection *connection);

    int (*project_get)(struct store_connection *connection, int32_t project_id,
                       struct store_project *project);
    int (*project_put)(struct store_connection *writer, const struct store_project *project);
    int (*project_list)(struct store_connection *connection, int32_t after, int limit,
                        void (*row)(void *argument, const struct store_project *project),
                        void *argument);

    int (*key_put)(struct store_connection *writer, const struct store_key *key);
    int (*key_list)(struct store_connection *connection, int32_t project_id, int32_t merchant_id,
                    void (*row)(void *argument, const struct store_key *key), void *argument);
    int (*key_delete)(struct store_connection *writer, const char *key_id);

    int (*user_get)(struct store_connection *connection, int32_t project_id,
                    struct str user_external_id, struct store_user *user);
    int (*user_add)(struct store_connection *writer, int32_t project_id,
                    struct str user_external_id, struct store_user *user);

    int (*order_get)(struct store_connection *connection, int32_t project_id, int32_t order_id,
                     struct store_order *order);
    int (*order_insert)(struct store_connection *writer, const struct store_order *order);
    int (*order_update)(struct store_connection *writer, const struct store_order *order);
    int (*order_next_id)(struct store_connection *writer, int32_t project_id, int32_t *order_id);
    int (*order_list)(struct store_connection *connection, const struct store_order_filter *filter,
                      void (*row)(void *argument, const struct store_order *order), void *argument,
                      int32_t *next_before);
    int (*order_list_open)(struct store_connection *connection, int64_t user_id, int limit,
                           void (*row)(void *argument, int32_t order_id, enum order_status status),
                           void *argument);

    int (*event_append)(struct store_connection *writer, const struct store_order *order,
                        const struct store_event *event);
    int (*event_list)(struct store_connection *connection, int32_t project_id, int32_t order_id,
                      void (*row)(void *argument, const struct store_event *event), void *argument);
    int (*stream_read)(struct store_connection *connection, int64_t user_id, int32_t after,
                       int32_t before, bool reverse, int limit,
                       void (*row)(void *argument, const struct store_publication *publication),
                       void *argument);

    int (*idempotency_get)(struct store_connection *connection, int32_t project_id, struct str key,
                           struct store_idempotency *record);
    int (*idempotency_put)(struct store_connection *writer, const struct store_idempotency *record);

    int (*prune)(struct store_connection *writer, int64_t now_wall, int rows, int *deleted);
};

/* How many orders one call of store_order_list looks at. */
#define STORE_LIST_SCAN 10000

/* Whether an order passes the filter's status and times; ids and user are the driver's to see to.
 */
bool store_filter_matches(const struct store_order_filter *filter, enum order_status status,
                          int64_t created_at, int64_t updated_at);

/* Copies bytes into the connection, where they stay until its next look-up begins. */
struct str store_keep(struct store_connection *connection, const void *bytes, size_t length);

/* Draws a new identity at random. */
void store_identity_draw(struct store_identity *identity);

#endif
