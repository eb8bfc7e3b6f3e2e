/* SPDX-License-Identifier: Apache-2.0 */
/* The mode `latest`: a delivery that failed gives way to a newer one of its order. */
#include "service/delivery_fixture.h"

static bool is_due(struct world *world, int64_t endpoint_id)
{
    struct store_delivery first = deliveries(world, endpoint_id).list[0];
    assert_int_equal(first.state, STORE_DELIVERY_WAITING);
    return first.next_at != INT64_C(4000000000000);
}

static void try_in_vain(struct world *world, int64_t endpoint_id, bool gives_way)
{
    struct store_delivery first = deliveries(world, endpoint_id).list[0];
    struct webhook_result result = result_of(&first, WEBHOOK_RETRY);
    result.next_at = INT64_C(4000000000000);
    result.gives_way = gives_way;
    assert_int_equal(record(world, &result), 0);
}

/* What failed does not keep the newer one waiting for its next attempt. */
static void the_latest_is_not_kept_waiting(void **state)
{
    struct world *world = *state;
    int64_t all = add(world, ENDPOINT_FIXTURE_URL "}");
    int64_t latest = add(world, ENDPOINT_FIXTURE_URL ",\"mode\":\"latest\"}");
    put(world, 1, ORDER_NEW);
    try_in_vain(world, all, false);
    try_in_vain(world, latest, true);
    assert_false(is_due(world, all));
    assert_false(is_due(world, latest));
    put(world, 1, ORDER_PAID);
    assert_false(is_due(world, all));
    assert_true(is_due(world, latest));
    /* The newer one came while the older one was on its way. */
    try_in_vain(world, latest, true);
    assert_true(is_due(world, latest));
    /* An older one that is sent again by hand is no newer one. */
    struct endpoint_fixture_deliveries found = deliveries(world, latest);
    struct webhook_result result = result_of(&found.list[0], WEBHOOK_DELIVERED);
    assert_int_equal(record(world, &result), 0);
    struct endpoint_write *again = endpoint_fixture_new(&world->fixture, ENDPOINT_RETRY, 0, "");
    again->delivery_id = found.list[0].delivery_id;
    endpoint_fixture_run(again);
    assert_int_equal(again->error, API_ERROR_NONE);
    endpoint_write_free(&again);
    result = result_of(&found.list[1], WEBHOOK_RETRY);
    result.next_at = INT64_C(4000000000000);
    result.gives_way = true;
    assert_int_equal(record(world, &result), 0);
    found = deliveries(world, latest);
    assert_int_equal(found.list[0].state, STORE_DELIVERY_BLOCKED);
    assert_int_equal(found.list[1].next_at, INT64_C(4000000000000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_BOTH(the_latest_is_not_kept_waiting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
