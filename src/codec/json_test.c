/* SPDX-License-Identifier: Apache-2.0 */
/* What is JSON and what is not, that it comes back as it was given, and writing by hand. */
#include "codec/json.h"

#include "base/limits.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define OUT_MAX 4096

/* A copy of exactly its own size, so that a sanitizer sees a read past the end. */
static struct json *parse_exact(struct str text, char *error)
{
    char *copy = mem_alloc(text.len > 0 ? text.len : 1);
    memcpy(copy, text.ptr, text.len);
    struct json *document = json_parse(str_make(copy, text.len), error);
    mem_free(copy);
    return document;
}

static const char *const accepted[][2] = {
    {"{}", "{}"},
    {" \t\r\n{ } \n", "{}"},
    {"[1,-2,0]", "[1,-2,0]"},
    {"{\"b\":1,\"a\":{\"z\":null,\"y\":[true,false]}}",
     "{\"b\":1,\"a\":{\"z\":null,\"y\":[true,false]}}"},
    {"\"\\u00e9\\ud83d\\ude00/\\/\"", "\"\u00e9\U0001F600//\""},
    {"\"\xd0\xbf\xd1\x80\"", "\"\xd0\xbf\xd1\x80\""},
    {"\"\\\"\\\\\\b\\f\\n\\r\\t\\u0001\"", "\"\\\"\\\\\\b\\f\\n\\r\\t\\u0001\""},
    {"9223372036854775807", "9223372036854775807"},
    {"-9223372036854775808", "-9223372036854775808"},
    {"[19.99,0.1,1e3,-0.0,1.5E-7]", "[19.99,0.1,1000.0,-0.0,1.5e-07]"},
    {"0.30000000000000004", "0.30000000000000004"},
    {"{\"\":\"<&>\"}", "{\"\":\"<&>\"}"},
    {"null", "null"},
    {"[-0,true,\"a\\u0041\\tb\\\"\\u07ff\\uffff\"]", "[0,true,\"aA\\tb\\\"\u07ff\uffff\"]"},
};

static void test_round_trip(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(accepted); i++) {
        char error[JSON_ERROR_SIZE] = "";
        struct buf out;
        struct json *document = parse_exact(str_from(accepted[i][0]), error);
        if (!document)
            fail_msg("row %zu: %s", i, error);
        buf_init(&out, OUT_MAX);
        json_dump(document, &out);
        if (!str_equal_text(buf_view(&out), accepted[i][1]))
            fail_msg("row %zu: %.*s", i, STR_ARG(buf_view(&out)));
        buf_fini(&out);
        json_free(&document);
        assert_null(document);
    }
}

#define BYTES(literal)                                                                             \
    {                                                                                              \
        literal, sizeof(literal) - 1                                                               \
    }

static const struct refused {
    struct str text;
    const char *error;
} refused[] = {
    {BYTES(""), "ends too early"},
    {BYTES("  "), "ends too early"},
    {BYTES("{"), "ends too early"},
    {BYTES("{\"a\":1"), "ends too early"},
    {BYTES("{} {}"), "line 1, column 4: something follows"},
    {BYTES("{}x"), "something follows"},
    {BYTES("{},"), "something follows"},
    {BYTES("{\"secret\":1,\"secret\":2}"), "appears twice"},
    {BYTES("{\"a\":{\"k\":1,\"k\":1}}"), "appears twice"},
    {BYTES("\"\\u0000\""), "NUL"},
    {BYTES("{\"a\\u0000\":1}"), "NUL"},
    {BYTES("\"a\0b\""), "not valid JSON"},
    {BYTES("{}\0"), "something follows"},
    {BYTES("\"\xff\""), "not UTF-8"},
    {BYTES("\"\xc0\x80\""), "not UTF-8"},
    {BYTES("\"\xed\xa0\x80\""), "not UTF-8"},
    {BYTES("\"\\ud800\""), "not valid JSON"},
    {BYTES("\"\n\""), "not valid JSON"},
    {BYTES("9223372036854775808"), "too large"},
    {BYTES("-9223372036854775809"), "too large"},
    {BYTES("1e999"), "too large"},
    {BYTES("01"), "not valid JSON"},
    {BYTES("+1"), "not valid JSON"},
    {BYTES("NaN"), "not valid JSON"},
    {BYTES("nul"), "not valid JSON"},
    {BYTES("'a'"), "not valid JSON"},
    {BYTES("[1,]"), "not valid JSON"},
    {BYTES("{\"a\":1,}"), "not valid JSON"},
    {BYTES("{a:1}"), "not valid JSON"},
    {BYTES("{\n \"a\": secret}"), "line 2, column"},
    {BYTES("[1}"), "not valid JSON"},
    {BYTES("// c\n1"), "not valid JSON"},
    {BYTES("\"\\ud83dx\""), "not valid JSON"},
    {BYTES("\"\\ud83d\\u0041\""), "not valid JSON"},
    {BYTES("\"\\ud83d\\ud83d\""), "not valid JSON"},
    {BYTES("\"\\ude00\""), "not valid JSON"},
    {BYTES("\"\\u00g0\""), "not valid JSON"},
    {BYTES("\"\\u12\""), "not valid JSON"},
    {BYTES("\"\\x\""), "not valid JSON"},
    {BYTES("\"\\n\xff\""), "not UTF-8"},
    {BYTES("\"\\n\n\""), "not valid JSON"},
    {BYTES("\"a\\"), "ends too early"},
    {BYTES("\"a\\\""), "ends too early"},
    {BYTES("-"), "ends too early"},
    {BYTES("1."), "ends too early"},
    {BYTES("[1.]"), "not valid JSON"},
    {BYTES("[1e]"), "not valid JSON"},
    {BYTES("[-]"), "not valid JSON"},
    {BYTES(".5"), "not valid JSON"},
    {BYTES("{\"a\"}"), "not valid JSON"},
    {BYTES("{,}"), "not valid JSON"},
    {BYTES("[,1]"), "not valid JSON"},
    {BYTES("\xef\xbb\xbf{}"), "not valid JSON"},
};

static void test_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(refused); i++) {
        char error[JSON_ERROR_SIZE] = "";
        struct json *document = parse_exact(refused[i].text, error);
        if (document || !strstr(error, refused[i].error))
            fail_msg("row %zu: \"%s\"", i, error);
        assert_null(strstr(error, "secret"));
        assert_non_null(strstr(error, "line "));
        assert_null(json_parse(refused[i].text, NULL));
    }
}

static void test_every_prefix_is_refused(void **state)
{
    (void)state;
    struct str whole =
        STR_LIT("{\"a\":[1,-2.5e3,\"x\\u00e9\\n\",{\"b\":null}],\"c\":true,\"d\":\"\u00e9\"}");
    for (size_t length = 0; length < whole.len; length++)
        assert_null(parse_exact(str_make(whole.ptr, length), NULL));
    struct json *document = parse_exact(whole, NULL);
    assert_non_null(document);
    json_free(&document);
}

static void nest(struct buf *out, int depth, const char *open, const char *middle,
                 const char *close)
{
    buf_init(out, 1 << 20);
    for (int i = 0; i < depth; i++)
        buf_append_text(out, open);
    buf_append_text(out, middle);
    for (int i = 0; i < depth; i++)
        buf_append_text(out, close);
}

static void test_depth(void **state)
{
    (void)state;
    static const char *const shapes[][3] = {
        {"[", "", "]"}, {"{\"a\":", "1", "}"}, {" [ ", "\"[[{{\\\"[\"", "\n]"}};
    for (size_t i = 0; i < ARRAY_LENGTH(shapes); i++) {
        for (int depth = LIMIT_JSON_DEPTH - 1; depth <= LIMIT_JSON_DEPTH + 1; depth++) {
            char error[JSON_ERROR_SIZE] = "";
            struct buf text;
            nest(&text, depth, shapes[i][0], shapes[i][1], shapes[i][2]);
            struct json *document = json_parse(buf_view(&text), error);
            assert_int_equal(document != NULL, depth <= LIMIT_JSON_DEPTH);
            assert_true(document || strstr(error, "nesting"));
            json_free(&document);
            buf_fini(&text);
        }
    }
    struct buf huge;
    nest(&huge, 200000, "[", "", "]");
    assert_null(json_parse(buf_view(&huge), NULL));
    buf_fini(&huge);
}

static void test_brackets_in_strings_are_no_nesting(void **state)
{
    (void)state;
    struct json *document = json_parse(
        STR_LIT("[\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\\\\\",\"\\\"{{{{{{\"]"), NULL);
    assert_non_null(document);
    json_free(&document);
}

static void test_first_value(void **state)
{
    (void)state;
    static const struct {
        struct str text;
        size_t used;
    } firsts[] = {
        {BYTES("{\"a\":1} trailing \xff"), 7},
        {BYTES(" [1]]]]]"), 4},
        {BYTES("{}{}"), 2},
        {BYTES("12 [["), 2},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(firsts); i++) {
        size_t used = 0;
        struct json *document = json_parse_first(firsts[i].text, &used, NULL);
        assert_non_null(document);
        assert_int_equal(used, firsts[i].used);
        json_free(&document);
    }
    size_t used;
    assert_null(json_parse_first(STR_LIT("{\"a\" 1}"), &used, NULL));
    assert_null(json_parse_first(STR_LIT(" "), &used, NULL));
}

static void test_access(void **state)
{
    (void)state;
    struct json *document = json_parse(
        STR_LIT("{\"s\":\"x\",\"i\":5,\"r\":5.5,\"b\":true,\"n\":null,\"a\":[7,8],\"Mix\":1}"),
        NULL);
    struct str text = STR_LIT("untouched");
    int64_t number = -1;
    double real = 0;
    bool flag = false;
    assert_true(json_as_string(json_get(document, "s"), &text) && str_equal_text(text, "x"));
    assert_false(json_as_string(json_get(document, "i"), &text));
    assert_true(json_as_int(json_get(document, "i"), &number) && number == 5);
    assert_false(json_as_int(json_get(document, "r"), &number));
    assert_false(json_as_int(json_get(document, "absent"), &number));
    assert_true(json_as_number(json_get(document, "r"), &real) && real == 5.5);
    assert_true(json_as_number(json_get(document, "i"), &real) && real == 5);
    assert_false(json_as_number(json_get(document, "s"), &real));
    assert_true(json_as_bool(json_get(document, "b"), &flag) && flag);
    assert_false(json_as_bool(json_get(document, "n"), &flag));
    assert_int_equal(json_kind(json_get(document, "n")), JSON_KIND_NULL);
    assert_null(json_get_non_null(document, "n"));
    assert_null(json_get_non_null(document, "absent"));
    assert_null(json_get(NULL, "a"));
    assert_null(json_get(json_get(document, "a"), "a"));
    assert_non_null(json_get_ignoring_case(document, "mIX"));
    assert_null(json_get_ignoring_case(document, "N"));
    assert_null(json_get_ignoring_case(NULL, "n"));
    assert_int_equal(json_length(document), 7);
    assert_int_equal(json_length(json_get(document, "a")), 2);
    assert_true(json_as_int(json_at(json_get(document, "a"), 1), &number) && number == 8);
    assert_null(json_at(json_get(document, "a"), 2));
    json_free(&document);
}

static void test_members_in_order(void **state)
{
    (void)state;
    struct json *document = json_parse(STR_LIT("{\"z\":1,\"a\":2,\"m\":3}"), NULL);
    const struct json *value;
    void *iterator = NULL;
    struct str key;
    static const char *const keys[] = {"z", "a", "m"};
    for (size_t i = 0; i < ARRAY_LENGTH(keys); i++) {
        assert_true(json_next(document, &iterator, &key, &value));
        assert_true(str_equal_text(key, keys[i]));
    }
    assert_false(json_next(document, &iterator, &key, &value));
    iterator = NULL;
    assert_false(json_next(NULL, &iterator, &key, &value));
    json_free(&document);
}

/* Whole, then with one more member whose key was there before. */
static void test_many_members(void **state)
{
    (void)state;
    static const int counts[] = {2, 15, 16, 17, 95, 96, 97, 5000};
    for (size_t i = 0; i < ARRAY_LENGTH(counts); i++) {
        char error[JSON_ERROR_SIZE];
        char key[16];
        int64_t number;
        struct buf text;
        buf_init(&text, 1 << 20);
        for (int n = 0; n < counts[i]; n++)
            buf_printf(&text, "%c\"k%d\":%d", n == 0 ? '{' : ',', n, n);
        buf_append_byte(&text, '}');
        struct json *document = parse_exact(buf_view(&text), error);
        assert_int_equal(json_length(document), counts[i]);
        snprintf(key, sizeof(key), "k%d", counts[i] - 1);
        assert_true(json_as_int(json_get(document, key), &number) && number == counts[i] - 1);
        json_free(&document);
        text.len--;
        buf_append_text(&text, ",\"k1\":0}");
        assert_null(parse_exact(buf_view(&text), error));
        assert_non_null(strstr(error, "appears twice"));
        buf_fini(&text);
    }
}

static void test_equality(void **state)
{
    (void)state;
    static const struct {
        const char *a;
        const char *b;
        bool equal;
    } pairs[] = {
        {"{\"a\":1,\"b\":[1]}", "{\"b\":[1],\"a\":1}", true},
        {"[1,2]", "[2,1]", false},
        {"{\"a\":1}", "{\"a\":1,\"b\":null}", false},
        {"1", "1.0", false},
        {"\"a\"", "\"\\u0061\"", true},
        {"null", "false", false},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(pairs); i++) {
        struct json *a = json_parse(str_from(pairs[i].a), NULL);
        struct json *b = json_parse(str_from(pairs[i].b), NULL);
        assert_int_equal(json_equals(a, b), pairs[i].equal);
        assert_false(json_equals(a, NULL));
        json_free(&a);
        json_free(&b);
    }
    assert_true(json_equals(NULL, NULL));
}

static void test_write(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, OUT_MAX);
    buf_append_byte(&out, '{');
    json_write_text(&out, "t", STR_LIT("a\"\\\n\x01\x1f\x7f\u00e9<"));
    json_write_int(&out, "i", INT64_MIN);
    json_write_bool(&out, "b", false);
    json_write_raw(&out, "r", STR_LIT("[1]"));
    json_write_raw(&out, "e", (struct str){0});
    json_write_key(&out, "o");
    buf_append_byte(&out, '{');
    json_write_time(&out, "at", 1795347084123);
    buf_append_text(&out, "}}");
    assert_true(str_equal_text(
        buf_view(&out),
        "{\"t\":\"a\\\"\\\\\\n\\u0001\\u001f\x7f\u00e9<\",\"i\":-9223372036854775808,\"b\":false,"
        "\"r\":[1],\"e\":null,\"o\":{\"at\":\"2026-11-22T11:31:24.123Z\"}}"));
    struct json *document = json_parse(buf_view(&out), NULL);
    assert_non_null(document);
    json_free(&document);
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_every_prefix_is_refused),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_brackets_in_strings_are_no_nesting),
        cmocka_unit_test(test_first_value),
        cmocka_unit_test(test_access),
        cmocka_unit_test(test_members_in_order),
        cmocka_unit_test(test_many_members),
        cmocka_unit_test(test_equality),
        cmocka_unit_test(test_write),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
