/* SPDX-License-Identifier: Apache-2.0 */
/* From Host field and target to the https address, and what is refused on the way. */
#include "http/http_internal.h"

#include "base/err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const struct {
    const char *host, *path, *query;
    int port;
    const char *location; /* NULL: refused */
} rows[] = {
    {"shop.example", "/", "", 443, "https://shop.example/"},
    {"shop.example:80", "/a/b", "c=d&e=%20", 443, "https://shop.example/a/b?c=d&e=%20"},
    {"Shop.Example.", "/", "", 8443, "https://Shop.Example.:8443/"},
    {"192.0.2.1:8080", "/", "", 443, "https://192.0.2.1/"},
    {"[2001:db8::1]", "/", "", 443, "https://[2001:db8::1]/"},
    {"[2001:db8::1]:80", "/", "", 8443, "https://[2001:db8::1]:8443/"},
    {"a", "//other.example/", "", 443, "https://a//other.example/"},
    {"", "/", "", 443, NULL},
    {".", "/", "", 443, NULL},
    {"a..b", "/", "", 443, NULL},
    {"a.example\r\nSet-Cookie: a=b", "/", "", 443, NULL},
    {"a b", "/", "", 443, NULL},
    {"user@other.example", "/", "", 443, NULL},
    {"a.example/path", "/", "", 443, NULL},
    {"a.example\\", "/", "", 443, NULL},
    {"a_b", "/", "", 443, NULL},
    {"a%2eexample", "/", "", 443, NULL},
    {"\xc3\xa4.example", "/", "", 443, NULL},
    {"a.example:", "/", "", 443, NULL},
    {"a.example:65536", "/", "", 443, NULL},
    {"a.example:80:80", "/", "", 443, NULL},
    {"a.example:x", "/", "", 443, NULL},
    {"2001:db8::1", "/", "", 443, NULL},
    {"[2001:db8::1", "/", "", 443, NULL},
    {"[192.0.2.1]", "/", "", 443, NULL},
    {"[fe80::1%25eth0]", "/", "", 443, NULL},
    {"[]", "/", "", 443, NULL},
    {"[::1]a", "/", "", 443, NULL},
    {"a", "other.example", "", 443, NULL},
    {"a", "/\r\nSet-Cookie: a=b", "", 443, NULL},
    {"a", "/\xc3\xa4", "", 443, NULL},
    {"a", "/", "a\nb", 443, NULL},
};

static void test_locations(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct buf out;
        buf_init(&out, LIMIT_HTTP_URL);
        int result = http_redirect_location(str_from(rows[i].host), rows[i].port,
                                            str_from(rows[i].path), str_from(rows[i].query), &out);
        bool same = rows[i].location == NULL
                        ? result == ERR_INVALID && out.len == 0
                        : result == 0 && str_equal_text(buf_view(&out), rows[i].location);
        if (!same)
            fail_msg("row %zu: %s: %d %.*s", i, rows[i].host, result, STR_ARG(buf_view(&out)));
        buf_fini(&out);
    }
}

static void test_longest_host(void **state)
{
    char host[300];
    struct buf out;
    (void)state;
    memset(host, 'a', sizeof(host));
    buf_init(&out, LIMIT_HTTP_URL);
    assert_int_equal(
        http_redirect_location(str_make(host, 254), 443, STR_LIT("/"), STR_LIT(""), &out),
        ERR_INVALID);
    assert_int_equal(
        http_redirect_location(str_make(host, 253), 443, STR_LIT("/"), STR_LIT(""), &out), 0);
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_locations),
        cmocka_unit_test(test_longest_host),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
