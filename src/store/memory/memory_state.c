/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A state of the fake: one sorted array for each table, whose rows are pointers to records that
 * never change. To copy a state is to copy the arrays.
 */
#include "store/memory/memory_internal.h"

#include "base/err.h"
#include "base/mem.h"

#include <string.h>

static int compare_int(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

static int compare_two(int64_t a1, int64_t b1, int64_t a2, int64_t b2)
{
    return a1 != b1 ? compare_int(a1, b1) : compare_int(a2, b2);
}

static int compare_projects(const void *a, const void *b)
{
    const struct store_project *p = a;
    const struct store_project *q = b;
    return compare_int(p->project_id, q->project_id);
}

static int compare_keys(const void *a, const void *b)
{
    const struct key_row *p = a;
    const struct key_row *q = b;
    return compare_two(p->key.created_at, q->key.created_at, p->serial, q->serial);
}

static int compare_revocations(const void *a, const void *b)
{
    const struct revocation_row *p = a;
    const struct revocation_row *q = b;
    return p->project_id != q->project_id ? compare_int(p->project_id, q->project_id)
                                          : str_compare(p->external_id, q->external_id);
}

static int compare_users(const void *a, const void *b)
{
    const struct user_row *p = a;
    const struct user_row *q = b;
    return p->project_id != q->project_id ? compare_int(p->project_id, q->project_id)
                                          : str_compare(p->external_id, q->external_id);
}

static int compare_orders(const void *a, const void *b)
{
    const struct store_order *p = a;
    const struct store_order *q = b;
    return compare_two(p->project_id, q->project_id, p->order_id, q->order_id);
}

static int compare_events(const void *a, const void *b)
{
    const struct event_row *p = a;
    const struct event_row *q = b;
    return p->project_id != q->project_id
               ? compare_int(p->project_id, q->project_id)
               : compare_two(p->order_id, q->order_id, p->event.seq, q->event.seq);
}

static int compare_publications(const void *a, const void *b)
{
    const struct publication_row *p = a;
    const struct publication_row *q = b;
    return compare_two(p->user_id, q->user_id, p->publication.offset, q->publication.offset);
}

static int compare_idempotency(const void *a, const void *b)
{
    const struct store_idempotency *p = a;
    const struct store_idempotency *q = b;
    return p->project_id != q->project_id ? compare_int(p->project_id, q->project_id)
                                          : str_compare(p->key, q->key);
}

static int compare_endpoints(const void *a, const void *b)
{
    const struct store_endpoint *p = a;
    const struct store_endpoint *q = b;
    return compare_int(p->endpoint_id, q->endpoint_id);
}

static int compare_deliveries(const void *a, const void *b)
{
    const struct delivery_row *p = a;
    const struct delivery_row *q = b;
    return compare_int(p->delivery.delivery_id, q->delivery.delivery_id);
}

static int compare_attempts(const void *a, const void *b)
{
    const struct store_attempt *p = a;
    const struct store_attempt *q = b;
    return compare_two(p->delivery_id, q->delivery_id, p->number, q->number);
}

static int compare_replays(const void *a, const void *b)
{
    const struct store_replay *p = a;
    const struct store_replay *q = b;
    return compare_int(p->replay_id, q->replay_id);
}

static int (*const compare[TABLE_COUNT])(const void *a, const void *b) = {
    [PROJECTS] = compare_projects,       [KEYS] = compare_keys,
    [REVOCATIONS] = compare_revocations, [USERS] = compare_users,
    [ORDERS] = compare_orders,           [EVENTS] = compare_events,
    [STREAM] = compare_publications,     [IDEMPOTENCY] = compare_idempotency,
    [ENDPOINTS] = compare_endpoints,     [DELIVERIES] = compare_deliveries,
    [ATTEMPTS] = compare_attempts,       [REPLAYS] = compare_replays,
};

size_t memory_state_place(const struct state *state, enum table table, const void *key)
{
    const struct rows *rows = &state->tables[table];
    size_t low = 0;
    size_t high = rows->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare[table](rows->items[middle], key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The row equal to `key`, or NULL. */
const void *memory_state_find(const struct state *state, enum table table, const void *key)
{
    const struct rows *rows = &state->tables[table];
    size_t place = memory_state_place(state, table, key);
    bool there = place < rows->count && compare[table](rows->items[place], key) == 0;
    return there ? rows->items[place] : NULL;
}

void memory_state_remove(struct rows *rows, size_t place)
{
    rows->count--;
    memmove(&rows->items[place], &rows->items[place + 1],
            (rows->count - place) * sizeof(rows->items[0]));
}

/* Inserts, or replaces the row equal to it. */
void memory_state_put(struct state *state, enum table table, const void *row)
{
    struct rows *rows = &state->tables[table];
    size_t place = memory_state_place(state, table, row);
    if (place < rows->count && compare[table](rows->items[place], row) == 0) {
        rows->items[place] = row;
        return;
    }
    rows->items = mem_realloc(rows->items, (rows->count + 1) * sizeof(rows->items[0]));
    memmove(&rows->items[place + 1], &rows->items[place],
            (rows->count - place) * sizeof(rows->items[0]));
    rows->items[place] = row;
    rows->count++;
}

int memory_state_insert(struct state *state, enum table table, const void *row)
{
    if (memory_state_find(state, table, row))
        return ERR_EXISTS;
    memory_state_put(state, table, row);
    return 0;
}

struct state *memory_state_copy(const struct state *source)
{
    struct state *copy = mem_zalloc(sizeof(*copy));
    copy->references = 1;
    for (size_t i = 0; i < TABLE_COUNT; i++) {
        const struct rows *rows = &source->tables[i];
        if (rows->count == 0)
            continue;
        copy->tables[i].items = mem_dup(rows->items, rows->count * sizeof(rows->items[0]));
        copy->tables[i].count = rows->count;
    }
    return copy;
}

void memory_state_free(struct state *state)
{
    for (size_t i = 0; i < TABLE_COUNT; i++)
        mem_free(state->tables[i].items);
    mem_free(state);
}
