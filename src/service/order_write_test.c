/* SPDX-License-Identifier: Apache-2.0 */
/* Orders written through the store thread: answers, rows, streams, and what the hub hears. */
#include "service/order_write.h"

#include "base/err.h"
#include "base/mem.h"
#include "codec/payment_token.h"
#include "service/order_answers.h"
#include "service/service_fixture.h"

#include <string.h>

#define PROJECT SERVICE_FIXTURE_PROJECT
#define OTHER_FORM "{\"is_free\":true}"

struct world {
    struct service_fixture fixture;
    struct hub_subscriber subscriber; /* of user u1 */
    struct hub_event heard[16];
    size_t heard_count;
};

static void on_event(struct hub_subscriber *subscriber, const struct hub_event *event)
{
    struct world *world = CONTAINER_OF(subscriber, struct world, subscriber);
    assert_true(world->heard_count < ARRAY_LENGTH(world->heard));
    world->heard[world->heard_count++] = *event;
}

static const struct hub_subscriber_ops ops = {.event = on_event};

static int setup(void **state)
{
    struct world *world = mem_zalloc(sizeof(*world));
    world->fixture.options.payment_token_ttl = 1000000;
    world->fixture.options.idempotency_ttl = 1000000;
    service_fixture_open(&world->fixture, &store_memory, ".");
    hub_subscribe(world->fixture.service.hub, PROJECT, STR_LIT("u1"), &world->subscriber, &ops);
    *state = world;
    return 0;
}

static int teardown(void **state)
{
    struct world *world = *state;
    hub_unsubscribe(world->fixture.service.hub, &world->subscriber);
    service_fixture_close(&world->fixture);
    mem_free(world);
    return 0;
}

static struct order_write *new_write(struct world *world, size_t count)
{
    return order_write_new(&world->fixture.service, PROJECT, count);
}

static struct order_input input_of(int32_t order_id, const char *user, int status)
{
    return (struct order_input){
        .order_id = order_id,
        .user_external_id = str_from(user),
        .has_status = status >= 0,
        .status = status >= 0 ? (enum order_status)status : ORDER_NEW,
        .expected_seq = -1,
    };
}

static struct order_answer write_one(struct world *world, const struct order_input *input,
                                     bool strict)
{
    struct order_write *write = new_write(world, 1);
    write->inputs[0] = *input;
    write->strict = strict;
    service_fixture_run(write);
    assert_int_equal(write->error, API_ERROR_NONE);
    struct order_answer answer = write->answers[0];
    order_write_free(&write);
    return answer;
}

static void created_orders_get_ids_and_tokens(void **state)
{
    struct world *world = *state;
    struct order_write *write = new_write(world, 1);
    struct payment_token token;
    struct buf text;
    buf_init(&text, 200);
    write->inputs[0] = input_of(0, "u1", -1);
    service_fixture_run(write);
    const struct order_answer *answer = &write->answers[0];
    assert_int_equal(answer->error, API_ERROR_NONE);
    assert_true(answer->created);
    assert_int_equal(answer->order_id, 1);
    assert_int_equal(answer->status, ORDER_NEW);
    assert_int_equal(answer->seq, 1);
    order_write_token(write, answer, &text);
    assert_int_equal(payment_token_decode(buf_view(&text),
                                          store_identity(world->fixture.service.store)->token_key,
                                          &token),
                     0);
    assert_int_equal(token.project_id, PROJECT);
    assert_int_equal(token.order_id, 1);
    assert_true(token.expires_at == answer->token_expires_at);
    order_write_free(&write);
    buf_fini(&text);

    struct order_input next = input_of(0, "u1", ORDER_PAID);
    assert_int_equal(write_one(world, &next, false).order_id, 2);
    next.order_id = 2147483647;
    assert_int_equal(write_one(world, &next, false).error, API_ERROR_NONE);
    next.order_id = 0;
    struct order_answer last = write_one(world, &next, false);
    assert_int_equal(last.error, API_ERROR_ORDER_IDS_USED_UP);
    assert_int_equal(last.order_id, 0);
}

static void events_are_numbered_stored_and_heard(void **state)
{
    static const struct {
        enum order_status status;
        enum order_status previous;
        bool synthetic;
        int32_t offset;
    } expected[] = {
        {ORDER_NEW, ORDER_NEW, true, 1},
        {ORDER_PAID, ORDER_NEW, true, 2},
        {ORDER_DONE, ORDER_PAID, false, 3},
        {ORDER_DONE, ORDER_DONE, false, 0}, /* content alone */
        {ORDER_CANCELED, ORDER_DONE, false, 4},
    };
    struct world *world = *state;
    struct order_input input = input_of(5, "u1", ORDER_DONE);
    assert_int_equal(write_one(world, &input, false).seq, 3);
    input = input_of(5, "", -1);
    input.mode = ORDER_WRITE_PATCH;
    input.content = STR_LIT(OTHER_FORM);
    assert_int_equal(write_one(world, &input, false).seq, 4);
    assert_int_equal(write_one(world, &input, false).verdict, ORDER_DUPLICATE);
    input = input_of(5, "u1", ORDER_CANCELED);
    input.cancel_reason = STR_LIT("refund");
    assert_int_equal(write_one(world, &input, false).seq, 5);

    assert_int_equal(world->heard_count, ARRAY_LENGTH(expected));
    for (size_t i = 0; i < ARRAY_LENGTH(expected); i++) {
        assert_int_equal(world->heard[i].seq, i + 1);
        assert_int_equal(world->heard[i].order_id, 5);
        assert_int_equal(world->heard[i].status, expected[i].status);
        assert_int_equal(world->heard[i].offset, expected[i].offset);
    }

    struct store_order order;
    struct store_user user;
    struct store_connection *reader = world->fixture.service.reader;
    assert_int_equal(store_order_get(reader, PROJECT, 5, &order), 0);
    assert_int_equal(order.status, ORDER_CANCELED);
    assert_int_equal(order.seq, 5);
    assert_true(str_equal_text(order.content, OTHER_FORM));
    assert_true(str_equal_text(order.cancel_reason, "refund"));
    assert_true(order.updated_at >= order.created_at && order.created_at > 0);
    assert_int_equal(store_user_get(reader, PROJECT, STR_LIT("u1"), &user), 0);
    assert_int_equal(user.top, 4);
}

/* Each row meets what the rows before it have left. */
static void inputs_one_after_another(void **state)
{
    static const struct {
        enum order_write_mode mode;
        int32_t order_id;
        const char *user;
        int status; /* -1: none */
        const char *content;
        int32_t expected_seq;
        bool strict;
        enum api_error error;
        enum order_verdict verdict;
        int after; /* status */
        int32_t seq;
    } rows[] = {
        {ORDER_WRITE_PATCH, 1, "u1", ORDER_PAID, "", -1, false, API_ERROR_ORDER_NOT_FOUND,
         ORDER_APPLIED, ORDER_NEW, 0},
        {ORDER_WRITE_PATCH, 0, "u1", ORDER_PAID, "", -1, false, API_ERROR_ORDER_NOT_FOUND,
         ORDER_APPLIED, ORDER_NEW, 0},
        {ORDER_WRITE_CREATE, 1, "", ORDER_PAID, "", -1, false, API_ERROR_INVALID_FIELD,
         ORDER_APPLIED, ORDER_NEW, 0},
        {ORDER_WRITE_CREATE, 1, "u1", ORDER_NEW, "", 1, false, API_ERROR_PRECONDITION_FAILED,
         ORDER_APPLIED, ORDER_NEW, 0},
        {ORDER_WRITE_CREATE, 1, "u1", ORDER_DONE, "", -1, true, API_ERROR_ORDER_SKIPPED,
         ORDER_SKIPPED, ORDER_NEW, 0},
        {ORDER_WRITE_CREATE, 1, "u1", -1, "", -1, true, API_ERROR_NONE, ORDER_APPLIED, ORDER_NEW,
         1},
        {ORDER_WRITE_CREATE, 1, "u1", ORDER_NEW, "", -1, false, API_ERROR_NONE, ORDER_DUPLICATE,
         ORDER_NEW, 1},
        {ORDER_WRITE_CREATE, 1, "u2", ORDER_PAID, "", -1, false, API_ERROR_ORDER_OTHER_USER,
         ORDER_APPLIED, ORDER_NEW, 1},
        {ORDER_WRITE_PATCH, 1, "", ORDER_PAID, "", 2, false, API_ERROR_PRECONDITION_FAILED,
         ORDER_APPLIED, ORDER_NEW, 1},
        {ORDER_WRITE_PATCH, 1, "", ORDER_DONE, "", 1, true, API_ERROR_ORDER_SKIPPED, ORDER_SKIPPED,
         ORDER_NEW, 1},
        {ORDER_WRITE_PATCH, 1, "", ORDER_PAID, "", 1, true, API_ERROR_NONE, ORDER_APPLIED,
         ORDER_PAID, 2},
        {ORDER_WRITE_PATCH, 1, "", ORDER_NEW, "", -1, false, API_ERROR_NONE, ORDER_STALE,
         ORDER_PAID, 2},
        {ORDER_WRITE_CREATE, 1, "", ORDER_CANCELED, "", -1, false, API_ERROR_NONE, ORDER_APPLIED,
         ORDER_CANCELED, 3},
        {ORDER_WRITE_PATCH, 1, "", ORDER_DONE, "", -1, false, API_ERROR_ORDER_CONFLICT,
         ORDER_CONFLICT, ORDER_CANCELED, 3},
        {ORDER_WRITE_PATCH, 1, "", -1, "{}", -1, false, API_ERROR_NONE, ORDER_APPLIED,
         ORDER_CANCELED, 4},
    };
    struct world *world = *state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct order_input input = input_of(rows[i].order_id, rows[i].user, rows[i].status);
        input.mode = rows[i].mode;
        input.content = str_from(rows[i].content);
        input.expected_seq = rows[i].expected_seq;
        struct order_answer answer = write_one(world, &input, rows[i].strict);
        if (answer.error != rows[i].error || answer.verdict != rows[i].verdict ||
            answer.status != (enum order_status)rows[i].after || answer.seq != rows[i].seq)
            fail_msg("row %zu: error %d, verdict %d, status %d, seq %d", i, answer.error,
                     answer.verdict, answer.status, answer.seq);
    }
    assert_int_equal(world->heard_count, 4);
}

static void a_free_order_needs_no_payment(void **state)
{
    struct world *world = *state;
    struct order_input input = input_of(1, "u1", ORDER_DONE);
    input.content = STR_LIT(OTHER_FORM);
    input.content_is_free = true;
    assert_int_equal(write_one(world, &input, true).seq, 2);
    /* What was said at creation holds later. */
    input = input_of(2, "u1", ORDER_NEW);
    input.content = STR_LIT(OTHER_FORM);
    input.content_is_free = true;
    assert_int_equal(write_one(world, &input, true).seq, 1);
    input = input_of(2, "u1", ORDER_DONE);
    assert_int_equal(write_one(world, &input, true).seq, 2);
}

static void a_batch_keeps_its_order_and_its_bad_lines(void **state)
{
    struct world *world = *state;
    struct order_write *write = new_write(world, 5);
    write->inputs[0] = input_of(9, "u1", ORDER_NEW);
    write->inputs[1] = (struct order_input){.error = API_ERROR_BAD_JSON, .expected_seq = -1};
    write->inputs[2] = input_of(9, "u1", ORDER_PAID);
    write->inputs[3] = input_of(0, "u2", ORDER_NEW);
    write->inputs[4] = input_of(9, "", ORDER_DONE);
    service_fixture_run(write);
    static const int32_t seqs[] = {1, 0, 2, 1, 3};
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(write->answers[i].seq, seqs[i]);
    assert_int_equal(write->answers[1].error, API_ERROR_BAD_JSON);
    assert_int_equal(write->answers[3].order_id, 10);
    assert_true(write->answers[0].created);
    assert_false(write->answers[2].created);
    assert_int_equal(world->heard_count, 3);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(world->heard[i].offset, i + 1);
    order_write_free(&write);
}

static struct order_write *run_keyed(struct world *world, char hash, int32_t order_id, int status)
{
    struct order_write *write = new_write(world, 2);
    write->inputs[0] = input_of(order_id, "u1", status);
    write->inputs[1] = (struct order_input){.error = API_ERROR_INVALID_FIELD, .expected_seq = -1};
    write->idempotency.key = STR_LIT("key-1");
    memset(write->idempotency.hash, hash, sizeof(write->idempotency.hash));
    service_fixture_run(write);
    return write;
}

/* As if so many changes of content had been. */
static void set_seq(struct world *world, int32_t order_id, int32_t seq)
{
    struct store_connection *connection;
    struct store_order order;
    assert_int_equal(store_connect(world->fixture.service.store, STORE_WRITER, &connection), 0);
    assert_int_equal(store_order_get(connection, PROJECT, order_id, &order), 0);
    order.seq = seq;
    assert_int_equal(store_order_update(connection, &order), 0);
    store_disconnect(&connection);
}

static void an_order_changed_too_often_still_takes_a_status(void **state)
{
    struct world *world = *state;
    struct order_input input = input_of(1, "u1", ORDER_PAID);
    assert_true(write_one(world, &input, false).created);
    set_seq(world, 1, LIMIT_ORDER_EVENTS - 1);

    struct order_input change = input_of(1, "u1", -1);
    change.content = STR_LIT(OTHER_FORM);
    assert_int_equal(write_one(world, &change, false).seq, LIMIT_ORDER_EVENTS);
    change.content = STR_LIT("{}");
    struct order_answer refused = write_one(world, &change, false);
    assert_int_equal(refused.error, API_ERROR_ORDER_EVENTS_USED_UP);
    assert_int_equal(refused.seq, LIMIT_ORDER_EVENTS);
    input.status = ORDER_DONE;
    assert_int_equal(write_one(world, &input, false).seq, LIMIT_ORDER_EVENTS + 1);
}

/* As if the user's stream had come so far. */
static void set_top(struct world *world, int32_t order_id, int32_t top)
{
    struct store_connection *connection;
    struct store_order order;
    struct store_event event = {.seq = LIMIT_ORDER_EVENTS, .offset = top};
    assert_int_equal(store_connect(world->fixture.service.store, STORE_WRITER, &connection), 0);
    assert_int_equal(store_order_get(connection, PROJECT, order_id, &order), 0);
    assert_int_equal(store_event_append(connection, &order, &event), 0);
    store_disconnect(&connection);
}

static void a_full_stream_takes_no_more(void **state)
{
    struct world *world = *state;
    struct order_input input = input_of(1, "u1", ORDER_NEW);
    assert_true(write_one(world, &input, false).created);
    set_top(world, 1, INT32_MAX - 1);
    input = input_of(1, "u1", ORDER_DONE);
    assert_int_equal(write_one(world, &input, false).error, API_ERROR_STREAM_USED_UP);
    input = input_of(2, "u1", ORDER_PAID);
    assert_int_equal(write_one(world, &input, false).error, API_ERROR_STREAM_USED_UP);
    input = input_of(1, "u1", ORDER_PAID);
    assert_int_equal(write_one(world, &input, false).seq, 2);
    assert_int_equal(world->heard[world->heard_count - 1].offset, INT32_MAX);
    input = input_of(1, "u1", ORDER_DONE);
    assert_int_equal(write_one(world, &input, false).error, API_ERROR_STREAM_USED_UP);
    input = input_of(2, "u2", ORDER_PAID);
    assert_true(write_one(world, &input, false).created);
}

static void a_repeated_key_replays_the_answer(void **state)
{
    struct world *world = *state;
    struct order_write *first = run_keyed(world, 'a', 0, ORDER_PAID);
    assert_false(first->replayed);
    struct order_write *again = run_keyed(world, 'a', 0, ORDER_PAID);
    assert_true(again->replayed);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(again->answers[i].error, first->answers[i].error);
        assert_int_equal(again->answers[i].order_id, first->answers[i].order_id);
        assert_int_equal(again->answers[i].status, first->answers[i].status);
        assert_int_equal(again->answers[i].seq, first->answers[i].seq);
        assert_int_equal(again->answers[i].created, first->answers[i].created);
        assert_int_equal(again->answers[i].verdict, first->answers[i].verdict);
        assert_true(again->answers[i].token_expires_at == first->answers[i].token_expires_at);
    }
    assert_true(again->answers[0].token_expires_at > 0);
    assert_int_equal(world->heard_count, 2);
    struct order_write *other = run_keyed(world, 'b', 0, ORDER_PAID);
    assert_int_equal(other->error, API_ERROR_IDEMPOTENCY_OTHER);
    assert_int_equal(world->heard_count, 2);
    order_write_free(&first);
    order_write_free(&again);
    order_write_free(&other);
}

static void an_expired_key_is_free_again(void **state)
{
    struct world *world = *state;
    world->fixture.options.idempotency_ttl = 0;
    struct order_write *first = run_keyed(world, 'a', 7, ORDER_NEW);
    struct order_write *other = run_keyed(world, 'b', 7, ORDER_PAID);
    assert_int_equal(other->error, API_ERROR_NONE);
    assert_false(other->replayed);
    assert_int_equal(other->answers[0].seq, 2);
    order_write_free(&first);
    order_write_free(&other);
}

/* What came before its order, or with a seq of before, may come again with the same key. */
static void a_refusal_is_not_kept(void **state)
{
    struct world *world = *state;
    for (int round = 0; round < 3; round++) {
        struct order_write *write = new_write(world, 1);
        write->inputs[0] = input_of(7, "", ORDER_PAID);
        write->inputs[0].mode = ORDER_WRITE_PATCH;
        write->inputs[0].expected_seq = round == 1 ? 5 : 1;
        write->idempotency.key = STR_LIT("key-1");
        memset(write->idempotency.hash, 'a', sizeof(write->idempotency.hash));
        service_fixture_run(write);
        static const enum api_error errors[] = {API_ERROR_ORDER_NOT_FOUND,
                                                API_ERROR_PRECONDITION_FAILED, API_ERROR_NONE};
        assert_false(write->replayed);
        assert_int_equal(write->answers[0].error, errors[round]);
        order_write_free(&write);
        struct order_input created = input_of(7, "u1", ORDER_NEW);
        if (round == 0)
            assert_true(write_one(world, &created, false).created);
    }
}

static void memory_outside_of_it_counts(void **state)
{
    struct order_write *write = new_write(*state, 1);
    write->job.bytes = LIMIT_WRITER_BYTES;
    assert_int_equal(order_write_submit(write), ERR_BUSY);
    order_write_free(&write);
}

static void answers_survive_as_bytes(void **state)
{
    static const struct order_answer answers[] = {
        {API_ERROR_NONE, 2147483647, ORDER_CANCELED, 2147483647, true, ORDER_APPLIED,
         INT64_C(4102444800000)},
        {API_ERROR_ORDER_CONFLICT, 1, ORDER_PAID, 2, false, ORDER_CONFLICT, 0},
    };
    struct order_answer read[2];
    struct buf bytes;
    (void)state;
    buf_init(&bytes, order_answers_size(2));
    order_answers_encode(answers, 2, &bytes);
    assert_int_equal(bytes.len, order_answers_size(2));
    assert_true(order_answers_decode(buf_view(&bytes), read, 2));
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(read[i].error, answers[i].error);
        assert_int_equal(read[i].order_id, answers[i].order_id);
        assert_int_equal(read[i].status, answers[i].status);
        assert_int_equal(read[i].seq, answers[i].seq);
        assert_int_equal(read[i].created, answers[i].created);
        assert_int_equal(read[i].verdict, answers[i].verdict);
        assert_true(read[i].token_expires_at == answers[i].token_expires_at);
    }
    assert_false(order_answers_decode(buf_view(&bytes), read, 1));
    assert_false(order_answers_decode(str_make(bytes.ptr, bytes.len - 1), read, 2));
    assert_false(order_answers_decode(str_make(NULL, 0), read, 0));
    bytes.ptr[0]++;
    assert_false(order_answers_decode(buf_view(&bytes), read, 2));
    bytes.ptr[0]--;
    bytes.ptr[1] = (char)0xff; /* an error nobody knows */
    assert_false(order_answers_decode(buf_view(&bytes), read, 2));
    buf_fini(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(created_orders_get_ids_and_tokens, setup, teardown),
        cmocka_unit_test_setup_teardown(events_are_numbered_stored_and_heard, setup, teardown),
        cmocka_unit_test_setup_teardown(inputs_one_after_another, setup, teardown),
        cmocka_unit_test_setup_teardown(a_free_order_needs_no_payment, setup, teardown),
        cmocka_unit_test_setup_teardown(a_batch_keeps_its_order_and_its_bad_lines, setup, teardown),
        cmocka_unit_test_setup_teardown(an_order_changed_too_often_still_takes_a_status, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_full_stream_takes_no_more, setup, teardown),
        cmocka_unit_test_setup_teardown(a_repeated_key_replays_the_answer, setup, teardown),
        cmocka_unit_test_setup_teardown(an_expired_key_is_free_again, setup, teardown),
        cmocka_unit_test_setup_teardown(a_refusal_is_not_kept, setup, teardown),
        cmocka_unit_test_setup_teardown(memory_outside_of_it_counts, setup, teardown),
        cmocka_unit_test(answers_survive_as_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
