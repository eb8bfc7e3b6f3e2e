/* SPDX-License-Identifier: Apache-2.0 */
#include "config/config.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void test_defaults(void **state)
{
    struct config config;
    char error[CONFIG_ERROR_SIZE];
    (void)state;
    config_init(&config);
    assert_string_equal(config.listen, "127.0.0.1:8000");
    assert_int_equal(config.realtime.ping_interval, 25 * CLOCK_SECOND);
    assert_int_equal(config.realtime.max_lifetime, 5 * CLOCK_MINUTE);
    assert_int_equal(config.store.history_max_age, 7 * CLOCK_DAY);
    assert_true(config.realtime.latest_on_connect);
    assert_int_equal(config_check(&config, error), 0);
    config_fini(&config);
}

static void test_pairs(void **state)
{
    static const struct {
        const char *pair;
        int result;
        const char *sentence; /* a part of it */
    } rows[] = {
        {"realtime.max_lifetime=5s", 0, ""},
        {"realtime.max_lifetime=0", 0, ""},
        {"workers=3", 0, ""},
        {"log.level=debug", 0, ""},
        {"realtime.latest_on_connect=false", 0, ""},
        {"data=/tmp/a=b", 0, ""},
        {"workers", ERR_INVALID, "KEY=VALUE"},
        {"workers=", ERR_INVALID, "whole number"},
        {"workers=-1", ERR_INVALID, "from 0 to 256"},
        {"workers=1.5", ERR_INVALID, "whole number"},
        {"log.level=loud", ERR_INVALID, "debug, info"},
        {"realtime.latest_on_connect=yes", ERR_INVALID, "true or false"},
        {"realtime.ping_interval=25", ERR_INVALID, "duration"},
        {"realtime.ping_interval=1ms", ERR_INVALID, "from 1s to 1h"},
        {"drain_time=5d", ERR_INVALID, "drain_time: expected a value from 0 to 10m"},
        {"drain_time=90", ERR_INVALID, "duration"},
        {"limits.queue_bytes=128KiB", 0, ""},
        {"limits.queue_bytes=32768", 0, ""},
        {"limits.queue_bytes=32767", ERR_INVALID, "from 32KiB to 1MiB"},
        {"limits.queue_bytes=2MiB", ERR_INVALID, "from 32KiB to 1MiB"},
        {"limits.queue_bytes=1GiB", ERR_INVALID, "a size such as"},
        {"limits.queue_bytes=KiB", ERR_INVALID, "a size such as"},
        {"limits.queue_bytes=0", ERR_INVALID, "from 32KiB"},
        {"limits.queue_bytes=9007199254740993KiB", ERR_INVALID, "a size such as"},
        {"realtime.ping_interval=99999999999999999999d", ERR_INVALID, "duration"},
        {"realtime.pingInterval=5s", ERR_INVALID, "did you mean realtime.ping_interval?"},
        {"worker=2", ERR_INVALID, "did you mean workers?"},
        {"data=", ERR_INVALID, "expected a text of 1 to 4000 bytes"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct config config;
        char error[CONFIG_ERROR_SIZE] = "";
        config_init(&config);
        int result = config_set_pair(&config, rows[i].pair, error);
        if (result != rows[i].result || strstr(error, rows[i].sentence) == NULL)
            fail_msg("row %zu: %s: %d \"%s\"", i, rows[i].pair, result, error);
        config_fini(&config);
    }
}

static void test_insecure_user(void **state)
{
    static const struct {
        const char *value;
        int result;
    } rows[] = {
        {"", 0},
        {"77640/u1", 0},
        {"1/a/b", 0},
        {"2147483647/#", 0},
        {"77640", ERR_INVALID},
        {"77640/", ERR_INVALID},
        {"/u1", ERR_INVALID},
        {"0/u1", ERR_INVALID},
        {"2147483648/u1", ERR_INVALID},
        {"p/u1", ERR_INVALID},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct config config;
        char error[CONFIG_ERROR_SIZE] = "";
        config_init(&config);
        assert_int_equal(
            config_set(&config, STR_LIT("realtime.insecure_user"), str_from(rows[i].value), error),
            0);
        if (config_check(&config, error) != rows[i].result)
            fail_msg("row %zu: %s: \"%s\"", i, rows[i].value, error);
        if (rows[i].result != 0)
            assert_non_null(strstr(error, "realtime.insecure_user: expected PROJECT/USER"));
        config_fini(&config);
    }
}

#define MANY(text) text text text text text

static void test_proxies(void **state)
{
    static const char *const rows[][2] = {
        {"10.0.0.0/8, ::1, unix", ""},
        {"10.0.0.0/8,10.1.2.3/8", "proxy.trusted: \"10.1.2.3/8\": the bits behind its prefix"},
        {MANY(MANY(MANY("::1,"))), "proxy.trusted: more than 64 networks"},
        {"localhost, unix", "proxy.trusted: \"localhost\" is no network"},
        {"", "proxy.trusted: expected networks of proxies"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct config config;
        char error[CONFIG_ERROR_SIZE] = "";
        config_init(&config);
        assert_int_equal(config_set(&config, STR_LIT("proxy.trusted"), str_from(rows[i][0]), error),
                         0);
        assert_int_equal(config_set_pair(&config, "proxy.protocol=true", error), 0);
        int result = config_check(&config, error);
        if (result != (rows[i][1][0] == '\0' ? 0 : ERR_INVALID) || !strstr(error, rows[i][1]))
            fail_msg("%s: \"%s\"", rows[i][0], error);
        config_fini(&config);
    }
}

static int load_text(struct config *config, const char *text, char *error)
{
    char path[] = "/tmp/orderwire-config-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
    int result = config_load_file(config, path, error);
    unlink(path);
    return result;
}

static void test_file(void **state)
{
    static const struct {
        const char *text;
        const char *sentence; /* NULL: accepted */
    } rows[] = {
        {"", NULL},
        {"# nothing\n", NULL},
        {"workers: 2\nrealtime:\n  max_lifetime: 5s\n  pong_timeout: 2s\nlisten: ':0'\n", NULL},
        {"realtime.max_lifetime: 5s\n", NULL},
        {"realtime:\n  # max_lifetime: 5s\ntls:\nworkers: 2\n", NULL},
        {"real:\n", ":1: real: there is no such option"},
        {"workers: 2\nrealtime:\n  max_live: 5s\n", ":3: realtime.max_live: there is no such"},
        {"workers: [1, 2]\n", "not a list"},
        {"- a\n- b\n", "not a list"},
        {"workers: {a: {b: {c: {d: 1}}}}\n", "nested too deeply"},
        {"workers: \"2\n", ":"},
        {"just a text\n", "expected keys and values"},
        {"workers: *w\n", ":1:"},
        {"\tworkers: 2\n", ":1:"},
        {"limits: {connections: 5}\nlimits: {body_bytes: 4KiB}\n", NULL},
        {"workers: 2\nlisten: ':0'\nworkers: 2\n", ":3: workers: it is there twice"},
        {"log.level: debug\nlog:\n  level: info\n", ":3: log.level: it is there twice"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct config config;
        char error[CONFIG_ERROR_SIZE] = "";
        config_init(&config);
        int result = load_text(&config, rows[i].text, error);
        if (rows[i].sentence == NULL ? result != 0
                                     : result == 0 || strstr(error, rows[i].sentence) == NULL)
            fail_msg("row %zu: %d \"%s\"", i, result, error);
        config_fini(&config);
    }
}

static void test_later_sources_win(void **state)
{
    struct config config;
    char error[CONFIG_ERROR_SIZE];
    (void)state;
    config_init(&config);
    assert_int_equal(load_text(&config, "workers: 2\ndrain_time: 3s\nlisten: ':1'\n", error), 0);
    setenv("ORDERWIRE_WORKERS", "4", 1);
    setenv("ORDERWIRE_DRAIN_TIME", "4s", 1);
    assert_int_equal(config_load_environment(&config, error), 0);
    assert_int_equal(config_set_pair(&config, "workers=5", error), 0);
    unsetenv("ORDERWIRE_WORKERS");
    unsetenv("ORDERWIRE_DRAIN_TIME");
    assert_int_equal(config.workers, 5);
    assert_int_equal(config.drain_time, 4 * CLOCK_SECOND);
    assert_string_equal(config.listen, ":1");
    config_fini(&config);
}

static void test_an_unknown_variable_is_told_with_the_nearest(void **state)
{
    struct config config;
    char error[CONFIG_ERROR_SIZE];
    char text[1000];
    FILE *file = tmpfile();
    (void)state;
    assert_non_null(file);
    config_init(&config);
    setenv("ORDERWIRE_REALTIME_MAX_LIFETIM", "5s", 1);
    setenv("ORDERWIRE_FAULT", "", 1);
    log_set_fd(fileno(file));
    assert_int_equal(config_load_environment(&config, error), 0);
    log_set_fd(-1);
    unsetenv("ORDERWIRE_REALTIME_MAX_LIFETIM");
    unsetenv("ORDERWIRE_FAULT");
    ssize_t length = pread(fileno(file), text, sizeof(text) - 1, 0);
    assert_true(length > 0);
    text[length] = '\0';
    fclose(file);
    assert_non_null(strstr(text,
                           "name=ORDERWIRE_REALTIME_MAX_LIFETIM "
                           "nearest=ORDERWIRE_REALTIME_MAX_LIFETIME"));
    assert_null(strstr(text, "ORDERWIRE_FAULT"));
    config_fini(&config);
}

static void test_reload_takes_what_may_change(void **state)
{
    struct config live;
    struct config fresh;
    char error[CONFIG_ERROR_SIZE];
    (void)state;
    config_init(&live);
    config_init(&fresh);
    assert_int_equal(config_set_pair(&fresh, "workers=7", error), 0);
    assert_int_equal(config_set_pair(&fresh, "realtime.max_lifetime=9s", error), 0);
    assert_int_equal(config_set_pair(&fresh, "log.level=debug", error), 0);
    config_reload(&live, &fresh);
    assert_int_equal(live.workers, 0);
    assert_int_equal(live.realtime.max_lifetime, 9 * CLOCK_SECOND);
    assert_string_equal(live.log_level, "debug");
    config_fini(&live);
    config_fini(&fresh);
}

static void test_printed_form_is_read_back(void **state)
{
    static const char *const pairs[] = {
        "realtime.max_lifetime=90s", "idempotency.ttl=172800s",
        "tokens.payment_ttl=1d",     "drain_time=0",
        "limits.body_bytes=65537",   "limits.queue_bytes=131072",
    };
    static const char *const lines[] = {
        "\nrealtime.max_lifetime: 90s\n", "\nidempotency.ttl: 2d\n",
        "\ntokens.payment_ttl: 24h\n",    "\ndrain_time: 0\n",
        "\nlimits.body_bytes: 65537\n",   "\nlimits.queue_bytes: 128KiB\n",
        "\nlimits.batch_bytes: 2MiB\n",
    };
    struct config config;
    struct config again;
    struct buf first;
    struct buf second;
    char error[CONFIG_ERROR_SIZE];
    (void)state;
    config_init(&config);
    config_init(&again);
    buf_init(&first, 65536);
    buf_init(&second, 65536);
    for (size_t i = 0; i < ARRAY_LENGTH(pairs); i++)
        assert_int_equal(config_set_pair(&config, pairs[i], error), 0);
    config_print(&config, false, &first);
    buf_append_byte(&first, '\0');
    assert_int_equal(load_text(&again, first.ptr, error), 0);
    config_print(&again, false, &second);
    buf_append_byte(&second, '\0');
    assert_string_equal(first.ptr, second.ptr);
    for (size_t i = 0; i < ARRAY_LENGTH(lines); i++)
        if (strstr(first.ptr, lines[i]) == NULL)
            fail_msg("no %s in %s", lines[i], first.ptr);
    buf_fini(&first);
    buf_fini(&second);
    config_fini(&config);
    config_fini(&again);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_pairs),
        cmocka_unit_test(test_insecure_user),
        cmocka_unit_test(test_proxies),
        cmocka_unit_test(test_file),
        cmocka_unit_test(test_later_sources_win),
        cmocka_unit_test(test_an_unknown_variable_is_told_with_the_nearest),
        cmocka_unit_test(test_reload_takes_what_may_change),
        cmocka_unit_test(test_printed_form_is_read_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
