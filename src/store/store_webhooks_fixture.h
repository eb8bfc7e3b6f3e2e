/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of store_webhooks.h have beside the world of store_fixture.h. */
#ifndef ORDERWIRE_STORE_STORE_WEBHOOKS_FIXTURE_H
#define ORDERWIRE_STORE_STORE_WEBHOOKS_FIXTURE_H

#include "store/store_fixture.h"
#include "store/store_webhooks.h"

/* The rows that the last list gave. */
struct deliveries {
    struct store_delivery rows[LIST_MAX];
    size_t count;
};

static inline int64_t add_endpoint(struct fixture *f, int32_t project_id)
{
    struct store_endpoint endpoint = {
        .project_id = project_id, .settings = STR_LIT("{}"), .created_at = NOW, .updated_at = NOW};
    assert_int_equal(store_endpoint_add(f->writer, &endpoint), 0);
    assert_true(endpoint.endpoint_id > 0);
    return endpoint.endpoint_id;
}

/* One delivery of an event of an order that is there; `waiting` is what must come of it. */
static inline int64_t deliver(struct fixture *f, int64_t endpoint_id, int32_t order_id, int32_t seq,
                              int64_t now_wall, bool waiting)
{
    struct store_order order = make_order(order_id, 1, ORDER_NEW);
    int64_t delivery_id = 0;
    bool is_waiting = !waiting;
    assert_int_equal(store_delivery_add(f->writer, endpoint_id, &order, seq, now_wall, &delivery_id,
                                        &is_waiting),
                     0);
    assert_int_equal(is_waiting, waiting);
    return delivery_id;
}

static inline int64_t deliver_body(struct fixture *f, int64_t endpoint_id, int64_t now_wall)
{
    int64_t delivery_id = 0;
    assert_int_equal(store_delivery_add_body(f->writer, endpoint_id, PROJECT, STR_LIT("example"),
                                             STR_LIT("{}"), now_wall, &delivery_id),
                     0);
    return delivery_id;
}

static inline void finish(struct fixture *f, int64_t delivery_id, enum store_delivery_state state,
                          int64_t now_wall)
{
    assert_int_equal(store_delivery_finish(f->writer, delivery_id, state, now_wall), 0);
}

static inline struct store_delivery get(struct fixture *f, int64_t delivery_id)
{
    struct store_delivery delivery = {0};
    assert_int_equal(store_delivery_get(f->reader, delivery_id, &delivery), 0);
    assert_true(delivery.delivery_id == delivery_id);
    return delivery;
}

static inline void assert_state(struct fixture *f, int64_t delivery_id,
                                enum store_delivery_state state)
{
    assert_int_equal(get(f, delivery_id).state, state);
}

static inline void on_delivery(void *argument, const struct store_delivery *delivery)
{
    struct deliveries *got_deliveries = argument;
    assert_true(got_deliveries->count < LIST_MAX);
    got_deliveries->rows[got_deliveries->count++] = *delivery;
}

static inline void assert_ids(const struct deliveries *got_deliveries, const int64_t *expected)
{
    size_t i = 0;
    for (; expected[i]; i++) {
        assert_true(i < got_deliveries->count);
        assert_int_equal(got_deliveries->rows[i].delivery_id, expected[i]);
    }
    assert_int_equal(got_deliveries->count, i);
}

/* The ids that wait for an endpoint, in order. */
#define assert_waiting(f, endpoint_id, limit, ...)                                                 \
    do {                                                                                           \
        struct deliveries next_ = {.count = 0};                                                    \
        assert_int_equal(                                                                          \
            store_delivery_next((f)->reader, endpoint_id, limit, on_delivery, &next_), 0);         \
        assert_ids(&next_, (const int64_t[]){__VA_ARGS__, 0});                                     \
    } while (0)
#define NONE 0

static inline void assert_backlog(struct fixture *f, int64_t endpoint_id, int64_t count,
                                  int64_t oldest_at)
{
    struct store_backlog backlog;
    assert_int_equal(store_delivery_backlog(f->reader, endpoint_id, &backlog), 0);
    assert_int_equal(backlog.count, count);
    assert_int_equal(backlog.oldest_at, oldest_at);
}

static inline void attempt(struct fixture *f, int64_t delivery_id, int32_t status)
{
    struct store_attempt made = {
        .delivery_id = delivery_id, .started_at = NOW, .duration_us = 5, .status = status};
    assert_int_equal(store_attempt_add(f->writer, &made), 0);
}

static inline void on_attempt(void *argument, const struct store_attempt *made)
{
    got = argument;
    collect(made->number, made->body);
}

static inline size_t attempts_of(struct fixture *f, int64_t delivery_id)
{
    f->count = 0;
    assert_int_equal(store_attempt_list(f->reader, delivery_id, on_attempt, f), 0);
    return f->count;
}

static inline int prune(struct fixture *f, int64_t now_wall, int rows)
{
    int deleted = -1;
    assert_int_equal(store_prune(f->writer, now_wall, rows, &deleted), 0);
    return deleted;
}

#endif
