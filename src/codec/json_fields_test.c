/* SPDX-License-Identifier: Apache-2.0 */
/* One table of fields against many bodies: what is filled in, and the sentence of each refusal. */
#include "codec/json_fields.h"

#include "base/err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

struct target {
    struct str text;
    int32_t small;
    int64_t large;
    bool flag;
    const struct json *object;
    const struct json *array;
    int64_t at;
    struct str pem;
    int64_t wait;
};

static const struct json_field fields[] = {
    {"order_id", JSON_FIELD_INT32, offsetof(struct target, small), 1, INT32_MAX, true},
    {"user", JSON_FIELD_TEXT, offsetof(struct target, text), 1, 8, false},
    {"large", JSON_FIELD_INT64, offsetof(struct target, large), -5, INT64_MAX, false},
    {"flag", JSON_FIELD_BOOL, offsetof(struct target, flag), 0, 0, false},
    {"content", JSON_FIELD_OBJECT, offsetof(struct target, object), 0, 0, false},
    {"items", JSON_FIELD_ARRAY, offsetof(struct target, array), 0, 0, false},
    {"since", JSON_FIELD_TIME, offsetof(struct target, at), 0, 0, false},
    {"pem", JSON_FIELD_LINES, offsetof(struct target, pem), 1, 16, false},
    {"wait", JSON_FIELD_SECONDS, offsetof(struct target, wait), 10, 60000, false},
    {0},
};

static int read_text(const char *text, struct target *target, char *error)
{
    struct json *document = json_parse(str_from(text), NULL);
    assert_non_null(document);
    int rc = json_fields_read(document, fields, target, error);
    json_free(&document);
    return rc;
}

static void test_filled(void **state)
{
    (void)state;
    char error[JSON_FIELDS_ERROR_SIZE];
    struct target target = {.large = 9};
    struct json *document = json_parse(
        STR_LIT("{\"order_id\":2147483647,\"user\":\"\u00e9-1\",\"large\":-5,\"flag\":true,"
                "\"content\":{\"a\":1},\"items\":[1,2],\"since\":\"2026-11-22T11:31:24Z\","
                "\"pem\":\"a\\r\\n\\tb\",\"wait\":0.29}"),
        NULL);
    assert_int_equal(json_fields_read(document, fields, &target, error), 0);
    assert_int_equal(target.small, INT32_MAX);
    assert_true(str_equal_text(target.text, "\u00e9-1"));
    assert_int_equal(target.large, -5);
    assert_true(target.flag);
    assert_int_equal(json_length(target.object), 1);
    assert_int_equal(json_length(target.array), 2);
    assert_int_equal(target.at, 1795347084000);
    assert_true(str_equal_text(target.pem, "a\r\n\tb"));
    assert_int_equal(target.wait, 290);
    json_free(&document);
}

static void test_absent_and_null_keep_defaults(void **state)
{
    (void)state;
    char error[JSON_FIELDS_ERROR_SIZE];
    struct target target = {.large = 9, .flag = true, .text = STR_LIT("kept")};
    assert_int_equal(read_text("{\"large\":null,\"order_id\":1,\"flag\":null}", &target, error), 0);
    assert_int_equal(target.large, 9);
    assert_true(target.flag);
    assert_true(str_equal_text(target.text, "kept"));
}

static const char *const refused[][2] = {
    {"[]", "expected an object, got an array"},
    {"{\"order_id\":1,\"pem\":\"a\\u001bb\"}", "pem: must not contain control characters"},
    {"{\"order_id\":1,\"user\":\"a\\nb\"}", "user: must not contain control characters"},
    {"{\"order_id\":1,\"pem\":1}", "pem: expected a string, got a number"},
    {"{\"order_id\":1,\"wait\":\"1s\"}", "wait: expected a number of seconds, got a string"},
    {"{\"order_id\":1,\"wait\":0.009}", "wait: must be between 0.01 and 60 seconds"},
    {"{\"order_id\":1,\"wait\":61}", "wait: must be between 0.01 and 60 seconds"},
    {"null", "expected an object, got null"},
    {"{}", "order_id: required"},
    {"{\"order_id\":null}", "order_id: required"},
    {"{\"order_id\":\"1\"}", "order_id: expected a whole number, got a string"},
    {"{\"order_id\":1.0}",
     "order_id: expected a whole number, got a number with a fraction or exponent"},
    {"{\"order_id\":true}", "order_id: expected a whole number, got a boolean"},
    {"{\"order_id\":0}", "order_id: must be between 1 and 2147483647"},
    {"{\"order_id\":-1}", "order_id: must be between 1 and 2147483647"},
    {"{\"order_id\":2147483648}", "order_id: must be between 1 and 2147483647"},
    {"{\"order_id\":1,\"user\":5}", "user: expected a string, got a number"},
    {"{\"order_id\":1,\"user\":\"\"}", "user: must have 1 to 8 bytes"},
    {"{\"order_id\":1,\"user\":\"123456789\"}", "user: must have 1 to 8 bytes"},
    {"{\"order_id\":1,\"user\":\"a\\nb\"}", "user: must not contain control characters"},
    {"{\"order_id\":1,\"large\":-6}", "large: must be between -5 and 9223372036854775807"},
    {"{\"order_id\":1,\"flag\":1}", "flag: expected a boolean, got a number"},
    {"{\"order_id\":1,\"content\":[]}", "content: expected an object, got an array"},
    {"{\"order_id\":1,\"items\":{}}", "items: expected an array, got an object"},
    {"{\"order_id\":1,\"since\":5}", "since: expected a time as a string, got a number"},
    {"{\"order_id\":1,\"since\":\"noon\"}", "since: expected a time like 2026-11-22T11:31:24Z"},
    {"{\"order_id\":1,\"colour\":1}", "colour: unknown field"},
    {"{\"order_id\":1,\"orderid\":1}", "orderid: unknown field, did you mean order_id?"},
    {"{\"order_id\":1,\"\":1}", ": unknown field"},
    {"{\"a\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9"
     "\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\":1}",
     "a\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9"
     "\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9: unknown field"},
};

static void test_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(refused); i++) {
        char error[JSON_FIELDS_ERROR_SIZE] = "";
        struct target target = {0};
        int rc = read_text(refused[i][0], &target, error);
        if (rc != ERR_INVALID || strcmp(error, refused[i][1]) != 0)
            fail_msg("row %zu: %d \"%s\"", i, rc, error);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_filled),
        cmocka_unit_test(test_absent_and_null_keep_defaults),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
