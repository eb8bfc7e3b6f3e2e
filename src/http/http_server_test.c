/* SPDX-License-Identifier: Apache-2.0 */
/* Requests and their answers: statuses, fields, errors, CORS, limits. */
#include "http/http_fixture.h"

#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/metrics.h"

#include "net/stream.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const struct {
    const char *text;
    int status;
    const char *body; /* NULL: not looked at */
    bool closes;
} exchanges[] = {
    {"GET /show?a=b&c HTTP/1.1\r\n" HOST "\r\n", 200, "GET /show [a=b&c] [] [] 192.0.2.7", false},
    {"GET http://a/show HTTP/1.1\r\n" HOST "\r\n", 200, NULL, false},
    {"GET /show/%2f%D0%BF/x%20y+ HTTP/1.1\r\n" HOST "\r\n", 200,
     "GET /show/%2f%D0%BF/x%20y+ [] [/\xd0\xbf] [x y+] 192.0.2.7", false},
    /* The decoded parameters together are longer than what the path's length rounds up to. */
    {"GET /show/%61aaaaaaaaaaaaaaaaaaaaaaaaa/%62bbbbbbbbbbbbbbbbbbbbbbbbb HTTP/1.1\r\n" HOST "\r\n",
     200,
     "GET /show/%61aaaaaaaaaaaaaaaaaaaaaaaaa/%62bbbbbbbbbbbbbbbbbbbbbbbbb [] "
     "[aaaaaaaaaaaaaaaaaaaaaaaaaa] [bbbbbbbbbbbbbbbbbbbbbbbbbb] 192.0.2.7",
     false},
    {"GET /show/%zz/x HTTP/1.1\r\n" HOST "\r\n", 400, NULL, false},
    {"GET /show/%00/x HTTP/1.1\r\n" HOST "\r\n", 400, NULL, false},
    {"GET /show/%ff/x HTTP/1.1\r\n" HOST "\r\n", 400, NULL, false},
    {"GET /show HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n", 200, NULL, true},
    {"GET /show HTTP/1.0\r\n\r\n", 200, NULL, true},
    {"GET /show HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", 200, NULL, false},
    {"GET /show HTTP/1.1\r\n" HOST "Connection: keep-alive\r\nConnection: close\r\n\r\n", 200, NULL,
     true},
    {"POST /echo HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhello", 200, "hello", false},
    {"POST /echo HTTP/1.1\r\n" HOST "\r\n", 200, "", false},
    {"POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"
     "2;x\r\nhe\r\n3\r\nllo\r\n0\r\nT: 1\r\n\r\n",
     200, "hello", false},
    {"POST /echo HTTP/1.1\r\n" HOST "Content-Length: 101\r\n\r\n", 413, NULL, true},
    {"POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n65\r\n", 413, NULL, true},
    {"POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n5\nhello", 400, NULL, true},
    {"POST /show HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n", 200, NULL, false},
    {"POST /show HTTP/1.1\r\n" HOST "Content-Length: 1\r\n\r\nx", 413, NULL, true},
    {"GET /show HTTP/1.1\r\n" HOST "Content-Length: 99999999999999999999999\r\n\r\n", 0, NULL,
     true},
    {"GET /nothing HTTP/1.1\r\n" HOST "\r\n", 404, NULL, false},
    {"GET //show HTTP/1.1\r\n" HOST "\r\n", 404, NULL, false},
    {"POST /nothing HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc", 404, NULL, true},
    {"DELETE /show HTTP/1.1\r\n" HOST "\r\n", 405, NULL, false},
    {"OPTIONS /show HTTP/1.1\r\n" HOST "\r\n", 405, NULL, false},
    {"OPTIONS * HTTP/1.1\r\n" HOST "\r\n", 400, NULL, true},
    {"CONNECT a:80 HTTP/1.1\r\n" HOST "\r\n", 400, NULL, true},
    {"GET /show HTTP/1.1\r\n\r\n", 400, NULL, true},
    {"GET /show HTTP/1.1\n" HOST "\r\n", 400, NULL, true},
    {"GET /show HTTP/2.0\r\n" HOST "\r\n", 505, NULL, true},
    {"GET /field HTTP/1.1\r\n" HOST "X-test: \t a b \r\n\r\n", 200, "a b", false},
    {"GET /field HTTP/1.1\r\n" HOST "X-test: a\r\nX-Test2: b\r\nX-TEST: c,d\r\nX-Test:\r\n\r\n",
     200, "a, c,d, ", false},
    {"GET /field HTTP/1.1\r\n" HOST "X-Test:\r\n\r\n", 200, "", false},
    {"GET /field HTTP/1.1\r\n" HOST "X-Test2: a\r\n\r\n", 404, "", false},
};

static void check_exchange(size_t i, size_t step)
{
    client_dial();
    client_say(str_from(exchanges[i].text), step);
    int status = client_take_reply(false);
    /* Which of the two depends on the parser's version, but refused it is. */
    bool refused = exchanges[i].status == 0 && (status == 400 || status == 413);
    if (!refused && status != exchanges[i].status)
        fail_msg("row %zu, step %zu: %d", i, step, status);
    if (exchanges[i].body != NULL)
        reply_assert_body(exchanges[i].body);
    if (reply_has_line("Connection: close") != exchanges[i].closes)
        fail_msg("row %zu, step %zu: closes or not", i, step);
    if (exchanges[i].closes)
        client_assert_ended();
    else
        assert_int_equal(client_ask("GET /show HTTP/1.1\r\n" HOST "\r\n"), 200);
}

static void test_exchanges(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(exchanges); i++) {
        check_exchange(i, 0);
        check_exchange(i, 1);
    }
}

static int number(const char *digits, size_t length)
{
    int64_t value = 0;
    while (length > 1 && *digits == '0') {
        digits++;
        length--;
    }
    assert_true(str_to_int64(str_make(digits, length), 0, 9999, &value));
    return (int)value;
}

/* Sakamoto's way to the day of the week. */
static const char *weekday(int year, int month, int day)
{
    static const int shifts[] = {0, 3, 2, 5, 0, 3, 5, 1, 4, 6, 2, 4};
    static const char *const names[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    year -= month < 3;
    return names[(year + year / 4 - year / 100 + year / 400 + shifts[month - 1] + day) % 7];
}

/* "Sun, 22 Nov 2026 11:31:24 GMT" of now or of the second before. */
static void assert_date(void)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    char wanted[2][40];
    for (int i = 0; i < 2; i++) {
        char iso[CLOCK_TEXT_SIZE];
        clock_format(clock_wall_ms() - 1000 * i, iso);
        int month = number(iso + 5, 2);
        snprintf(wanted[i], sizeof(wanted[i]), "Date: %s, %.2s %.3s %.4s %.8s GMT",
                 weekday(number(iso, 4), month, number(iso + 8, 2)), iso + 8,
                 months + (ptrdiff_t)3 * (month - 1), iso, iso + 11);
    }
    assert_true(reply_has_line(wanted[0]) || reply_has_line(wanted[1]));
}

static void test_common_fields(void **state)
{
    (void)state;
    assert_int_equal(client_ask("GET /status/200 HTTP/1.1\r\n" HOST "\r\n"), 200);
    assert_true(reply_has_line("Content-Type: application/json"));
    assert_true(reply_has_line("Content-Length: 2"));
    assert_true(reply_has_line("Cache-Control: no-store"));
    assert_true(reply_has_line("X-Content-Type-Options: nosniff"));
    assert_false(reply_has_field("Server"));
    assert_false(reply_has_field("Connection"));
    assert_false(reply_has_field("Access-Control-Allow-Origin"));
    assert_date();

    assert_int_equal(client_ask("GET /headers HTTP/1.1\r\n" HOST "\r\n"), 200);
    assert_true(reply_has_line("ETag: \"1\""));
    assert_true(reply_has_line("cache-control: no-cache"));
    assert_false(reply_has_field("Cache-Control"));
}

static void test_answers_without_body(void **state)
{
    (void)state;
    client_say_text("HEAD /show HTTP/1.1\r\n" HOST "\r\n");
    assert_int_equal(client_take_reply(true), 200);
    assert_int_equal(last_reply.length, strlen("GET /show [] [] [] 192.0.2.7"));
    assert_int_equal(client_ask("GET /status/204 HTTP/1.1\r\n" HOST "\r\n"), 204);
    assert_false(reply_has_field("Content-Length"));
    assert_false(reply_has_field("Content-Type"));
    assert_int_equal(client_ask("GET /status/304 HTTP/1.1\r\n" HOST "\r\n"), 304);
    assert_false(reply_has_field("Content-Length"));
    client_say_text("HEAD /nothing HTTP/1.1\r\n" HOST "\r\n");
    assert_int_equal(client_take_reply(true), 404);
    assert_int_equal(world->client.got.len, 0);
    assert_int_equal(client_ask("GET /show HTTP/1.1\r\n" HOST "\r\n"), 200);
}

static void ask_for_error(const char *prefix, enum api_error error)
{
    static char text[200];
    snprintf(text, sizeof(text), "GET %s/error/%d HTTP/1.1\r\n" HOST "Origin: x\r\n\r\n", prefix,
             error);
    assert_int_equal(client_ask(text), api_error_http_status(error));
}

/* Whether the log of one refused request names its transactionId, and how it begins. */
static void expect_logged(enum api_error error, enum log_level level, const char *word)
{
    char text[1000];
    FILE *file = tmpfile();
    assert_non_null(file);
    log_set_fd(fileno(file));
    log_set_level(level);
    ask_for_error("", error);
    log_set_fd(-1);
    log_set_level(LOG_LEVEL_INFO);
    ssize_t length = pread(fileno(file), text, sizeof(text) - 1, 0);
    assert_true(length >= 0);
    text[length] = '\0';
    fclose(file);
    const char *id = strstr(last_reply.body.ptr, "\"transactionId\":\"");
    const char *logged = strstr(text, " transaction=");
    assert_non_null(id);
    if (word == NULL) {
        assert_null(logged);
        return;
    }
    assert_non_null(strstr(text, word));
    assert_non_null(logged);
    assert_memory_equal(logged + 13, id + 17, 16);
}

static void test_an_error_is_found_in_the_log_by_its_transaction(void **state)
{
    (void)state;
    expect_logged(API_ERROR_ORDER_NOT_FOUND, LOG_LEVEL_DEBUG, " debug request ");
    expect_logged(API_ERROR_ORDER_NOT_FOUND, LOG_LEVEL_INFO, NULL);
    expect_logged(API_ERROR_INTERNAL, LOG_LEVEL_INFO, " warning request ");
    /* A stranger can bring it about. */
    expect_logged(API_ERROR_KEYS_NOT_THERE, LOG_LEVEL_INFO, NULL);
    expect_logged(API_ERROR_KEYS_NOT_THERE, LOG_LEVEL_DEBUG, " debug request ");
}

static void test_errors(void **state)
{
    (void)state;
    ask_for_error("", API_ERROR_ORDER_NOT_FOUND);
    assert_true(reply_body_has("\"statusCode\":404"));
    assert_true(reply_body_has("\"errorCode\":9001"));
    assert_true(reply_body_has("[0401-9001]: told so"));
    const char *id = strstr(last_reply.body.ptr, "\"transactionId\":\"");
    assert_non_null(id);
    assert_int_equal(strspn(id + 17, "0123456789abcdef"), 16);
    assert_int_equal(id[17 + 16], '"');
    assert_true(reply_has_line("Content-Type: application/json"));
    assert_false(reply_has_field("Retry-After"));

    ask_for_error("", API_ERROR_UNAUTHORIZED);
    assert_true(reply_has_line("WWW-Authenticate: Basic realm=\"orderwire\", Bearer"));
    ask_for_error("/cors", API_ERROR_UNAUTHORIZED);
    assert_true(reply_has_line("WWW-Authenticate: Bearer"));
    assert_true(reply_has_line("Access-Control-Allow-Origin: *"));
    ask_for_error("", API_ERROR_BUSY);
    assert_true(reply_has_line("Retry-After: 1"));
    ask_for_error("", API_ERROR_TOO_MANY_REQUESTS);
    assert_true(reply_has_line("Retry-After: 1"));
    ask_for_error("", API_ERROR_UPGRADE_REQUIRED);
    assert_true(reply_has_line("Sec-WebSocket-Version: 13"));
    assert_true(reply_has_line("Upgrade: websocket"));

    assert_int_equal(client_ask("PUT /show HTTP/1.1\r\n" HOST "\r\n"), 405);
    assert_true(reply_has_line("Allow: GET, HEAD, POST"));
    assert_int_equal(client_ask("PUT /headers HTTP/1.1\r\n" HOST "\r\n"), 405);
    assert_true(reply_has_line("Allow: GET, HEAD, OPTIONS"));
    assert_int_equal(client_ask("GET /show HTTP/1.1\r\n" HOST HOST "\r\n"), 400);
    assert_true(reply_body_has("exactly one Host"));
}

static void test_cors(void **state)
{
    (void)state;
    assert_int_equal(client_ask("GET /headers HTTP/1.1\r\n" HOST "Origin: https://x\r\n\r\n"), 200);
    assert_true(reply_has_line("Access-Control-Allow-Origin: *"));
    assert_true(reply_has_line("Access-Control-Expose-Headers: ETag, Retry-After"));
    assert_true(reply_has_line("Vary: Origin"));
    assert_int_equal(client_ask("GET /headers HTTP/1.1\r\n" HOST "\r\n"), 200);
    assert_false(reply_has_field("Access-Control-Allow-Origin"));
    assert_true(reply_has_line("Vary: Origin"));
    assert_int_equal(client_ask("GET /show HTTP/1.1\r\n" HOST "Origin: https://x\r\n\r\n"), 200);
    assert_false(reply_has_field("Access-Control-Allow-Origin"));

    assert_int_equal(client_ask("OPTIONS /headers HTTP/1.1\r\n" HOST "Origin: https://x\r\n"
                                "Access-Control-Request-Method: GET\r\n"
                                "Access-Control-Request-Headers: authorization, x-engine\r\n\r\n"),
                     204);
    assert_true(reply_has_line("Access-Control-Allow-Origin: *"));
    assert_true(reply_has_line("Access-Control-Allow-Methods: GET, HEAD, OPTIONS"));
    assert_true(reply_has_line("Access-Control-Allow-Headers: authorization, x-engine"));
    assert_true(reply_has_line("Access-Control-Max-Age: 300"));
    assert_int_equal(client_ask("OPTIONS /headers HTTP/1.1\r\n" HOST
                                "Access-Control-Request-Headers: a\"b\r\n\r\n"),
                     204);
    assert_true(strstr(last_reply.head.ptr, "Access-Control-Allow-Headers: authorization,"));
    assert_true(strstr(last_reply.head.ptr, "x-user\r\n"));
}

#define LISTED(method, path, origin)                                                               \
    method " /listed/" path " HTTP/1.1\r\n" HOST "Origin: " origin "\r\n\r\n"

static void test_origins_of_a_list(void **state)
{
    (void)state;
    assert_int_equal(client_ask(LISTED("GET", "a", "https://evil.example")), 403);
    assert_true(reply_body_has("[0401-1031]"));
    assert_false(reply_has_field("Access-Control-Allow-Origin"));
    assert_true(reply_has_line("Vary: Origin"));
    assert_int_equal(client_ask(LISTED("OPTIONS", "a", "https://evil.example")), 403);
    assert_false(reply_has_field("Access-Control-Allow-Origin"));
    assert_false(reply_has_field("Access-Control-Allow-Methods"));

    /* On the same connection, nothing is left of what was refused. */
    assert_int_equal(client_ask(LISTED("GET", "a", "https://shop.example")), 200);
    assert_true(reply_has_line("Access-Control-Allow-Origin: https://shop.example"));
    assert_true(reply_has_line("Vary: Origin"));
    assert_int_equal(client_ask(LISTED("OPTIONS", "a", "https://shop.example")), 204);
    assert_true(reply_has_line("Access-Control-Allow-Origin: https://shop.example"));
    assert_int_equal(client_ask(LISTED("OPTIONS", "op%20en", "https://x")), 204);
    assert_true(reply_has_line("Access-Control-Allow-Origin: *"));
    assert_int_equal(client_ask("GET /listed/a HTTP/1.1\r\n" HOST "\r\n"), 200);
    assert_false(reply_has_field("Access-Control-Allow-Origin"));
    assert_int_equal(client_ask(LISTED("OPTIONS", "%zz", "https://shop.example")), 400);
}

static void test_requests_are_counted(void **state)
{
    (void)state;
    int64_t ok = metrics_value(METRIC_HTTP_REQUESTS__2XX);
    int64_t bad = metrics_value(METRIC_HTTP_REQUESTS__4XX);
    assert_int_equal(client_ask("GET /show HTTP/1.1\r\n" HOST "\r\n"), 200);
    assert_int_equal(client_ask("GET /nothing HTTP/1.1\r\n" HOST "\r\n"), 404);
    assert_int_equal(client_ask("rubbish\r\n\r\n"), 400);
    assert_int_equal(metrics_value(METRIC_HTTP_REQUESTS__2XX), ok + 1);
    assert_int_equal(metrics_value(METRIC_HTTP_REQUESTS__4XX), bad + 2);
}

static void test_continue(void **state)
{
    (void)state;
    assert_int_equal(client_ask("POST /echo HTTP/1.1\r\n" HOST
                                "Expect: 100-continue\r\nContent-Length: 3\r\n\r\n"),
                     100);
    assert_int_equal(client_ask("abc"), 200);
    reply_assert_body("abc");
    /* Not when the body came unasked, nor when it will not be read. */
    assert_int_equal(client_ask("POST /echo HTTP/1.1\r\n" HOST
                                "Expect: 100-continue\r\nContent-Length: 3\r\n\r\nabc"),
                     200);
    assert_int_equal(client_ask("POST /echo HTTP/1.1\r\n" HOST
                                "Expect: 100-continue\r\nContent-Length: 3000\r\n\r\n"),
                     413);
    client_assert_ended();
}

static void test_too_many_headers(void **state)
{
    (void)state;
    struct buf text;
    buf_init(&text, 100000);
    buf_append_text(&text, "GET /show HTTP/1.1\r\n" HOST);
    for (int i = 0; i < 64; i++)
        buf_append_text(&text, "A: b\r\n");
    buf_append_text(&text, "\r\n");
    client_say(buf_view(&text), 0);
    assert_int_equal(client_take_reply(false), 431);
    client_assert_ended();
    buf_clear(&text);
    buf_append_text(&text, "GET /show?");
    for (int i = 0; i < LIMIT_HTTP_URL; i++)
        buf_append_byte(&text, 'a');
    buf_append_text(&text, " HTTP/1.1\r\n" HOST "\r\n");
    client_dial();
    client_say(buf_view(&text), 0);
    assert_int_equal(client_take_reply(false), 414);
    client_assert_ended();
    buf_fini(&text);
}

/* The answer ends with the client's address. */
static void check_client(const char *fields, const char *client)
{
    char text[300];
    snprintf(text, sizeof(text), "GET /show HTTP/1.1\r\n" HOST "%s\r\n", fields);
    assert_int_equal(client_ask(text), 200);
    snprintf(text, sizeof(text), "GET /show [] [] [] %s", client);
    reply_assert_body(text);
}

static void test_clients_of_proxies(void **state)
{
    struct forwarded_trust trust = {.field = "x-forwarded-for"};
    struct str word;
    (void)state;
    check_client("X-Forwarded-For: 198.51.100.1\r\n", "192.0.2.7");
    http_server_trust_proxies(world->server, &trust);
    check_client("X-Forwarded-For: 198.51.100.1\r\n", "192.0.2.7");
    assert_int_equal(forwarded_trust_parse(STR_LIT("192.0.2.0/24"), &trust, &word), 0);
    /* Each request of a connection may be another client's. */
    check_client("X-Forwarded-For: 198.51.100.1\r\n", "198.51.100.1");
    check_client("x-forwarded-for: 198.51.100.1\r\nX-FORWARDED-FOR: 198.51.100.2\r\n",
                 "198.51.100.2");
    check_client("X-Forwarded-For: unknown\r\n", "192.0.2.7");
    check_client("Forwarded: for=198.51.100.1\r\nX-Real-IP: 198.51.100.1\r\n", "192.0.2.7");
    trust.field = "forwarded";
    check_client("Forwarded: for=198.51.100.1\r\nX-Forwarded-For: 198.51.100.2\r\n",
                 "198.51.100.1");
    /* A stream that is given away goes on in the name of the client. */
    client_say_text("GET /upgrade HTTP/1.1\r\n" HOST "Forwarded: for=198.51.100.1\r\n\r\n");
    world_run_dry();
    assert_non_null(world->upgraded);
    assert_string_equal(address_text(stream_peer(world->upgraded), (char[ADDRESS_TEXT_SIZE]){0}),
                        "198.51.100.1");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_set_up, world_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_exchanges),
        TEST(test_common_fields),
        TEST(test_answers_without_body),
        TEST(test_errors),
        TEST(test_an_error_is_found_in_the_log_by_its_transaction),
        TEST(test_cors),
        TEST(test_origins_of_a_list),
        TEST(test_requests_are_counted),
        TEST(test_continue),
        TEST(test_too_many_headers),
        TEST(test_clients_of_proxies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
