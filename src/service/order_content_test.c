/* SPDX-License-Identifier: Apache-2.0 */
/* Contents as merchants give them, and the one form they are kept in. */
#include "service/order_content.h"

#include "base/err.h"
#include "base/limits.h"
#include "order/order.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void contents(void **state)
{
    static const struct {
        const char *given;
        const char *normal;
        bool is_free;
    } rows[] = {
        {"{}", ORDER_CONTENT_NONE, false},
        {"{\"price\":null,\"virtual_price\":null,\"is_free\":null,\"items\":null}",
         ORDER_CONTENT_NONE, false},
        {"{\"is_free\":true}",
         "{\"price\":null,\"virtual_price\":null,\"is_free\":true,\"items\":[]}", true},
        /* The example of xsolla-sdks.md 2.2. */
        {"{\"price\":{\"amount\":\"30\",\"amount_without_discount\":\"30\",\"currency\":\"USD\"},"
         "\"is_free\":false,\"items\":[{\"sku\":\"com.xsolla.item_1\",\"quantity\":1,"
         "\"is_free\":false,\"price\":{\"amount\":\"30\",\"amount_without_discount\":\"30\","
         "\"currency\":\"USD\"}}]}",
         "{\"price\":{\"amount\":\"30\",\"amount_without_discount\":\"30\",\"currency\":\"USD\"},"
         "\"virtual_price\":null,"
         "\"is_free\":false,\"items\":[{\"sku\":\"com.xsolla.item_1\",\"quantity\":1,"
         "\"is_free\":false,\"price\":{\"amount\":\"30\",\"amount_without_discount\":\"30\","
         "\"currency\":\"USD\"}}]}",
         false},
        /* Numbers become strings, what is missing is filled in, what is more is kept behind. */
        {"{\"x\":[1,{\"y\":null}],\"items\":[{\"price\":{\"currency\":\"EUR\",\"amount\":19.99,"
         "\"vat\":3},\"sku\":\"a\",\"note\":\"n\"}],\"price\":{\"currency\":\"EUR\",\"amount\":20,"
         "\"amount_without_discount\":\"25.50\"}}",
         "{\"price\":{\"amount\":\"20\",\"amount_without_discount\":\"25.50\",\"currency\":\"EUR\"}"
         ","
         "\"virtual_price\":null,\"is_free\":false,\"items\":[{\"sku\":\"a\",\"quantity\":1,"
         "\"is_free\":false,\"price\":{\"amount\":\"19.99\",\"amount_without_discount\":\"19.99\","
         "\"currency\":\"EUR\",\"vat\":3},\"note\":\"n\"}],\"x\":[1,{\"y\":null}]}",
         false},
        /* Virtual prices: integers, and the five members that iOS demands. */
        {"{\"virtual_price\":{\"amount\":\"100\",\"amount_without_discount\":\"120\","
         "\"currency\":\"gold\"}}",
         "{\"price\":null,\"virtual_price\":{\"sku\":\"gold\",\"is_default\":false,\"name\":"
         "\"gold\","
         "\"type\":\"virtual_currency\",\"currency\":\"gold\",\"amount\":100,"
         "\"amount_without_discount\":120},\"is_free\":false,\"items\":[]}",
         false},
        {"{\"virtual_price\":{\"sku\":\"g\",\"name\":\"Gold\",\"type\":\"vc\",\"is_default\":true,"
         "\"amount\":7,\"image_url\":\"http://x\"}}",
         "{\"price\":null,\"virtual_price\":{\"sku\":\"g\",\"is_default\":true,\"name\":\"Gold\","
         "\"type\":\"vc\",\"currency\":\"g\",\"amount\":7,\"amount_without_discount\":7,"
         "\"image_url\":\"http://x\"},\"is_free\":false,\"items\":[]}",
         false},
        {"{\"items\":[{\"sku\":\"\xd0\xb0\\\"\",\"quantity\":2147483647},{\"sku\":\"b\"}]}",
         "{\"price\":null,\"virtual_price\":null,\"is_free\":false,\"items\":["
         "{\"sku\":\"\xd0\xb0\\\"\",\"quantity\":2147483647,\"is_free\":false,\"price\":null},"
         "{\"sku\":\"b\",\"quantity\":1,\"is_free\":false,\"price\":null}]}",
         false},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        char error[ORDER_CONTENT_ERROR_SIZE] = "";
        struct json *given = json_parse(str_from(rows[i].given), NULL);
        struct buf out;
        bool is_free = !rows[i].is_free;
        buf_init(&out, LIMIT_CONTENT);
        if (order_content_normalize(given, &out, &is_free, error) != 0)
            fail_msg("row %zu: %s", i, error);
        if (!str_equal_text(buf_view(&out), rows[i].normal))
            fail_msg("row %zu: %.*s", i, (int)out.len, out.ptr);
        assert_int_equal(is_free, rows[i].is_free);
        json_free(&given);

        /* The normal form of the normal form is itself. */
        given = json_parse(buf_view(&out), NULL);
        buf_clear(&out);
        assert_int_equal(order_content_normalize(given, &out, &is_free, error), 0);
        assert_true(str_equal_text(buf_view(&out), rows[i].normal));
        json_free(&given);
        buf_fini(&out);
    }
}

static void mistakes_are_named(void **state)
{
    static const struct {
        const char *given;
        const char *sentence;
    } rows[] = {
        {"[]", "content: expected an object, got an array"},
        {"{\"price\":\"3\"}", "content.price: expected an object or null, got a string"},
        {"{\"price\":{}}",
         "content.price.amount: expected a decimal number like \"9.99\", got nothing"},
        {"{\"price\":{\"amount\":null,\"currency\":\"USD\"}}",
         "content.price.amount: expected a decimal number like \"9.99\", got null"},
        {"{\"price\":{\"amount\":\"9,99\",\"currency\":\"USD\"}}",
         "content.price.amount: expected a decimal number like \"9.99\""},
        {"{\"price\":{\"amount\":\"\",\"currency\":\"USD\"}}",
         "content.price.amount: expected a decimal number like \"9.99\""},
        {"{\"price\":{\"amount\":\"9.\",\"currency\":\"USD\"}}",
         "content.price.amount: expected a decimal number like \"9.99\""},
        {"{\"price\":{\"amount\":1e300,\"currency\":\"USD\"}}",
         "content.price.amount: expected a decimal number like \"9.99\""},
        {"{\"price\":{\"amount\":1,\"amount_without_discount\":true,\"currency\":\"USD\"}}",
         "content.price.amount_without_discount: expected a decimal number like \"9.99\", got a "
         "boolean"},
        {"{\"price\":{\"amount\":\"1\"}}",
         "content.price.currency: expected a string, got nothing"},
        {"{\"price\":{\"amount\":\"1\",\"currency\":\"\"}}",
         "content.price.currency: must have 1 to 255 bytes, no control characters"},
        {"{\"virtual_price\":{}}", "content.virtual_price.sku: required, or currency"},
        {"{\"virtual_price\":{\"sku\":\"g\"}}",
         "content.virtual_price.amount: expected a whole number from 0 to 2147483647"},
        {"{\"virtual_price\":{\"sku\":\"g\",\"amount\":1.5}}",
         "content.virtual_price.amount: expected a whole number from 0 to 2147483647"},
        {"{\"virtual_price\":{\"sku\":\"g\",\"amount\":1,\"is_default\":1}}",
         "content.virtual_price.is_default: expected a boolean, got a number"},
        {"{\"is_free\":\"false\"}", "content.is_free: expected a boolean, got a string"},
        {"{\"items\":{}}", "content.items: expected an array, got an object"},
        {"{\"items\":[{\"sku\":\"a\"},3]}", "content.items[1]: expected an object, got a number"},
        {"{\"items\":[{}]}", "content.items[0].sku: expected a string, got nothing"},
        {"{\"items\":[{\"sku\":\"a\",\"quantity\":0}]}",
         "content.items[0].quantity: must be between 1 and 2147483647"},
        {"{\"items\":[{\"sku\":\"a\",\"quantity\":\"1\"}]}",
         "content.items[0].quantity: expected a whole number, got a string"},
        {"{\"items\":[{\"sku\":\"a\"},{\"sku\":\"a\",\"price\":{\"amount\":1,\"currency\":2}}]}",
         "content.items[1].price.currency: expected a string, got a number"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        char error[ORDER_CONTENT_ERROR_SIZE] = "";
        struct json *given = json_parse(str_from(rows[i].given), NULL);
        struct buf out;
        bool is_free;
        buf_init(&out, LIMIT_CONTENT);
        assert_int_equal(order_content_normalize(given, &out, &is_free, error), ERR_INVALID);
        assert_string_equal(error, rows[i].sentence);
        assert_int_equal(out.len, 0);
        buf_fini(&out);
        json_free(&given);
    }
}

static void the_normal_form_is_bounded(void **state)
{
    char error[ORDER_CONTENT_ERROR_SIZE];
    struct buf text;
    struct buf out;
    bool is_free;
    (void)state;
    buf_init(&text, 2 * LIMIT_CONTENT);
    buf_init(&out, 2 * LIMIT_CONTENT);
    buf_append_text(&text, "{\"items\":[{\"sku\":\"a\"}");
    while (text.len < LIMIT_CONTENT / 2)
        buf_append_text(&text, ",{\"sku\":\"a\"}");
    buf_append_text(&text, "]}");
    struct json *given = json_parse(buf_view(&text), NULL);
    assert_int_equal(order_content_normalize(given, &out, &is_free, error), ERR_TOO_LARGE);
    assert_string_equal(error, "content: must be no larger than 32768 bytes");
    assert_int_equal(out.len, 0);
    json_free(&given);
    buf_fini(&text);
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(contents),
        cmocka_unit_test(mistakes_are_named),
        cmocka_unit_test(the_normal_form_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
