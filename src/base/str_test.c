/* SPDX-License-Identifier: Apache-2.0 */
#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void test_comparisons(void **state)
{
    (void)state;
    static const struct {
        const char *a;
        const char *b;
        bool equal;
        bool equal_ignoring_case;
        bool starts;
        int order;
    } rows[] = {
        {"", "", true, true, true, 0},         {"a", "", false, false, true, 1},
        {"", "a", false, false, false, -1},    {"abc", "abc", true, true, true, 0},
        {"abc", "ab", false, false, true, 1},  {"Abc", "aBC", false, true, false, -1},
        {"[", "{", false, false, false, -1},   {"@", "`", false, false, false, -1},
        {"\xff", "a", false, false, false, 1}, {NULL, "", true, true, true, 0},
        {NULL, "x", false, false, false, -1},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct str a = str_from(rows[i].a);
        struct str b = str_from(rows[i].b);
        int order = str_compare(a, b);
        if (str_equal(a, b) != rows[i].equal || str_equal_text(a, rows[i].b) != rows[i].equal ||
            str_equal_ignoring_case(a, b) != rows[i].equal_ignoring_case ||
            str_starts_with(a, b) != rows[i].starts || (order > 0) - (order < 0) != rows[i].order)
            fail_msg("row %zu", i);
    }
    assert_true(str_equal(STR_LIT("a\0b"), str_make("a\0b", 3)));
    assert_false(str_equal(STR_LIT("a\0b"), STR_LIT("a\0c")));
}

static void test_trim(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"", ""},    {" \t ", ""}, {"a", "a"},         {"  a b\t", "a b"},
        {"a ", "a"}, {"\ta", "a"}, {"\r\na", "\r\na"},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        assert_true(str_equal_text(str_trim(str_from(rows[i][0])), rows[i][1]));
    assert_int_equal(str_trim(str_from(NULL)).len, 0);
}

static void test_split(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *parts; /* between bars */
    } rows[] = {
        {"a,b,c", "|a|b|c|"}, {"", "||"},       {",", "|||"},
        {"a,", "|a||"},       {"abc", "|abc|"}, {NULL, "|"},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct str rest = str_from(rows[i].text);
        struct str head;
        char parts[64] = "|";
        size_t used = 1;
        while (str_split(&rest, ',', &head))
            used += (size_t)snprintf(parts + used, sizeof(parts) - used, "%.*s|", STR_ARG(head));
        assert_string_equal(parts, rows[i].parts);
        assert_null(rest.ptr);
    }
}

static void test_numbers(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t min;
        int64_t max;
        bool valid;
        int64_t value;
    } rows[] = {
        {"0", 0, 0, true, 0},
        {"1", INT64_MIN, INT64_MAX, true, 1},
        {"-1", INT64_MIN, INT64_MAX, true, -1},
        {"2147483647", 1, INT32_MAX, true, INT32_MAX},
        {"2147483648", 1, INT32_MAX, false, 0},
        {"0", 1, INT32_MAX, false, 0},
        {"9223372036854775807", INT64_MIN, INT64_MAX, true, INT64_MAX},
        {"9223372036854775808", INT64_MIN, INT64_MAX, false, 0},
        {"-9223372036854775808", INT64_MIN, INT64_MAX, true, INT64_MIN},
        {"-9223372036854775809", INT64_MIN, INT64_MAX, false, 0},
        {"99999999999999999999999", INT64_MIN, INT64_MAX, false, 0},
        {"", INT64_MIN, INT64_MAX, false, 0},
        {"-", INT64_MIN, INT64_MAX, false, 0},
        {"--1", INT64_MIN, INT64_MAX, false, 0},
        {"+1", INT64_MIN, INT64_MAX, false, 0},
        {" 1", INT64_MIN, INT64_MAX, false, 0},
        {"1 ", INT64_MIN, INT64_MAX, false, 0},
        {"01", INT64_MIN, INT64_MAX, false, 0},
        {"00", INT64_MIN, INT64_MAX, false, 0},
        {"-0", INT64_MIN, INT64_MAX, false, 0},
        {"-01", INT64_MIN, INT64_MAX, false, 0},
        {"1.0", INT64_MIN, INT64_MAX, false, 0},
        {"1e3", INT64_MIN, INT64_MAX, false, 0},
        {"0x1", INT64_MIN, INT64_MAX, false, 0},
        {"/", INT64_MIN, INT64_MAX, false, 0},
        {":", INT64_MIN, INT64_MAX, false, 0},
        {NULL, INT64_MIN, INT64_MAX, false, 0},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        int64_t value = 4711;
        bool valid = str_to_int64(str_from(rows[i].text), rows[i].min, rows[i].max, &value);
        if (valid != rows[i].valid || value != (valid ? rows[i].value : 4711))
            fail_msg("row %zu: %s", i, rows[i].text);
    }
    int64_t value;
    assert_false(str_to_int64(STR_LIT("1\0"), 0, 9, &value));
}

static void test_utf8(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool valid;
    } rows[] = {
        {"", true},
        {"plain text of more than eight bytes", true},
        {"\xc2\x80", true},         /* U+0080 */
        {"\xdf\xbf", true},         /* U+07FF */
        {"\xe0\xa0\x80", true},     /* U+0800 */
        {"\xed\x9f\xbf", true},     /* U+D7FF */
        {"\xee\x80\x80", true},     /* U+E000 */
        {"\xef\xbf\xbf", true},     /* U+FFFF */
        {"\xf0\x90\x80\x80", true}, /* U+10000 */
        {"\xf4\x8f\xbf\xbf", true}, /* U+10FFFF */
        {"\x80", false},            /* a continuation alone */
        {"\xbf", false},
        {"\xc0\xaf", false}, /* overlong '/' */
        {"\xc1\xbf", false},
        {"\xe0\x9f\xbf", false},     /* overlong U+07FF */
        {"\xf0\x8f\xbf\xbf", false}, /* overlong U+FFFF */
        {"\xed\xa0\x80", false},     /* surrogate U+D800 */
        {"\xed\xbf\xbf", false},     /* surrogate U+DFFF */
        {"\xf4\x90\x80\x80", false}, /* U+110000 */
        {"\xf5\x80\x80\x80", false},
        {"\xff", false},
        {"\xc2", false}, /* cut */
        {"\xe2\x82", false},
        {"\xf0\x9f\x98", false},
        {"\xc2\x41", false},
        {"\xe2\x82\x41", false},
        {"\xf0\x9f\x98\x41", false},
        {"\xe2\x41\x80", false},
    };
    /* Each at every place around the eight bytes that are looked at together. */
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        for (int before = 0; before < 10; before++) {
            for (int after = 0; after < 10; after += 9) {
                char text[80];
                int length = snprintf(text, sizeof(text), "%.*s%s%.*s", before, "abcdefghij",
                                      rows[i].text, after, "ABCDEFGHIJ");
                if (str_is_utf8(str_make(text, (size_t)length)) != rows[i].valid)
                    fail_msg("row %zu, %d before, %d after", i, before, after);
            }
        }
    }
    assert_true(str_is_utf8(STR_LIT("\0")));
    /* What follows behind the end is not looked at. */
    struct str whole = STR_LIT("\xf0\x9f\x98\x80");
    for (size_t length = 1; length < whole.len; length++)
        assert_false(str_is_utf8(str_make(whole.ptr, length)));
    assert_true(str_is_utf8(str_from(NULL)));
}

static void test_control(void **state)
{
    (void)state;
    assert_false(str_has_control(STR_LIT("")));
    assert_false(str_has_control(STR_LIT(" ~\x80\xff")));
    assert_true(str_has_control(STR_LIT("a\n")));
    assert_true(str_has_control(STR_LIT("\x1f")));
    assert_true(str_has_control(STR_LIT("a\x7f")));
    assert_true(str_has_control(STR_LIT("a\0b")));
}

static void test_distance(void **state)
{
    (void)state;
    static const struct {
        const char *a;
        const char *b;
        size_t distance;
    } rows[] = {
        {"", "", 0},
        {"", "abc", 3},
        {"abc", "", 3},
        {"abc", "abc", 0},
        {"kitten", "sitting", 3},
        {"flaw", "lawn", 2},
        {"listen", "lsiten", 2},
        {"a", "b", 1},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        assert_int_equal(str_distance(str_from(rows[i].a), str_from(rows[i].b)), rows[i].distance);
    char text[65];
    memset(text, 'x', sizeof(text));
    assert_int_equal(str_distance(str_make(text, 64), str_make(text, 64)), 0);
    assert_true(str_distance(str_make(text, 65), str_make(text, 65)) > 1000);
    assert_true(str_distance(str_make(text, 65), STR_LIT("")) > 1000);
}

static void test_nearest(void **state)
{
    (void)state;
    static const char *const names[] = {"status", "state", "server"};
    static const struct {
        const char *word;
        size_t distance;
        const char *name;
    } rows[] = {
        {"statsu", 3, "status"}, {"stat", 3, "state"}, {"servr", 1, NULL},
        {"servr", 2, "server"},  {"", 3, NULL},        {"nonsense", SIZE_MAX, "state"},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct str_nearest nearest = {.word = str_from(rows[i].word), .distance = rows[i].distance};
        for (size_t j = 0; j < ARRAY_LENGTH(names); j++)
            str_nearest_offer(&nearest, str_from(names[j]));
        if (rows[i].name == NULL)
            assert_null(nearest.name.ptr);
        else
            assert_string_equal(nearest.name.ptr, rows[i].name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_comparisons), cmocka_unit_test(test_trim),
        cmocka_unit_test(test_split),       cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_utf8),        cmocka_unit_test(test_control),
        cmocka_unit_test(test_distance),    cmocka_unit_test(test_nearest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
