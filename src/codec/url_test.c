/* SPDX-License-Identifier: Apache-2.0 */
/* Targets, queries, URLs, credentials and entity tags, good and bad. */
#include "codec/url.h"

#include "base/err.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define OUT_MAX 256
#define BYTES(literal)                                                                             \
    {                                                                                              \
        literal, sizeof(literal) - 1                                                               \
    }

static void test_split_target(void **state)
{
    (void)state;
    static const struct {
        const char *target;
        const char *path; /* NULL: refused */
        const char *query;
    } rows[] = {
        {"/", "/", ""},
        {"/a/b?c=d?e", "/a/b", "c=d?e"},
        {"/a?", "/a", ""},
        {"//a", "//a", ""},
        {"/%20", "/%20", ""},
        {"http://host/a?b", "/a", "b"},
        {"HTTPS://host:1", "/", ""},
        {"http://host?x=1", "/", "x=1"},
        {"", NULL, NULL},
        {"a/b", NULL, NULL},
        {"*", NULL, NULL},
        {"/a b", NULL, NULL},
        {"/a\tb", NULL, NULL},
        {"/a\x7f", NULL, NULL},
        {"/a#b", NULL, NULL},
        {"http:///a", NULL, NULL},
        {"ftp://host/a", NULL, NULL},
        {"?a", NULL, NULL},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct str path;
        struct str query;
        int rc = url_split_target(str_from(rows[i].target), &path, &query);
        if (rc != (rows[i].path ? 0 : ERR_INVALID))
            fail_msg("\"%s\": %d", rows[i].target, rc);
        if (rc == 0) {
            assert_true(str_equal_text(path, rows[i].path));
            assert_true(str_equal_text(query, rows[i].query));
        }
    }
}

static void test_decode(void **state)
{
    (void)state;
    static const struct {
        struct str text;
        const char *decoded; /* NULL: refused */
    } rows[] = {
        {BYTES(""), ""},
        {BYTES("a+b"), "a+b"},
        {BYTES("a%20b%2fc%2F"), "a b/c/"},
        {BYTES("%c3%A9"), "\u00e9"},
        {BYTES("\xc3\xa9"), "\u00e9"},
        {BYTES("%25%32%35"), "%25"},
        {BYTES("%"), NULL},
        {BYTES("%2"), NULL},
        {BYTES("%2g"), NULL},
        {BYTES("%g2"), NULL},
        {BYTES("%00"), NULL},
        {BYTES("a\0"), NULL},
        {BYTES("%ff"), NULL},
        {BYTES("%c3"), NULL},
        {BYTES("%c0%af"), NULL},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct buf out;
        buf_init(&out, OUT_MAX);
        buf_append_byte(&out, '!');
        int rc = url_decode(rows[i].text, &out);
        if (rc != (rows[i].decoded ? 0 : ERR_INVALID))
            fail_msg("row %zu: %d", i, rc);
        assert_true(str_equal_text(str_make(out.ptr + 1, out.len - 1),
                                   rows[i].decoded ? rows[i].decoded : ""));
        buf_fini(&out);
    }
    struct buf small;
    buf_init(&small, 2);
    assert_int_equal(url_decode(STR_LIT("abc"), &small), ERR_TOO_LARGE);
    buf_fini(&small);
}

static void test_encode_and_back(void **state)
{
    (void)state;
    struct str bytes = STR_LIT("aZ09-._~ /?%+&=#\u00e9\x01");
    struct buf encoded;
    struct buf decoded;
    buf_init(&encoded, OUT_MAX);
    buf_init(&decoded, OUT_MAX);
    url_encode(bytes, &encoded);
    assert_true(str_equal_text(buf_view(&encoded), "aZ09-._~%20%2F%3F%25%2B%26%3D%23%C3%A9%01"));
    assert_int_equal(url_decode(buf_view(&encoded), &decoded), 0);
    assert_true(str_equal(buf_view(&decoded), bytes));
    buf_fini(&encoded);
    buf_fini(&decoded);
}

static void test_query_get(void **state)
{
    (void)state;
    static const struct {
        const char *query;
        const char *name;
        int rc;
        const char *value;
    } rows[] = {
        {"wait=25&x=1", "wait", 0, "25"},
        {"x=1&wait=25", "wait", 0, "25"},
        {"wait=1&wait=2", "wait", 0, "1"},
        {"a=b+c%2B", "a", 0, "b c+"},
        {"a=b=c", "a", 0, "b=c"},
        {"a", "a", 0, ""},
        {"a=", "a", 0, ""},
        {"&&a=1&", "a", 0, "1"},
        {"us%65r=1", "user", 0, "1"},
        {"user=1", "use", ERR_NOT_FOUND, ""},
        {"use=1", "user", ERR_NOT_FOUND, ""},
        {"%=1&a=2", "a", 0, "2"},
        {"", "a", ERR_NOT_FOUND, ""},
        {"a=%", "a", ERR_INVALID, ""},
        {"a=%ff", "a", ERR_INVALID, ""},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct buf out;
        buf_init(&out, OUT_MAX);
        int rc = url_query_get(str_from(rows[i].query), rows[i].name, &out);
        if (rc != rows[i].rc || !str_equal_text(buf_view(&out), rows[i].value))
            fail_msg("row %zu: %d \"%.*s\"", i, rc, STR_ARG(buf_view(&out)));
        buf_fini(&out);
    }
}

static void test_query_next(void **state)
{
    (void)state;
    struct str rest = STR_LIT("a=1&&b&=c&d=%20");
    static const char *const expected[][2] = {{"a", "1"}, {"b", ""}, {"", "c"}, {"d", "%20"}};
    struct str name;
    struct str value;
    for (size_t i = 0; i < ARRAY_LENGTH(expected); i++) {
        assert_true(url_query_next(&rest, &name, &value));
        assert_true(str_equal_text(name, expected[i][0]));
        assert_true(str_equal_text(value, expected[i][1]));
    }
    assert_false(url_query_next(&rest, &name, &value));
    assert_false(url_query_next(&rest, &name, &value));
}

static void test_parse(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool secure;
        const char *host; /* NULL: refused */
        int port;
        const char *target;
    } rows[] = {
        {"http://localhost", false, "localhost", 80, ""},
        {"https://a.example/", true, "a.example", 443, "/"},
        {"HTTP://127.0.0.1:8000/p?q", false, "127.0.0.1", 8000, "/p?q"},
        {"http://h?q=1", false, "h", 80, "?q=1"},
        {"http://[::1]:81/x", false, "::1", 81, "/x"},
        {"https://[fe80::1]", true, "fe80::1", 443, ""},
        {"http://h:65535", false, "h", 65535, ""},
        {"", false, NULL, 0, ""},
        {"localhost:8000", false, NULL, 0, ""},
        {"ws://h", false, NULL, 0, ""},
        {"http://", false, NULL, 0, ""},
        {"http:///x", false, NULL, 0, ""},
        {"http://:80", false, NULL, 0, ""},
        {"http://user@h/", false, NULL, 0, ""},
        {"http://user:pw@h/", false, NULL, 0, ""},
        {"http://h:", false, NULL, 0, ""},
        {"http://h:0", false, NULL, 0, ""},
        {"http://h:65536", false, NULL, 0, ""},
        {"http://h:08", false, NULL, 0, ""},
        {"http://h:8 0", false, NULL, 0, ""},
        {"http://h#f", false, NULL, 0, ""},
        {"http://[::1", false, NULL, 0, ""},
        {"http://[]", false, NULL, 0, ""},
        {"http://[::1]x", false, NULL, 0, ""},
        {"http://[h]", false, NULL, 0, ""},
        {"http://::1/", false, NULL, 0, ""},
        {"http://h\\x", false, NULL, 0, ""},
        {"http://h\n", false, NULL, 0, ""},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct url url;
        int rc = url_parse(str_from(rows[i].text), &url);
        if (rc != (rows[i].host ? 0 : ERR_INVALID))
            fail_msg("\"%s\": %d", rows[i].text, rc);
        if (rc < 0)
            continue;
        assert_int_equal(url.secure, rows[i].secure);
        assert_true(str_equal_text(url.host, rows[i].host));
        assert_int_equal(url.port, rows[i].port);
        assert_true(str_equal_text(url.target, rows[i].target));
    }
}

static void test_parse_every_prefix(void **state)
{
    (void)state;
    struct str whole = STR_LIT("https://[2001:db8::1]:8443/a?b=%20");
    for (size_t length = 0; length <= whole.len; length++) {
        struct url url;
        char *copy = mem_dup(whole.ptr, length + (length == 0));
        int rc = url_parse(str_make(copy, length), &url);
        assert_true(rc == 0 || rc == ERR_INVALID);
        mem_free(copy);
    }
}

static void test_basic(void **state)
{
    (void)state;
    static const struct {
        const char *field;
        const char *name; /* NULL: refused */
        const char *password;
    } rows[] = {
        {"Basic Nzc2NDA6a2V5", "77640", "key"},
        {"basic   Nzc2NDA6a2V5 ", "77640", "key"},
        {"Basic YTpiOmM=", "a", "b:c"},
        {"Basic YTo=", "a", ""},
        {"Basic OmI=", "", "b"},
        {"Basic Og==", "", ""},
        {"Basic", NULL, NULL},
        {"Basic ", NULL, NULL},
        {"BasicNzc2NDA6a2V5", NULL, NULL},
        {"Bearer Nzc2NDA6a2V5", NULL, NULL},
        {"Basic Nzc2NDA6a2V", NULL, NULL},
        {"Basic YWI=", NULL, NULL},
        {"Basic YQA6Yg==", NULL, NULL},
        {"Basic YTpiCg==", NULL, NULL},
        {"", NULL, NULL},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct buf out;
        struct str name;
        struct str password;
        buf_init(&out, OUT_MAX);
        int rc = url_basic_credentials(str_from(rows[i].field), &out, &name, &password);
        if (rc != (rows[i].name ? 0 : ERR_INVALID))
            fail_msg("\"%s\": %d", rows[i].field, rc);
        if (rc == 0) {
            assert_true(str_equal_text(name, rows[i].name));
            assert_true(str_equal_text(password, rows[i].password));
        }
        buf_fini(&out);
    }
}

static void test_bearer(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"Bearer abc.def-_~+/=", "abc.def-_~+/="},
        {"bearer  x ", "x"},
        {"Bearer", NULL},
        {"Bearer ", NULL},
        {"Bearerx", NULL},
        {"Basic x", NULL},
        {"Bearer a b", NULL},
        {"Bearer a\tb", NULL},
        {"", NULL},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct str token;
        int rc = url_bearer_token(str_from(rows[i][0]), &token);
        if (rc != (rows[i][1] ? 0 : ERR_INVALID))
            fail_msg("\"%s\": %d", rows[i][0], rc);
        assert_true(rc < 0 || str_equal_text(token, rows[i][1]));
    }
}

static void test_etag(void **state)
{
    (void)state;
    static const struct {
        const char *list;
        bool matches;
    } rows[] = {
        {"\"3\"", true},
        {"W/\"3\"", true},
        {" \"2\" , W/\"3\"", true},
        {"*", true},
        {" * ", true},
        {"\"2,\",\"3\"", true},
        {"\"2\",,\"3\"", true},
        {"\"33\"", false},
        {"3", false},
        {"\"2\",3,\"3\"", false},
        {"\"2\" \"x", false},
        {"", false},
        {"\"", false},
        {"\"2\"", false},
        {"w/\"3\"", false},
        {"*,\"2\"", false},
        {"\"2,\\\"3\\\"\"", false},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        if (url_etag_matches(str_from(rows[i].list), STR_LIT("\"3\"")) != rows[i].matches)
            fail_msg("\"%s\"", rows[i].list);
    }
    assert_true(url_etag_matches(STR_LIT("\"3\""), STR_LIT("W/\"3\"")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_split_target),
        cmocka_unit_test(test_decode),
        cmocka_unit_test(test_encode_and_back),
        cmocka_unit_test(test_query_get),
        cmocka_unit_test(test_query_next),
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_parse_every_prefix),
        cmocka_unit_test(test_basic),
        cmocka_unit_test(test_bearer),
        cmocka_unit_test(test_etag),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
