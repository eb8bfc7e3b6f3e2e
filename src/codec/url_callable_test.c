/* SPDX-License-Identifier: Apache-2.0 */
/* URLs that may be called and those that may not, with the sentence that says why. */
#include "codec/url_callable.h"

#include "base/err.h"
#include "base/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const char *const good[] = {
    "https://example.com",
    "https://example.com/",
    "HTTPS://EXAMPLE.com/Hook?x=1&y=2",
    "http://example.com:8080/hook",
    "https://example.com:1/hook",
    "https://example.com:65535/hook",
    "https://a.b-c.example./hook",
    "https://host_name.example/",
    "https://xn--bcher-kva.example/",
    "https://93.184.215.14/hook",
    "https://[2606:4700::1111]:8443/hook",
    "https://[::ffff:93.184.215.14]/",
    "https://[64:ff9b::5db8:d70e]/",
    "https://example.com/%C3%A9?next=http://127.0.0.1/@x",
    "https://1password.com/",
    "https://localhost.example.com/",
    "https://notlocalhost/",
};

static const struct {
    const char *url;
    const char *words; /* in the sentence */
} bad[] = {
    {"", "1 to 2048 bytes"},
    {"ftp://example.com/", "https:// or http://"},
    {"file:///etc/passwd", "https:// or http://"},
    {"gopher://127.0.0.1/", "https:// or http://"},
    {"example.com/hook", "https:// or http://"},
    {"//example.com/hook", "https:// or http://"},
    {"https:/example.com", "https:// or http://"},
    {"https://", "host or the port"},
    {"https:///hook", "host or the port"},
    {"https://user:secret@example.com/", "user name"},
    {"https://user@example.com/", "user name"},
    {"https://example.com@127.0.0.1/", "user name"},
    {"https://example.com/#top", "fragment"},
    {"https://example.com#@evil.example/", "user name"},
    {"https://exa mple.com/", "percent-encoded"},
    {"https://example.com/a\nb", "percent-encoded"},
    {"https://example.com\\@evil.example/", "percent-encoded"},
    {"https://example.com/\\", "percent-encoded"},
    {"https://b\u00fccher.example/", "Punycode"},
    {"https://\u3002example/", "Punycode"},
    {"https://example.com/b\u00fccher", "percent-encoded"},
    {"https://example.com:0/", "host or the port"},
    {"https://example.com:65536/", "host or the port"},
    {"https://example.com:/", "host or the port"},
    {"https://example.com:80a/", "host or the port"},
    {"https://exa%6dple.com/", "host or the port"},
    {"https://%31%32%37.0.0.1/", "host or the port"},
    {"https://a..example/", "not a name"},
    {"https://.example/", "not a name"},
    {"https://-a.example/", "not a name"},
    {"https://a-.example/", "not a name"},
    {"https://a.example../", "not a name"},
    {"https://./", "not a name"},
    {"http://127.0.0.1/", "127.0.0.1 is not an address of the public internet"},
    {"http://127.0.0.1:9000/", "webhook_allow_cidrs"},
    {"http://10.1.2.3/", "10.1.2.3 is not"},
    {"http://169.254.169.254/latest/meta-data/", "169.254.169.254 is not"},
    {"http://192.168.0.1/", "is not an address"},
    {"http://0.0.0.0/", "is not an address"},
    {"http://[::1]/", "::1 is not"},
    {"http://[::]/", "is not an address"},
    {"http://[::ffff:127.0.0.1]/", "127.0.0.1 is not"},
    {"http://[::ffff:7f00:1]/", "127.0.0.1 is not"},
    {"http://[64:ff9b::7f00:1]/", "is not an address"},
    {"http://[fd00:ec2::254]/", "is not an address"},
    {"http://[fe80::1]/", "is not an address"},
    {"http://[fe80::1%25eth0]/", "host or the port"},
    {"http://[127.0.0.1]/", "in brackets"},
    {"http://[example.com]/", "host or the port"},
    {"http://[::g]/", "host or the port"},
    {"http://[1::2::3]/", "in brackets"},
    {"http://[::1/", "host or the port"},
    {"http://::1/", "host or the port"},
    {"http://2130706433/", "four decimal numbers"},
    {"http://0x7f000001/", "four decimal numbers"},
    {"http://0x7f.0.0.1/", "four decimal numbers"},
    {"http://0177.0.0.1/", "four decimal numbers"},
    {"http://127.1/", "four decimal numbers"},
    {"http://127.0.0.1./", "four decimal numbers"},
    {"http://1.2.3.4.5/", "four decimal numbers"},
    {"http://256.1.1.1/", "four decimal numbers"},
    {"http://localhost/", "127.0.0.1 is not"},
    {"http://LOCALHOST:3000/hook", "127.0.0.1 is not"},
    {"http://localhost./", "127.0.0.1 is not"},
    {"http://a.localhost/", "127.0.0.1 is not"},
};

static void test_good(void **state)
{
    (void)state;
    char error[URL_CALLABLE_ERROR_SIZE];
    for (size_t i = 0; i < ARRAY_LENGTH(good); i++) {
        if (url_callable_check(str_from(good[i]), NULL, 0, error) != 0)
            fail_msg("%s: %s", good[i], error);
    }
}

static void test_bad(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++) {
        char error[URL_CALLABLE_ERROR_SIZE] = "";
        int rc = url_callable_check(str_from(bad[i].url), NULL, 0, error);
        if (rc != ERR_INVALID || strstr(error, bad[i].words) == NULL)
            fail_msg("%s: %d %s", bad[i].url, rc, error);
        assert_memory_equal(error, "url: ", 5);
    }
}

static void test_length(void **state)
{
    (void)state;
    char error[URL_CALLABLE_ERROR_SIZE];
    char text[LIMIT_WEBHOOK_URL + 1];
    memset(text, 'a', sizeof(text));
    memcpy(text, "https://e.example/", 18);
    assert_int_equal(url_callable_check(str_make(text, sizeof(text) - 1), NULL, 0, error), 0);
    assert_int_equal(url_callable_check(str_make(text, sizeof(text)), NULL, 0, error), ERR_INVALID);
    memset(text + 8, 'b', 64);
    assert_int_equal(url_callable_check(str_make(text, 8 + 63), NULL, 0, error), 0);
    assert_int_equal(url_callable_check(str_make(text, 8 + 64), NULL, 0, error), ERR_INVALID);
}

static void test_allowed(void **state)
{
    (void)state;
    static const struct {
        const char *network;
        const char *url;
        bool allowed;
    } rows[] = {
        {"127.0.0.0/8", "http://127.0.0.1:3000/hook", true},
        {"127.0.0.0/8", "http://[::ffff:127.0.0.1]/", true},
        {"127.0.0.0/8", "http://localhost:3000/hook", true},
        {"::1", "http://localhost:3000/hook", true},
        {"10.0.0.0/8", "http://localhost:3000/hook", false},
        {"10.0.0.0/8", "http://10.9.9.9/", true},
        {"10.0.0.0/8", "http://11.9.9.9/", true},
        {"10.0.0.0/8", "http://127.0.0.1/", false},
        {"127.0.0.0/8", "http://2130706433/", false},
        {"fd00::/8", "http://[fd00:ec2::254]/", true},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        char error[URL_CALLABLE_ERROR_SIZE];
        struct address_network network;
        assert_int_equal(address_network_parse(str_from(rows[i].network), &network), 0);
        int rc = url_callable_check(str_from(rows[i].url), &network, 1, error);
        if ((rc == 0) != rows[i].allowed)
            fail_msg("row %zu: %d", i, rc);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_length),
        cmocka_unit_test(test_allowed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
