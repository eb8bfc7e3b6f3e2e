/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void assert_holds(const struct buf *b, const char *text)
{
    assert_true(str_equal_text(buf_view(b), text));
}

static void test_appends(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 100);
    assert_null(b.ptr);
    assert_holds(&b, "");
    buf_append(&b, NULL, 0);
    buf_append(&b, "ab", 2);
    buf_append_str(&b, STR_LIT("cd"));
    buf_append_text(&b, "ef");
    buf_append_byte(&b, 'g');
    buf_append_int(&b, -12);
    buf_printf(&b, "%s=%d", "x", 7);
    assert_holds(&b, "abcdefg-12x=7");
    assert_false(b.overflow);
    buf_fini(&b);
    assert_null(b.ptr);
    buf_append_text(&b, "again");
    assert_holds(&b, "again");
    buf_fini(&b);
}

static void test_integers(void **state)
{
    (void)state;
    static const struct {
        int64_t value;
        const char *text;
    } rows[] = {
        {0, "0"},
        {9, "9"},
        {10, "10"},
        {-1, "-1"},
        {INT64_MAX, "9223372036854775807"},
        {INT64_MIN, "-9223372036854775808"},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct buf b;
        buf_init(&b, 20);
        buf_append_int(&b, rows[i].value);
        assert_holds(&b, rows[i].text);
        buf_fini(&b);
    }
}

static void test_overflow_changes_nothing_and_stays(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 5);
    buf_append_text(&b, "abc");
    buf_append_text(&b, "def");
    assert_true(b.overflow);
    assert_holds(&b, "abc");
    buf_append_byte(&b, 'd');
    assert_holds(&b, "abc");
    assert_null(buf_reserve(&b, 0));
    buf_clear(&b);
    assert_false(b.overflow);
    buf_append_text(&b, "abcde");
    assert_false(b.overflow);
    assert_holds(&b, "abcde");
    assert_int_equal(b.capacity, 5);
    buf_append_byte(&b, 'f');
    assert_true(b.overflow);
    buf_clear(&b);
    buf_append(&b, "x", SIZE_MAX);
    assert_true(b.overflow);
    buf_fini(&b);
    assert_false(b.overflow);
}

static void test_growth_stops_at_the_maximum(void **state)
{
    (void)state;
    const size_t max = 1000;
    struct buf b;
    buf_init(&b, max);
    for (size_t i = 0; i < max; i++) {
        buf_append_byte(&b, (char)('a' + i % 26));
        assert_true(b.capacity <= max);
    }
    assert_false(b.overflow);
    for (size_t i = 0; i < max; i++)
        assert_int_equal(b.ptr[i], 'a' + i % 26);
    buf_append_byte(&b, 'x');
    assert_true(b.overflow);
    assert_int_equal(b.len, max);
    buf_fini(&b);

    buf_init(&b, 0);
    assert_non_null(buf_reserve(&b, 0));
    assert_null(buf_reserve(&b, 1));
    buf_fini(&b);
}

static void test_printf_of_any_length(void **state)
{
    (void)state;
    char long_text[600];
    memset(long_text, 'y', sizeof(long_text));
    for (int length = 250; length < 600; length += 2) {
        struct buf b;
        buf_init(&b, (size_t)length);
        buf_printf(&b, "%.*s", length, long_text);
        assert_false(b.overflow);
        assert_true(str_equal(buf_view(&b), str_make(long_text, (size_t)length)));
        buf_printf(&b, "%d", 1);
        assert_true(b.overflow);
        buf_clear(&b);
        buf_printf(&b, "%.*s", length + 1, long_text);
        assert_true(b.overflow);
        assert_holds(&b, "");
        buf_fini(&b);
    }
}

static void test_reserve_and_consume(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 200);
    char *room = buf_reserve(&b, 150);
    memcpy(room, "abcdef", 6);
    buf_wrote(&b, 6);
    assert_holds(&b, "abcdef");
    buf_consume(&b, 0);
    buf_consume(&b, 2);
    assert_holds(&b, "cdef");
    buf_append_text(&b, "gh");
    buf_consume(&b, 6);
    assert_holds(&b, "");
    assert_null(buf_reserve(&b, 201));
    assert_true(b.overflow);
    buf_fini(&b);
}

static void test_detach(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 3);
    char *text = buf_detach_text(&b);
    assert_string_equal(text, "");
    mem_free(text);
    buf_append_text(&b, "abc");
    text = buf_detach_text(&b);
    assert_string_equal(text, "abc");
    mem_free(text);
    assert_holds(&b, "");
    buf_append_text(&b, "de");
    assert_holds(&b, "de");
    buf_fini(&b);
}

static void test_wiped_is_as_new(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 64);
    buf_wipe(&b);
    buf_append_text(&b, "secret");
    buf_wipe(&b);
    assert_null(b.ptr);
    assert_int_equal(b.len, 0);
    buf_append_text(&b, "again");
    assert_true(str_equal_text(buf_view(&b), "again"));
    buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wiped_is_as_new),
        cmocka_unit_test(test_appends),
        cmocka_unit_test(test_integers),
        cmocka_unit_test(test_overflow_changes_nothing_and_stays),
        cmocka_unit_test(test_growth_stops_at_the_maximum),
        cmocka_unit_test(test_printf_of_any_length),
        cmocka_unit_test(test_reserve_and_consume),
        cmocka_unit_test(test_detach),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
