/* SPDX-License-Identifier: Apache-2.0 */
/* The body that the store SDKs decode, and a table without holes or doubles. */
#include "codec/api_error.h"

#include "codec/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const enum api_error all[] = {
#define API_ERROR(name, http_status, code, sentence) API_ERROR_##name,
#include "codec/api_errors.def"
};

static void check_body(enum api_error error, const char *detail, const char *transaction_id,
                       const char *expected)
{
    struct buf out;
    buf_init(&out, 4096);
    api_error_write(&out, error, detail, str_from(transaction_id));
    assert_true(str_equal_text(buf_view(&out), expected));
    buf_fini(&out);
}

static void test_bodies(void **state)
{
    (void)state;
    check_body(API_ERROR_ORDER_NOT_FOUND, NULL, "",
               "{\"statusCode\":404,\"errorCode\":9001,"
               "\"errorMessage\":\"[0401-9001]: Order not found\"}");
    check_body(API_ERROR_UNAUTHORIZED, NULL, "ab12",
               "{\"statusCode\":401,\"errorCode\":1020,\"errorMessage\":"
               "\"[0401-1020]: Error in Authentication method occurred\","
               "\"transactionId\":\"ab12\"}");
    check_body(API_ERROR_INVALID_FIELD, "\"a\": wrong", "",
               "{\"statusCode\":422,\"errorCode\":1102,"
               "\"errorMessage\":\"[0401-1102]: \\\"a\\\": wrong\"}");
}

static void test_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(all); i++) {
        struct buf out;
        struct str message = STR_LIT("");
        int64_t status;
        buf_init(&out, 4096);
        api_error_write(&out, all[i], NULL, STR_LIT("t"));
        struct json *body = json_parse(buf_view(&out), NULL);
        assert_true(json_as_int(json_get(body, "statusCode"), &status));
        assert_int_equal(status, api_error_http_status(all[i]));
        assert_true(status >= 400 && status <= 599);
        assert_true(json_as_string(json_get(body, "errorMessage"), &message));
        assert_true(message.len > strlen("[0401-1000]: "));
        assert_true(api_error_code(all[i]) >= 1000 && api_error_code(all[i]) <= 9999);
        for (size_t j = 0; j < i; j++)
            assert_int_not_equal(api_error_code(all[i]), api_error_code(all[j]));
        json_free(&body);
        buf_fini(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bodies),
        cmocka_unit_test(test_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
