/* SPDX-License-Identifier: Apache-2.0 */
/* What proxies write, what strangers write before it, and the client that comes of it. */
#include "codec/forwarded.h"

#include "base/err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct forwarded_trust trust_of(const char *list, const char *field)
{
    struct forwarded_trust trust = {.field = field};
    struct str word;
    assert_int_equal(forwarded_trust_parse(str_from(list), &trust, &word), 0);
    return trust;
}

/* The client of a request that came from 10.0.0.1; '|' in `value` is the end of a field. */
static const char *client_of(const char *field, const char *value)
{
    static char text[ADDRESS_TEXT_SIZE];
    struct forwarded_trust trust = trust_of("10.0.0.0/8, 2001:db8:1::/48", field);
    struct str rest = str_from(value);
    struct forwarded_list forwarded;
    struct address peer, client;
    struct str part;
    assert_true(address_parse(STR_LIT("10.0.0.1"), &peer));
    forwarded_begin(&forwarded, &trust, &peer);
    while (str_split(&rest, '|', &part))
        forwarded_add(&forwarded, part);
    client = forwarded_client(&forwarded);
    return address_text(&client, text);
}

struct row {
    const char *value, *client;
};

static void check(const char *field, const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const char *client = client_of(field, rows[i].value);
        if (strcmp(client, rows[i].client) != 0)
            fail_msg("%s: %s: %s", field, rows[i].value, client);
    }
}

static void test_x_forwarded_for(void **state)
{
    static const struct row rows[] = {
        {"", "10.0.0.1"},
        {"198.51.100.7", "198.51.100.7"},
        {"  198.51.100.7\t", "198.51.100.7"},
        {"198.51.100.7, 10.0.0.2, 10.0.0.3", "198.51.100.7"},
        /* What stands left of the first stranger is the stranger's word. */
        {"10.0.0.9, 192.0.2.1, 198.51.100.7, 10.0.0.2", "198.51.100.7"},
        {"unknown, 198.51.100.7", "198.51.100.7"},
        {"\"1.2.3.4, 198.51.100.7", "198.51.100.7"},
        /* Only proxies: the first of them. */
        {"10.0.0.4, 10.0.0.2", "10.0.0.4"},
        {"2001:db8:1::5,10.0.0.2", "2001:db8:1::5"},
        /* Fields are one list. */
        {"192.0.2.1|198.51.100.7|10.0.0.2", "198.51.100.7"},
        {",, 198.51.100.7 ,,", "198.51.100.7"},
        /* Forms of ports. */
        {"198.51.100.7:4711", "198.51.100.7"},
        {"2001:db8::7", "2001:db8::7"},
        {"[2001:db8::7]", "2001:db8::7"},
        {"[2001:db8::7]:4711", "2001:db8::7"},
        {"::ffff:198.51.100.7", "198.51.100.7"},
        /* What cannot be read hides what is left of it. */
        {"198.51.100.7, unknown", "10.0.0.1"},
        {"198.51.100.7, unknown, 10.0.0.2", "10.0.0.2"},
        {"198.51.100.7:", "10.0.0.1"},
        {"198.51.100.7:65536", "10.0.0.1"},
        {"198.51.100.7:1:2", "10.0.0.1"},
        {"[198.51.100.7]", "10.0.0.1"},
        {"[2001:db8::7", "10.0.0.1"},
        {"[2001:db8::7]4711", "10.0.0.1"},
        {"[2001:db8::7]:", "10.0.0.1"},
        {"[]", "10.0.0.1"},
        {"[", "10.0.0.1"},
        {":80", "10.0.0.1"},
        {"::", "10.0.0.1"},
        {"[::]:80", "10.0.0.1"},
        {"fe80::1%eth0", "10.0.0.1"},
        {"198.51.100.07", "10.0.0.1"},
        {"198.51.100.7 198.51.100.8", "10.0.0.1"},
        {"for=198.51.100.7", "10.0.0.1"},
    };
    (void)state;
    check("x-forwarded-for", rows, ARRAY_LENGTH(rows));
}

static void test_forwarded(void **state)
{
    static const struct row rows[] = {
        {"", "10.0.0.1"},
        {"for=198.51.100.7", "198.51.100.7"},
        {"For=\"198.51.100.7\"", "198.51.100.7"},
        {"proto=https; FOR=198.51.100.7 ;by=203.0.113.1", "198.51.100.7"},
        {"for=\"[2001:db8::7]:4711\"", "2001:db8::7"},
        {"for=\"198.51.100.7:_gazonk\"", "198.51.100.7"},
        {"for=192.0.2.1, for=198.51.100.7;host=a, for=10.0.0.2", "198.51.100.7"},
        {"for=192.0.2.1|for=198.51.100.7", "198.51.100.7"},
        {"for=\"192.0.2.1, for=198.51.100.7", "198.51.100.7"},
        {"for=198.51.100.7, for=unknown", "10.0.0.1"},
        {"for=_hidden", "10.0.0.1"},
        {"for=198.51.100.7, proto=https", "10.0.0.1"},
        {"for=198.51.100.7;for=192.0.2.1", "10.0.0.1"},
        {"for=\"198.51.100.7", "10.0.0.1"},
        {"for=\"\"", "10.0.0.1"},
        {"for=", "10.0.0.1"},
        {"for", "10.0.0.1"},
        {"for =198.51.100.7", "10.0.0.1"},
        {"198.51.100.7", "10.0.0.1"},
    };
    (void)state;
    check("forwarded", rows, ARRAY_LENGTH(rows));
}

static bool trusts(const char *list, const char *address)
{
    struct forwarded_trust trust = trust_of(list, "forwarded");
    struct address peer = address_unix;
    if (strcmp(address, "unix") != 0)
        assert_true(address_parse(str_from(address), &peer));
    return forwarded_trusts(&trust, &peer);
}

static void test_who_is_trusted(void **state)
{
    (void)state;
    assert_false(trusts("", "127.0.0.1"));
    assert_false(trusts("", "unix"));
    assert_true(trusts(" 127.0.0.1 ,, ::1", "127.0.0.1"));
    assert_true(trusts("127.0.0.1,::1", "::1"));
    assert_false(trusts("127.0.0.1,::1", "127.0.0.2"));
    assert_true(trusts("unix", "unix"));
    assert_false(trusts("0.0.0.0/0, ::/0", "unix"));
    assert_true(trusts("::/0", "2001:db8::1"));
    assert_false(trusts("::/0", "192.0.2.1"));
    /* It is no address of the network, whatever a translator would do with it. */
    assert_false(trusts("10.0.0.0/8", "64:ff9b::10.0.0.1"));
}

static void test_lists_that_are_refused(void **state)
{
    static const struct {
        const char *list, *word;
        int result;
    } lists[] = {
        {"10.0.0.0/8, localhost", "localhost", ERR_INVALID},
        {"10.0.0.1/8", "10.0.0.1/8", ERR_UNSUPPORTED},
        {"::1, fd00::1/8, localhost", "fd00::1/8", ERR_UNSUPPORTED},
        {"10.0.0.0/33, ::1", "10.0.0.0/33", ERR_INVALID},
        {"10.0.0.0/8 ::1", "10.0.0.0/8 ::1", ERR_INVALID},
        {"UNIX", "UNIX", ERR_INVALID},
    };
    struct forwarded_trust trust;
    struct str word;
    char many[LIMIT_PROXY_NETWORKS * 8 + 9];
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(lists); i++) {
        int result = forwarded_trust_parse(str_from(lists[i].list), &trust, &word);
        if (result != lists[i].result || !str_equal_text(word, lists[i].word))
            fail_msg("%s: %d %.*s", lists[i].list, result, STR_ARG(word));
    }
    for (size_t i = 0; i <= LIMIT_PROXY_NETWORKS; i++)
        memcpy(many + 8 * i, "1.2.3.4,", 9);
    assert_int_equal(forwarded_trust_parse(str_from(many), &trust, &word), ERR_TOO_LARGE);
    many[LIMIT_PROXY_NETWORKS * 8 - 1] = '\0';
    assert_int_equal(forwarded_trust_parse(str_from(many), &trust, &word), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_x_forwarded_for),
        cmocka_unit_test(test_forwarded),
        cmocka_unit_test(test_who_is_trusted),
        cmocka_unit_test(test_lists_that_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
