/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the fake share.
 *
 * memory_store.c      the functions of the driver
 * memory_webhooks.c   those of store_webhooks.h
 * memory_state.c      a state: sorted arrays of pointers to records
 */
#ifndef ORDERWIRE_STORE_MEMORY_MEMORY_INTERNAL_H
#define ORDERWIRE_STORE_MEMORY_MEMORY_INTERNAL_H

#include "store/store_driver.h"

#include <pthread.h>

enum table {
    PROJECTS,
    KEYS,
    REVOCATIONS,
    USERS,
    ORDERS,
    EVENTS,
    STREAM,
    IDEMPOTENCY,
    ENDPOINTS,
    DELIVERIES,
    ATTEMPTS,
    REPLAYS,
    TABLE_COUNT
};

struct rows {
    const void **items;
    size_t count;
};

struct state {
    int references; /* under the store's mutex */
    struct rows tables[TABLE_COUNT];
};

struct record;

struct memory_store {
    struct store base;
    pthread_mutex_t mutex; /* of `committed` and of all counts of references */
    struct state *committed;
    struct record *records; /* only the writer adds */
    int64_t last_user_id;
    int64_t last_key;
    int64_t last_webhook_id; /* of endpoints, deliveries and replays */
};

struct memory_connection {
    struct store_connection base;
    struct state *state; /* inside of a transaction or call */
    size_t prune_at;
    int64_t prune_delivery; /* the last delivery that a prune looked at */
};

/* Rows that are not a public record as it is. */
struct key_row {
    struct store_key key;
    int64_t serial;
};

struct revocation_row {
    int32_t project_id;
    struct str external_id; /* empty: all users */
    int64_t before;
};

struct user_row {
    int32_t project_id;
    struct str external_id;
    struct store_user user;
};

struct event_row {
    int32_t project_id;
    int32_t order_id;
    struct store_event event;
};

struct publication_row {
    int64_t user_id;
    struct store_publication publication;
};

struct delivery_row {
    struct store_delivery delivery;
    bool is_free;
    struct str content; /* of the order at the moment; its texts are shared */
    struct str custom_parameters;
    struct str cancel_reason;
    struct str body;
};

/* A record that lives until the store is closed. */
void *memory_store_record(struct store_connection *writer, const void *source, size_t size);
struct str memory_store_text(struct store_connection *writer, struct str text);
/* A text given to the caller. */
struct str memory_store_keep(struct store_connection *connection, struct str text);
/* The state that a call sees; between the two calls nothing of it goes away. */
const struct state *memory_store_enter(struct store_connection *connection);
void memory_store_leave(struct store_connection *connection);
/* The writer's own copy: store.c calls changes inside of a transaction only. */
struct state *memory_store_working(struct store_connection *writer);
/* Its row, or NULL. */
const struct store_order *memory_store_order(const struct state *state, int32_t project_id,
                                             int32_t order_id);
const struct user_row *memory_store_user(const struct state *state, int64_t user_id);

/* The place of the first row that is not below `key`. */
size_t memory_state_place(const struct state *state, enum table table, const void *key);
/* The row of a table that is equal to `key`, a row with the fields that order the table; or NULL. */
const void *memory_state_find(const struct state *state, enum table table, const void *key);
/* Inserts, or replaces the row equal to it. Rows are not copied, and outlive the state. */
void memory_state_put(struct state *state, enum table table, const void *row);
/* ERR_EXISTS when there is one. */
NODISCARD int memory_state_insert(struct state *state, enum table table, const void *row);
void memory_state_remove(struct rows *rows, size_t place);

/* A state with the same rows, held once. */
struct state *memory_state_copy(const struct state *source);
void memory_state_free(struct state *state);

#endif
