/* SPDX-License-Identifier: Apache-2.0 */
/* Position, recovery, latest statuses and history of a buyer's stream. */
#include "service/buyer_stream.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/limits.h"
#include "service/service_fixture.h"

#define PROJECT SERVICE_FIXTURE_PROJECT
#define USER STR_LIT("u1")

static const char *epoch_of(struct service_fixture *fixture)
{
    return store_identity(fixture->service.store)->epoch;
}

static struct buyer_stream_query fresh_query(void)
{
    return (struct buyer_stream_query){
        .project_id = PROJECT,
        .user_external_id = USER,
        .now_wall = clock_wall_ms(),
    };
}

static void a_stranger_has_an_empty_stream(void **state)
{
    struct service_fixture *fixture = *state;
    struct buyer_stream_history history = {.limit = -1};
    struct buyer_stream_query query = fresh_query();
    struct buyer_stream_view view;
    assert_int_equal(buyer_stream_open(&fixture->service, &query, &view), 0);
    assert_int_equal(view.top, 0);
    assert_false(view.recovered);
    assert_int_equal(view.publication_count, 0);
    buyer_stream_view_fini(&view);
    query.recover = true;
    assert_int_equal(buyer_stream_open(&fixture->service, &query, &view), 0);
    assert_true(view.recovered);
    buyer_stream_view_fini(&view);
    assert_int_equal(buyer_stream_history(&fixture->service, PROJECT, USER, &history, &view), 0);
    assert_int_equal(view.top, 0);
    assert_int_equal(view.publication_count, 0);
    buyer_stream_view_fini(&view);
    assert_int_equal(buyer_stream_missed(&fixture->service, PROJECT, USER, 0, &view), 0);
    buyer_stream_view_fini(&view);
}

/* Offsets: order 1 has 1 and 3, order 2 has 2, 4 and 5. */
static void put_five(struct service_fixture *fixture)
{
    service_fixture_put(fixture, 1, "u1", ORDER_NEW);
    service_fixture_put(fixture, 2, "u1", ORDER_NEW);
    service_fixture_put(fixture, 1, "u1", ORDER_PAID);
    service_fixture_put(fixture, 2, "u1", ORDER_PAID);
    service_fixture_put(fixture, 2, "u1", ORDER_DONE);
    service_fixture_put(fixture, 3, "u2", ORDER_NEW);
}

static void a_fresh_client_is_told_the_latest(void **state)
{
    struct service_fixture *fixture = *state;
    struct buyer_stream_query query = fresh_query();
    struct buyer_stream_view view;
    put_five(fixture);
    assert_int_equal(buyer_stream_open(&fixture->service, &query, &view), 0);
    assert_int_equal(view.top, 5);
    assert_false(view.recovered);
    assert_int_equal(view.publication_count, 2);
    assert_int_equal(view.publications[0].order_id, 1);
    assert_int_equal(view.publications[0].status, ORDER_PAID);
    assert_int_equal(view.publications[0].offset, 0);
    assert_int_equal(view.publications[1].order_id, 2);
    assert_int_equal(view.publications[1].status, ORDER_DONE);
    buyer_stream_view_fini(&view);

    /* Two hours later what is done is no news any more, what is open still is. */
    query.now_wall += 2 * CLOCK_HOUR;
    assert_int_equal(buyer_stream_open(&fixture->service, &query, &view), 0);
    assert_int_equal(view.publication_count, 1);
    assert_int_equal(view.publications[0].order_id, 1);
    assert_int_equal(view.publications[0].status, ORDER_PAID);
    buyer_stream_view_fini(&view);
}

static void one_order_is_followed(void **state)
{
    struct service_fixture *fixture = *state;
    struct buyer_stream_view view;
    struct buf user;
    buf_init(&user, LIMIT_USER_EXTERNAL_ID);
    put_five(fixture);
    assert_int_equal(buyer_stream_open_order(&fixture->service, PROJECT, 1, &user, &view), 0);
    assert_true(str_equal_text(buf_view(&user), "u1"));
    assert_int_equal(view.top, 5);
    assert_int_equal(view.publication_count, 1);
    assert_int_equal(view.publications[0].order_id, 1);
    assert_int_equal(view.publications[0].status, ORDER_PAID);
    assert_int_equal(view.publications[0].offset, 0);
    buyer_stream_view_fini(&view);
    assert_int_equal(buyer_stream_open_order(&fixture->service, PROJECT, 4, &user, &view),
                     ERR_NOT_FOUND);
    assert_int_equal(buyer_stream_open_order(&fixture->service, PROJECT + 1, 1, &user, &view),
                     ERR_NOT_FOUND);
    assert_null(view.publications);
    buf_fini(&user);
}

/* Order 1 last moved before the part of the stream that is looked at. */
static void an_old_open_order_comes_first(void **state)
{
    struct service_fixture *fixture = *state;
    struct buyer_stream_query query = fresh_query();
    struct buyer_stream_view view;
    service_fixture_put(fixture, 1, "u1", ORDER_NEW);
    service_fixture_put(fixture, 2, "u1", ORDER_NEW);
    for (int32_t id = 10; id < 10 + LIMIT_HISTORY_PAGE / 2; id++)
        service_fixture_put(fixture, id, "u1", ORDER_CANCELED); /* new and canceled */
    query.now_wall += 2 * CLOCK_HOUR;
    assert_int_equal(buyer_stream_open(&fixture->service, &query, &view), 0);
    assert_int_equal(view.publication_count, 2);
    assert_int_equal(view.publications[0].order_id, 1);
    assert_int_equal(view.publications[1].order_id, 2);
    buyer_stream_view_fini(&view);

    /* Just finished ones fill the list up, the newest win. */
    query.now_wall -= 2 * CLOCK_HOUR;
    assert_int_equal(buyer_stream_open(&fixture->service, &query, &view), 0);
    assert_int_equal(view.publication_count, LIMIT_LATEST_ORDERS);
    assert_int_equal(view.publications[LIMIT_LATEST_ORDERS - 1].order_id,
                     9 + LIMIT_HISTORY_PAGE / 2);
    assert_int_equal(view.publications[0].order_id,
                     10 + LIMIT_HISTORY_PAGE / 2 - LIMIT_LATEST_ORDERS);
    buyer_stream_view_fini(&view);

    /* More than one recovery gives. */
    query.recover = true;
    query.offset = 1;
    assert_int_equal(buyer_stream_open(&fixture->service, &query, &view), 0);
    assert_false(view.recovered);
    buyer_stream_view_fini(&view);
    query.offset = 2;
    assert_int_equal(buyer_stream_open(&fixture->service, &query, &view), 0);
    assert_true(view.recovered);
    assert_int_equal(view.publication_count, LIMIT_HISTORY_PAGE);
    assert_int_equal(view.publications[0].offset, 3);
    buyer_stream_view_fini(&view);
}

static void recovery(void **state)
{
    static const struct {
        int32_t offset;
        const char *epoch; /* NULL: the right one */
        bool recovered;
        size_t count;
    } rows[] = {
        {0, NULL, true, 5},        {0, "", true, 5},          {3, NULL, true, 2},
        {4, "", true, 1},          {5, NULL, true, 0},        {6, NULL, false, 2},
        {0, "otherEPO", false, 2}, {5, "otherEPO", false, 2}, {-1, NULL, false, 2},
    };
    struct service_fixture *fixture = *state;
    put_five(fixture);
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct buyer_stream_query query = fresh_query();
        struct buyer_stream_view view;
        query.recover = true;
        query.offset = rows[i].offset;
        query.epoch = str_from(rows[i].epoch != NULL ? rows[i].epoch : epoch_of(fixture));
        assert_int_equal(buyer_stream_open(&fixture->service, &query, &view), 0);
        if (view.recovered != rows[i].recovered || view.publication_count != rows[i].count)
            fail_msg("row %zu: %d, %zu", i, view.recovered, view.publication_count);
        assert_int_equal(view.top, 5);
        for (size_t j = 0; j < view.publication_count && view.recovered; j++)
            assert_int_equal(view.publications[j].offset, rows[i].offset + (int32_t)j + 1);
        buyer_stream_view_fini(&view);
    }
}

static void history(void **state)
{
    static const struct {
        int64_t limit;
        bool has_since;
        int64_t since;
        const char *epoch; /* NULL: the right one */
        bool reverse;
        int result;
        int32_t first; /* offset; 0: none */
        size_t count;
    } rows[] = {
        {0, false, 0, "", false, 0, 0, 0},
        {-1, false, 0, "", false, 0, 1, 5},
        {-1, true, 0, "", false, 0, 1, 5},
        {2, false, 0, "", false, 0, 1, 2},
        {2, true, 2, NULL, false, 0, 3, 2},
        {INT64_MAX, true, 4, NULL, false, 0, 5, 1},
        {INT64_MIN, true, 4, NULL, false, 0, 5, 1},
        {-1, true, 5, NULL, false, 0, 0, 0},
        {-1, true, INT64_MAX, NULL, false, 0, 0, 0},
        {-1, true, 3, "otherEPO", false, ERR_EXPIRED, 0, 0},
        {-1, false, 0, "", true, 0, 5, 5},
        {2, false, 0, "", true, 0, 5, 2},
        {2, true, 4, NULL, true, 0, 3, 2},
        {-1, true, 1, NULL, true, 0, 0, 0},
        {-1, true, INT64_MAX, NULL, true, 0, 5, 5},
        {-1, true, 0, NULL, true, ERR_INVALID, 0, 0},
        {-1, true, -3, NULL, true, ERR_INVALID, 0, 0},
    };
    struct service_fixture *fixture = *state;
    put_five(fixture);
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct buyer_stream_view view;
        struct buyer_stream_history asked = {
            .limit = rows[i].limit,
            .has_since = rows[i].has_since,
            .since_offset = rows[i].since,
            .since_epoch = str_from(rows[i].epoch != NULL ? rows[i].epoch : epoch_of(fixture)),
            .reverse = rows[i].reverse,
        };
        int rc = buyer_stream_history(&fixture->service, PROJECT, USER, &asked, &view);
        if (rc != rows[i].result || view.publication_count != rows[i].count)
            fail_msg("row %zu: %d, %zu", i, rc, view.publication_count);
        assert_false(view.recovered);
        assert_int_equal(view.top, rc == 0 ? 5 : 0);
        for (size_t j = 0; j < view.publication_count; j++) {
            int32_t step = rows[i].reverse ? -(int32_t)j : (int32_t)j;
            assert_int_equal(view.publications[j].offset, rows[i].first + step);
        }
        buyer_stream_view_fini(&view);
    }
}

static void what_was_missed(void **state)
{
    struct service_fixture *fixture = *state;
    struct buyer_stream_view view;
    put_five(fixture);
    assert_int_equal(buyer_stream_missed(&fixture->service, PROJECT, USER, 3, &view), 0);
    assert_int_equal(view.top, 5);
    assert_int_equal(view.publication_count, 2);
    assert_int_equal(view.publications[0].offset, 4);
    assert_int_equal(view.publications[1].status, ORDER_DONE);
    buyer_stream_view_fini(&view);
    assert_int_equal(buyer_stream_missed(&fixture->service, PROJECT, USER, 5, &view), 0);
    assert_int_equal(view.publication_count, 0);
    assert_int_equal(buyer_stream_missed(&fixture->service, PROJECT, USER, 6, &view),
                     ERR_NOT_FOUND);
    assert_int_equal(view.publication_count, 0);
}

/* Nothing that was cleared away may pass for a stream without a gap. */
static void a_pruned_stream_has_gaps(void **state)
{
    struct service_fixture fixture = {
        .store_options = {.history_max_age = CLOCK_DAY, .history_max_events = 2},
        .options = {.prune_interval = 1},
    };
    struct buyer_stream_query query = fresh_query();
    struct buyer_stream_history all = {.limit = -1};
    struct buyer_stream_view view;
    size_t left = 5;
    (void)state;
    service_fixture_open(&fixture, &store_memory, ".");
    put_five(&fixture);
    for (int64_t end = clock_mono_ms() + 5000; left > 2 && clock_mono_ms() < end;) {
        assert_int_equal(buyer_stream_history(&fixture.service, PROJECT, USER, &all, &view), 0);
        assert_int_equal(view.top, 5);
        left = view.publication_count;
        buyer_stream_view_fini(&view);
    }
    assert_int_equal(left, 2);
    assert_int_equal(buyer_stream_missed(&fixture.service, PROJECT, USER, 2, &view), ERR_NOT_FOUND);
    assert_int_equal(buyer_stream_missed(&fixture.service, PROJECT, USER, 3, &view), 0);
    buyer_stream_view_fini(&view);
    query.recover = true;
    query.offset = 2;
    assert_int_equal(buyer_stream_open(&fixture.service, &query, &view), 0);
    assert_false(view.recovered);
    /* Order 1 is not in the stream any more, but among the open ones. */
    assert_int_equal(view.publication_count, 2);
    assert_int_equal(view.publications[0].order_id, 1);
    assert_int_equal(view.publications[0].status, ORDER_PAID);
    assert_int_equal(view.publications[1].order_id, 2);
    buyer_stream_view_fini(&view);
    service_fixture_close(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_stranger_has_an_empty_stream, service_fixture_setup,
                                        service_fixture_teardown),
        cmocka_unit_test_setup_teardown(a_fresh_client_is_told_the_latest, service_fixture_setup,
                                        service_fixture_teardown),
        cmocka_unit_test_setup_teardown(one_order_is_followed, service_fixture_setup,
                                        service_fixture_teardown),
        cmocka_unit_test_setup_teardown(an_old_open_order_comes_first, service_fixture_setup,
                                        service_fixture_teardown),
        cmocka_unit_test_setup_teardown(recovery, service_fixture_setup, service_fixture_teardown),
        cmocka_unit_test_setup_teardown(history, service_fixture_setup, service_fixture_teardown),
        cmocka_unit_test_setup_teardown(what_was_missed, service_fixture_setup,
                                        service_fixture_teardown),
        cmocka_unit_test(a_pruned_stream_has_gaps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
