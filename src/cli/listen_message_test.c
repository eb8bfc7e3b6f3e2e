/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/listen_message.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#define HEADERS "\"headers\":{\"webhook-id\":\"evt_1\",\"Content-Type\":\"application/json\"}"
#define STANDARD                                                                                   \
    "{\"id\":\"evt_1\",\"type\":\"order.paid\"," HEADERS                                           \
    ",\"body\":\"{\\\"type\\\":\\\"order.paid\\\",\\\"data\\\":{\\\"order_id\\\":7,"               \
    "\\\"status\\\":\\\"paid\\\"}}\"}"
#define XSOLLA                                                                                     \
    "{\"id\":\"evt_2\",\"type\":\"order_paid\",\"headers\":{},\"body\":\"{\\\"order\\\":"          \
    "{\\\"id\\\":2147483647,\\\"status\\\":\\\"paid\\\"}}\"}"
#define NO_ORDER "{\"id\":\"evt_3\",\"type\":\"endpoint.disabled\",\"headers\":{},\"body\":\"x\"}"

static const struct listen_answer answered = {.at = 1000, .duration_us = 12345, .status = 204};
static const struct listen_answer failed = {
    .at = 1000, .duration_us = 5, .error = "refused \"it\""};

static void test_lines(void **state)
{
    static const struct {
        const char *text;
        const struct listen_answer *answer;
        bool as_json;
        const char *line;
    } rows[] = {
        {STANDARD, &answered, false,
         "1970-01-01T00:00:01.000Z  order.paid        order 7           paid      204  12.3 ms\n"},
        {XSOLLA, &failed, false,
         "1970-01-01T00:00:01.000Z  order_paid        order 2147483647  paid      refused \"it\"  "
         "0.0 ms\n"},
        {NO_ORDER, &answered, false, "1970-01-01T00:00:01.000Z  endpoint.disabled  204  12.3 ms\n"},
        {STANDARD, &answered, true,
         "{\"time\":\"1970-01-01T00:00:01.000Z\",\"id\":\"evt_1\",\"type\":\"order.paid\","
         "\"order_id\":7,\"status\":\"paid\",\"answer\":204,\"ms\":12.345}\n"},
        {NO_ORDER, &failed, true,
         "{\"time\":\"1970-01-01T00:00:01.000Z\",\"id\":\"evt_3\",\"type\":\"endpoint.disabled\","
         "\"error\":\"refused \\\"it\\\"\",\"ms\":0.005}\n"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct listen_message message;
        struct buf line;
        buf_init(&line, 4096);
        assert_true(listen_message_read(str_from(rows[i].text), &message));
        listen_message_describe(&message, rows[i].answer, rows[i].as_json, &line);
        buf_append_byte(&line, '\0');
        assert_string_equal(line.ptr, rows[i].line);
        buf_fini(&line);
        listen_message_fini(&message);
    }
}

static void test_what_is_sent_on(void **state)
{
    struct listen_message message;
    (void)state;
    assert_true(listen_message_read(STR_LIT(STANDARD), &message));
    assert_string_equal(message.lines[0], "webhook-id: evt_1");
    assert_string_equal(message.lines[1], "Content-Type: application/json");
    assert_null(message.lines[2]);
    assert_true(str_equal_text(
        message.body, "{\"type\":\"order.paid\",\"data\":{\"order_id\":7,\"status\":\"paid\"}}"));
    listen_message_fini(&message);
}

static void test_refused(void **state)
{
    static const char *const rows[] = {
        "",
        "[]",
        "{\"type\":\"a\",\"headers\":{},\"body\":\"\"}",
        "{\"id\":\"a\",\"headers\":{},\"body\":\"\"}",
        "{\"id\":\"a\",\"type\":\"a\",\"body\":\"\"}",
        "{\"id\":\"a\",\"type\":\"a\",\"headers\":[],\"body\":\"\"}",
        "{\"id\":\"a\",\"type\":\"a\",\"headers\":{}}",
        "{\"id\":1,\"type\":\"a\",\"headers\":{},\"body\":\"\"}",
        "{\"id\":\"a\",\"type\":\"a\\u001b\",\"headers\":{},\"body\":\"\"}",
        "{\"id\":\"a\",\"type\":\"a\",\"headers\":{\"a\":1},\"body\":\"\"}",
        "{\"id\":\"a\",\"type\":\"a\",\"headers\":{\"\":\"b\"},\"body\":\"\"}",
        "{\"id\":\"a\",\"type\":\"a\",\"headers\":{\"a\":\"b\\r\\nc: d\"},\"body\":\"\"}",
        "{\"id\":\"a\",\"type\":\"a\",\"headers\":{\"a\\n\":\"b\"},\"body\":\"\"}",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct listen_message message;
        if (listen_message_read(str_from(rows[i]), &message))
            fail_msg("row %zu", i);
    }
}

static void test_many_headers(void **state)
{
    (void)state;
    for (int count = LISTEN_HEADERS_MAX; count <= LISTEN_HEADERS_MAX + 1; count++) {
        struct listen_message message;
        struct buf text;
        buf_init(&text, 4096);
        buf_append_text(&text,
                        "{\"id\":\"a\",\"type\":\"a\",\"body\":\"\",\"headers\":{\"x\":\"\"");
        for (int i = 1; i < count; i++)
            buf_printf(&text, ",\"x%d\":\"\"", i);
        buf_append_text(&text, "}}");
        bool is_read = listen_message_read(buf_view(&text), &message);
        assert_int_equal(is_read, count <= LISTEN_HEADERS_MAX);
        if (is_read)
            listen_message_fini(&message);
        buf_fini(&text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_what_is_sent_on),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_many_headers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
