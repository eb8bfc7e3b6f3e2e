/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli_input.h"

#include "cli/cli_flags_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static const struct cli_flag flags[] = {
    {"project", "ID", ""},        {"ttl", "DURATION", ""}, {"claim", "K=V", "", true},
    {"content", "JSON|FILE", ""}, CLI_SETTINGS_FLAGS,      {NULL},
};

static const struct cli_command command = {
    .name = "probe", .arguments = "", .sentence = "", .flags = flags};

/* Reads words, then what `read` makes of them. */
static int read_words(const char *text, int (*read)(const struct cli_arguments *, struct buf *),
                      struct buf *out)
{
    struct cli_arguments arguments = {0};
    struct cli_words words;
    cli_words_split(&words, text);
    int result = cli_read(&arguments, &command, words.count, words.list);
    return result == CLI_OK ? read(&arguments, out) : result;
}

static int read_claims(const struct cli_arguments *arguments, struct buf *out)
{
    return cli_read_pairs(arguments, "claim", out);
}

static int read_settings(const struct cli_arguments *arguments, struct buf *out)
{
    buf_append_byte(out, '{');
    int result = cli_read_settings(arguments, out);
    buf_append_byte(out, '}');
    return result;
}

static int read_content(const struct cli_arguments *arguments, struct buf *out)
{
    return cli_read_json(arguments, "content", cli_value(arguments, "content"), out);
}

static int read_project(const struct cli_arguments *arguments, struct buf *out)
{
    int32_t id = 0;
    int result = cli_read_project(arguments, &id);
    buf_append_int(out, id);
    return result;
}

static int read_ttl(const struct cli_arguments *arguments, struct buf *out)
{
    int64_t ms = 7;
    int result = cli_read_duration(arguments, "ttl", &ms);
    buf_append_int(out, ms);
    return result;
}

static const struct {
    const char *words;
    int (*read)(const struct cli_arguments *, struct buf *);
    int result;
    const char *out; /* when the result is CLI_OK */
} cases[] = {
    {"", read_claims, CLI_OK, ""},
    {"--claim a=b", read_claims, CLI_OK, "{\"a\":\"b\"}"},
    {"--claim a=1 --claim b=true --claim c=[1,\"x\"] --claim d=", read_claims, CLI_OK,
     "{\"a\":1,\"b\":true,\"c\":[1,\"x\"],\"d\":\"\"}"},
    {"--claim a=b=c --claim e=\"1\"", read_claims, CLI_OK, "{\"a\":\"b=c\",\"e\":\"1\"}"},
    {"--claim a", read_claims, CLI_USAGE, NULL},
    {"--claim =a", read_claims, CLI_USAGE, NULL},
    {"--claim \xff=a", read_claims, CLI_USAGE, NULL},
    {"", read_settings, CLI_OK, "{}"},
    {"--name Shop --strict true", read_settings, CLI_OK, "{\"name\":\"Shop\",\"strict\":true}"},
    {"--strict false --webhook-allow 10.0.0.0/8 --webhook-allow ::1/128", read_settings, CLI_OK,
     "{\"strict\":false,\"webhook_allow_cidrs\":[\"10.0.0.0/8\",\"::1/128\"]}"},
    {"--json-settings {\"verifiers\":[]}", read_settings, CLI_OK, "{\"verifiers\":[]}"},
    {"--name a --json-settings {\"verifiers\":[]}", read_settings, CLI_OK,
     "{\"name\":\"a\",\"verifiers\":[]}"},
    {"--name a --json-settings {}", read_settings, CLI_OK, "{\"name\":\"a\"}"},
    {"--legacy-socket true", read_settings, CLI_OK, "{\"legacy_socket\":true}"},
    {"--allow-origin https://a.example --allow-origin null", read_settings, CLI_OK,
     "{\"allowed_origins\":[\"https://a.example\",\"null\"]}"},
    {"--webhook-allow= --allow-origin=", read_settings, CLI_OK,
     "{\"webhook_allow_cidrs\":null,\"allowed_origins\":null}"},
    {"--webhook-allow= --webhook-allow ::1/128", read_settings, CLI_USAGE, NULL},
    {"--allow-origin null --allow-origin=", read_settings, CLI_USAGE, NULL},
    {"--allow-origin= --allow-origin=", read_settings, CLI_USAGE, NULL},
    {"--strict yes", read_settings, CLI_USAGE, NULL},
    {"--legacy-socket on", read_settings, CLI_USAGE, NULL},
    {"--name \xff", read_settings, CLI_USAGE, NULL},
    {"--webhook-allow \xff", read_settings, CLI_USAGE, NULL},
    {"--json-settings {", read_settings, CLI_USAGE, NULL},
    {"--content {\"items\":[],\"a\":1.50}", read_content, CLI_OK, "{\"items\":[],\"a\":1.5}"},
    {"--content {\"a\":1,\"a\":2}", read_content, CLI_USAGE, NULL},
    {"--content /nowhere/at/all", read_content, CLI_FAILED, NULL},
    {"--project 77640", read_project, CLI_OK, "77640"},
    {"--project 2147483647", read_project, CLI_OK, "2147483647"},
    {"--project 2147483648", read_project, CLI_USAGE, NULL},
    {"--project 0", read_project, CLI_USAGE, NULL},
    {"--project 1x", read_project, CLI_USAGE, NULL},
    {"", read_project, CLI_USAGE, NULL},
    {"", read_ttl, CLI_OK, "7"},
    {"--ttl 24h", read_ttl, CLI_OK, "86400000"},
    {"--ttl 10ms", read_ttl, CLI_USAGE, NULL},
    {"--ttl soon", read_ttl, CLI_USAGE, NULL},
};

static void test_values(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct buf out;
        buf_init(&out, 4096);
        int result = read_words(cases[i].words, cases[i].read, &out);
        if (result != cases[i].result)
            fail_msg("case %zu: %d", i, result);
        if (result == CLI_OK && !str_equal_text(buf_view(&out), cases[i].out))
            fail_msg("case %zu: %.*s", i, STR_ARG(buf_view(&out)));
        buf_fini(&out);
    }
}

static void test_file(void **state)
{
    static const struct {
        const char *content;
        int result;
    } files[] = {{"{\"a\": 1}\n", CLI_OK}, {"[1]", CLI_USAGE}, {"", CLI_USAGE}};
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(files); i++) {
        char path[] = "/tmp/cli_input_test-XXXXXX";
        char words[100];
        struct buf out;
        int fd = mkstemp(path);
        assert_true(fd >= 0);
        assert_int_equal(write(fd, files[i].content, strlen(files[i].content)),
                         strlen(files[i].content));
        close(fd);
        for (int at = 0; at < 2; at++) {
            buf_init(&out, 4096);
            snprintf(words, sizeof(words), "--content %s%s", at == 0 ? "" : "@", path);
            assert_int_equal(read_words(words, read_content, &out), files[i].result);
            if (files[i].result == CLI_OK)
                assert_true(str_equal_text(buf_view(&out), "{\"a\":1}"));
            buf_fini(&out);
        }
        unlink(path);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
