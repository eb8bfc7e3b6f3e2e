/* SPDX-License-Identifier: Apache-2.0 */
/* Which entries may be typed, and which origins they mean. */
#include "codec/origin.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static void test_entries(void **state)
{
    static const struct {
        const char *entry;
        bool valid;
    } rows[] = {
        {"https://shop.example", true},
        {"http://127.0.0.1:8080", true},
        {"http://[::1]", true},
        {"http://[::1]:8080", true},
        {"https://localhost", true},
        {"capacitor://localhost", true},
        {"chrome-extension://abcdefgh", true},
        {"https://*.shop.example", true},
        {"https://*.shop.example:8443", true},
        {"https://*.example", true},
        {"https://xn--bcher-kva.example", true},
        {"null", true},
        {"", false},
        {"*", false},
        {"NULL", false},
        {"shop.example", false},
        {"://shop.example", false},
        {"https:/shop.example", false},
        {"https://", false},
        {"https://shop.example/", false},
        {"https://shop.example/path", false},
        {"https://shop.example?x", false},
        {"https://u:p@shop.example", false},
        {"https://Shop.example", false},
        {"HTTPS://shop.example", false},
        {"https://b\xc3\xbc"
         "cher.example",
         false},
        {"https://shop.example:443", false},
        {"http://shop.example:80", false},
        {"http://shop.example:443", true},
        {"https://shop.example:", false},
        {"https://shop.example:0", false},
        {"https://shop.example:080", false},
        {"https://shop.example:65536", false},
        {"https://shop.example:1:2", false},
        {"https://shop.example.", false},
        {"https://.shop.example", false},
        {"https://shop..example", false},
        {"https://*", false},
        {"https://*.", false},
        {"https://*shop.example", false},
        {"https://shop.*.example", false},
        {"https://*.*.example", false},
        {"https://*.[::1]", false},
        {"http://[::1", false},
        {"http://::1]", false},
        {"http://[]", false},
        {"http://[::1]x", false},
        {"*://shop.example", false},
        {" https://shop.example", false},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        if (origin_entry_is_valid(str_from(rows[i].entry)) != rows[i].valid)
            fail_msg("row %zu: %s", i, rows[i].entry);
}

static void test_matches(void **state)
{
    static const struct {
        const char *entry, *origin;
        bool matches;
    } rows[] = {
        {"https://shop.example", "https://shop.example", true},
        {"https://shop.example", "http://shop.example", false},
        {"https://shop.example", "https://shop.example:8443", false},
        {"https://shop.example", "https://shop.example.", false},
        {"https://shop.example", "https://www.shop.example", false},
        {"https://shop.example", "https://shop.example.evil.example", false},
        {"https://shop.example", "null", false},
        {"https://shop.example", "", false},
        {"null", "null", true},
        {"null", "https://null", false},
        {"https://*.shop.example", "https://www.shop.example", true},
        {"https://*.shop.example", "https://a.b.shop.example", true},
        {"https://*.shop.example", "https://shop.example", false},
        {"https://*.shop.example", "https://.shop.example", false},
        {"https://*.shop.example", "https://evilshop.example", false},
        {"https://*.shop.example", "https://evil.example/.shop.example", false},
        {"https://*.shop.example", "https://evil.example:1.shop.example", false},
        {"https://*.shop.example", "https://evil.example@x.shop.example", false},
        {"https://*.shop.example", "https://evil.example#.shop.example", false},
        {"https://*.shop.example", "https://*.shop.example", true},
        {"https://*.shop.example", "https://www.shop.example:8443", false},
        {"https://*.shop.example", "http://www.shop.example", false},
        {"https://*.shop.example", "https://www.shop.example.evil", false},
        {"https://*.shop.example", "null", false},
        {"https://*.shop.example:8443", "https://www.shop.example:8443", true},
        {"https://*.shop.example:8443", "https://www.shop.example", false},
        {"https://*.shop.example:8443", "https://www.shop.example:84430", false},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        assert_true(origin_entry_is_valid(str_from(rows[i].entry)));
        if (origin_matches(str_from(rows[i].entry), str_from(rows[i].origin)) != rows[i].matches)
            fail_msg("row %zu: %s %s", i, rows[i].entry, rows[i].origin);
    }
}

static void test_native(void **state)
{
    (void)state;
    assert_true(origin_is_native(STR_LIT("wss://orders.example")));
    assert_true(origin_is_native(STR_LIT("ws://127.0.0.1:8000")));
    assert_false(origin_is_native(STR_LIT("https://orders.example")));
    assert_false(origin_is_native(STR_LIT("wss")));
    assert_false(origin_is_native(STR_LIT("")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_entries),
        cmocka_unit_test(test_matches),
        cmocka_unit_test(test_native),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
