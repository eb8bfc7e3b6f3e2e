/* SPDX-License-Identifier: Apache-2.0 */
/* The contract of store.h, against every driver: events, streams, stored answers, pruning. */
#include "store/store_fixture.h"

static void events(void **state)
{
    struct fixture *f = *state;
    int64_t user_id = add_user(f, "u1");
    struct store_order order = make_order(12, user_id, ORDER_DONE);
    struct store_user user;
    const struct store_event rows[] = {
        {1, ORDER_NEW, ORDER_NEW, false, 1, NOW},
        {2, ORDER_PAID, ORDER_NEW, true, 2, NOW + 1},
        {3, ORDER_PAID, ORDER_PAID, false, 0, NOW + 2},
        {4, ORDER_DONE, ORDER_PAID, false, 3, NOW + 3},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        assert_int_equal(store_event_append(f->writer, &order, &rows[i]), 0);
        assert_int_equal(store_user_get(f->reader, PROJECT, STR_LIT("u1"), &user), 0);
        assert_int_equal(user.top, i < 2 ? i + 1 : i);
    }
    assert_int_equal(store_event_append(f->writer, &order, &rows[0]), ERR_EXISTS);
    order.order_id = 13;
    struct store_event other = {1, ORDER_NEW, ORDER_NEW, false, 4, NOW};
    assert_int_equal(store_event_append(f->writer, &order, &other), 0);

    assert_int_equal(store_event_list(f->reader, PROJECT, 12, on_event, f), 0);
    assert_got(f, 1, 2, 3, 4);
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        assert_int_equal(f->events[i].status, rows[i].status);
        assert_int_equal(f->events[i].previous, rows[i].previous);
        assert_int_equal(f->events[i].synthetic, rows[i].synthetic);
        assert_int_equal(f->events[i].offset, rows[i].offset);
        assert_true(f->events[i].occurred_at == rows[i].occurred_at);
    }
    f->count = 0;
    assert_int_equal(store_event_list(f->reader, PROJECT, 99, on_event, f), 0);
    assert_int_equal(f->count, 0);

    assert_int_equal(store_user_get(f->reader, PROJECT, STR_LIT("u1"), &user), 0);
    assert_int_equal(user.top, 4);
    stream(f, f->reader, user_id, 0, 0, false, 10);
    assert_got(f, 1, 2, 3, 4);
    assert_string_equal(f->texts[1], "paid");
}

static void stream_bounds(void **state)
{
    static const struct {
        int32_t after;
        int32_t before;
        bool reverse;
        int limit;
        int32_t expected[8];
    } rows[] = {
        {0, 0, false, 10, {1, 2, 3, 4, 5}},
        {0, 0, true, 10, {5, 4, 3, 2, 1}},
        {2, 0, false, 10, {3, 4, 5}},
        {2, 5, false, 10, {3, 4}},
        {0, 0, false, 2, {1, 2}},
        {0, 0, true, 2, {5, 4}},
        {1, 4, true, 1, {3}},
        {5, 0, false, 10, {0}},
        {9, 0, true, 10, {0}},
        {0, 1, false, 10, {0}},
        {0, 0, false, 0, {0}},
    };
    struct fixture *f = *state;
    int64_t before = add_user(f, "before");
    int64_t user_id = add_user(f, "u1");
    int64_t behind = add_user(f, "behind");
    add_events(f, 2, user_id, 1, 5);
    add_events(f, 1, before, 1, 1);
    add_events(f, 3, behind, 1, 1);
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        stream(f, f->reader, user_id, rows[i].after, rows[i].before, rows[i].reverse,
               rows[i].limit);
        assert_numbers(f, rows[i].expected);
    }
}

static void idempotency(void **state)
{
    struct fixture *f = *state;
    struct store_idempotency record;
    struct store_idempotency put = {.project_id = PROJECT,
                                    .key = STR_LIT("k1"),
                                    .request_hash = {1, 0, 3},
                                    .answer = {"201\0{}", 6},
                                    .expires_at = NOW};
    assert_int_equal(store_idempotency_get(f->reader, PROJECT, STR_LIT("k1"), &record),
                     ERR_NOT_FOUND);
    assert_int_equal(store_idempotency_put(f->writer, &put), 0);
    assert_int_equal(store_idempotency_get(f->reader, PROJECT + 1, STR_LIT("k1"), &record),
                     ERR_NOT_FOUND);
    assert_int_equal(store_idempotency_get(f->reader, PROJECT, STR_LIT("k1"), &record), 0);
    assert_str(record.key, "k1");
    assert_memory_equal(record.request_hash, put.request_hash, STORE_KEY_HASH_SIZE);
    assert_int_equal(record.answer.len, 6);
    assert_memory_equal(record.answer.ptr, "201\0{}", 6);
    assert_true(record.expires_at == NOW);

    put.answer = STR_LIT("");
    put.expires_at = NOW + 5;
    assert_int_equal(store_idempotency_put(f->writer, &put), 0);
    assert_int_equal(store_idempotency_get(f->reader, PROJECT, STR_LIT("k1"), &record), 0);
    assert_int_equal(record.answer.len, 0);
    assert_true(record.expires_at == NOW + 5);
}

static int prune(struct fixture *f, int64_t now_wall, int rows)
{
    int deleted = -1;
    assert_int_equal(store_prune(f->writer, now_wall, rows, &deleted), 0);
    return deleted;
}

/* Steps enough to go round all streams once. */
static int prune_round(struct fixture *f, int64_t now_wall)
{
    int deleted = 0;
    for (int i = 0; i < 20; i++)
        deleted += prune(f, now_wall, 50);
    return deleted;
}

static void prune_by_count(void **state)
{
    struct fixture *f = *state;
    int64_t quiet = add_user(f, "quiet");
    int64_t busy = add_user(f, "busy");
    begin(f);
    add_events(f, 1, quiet, 1, 100);
    add_events(f, 2, busy, 1, 250);
    commit(f);
    prune_round(f, NOW);
    assert_int_equal(stream(f, f->reader, quiet, 0, 0, false, LIST_MAX), 100);
    assert_int_equal(stream(f, f->reader, busy, 0, 0, false, LIST_MAX), 100);
    assert_int_equal(f->numbers[0], 151);
    assert_int_equal(f->numbers[99], 250);
    assert_int_equal(prune_round(f, NOW), 0);
    f->count = 0;
    assert_int_equal(store_event_list(f->reader, PROJECT, 2, on_event, f), 0);
    assert_int_equal(f->count, 250);
}

static void prune_by_age(void **state)
{
    struct fixture *f = *state;
    int64_t user_id = add_user(f, "u1");
    add_events(f, 1, user_id, 1, 10);
    assert_int_equal(prune_round(f, NOW + 7 * DAY), 0);
    assert_int_equal(prune_round(f, NOW + 7 * DAY + 4), 3);
    stream(f, f->reader, user_id, 0, 0, false, 100);
    assert_got(f, 4, 5, 6, 7, 8, 9, 10);
    assert_int_equal(prune_round(f, NOW + 8 * DAY), 7);
    assert_int_equal(stream(f, f->reader, user_id, 0, 0, false, 100), 0);
    struct store_user user;
    assert_int_equal(store_user_get(f->reader, PROJECT, STR_LIT("u1"), &user), 0);
    assert_int_equal(user.top, 10);
}

/* Small steps get round everything, and begin again. */
static void prune_in_steps(void **state)
{
    struct fixture *f = *state;
    int64_t users_ids[3] = {add_user(f, "a"), add_user(f, "b"), add_user(f, "c")};
    for (int32_t i = 0; i < 3; i++)
        add_events(f, i + 1, users_ids[i], 1, 7);
    int most = 0;
    int deleted = 0;
    for (int i = 0; i < 30; i++) {
        int step = prune(f, NOW + 7 * DAY + 6, 4);
        most = step > most ? step : most;
        deleted += step;
    }
    assert_int_equal(deleted, 15);
    assert_in_range(most, 1, 4);
    for (int i = 0; i < 30; i++)
        deleted += prune(f, NOW + 9 * DAY, 4);
    assert_int_equal(deleted, 21);
}

static void prune_idempotency(void **state)
{
    struct fixture *f = *state;
    struct store_idempotency put = {.project_id = PROJECT, .answer = STR_LIT("x")};
    const char *const names[] = {"k1", "k2", "k3"};
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        put.key = str_from(names[i]);
        put.expires_at = NOW + (int64_t)i;
        assert_int_equal(store_idempotency_put(f->writer, &put), 0);
    }
    assert_int_equal(prune(f, NOW - 1, 10), 0);
    assert_int_equal(prune(f, NOW + 1, 10), 2);
    assert_int_equal(store_idempotency_get(f->reader, PROJECT, STR_LIT("k2"), &put), ERR_NOT_FOUND);
    assert_int_equal(store_idempotency_get(f->reader, PROJECT, STR_LIT("k3"), &put), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_EVERY_DRIVER(events),
        ON_EVERY_DRIVER(stream_bounds),
        ON_EVERY_DRIVER(idempotency),
        ON_EVERY_DRIVER(prune_by_count),
        ON_EVERY_DRIVER(prune_by_age),
        ON_EVERY_DRIVER(prune_in_steps),
        ON_EVERY_DRIVER(prune_idempotency),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
