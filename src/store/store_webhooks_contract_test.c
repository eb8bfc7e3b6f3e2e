/* SPDX-License-Identifier: Apache-2.0 */
/* The contract of store_webhooks.h, against every driver: endpoints, and deliveries in their lanes. */
#include "store/store_webhooks_fixture.h"

static void on_endpoint(void *argument, const struct store_endpoint *endpoint)
{
    got = argument;
    collect((int32_t)endpoint->endpoint_id, endpoint->settings);
}

static void list_endpoints(struct fixture *f, int32_t project_id, int64_t after, int limit)
{
    f->count = 0;
    assert_int_equal(store_endpoint_list(f->reader, project_id, after, limit, on_endpoint, f), 0);
}

static void assert_endpoint(struct fixture *f, const struct store_endpoint *expected)
{
    struct store_endpoint endpoint;
    assert_int_equal(store_endpoint_get(f->reader, expected->endpoint_id, &endpoint), 0);
    assert_true(endpoint.endpoint_id == expected->endpoint_id);
    assert_int_equal(endpoint.project_id, expected->project_id);
    assert_int_equal(endpoint.state, expected->state);
    assert_true(str_equal(endpoint.state_reason, expected->state_reason));
    assert_true(str_equal(endpoint.settings, expected->settings));
    assert_true(str_equal(endpoint.secrets, expected->secrets));
    assert_true(endpoint.created_at == expected->created_at);
    assert_true(endpoint.updated_at == expected->updated_at);
}

static void endpoint_round_trip(void **state)
{
    struct fixture *f = *state;
    struct store_endpoint endpoint = {
        .endpoint_id = 99,
        .project_id = PROJECT,
        .settings = STR_LIT("{\"url\":\"https://a.example\"}"),
        .secrets = STR_LIT("\0\xff\0s"),
        .created_at = NOW,
        .updated_at = NOW + 1,
    };
    assert_int_equal(store_endpoint_add(f->writer, &endpoint), 0);
    assert_true(endpoint.endpoint_id > 0);
    assert_endpoint(f, &endpoint);

    struct store_endpoint changed = endpoint;
    changed.project_id = 5;
    changed.created_at = 1;
    endpoint.state = changed.state = STORE_ENDPOINT_DISABLED;
    endpoint.state_reason = changed.state_reason = STR_LIT("It answered 410.");
    endpoint.settings = changed.settings = STR_LIT("{}");
    endpoint.secrets = changed.secrets = STR_LIT("");
    endpoint.updated_at = changed.updated_at = NOW + 7;
    assert_int_equal(store_endpoint_update(f->writer, &changed), 0);
    assert_endpoint(f, &endpoint);

    int64_t old_id = endpoint.endpoint_id;
    assert_int_equal(store_endpoint_delete(f->writer, old_id), 0);
    assert_int_equal(store_endpoint_delete(f->writer, old_id), ERR_NOT_FOUND);
    assert_int_equal(store_endpoint_update(f->writer, &endpoint), ERR_NOT_FOUND);
    assert_int_equal(store_endpoint_get(f->reader, old_id, &endpoint), ERR_NOT_FOUND);
    assert_true(add_endpoint(f, PROJECT) > old_id);
}

static void endpoints_listed(void **state)
{
    struct fixture *f = *state;
    int32_t ids[5];
    for (int i = 0; i < 5; i++)
        ids[i] = (int32_t)add_endpoint(f, i == 2 ? PROJECT + 1 : PROJECT);
    list_endpoints(f, PROJECT, 0, 10);
    assert_got(f, ids[0], ids[1], ids[3], ids[4]);
    list_endpoints(f, PROJECT, ids[0], 2);
    assert_got(f, ids[1], ids[3]);
    list_endpoints(f, 0, ids[0], 3);
    assert_got(f, ids[1], ids[2], ids[3]);
    list_endpoints(f, 0, ids[4], 3);
    assert_int_equal(f->count, 0);
    list_endpoints(f, PROJECT + 2, 0, 3);
    assert_int_equal(f->count, 0);
}

/* A user, orders 1 to 3. */
static void add_orders(struct fixture *f)
{
    int64_t user_id = add_user(f, "u1");
    for (int32_t id = 1; id <= 3; id++)
        add_order(f, id, user_id, ORDER_NEW);
}

static void lane_goes_one_by_one(void **state)
{
    struct fixture *f = *state;
    int64_t e = add_endpoint(f, PROJECT);
    int64_t other = add_endpoint(f, PROJECT);
    add_orders(f);
    begin(f);
    int64_t first = deliver(f, e, 1, 1, NOW, true);
    int64_t second = deliver(f, e, 1, 2, NOW, false);
    int64_t third = deliver(f, e, 1, 5, NOW + 1, false);
    int64_t beside = deliver(f, e, 2, 1, NOW + 2, true);
    int64_t elsewhere = deliver(f, other, 1, 2, NOW + 3, true);
    commit(f);
    assert_waiting(f, e, 10, first, beside);
    assert_waiting(f, other, 10, elsewhere);

    finish(f, first, STORE_DELIVERY_DELIVERED, NOW + 10);
    assert_waiting(f, e, 10, beside, second);
    struct store_delivery delivery = get(f, first);
    assert_int_equal(delivery.state, STORE_DELIVERY_DELIVERED);
    assert_true(delivery.finished_at == NOW + 10);
    delivery = get(f, second);
    assert_true(delivery.next_at == NOW + 10);
    assert_true(delivery.created_at == NOW);
    assert_true(delivery.finished_at == 0);
    finish(f, second, STORE_DELIVERY_DEAD, NOW + 11);
    assert_state(f, third, STORE_DELIVERY_WAITING);
    finish(f, third, STORE_DELIVERY_SUPERSEDED, NOW + 12);
    assert_waiting(f, e, 10, beside);
    assert_waiting(f, other, 10, elsewhere);
    (void)deliver(f, e, 1, 6, NOW, true);
}

static void finished_once(void **state)
{
    struct fixture *f = *state;
    int64_t e = add_endpoint(f, PROJECT);
    add_orders(f);
    int64_t first = deliver(f, e, 1, 1, NOW, true);
    int64_t second = deliver(f, e, 1, 2, NOW, false);
    int64_t third = deliver(f, e, 1, 3, NOW, false);
    /* One from the middle promotes nobody: the first is still under way. */
    finish(f, second, STORE_DELIVERY_SUPERSEDED, NOW + 1);
    assert_waiting(f, e, 10, first);
    assert_int_equal(store_delivery_finish(f->writer, second, STORE_DELIVERY_DELIVERED, NOW + 2),
                     ERR_NOT_FOUND);
    assert_state(f, second, STORE_DELIVERY_SUPERSEDED);
    assert_true(get(f, second).finished_at == NOW + 1);
    finish(f, first, STORE_DELIVERY_DELIVERED, NOW + 3);
    assert_waiting(f, e, 10, third);
    assert_int_equal(store_delivery_finish(f->writer, third + 100, STORE_DELIVERY_DEAD, NOW),
                     ERR_NOT_FOUND);
}

/* By seq, in whatever order they were added. */
static void lowest_is_next(void **state)
{
    struct fixture *f = *state;
    int64_t e = add_endpoint(f, PROJECT);
    add_orders(f);
    int64_t first = deliver(f, e, 1, 5, NOW, true);
    int64_t last = deliver(f, e, 1, 9, NOW, false);
    int64_t next = deliver(f, e, 1, 7, NOW, false);
    finish(f, first, STORE_DELIVERY_DELIVERED, NOW);
    assert_waiting(f, e, 10, next);
    finish(f, next, STORE_DELIVERY_DELIVERED, NOW);
    assert_waiting(f, e, 10, last);
}

static void delivery_of_an_unknown_order(void **state)
{
    struct fixture *f = *state;
    struct store_order order = make_order(7, 1, ORDER_NEW);
    struct store_delivery delivery;
    int64_t delivery_id;
    bool waiting;
    int64_t e = add_endpoint(f, PROJECT);
    assert_int_equal(store_delivery_add(f->writer, e, &order, 1, NOW, &delivery_id, &waiting),
                     ERR_NOT_FOUND);
    assert_int_equal(store_delivery_get(f->reader, 1, &delivery), ERR_NOT_FOUND);
    assert_backlog(f, 0, 0, 0);
}

static void added_delivery_as_it_is(void **state)
{
    struct fixture *f = *state;
    int64_t e = add_endpoint(f, PROJECT);
    add_orders(f);
    struct store_delivery delivery = get(f, deliver(f, e, 3, 4, NOW + 5, true));
    assert_true(delivery.endpoint_id == e);
    assert_int_equal(delivery.project_id, PROJECT);
    assert_int_equal(delivery.order_id, 3);
    assert_int_equal(delivery.seq, 4);
    assert_int_equal(delivery.state, STORE_DELIVERY_WAITING);
    assert_int_equal(delivery.attempts, 0);
    assert_int_equal(delivery.step, 0);
    assert_true(delivery.next_at == NOW + 5);
    assert_true(delivery.created_at == NOW + 5);
    assert_true(delivery.finished_at == 0);
    assert_int_equal(delivery.type.len, 0);
}

/* What an order is changed to, one row after the other; each is delivered. */
static const struct moment {
    struct str content;
    struct str custom_parameters;
    struct str cancel_reason;
    enum order_status status;
    bool is_free;
} moments[] = {
    {STR_LIT(""), STR_LIT(""), STR_LIT(""), ORDER_NEW, false},
    {STR_LIT("{\"a\":1}"), STR_LIT(""), STR_LIT(""), ORDER_NEW, true},
    {STR_LIT("{\"a\":1}"), STR_LIT(""), STR_LIT(""), ORDER_PAID, true},
    {STR_LIT("{\"a\":1}"), STR_LIT("{}"), STR_LIT(""), ORDER_PAID, false},
    {STR_LIT("{\"a\":2}"), STR_LIT("{}"), STR_LIT("refund"), ORDER_CANCELED, false},
    {STR_LIT(""), STR_LIT(""), STR_LIT("chargeback"), ORDER_CANCELED, false},
};

/* Writes moment `i` as event i + 1 of order 1, and delivers it to both endpoints. */
static void live_through(struct fixture *f, const int64_t endpoints[2], size_t i, int64_t ids[2])
{
    struct store_order order = make_order(1, 1, moments[i].status);
    struct store_event event = {
        .seq = (int32_t)i + 1,
        .status = moments[i].status,
        .previous = moments[i > 0 ? i - 1 : 0].status,
        .synthetic = i == 2,
        .offset = (int32_t)i + 1,
        .occurred_at = NOW + (int64_t)i,
    };
    order.is_free = moments[i].is_free;
    order.content = moments[i].content;
    order.custom_parameters = moments[i].custom_parameters;
    order.cancel_reason = moments[i].cancel_reason;
    begin(f);
    assert_int_equal(
        i == 0 ? store_order_insert(f->writer, &order) : store_order_update(f->writer, &order), 0);
    assert_int_equal(store_event_append(f->writer, &order, &event), 0);
    for (size_t e = 0; e < 2; e++)
        ids[e] = deliver(f, endpoints[e], 1, event.seq, NOW, i == 0);
    commit(f);
}

static void assert_moment(struct fixture *f, int64_t delivery_id, size_t i, int32_t newest_seq)
{
    struct store_delivery_payload payload;
    assert_int_equal(store_delivery_payload(f->reader, delivery_id, &payload), 0);
    assert_true(payload.delivery.delivery_id == delivery_id);
    assert_int_equal(payload.delivery.seq, i + 1);
    assert_int_equal(payload.event.seq, i + 1);
    assert_int_equal(payload.event.status, moments[i].status);
    assert_int_equal(payload.event.previous, moments[i > 0 ? i - 1 : 0].status);
    assert_int_equal(payload.event.synthetic, i == 2);
    assert_int_equal(payload.event.offset, i + 1);
    assert_true(payload.event.occurred_at == NOW + (int64_t)i);
    assert_str(payload.user_external_id, "u1");
    assert_int_equal(payload.is_free, moments[i].is_free);
    assert_true(str_equal(payload.content, moments[i].content));
    assert_true(str_equal(payload.custom_parameters, moments[i].custom_parameters));
    assert_true(str_equal(payload.cancel_reason, moments[i].cancel_reason));
    assert_int_equal(payload.body.len, 0);
    assert_int_equal(payload.newest_seq, newest_seq);
}

static void payload_is_of_the_moment(void **state)
{
    struct fixture *f = *state;
    int64_t endpoints[2] = {add_endpoint(f, PROJECT), add_endpoint(f, PROJECT)};
    int64_t ids[ARRAY_LENGTH(moments)][2];
    struct store_order order;
    add_user(f, "u1");
    for (size_t i = 0; i < ARRAY_LENGTH(moments); i++) {
        live_through(f, endpoints, i, ids[i]);
        for (size_t j = 0; j <= i; j++)
            assert_moment(f, ids[j][0], j, (int32_t)i + 1);
        assert_int_equal(store_order_get(f->reader, PROJECT, 1, &order), 0);
        assert_true(str_equal(order.content, moments[i].content));
    }
    for (size_t i = 0; i < ARRAY_LENGTH(moments); i++) {
        assert_moment(f, ids[i][0], i, ARRAY_LENGTH(moments));
        finish(f, ids[i][0], STORE_DELIVERY_DELIVERED, NOW);
        assert_moment(f, ids[i][1], i, ARRAY_LENGTH(moments));
    }
    /* Alone: its lane has nothing that is not finished. */
    assert_moment(f, ids[1][0], 1, 2);
    struct store_delivery_payload payload;
    assert_int_equal(store_delivery_payload(f->reader, ids[1][0] + 1000, &payload), ERR_NOT_FOUND);
}

static void deliveries_of_no_order(void **state)
{
    static const struct str body = STR_LIT("{\"a\":\"\0\xff\"}");
    struct fixture *f = *state;
    struct store_delivery_payload payload;
    int64_t e = add_endpoint(f, PROJECT);
    int64_t first;
    assert_int_equal(store_delivery_add_body(f->writer, e, PROJECT, STR_LIT("endpoint.disabled"),
                                             body, NOW, &first),
                     0);
    int64_t second = deliver_body(f, e, NOW);
    assert_waiting(f, e, 10, first, second);
    assert_int_equal(store_delivery_payload(f->reader, first, &payload), 0);
    assert_str(payload.delivery.type, "endpoint.disabled");
    assert_int_equal(payload.delivery.order_id, 0);
    assert_int_equal(payload.delivery.project_id, PROJECT);
    assert_true(str_equal(payload.body, body));
    assert_int_equal(payload.content.len, 0);
    assert_int_equal(payload.user_external_id.len, 0);
    assert_int_equal(payload.newest_seq, 0);
    finish(f, first, STORE_DELIVERY_DEAD, NOW + 1);
    assert_waiting(f, e, 10, second);
    assert_int_equal(store_delivery_retry(f->writer, first, NOW + 2), 0);
    assert_waiting(f, e, 10, second, first);
}

static void postponed(void **state)
{
    struct fixture *f = *state;
    int64_t e = add_endpoint(f, PROJECT);
    add_orders(f);
    int64_t first = deliver(f, e, 1, 1, NOW, true);
    int64_t blocked = deliver(f, e, 1, 2, NOW, false);
    int64_t second = deliver(f, e, 2, 1, NOW + 1, true);
    int64_t third = deliver(f, e, 3, 1, NOW + 2, true);
    assert_waiting(f, e, 10, first, second, third);
    assert_int_equal(store_delivery_postpone(f->writer, first, 3, NOW + 100), 0);
    assert_int_equal(store_delivery_postpone(f->writer, third, 1, NOW + 1), 0);
    assert_waiting(f, e, 10, second, third, first);
    assert_waiting(f, e, 2, second, third);
    struct store_delivery delivery = get(f, first);
    assert_int_equal(delivery.step, 3);
    assert_true(delivery.next_at == NOW + 100);
    assert_true(delivery.created_at == NOW);
    assert_int_equal(delivery.state, STORE_DELIVERY_WAITING);
    finish(f, second, STORE_DELIVERY_DEAD, NOW);
    const int64_t refused[] = {blocked, second, third + 100};
    for (size_t i = 0; i < ARRAY_LENGTH(refused); i++)
        assert_int_equal(store_delivery_postpone(f->writer, refused[i], 1, NOW), ERR_NOT_FOUND);
    assert_true(get(f, blocked).next_at == NOW);
}

static void retried(void **state)
{
    struct fixture *f = *state;
    int64_t e = add_endpoint(f, PROJECT);
    add_orders(f);
    int64_t first = deliver(f, e, 1, 1, NOW, true);
    assert_int_equal(store_delivery_retry(f->writer, first, NOW), ERR_NOT_FOUND);
    attempt(f, first, 500);
    assert_int_equal(store_delivery_postpone(f->writer, first, 1, NOW + 5), 0);
    attempt(f, first, 500);
    finish(f, first, STORE_DELIVERY_DEAD, NOW + 6);
    assert_int_equal(store_delivery_retry(f->writer, first, NOW + 7), 0);
    assert_waiting(f, e, 10, first);
    struct store_delivery delivery = get(f, first);
    assert_int_equal(delivery.step, STORE_STEP_BY_HAND);
    assert_int_equal(delivery.attempts, 2);
    assert_true(delivery.next_at == NOW + 7);
    assert_true(delivery.finished_at == 0);
    assert_true(delivery.created_at == NOW);
    assert_int_equal(store_delivery_retry(f->writer, first, NOW), ERR_NOT_FOUND);
    assert_int_equal(store_delivery_retry(f->writer, first + 100, NOW), ERR_NOT_FOUND);

    finish(f, first, STORE_DELIVERY_DELIVERED, NOW + 8);
    assert_int_equal(store_endpoint_delete(f->writer, e), 0);
    assert_int_equal(store_delivery_retry(f->writer, first, NOW), ERR_NOT_FOUND);
    assert_state(f, first, STORE_DELIVERY_DELIVERED);
}

/* Behind the one that may be on its way, before those with a higher seq. */
static void retried_into_a_lane(void **state)
{
    struct fixture *f = *state;
    int64_t e = add_endpoint(f, PROJECT);
    int64_t ids[5];
    add_orders(f);
    for (int32_t i = 1; i <= 4; i++)
        ids[i] = deliver(f, e, 1, i, NOW, i == 1);
    finish(f, ids[1], STORE_DELIVERY_DEAD, NOW + 1);
    finish(f, ids[2], STORE_DELIVERY_DEAD, NOW + 2);
    assert_int_equal(store_delivery_retry(f->writer, ids[2], NOW + 3), 0);
    assert_int_equal(store_delivery_retry(f->writer, ids[1], NOW + 4), 0);
    assert_waiting(f, e, 10, ids[3]);
    assert_state(f, ids[1], STORE_DELIVERY_BLOCKED);
    assert_state(f, ids[2], STORE_DELIVERY_BLOCKED);
    static const int order[] = {3, 1, 2, 4};
    for (size_t i = 0; i < ARRAY_LENGTH(order); i++) {
        assert_waiting(f, e, 10, ids[order[i]]);
        finish(f, ids[order[i]], STORE_DELIVERY_DELIVERED, NOW + 10);
    }
    assert_waiting(f, e, 10, NONE);
}

static void rolled_back(void **state)
{
    struct fixture *f = *state;
    struct store_delivery delivery;
    int64_t e = add_endpoint(f, PROJECT);
    add_orders(f);
    int64_t first = deliver(f, e, 1, 1, NOW, true);
    begin(f);
    int64_t second = deliver(f, e, 1, 2, NOW, false);
    int64_t third = deliver(f, e, 2, 1, NOW, true);
    finish(f, first, STORE_DELIVERY_DELIVERED, NOW);
    attempt(f, first, 200);
    assert_waiting(f, e, 10, first);
    store_rollback(f->writer);
    assert_waiting(f, e, 10, first);
    assert_backlog(f, e, 1, NOW);
    assert_int_equal(attempts_of(f, first), 0);
    assert_int_equal(get(f, first).attempts, 0);
    assert_int_equal(store_delivery_get(f->reader, second, &delivery), ERR_NOT_FOUND);
    assert_int_equal(store_delivery_get(f->reader, third, &delivery), ERR_NOT_FOUND);
    finish(f, first, STORE_DELIVERY_DELIVERED, NOW);
    assert_backlog(f, e, 0, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_EVERY_DRIVER(endpoint_round_trip),
        ON_EVERY_DRIVER(endpoints_listed),
        ON_EVERY_DRIVER(lane_goes_one_by_one),
        ON_EVERY_DRIVER(finished_once),
        ON_EVERY_DRIVER(lowest_is_next),
        ON_EVERY_DRIVER(delivery_of_an_unknown_order),
        ON_EVERY_DRIVER(added_delivery_as_it_is),
        ON_EVERY_DRIVER(payload_is_of_the_moment),
        ON_EVERY_DRIVER(deliveries_of_no_order),
        ON_EVERY_DRIVER(postponed),
        ON_EVERY_DRIVER(retried),
        ON_EVERY_DRIVER(retried_into_a_lane),
        ON_EVERY_DRIVER(rolled_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
