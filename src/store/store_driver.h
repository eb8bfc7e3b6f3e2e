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
#include "store/store_webhooks.h"

struct store {
    const struct store_driver *driver;
    const struct store_options *options;
    struct store_identity identity; /* the driver's `open` fills it */
};

struct store_connection {
    struct store *store;
    enum store_role role;
    bool in_transaction;
    struct arena texts;            /* what the last look-up gave out */
    struct arena old_texts;        /* and the one before: the last one's arguments may be there */
    void (*began)(void *argument); /* NULL: look-ups share no transaction */
    void *began_argument;
    bool has_begun; /* and it was told */
};

struct store_driver {
    const char *name;

    int (*open)(const struct store_options *options, struct store **store,
                char error[STORE_ERROR_SIZE]);
    void (*close)(struct store *store);
    int (*connect)(struct store *store, enum store_role role, struct store_connection **connection);
    void (*disconnect)(struct store_connection *connection);
    int (*backup)(const char *directory, const char *destination, const volatile sig_atomic_t *stop,
                  char error[STORE_ERROR_SIZE]);

    int (*begin)(struct store_connection *connection);
    int (*commit)(struct store_connection *connection);
    void (*rollback)(struct store_connection *connection);
    /*
     * Before each look-up outside of a transaction, when they share one: makes sure that there is one,
     * and that it is not older than the last commit. NULL: a look-up of its own costs nothing.
     */
    void (*share_reading)(struct store_connection *reader);
    void (*end_reading)(struct store_connection *reader);

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

    int (*revocation_put)(struct store_connection *writer, int32_t project_id,
                          struct str user_external_id, int64_t before);
    int (*revocation_get)(struct store_connection *connection, int32_t project_id,
                          struct str user_external_id, int64_t *before);
    int (*revocation_any)(struct store_connection *connection, int32_t project_id, bool *any);

    int (*user_get)(struct store_connection *connection, int32_t project_id,
                    struct str user_external_id, struct store_user *user);
    int (*user_add)(struct store_connection *writer, int32_t project_id,
                    struct str user_external_id, struct store_user *user);

    int (*order_get)(struct store_connection *connection, int32_t project_id, int32_t order_id,
                     struct store_order *order);
    int (*order_insert)(struct store_connection *writer, const struct store_order *order);
    int (*order_update)(struct store_connection *writer, const struct store_order *order);
    int (*order_advance)(struct store_connection *writer, const struct store_order *order);
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

    int (*endpoint_add)(struct store_connection *writer, struct store_endpoint *endpoint);
    int (*endpoint_update)(struct store_connection *writer, const struct store_endpoint *endpoint);
    int (*endpoint_delete)(struct store_connection *writer, int64_t endpoint_id);
    int (*endpoint_get)(struct store_connection *connection, int64_t endpoint_id,
                        struct store_endpoint *endpoint);
    int (*endpoint_list)(struct store_connection *connection, int32_t project_id, int64_t after,
                         int limit,
                         void (*row)(void *argument, const struct store_endpoint *endpoint),
                         void *argument);

    int (*delivery_add)(struct store_connection *writer, int64_t endpoint_id,
                        const struct store_order *order, int32_t seq, int64_t now_wall,
                        int64_t *delivery_id, bool *waiting);
    int (*delivery_add_body)(struct store_connection *writer, int64_t endpoint_id,
                             int32_t project_id, struct str type, struct str body, int64_t now_wall,
                             int64_t *delivery_id);
    int (*delivery_next)(struct store_connection *connection, int64_t endpoint_id, int limit,
                         void (*row)(void *argument, const struct store_delivery *delivery),
                         void *argument);
    int (*delivery_payload)(struct store_connection *connection, int64_t delivery_id,
                            struct store_delivery_payload *payload);
    int (*delivery_postpone)(struct store_connection *writer, int64_t delivery_id, int32_t step,
                             int64_t next_at);
    int (*delivery_finish)(struct store_connection *writer, int64_t delivery_id,
                           enum store_delivery_state state, int64_t now_wall);
    int (*delivery_retry)(struct store_connection *writer, int64_t delivery_id, int64_t now_wall);
    int (*delivery_get)(struct store_connection *connection, int64_t delivery_id,
                        struct store_delivery *delivery);
    int (*delivery_list)(struct store_connection *connection,
                         const struct store_delivery_filter *filter,
                         void (*row)(void *argument, const struct store_delivery *delivery),
                         void *argument, int64_t *next_before);
    int (*delivery_backlog)(struct store_connection *connection, int64_t endpoint_id,
                            struct store_backlog *backlog);
    /* The DEAD deliveries of an endpoint by rising id, those after `after`, at most `limit`. */
    int (*delivery_list_dead)(struct store_connection *connection, int64_t endpoint_id,
                              int64_t after, int limit,
                              void (*row)(void *argument, const struct store_delivery *delivery),
                              void *argument);

    int (*attempt_add)(struct store_connection *writer, const struct store_attempt *attempt);
    int (*attempt_list)(struct store_connection *connection, int64_t delivery_id,
                        void (*row)(void *argument, const struct store_attempt *attempt),
                        void *argument);

    int (*replay_add)(struct store_connection *writer, struct store_replay *replay);
    int (*replay_get)(struct store_connection *connection, int64_t replay_id,
                      struct store_replay *replay);
    int (*replay_open)(struct store_connection *connection, int limit,
                       void (*row)(void *argument, const struct store_replay *replay),
                       void *argument);
    /* Its cursor, replayed and finished_at. */
    int (*replay_update)(struct store_connection *writer, const struct store_replay *replay);
};

/* How many rows one call of store_order_list or store_delivery_list looks at. */
#define STORE_LIST_SCAN 10000

/* Whether an order passes the filter's status and times; ids and user are the driver's to see to.
 */
bool store_filter_matches(const struct store_order_filter *filter, enum order_status status,
                          int64_t created_at, int64_t updated_at);

/* Whether a delivery passes the whole filter but for `before`. */
bool store_delivery_matches(const struct store_delivery_filter *filter,
                            const struct store_delivery *delivery);

/* Copies bytes into the connection, where they stay until its next look-up begins. */
struct str store_keep(struct store_connection *connection, const void *bytes, size_t length);

/* Draws a new identity at random. */
void store_identity_draw(struct store_identity *identity);

#endif
