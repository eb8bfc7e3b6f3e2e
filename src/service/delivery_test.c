/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deliveries: the rows of an event, what the webhook thread reports of them, and how they read. On
 * both stores, with a webhook thread that is started and sends nothing.
 */
#include "service/delivery.h"

#include "base/err.h"
#include "service/delivery_fixture.h"
#include "service/order_read.h"

static void rows_for_what_endpoints_want(void **state)
{
    struct world *world = *state;
    int64_t all = add(world, ENDPOINT_FIXTURE_URL "}");
    int64_t paid = add(world, ENDPOINT_FIXTURE_URL ",\"statuses\":[\"paid\"]}");
    int64_t xsolla = add(world, ENDPOINT_FIXTURE_URL ",\"preset\":\"xsolla\"}");
    int64_t paused = add(world, ENDPOINT_FIXTURE_URL "}");
    endpoint_fixture_do(&world->fixture, ENDPOINT_PAUSE, paused, "", NULL);
    put(world, 7, ORDER_DONE); /* new, paid, done */

    const int64_t whole[] = {all, paused};
    for (size_t i = 0; i < ARRAY_LENGTH(whole); i++) {
        struct endpoint_fixture_deliveries found = deliveries(world, whole[i]);
        assert_int_equal(found.count, 3);
        for (size_t j = 0; j < 3; j++) {
            assert_int_equal(found.list[j].order_id, 7);
            assert_int_equal(found.list[j].seq, j + 1);
            assert_int_equal(found.list[j].state,
                             j == 0 ? STORE_DELIVERY_WAITING : STORE_DELIVERY_BLOCKED);
        }
    }
    assert_int_equal(deliveries(world, paid).count, 1);
    assert_int_equal(deliveries(world, paid).list[0].seq, 2);
    assert_int_equal(deliveries(world, xsolla).count, 1);
    assert_int_equal(deliveries(world, xsolla).list[0].seq, 2);

    put(world, 7, ORDER_DONE); /* a duplicate: no event */
    assert_int_equal(deliveries(world, all).count, 3);
}

static void content_alone_is_no_webhook(void **state)
{
    struct world *world = *state;
    int64_t endpoint = add(world, ENDPOINT_FIXTURE_URL "}");
    put(world, 1, ORDER_NEW);
    struct order_write *write = order_write_new(&world->fixture.service, PROJECT, 1);
    write->inputs[0].order_id = 1;
    write->inputs[0].content = STR_LIT("{\"items\":[]}");
    service_fixture_run(write);
    assert_int_equal(write->answers[0].seq, 2);
    order_write_free(&write);
    assert_int_equal(deliveries(world, endpoint).count, 1);
}

/* What the store thread has kept is read again after each change. */
static void a_change_counts_at_once(void **state)
{
    struct world *world = *state;
    put(world, 1, ORDER_NEW);
    int64_t endpoint = add(world, ENDPOINT_FIXTURE_URL "}");
    put(world, 2, ORDER_NEW);
    assert_int_equal(deliveries(world, endpoint).count, 1);
    endpoint_fixture_do(&world->fixture, ENDPOINT_CHANGE, endpoint, "{\"statuses\":[\"done\"]}",
                        "id");
    put(world, 3, ORDER_NEW);
    assert_int_equal(deliveries(world, endpoint).count, 1);
    put(world, 3, ORDER_DONE);
    assert_int_equal(deliveries(world, endpoint).count, 2);
    endpoint_fixture_do(&world->fixture, ENDPOINT_DELETE, endpoint, "", NULL);
    put(world, 4, ORDER_DONE);
    assert_int_equal(deliveries(world, endpoint).count, 2);
}

/* A job that holds the store thread, and one that fails its group. */
struct task {
    struct writer_job job;
    int started; /* event descriptors; -1: it fails instead */
    int go;
    bool is_done;
};

static int run_task(struct writer_job *job, struct writer_transaction *transaction)
{
    struct task *task = CONTAINER_OF(job, struct task, job);
    eventfd_t value;
    (void)transaction;
    if (task->started < 0)
        return ERR_IO;
    eventfd_write(task->started, 1);
    eventfd_read(task->go, &value);
    return 0;
}

static void task_done(struct writer_job *job)
{
    struct task *task = CONTAINER_OF(job, struct task, job);
    task->is_done = true;
    if (task->started < 0)
        loop_stop(job->loop);
}

static void submit_task(struct world *world, struct task *task)
{
    task->job.loop = world->fixture.service.loop;
    task->job.run = run_task;
    task->job.done = task_done;
    assert_int_equal(writer_submit(world->fixture.service.writer, &task->job), 0);
}

static void ignore_order(struct order_write *write)
{
    (void)write;
}

static void ignore_endpoint(struct endpoint_write *write)
{
    (void)write;
}

static void a_rolled_back_group_leaves_nothing(void **state)
{
    struct world *world = *state;
    struct task holder = {.started = eventfd(0, EFD_CLOEXEC), .go = eventfd(0, EFD_CLOEXEC)};
    struct task failing[] = {{.started = -1}, {.started = -1}};
    eventfd_t value;
    struct endpoint_write *endpoint =
        endpoint_fixture_new(&world->fixture, ENDPOINT_CREATE, 0, ENDPOINT_FIXTURE_URL "}");
    struct order_write *order = order_write_new(&world->fixture.service, PROJECT, 1);
    order->inputs[0].order_id = 1;
    order->inputs[0].user_external_id = STR_LIT("u1");
    order->done = ignore_order;
    endpoint->done = ignore_endpoint;
    submit_task(world, &holder);
    eventfd_read(holder.started, &value);
    assert_int_equal(endpoint_write_submit(endpoint), 0);
    assert_int_equal(order_write_submit(order), 0);
    submit_task(world, &failing[0]);
    submit_task(world, &failing[1]);
    eventfd_write(holder.go, 1);
    while (!failing[1].is_done)
        loop_run(world->fixture.service.loop);
    assert_true(holder.is_done);
    assert_int_equal(order->error, API_ERROR_STORE_UNAVAILABLE);
    assert_int_equal(endpoint->error, API_ERROR_STORE_UNAVAILABLE);
    order_write_free(&order);
    endpoint_write_free(&endpoint);
    assert_int_equal(deliveries(world, 0).count, 0);

    /* The endpoint that was undone gets nothing; one that comes after it does. */
    put(world, 1, ORDER_NEW);
    assert_int_equal(deliveries(world, 0).count, 0);
    int64_t id = add(world, ENDPOINT_FIXTURE_URL "}");
    put(world, 1, ORDER_PAID);
    assert_int_equal(deliveries(world, id).count, 1);
    close(holder.started);
    close(holder.go);
}

static void results_are_recorded_and_the_lane_moves_on(void **state)
{
    struct world *world = *state;
    int64_t endpoint = add(world, ENDPOINT_FIXTURE_URL "}");
    put(world, 1, ORDER_DONE);

    struct endpoint_fixture_deliveries found = deliveries(world, endpoint);
    struct webhook_result result = result_of(&found.list[0], WEBHOOK_RETRY);
    result.attempt.status = 500;
    result.step = 1;
    result.next_at = INT64_C(4000000000000);
    assert_int_equal(record(world, &result), 0);
    found = deliveries(world, endpoint);
    assert_int_equal(found.list[0].state, STORE_DELIVERY_WAITING);
    assert_int_equal(found.list[0].attempts, 1);
    assert_int_equal(found.list[0].step, 1);
    assert_int_equal(found.list[0].next_at, INT64_C(4000000000000));
    assert_int_equal(found.list[1].state, STORE_DELIVERY_BLOCKED);

    result = result_of(&found.list[0], WEBHOOK_DELIVERED);
    assert_int_equal(record(world, &result), 0);
    found = deliveries(world, endpoint);
    assert_int_equal(found.list[0].state, STORE_DELIVERY_DELIVERED);
    assert_int_equal(found.list[0].attempts, 2);
    assert_int_equal(found.list[1].state, STORE_DELIVERY_WAITING);
    assert_int_equal(found.list[2].state, STORE_DELIVERY_BLOCKED);

    result = result_of(&found.list[1], WEBHOOK_SUPERSEDED);
    result.has_attempt = false;
    assert_int_equal(record(world, &result), 0);
    result = result_of(&found.list[2], WEBHOOK_DEAD);
    assert_int_equal(record(world, &result), 0);
    found = deliveries(world, endpoint);
    assert_int_equal(found.list[1].state, STORE_DELIVERY_SUPERSEDED);
    assert_int_equal(found.list[1].attempts, 0);
    assert_int_equal(found.list[2].state, STORE_DELIVERY_DEAD);
}

static void a_result_of_a_row_that_is_gone_harms_nobody(void **state)
{
    struct world *world = *state;
    struct store_delivery nothing = {.delivery_id = 99, .endpoint_id = 98};
    struct webhook_result result = result_of(&nothing, WEBHOOK_DELIVERED);
    result.disable_reason = "gone";
    assert_int_equal(record(world, &result), 0);
    result.verdict = WEBHOOK_RETRY;
    assert_int_equal(record(world, &result), 0);
    assert_true(writer_is_ready(world->fixture.service.writer));
}

static void results_are_refused_once_closed(void **state)
{
    struct world *world = *state;
    add(world, ENDPOINT_FIXTURE_URL "}");
    put(world, 1, ORDER_NEW);
    struct endpoint_fixture_deliveries found = deliveries(world, 0);
    struct webhook_result result = result_of(&found.list[0], WEBHOOK_DELIVERED);
    delivery_recorder_close(world->recorder);
    assert_int_equal(record(world, &result), ERR_CLOSED);
    assert_int_equal(deliveries(world, 0).list[0].state, STORE_DELIVERY_WAITING);
}

static void a_disabled_endpoint_is_announced_once(void **state)
{
    struct world *world = *state;
    int64_t failing = add(world, ENDPOINT_FIXTURE_URL ",\"statuses\":[\"paid\"]}");
    int64_t listening = add(world, ENDPOINT_FIXTURE_URL ",\"statuses\":[\"canceled\"]}");
    int64_t xsolla =
        add(world, ENDPOINT_FIXTURE_URL ",\"preset\":\"xsolla\",\"statuses\":[\"canceled\"]}");
    int64_t paused = add(world, ENDPOINT_FIXTURE_URL ",\"statuses\":[\"canceled\"]}");
    struct store_endpoint endpoint;
    struct store_delivery_payload payload;
    endpoint_fixture_do(&world->fixture, ENDPOINT_PAUSE, paused, "", NULL);
    put(world, 1, ORDER_PAID);
    for (int i = 0; i < 2; i++) {
        struct endpoint_fixture_deliveries found = deliveries(world, failing);
        struct webhook_result result = result_of(&found.list[0], WEBHOOK_RETRY);
        result.disable_reason = "it answered 410 Gone";
        assert_int_equal(record(world, &result), 0);
    }
    assert_int_equal(store_endpoint_get(world->fixture.service.reader, failing, &endpoint), 0);
    assert_int_equal(endpoint.state, STORE_ENDPOINT_DISABLED);
    assert_true(str_equal_text(endpoint.state_reason, "it answered 410 Gone"));
    assert_int_equal(deliveries(world, failing).count, 1);
    assert_int_equal(deliveries(world, xsolla).count, 0);
    assert_int_equal(deliveries(world, paused).count, 0);
    struct endpoint_fixture_deliveries told = deliveries(world, listening);
    assert_int_equal(told.count, 1);
    assert_int_equal(told.list[0].state, STORE_DELIVERY_WAITING);
    assert_int_equal(
        store_delivery_payload(world->fixture.service.reader, told.list[0].delivery_id, &payload),
        0);
    assert_true(str_equal_text(payload.delivery.type, "endpoint.disabled"));
    struct json *body = json_parse(payload.body, NULL);
    int64_t named;
    assert_true(json_as_int(json_get(json_get(body, "data"), "endpoint_id"), &named));
    assert_int_equal(named, failing);
    json_free(&body);
    /* Held, not dropped. */
    put(world, 2, ORDER_PAID);
    assert_int_equal(deliveries(world, failing).count, 2);
}

static void on_stepped(void *argument, int error)
{
    struct world *world = argument;
    world->error = error;
    eventfd_write(world->recorded, 1);
}

static int step(struct world *world, int64_t replay_id)
{
    eventfd_t value;
    delivery_webhook_recorder.replay(world->recorder, replay_id, on_stepped, world);
    eventfd_read(world->recorded, &value);
    return world->error;
}

static bool goes_on(const struct world *world, int64_t replay_id)
{
    struct store_replay replay;
    assert_int_equal(store_replay_get(world->fixture.service.reader, replay_id, &replay), 0);
    return replay.finished_at == 0;
}

static void a_replay_sends_the_dead_again(void **state)
{
    struct world *world = *state;
    struct buf out;
    int64_t endpoint = add(world, ENDPOINT_FIXTURE_URL "}");
    for (int32_t order = 1; order <= 3; order++)
        put(world, order, ORDER_NEW);
    struct endpoint_fixture_deliveries found = deliveries(world, endpoint);
    for (size_t i = 0; i < 2; i++) {
        struct webhook_result result = result_of(&found.list[i], WEBHOOK_DEAD);
        assert_int_equal(record(world, &result), 0);
    }
    int64_t replay =
        endpoint_fixture_do(&world->fixture, ENDPOINT_REPLAY, endpoint, "", "replay_id");
    do {
        assert_int_equal(step(world, replay), 0);
    } while (goes_on(world, replay));
    found = deliveries(world, endpoint);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(found.list[i].state, STORE_DELIVERY_WAITING);
    buf_init(&out, 1000);
    assert_int_equal(delivery_read_replay(&world->fixture.service, PROJECT, endpoint, replay, &out),
                     0);
    assert_non_null(strstr(out.ptr, "\"replayed\":2,\"finished\":true"));
    assert_int_equal(
        delivery_read_replay(&world->fixture.service, PROJECT, endpoint + 1, replay, &out),
        ERR_NOT_FOUND);
    buf_fini(&out);
    assert_int_equal(step(world, 999), 0);
}

/* Ends all deliveries of an endpoint. */
struct sweep {
    struct writer_job job;
    size_t count;
    int64_t ids[256];
};

static void note_id(void *argument, const struct store_delivery *delivery)
{
    struct sweep *sweep = argument;
    assert_true(sweep->count < ARRAY_LENGTH(sweep->ids));
    sweep->ids[sweep->count++] = delivery->delivery_id;
}

static int run_sweep(struct writer_job *job, struct writer_transaction *transaction)
{
    struct sweep *sweep = CONTAINER_OF(job, struct sweep, job);
    int rc = 0;
    for (size_t i = 0; i < sweep->count && rc == 0; i++)
        rc = store_delivery_finish(transaction->connection, sweep->ids[i], STORE_DELIVERY_DEAD,
                                   transaction->now_wall);
    return rc;
}

static void sweep_done(struct writer_job *job)
{
    assert_int_equal(job->result, 0);
    loop_stop(job->loop);
}

static void a_large_replay_takes_steps(void **state)
{
    struct world *world = *state;
    struct service *service = &world->fixture.service;
    struct sweep sweep = {.job = {.loop = service->loop, .run = run_sweep, .done = sweep_done}};
    enum { ORDERS = 150 };
    int steps = 0;
    int64_t endpoint = add(world, ENDPOINT_FIXTURE_URL "}");
    struct order_write *write = order_write_new(service, PROJECT, ORDERS);
    for (size_t i = 0; i < ORDERS; i++)
        write->inputs[i].user_external_id = STR_LIT("u1");
    service_fixture_run(write);
    order_write_free(&write);
    assert_int_equal(store_delivery_next(service->reader, endpoint, 256, note_id, &sweep), 0);
    assert_int_equal(sweep.count, ORDERS);
    assert_int_equal(writer_submit(service->writer, &sweep.job), 0);
    loop_run(service->loop);

    int64_t replay =
        endpoint_fixture_do(&world->fixture, ENDPOINT_REPLAY, endpoint, "", "replay_id");
    do {
        assert_int_equal(step(world, replay), 0);
        assert_true(++steps < 10);
    } while (goes_on(world, replay));
    assert_true(steps >= 2);
    sweep.count = 0;
    assert_int_equal(store_delivery_next(service->reader, endpoint, 256, note_id, &sweep), 0);
    assert_int_equal(sweep.count, ORDERS);
}

static const struct json *member_at(const struct json *object, const char *name, size_t index)
{
    return json_at(json_get(object, name), index);
}

static void assert_text(const struct json *object, const char *name, const char *expected)
{
    struct str text;
    assert_true(json_as_string(json_get(object, name), &text));
    if (!str_equal_text(text, expected))
        fail_msg("%s: %.*s", name, STR_ARG(text));
}

static void an_order_shows_its_deliveries(void **state)
{
    struct world *world = *state;
    struct buf out;
    int32_t seq;
    int64_t endpoint = add(world, ENDPOINT_FIXTURE_URL "}");
    put(world, 1, ORDER_PAID);
    put(world, 2, ORDER_PAID);
    struct endpoint_fixture_deliveries found = deliveries(world, endpoint);
    struct webhook_result result = result_of(&found.list[0], WEBHOOK_RETRY);
    result.next_at = 5000;
    result.attempt.status = 0;
    result.attempt.error = STR_LIT("connection refused");
    assert_int_equal(record(world, &result), 0);
    result = result_of(&found.list[0], WEBHOOK_DELIVERED);
    result.attempt.body = STR_LIT("ok \xff\xc3\xa4\xc3");
    result.attempt.headers = STR_LIT("Server: x\r\n");
    result.attempt.address = STR_LIT("127.0.0.1:1");
    assert_int_equal(record(world, &result), 0);

    buf_init(&out, LIMIT_HTTP_RESPONSE);
    assert_int_equal(order_read_for_merchant(&world->fixture.service, PROJECT, 1, &out, &seq), 0);
    struct json *document = json_parse(buf_view(&out), NULL);
    assert_non_null(document);
    assert_int_equal(json_length(json_get(document, "deliveries")), 2);
    const struct json *first = member_at(document, "deliveries", 0);
    assert_text(first, "type", "order.new");
    assert_text(first, "state", "delivered");
    assert_int_equal(json_length(json_get(first, "attempts")), 2);
    assert_text(member_at(first, "attempts", 0), "error", "connection refused");
    assert_int_equal(json_kind(json_get(member_at(first, "attempts", 0), "status")),
                     JSON_KIND_NULL);
    const struct json *second = member_at(first, "attempts", 1);
    assert_text(second, "response_body", "ok \xEF\xBF\xBD\xc3\xa4\xEF\xBF\xBD");
    assert_text(second, "response_headers", "Server: x\r\n");
    assert_text(second, "address", "127.0.0.1:1");
    assert_text(member_at(document, "deliveries", 1), "type", "order.paid");
    assert_text(member_at(document, "deliveries", 1), "state", "waiting");
    json_free(&document);

    buf_clear(&out);
    int64_t id = found.list[0].delivery_id;
    assert_int_equal(delivery_read(&world->fixture.service, PROJECT, id, &out), 0);
    document = json_parse(buf_view(&out), NULL);
    assert_int_equal(json_length(json_get(document, "attempts")), 2);
    json_free(&document);
    assert_int_equal(delivery_read(&world->fixture.service, PROJECT + 1, id, &out), ERR_NOT_FOUND);
    buf_fini(&out);
}

/* More attempts than an answer has room for do not keep an order from being read. */
static void a_long_history_can_be_read(void **state)
{
    struct world *world = *state;
    char body[4000];
    struct buf out;
    int32_t seq;
    memset(body, '"', sizeof(body));
    int64_t endpoint = add(world, ENDPOINT_FIXTURE_URL "}");
    put(world, 1, ORDER_NEW);
    struct endpoint_fixture_deliveries found = deliveries(world, endpoint);
    for (int i = 0; i < 40; i++) {
        struct webhook_result result = result_of(&found.list[0], WEBHOOK_RETRY);
        result.next_at = 5000;
        result.attempt.body = str_make(body, sizeof(body));
        assert_int_equal(record(world, &result), 0);
    }
    buf_init(&out, 256 * 1024);
    assert_int_equal(order_read_for_merchant(&world->fixture.service, PROJECT, 1, &out, &seq), 0);
    struct json *document = json_parse(buf_view(&out), NULL);
    const struct json *attempts = json_get(member_at(document, "deliveries", 0), "attempts");
    assert_int_equal(json_length(attempts), 40);
    assert_non_null(json_get(json_at(attempts, 0), "response_body"));
    assert_null(json_get(json_at(attempts, 39), "response_body"));
    json_free(&document);
    buf_fini(&out);

    buf_init(&out, 66 * 1024);
    assert_int_equal(order_read_for_merchant(&world->fixture.service, PROJECT, 1, &out, &seq), 0);
    document = json_parse(buf_view(&out), NULL);
    attempts = json_get(member_at(document, "deliveries", 0), "attempts");
    assert_in_range(json_length(attempts), 1, 20);
    json_free(&document);
    buf_fini(&out);
}

static void lists_have_pages(void **state)
{
    struct world *world = *state;
    struct buf out;
    struct store_delivery_filter filter = {.project_id = PROJECT, .state = -1, .limit = 2};
    int64_t id;
    add(world, ENDPOINT_FIXTURE_URL "}");
    for (int32_t order = 1; order <= 3; order++)
        put(world, order, ORDER_NEW);
    buf_init(&out, 10000);
    assert_int_equal(delivery_read_list(&world->fixture.service, &filter, &out), 0);
    struct json *document = json_parse(buf_view(&out), NULL);
    assert_int_equal(json_length(json_get(document, "deliveries")), 2);
    assert_text(member_at(document, "deliveries", 0), "type", "order.new");
    assert_null(json_get(member_at(document, "deliveries", 0), "attempts"));
    assert_int_equal(json_kind(json_get(document, "next_cursor")), JSON_KIND_STRING);
    assert_true(json_as_int(json_get(member_at(document, "deliveries", 1), "id"), &filter.before));
    json_free(&document);
    buf_clear(&out);
    assert_int_equal(delivery_read_list(&world->fixture.service, &filter, &out), 0);
    document = json_parse(buf_view(&out), NULL);
    assert_int_equal(json_length(json_get(document, "deliveries")), 1);
    assert_true(json_as_int(json_get(member_at(document, "deliveries", 0), "order_id"), &id));
    assert_int_equal(id, 1);
    json_free(&document);
    buf_fini(&out);
}

/* Three endpoints, and room for less: the page ends early and goes on. */
static void endpoints_that_do_not_fit_are_on_the_next_page(void **state)
{
    struct world *world = *state;
    struct buf out;
    int64_t last = 0;
    size_t count = 0;
    for (int i = 0; i < 3; i++)
        add(world, ENDPOINT_FIXTURE_URL "}");
    for (int page = 0; page < 2; page++) {
        buf_init(&out, 1000);
        assert_int_equal(delivery_read_endpoints(&world->fixture.service, PROJECT, last, &out), 0);
        struct json *document = json_parse(buf_view(&out), NULL);
        const struct json *list = json_get(document, "webhooks");
        size_t rows = json_length(list);
        assert_true(rows > 0);
        count += rows;
        assert_true(json_as_int(json_get(json_at(list, rows - 1), "id"), &last));
        assert_int_equal(json_kind(json_get(document, "next_cursor")),
                         page == 0 ? JSON_KIND_STRING : JSON_KIND_NULL);
        json_free(&document);
        buf_fini(&out);
    }
    assert_int_equal(count, 3);
}

static void an_event_can_be_read_as_a_payload(void **state)
{
    struct world *world = *state;
    struct service *service = &world->fixture.service;
    struct store_delivery_payload payload;
    put(world, 1, ORDER_DONE);
    assert_int_equal(delivery_read_event(service, PROJECT, 1, 2, &payload), 0);
    assert_int_equal(payload.event.status, ORDER_PAID);
    assert_int_equal(payload.event.previous, ORDER_NEW);
    assert_int_equal(payload.delivery.order_id, 1);
    assert_true(str_equal_text(payload.user_external_id, "u1"));
    assert_int_equal(delivery_read_event(service, PROJECT, 1, 4, &payload), ERR_NOT_FOUND);
    assert_int_equal(delivery_read_event(service, PROJECT, 2, 1, &payload), ERR_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_BOTH(rows_for_what_endpoints_want),
        ON_BOTH(content_alone_is_no_webhook),
        ON_BOTH(a_change_counts_at_once),
        ON_BOTH(a_rolled_back_group_leaves_nothing),
        ON_BOTH(results_are_recorded_and_the_lane_moves_on),
        ON_BOTH(a_result_of_a_row_that_is_gone_harms_nobody),
        ON_BOTH(results_are_refused_once_closed),
        ON_BOTH(a_disabled_endpoint_is_announced_once),
        ON_BOTH(a_replay_sends_the_dead_again),
        ON_BOTH(a_large_replay_takes_steps),
        ON_BOTH(an_order_shows_its_deliveries),
        ON_BOTH(a_long_history_can_be_read),
        ON_BOTH(lists_have_pages),
        ON_BOTH(endpoints_that_do_not_fit_are_on_the_next_page),
        ON_BOTH(an_event_can_be_read_as_a_payload),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
