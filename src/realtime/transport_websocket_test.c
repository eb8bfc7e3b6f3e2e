/* SPDX-License-Identifier: Apache-2.0 */
/* The wire of a session: the handshake over HTTP, one reply in one text frame, and Close frames. */
#include "realtime/session_fixture.h"

#include "base/mem.h"
#include "websocket/websocket.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define REQUEST(method, http, version, key, more)                                                  \
    method " /connection/websocket?format=json " http                                              \
           "\r\nHost: shop:443\r\n"                                                                \
           "Origin: https://anywhere\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n" \
           "Sec-WebSocket-Version: " version "\r\nSec-WebSocket-Key: " key "\r\n" more "\r\n"
#define GET_WITH(version, key, more) REQUEST("GET", "HTTP/1.1", version, key, more)
#define KEY "dGhlIHNhbXBsZSBub25jZQ=="
#define ACCEPT "\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
#define GET(more) GET_WITH("13", KEY, more)
#define HANDSHAKE_WITHOUT_ORIGIN                                                                   \
    "GET /connection/websocket HTTP/1.1\r\nHost: shop\r\nConnection: Upgrade\r\n"                  \
    "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " KEY "\r\n"
#define LEGACY(query)                                                                              \
    "GET /sub/order/status" query                                                                  \
    " HTTP/1.1\r\nHost: shop\r\nConnection: Upgrade\r\n"                                           \
    "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: wss\r\n"           \
    "Sec-WebSocket-Key: " KEY "\r\n\r\n"
#define STATUS(order, status) "{\"order_id\":" order ",\"status\":\"" status "\"}"
#define FRAME_HEAD 8 /* bytes of append_frame before the payload */
#define CONNECT "{\"id\":1,\"connect\":{\"data\":{\"auth\":\"$T\",\"project_id\":1}}}"

/* A browser's end of a connection. */
struct world {
    struct fixture fixture;
    struct http_server *server;
    struct http_options options;
    int fd;
    struct loop_watch *watch;
    struct buf input;
    struct str awaited;
    bool ended;
};

static bool has(const struct world *world, struct str text)
{
    return text.len > 0 && world->input.len > 0 &&
           memmem(world->input.ptr, world->input.len, text.ptr, text.len) != NULL;
}

static void on_ready(void *argument, int events)
{
    struct world *world = argument;
    (void)events;
    char *room = buf_reserve(&world->input, 4096);
    assert_non_null(room);
    ssize_t got = recv(world->fd, room, 4096, MSG_DONTWAIT);
    if (got > 0)
        buf_wrote(&world->input, (size_t)got);
    if (got == 0) {
        world->ended = true;
        loop_watch_set(world->watch, 0);
    }
    if (world->ended || has(world, world->awaited))
        loop_stop(world->fixture.loop);
}

static void lose_patience(struct loop_timer *timer)
{
    (void)timer;
    fail_msg("it does not come");
}

static void wait_until(struct world *world, struct str awaited)
{
    struct loop_timer patience;
    world->awaited = awaited;
    if (world->ended || has(world, awaited))
        return;
    loop_timer_init(&patience, world->fixture.loop, lose_patience);
    loop_timer_set(&patience, loop_now(world->fixture.loop) + 5000);
    loop_run(world->fixture.loop);
    loop_timer_cancel(&patience);
}

static void stop_loop(struct loop_timer *timer)
{
    loop_stop(timer->loop);
}

static void await_no_sessions(struct world *world)
{
    struct loop_timer timer;
    loop_timer_init(&timer, world->fixture.loop, stop_loop);
    for (int i = 0; i < 5000 && realtime_sessions(world->fixture.realtime) > 0; i++) {
        loop_timer_set(&timer, loop_now(world->fixture.loop) + 1);
        loop_run(world->fixture.loop);
        loop_timer_cancel(&timer);
    }
    assert_int_equal(realtime_sessions(world->fixture.realtime), 0);
}

static void await_text(struct world *world, const char *text)
{
    wait_until(world, str_from(text));
    if (!has(world, str_from(text)))
        fail_msg("no \"%s\" in: %.*s", text, STR_ARG(buf_view(&world->input)));
}

static void say(struct world *world, struct str bytes)
{
    assert_int_equal(send(world->fd, bytes.ptr, bytes.len, MSG_NOSIGNAL), (ssize_t)bytes.len);
}

/* A masked text frame; the mask is zero, which is as good as any here. */
static void append_frame(struct world *world, const char *text, struct buf *out)
{
    struct buf payload;
    buf_init(&payload, 60000);
    fixture_expand(&world->fixture, text, &payload);
    const unsigned char head[] = {
        0x81, 0x80 | 126, (unsigned char)(payload.len >> 8), (unsigned char)payload.len, 0, 0,
        0,    0};
    buf_append(out, head, sizeof(head));
    buf_append_str(out, buf_view(&payload));
    buf_fini(&payload);
}

static int set_up(void **state)
{
    struct world *world = mem_zalloc(sizeof(*world));
    int fds[2];
    fixture_init(&world->fixture);
    const struct http_route_table tables[] = {{realtime_routes, world->fixture.realtime}, {0}};
    world->options = (struct http_options){.header_timeout = 10000,
                                           .body_timeout = 10000,
                                           .idle_timeout = 10000,
                                           .header_bytes = 16 * 1024,
                                           .body_bytes = 64 * 1024};
    world->server = http_server_new(world->fixture.loop, tables, &world->options);
    buf_init(&world->input, 1024 * 1024);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    world->fd = fds[0];
    world->watch = loop_watch_new(world->fixture.loop, fds[0], LOOP_READABLE, on_ready, world);
    assert_non_null(world->watch);
    http_server_accept(world->server, fds[1], &address_unix, &(struct http_port){0});
    *state = world;
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;
    realtime_abort(world->fixture.realtime);
    http_server_abort(world->server);
    http_server_free(&world->server);
    loop_watch_free(&world->watch);
    close(world->fd);
    buf_fini(&world->input);
    fixture_fini(&world->fixture);
    mem_free(world);
    return 0;
}

/* The handshake and the connect command in one segment. */
static void connect_session(struct world *world)
{
    struct buf bytes;
    buf_init(&bytes, 65536);
    buf_append_text(&bytes, GET(""));
    append_frame(world, CONNECT, &bytes);
    say(world, buf_view(&bytes));
    await_text(world, "\"pong\":true}}");
    buf_fini(&bytes);
}

static void test_conversation(void **state)
{
    struct world *world = *state;
    connect_session(world);
    await_text(world, "HTTP/1.1 101 ");
    await_text(world, ACCEPT);
    await_text(world, "\r\n\r\n\x81\x7e");
    assert_false(has(world, STR_LIT("Sec-WebSocket-Protocol")));
    assert_int_equal(realtime_sessions(world->fixture.realtime), 1);
    assert_int_equal(http_server_connections(world->server), 0);

    buf_clear(&world->input);
    fixture_publish(&world->fixture, "u1", 7, ORDER_PAID);
    await_text(world, "\"offset\":1}}}");
    static const char push[] =
        "\x81\x5b{\"push\":{\"channel\":\"orders:1#u1\",\"pub\":{\"data\":"
        "{\"order_id\":7,\"status\":\"paid\"},\"offset\":1}}}";
    assert_int_equal(world->input.len, sizeof(push) - 1);
    assert_memory_equal(world->input.ptr, push, sizeof(push) - 1);
}

/* Sends the handshake and a connect command; whether the reply comes rather than the end. */
static bool is_answered_with(int64_t message_bytes, int64_t queue_bytes, size_t *reply_length)
{
    void *one;
    struct buf bytes;
    assert_int_equal(set_up(&one), 0);
    struct world *world = one;
    world->fixture.options.message_bytes = message_bytes;
    world->fixture.options.queue_bytes = queue_bytes;
    buf_init(&bytes, 65536);
    append_frame(world, CONNECT, &bytes);
    say(world, STR_LIT(GET("")));
    await_text(world, "\r\n\r\n");
    buf_clear(&world->input);
    say(world, buf_view(&bytes));
    wait_until(world, STR_LIT("\"pong\":true}}"));
    bool is_answered = has(world, STR_LIT("\"pong\":true}}"));
    *reply_length = world->input.len;
    buf_fini(&bytes);
    tear_down(&one);
    return is_answered;
}

static void test_sizes_are_options(void **state)
{
    struct world *world = *state;
    struct buf command;
    size_t reply, close;
    buf_init(&command, 65536);
    append_frame(world, CONNECT, &command);
    int64_t message = (int64_t)command.len - FRAME_HEAD;
    buf_fini(&command);
    assert_true(is_answered_with(message, 65536, &reply));
    assert_false(is_answered_with(message - 1, 65536, &close));
    assert_true(is_answered_with(message, (int64_t)reply, &reply));
    assert_false(is_answered_with(message, (int64_t)reply - 1, &close));
}

static void test_ping_is_two_bytes_in_a_text_frame(void **state)
{
    struct world *world = *state;
    world->fixture.options.ping_interval = 4;
    connect_session(world);
    buf_clear(&world->input);
    await_text(world, "\x81\x02{}");
    assert_memory_equal(world->input.ptr, "\x81\x02{}", 4);
}

static void test_close_frame(void **state)
{
    struct world *world = *state;
    connect_session(world);
    buf_clear(&world->input);
    realtime_drain(world->fixture.realtime, 0);
    await_text(world, "shutdown");
    /* 3001 is 0x0bb9. */
    assert_int_equal(world->input.len, 12);
    assert_memory_equal(world->input.ptr, "\x88\x0a\x0b\xb9shutdown", 12);
    assert_int_equal(realtime_sessions(world->fixture.realtime), 1);
    say(world, STR_LIT("\x88\x82\0\0\0\0\x0b\xb9"));
    shutdown(world->fd, SHUT_WR);
    await_no_sessions(world);
}

static void test_client_that_goes(void **state)
{
    struct world *world = *state;
    connect_session(world);
    shutdown(world->fd, SHUT_RDWR);
    await_no_sessions(world);
}

static void test_subprotocols(void **state)
{
    static const struct {
        const char *offered;
        const char *echoed; /* the whole header line, or "" */
    } rows[] = {
        {"centrifuge-json", "Sec-WebSocket-Protocol: centrifuge-json\r\n"},
        {"wss, centrifuge-json", "Sec-WebSocket-Protocol: centrifuge-json\r\n"},
        {"centrifuge-protobuf,centrifuge-json", "Sec-WebSocket-Protocol: centrifuge-protobuf\r\n"},
        {"centrifuge-json, centrifuge-protobuf", "Sec-WebSocket-Protocol: centrifuge-json\r\n"},
        {"centrifuge-protobuf", "Sec-WebSocket-Protocol: centrifuge-protobuf\r\n"},
        {"wss\r\nSec-WebSocket-Protocol: centrifuge-json",
         "Sec-WebSocket-Protocol: centrifuge-json\r\n"},
        {"wss", ""},
        {"Centrifuge-JSON", ""},
        {"", ""},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        char request[512];
        void *one = NULL;
        if (i > 0)
            assert_int_equal(set_up(&one), 0);
        struct world *world = i > 0 ? one : *state;
        snprintf(request, sizeof(request), GET("Sec-WebSocket-Protocol: %s\r\n"), rows[i].offered);
        say(world, str_from(request));
        await_text(world, ACCEPT);
        await_text(world, "\r\n\r\n");
        bool is_echoed = rows[i].echoed[0] != '\0';
        assert_int_equal(has(world, STR_LIT("Sec-WebSocket-Protocol")), is_echoed);
        if (is_echoed)
            assert_true(has(world, str_from(rows[i].echoed)));
        if (i > 0)
            tear_down(&one);
    }
}

/* As some proxies write it. */
static void test_lists_in_several_fields(void **state)
{
    struct world *world = *state;
    say(world, STR_LIT("GET /connection/websocket HTTP/1.1\r\nHost: shop\r\n"
                       "Connection: keep-alive\r\nUpgrade: h2c\r\nUpgrade: websocket\r\n"
                       "Sec-WebSocket-Version: 13\r\nconnection: Upgrade\r\n"
                       "Sec-WebSocket-Key: " KEY "\r\n\r\n"));
    await_text(world, ACCEPT);
}

static void test_other_version(void **state)
{
    struct world *world = *state;
    say(world, STR_LIT(GET_WITH("8", KEY, "")));
    await_text(world, "[0401-1260]");
    assert_true(has(world, STR_LIT("HTTP/1.1 426 ")));
    assert_true(has(world, STR_LIT("\r\nSec-WebSocket-Version: 13\r\n")));
    assert_true(has(world, STR_LIT("\r\nUpgrade: websocket\r\n")));
}

static void test_no_upgrade(void **state)
{
    struct world *world = *state;
    say(world, STR_LIT("GET /connection/websocket HTTP/1.1\r\nHost: shop\r\n\r\n"));
    await_text(world, "[0401-1260]");
    assert_true(has(world, STR_LIT("HTTP/1.1 426 ")));
}

static void test_head(void **state)
{
    struct world *world = *state;
    say(world, STR_LIT(REQUEST("HEAD", "HTTP/1.1", "13", KEY, "")));
    await_text(world, "\r\n\r\n");
    assert_true(has(world, STR_LIT("HTTP/1.1 426 ")));
}

static void test_http_1_0(void **state)
{
    struct world *world = *state;
    say(world, STR_LIT(REQUEST("GET", "HTTP/1.0", "13", KEY, "")));
    await_text(world, "\r\n\r\n");
    assert_true(has(world, STR_LIT("HTTP/1.1 426 ")));
}

static void test_bad_key(void **state)
{
    struct world *world = *state;
    say(world, STR_LIT(GET_WITH("13", "short", "")));
    await_text(world, "[0401-1001]");
    assert_true(has(world, STR_LIT("HTTP/1.1 400 ")));
    assert_int_equal(realtime_sessions(world->fixture.realtime), 0);
}

static void test_origin_of_the_page(void **state)
{
    static const struct {
        const char *origin;
        bool is_allowed;
    } rows[] = {
        {"", true},
        {"Origin: https://shop.example\r\n", true},
        {"Origin: wss://orders.example\r\n", true},
        {"Origin: https://evil.example\r\n", false},
        {"Origin: null\r\n", false},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        void *one;
        struct buf bytes;
        assert_int_equal(set_up(&one), 0);
        struct world *world = one;
        buf_init(&bytes, 65536);
        buf_append_text(&bytes, HANDSHAKE_WITHOUT_ORIGIN);
        buf_append_text(&bytes, rows[i].origin);
        buf_append_text(&bytes, "\r\n");
        append_frame(world, "{\"id\":1,\"connect\":{\"data\":{\"auth\":\"$O\",\"project_id\":2}}}",
                     &bytes);
        say(world, buf_view(&bytes));
        await_text(world, rows[i].is_allowed ? "\"pong\":true}}"
                                             : "\x0d\xb3"
                                               "permission denied");
        buf_fini(&bytes);
        tear_down(&one);
    }
    (void)state;
}

/* The older socket. */

static void follow_order(struct world *world)
{
    fixture_commit(&world->fixture, "u1", 7, ORDER_NEW);
    say(world, STR_LIT(LEGACY("?order_id=7&project_id=1")));
    await_text(world, STATUS("7", "new"));
}

static void assert_input(struct world *world, const char *bytes, size_t length)
{
    if (world->input.len != length || memcmp(world->input.ptr, bytes, length) != 0)
        fail_msg("got: %.*s", STR_ARG(buf_view(&world->input)));
}

/* Frames of text, each one status of the order; nothing of other orders, and nothing twice. */
static void test_legacy_status(void **state)
{
    struct world *world = *state;
    follow_order(world);
    await_text(world, "HTTP/1.1 101 ");
    await_text(world, "\r\n\r\n\x81\x1d" STATUS("7", "new"));
    assert_false(has(world, STR_LIT("Sec-WebSocket-Protocol")));
    assert_int_equal(realtime_sessions(world->fixture.realtime), 1);

    buf_clear(&world->input);
    fixture_publish(&world->fixture, "u1", 8, ORDER_NEW);
    struct hub_event paid = fixture_commit(&world->fixture, "u1", 7, ORDER_PAID);
    hub_publish(world->fixture.hub, &paid);
    hub_publish(world->fixture.hub, &paid);
    fixture_publish(&world->fixture, "u2", 9, ORDER_DONE);
    fixture_commit(&world->fixture, "u1", 7, ORDER_DONE);
    fixture_commit(&world->fixture, "u1", 8, ORDER_DONE);
    hub_resync(world->fixture.hub);
    fixture_commit(&world->fixture, "u1", 8, ORDER_CANCELED);
    fixture_publish(&world->fixture, "u1", 7, ORDER_CANCELED);
    await_text(world, STATUS("7", "canceled"));
    static const char frames[] = "\x81\x1e" STATUS("7", "paid") "\x81\x1e" STATUS(
        "7", "done") "\x81\x22" STATUS("7", "canceled");
    assert_input(world, frames, sizeof(frames) - 1);
}

/* What the client says is nobody's business; a Ping is answered, one of ours is WebSocket's. */
static void test_legacy_frames_of_the_client(void **state)
{
    struct world *world = *state;
    world->fixture.options.ping_interval = 10;
    world->fixture.options.pong_timeout = 1;
    follow_order(world);
    buf_clear(&world->input);
    say(world, STR_LIT("\x81\x80\0\0\0\0\x81\x85\0\0\0\0hello"));
    say(world, STR_LIT("\x89\x82\0\0\0\0hi"));
    await_text(world, "\x8a\x02hi");
    buf_clear(&world->input);
    wait_until(world, STR_LIT("\x89\0\x89\0"));
    assert_input(world, "\x89\0\x89\0", 4);
}

static void test_legacy_end(void **state)
{
    struct world *world = *state;
    world->fixture.options.max_lifetime = 1;
    follow_order(world);
    await_text(world,
               "\x88\x14\x0b\xbd"
               "connection expired");
}

static void test_legacy_drain(void **state)
{
    struct world *world = *state;
    follow_order(world);
    realtime_drain(world->fixture.realtime, 0);
    await_text(world,
               "\x88\x0a\x0b\xb9"
               "shutdown");
}

static void test_legacy_refused(void **state)
{
    static const struct {
        const char *request, *status, *code;
    } rows[] = {
        {LEGACY("?order_id=7&project_id=2"), "404", "1040"}, /* not allowed there */
        {LEGACY("?order_id=7&project_id=3"), "404", "1040"},
        {LEGACY("?order_id=7"), "404", "1040"},
        {LEGACY(""), "404", "1040"},
        {LEGACY("?project_id=1&order_id=8"), "404", "9001"},
        {LEGACY("?project_id=1&order_id=0"), "404", "9001"},
        {LEGACY("?project_id=1&order_id=4294967303"), "404", "9001"},
        {LEGACY("?project_id=1"), "404", "9001"},
        {"GET /sub/order/status?order_id=7&project_id=1 HTTP/1.1\r\nHost: a\r\n\r\n", "426",
         "1260"},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        char code[16], status[16];
        void *one;
        assert_int_equal(set_up(&one), 0);
        struct world *world = one;
        fixture_commit(&world->fixture, "u1", 7, ORDER_NEW);
        say(world, str_from(rows[i].request));
        snprintf(status, sizeof(status), "HTTP/1.1 %s ", rows[i].status);
        snprintf(code, sizeof(code), "[0401-%s]", rows[i].code);
        await_text(world, code);
        await_text(world, status);
        assert_int_equal(realtime_sessions(world->fixture.realtime), 0);
        tear_down(&one);
    }
    (void)state;
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_conversation),
        TEST(test_sizes_are_options),
        TEST(test_ping_is_two_bytes_in_a_text_frame),
        TEST(test_close_frame),
        TEST(test_client_that_goes),
        TEST(test_subprotocols),
        TEST(test_lists_in_several_fields),
        TEST(test_other_version),
        TEST(test_no_upgrade),
        TEST(test_head),
        TEST(test_origin_of_the_page),
        TEST(test_legacy_status),
        TEST(test_legacy_frames_of_the_client),
        TEST(test_legacy_end),
        TEST(test_legacy_drain),
        TEST(test_legacy_refused),
        TEST(test_http_1_0),
        TEST(test_bad_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
