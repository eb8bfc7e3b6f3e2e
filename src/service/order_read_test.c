/* SPDX-License-Identifier: Apache-2.0 */
/* Orders as buyers and merchants read them. */
#include "service/order_read.h"

#include "base/err.h"
#include "base/limits.h"
#include "codec/json.h"
#include "service/list_cursor.h"
#include "service/service_fixture.h"

#define PROJECT SERVICE_FIXTURE_PROJECT
#define CONTENT "{\"price\":null,\"virtual_price\":null,\"is_free\":false,\"items\":[],\"n\":1}"

static void put_whole_order(struct service_fixture *fixture)
{
    struct order_write *write = order_write_new(&fixture->service, PROJECT, 1);
    struct order_input *input = &write->inputs[0];
    input->order_id = 5;
    input->user_external_id = STR_LIT("u\"1");
    input->has_status = true;
    input->status = ORDER_CANCELED;
    input->content = STR_LIT(CONTENT);
    input->custom_parameters = STR_LIT("{\"a\":[1]}");
    input->cancel_reason = STR_LIT("expired");
    service_fixture_run(write);
    assert_int_equal(write->answers[0].error, API_ERROR_NONE);
    order_write_free(&write);
}

static void expect(const struct buf *out, const char *text)
{
    if (!str_equal_text(buf_view(out), text))
        fail_msg("%.*s", (int)out->len, out->ptr);
}

static void a_buyer_reads_an_own_order(void **state)
{
    struct service_fixture *fixture = *state;
    struct service *service = &fixture->service;
    struct buf out;
    int32_t seq = 0;
    put_whole_order(fixture);
    service_fixture_put(fixture, 6, "u2", ORDER_PAID);
    buf_init(&out, LIMIT_HTTP_RESPONSE);
    assert_int_equal(order_read_for_user(service, PROJECT, 5, STR_LIT("u\"1"), &out, &seq), 0);
    expect(&out, "{\"order_id\":5,\"status\":\"canceled\",\"content\":" CONTENT "}");
    assert_int_equal(seq, 2);
    buf_clear(&out);
    assert_int_equal(order_read_for_user(service, PROJECT, 6, STR_LIT("u2"), &out, &seq), 0);
    expect(&out,
           "{\"order_id\":6,\"status\":\"paid\",\"content\":{\"price\":null,"
           "\"virtual_price\":null,\"is_free\":false,\"items\":[]}}");
    buf_clear(&out);

    static const struct {
        int32_t project_id;
        int32_t order_id;
        const char *user;
    } strangers[] = {{PROJECT, 5, "u2"}, {PROJECT, 5, ""}, {PROJECT, 7, "u2"}, {1, 6, "u2"}};
    for (size_t i = 0; i < ARRAY_LENGTH(strangers); i++) {
        struct str user = str_from(strangers[i].user);
        assert_int_equal(order_read_for_user(service, strangers[i].project_id,
                                             strangers[i].order_id, user, &out, &seq),
                         ERR_NOT_FOUND);
        assert_int_equal(
            order_read_seq(service, strangers[i].project_id, strangers[i].order_id, user, &seq),
            ERR_NOT_FOUND);
        assert_int_equal(out.len, 0);
    }
    assert_int_equal(order_read_seq(service, PROJECT, 6, STR_LIT("u2"), &seq), 0);
    assert_int_equal(seq, 2);
    buf_fini(&out);
}

/* Times are replaced by T. */
static void mask_times(struct buf *out)
{
    static const char sample[] = "2026-11-22T11:31:24.123Z";
    size_t kept = 0;
    for (size_t i = 0; i < out->len; i++) {
        out->ptr[kept++] = out->ptr[i];
        if (out->ptr[i] == '"' && i + sizeof(sample) < out->len && out->ptr[i + 5] == '-' &&
            out->ptr[i + sizeof(sample)] == '"') {
            out->ptr[kept++] = 'T';
            i += sizeof(sample) - 1;
        }
    }
    out->len = kept;
}

static void a_merchant_reads_everything(void **state)
{
    struct service_fixture *fixture = *state;
    struct buf out;
    int32_t seq = 0;
    put_whole_order(fixture);
    buf_init(&out, LIMIT_HTTP_RESPONSE);
    assert_int_equal(order_read_for_merchant(&fixture->service, PROJECT, 5, &out, &seq), 0);
    struct json *document = json_parse(buf_view(&out), NULL);
    assert_non_null(document);
    json_free(&document);
    mask_times(&out);
    expect(&out,
           "{\"order_id\":5,\"user_external_id\":\"u\\\"1\",\"status\":\"canceled\",\"seq\":2,"
           "\"content\":" CONTENT
           ",\"custom_parameters\":{\"a\":[1]},\"cancel_reason\":\"expired\","
           "\"created_at\":\"T\",\"updated_at\":\"T\",\"events\":["
           "{\"seq\":1,\"status\":\"new\",\"previous_status\":\"new\",\"synthetic\":true,"
           "\"offset\":1,\"occurred_at\":\"T\"},"
           "{\"seq\":2,\"status\":\"canceled\",\"previous_status\":\"new\",\"synthetic\":false,"
           "\"offset\":2,\"occurred_at\":\"T\"}],\"deliveries\":[]}");
    assert_int_equal(seq, 2);
    assert_int_equal(order_read_for_merchant(&fixture->service, PROJECT, 6, &out, &seq),
                     ERR_NOT_FOUND);
    /* The transaction was ended: the next one can begin. */
    buf_clear(&out);
    assert_int_equal(order_read_for_merchant(&fixture->service, PROJECT, 5, &out, &seq), 0);
    buf_fini(&out);

    buf_init(&out, 100);
    assert_int_equal(order_read_for_merchant(&fixture->service, PROJECT, 5, &out, &seq),
                     ERR_TOO_LARGE);
    buf_fini(&out);
}

/* Reads a page; gives back its ids and where the next one begins, 0 for the end. */
static size_t read_page(struct service_fixture *fixture, struct store_order_filter *filter,
                        size_t room, int32_t ids[16])
{
    struct buf out;
    struct str cursor;
    int64_t before = 0;
    int64_t id;
    buf_init(&out, room);
    assert_int_equal(order_read_list(&fixture->service, filter, &out), 0);
    struct json *document = json_parse(buf_view(&out), NULL);
    assert_non_null(document);
    const struct json *orders = json_get(document, "orders");
    size_t count = json_length(orders);
    assert_true(count <= 16);
    for (size_t i = 0; i < count; i++) {
        assert_true(json_as_int(json_get(json_at(orders, i), "order_id"), &id));
        ids[i] = (int32_t)id;
    }
    if (json_as_string(json_get(document, "next_cursor"), &cursor))
        assert_int_equal(list_cursor_read(cursor, INT32_MAX, &before), 0);
    else
        assert_int_equal(json_kind(json_get(document, "next_cursor")), JSON_KIND_NULL);
    filter->before = (int32_t)before;
    json_free(&document);
    buf_fini(&out);
    return count;
}

static void lists_go_on_at_their_cursor(void **state)
{
    static const struct {
        int limit;
        size_t room; /* of the answer */
    } rows[] = {{1, 100000}, {3, 100000}, {10, 100000}, {11, 100000}, {16, 100000}, {10, 1000}};
    struct service_fixture *fixture = *state;
    for (int32_t id = 1; id <= 10; id++)
        service_fixture_put(fixture, id, "u1", ORDER_NEW);
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct store_order_filter filter = {
            .project_id = PROJECT,
            .status = -1,
            .limit = rows[i].limit,
        };
        int32_t ids[16];
        int32_t expected = 10;
        do {
            size_t count = read_page(fixture, &filter, rows[i].room, ids);
            for (size_t j = 0; j < count; j++)
                assert_int_equal(ids[j], expected--);
        } while (filter.before != 0);
        assert_int_equal(expected, 0);
    }
}

static void an_answer_too_small_for_one_order_is_an_error(void **state)
{
    struct service_fixture *fixture = *state;
    struct store_order_filter filter = {.project_id = PROJECT, .status = -1, .limit = 10};
    struct buf out;
    service_fixture_put(fixture, 1, "u1", ORDER_NEW);
    buf_init(&out, 100);
    assert_int_equal(order_read_list(&fixture->service, &filter, &out), ERR_TOO_LARGE);
    buf_fini(&out);
}

static void cursors_of_others_are_refused(void **state)
{
    /* "0", "-1", "2147483648", "x", and what is no base64url */
    static const char *const rows[] = {"MA",
                                       "LTE",
                                       "MjE0NzQ4MzY0OA",
                                       "eA",
                                       "",
                                       "MQ==",
                                       "!",
                                       "MTExMTExMTExMTExMTExMTExMTExMTExMTExMTExMTExMTExMTEx"};
    int64_t before = 7;
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        assert_int_equal(list_cursor_read(str_from(rows[i]), INT32_MAX, &before), ERR_INVALID);
    assert_int_equal(before, 7);
    assert_int_equal(list_cursor_read(STR_LIT("MQ"), INT32_MAX, &before), 0);
    assert_int_equal(before, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_buyer_reads_an_own_order, service_fixture_setup,
                                        service_fixture_teardown),
        cmocka_unit_test_setup_teardown(a_merchant_reads_everything, service_fixture_setup,
                                        service_fixture_teardown),
        cmocka_unit_test_setup_teardown(lists_go_on_at_their_cursor, service_fixture_setup,
                                        service_fixture_teardown),
        cmocka_unit_test_setup_teardown(an_answer_too_small_for_one_order_is_an_error,
                                        service_fixture_setup, service_fixture_teardown),
        cmocka_unit_test(cursors_of_others_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
