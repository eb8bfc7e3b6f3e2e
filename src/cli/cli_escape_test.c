/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli_escape.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static void test_escape(void **state)
{
    static const struct {
        struct str text;
        const char *escaped;
    } rows[] = {
        {STR_LIT(""), ""},
        {STR_LIT("Tienda \xc3\xb1 \xc2\xa0 \xe2\x82\xac"), "Tienda \xc3\xb1 \xc2\xa0 \xe2\x82\xac"},
        {STR_LIT("a\x1b[2J\r\n\x7f"), "a\\x1b[2J\\x0d\\n\\x7f"},
        {STR_LIT("\0a"), "\\x00a"},
        {STR_LIT("a\xc2\x9b"
                 "2J\xc2\x80"),
         "a\\x9b2J\\x80"},
        {STR_LIT("a\xff\xc2\x9b\n"), "a\\xff\\xc2\\x9b\\n"},
        {STR_LIT("\xc2"), "\\xc2"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct buf out;
        buf_init(&out, 100);
        cli_escape(rows[i].text, &out);
        if (!str_equal_text(buf_view(&out), rows[i].escaped))
            fail_msg("row %zu: %.*s", i, STR_ARG(buf_view(&out)));
        buf_fini(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_escape),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
