/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the fake share.
 *
 * memory_store.c  the functions of the driver
 * memory_state.c  a state: sorted arrays of pointers to records
 */
#ifndef ORDERWIRE_STORE_MEMORY_MEMORY_INTERNAL_H
#define ORDERWIRE_STORE_MEMORY_MEMORY_INTERNAL_H

#include "store/store.h"

enum table { PROJECTS, KEYS, USERS, ORDERS, EVENTS, STREAM, IDEMPOTENCY, TABLE_COUNT };

struct rows {
    const void **items;
    size_t count;
};

struct state {
    int references; /* under the store's mutex */
    struct rows tables[TABLE_COUNT];
};

/* Rows that are not a public record as it is. */
struct key_row {
    struct store_key key;
    int64_t serial;
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
