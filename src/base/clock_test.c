/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void test_clocks_run(void **state)
{
    (void)state;
    int64_t mono = clock_mono_ms();
    assert_true(mono > 0);
    assert_true(clock_mono_ms() >= mono);
    assert_true(clock_wall_ms() > INT64_C(1700000000000));
    while (clock_mono_ms() == mono)
        continue;
}

static void test_format(void **state)
{
    (void)state;
    static const struct {
        int64_t ms;
        const char *text;
    } rows[] = {
        {0, "1970-01-01T00:00:00.000Z"},
        {1, "1970-01-01T00:00:00.001Z"},
        {86399999, "1970-01-01T23:59:59.999Z"},
        {INT64_C(951782400000), "2000-02-29T00:00:00.000Z"},
        {INT64_C(951868800000), "2000-03-01T00:00:00.000Z"},
        {INT64_C(1709251199000), "2024-02-29T23:59:59.000Z"},
        {INT64_C(4107542400000), "2100-03-01T00:00:00.000Z"},
        {INT64_C(4107456000000), "2100-02-28T00:00:00.000Z"},
        {INT64_C(1795347084123), "2026-11-22T11:31:24.123Z"},
        {INT64_C(253402300799999), "9999-12-31T23:59:59.999Z"},
        {INT64_MAX, "9999-12-31T23:59:59.999Z"},
        {-1, "1970-01-01T00:00:00.000Z"},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        char text[CLOCK_TEXT_SIZE];
        clock_format(rows[i].ms, text);
        assert_string_equal(text, rows[i].text);
    }
}

static void test_parse(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t ms;
    } rows[] = {
        {"0", 0},
        {"1795347084", INT64_C(1795347084000)},
        {"253402300799", INT64_C(253402300799000)},
        {"1970-01-01T00:00:00Z", 0},
        {"1970-01-01t00:00:00z", 0},
        {"2026-11-22T11:31:24.123Z", INT64_C(1795347084123)},
        {"2026-11-22T11:31:24.1Z", INT64_C(1795347084100)},
        {"2026-11-22T11:31:24.123999999Z", INT64_C(1795347084123)},
        {"2026-11-22T13:31:24+02:00", INT64_C(1795347084000)},
        {"2026-11-22T06:01:24-05:30", INT64_C(1795347084000)},
        {"2024-02-29T23:59:59Z", INT64_C(1709251199000)},
        {"2016-12-31T23:59:60Z", INT64_C(1483228800000)},
        {"2017-01-01T01:59:60+02:00", INT64_C(1483228800000)},
        {"1969-12-31T23:59:59Z", -1000},
        {"0000-01-01T00:00:00Z", INT64_C(-62167219200000)},
        {"9999-12-31T23:59:59.999Z", INT64_C(253402300799999)},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        int64_t ms = 0;
        if (!clock_parse(str_from(rows[i].text), &ms) || ms != rows[i].ms)
            fail_msg("%s gave %lld", rows[i].text, (long long)ms);
    }
}

static void test_parse_refuses(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "",
        "-1",
        "253402300800",
        "1.5",
        "now",
        "2026-11-22",
        "2026-11-22T11:31",
        "2026-11-22T11:31Z",
        "2026-11-22T11:31:24",
        "2026-11-22 11:31:24Z",
        "2026-11-22T11:31:24.Z",
        "2026-11-22T11:31:24,5Z",
        "2026-11-22T11:31:24ZZ",
        "2026-11-22T11:31:24Z ",
        " 2026-11-22T11:31:24Z",
        "2026-11-22T11:31:24+0200",
        "2026-11-22T11:31:24+24:00",
        "2026-11-22T11:31:24+02:60",
        "2026-11-22T11:31:24+2:00",
        "2026-00-22T11:31:24Z",
        "2026-13-22T11:31:24Z",
        "2026-11-00T11:31:24Z",
        "2026-11-31T11:31:24Z",
        "2026-02-29T11:31:24Z",
        "2100-02-29T11:31:24Z",
        "2026-11-22T24:00:00Z",
        "2026-11-22T11:60:24Z",
        "2026-11-22T11:31:60Z",
        "2026-11-22T11:31:61Z",
        "02026-11-22T11:31:24Z",
        "2026-1-22T11:31:24Z",
        "+026-11-22T11:31:24Z",
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        int64_t ms = 4711;
        if (clock_parse(str_from(rows[i]), &ms) || ms != 4711)
            fail_msg("%s", rows[i]);
    }
    int64_t ms;
    const char *cut = "2026-11-22T11:31:24.5+02:00";
    /* The year alone would be a number of seconds. */
    for (size_t length = 5; length < strlen(cut); length++)
        assert_false(clock_parse(str_make(cut, length), &ms));
}

static void test_what_is_formatted_parses(void **state)
{
    (void)state;
    /* A step that visits every month, weekday and hour. */
    const int64_t step = 37 * CLOCK_DAY + 5 * CLOCK_HOUR + 7 * CLOCK_MINUTE + 11013;
    for (int64_t ms = 0; ms < INT64_C(253402300800000); ms += step * 40) {
        char text[CLOCK_TEXT_SIZE];
        int64_t parsed;
        clock_format(ms, text);
        assert_true(clock_parse(str_from(text), &parsed));
        assert_int_equal(parsed, ms);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clocks_run),
        cmocka_unit_test(test_format),
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_parse_refuses),
        cmocka_unit_test(test_what_is_formatted_parses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
