/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The contract of store_webhooks.h, against every driver: attempts, lists, the backlog, replays,
 * what is cleared; and a random walk over all of them that looks for a lane out of order.
 */
#include "store/store_webhooks_fixture.h"

static void add_orders(struct fixture *f, int32_t count)
{
    int64_t user_id = add_user(f, "u1");
    for (int32_t id = 1; id <= count; id++)
        add_order(f, id, user_id, ORDER_NEW);
}

static struct store_attempt made[2] = {
    {.started_at = NOW,
     .duration_us = 1234567,
     .status = 503,
     .error = STR_LIT(""),
     .address = STR_LIT("192.0.2.1:443"),
     .headers = STR_LIT("retry-after: 5\nx: \xff"),
     .body = STR_LIT("\0\xff busy")},
    {.started_at = NOW + 9,
     .error = STR_LIT("connection refused"),
     .address = STR_LIT(""),
     .headers = STR_LIT(""),
     .body = STR_LIT("")},
};

static void on_made(void *argument, const struct store_attempt *attempt)
{
    int *number = argument;
    const struct store_attempt *expected = &made[*number];
    assert_true(attempt->delivery_id == expected->delivery_id);
    assert_int_equal(attempt->number, ++*number);
    assert_true(attempt->started_at == expected->started_at);
    assert_true(attempt->duration_us == expected->duration_us);
    assert_int_equal(attempt->status, expected->status);
    assert_true(str_equal(attempt->error, expected->error));
    assert_true(str_equal(attempt->address, expected->address));
    assert_true(str_equal(attempt->headers, expected->headers));
    assert_true(str_equal(attempt->body, expected->body));
}

static void attempts_are_kept(void **state)
{
    struct fixture *f = *state;
    int64_t e = add_endpoint(f, PROJECT);
    int number = 0;
    add_orders(f, 2);
    int64_t before = deliver(f, e, 1, 1, NOW, true);
    int64_t delivery_id = deliver(f, e, 2, 1, NOW, true);
    int64_t behind = deliver(f, e, 2, 2, NOW, false);
    attempt(f, before, 200);
    for (size_t i = 0; i < ARRAY_LENGTH(made); i++) {
        made[i].delivery_id = delivery_id;
        made[i].number = 77;
        assert_int_equal(store_attempt_add(f->writer, &made[i]), 0);
        assert_int_equal(get(f, delivery_id).attempts, i + 1);
    }
    attempt(f, behind, 200);
    assert_int_equal(store_attempt_list(f->reader, delivery_id, on_made, &number), 0);
    assert_int_equal(number, 2);
    assert_int_equal(attempts_of(f, before), 1);
    assert_int_equal(attempts_of(f, behind), 1);
    assert_int_equal(attempts_of(f, behind + 1000), 0);
    made[0].delivery_id = behind + 1000;
    assert_int_equal(store_attempt_add(f->writer, &made[0]), ERR_NOT_FOUND);
    assert_int_equal(attempts_of(f, behind + 1000), 0);
}

/* The next page of a filter, which goes on behind it. */
static void next_page(struct fixture *f, struct store_delivery_filter *filter,
                      struct deliveries *listed)
{
    int64_t next_before = -1;
    listed->count = 0;
    assert_int_equal(store_delivery_list(f->reader, filter, on_delivery, listed, &next_before), 0);
    filter->before = next_before;
}

/* What the list is made from: endpoint, order (0: none), state, moment. */
static const struct row {
    int endpoint;
    int32_t order_id;
    enum store_delivery_state state;
    int64_t created_at;
} rows[] = {
    {0, 1, STORE_DELIVERY_DELIVERED, NOW},       {1, 1, STORE_DELIVERY_DEAD, NOW},
    {0, 1, STORE_DELIVERY_DEAD, NOW + 10},       {0, 2, STORE_DELIVERY_WAITING, NOW + 20},
    {0, 2, STORE_DELIVERY_BLOCKED, NOW + 30},    {2, 0, STORE_DELIVERY_WAITING, NOW + 40},
    {0, 0, STORE_DELIVERY_SUPERSEDED, NOW + 50},
};

static void add_rows(struct fixture *f, const int64_t endpoints[3], int64_t *ids)
{
    add_orders(f, 2);
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        int64_t endpoint_id = endpoints[rows[i].endpoint];
        if (rows[i].order_id == 0)
            assert_int_equal(store_delivery_add_body(
                                 f->writer, endpoint_id, rows[i].endpoint == 2 ? 5 : PROJECT,
                                 STR_LIT("example"), STR_LIT("{}"), rows[i].created_at, &ids[i]),
                             0);
        else
            ids[i] = deliver(f, endpoint_id, rows[i].order_id, (int32_t)i + 1, rows[i].created_at,
                             rows[i].state != STORE_DELIVERY_BLOCKED);
        if (rows[i].state >= STORE_DELIVERY_DELIVERED)
            finish(f, ids[i], rows[i].state, NOW + 60);
    }
}

/* `expected` are places in `rows`, ended by -1. */
static void assert_listed(struct fixture *f, const struct store_delivery_filter *filter,
                          const int64_t *ids, const int *expected)
{
    struct deliveries listed = {.count = 0};
    int64_t wanted[ARRAY_LENGTH(rows) + 1] = {0};
    int64_t next_before = -1;
    for (size_t i = 0; expected[i] >= 0; i++)
        wanted[i] = ids[expected[i]];
    assert_int_equal(store_delivery_list(f->reader, filter, on_delivery, &listed, &next_before), 0);
    assert_ids(&listed, wanted);
    assert_true(next_before == 0);
}

static void listed_by_filter(void **state)
{
    static const struct {
        struct store_delivery_filter filter; /* endpoint_id: place plus 1 */
        int expected[ARRAY_LENGTH(rows) + 1];
    } cases[] = {
        {{.project_id = PROJECT, .state = -1}, {6, 4, 3, 2, 1, 0, -1}},
        {{.project_id = 5, .state = -1}, {5, -1}},
        {{.project_id = 6, .state = -1}, {-1}},
        {{.project_id = PROJECT, .endpoint_id = 1, .state = -1}, {6, 4, 3, 2, 0, -1}},
        {{.project_id = PROJECT, .endpoint_id = 3, .state = -1}, {-1}},
        {{.project_id = PROJECT, .order_id = 1, .state = -1}, {2, 1, 0, -1}},
        {{.project_id = PROJECT, .order_id = 1, .endpoint_id = 2, .state = -1}, {1, -1}},
        {{.project_id = 5, .order_id = 1, .state = -1}, {-1}},
        {{.project_id = PROJECT, .state = STORE_DELIVERY_DEAD}, {2, 1, -1}},
        {{.project_id = PROJECT, .endpoint_id = 1, .state = STORE_DELIVERY_DEAD}, {2, -1}},
        {{.project_id = 5, .endpoint_id = 1, .state = STORE_DELIVERY_DEAD}, {-1}},
        {{.project_id = PROJECT, .endpoint_id = 1, .state = STORE_DELIVERY_BLOCKED}, {4, -1}},
        {{.project_id = PROJECT, .endpoint_id = 1, .state = STORE_DELIVERY_WAITING}, {3, -1}},
        {{.project_id = PROJECT, .state = -1, .created_from = NOW + 20}, {6, 4, 3, -1}},
        {{.project_id = PROJECT, .state = -1, .created_until = NOW + 20}, {2, 1, 0, -1}},
        {{.project_id = PROJECT,
          .endpoint_id = 1,
          .state = STORE_DELIVERY_DEAD,
          .created_from = NOW + 10,
          .created_until = NOW + 11},
         {2, -1}},
    };
    struct fixture *f = *state;
    int64_t ids[ARRAY_LENGTH(rows)];
    int64_t endpoints[3];
    for (size_t i = 0; i < ARRAY_LENGTH(endpoints); i++)
        endpoints[i] = add_endpoint(f, PROJECT);
    add_rows(f, endpoints, ids);
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct store_delivery_filter filter = cases[i].filter;
        filter.limit = 10;
        if (filter.endpoint_id)
            filter.endpoint_id = endpoints[filter.endpoint_id - 1];
        assert_listed(f, &filter, ids, cases[i].expected);
    }
}

static void listed_in_pages(void **state)
{
    struct fixture *f = *state;
    int64_t e = add_endpoint(f, PROJECT);
    int64_t other = add_endpoint(f, PROJECT);
    int64_t ids[6];
    add_orders(f, 1);
    for (int32_t i = 0; i < 6; i++) {
        ids[i] = deliver(f, e, 1, i + 1, NOW, true);
        finish(f, ids[i], STORE_DELIVERY_DEAD, NOW);
        deliver_body(f, other, NOW);
    }
    const struct store_delivery_filter filters[] = {
        {.project_id = PROJECT, .order_id = 1, .state = -1, .limit = 4},
        {.project_id = PROJECT, .endpoint_id = e, .state = -1, .limit = 4},
        {.project_id = PROJECT, .endpoint_id = e, .state = STORE_DELIVERY_DEAD, .limit = 4},
        {.project_id = PROJECT, .state = STORE_DELIVERY_DEAD, .limit = 4},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(filters); i++) {
        struct store_delivery_filter filter = filters[i];
        struct deliveries listed = {.count = 0};
        next_page(f, &filter, &listed);
        assert_ids(&listed, (const int64_t[]){ids[5], ids[4], ids[3], ids[2], 0});
        assert_true(filter.before > ids[1] && filter.before <= ids[2]);
        next_page(f, &filter, &listed);
        assert_ids(&listed, (const int64_t[]){ids[1], ids[0], 0});
        assert_true(filter.before == 0);
    }
}

/* A list that finds nothing for long stops, and says where it goes on. */
static void listed_in_bounds(void **state)
{
    struct fixture *f = *state;
    struct store_delivery_filter filter = {.project_id = PROJECT, .state = 4, .limit = 10};
    struct deliveries listed = {.count = 0};
    int64_t e = add_endpoint(f, PROJECT);
    begin(f);
    int64_t first = deliver_body(f, e, NOW);
    finish(f, first, STORE_DELIVERY_SUPERSEDED, NOW);
    int64_t second = deliver_body(f, e, NOW);
    for (int i = 1; i < 10000; i++)
        deliver_body(f, e, NOW);
    commit(f);
    next_page(f, &filter, &listed);
    assert_int_equal(listed.count, 0);
    assert_true(filter.before == second);
    next_page(f, &filter, &listed);
    assert_ids(&listed, (const int64_t[]){first, 0});
    assert_true(filter.before == 0);
}

static void backlog(void **state)
{
    struct fixture *f = *state;
    int64_t e = add_endpoint(f, PROJECT);
    int64_t other = add_endpoint(f, PROJECT);
    add_orders(f, 2);
    assert_backlog(f, 0, 0, 0);
    assert_backlog(f, e, 0, 0);
    int64_t first = deliver(f, e, 1, 1, NOW + 5, true);
    begin(f);
    int64_t second = deliver(f, e, 1, 2, NOW + 6, false);
    int64_t third = deliver_body(f, e, NOW + 7);
    int64_t fourth = deliver(f, other, 1, 1, NOW + 8, true);
    struct store_backlog inside;
    assert_int_equal(store_delivery_backlog(f->writer, e, &inside), 0);
    assert_int_equal(inside.count, 3);
    assert_backlog(f, e, 1, NOW + 5);
    commit(f);
    assert_backlog(f, e, 3, NOW + 5);
    assert_backlog(f, other, 1, NOW + 8);
    assert_backlog(f, 0, 4, NOW + 5);
    assert_int_equal(store_delivery_postpone(f->writer, first, 1, NOW + 500), 0);
    assert_backlog(f, e, 3, NOW + 5);
    finish(f, first, STORE_DELIVERY_DEAD, NOW + 9);
    assert_backlog(f, e, 2, NOW + 6);
    finish(f, second, STORE_DELIVERY_DELIVERED, NOW + 9);
    finish(f, third, STORE_DELIVERY_SUPERSEDED, NOW + 9);
    assert_backlog(f, e, 0, 0);
    assert_backlog(f, 0, 1, NOW + 8);
    assert_int_equal(store_delivery_retry(f->writer, first, NOW + 10), 0);
    assert_backlog(f, e, 1, NOW + 5);
    assert_backlog(f, 0, 2, NOW + 5);
    finish(f, fourth, STORE_DELIVERY_DELIVERED, NOW + 11);
    assert_backlog(f, other, 0, 0);
    assert_backlog(f, other + 100, 0, 0);
}

/* More endpoints in one transaction than are kept before they are written. */
static void backlog_of_many_endpoints(void **state)
{
    struct fixture *f = *state;
    int64_t endpoints[150];
    begin(f);
    for (size_t i = 0; i < ARRAY_LENGTH(endpoints); i++)
        endpoints[i] = add_endpoint(f, PROJECT);
    for (int round = 1; round <= 2; round++)
        for (size_t i = 0; i < ARRAY_LENGTH(endpoints); i++)
            deliver_body(f, endpoints[i], NOW + round);
    commit(f);
    for (size_t i = 0; i < ARRAY_LENGTH(endpoints); i++)
        assert_backlog(f, endpoints[i], 2, NOW + 1);
    assert_backlog(f, 0, 300, NOW + 1);
}

static void on_replay(void *argument, const struct store_replay *replay)
{
    got = argument;
    collect((int32_t)replay->replay_id, STR_LIT(""));
}

static int64_t add_replay(struct fixture *f, int64_t endpoint_id, int64_t since, int64_t until)
{
    struct store_replay replay = {.project_id = PROJECT,
                                  .endpoint_id = endpoint_id,
                                  .since = since,
                                  .until = until,
                                  .created_at = until};
    assert_int_equal(store_replay_add(f->writer, &replay), 0);
    assert_true(replay.replay_id > 0);
    return replay.replay_id;
}

/* One step; what it says is what is stored. */
static struct store_replay step(struct fixture *f, int64_t replay_id, int rows_wanted,
                                int64_t replayed)
{
    struct store_replay replay;
    struct store_replay stored;
    assert_int_equal(store_replay_step(f->writer, replay_id, rows_wanted, NOW + 1000, &replay), 0);
    assert_int_equal(store_replay_get(f->reader, replay_id, &stored), 0);
    assert_true(stored.replayed == replay.replayed && stored.cursor == replay.cursor &&
                stored.finished_at == replay.finished_at);
    assert_int_equal(replay.replayed, replayed);
    return replay;
}

static void replay_round_trip(void **state)
{
    struct fixture *f = *state;
    struct store_replay replay;
    assert_int_equal(store_replay_get(f->reader, 1, &replay), ERR_NOT_FOUND);
    assert_int_equal(store_replay_step(f->writer, 1, 10, NOW, &replay), ERR_NOT_FOUND);
    int64_t e = add_endpoint(f, PROJECT);
    int32_t first = (int32_t)add_replay(f, e, NOW - 5, NOW);
    int32_t second = (int32_t)add_replay(f, e + 1, 0, NOW);
    int32_t third = (int32_t)add_replay(f, e, 0, NOW);
    assert_int_equal(store_replay_get(f->reader, first, &replay), 0);
    assert_int_equal(replay.project_id, PROJECT);
    assert_true(replay.replay_id == first && replay.endpoint_id == e && replay.since == NOW - 5 &&
                replay.until == NOW && replay.cursor == 0 && replay.replayed == 0 &&
                replay.finished_at == 0 && replay.created_at == NOW);
    assert_int_equal(store_replay_open(f->reader, 2, on_replay, f), 0);
    assert_got(f, first, second);
    assert_true(step(f, first, 10, 0).finished_at == NOW + 1000);
    f->count = 0;
    assert_int_equal(store_replay_open(f->reader, 10, on_replay, f), 0);
    assert_got(f, second, third);
    assert_int_equal(store_replay_step(f->writer, first, 10, NOW + 2000, &replay), 0);
    assert_true(replay.finished_at == NOW + 1000);
    finish(f, deliver_body(f, e, NOW), STORE_DELIVERY_DEAD, NOW);
    assert_true(step(f, third, 2, 1).finished_at == NOW + 1000);
}

/* Created at NOW, NOW + 1, …; all are dead by `failed_at` but the two last. */
static void fail_deliveries(struct fixture *f, int64_t endpoint_id, int64_t *ids, int count,
                            int64_t failed_at)
{
    for (int i = 0; i < count; i++) {
        ids[i] = deliver_body(f, endpoint_id, NOW + i);
        if (i < count - 2)
            finish(f, ids[i], STORE_DELIVERY_DEAD, failed_at);
    }
}

static void replayed_since(void **state)
{
    struct fixture *f = *state;
    int64_t e = add_endpoint(f, PROJECT);
    int64_t other = add_endpoint(f, PROJECT);
    int64_t ids[9];
    int64_t beside[3];
    fail_deliveries(f, e, ids, 9, NOW + 50);
    fail_deliveries(f, other, beside, 3, NOW + 50);
    finish(f, ids[7], STORE_DELIVERY_DELIVERED, NOW + 50);
    int64_t replay_id = add_replay(f, e, NOW + 2, NOW + 100);
    finish(f, ids[8], STORE_DELIVERY_DEAD, NOW + 101);

    struct store_replay replay = step(f, replay_id, 2, 2);
    assert_true(replay.finished_at == 0);
    assert_true(replay.cursor == ids[3]);
    assert_waiting(f, e, 10, ids[2], ids[3]);
    assert_true(get(f, ids[2]).next_at == NOW + 1000);
    /* One that fails again is not sent a third time, one that was sent again by hand not twice. */
    finish(f, ids[2], STORE_DELIVERY_DEAD, NOW + 60);
    assert_int_equal(store_delivery_retry(f->writer, ids[4], NOW + 200), 0);
    if (f->driver == &store_sqlite) {
        close_fixture(f);
        open_fixture(f);
    }
    replay = step(f, replay_id, 2, 4);
    assert_true(replay.finished_at == 0);
    replay = step(f, replay_id, 2, 4);
    assert_true(replay.finished_at == NOW + 1000);
    assert_waiting(f, e, 10, ids[4], ids[3], ids[5], ids[6]);
    for (size_t i = 0; i <= 2; i++)
        assert_state(f, ids[i], STORE_DELIVERY_DEAD);
    assert_state(f, ids[8], STORE_DELIVERY_DEAD);
    assert_state(f, beside[0], STORE_DELIVERY_DEAD);
    assert_backlog(f, e, 4, NOW + 3);
}

/* A step ends although what it looks for is far away; and what is gone is not counted. */
static void replay_steps_are_bounded(void **state)
{
    struct fixture *f = *state;
    int64_t e = add_endpoint(f, PROJECT);
    begin(f);
    for (int i = 0; i < 2001; i++)
        finish(f, deliver_body(f, e, NOW), STORE_DELIVERY_DEAD, NOW);
    int64_t last = deliver_body(f, e, NOW + 1);
    finish(f, last, STORE_DELIVERY_DEAD, NOW + 1);
    commit(f);
    int64_t replay_id = add_replay(f, e, NOW + 1, NOW + 2);
    assert_true(step(f, replay_id, 50, 0).finished_at == 0);
    assert_true(step(f, replay_id, 50, 1).finished_at != 0);
    assert_waiting(f, e, 10, last);
    finish(f, last, STORE_DELIVERY_DEAD, NOW + 1);
    assert_int_equal(store_endpoint_delete(f->writer, e), 0);
    replay_id = add_replay(f, e, NOW + 1, NOW + 2);
    assert_true(step(f, replay_id, 3000, 0).finished_at == 0);
    assert_true(step(f, replay_id, 3000, 0).finished_at != 0);
    assert_state(f, last, STORE_DELIVERY_DEAD);
}

static void finished_ones_are_cleared(void **state)
{
    struct fixture *f = *state;
    struct store_delivery delivery;
    f->options.deliveries_max_age = DAY;
    int64_t e = add_endpoint(f, PROJECT);
    add_orders(f, 3);
    int64_t old = deliver(f, e, 1, 1, NOW, true);
    int64_t under_way = deliver(f, e, 2, 1, NOW, true);
    int64_t late = deliver(f, e, 3, 1, NOW, true);
    int64_t body = deliver_body(f, e, NOW);
    int64_t newest = deliver(f, e, 1, 2, NOW + 2 * DAY, false);
    const int64_t all[] = {old, under_way, late, body, newest};
    for (size_t i = 0; i < ARRAY_LENGTH(all); i++)
        attempt(f, all[i], 200);
    finish(f, old, STORE_DELIVERY_DELIVERED, NOW + 9);
    finish(f, late, STORE_DELIVERY_DEAD, NOW + 2 * DAY);
    finish(f, body, STORE_DELIVERY_SUPERSEDED, NOW + 9);

    assert_int_equal(prune(f, NOW + 9 + DAY, 100), 0);
    assert_int_equal(prune(f, NOW + 10 + DAY, 100), 2);
    assert_int_equal(store_delivery_get(f->reader, old, &delivery), ERR_NOT_FOUND);
    assert_int_equal(store_delivery_get(f->reader, body, &delivery), ERR_NOT_FOUND);
    assert_int_equal(attempts_of(f, old), 0);
    const int64_t kept[] = {under_way, late, newest};
    for (size_t i = 0; i < ARRAY_LENGTH(kept); i++)
        assert_int_equal(attempts_of(f, kept[i]), get(f, kept[i]).attempts);
    assert_int_equal(prune(f, NOW + 2 * DAY, 100), 0);
    assert_int_equal(prune(f, NOW + 4 * DAY, 100), 1);
    assert_int_equal(prune(f, NOW + 99 * DAY, 100), 0);
    assert_waiting(f, e, 10, under_way, newest);
    assert_backlog(f, e, 2, NOW);
}

static void nothing_is_cleared_without_an_age(void **state)
{
    struct fixture *f = *state;
    int64_t delivery_id = deliver_body(f, add_endpoint(f, PROJECT), NOW);
    finish(f, delivery_id, STORE_DELIVERY_DELIVERED, NOW);
    (void)deliver_body(f, 1, NOW);
    assert_int_equal(prune(f, NOW + 9999 * DAY, 100), 0);
    assert_state(f, delivery_id, STORE_DELIVERY_DELIVERED);
}

/* What is kept, old or young, does not keep steps from reaching the rest. */
static void cleared_in_small_steps(void **state)
{
    struct fixture *f = *state;
    f->options.deliveries_max_age = DAY;
    int64_t e = add_endpoint(f, PROJECT);
    int deleted = 0;
    begin(f);
    for (int i = 0; i < 100; i++) {
        int64_t delivery_id = deliver_body(f, e, i == 49 ? NOW + 900 * DAY : NOW);
        if (i % 3 != 0)
            finish(f, delivery_id, STORE_DELIVERY_DELIVERED, NOW);
    }
    commit(f);
    for (int i = 0; i < 10; i++) {
        int now_deleted = prune(f, NOW + 2 * DAY, 10);
        assert_in_range(now_deleted, 0, 10);
        deleted += now_deleted;
    }
    assert_int_equal(deleted, 66);
    assert_backlog(f, e, 34, NOW);
}

static void deliveries_of_deleted_endpoints_die(void **state)
{
    struct fixture *f = *state;
    struct deliveries listed = {.count = 0};
    struct store_delivery_filter filter = {
        .project_id = PROJECT, .state = STORE_DELIVERY_DEAD, .limit = 100};
    int64_t e = add_endpoint(f, PROJECT);
    int64_t kept = add_endpoint(f, PROJECT);
    add_orders(f, 6);
    for (int32_t order_id = 1; order_id <= 6; order_id++) {
        (void)deliver(f, e, order_id, 1, NOW, true);
        (void)deliver(f, e, order_id, 2, NOW, false);
        (void)deliver(f, kept, order_id, 2, NOW, true);
    }
    assert_int_equal(store_endpoint_delete(f->writer, e), 0);
    int dead = 0;
    for (int i = 0; i < 8; i++) {
        int now_dead = prune(f, NOW + 7, 4);
        assert_in_range(now_dead, 0, 4);
        dead += now_dead;
    }
    assert_int_equal(dead, 12);
    filter.endpoint_id = e;
    next_page(f, &filter, &listed);
    assert_int_equal(listed.count, 12);
    assert_true(listed.rows[0].finished_at == NOW + 7);
    assert_backlog(f, e, 0, 0);
    assert_backlog(f, kept, 6, NOW);
    assert_backlog(f, 0, 6, NOW);
}

/* One that is gone is found behind many that are not. */
static void deleted_endpoint_among_many(void **state)
{
    struct fixture *f = *state;
    int64_t endpoints[70];
    int64_t delivery_id = 0;
    begin(f);
    for (size_t i = 0; i < ARRAY_LENGTH(endpoints); i++) {
        endpoints[i] = add_endpoint(f, PROJECT);
        delivery_id = deliver_body(f, endpoints[i], NOW);
    }
    commit(f);
    assert_int_equal(store_endpoint_delete(f->writer, endpoints[ARRAY_LENGTH(endpoints) - 1]), 0);
    for (int i = 0; i < 4; i++)
        (void)prune(f, NOW, 100);
    assert_state(f, delivery_id, STORE_DELIVERY_DEAD);
    assert_backlog(f, 0, ARRAY_LENGTH(endpoints) - 1, NOW);
}

static void finished_replays_are_cleared(void **state)
{
    struct fixture *f = *state;
    struct store_replay replay;
    f->options.deliveries_max_age = DAY;
    int64_t done = add_replay(f, 1, 0, NOW);
    int64_t open = add_replay(f, 1, 0, NOW);
    (void)step(f, done, 10, 0);
    assert_int_equal(prune(f, NOW + 1000 + DAY, 10), 0);
    assert_int_equal(prune(f, NOW + 1001 + DAY, 10), 1);
    assert_int_equal(store_replay_get(f->reader, done, &replay), ERR_NOT_FOUND);
    assert_int_equal(store_replay_get(f->reader, open, &replay), 0);
}

/* Of each lane that is not empty exactly one waits, and the backlog is what the list says. */
static void assert_lanes(struct fixture *f, int64_t first_endpoint, int orders)
{
    static struct deliveries listed;
    int waiting[2][8] = {{0}};
    int open[2][8] = {{0}};
    int64_t next_before;
    struct store_delivery_filter filter = {.project_id = PROJECT, .state = -1, .limit = LIST_MAX};
    listed.count = 0;
    assert_int_equal(store_delivery_list(f->reader, &filter, on_delivery, &listed, &next_before),
                     0);
    for (size_t i = 0; i < listed.count; i++) {
        const struct store_delivery *row = &listed.rows[i];
        open[row->endpoint_id - first_endpoint][row->order_id] +=
            row->state < STORE_DELIVERY_DELIVERED;
        waiting[row->endpoint_id - first_endpoint][row->order_id] +=
            row->state == STORE_DELIVERY_WAITING;
    }
    for (int e = 0; e < 2; e++) {
        struct store_backlog stored;
        int count = 0;
        for (int order_id = 1; order_id <= orders; order_id++) {
            assert_int_equal(waiting[e][order_id], open[e][order_id] > 0);
            count += open[e][order_id];
        }
        assert_int_equal(store_delivery_backlog(f->reader, first_endpoint + e, &stored), 0);
        assert_int_equal(stored.count, count);
    }
}

static void random_walk(void **state)
{
    enum { STEPS = 400, ORDERS = 3 };
    struct fixture *f = *state;
    int64_t ids[STEPS];
    int count = 0;
    uint32_t draw = 12345;
    int64_t first_endpoint = add_endpoint(f, PROJECT);
    (void)add_endpoint(f, PROJECT);
    add_orders(f, ORDERS);
    for (int i = 0; i < STEPS; i++) {
        draw = draw * 1664525 + 1013904223;
        uint32_t what = draw >> 8;
        struct store_order order = make_order((int32_t)(what % ORDERS) + 1, 1, ORDER_NEW);
        int64_t delivery_id = count > 0 ? ids[what % (uint32_t)count] : 0;
        bool waiting;
        if (i % 16 == 0)
            begin(f);
        if (what / 1000 % 3 == 0)
            assert_int_equal(store_delivery_add(f->writer, first_endpoint + what / 100 % 2, &order,
                                                i + 1, NOW + i, &ids[count++], &waiting),
                             0);
        else if (what / 1000 % 3 == 1)
            assert_in_range(-store_delivery_finish(f->writer, delivery_id,
                                                   STORE_DELIVERY_DELIVERED + what / 7 % 3,
                                                   NOW + i),
                            0, -ERR_NOT_FOUND);
        else
            assert_in_range(-store_delivery_retry(f->writer, delivery_id, NOW + i), 0,
                            -ERR_NOT_FOUND);
        if (i % 16 != 15)
            continue;
        commit(f);
        assert_lanes(f, first_endpoint, ORDERS);
    }
    assert_in_range(count, STEPS / 4, STEPS / 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_EVERY_DRIVER(attempts_are_kept),
        ON_EVERY_DRIVER(listed_by_filter),
        ON_EVERY_DRIVER(listed_in_pages),
        ON_EVERY_DRIVER(listed_in_bounds),
        ON_EVERY_DRIVER(backlog),
        ON_EVERY_DRIVER(backlog_of_many_endpoints),
        ON_EVERY_DRIVER(replay_round_trip),
        ON_EVERY_DRIVER(replayed_since),
        ON_EVERY_DRIVER(replay_steps_are_bounded),
        ON_EVERY_DRIVER(finished_ones_are_cleared),
        ON_EVERY_DRIVER(nothing_is_cleared_without_an_age),
        ON_EVERY_DRIVER(cleared_in_small_steps),
        ON_EVERY_DRIVER(deliveries_of_deleted_endpoints_die),
        ON_EVERY_DRIVER(deleted_endpoint_among_many),
        ON_EVERY_DRIVER(finished_replays_are_cleared),
        ON_EVERY_DRIVER(random_walk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
