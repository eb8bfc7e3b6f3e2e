/* SPDX-License-Identifier: Apache-2.0 */
/* Lines go through a pipe in packet mode, where one read gives what one write gave. */
#include "base/log.h"

#include "base/clock.h"
#include "base/err.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static int pipe_ends[2];
static char text[PIPE_BUF + 1];

static int set_up(void **state)
{
    (void)state;
    if (pipe2(pipe_ends, O_DIRECT | O_NONBLOCK) != 0)
        return -1;
    log_set_fd(pipe_ends[1]);
    log_setup(LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    log_set_fd(-1);
    close(pipe_ends[0]);
    close(pipe_ends[1]);
    return 0;
}

/* The next line without its end, or NULL. It came by one write, and the end is the only newline. */
static char *next_line(void)
{
    ssize_t got = read(pipe_ends[0], text, sizeof(text) - 1);
    if (got < 0)
        return NULL;
    text[got] = '\0';
    assert_int_equal(strlen(text), got);
    char *end = strchr(text, '\n');
    assert_non_null(end);
    assert_int_equal(end - text, got - 1);
    *end = '\0';
    return text;
}

/* What follows the time; the time itself is checked. */
static const char *after_time(const char *before)
{
    char *line = next_line();
    assert_non_null(line);
    assert_true(str_starts_with(str_from(line), str_from(before)));
    line += strlen(before);
    int64_t at;
    assert_true(clock_parse(str_make(line, CLOCK_TEXT_SIZE - 1), &at));
    assert_in_range(at, clock_wall_ms() - CLOCK_HOUR, clock_wall_ms());
    return line + CLOCK_TEXT_SIZE - 1;
}

static void test_text(void **state)
{
    (void)state;
    log_info("started");
    assert_string_equal(after_time(""), " info started");
    log_warning("order applied", LOG_INT("order_id", -1), LOG_TEXT("status", "paid"));
    assert_string_equal(after_time(""), " warning order applied order_id=-1 status=paid");
    log_error("x", LOG_TEXT("empty", ""), LOG_TEXT("none", NULL), LOG_INT("n", INT64_MIN));
    assert_string_equal(after_time(""), " error x empty=\"\" none=\"\" n=-9223372036854775808");
}

static void test_json(void **state)
{
    (void)state;
    log_setup(LOG_LEVEL_DEBUG, LOG_FORMAT_JSON);
    log_debug("started");
    assert_string_equal(after_time("{\"time\":\""),
                        "\",\"level\":\"debug\",\"message\":\"started\"}");
    log_info("order applied", LOG_INT("order_id", 1), LOG_TEXT("status", "paid"));
    assert_string_equal(after_time("{\"time\":\""),
                        "\",\"level\":\"info\",\"message\":\"order applied\",\"order_id\":1,"
                        "\"status\":\"paid\"}");
}

static void test_level(void **state)
{
    (void)state;
    log_debug("hidden");
    assert_null(next_line());
    log_set_level(LOG_LEVEL_ERROR);
    log_warning("hidden");
    assert_null(next_line());
    log_error("shown");
    assert_non_null(next_line());
    log_set_level(LOG_LEVEL_DEBUG);
    log_debug("shown");
    assert_non_null(next_line());
}

static const struct {
    struct str value;
    const char *in_text;
    const char *in_json;
} hostile[] = {
    {STR_LIT("a\nb"), "\"a\\u000ab\"", "\"a\\u000ab\""},
    {STR_LIT("\r\n"), "\"\\u000d\\u000a\"", "\"\\u000d\\u000a\""},
    {STR_LIT("a\0b"), "\"a\\u0000b\"", "\"a\\u0000b\""},
    {STR_LIT("\x1b[31m"), "\"\\u001b[31m\"", "\"\\u001b[31m\""},
    {STR_LIT("\x7f"), "\"\\u007f\"", "\"\\u007f\""},
    {STR_LIT("\" x=\"1"), "\"\\\" x=\\\"1\"", "\"\\\" x=\\\"1\""},
    {STR_LIT("a x=1"), "\"a x=1\"", "\"a x=1\""},
    {STR_LIT("x=1"), "\"x=1\"", "\"x=1\""},
    {STR_LIT("\\"), "\"\\\\\"", "\"\\\\\""},
    {STR_LIT("\\\""), "\"\\\\\\\"\"", "\"\\\\\\\"\""},
    {STR_LIT("\",\"level\":\"error"), "\"\\\",\\\"level\\\":\\\"error\"",
     "\"\\\",\\\"level\\\":\\\"error\""},
    {STR_LIT("\xc3\xa9"), "\"\xc3\xa9\"", "\"\xc3\xa9\""},
    {STR_LIT("\xf0\x9f\x98\x80!"), "\"\xf0\x9f\x98\x80!\"", "\"\xf0\x9f\x98\x80!\""},
    {STR_LIT("\xc2\x85"), "\"\\u0085\"", "\"\\u0085\""},
    {STR_LIT("\xc2\xa0"), "\"\xc2\xa0\"", "\"\xc2\xa0\""},
    {STR_LIT("\xe2\x80\xa8\xe2\x80\xa9"), "\"\\u2028\\u2029\"", "\"\\u2028\\u2029\""},
    {STR_LIT("\xe2\x82\xac"), "\"\xe2\x82\xac\"", "\"\xe2\x82\xac\""},
    {STR_LIT("a\xff"), "\"a\\u00ff\"", "\"a\\u00ff\""},
    {STR_LIT("\xe2\x82"), "\"\\u00e2\\u0082\"", "\"\\u00e2\\u0082\""},
    {STR_LIT("plain:/.-"), "plain:/.-", "\"plain:/.-\""},
};

static void test_values_cannot_forge(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(hostile); i++) {
        char expected[128];
        log_setup(LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
        log_info("m", LOG_STR("value", hostile[i].value), LOG_INT("end", 1));
        snprintf(expected, sizeof(expected), " info m value=%s end=1", hostile[i].in_text);
        assert_string_equal(after_time(""), expected);

        log_setup(LOG_LEVEL_INFO, LOG_FORMAT_JSON);
        log_info("m", LOG_STR("value", hostile[i].value), LOG_INT("end", 1));
        snprintf(expected, sizeof(expected),
                 "\",\"level\":\"info\",\"message\":\"m\",\"value\":%s,\"end\":1}",
                 hostile[i].in_json);
        assert_string_equal(after_time("{\"time\":\""), expected);
    }
}

static void test_messages_cannot_forge(void **state)
{
    (void)state;
    log_info("a\nb\"c");
    assert_string_equal(after_time(""), " info a\\u000ab\\\"c");
    log_setup(LOG_LEVEL_INFO, LOG_FORMAT_JSON);
    log_info("a\nb\"c");
    assert_string_equal(after_time("{\"time\":\""),
                        "\",\"level\":\"info\",\"message\":\"a\\u000ab\\\"c\"}");
}

static void test_long_values_are_cut(void **state)
{
    (void)state;
    char value[3000];
    for (int control = 0; control < 2; control++) {
        memset(value, control ? '\n' : 'x', sizeof(value));
        for (int format = LOG_FORMAT_TEXT; format <= LOG_FORMAT_JSON; format++) {
            log_setup(LOG_LEVEL_INFO, (enum log_format)format);
            log_info("m", LOG_STR("value", str_make(value, sizeof(value))), LOG_INT("end", 1));
            char *line = next_line();
            assert_in_range(strlen(line), 1000, 1200);
            const char *tail = format == LOG_FORMAT_TEXT ? "...\" end=1" : "...\",\"end\":1}";
            assert_string_equal(line + strlen(line) - strlen(tail), tail);
        }
    }
}

static void test_a_full_line_leaves_fields_out_whole(void **state)
{
    (void)state;
    char value[900];
    memset(value, 'y', sizeof(value));
    struct str s = str_make(value, sizeof(value));
    for (int format = LOG_FORMAT_TEXT; format <= LOG_FORMAT_JSON; format++) {
        log_setup(LOG_LEVEL_INFO, (enum log_format)format);
        log_info("m", LOG_STR("a", s), LOG_STR("b", s), LOG_STR("c", s), LOG_STR("d", s),
                 LOG_STR("e", s), LOG_INT("end", 1));
        char *line = next_line();
        assert_true(strlen(line) < PIPE_BUF);
        const char *tail = format == LOG_FORMAT_TEXT ? "y end=1" : "y\",\"end\":1}";
        assert_string_equal(line + strlen(line) - strlen(tail), tail);
        assert_non_null(strstr(line, format == LOG_FORMAT_TEXT ? " d=" : "\"d\":"));
        assert_null(strstr(line, format == LOG_FORMAT_TEXT ? " e=" : "\"e\":"));
    }
}

static void test_errno_survives(void **state)
{
    (void)state;
    int closed = dup(pipe_ends[1]);
    close(closed);
    log_set_fd(closed);
    errno = ENOENT;
    log_info("nowhere to go");
    assert_int_equal(errno, ENOENT);
}

enum { THREADS = 4, LINES = 8 };

static void *log_lines(void *argument)
{
    (void)argument;
    for (int i = 0; i < LINES; i++)
        log_info("from a thread", LOG_INT("line", i));
    return NULL;
}

static void test_threads_do_not_mix_lines(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, log_lines, NULL), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    int lines = 0;
    while (next_line() != NULL)
        lines++;
    /* A pipe in packet mode holds 16 packets; the rest was refused whole. */
    assert_true(lines >= 16);
}

static void read_file(const char *path, char *out, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    ssize_t length = read(fd, out, size - 1);
    close(fd);
    assert_true(length >= 0);
    out[length] = '\0';
}

static void test_audit(void **state)
{
    char path[] = "/tmp/log_test_XXXXXX";
    char moved[sizeof(path) + 2];
    char whole[1000];
    (void)state;
    close(mkstemp(path));
    unlink(path);
    snprintf(moved, sizeof(moved), "%s.1", path);
    log_set_level(LOG_LEVEL_ERROR);
    log_audit("before.open");
    assert_string_equal(after_time(""), " audit before.open");

    assert_int_equal(log_audit_open(path, false), 0);
    log_audit("key.create", LOG_TEXT("who", "admin"), LOG_INT("status", 201));
    log_error("no part of it");
    assert_string_equal(after_time(""), " audit key.create who=admin status=201");
    assert_non_null(next_line());
    log_audit_sync();
    read_file(path, whole, sizeof(whole));
    assert_string_equal(
        strstr(whole, "\"level\""),
        "\"level\":\"audit\",\"message\":\"key.create\",\"who\":\"admin\",\"status\":201}\n");

    assert_int_equal(rename(path, moved), 0);
    assert_int_equal(log_audit_open(path, true), 0);
    log_audit("key.delete");
    assert_null(next_line());
    read_file(path, whole, sizeof(whole));
    assert_non_null(strstr(whole, "key.delete"));
    read_file(moved, whole, sizeof(whole));
    assert_null(strstr(whole, "key.delete"));
    log_audit_close();
    assert_int_equal(log_audit_open("/nonexistent/audit.log", false), ERR_IO);
    unlink(path);
    unlink(moved);
}

#define LOG_TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        LOG_TEST(test_text),
        LOG_TEST(test_json),
        LOG_TEST(test_level),
        LOG_TEST(test_values_cannot_forge),
        LOG_TEST(test_messages_cannot_forge),
        LOG_TEST(test_long_values_are_cut),
        LOG_TEST(test_a_full_line_leaves_fields_out_whole),
        LOG_TEST(test_errno_survives),
        LOG_TEST(test_threads_do_not_mix_lines),
        LOG_TEST(test_audit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
