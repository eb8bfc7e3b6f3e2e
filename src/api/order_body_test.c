/* SPDX-License-Identifier: Apache-2.0 */
#include "api/order_body.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

struct row {
    enum order_body_kind kind;
    const char *body;
    enum api_error error;
    const char *sentence; /* a part of it; for accepted bodies unused */
};

/* 23 arrays in an object: all that may be. */
#define DEEPEST "{\"x\":[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]}"
#define DEEPER "{\"x\":[" DEEPEST "]}"

static const struct row rows[] = {
    {ORDER_BODY_PATCH, "{\"content\":" DEEPEST ",\"custom_parameters\":" DEEPEST "}",
     API_ERROR_NONE, ""},
    {ORDER_BODY_PATCH, "{\"content\":" DEEPER "}", API_ERROR_INVALID_FIELD, "content: nested"},
    {ORDER_BODY_PATCH, "{\"custom_parameters\":" DEEPER "}", API_ERROR_INVALID_FIELD,
     "custom_parameters: nested"},
    {ORDER_BODY_CREATE, "{\"user_external_id\":\"u1\"}", API_ERROR_NONE, ""},
    {ORDER_BODY_CREATE, "{\"user_external_id\":\"u1\",\"order_id\":2147483647,\"status\":\"paid\"}",
     API_ERROR_NONE, ""},
    {ORDER_BODY_CREATE, "{\"user_external_id\":\"u1\",\"status\":null}", API_ERROR_NONE, ""},
    {ORDER_BODY_PATCH, "{}", API_ERROR_NONE, ""},
    {ORDER_BODY_PATCH, " {\"status\":\"done\"} ", API_ERROR_NONE, ""},
    {ORDER_BODY_BATCH, "{\"order_id\":1,\"status\":\"done\"}\r", API_ERROR_NONE, ""},
    {ORDER_BODY_CREATE, "", API_ERROR_BAD_JSON, ""},
    {ORDER_BODY_CREATE, "{\"a\" 1}", API_ERROR_BAD_JSON, "line 1, column 6"},
    {ORDER_BODY_CREATE, "{", API_ERROR_BAD_JSON, ""},
    {ORDER_BODY_CREATE, "{} {}", API_ERROR_BAD_JSON, ""},
    {ORDER_BODY_CREATE, "{\"user_external_id\":\"u1\",\"user_external_id\":\"u2\"}",
     API_ERROR_BAD_JSON, ""},
    {ORDER_BODY_CREATE, "{\"user_external_id\":\"\xff\"}", API_ERROR_BAD_JSON, ""},
    {ORDER_BODY_CREATE, "[]", API_ERROR_INVALID_FIELD, "object"},
    {ORDER_BODY_CREATE, "{}", API_ERROR_INVALID_FIELD, "user_external_id"},
    {ORDER_BODY_CREATE, "{\"user_external_id\":\"\"}", API_ERROR_INVALID_FIELD, "user_external_id"},
    {ORDER_BODY_CREATE, "{\"user_external_id\":7}", API_ERROR_INVALID_FIELD, "user_external_id"},
    {ORDER_BODY_CREATE, "{\"user_external_id\":\"a\\nb\"}", API_ERROR_INVALID_FIELD,
     "user_external_id"},
    {ORDER_BODY_CREATE, "{\"user_external_id\":\"u\",\"order_id\":0}", API_ERROR_INVALID_FIELD,
     "order_id"},
    {ORDER_BODY_CREATE, "{\"user_external_id\":\"u\",\"order_id\":-1}", API_ERROR_INVALID_FIELD,
     "order_id"},
    {ORDER_BODY_CREATE, "{\"user_external_id\":\"u\",\"order_id\":2147483648}",
     API_ERROR_INVALID_FIELD, "order_id"},
    {ORDER_BODY_CREATE, "{\"user_external_id\":\"u\",\"order_id\":1.0}", API_ERROR_INVALID_FIELD,
     "order_id"},
    {ORDER_BODY_CREATE, "{\"user_external_id\":\"u\",\"order_id\":\"1\"}", API_ERROR_INVALID_FIELD,
     "order_id"},
    {ORDER_BODY_CREATE, "{\"user_external_id\":\"u\",\"status\":\"expired\"}",
     API_ERROR_INVALID_FIELD, "new, paid, done or canceled"},
    {ORDER_BODY_CREATE, "{\"user_external_id\":\"u\",\"status\":\"Paid\"}", API_ERROR_INVALID_FIELD,
     "status"},
    {ORDER_BODY_CREATE, "{\"user_external_id\":\"u\",\"status\":\"\"}", API_ERROR_INVALID_FIELD,
     "status"},
    {ORDER_BODY_CREATE, "{\"user_external_id\":\"u\",\"content\":[]}", API_ERROR_INVALID_FIELD,
     "content"},
    {ORDER_BODY_CREATE, "{\"user_external_id\":\"u\",\"content\":{\"is_free\":\"no\"}}",
     API_ERROR_INVALID_FIELD, "is_free"},
    {ORDER_BODY_CREATE, "{\"user_external_id\":\"u\",\"custom_parameters\":1}",
     API_ERROR_INVALID_FIELD, "custom_parameters"},
    {ORDER_BODY_CREATE, "{\"user_external_id\":\"u\",\"statsu\":\"paid\"}", API_ERROR_INVALID_FIELD,
     "statsu"},
    {ORDER_BODY_PATCH, "{\"order_id\":1}", API_ERROR_INVALID_FIELD, "order_id"},
    {ORDER_BODY_PATCH, "{\"user_external_id\":\"u\"}", API_ERROR_INVALID_FIELD, "user_external_id"},
};

static void test_a_line_of_a_batch_is_told_by_column_alone(void **state)
{
    struct arena texts;
    struct order_input input;
    char error[ORDER_BODY_ERROR_SIZE] = "";
    (void)state;
    arena_init(&texts);
    assert_int_equal(order_body_read(ORDER_BODY_BATCH, STR_LIT("{\"a\" 1}"), &texts, &input, error),
                     API_ERROR_BAD_JSON);
    assert_memory_equal(error, "column 6: ", 10);
    arena_fini(&texts);
}

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct arena texts;
        struct order_input input;
        char error[ORDER_BODY_ERROR_SIZE] = "";
        arena_init(&texts);
        enum api_error result =
            order_body_read(rows[i].kind, str_from(rows[i].body), &texts, &input, error);
        if (result != rows[i].error || strstr(error, rows[i].sentence) == NULL)
            fail_msg("row %zu: %s: %d \"%s\"", i, rows[i].body, (int)result, error);
        arena_fini(&texts);
    }
}

static void test_fields_are_taken(void **state)
{
    struct arena texts;
    struct order_input input;
    char error[ORDER_BODY_ERROR_SIZE];
    (void)state;
    arena_init(&texts);
    assert_int_equal(
        order_body_read(ORDER_BODY_BATCH,
                        STR_LIT("{\"order_id\":7,\"user_external_id\":\"u1\",\"status\":"
                                "\"canceled\",\"cancel_reason\":\"refund\",\"content\":{\"is_free\""
                                ":true},\"custom_parameters\":{ \"b\" : 1, \"a\" : [] }}"),
                        &texts, &input, error),
        API_ERROR_NONE);
    assert_int_equal(input.mode, ORDER_WRITE_CREATE);
    assert_int_equal(input.order_id, 7);
    assert_true(str_equal_text(input.user_external_id, "u1"));
    assert_true(input.has_status);
    assert_int_equal(input.status, ORDER_CANCELED);
    assert_true(str_equal_text(input.cancel_reason, "refund"));
    assert_true(input.content_is_free);
    assert_true(input.content.len > 0);
    assert_true(str_equal_text(input.custom_parameters, "{\"b\":1,\"a\":[]}"));
    assert_int_equal(input.expected_seq, -1);
    arena_fini(&texts);
}

static void test_answers(void **state)
{
    static const struct {
        struct order_answer answer;
        bool created_form;
        const char *text;
    } answers[] = {
        {{.order_id = 5, .status = ORDER_NEW, .seq = 1, .created = true},
         true,
         "{\"order_id\":5,\"status\":\"new\",\"seq\":1,\"token\":\"T\"}"},
        {{.order_id = 5, .status = ORDER_PAID, .seq = 2},
         true,
         "{\"order_id\":5,\"status\":\"paid\",\"seq\":2,\"applied\":true}"},
        {{.order_id = 5, .status = ORDER_NEW, .seq = 1, .created = true},
         false,
         "{\"order_id\":5,\"status\":\"new\",\"seq\":1,\"applied\":true}"},
        {{.order_id = 5, .status = ORDER_DONE, .seq = 3, .verdict = ORDER_STALE},
         true,
         "{\"order_id\":5,\"status\":\"done\",\"seq\":3,\"applied\":false,\"reason\":\"stale\"}"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(answers); i++) {
        struct buf out;
        buf_init(&out, 500);
        order_body_write(&answers[i].answer, answers[i].created_form, STR_LIT("T"), &out);
        buf_append_byte(&out, '\0');
        assert_string_equal(out.ptr, answers[i].text);
        buf_fini(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_a_line_of_a_batch_is_told_by_column_alone),
        cmocka_unit_test(test_fields_are_taken),
        cmocka_unit_test(test_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
