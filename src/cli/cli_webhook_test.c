/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli_webhook.h"

#include "cli/cli_flags_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static const struct cli_flag flags[] = {
    {"project", "ID", ""},
    {"secret", "TEXT|@FILE", ""},
    CLI_WEBHOOK_FLAGS,
    {NULL},
};

static const struct cli_command command = {
    .name = "probe", .arguments = "[ID]", .sentence = "", .flags = flags};

static int read_words(const char *text, struct cli_words *words, struct cli_arguments *arguments)
{
    *arguments = (struct cli_arguments){0};
    cli_words_split(words, text);
    return cli_read(arguments, &command, words->count, words->list);
}

/* Settings and secret as a body would have them. */
static int read_body(const char *text, struct buf *out)
{
    struct cli_arguments arguments;
    struct cli_words words;
    int result = read_words(text, &words, &arguments);
    buf_append_byte(out, '{');
    if (result == CLI_OK)
        result = cli_webhook_settings(&arguments, out);
    if (result == CLI_OK)
        result = cli_webhook_secret(&arguments, out);
    buf_append_byte(out, '}');
    return result;
}

static void test_settings(void **state)
{
    static const struct {
        const char *words;
        int result;
        const char *body;
    } rows[] = {
        {"", CLI_OK, "{}"},
        {"--preset xsolla --mode latest", CLI_OK, "{\"preset\":\"xsolla\",\"mode\":\"latest\"}"},
        {"--status paid --status done", CLI_OK, "{\"statuses\":[\"paid\",\"done\"]}"},
        {"--status=", CLI_OK, "{\"statuses\":null}"},
        {"--description= --receiver-ca= --schedule= --max-age= --rate=", CLI_OK,
         "{\"description\":null,\"rate\":null,\"schedule\":null,\"max_age\":null,\"ca\":null}"},
        {"--concurrency 5 --rate 0", CLI_OK, "{\"concurrency\":5,\"rate\":0}"},
        {"--timeout 1500ms --max-age 7d", CLI_OK, "{\"timeout\":1.500,\"max_age\":604800}"},
        {"--schedule 5s,250ms,2h", CLI_OK, "{\"schedule\":[5,0.250,7200]}"},
        {"--rate 1 --json-settings {\"url\":\"u\"}", CLI_OK, "{\"rate\":1,\"url\":\"u\"}"},
        {"--secret abc", CLI_OK, "{\"secret\":\"abc\"}"},
        {"--rate x", CLI_USAGE, NULL},
        {"--rate -1", CLI_USAGE, NULL},
        {"--timeout 15", CLI_USAGE, NULL},
        {"--schedule 5s,,2h", CLI_USAGE, NULL},
        {"--schedule 5s,", CLI_USAGE, NULL},
        {"--description \xff", CLI_USAGE, NULL},
        {"--status \xff", CLI_USAGE, NULL},
        {"--status= --status paid", CLI_USAGE, NULL},
        {"--secret=", CLI_USAGE, NULL},
        {"--secret \xff", CLI_USAGE, NULL},
        {"--secret @/nonexistent", CLI_FAILED, NULL},
        {"--receiver-ca /nonexistent", CLI_FAILED, NULL},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct buf out;
        buf_init(&out, 4096);
        int result = read_body(rows[i].words, &out);
        if (result != rows[i].result)
            fail_msg("row %zu: %d", i, result);
        buf_append_byte(&out, '\0');
        if (rows[i].body != NULL)
            assert_string_equal(out.ptr, rows[i].body);
        buf_fini(&out);
    }
}

static void test_files(void **state)
{
    static const struct {
        const char *content;
        const char *words;
        int result;
        const char *body;
    } rows[] = {
        {"line\nother", "--receiver-ca %s", CLI_OK, "{\"ca\":\"line\\nother\"}"},
        {"key", "--client-key %s", CLI_OK, "{\"client_key\":\"key\"}"},
        {"\xff", "--client-cert %s", CLI_USAGE, NULL},
        {"whsec_abc\r\nrest", "--secret @%s", CLI_OK, "{\"secret\":\"whsec_abc\"}"},
        {"whsec_abc", "--secret @%s", CLI_OK, "{\"secret\":\"whsec_abc\"}"},
        {"\n", "--secret @%s", CLI_USAGE, NULL},
        {"", "--secret @%s", CLI_USAGE, NULL},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        char path[] = "/tmp/cli_webhook_test-XXXXXX";
        char words[120];
        const char *place = strchr(rows[i].words, '%');
        struct buf out;
        int fd = mkstemp(path);
        assert_true(fd >= 0);
        assert_int_equal(write(fd, rows[i].content, strlen(rows[i].content)),
                         strlen(rows[i].content));
        close(fd);
        buf_init(&out, 4096);
        snprintf(words, sizeof(words), "%.*s%s", (int)(place - rows[i].words), rows[i].words, path);
        if (read_body(words, &out) != rows[i].result)
            fail_msg("row %zu", i);
        buf_append_byte(&out, '\0');
        if (rows[i].body != NULL)
            assert_string_equal(out.ptr, rows[i].body);
        buf_fini(&out);
        unlink(path);
    }
}

static void test_paths(void **state)
{
    static const struct {
        const char *words;
        int result;
        const char *path;
    } rows[] = {
        {"--project 5 7", CLI_OK, "/server/v1/project/5/webhooks/7/pause"},
        {"--project 2147483647 9223372036854775807", CLI_OK,
         "/server/v1/project/2147483647/webhooks/9223372036854775807/pause"},
        {"--project 5 0", CLI_USAGE, NULL},
        {"--project 5 -- -1", CLI_USAGE, NULL},
        {"--project 5 9223372036854775808", CLI_USAGE, NULL},
        {"--project 0 7", CLI_USAGE, NULL},
        {"7", CLI_USAGE, NULL},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct cli_arguments arguments;
        struct cli_words words;
        char path[CLI_PATH_SIZE];
        assert_int_equal(read_words(rows[i].words, &words, &arguments), CLI_OK);
        assert_int_equal(cli_webhook_path(&arguments, "/pause", path), rows[i].result);
        if (rows[i].path != NULL)
            assert_string_equal(path, rows[i].path);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_settings),
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_paths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
