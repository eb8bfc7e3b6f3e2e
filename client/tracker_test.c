/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tracker against a small server in a thread that plays a script: what the WebSocket says, what
 * each Get order is answered.
 */
#include "base/buf.h"
#include "base/mem.h"
#include "client/tracker.h"
#include "http/http_client.h"
#include "net/tls_relay_fixture.h"
#include "websocket/websocket.h"
#include "websocket/websocket_reader.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum { STEPS = 12, ANSWERS = 10, TRANSCRIPT_MAX = 100000 };

/* One way an order may go, and what the tracker makes of it. */
struct scenario {
    const char *name;
    enum tracker_transport transport;
    /* ">text" sends a message, "<text" waits for one that holds it, "#" sends a Close frame with the
     * code and the reason after it, "." waits for the end; then the socket is closed. No first step
     * refuses the handshake. */
    const char *websocket[STEPS];
    /* Each an HTTP answer without its first eight bytes; "" drops the connection. The last repeats. */
    const char *http[ANSWERS];
    enum tracker_result result;
    const char *told; /* "new websocket, done poll" */
    const char *error;
    const char *fallback;
    const char *unanswered; /* NULL: whatever */
    int64_t time_limit;
    int64_t answer_timeout;
};

struct fake {
    pthread_t thread;
    int listener;
    const struct scenario *scenario;
    size_t answered;
    int port;
    char url[64];
    struct buf seen; /* requests and client messages, a line each */
};

static struct str read_head(struct fake *fake, int fd)
{
    size_t start = fake->seen.len;
    char byte;
    while (recv(fd, &byte, 1, 0) == 1) {
        buf_append_byte(&fake->seen, byte);
        struct str all = buf_view(&fake->seen);
        if (all.len - start >= 4 && memcmp(all.ptr + all.len - 4, "\r\n\r\n", 4) == 0)
            break;
    }
    return str_make(fake->seen.ptr + start, fake->seen.len - start);
}

static void send_text(int fd, struct str text)
{
    ssize_t ignored = send(fd, text.ptr, text.len, MSG_NOSIGNAL);
    (void)ignored;
}

static bool holds(struct str text, const char *part)
{
    return *part == '\0' ||
           (text.len > 0 && memmem(text.ptr, text.len, part, strlen(part)) != NULL);
}

/* False when the connection has ended before such a message came. */
static bool await(struct fake *fake, int fd, struct websocket_reader *reader, const char *part)
{
    char bytes[1000];
    ssize_t got;
    while ((got = recv(fd, bytes, sizeof(bytes), 0)) > 0) {
        struct str input = str_make(bytes, (size_t)got);
        struct websocket_item item;
        while (websocket_reader_next(reader, &input, &item)) {
            buf_append_str(&fake->seen, item.payload);
            buf_append_byte(&fake->seen, '\n');
            if (item.kind == WEBSOCKET_MESSAGE && part != NULL && holds(item.payload, part))
                return true;
        }
    }
    return false;
}

static void send_close(int fd, const char *text)
{
    int64_t code;
    struct buf payload, frame;
    buf_init(&payload, 125);
    buf_init(&frame, 1000);
    assert_true(str_to_int64(str_make(text, 4), 0, 9999, &code));
    buf_append_byte(&payload, (char)(code >> 8));
    buf_append_byte(&payload, (char)(code & 0xff));
    buf_append_text(&payload, text + 5);
    websocket_frame_write(&frame, 8, buf_view(&payload));
    send_text(fd, buf_view(&frame));
    buf_fini(&payload);
    buf_fini(&frame);
}

static void play(struct fake *fake, int fd)
{
    struct websocket_reader *reader = websocket_reader_new(true, 65536);
    bool alive = true;
    for (size_t i = 0; alive && i < STEPS && fake->scenario->websocket[i] != NULL; i++) {
        const char *step = fake->scenario->websocket[i];
        struct buf frame;
        buf_init(&frame, 100000);
        if (*step == '>') {
            websocket_frame_write(&frame, 1, str_from(step + 1));
            send_text(fd, buf_view(&frame));
        } else if (*step == '#') {
            send_close(fd, step + 1);
        } else {
            alive = await(fake, fd, reader, *step == '.' ? NULL : step + 1);
        }
        buf_fini(&frame);
    }
    websocket_reader_free(&reader);
}

static void serve_websocket(struct fake *fake, int fd, struct str head)
{
    const char *field = memmem(head.ptr, head.len, "Sec-WebSocket-Key: ", 19);
    struct websocket_handshake handshake = {STR_LIT("Upgrade"), STR_LIT("websocket"), STR_LIT("13"),
                                            str_make(field + 19, 24)};
    struct buf answer;
    buf_init(&answer, 1000);
    buf_append_text(&answer, "HTTP/1.1 101 Switching Protocols\r\n");
    assert_int_equal(websocket_accept(&handshake, str_make(NULL, 0), &answer), 0);
    buf_append_text(&answer, "\r\n");
    if (fake->scenario->websocket[0] == NULL) {
        send_text(fd, STR_LIT("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"));
    } else {
        send_text(fd, buf_view(&answer));
        play(fake, fd);
    }
    buf_fini(&answer);
}

static void serve_http(struct fake *fake, int fd)
{
    const char *answer = fake->scenario->http[fake->answered];
    if (fake->answered + 1 < ANSWERS && fake->scenario->http[fake->answered + 1] != NULL)
        fake->answered++;
    if (answer == NULL || *answer == '\0')
        return;
    send_text(fd, STR_LIT("HTTP/1.1"));
    send_text(fd, str_from(answer));
}

static void *serve(void *argument)
{
    struct fake *fake = argument;
    int fd;
    while ((fd = accept(fake->listener, NULL, NULL)) >= 0) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
        struct str head = read_head(fake, fd);
        if (holds(head, "Upgrade: websocket"))
            serve_websocket(fake, fd, head);
        else
            serve_http(fake, fd);
        close(fd);
    }
    return NULL;
}

static void start(struct fake *fake, const struct scenario *scenario)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t length = sizeof(address);
    *fake = (struct fake){.scenario = scenario};
    buf_init(&fake->seen, TRANSCRIPT_MAX);
    fake->listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fake->listener, (struct sockaddr *)&address, length), 0);
    assert_int_equal(listen(fake->listener, 8), 0);
    assert_int_equal(getsockname(fake->listener, (struct sockaddr *)&address, &length), 0);
    fake->port = ntohs(address.sin_port);
    snprintf(fake->url, sizeof(fake->url), "http://127.0.0.1:%d/", fake->port);
    assert_int_equal(pthread_create(&fake->thread, NULL, serve, fake), 0);
}

/* After it `seen` may be read. */
static void stop(struct fake *fake)
{
    shutdown(fake->listener, SHUT_RDWR);
    pthread_join(fake->thread, NULL);
    close(fake->listener);
}

struct told {
    struct buf statuses;
    struct buf unanswered;
    struct buf fallback;
};

static void on_status(void *argument, const char *status, const char *source)
{
    struct told *told = argument;
    buf_printf(&told->statuses, "%s%s %s", told->statuses.len > 0 ? ", " : "", status, source);
}

static void on_fallback(void *argument, const char *reason)
{
    buf_append_text(&((struct told *)argument)->fallback, reason);
}

static void on_unanswered(void *argument, const char *reason)
{
    buf_printf(&((struct told *)argument)->unanswered, "%s; ", reason);
}

static const struct tracker_handlers handlers = {
    .status = on_status, .fallback = on_fallback, .unanswered = on_unanswered};

static struct tracker_options options_for(const struct scenario *scenario, const char *url)
{
    return (struct tracker_options){
        .server_url = url,
        .project_id = 77640,
        .order_id = 1,
        .token = "TOKEN",
        .transport = scenario->transport,
        .poll_interval = 1,
        .answer_timeout = scenario->answer_timeout > 0 ? scenario->answer_timeout : 2000,
        .time_limit = scenario->time_limit,
    };
}

static void check(const struct scenario *scenario, enum tracker_result result,
                  const struct told *told, const char *error)
{
    struct str statuses = buf_view(&told->statuses);
    struct str fallback = buf_view(&told->fallback);
    const char *reason = scenario->fallback;
    if (result != scenario->result || !str_equal_text(statuses, scenario->told) ||
        !holds(str_from(error), scenario->error != NULL ? scenario->error : "") ||
        (scenario->error == NULL && *error != '\0') ||
        (reason == NULL ? fallback.len > 0 : !holds(fallback, reason)) ||
        (scenario->unanswered != NULL &&
         !str_equal_text(buf_view(&told->unanswered), scenario->unanswered)))
        fail_msg("%s: %d, told \"%.*s\", error \"%s\", fallback \"%.*s\", unanswered \"%.*s\"",
                 scenario->name, result, STR_ARG(statuses), error, STR_ARG(fallback),
                 STR_ARG(buf_view(&told->unanswered)));
}

/* The transcript of what the server saw, to be freed with buf_fini. */
static struct buf run(const struct scenario *scenario, const char *user)
{
    struct fake fake;
    struct told told;
    char error[TRACKER_ERROR_SIZE];
    buf_init(&told.statuses, 1000);
    buf_init(&told.fallback, 1000);
    buf_init(&told.unanswered, 1000);
    start(&fake, scenario);
    struct tracker_options options = options_for(scenario, fake.url);
    options.user_external_id = user;
    enum tracker_result result = tracker_run(&options, &handlers, &told, error);
    stop(&fake);
    check(scenario, result, &told, error);
    buf_fini(&told.statuses);
    buf_fini(&told.fallback);
    buf_fini(&told.unanswered);
    return fake.seen;
}

static const char connected[] =
    ">{\"id\":1,\"connect\":{\"client\":\"c\",\"version\":\"v\",\"subs\":{\"u#1\":{\"offset\":1}},"
    "\"ping\":25,\"pong\":true}}";

#define DATA(order, status) "{\"data\":{\"order_id\":" #order ",\"status\":\"" status "\"}}"
#define HISTORY(publications)                                                                      \
    ">{\"id\":2,\"history\":{\"publications\":[" publications "],\"epoch\":\"e\",\"offset\":1}}"
#define PUSH(order, status) "{\"push\":{\"channel\":\"u#1\",\"pub\":" DATA(order, status) "}}"
#define ANSWER(status)                                                                             \
    " 200 OK\r\nConnection: close\r\n\r\n{\"order_id\":1,\"status\":\"" status "\"}"
#define TAGGED(status)                                                                             \
    " 200 OK\r\nETag: \"" status                                                                   \
    "\"\r\n"                                                                                       \
    "Connection: close\r\n\r\n{\"order_id\":1,\"status\":\"" status "\"}"
#define REFUSAL(code, words)                                                                       \
    " " code " No\r\nConnection: close\r\n\r\n{\"statusCode\":" code ",\"errorMessage\":\"" words  \
    "\"}"

#define NO_ANSWER "Empty reply from server; "

static const struct scenario scenarios[] = {
    {.name = "polling that has no answer is told once each time",
     .transport = TRACKER_POLL,
     .http = {"", "", ANSWER("new"), " 503 No\r\nConnection: close\r\n\r\n", "", ANSWER("paid"), "",
              REFUSAL("404", "Order not found")},
     .result = TRACKER_FAILED,
     .told = "new poll, paid poll",
     .error = "Order not found",
     .unanswered = NO_ANSWER "the server answered with HTTP status 503; " NO_ANSWER},
    {.name = "publications",
     .websocket = {"<\"connect\"", connected, "<\"history\"", HISTORY(DATA(1, "new")),
                   ">" PUSH(1, "paid"), ">" PUSH(1, "done"), "."},
     .result = TRACKER_DONE,
     .told = "new websocket, paid websocket, done websocket"},
    {.name = "duplicates, other orders, unknown words, statuses that go back",
     .websocket = {"<\"connect\"", connected, "<\"history\"", ">" PUSH(1, "paid"),
                   HISTORY(DATA(1, "new") "," DATA(1, "paid") "," DATA(2, "canceled")),
                   ">" PUSH(2, "canceled") "\n" PUSH(1, "paid") "\n" PUSH(1, "new") "\n",
                   ">" PUSH(1, "expired") "\n" PUSH("1", "done") "\n" PUSH(1.0, "done"),
                   ">{\"push\":{\"channel\":\"u#1\",\"join\":{}}}\n" PUSH(1, "done") "\n", "."},
     .result = TRACKER_DONE,
     .told = "paid websocket, done websocket"},
    {.name = "canceled in the history, pings answered",
     .websocket = {"<\"connect\"", connected, ">{}", "<{}", ">{}", "<{}",
                   HISTORY(DATA(1, "new") "," DATA(1, "canceled")), "."},
     .result = TRACKER_CANCELED,
     .told = "new websocket, canceled websocket"},
    {.name = "handshake refused",
     .http = {ANSWER("done")},
     .result = TRACKER_DONE,
     .told = "done poll",
     .fallback = "refused the handshake: HTTP/1.1 503"},
    {.name = "connect refused",
     .websocket = {"<\"connect\"",
                   ">{\"id\":1,\"error\":{\"code\":101,\"message\":\"unauthorized\"}}", "."},
     .http = {ANSWER("canceled")},
     .result = TRACKER_CANCELED,
     .told = "canceled poll",
     .fallback = "the server refused: unauthorized"},
    {.name = "history refused",
     .websocket = {"<\"connect\"", connected, "<\"history\"",
                   ">{\"id\":2,\"error\":{\"code\":108,\"message\":\"\\u001b[2J\"}}", "."},
     .http = {ANSWER("done")},
     .result = TRACKER_DONE,
     .told = "done poll",
     .fallback = "the server refused: without a reason"},
    {.name = "lifetime over",
     .websocket = {"<\"connect\"", connected, "<\"history\"", HISTORY(DATA(1, "new")),
                   "#3005 connection expired", "."},
     .http = {ANSWER("new"), ANSWER("paid"), ANSWER("done")},
     .result = TRACKER_DONE,
     .told = "new websocket, paid poll, done poll",
     .fallback = "the server closed it with 3005 connection expired"},
    {.name = "dropped",
     .websocket = {"<\"connect\"", connected},
     .http = {ANSWER("done")},
     .result = TRACKER_DONE,
     .told = "done poll",
     .fallback = ""},
    {.name = "garbage",
     .websocket = {"<\"connect\"", ">hello", "."},
     .http = {ANSWER("done")},
     .result = TRACKER_DONE,
     .told = "done poll",
     .fallback = "the server's reply is malformed"},
    {.name = "no object",
     .websocket = {"<\"connect\"", ">[]", "."},
     .http = {ANSWER("done")},
     .result = TRACKER_DONE,
     .told = "done poll",
     .fallback = "the server's reply is no JSON object"},
    {.name = "an empty frame",
     .websocket = {"<\"connect\"", ">", "."},
     .http = {ANSWER("done")},
     .result = TRACKER_DONE,
     .told = "done poll",
     .fallback = "the server's reply is malformed"},
    {.name = "no subscription",
     .websocket = {"<\"connect\"", ">{\"id\":1,\"connect\":{\"client\":\"c\",\"subs\":[1]}}", "."},
     .http = {ANSWER("done")},
     .result = TRACKER_DONE,
     .told = "done poll",
     .fallback = "the server subscribed this client to nothing"},
    {.name = "disconnect push",
     .websocket = {"<\"connect\"", connected, ">{\"push\":{\"disconnect\":{\"code\":3001}}}", "."},
     .http = {ANSWER("done")},
     .result = TRACKER_DONE,
     .told = "done poll",
     .fallback = "the server disconnected this client"},
    {.name = "no answer",
     .websocket = {"<\"connect\"", ">{\"id\":7,\"connect\":{}}", "."},
     .http = {ANSWER("done")},
     .result = TRACKER_DONE,
     .told = "done poll",
     .fallback = "the server did not answer in time",
     .answer_timeout = 20},
    {.name = "websocket alone",
     .transport = TRACKER_WEBSOCKET,
     .websocket = {"<\"connect\"", connected, "#3001 shutdown", "."},
     .http = {ANSWER("done")},
     .result = TRACKER_FAILED,
     .told = "",
     .error = "the server closed it with 3001 shutdown"},
    {.name = "websocket out of time",
     .websocket = {"<\"connect\"", connected, "<\"history\"", HISTORY(DATA(1, "new")), "."},
     .http = {ANSWER("done")},
     .result = TRACKER_FAILED,
     .told = "new websocket",
     .error = "the time limit of 200 ms is over; the last status is new",
     .answer_timeout = 100,
     .time_limit = 200},
    {.name = "polling through all kinds of weather",
     .transport = TRACKER_POLL,
     .http = {TAGGED("new"), " 304 Not Modified\r\nConnection: close\r\n\r\n", "",
              REFUSAL("503", "busy"), " 408 No\r\nConnection: close\r\n\r\n",
              " 429 No\r\nConnection: close\r\n\r\n", ANSWER("paid\","), ANSWER("paid"),
              ANSWER("done")},
     .result = TRACKER_DONE,
     .told = "new poll, paid poll, done poll"},
    {.name = "order unknown",
     .transport = TRACKER_POLL,
     .http = {REFUSAL("404", "[0401-9001]: Order not found")},
     .result = TRACKER_FAILED,
     .told = "",
     .error = "[0401-9001]: Order not found"},
    {.name = "token expired on the way",
     .transport = TRACKER_POLL,
     .http = {ANSWER("new"), REFUSAL("401", "The token has expired")},
     .result = TRACKER_FAILED,
     .told = "new poll",
     .error = "The token has expired"},
    {.name = "refused without words",
     .transport = TRACKER_POLL,
     .http = {" 403 No\r\nConnection: close\r\n\r\n<html>"},
     .result = TRACKER_FAILED,
     .told = "",
     .error = "the server answered with HTTP status 403"},
    {.name = "polling out of time",
     .transport = TRACKER_POLL,
     .http = {""},
     .result = TRACKER_FAILED,
     .told = "",
     .error = "the time limit of 30 ms is over; the last status is unknown",
     .time_limit = 30},
};

static void test_scenarios(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(scenarios); i++) {
        struct buf seen = run(&scenarios[i], NULL);
        buf_fini(&seen);
    }
}

static const struct scenario *scenario_named(const char *name)
{
    for (size_t i = 0; i < ARRAY_LENGTH(scenarios); i++) {
        if (strcmp(scenarios[i].name, name) == 0)
            return &scenarios[i];
    }
    fail_msg("no scenario %s", name);
    return NULL;
}

/* The commands and requests, to the letter. */
static void test_what_is_sent(void **state)
{
    (void)state;
    struct buf seen = run(scenario_named("lifetime over"), NULL);
    struct str text = buf_view(&seen);
    assert_true(holds(text, "GET /connection/websocket HTTP/1.1\r\n"));
    assert_true(holds(text,
                      "{\"id\":1,\"connect\":{\"data\":{\"auth\":\"TOKEN\",\"project_id\":77640},"
                      "\"name\":\"orderwire-track\"}}\n"));
    assert_true(holds(text,
                      "{\"id\":2,\"history\":{\"channel\":\"u#1\",\"limit\":-1,"
                      "\"since\":{\"offset\":0},\"reverse\":false}}\n"));
    assert_true(holds(text, "GET /api/v2/project/77640/order/1 HTTP/1.1\r\n"));
    assert_true(holds(text, "Authorization: Bearer TOKEN\r\n"));
    assert_false(holds(text, "If-None-Match"));
    buf_fini(&seen);
    seen = run(scenario_named("publications"), "a \"user\"");
    assert_true(
        holds(buf_view(&seen), "\"project_id\":77640,\"user_external_id\":\"a \\\"user\\\"\"}"));
    buf_fini(&seen);
    seen = run(scenario_named("polling through all kinds of weather"), NULL);
    assert_true(holds(buf_view(&seen), "If-None-Match: \"new\"\r\n"));
    buf_fini(&seen);
}

/* One that tells by both ways, of a server that speaks TLS. */
static void run_encrypted(bool trusted, const char *statuses, const char *problem)
{
    struct fake fake;
    struct told told;
    char url[64], error[TRACKER_ERROR_SIZE];
    const struct scenario *scenario = scenario_named("lifetime over");
    buf_init(&told.statuses, 1000);
    buf_init(&told.fallback, 1000);
    buf_init(&told.unanswered, 1000);
    start(&fake, scenario);
    struct tls_relay *relay = tls_relay_start(NULL, fake.port);
    snprintf(url, sizeof(url), "https://127.0.0.1:%d/", tls_relay_port(relay));
    struct tracker_options options = options_for(scenario, url);
    options.trust = tls_relay_trust(relay, trusted ? TRUST_RIGHT : TRUST_OTHER);
    enum tracker_result result = tracker_run(&options, &handlers, &told, error);
    assert_int_equal(result, trusted ? TRACKER_DONE : TRACKER_FAILED);
    assert_true(str_equal_text(buf_view(&told.statuses), statuses));
    if (!holds(str_from(error), problem))
        fail_msg("%s", error);
    tls_relay_stop(&relay);
    stop(&fake);
    assert_int_equal(holds(buf_view(&fake.seen), "TOKEN"), trusted);
    buf_fini(&fake.seen);
    buf_fini(&told.statuses);
    buf_fini(&told.fallback);
    buf_fini(&told.unanswered);
}

static void test_encrypted(void **state)
{
    (void)state;
    run_encrypted(true, "new websocket, paid poll, done poll", "");
    run_encrypted(false, "", "certificate");
}

static void test_malformed_options(void **state)
{
    (void)state;
    static const struct tracker_options rows[] = {
        {.server_url = "", .token = "t"},
        {.server_url = NULL, .token = "t"},
        {.server_url = "ftp://localhost", .token = "t"},
        {.server_url = "http://127.0.0.1:1", .token = "t\r\nX: y"},
        {.server_url = "http://127.0.0.1:1", .token = "t", .user_external_id = "\xff"},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        char error[TRACKER_ERROR_SIZE];
        assert_int_equal(tracker_run(&rows[i], &handlers, NULL, error), TRACKER_FAILED);
        assert_string_equal(error, "the server's address, the token or the user's id is malformed");
    }
}

int main(void)
{
    http_client_setup();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scenarios),
        cmocka_unit_test(test_what_is_sent),
        cmocka_unit_test(test_encrypted),
        cmocka_unit_test(test_malformed_options),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
