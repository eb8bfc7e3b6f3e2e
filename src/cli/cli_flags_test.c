/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli_flags_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct cli_flag flags[] = {
    {"server", "URL", "one value"},
    {"json", NULL, "a switch"},
    {"claim", "K=V", "many values", true, "claims"},
    {"content", "JSON|FILE", "a file's name may be any bytes"},
    {NULL},
};

static const struct cli_command command = {
    .name = "probe",
    .arguments = "ID [STATUS]",
    .sentence = "Probe",
    .flags = flags,
};

static const struct {
    const char *words; /* separated by spaces */
    int result;
    const char *server;
    int claims;
    const char *first;
    const char *second;
    bool json;
    bool help;
} cases[] = {
    {"1", 0, NULL, 0, "1", NULL, false, false},
    {"1 paid", 0, NULL, 0, "1", "paid", false, false},
    {"--server http://a 1", 0, "http://a", 0, "1", NULL, false, false},
    {"1 --server=http://a?b=c --json", 0, "http://a?b=c", 0, "1", NULL, true, false},
    {"--server= 1", 0, "", 0, "1", NULL, false, false},
    {"--server -- 1", 0, "--", 0, "1", NULL, false, false},
    {"--claim a=1 1 --claim=b=2", 0, NULL, 2, "1", NULL, false, false},
    {"-- --json --server", 0, NULL, 0, "--json", "--server", false, false},
    {"--help", 0, NULL, 0, NULL, NULL, false, true},
    {"1 2 -h 3", 0, NULL, 0, "1", "2", false, true},
    {"", CLI_USAGE},
    {"1 2 3", CLI_USAGE},
    {"1 --server", CLI_USAGE},
    {"1 --nonsense", CLI_USAGE},
    {"1 --serve http://a", CLI_USAGE},
    {"1 --json=yes", CLI_USAGE},
    {"1 --server a --server b", CLI_USAGE},
    {"1 --=x", CLI_USAGE},
    {"1 --content \xff", 0, NULL, 0, "1", NULL, false, false},
    {"1 --server \xff", CLI_USAGE},
    {"1 --claim=a=\xff", CLI_USAGE},
    {"\xff", CLI_USAGE},
};

static void test_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct cli_arguments arguments = {0};
        struct cli_words words;
        cli_words_split(&words, cases[i].words);
        int result = cli_read(&arguments, &command, words.count, words.list);
        if (result != cases[i].result)
            fail_msg("case %zu: %d", i, result);
        if (result != 0)
            continue;
        assert_int_equal(arguments.help, cases[i].help);
        if (cases[i].help)
            continue;
        assert_int_equal(cli_has(&arguments, "json"), cases[i].json);
        assert_string_equal(cli_argument(&arguments, 0), cases[i].first);
        if (cases[i].second != NULL)
            assert_string_equal(cli_argument(&arguments, 1), cases[i].second);
        else
            assert_null(cli_argument(&arguments, 1));
        if (cases[i].server != NULL)
            assert_string_equal(cli_value(&arguments, "server"), cases[i].server);
        else
            assert_null(cli_value(&arguments, "server"));
        int claims = 0;
        while (cli_value_at(&arguments, "claim", claims) != NULL)
            claims++;
        assert_int_equal(claims, cases[i].claims);
    }
}

static void test_fields(void **state)
{
    (void)state;
    static const struct {
        const char *words;
        const char *message;
        const char *told;
    } rows[] = {
        {"1 --claim a=b", "[0401-1102]: claims[0]: expected x", "--claim[0]: expected x"},
        {"1 --server x", "[0401-1102]: server: expected [x]", "--server: expected [x]"},
        {"1 paid", "[0401-1102]: id: expected x", "ID: expected x"},
        {"1", "[0401-1102]: claims[0]: not given", "[0401-1102]: claims[0]: not given"},
        {"1 --claim a=b", "[0401-1102]: claim: x", "[0401-1102]: claim: x"},
        {"1 --claim a=b", "[0401-1102]: claims.a: x", "[0401-1102]: claims.a: x"},
        {"1 --json", "[0401-1042]: Key not found", "[0401-1042]: Key not found"},
        {"1 --json", "json", "json"},
        {"1 --json", "x ", "x "},
        {"1 --json", "", ""},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct cli_arguments arguments = {0};
        struct cli_words words;
        struct buf out;
        cli_words_split(&words, rows[i].words);
        assert_int_equal(cli_read(&arguments, &command, words.count, words.list), 0);
        buf_init(&out, 200);
        cli_name_field(&arguments, str_from(rows[i].message), &out);
        if (!str_equal_text(buf_view(&out), rows[i].told))
            fail_msg("row %zu: %.*s", i, STR_ARG(buf_view(&out)));
        buf_fini(&out);
    }
}

static void test_value_or(void **state)
{
    (void)state;
    static const struct {
        const char *words;
        const char *variable; /* NULL: not set */
        const char *value;
    } rows[] = {
        {"1", NULL, "otherwise"},
        {"1", "", "otherwise"},
        {"1", "variable", "variable"},
        {"1 --server flag", "variable", "flag"},
        {"1 --server=", "variable", "variable"},
        {"1 --server=", NULL, "otherwise"},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct cli_arguments arguments = {0};
        struct cli_words words;
        cli_words_split(&words, rows[i].words);
        assert_int_equal(cli_read(&arguments, &command, words.count, words.list), 0);
        if (rows[i].variable != NULL)
            setenv("CLI_FLAGS_TEST", rows[i].variable, 1);
        assert_string_equal(cli_value_or(&arguments, "server", "CLI_FLAGS_TEST", "otherwise"),
                            rows[i].value);
        unsetenv("CLI_FLAGS_TEST");
    }
}

static void test_too_many(void **state)
{
    (void)state;
    struct cli_arguments arguments = {0};
    char *words[CLI_VALUES_MAX + 2];
    static char word[] = "--claim=a=1";
    static char id[] = "1";
    words[0] = id;
    for (int i = 1; i < CLI_VALUES_MAX + 2; i++)
        words[i] = word;
    assert_int_equal(cli_read(&arguments, &command, CLI_VALUES_MAX + 1, words), 0);
    arguments = (struct cli_arguments){0};
    assert_int_equal(cli_read(&arguments, &command, CLI_VALUES_MAX + 2, words), CLI_USAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read),
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_value_or),
        cmocka_unit_test(test_too_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
