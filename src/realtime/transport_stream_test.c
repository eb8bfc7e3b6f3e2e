/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sessions in HTTP answers, byte by byte, and what reaches them through POST /emulation: on the
 * worker that has the session, and on another one.
 */
#include "realtime/session_fixture.h"

#include "base/mem.h"
#include "codec/url.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum { INPUT_MAX = 1024 * 1024, WIRES_MAX = 8 };

#define JSON "application/json"
#define OCTETS "Application/Octet-Stream; x=1"
#define COMMAND "{\"id\":1,\"connect\":{\"data\":{\"auth\":\"$T\",\"project_id\":1}}}"
#define REQUEST "{\"data\":{\"auth\":\"$T\",\"project_id\":1}}"
#define CLOSED "{\"code\":3001,\"reason\":\"shutdown\"}"

/* A client's end of a connection. */
struct wire {
    struct world *world;
    int fd;
    struct loop_watch *watch;
    struct buf input;
    bool ended;
};

/* Two workers on one loop. */
struct world {
    struct fixture fixture;
    struct realtime *realtimes[2];
    struct http_server *servers[2];
    struct http_options options;
    struct wire wires[WIRES_MAX];
    size_t wire_count;
};

static void on_ready(void *argument, int events)
{
    struct wire *wire = argument;
    (void)events;
    char *room = buf_reserve(&wire->input, 4096);
    assert_non_null(room);
    ssize_t got = recv(wire->fd, room, 4096, MSG_DONTWAIT);
    if (got > 0)
        buf_wrote(&wire->input, (size_t)got);
    if (got == 0) {
        wire->ended = true;
        loop_watch_set(wire->watch, 0);
    }
    loop_stop(wire->world->fixture.loop);
}

static void lose_patience(struct loop_timer *timer)
{
    (void)timer;
    fail_msg("it does not come");
}

static bool has(const struct wire *wire, const char *text)
{
    return wire->input.len > 0 &&
           memmem(wire->input.ptr, wire->input.len, text, strlen(text)) != NULL;
}

static void await(struct wire *wire, const char *text)
{
    struct loop *loop = wire->world->fixture.loop;
    struct loop_timer patience;
    loop_timer_init(&patience, loop, lose_patience);
    loop_timer_set(&patience, loop_now(loop) + 5000);
    while (text ? !has(wire, text) : !wire->ended) {
        if (wire->ended)
            fail_msg("no \"%s\" in: %.*s", text, STR_ARG(buf_view(&wire->input)));
        loop_run(loop);
    }
    loop_timer_cancel(&patience);
}

static void await_end(struct wire *wire)
{
    await(wire, NULL);
}

static void stop_loop(struct loop_timer *timer)
{
    loop_stop(timer->loop);
}

static void await_no_sessions(struct world *world)
{
    struct loop_timer timer;
    loop_timer_init(&timer, world->fixture.loop, stop_loop);
    for (int i = 0; i < 5000 && realtime_sessions(world->realtimes[0]) > 0; i++) {
        loop_timer_set(&timer, loop_now(world->fixture.loop) + 1);
        loop_run(world->fixture.loop);
        loop_timer_cancel(&timer);
    }
    assert_int_equal(realtime_sessions(world->realtimes[0]), 0);
}

static struct wire *dial(struct world *world, int worker)
{
    struct wire *wire = &world->wires[world->wire_count++];
    int small = 1; /* the system takes its least */
    int fds[2];
    assert_true(world->wire_count <= WIRES_MAX);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    assert_int_equal(setsockopt(fds[1], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
    *wire = (struct wire){.world = world, .fd = fds[0]};
    buf_init(&wire->input, INPUT_MAX);
    wire->watch = loop_watch_new(world->fixture.loop, fds[0], LOOP_READABLE, on_ready, wire);
    assert_non_null(wire->watch);
    http_server_accept(world->servers[worker], fds[1], &address_unix, &(struct http_port){0});
    return wire;
}

static void say(struct wire *wire, struct str bytes)
{
    assert_int_equal(send(wire->fd, bytes.ptr, bytes.len, MSG_NOSIGNAL), (ssize_t)bytes.len);
}

static void post_bytes(struct wire *wire, const char *path, const char *type, struct str body)
{
    struct buf bytes;
    buf_init(&bytes, INPUT_MAX);
    buf_printf(&bytes, "POST %s HTTP/1.1\r\nHost: shop\r\nContent-Type: %s\r\n", path, type);
    buf_printf(&bytes, "Origin: https://a\r\nContent-Length: %zu\r\n\r\n", body.len);
    buf_append_str(&bytes, body);
    say(wire, buf_view(&bytes));
    buf_fini(&bytes);
}

static void post(struct wire *wire, const char *path, const char *text)
{
    struct buf body;
    buf_init(&body, INPUT_MAX);
    fixture_expand(&wire->world->fixture, text, &body);
    post_bytes(wire, path, JSON, buf_view(&body));
    buf_fini(&body);
}

/* `text` as the parameter cf_connect; NULL: none. */
static void get(struct wire *wire, const char *path, const char *text, const char *headers)
{
    struct buf plain, bytes;
    buf_init(&plain, INPUT_MAX);
    buf_init(&bytes, INPUT_MAX);
    buf_printf(&bytes, "GET %s", path);
    if (text) {
        fixture_expand(&wire->world->fixture, text, &plain);
        buf_append_text(&bytes, "?a=b&cf_connect=");
        url_encode(buf_view(&plain), &bytes);
    }
    buf_append_text(&bytes, " HTTP/1.1\r\nHost: shop\r\n");
    fixture_expand(&wire->world->fixture, headers, &bytes);
    buf_append_text(&bytes, "\r\n");
    say(wire, buf_view(&bytes));
    buf_fini(&plain);
    buf_fini(&bytes);
}

static int set_up(void **state)
{
    struct world *world = mem_zalloc(sizeof(*world));
    fixture_init(&world->fixture);
    world->options = (struct http_options){.header_timeout = 10000,
                                           .body_timeout = 10000,
                                           .idle_timeout = 10000,
                                           .header_bytes = 16 * 1024,
                                           .body_bytes = 64 * 1024};
    world->realtimes[0] = world->fixture.realtime;
    world->realtimes[1] =
        realtime_new(&world->fixture.service, &world->fixture.options, world->fixture.peers);
    for (int i = 0; i < 2; i++) {
        const struct http_route_table tables[] = {{realtime_routes, world->realtimes[i]}, {0}};
        world->servers[i] = http_server_new(world->fixture.loop, tables, &world->options);
    }
    *state = world;
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;
    for (int i = 0; i < 2; i++) {
        realtime_abort(world->realtimes[i]);
        http_server_abort(world->servers[i]);
        http_server_free(&world->servers[i]);
    }
    for (size_t i = 0; i < world->wire_count; i++) {
        loop_watch_free(&world->wires[i].watch);
        close(world->wires[i].fd);
        buf_fini(&world->wires[i].input);
    }
    realtime_free(&world->realtimes[1]);
    fixture_fini(&world->fixture);
    mem_free(world);
    return 0;
}

/* What the client is told under `key` in its connect reply. */
static struct str told(const struct wire *wire, const char *key)
{
    char wanted[32];
    snprintf(wanted, sizeof(wanted), "\"%s\":\"", key);
    const char *start = memmem(wire->input.ptr, wire->input.len, wanted, strlen(wanted));
    assert_non_null(start);
    start += strlen(wanted);
    return str_make(start, (size_t)(strchr(start, '"') - start));
}

/* Opening. */

struct opening {
    const char *method, *path, *command, *content_type;
    const char *start;   /* of the body, up to the client's id */
    const char *told;    /* behind the latest offset, up to the session's id */
    const char *push;    /* of the first publication, to the end of the message */
    const char *ping;    /* after another message */
    const char *goodbye; /* at the end of all */
};

#define PUB                                                                                        \
    "{\"channel\":\"orders:1#u1\",\"pub\":{\"data\":{\"order_id\":7,\"status\":\"paid\"},"         \
    "\"offset\":1}}"

static const struct opening openings[] = {
    {"POST", "/connection/http_stream", COMMAND, "application/json",
     "\r\n\r\n{\"id\":1,\"connect\":{\"client\":\"", "\"ping\":25,\"pong\":true,\"session\":\"0-",
     "\"}}\n{\"push\":" PUB "}\n", "}\n{}\n", "\n{\"push\":{\"disconnect\":" CLOSED "}}\n"},
    {"GET", "/connection/sse", COMMAND, "text/event-stream",
     "\r\n\r\ndata: {\"id\":1,\"connect\":{\"client\":\"",
     "\"ping\":25,\"pong\":true,\"session\":\"0-", "\"}}\n\ndata: {\"push\":" PUB "}\n\n",
     "\n\ndata: {}\n\n", "\n\ndata: {\"push\":{\"disconnect\":" CLOSED "}}\n\n"},
    {"POST", "/connection/sse", COMMAND, "text/event-stream",
     "\r\n\r\ndata: {\"id\":1,\"connect\":{\"client\":\"",
     "\"ping\":25,\"pong\":true,\"session\":\"0-", "\"}}\n\ndata: {\"push\":" PUB "}\n\n",
     "\n\ndata: {}\n\n", "\n\ndata: {\"push\":{\"disconnect\":" CLOSED "}}\n\n"},
    {"POST", "/connection/uni_http_stream", REQUEST, "application/json",
     "\r\n\r\n{\"connect\":{\"client\":\"", "\"ping\":25}}\n", "\n" PUB "\n", "}\n{}\n",
     "\n{\"disconnect\":" CLOSED "}\n"},
    {"GET", "/connection/uni_http_stream", REQUEST, "application/json",
     "\r\n\r\n{\"connect\":{\"client\":\"", "\"ping\":25}}\n", "\n" PUB "\n", "}\n{}\n",
     "\n{\"disconnect\":" CLOSED "}\n"},
    {"GET", "/connection/uni_sse", REQUEST, "text/event-stream",
     "\r\n\r\ndata: {\"connect\":{\"client\":\"", "\"ping\":25}}\n\n", "\ndata: " PUB "\n\n",
     "\n\ndata: {}\n\n", "\n\ndata: {\"disconnect\":" CLOSED "}\n\n"},
    {"POST", "/connection/uni_sse", REQUEST, "text/event-stream",
     "\r\n\r\ndata: {\"connect\":{\"client\":\"", "\"ping\":25}}\n\n", "\ndata: " PUB "\n\n",
     "\n\ndata: {}\n\n", "\n\ndata: {\"disconnect\":" CLOSED "}\n\n"},
};

static void check_opening(struct world *world, const struct opening *opening)
{
    struct wire *wire = dial(world, 0);
    char field[64];
    if (strcmp(opening->method, "GET") == 0)
        get(wire, opening->path, opening->command, "Origin: https://a\r\n");
    else
        post(wire, opening->path, opening->command);
    await(wire, opening->start);
    await(wire, opening->told);
    snprintf(field, sizeof(field), "\r\nContent-Type: %s\r\n", opening->content_type);
    assert_true(has(wire, "HTTP/1.1 200 "));
    assert_true(has(wire, field));
    assert_true(has(wire, "\r\nX-Accel-Buffering: no\r\n"));
    assert_true(has(wire, "\r\nConnection: close\r\n"));
    assert_true(has(wire, "no-cache"));
    assert_true(has(wire, "\r\nAccess-Control-Allow-Origin: *\r\n"));
    assert_false(has(wire, "Content-Length"));
    assert_int_equal(realtime_sessions(world->realtimes[0]), 1);
    assert_int_equal(http_server_connections(world->servers[0]), 0);
    fixture_publish(&world->fixture, "u1", 7, ORDER_PAID);
    await(wire, opening->push);
    realtime_drain(world->realtimes[0], 0);
    await_end(wire);
    size_t length = strlen(opening->goodbye);
    assert_true(wire->input.len > length);
    assert_memory_equal(wire->input.ptr + wire->input.len - length, opening->goodbye, length);
    shutdown(wire->fd, SHUT_WR);
    await_no_sessions(world);
}

static void test_openings(void **state)
{
    for (size_t i = 0; i < ARRAY_LENGTH(openings); i++) {
        void *one = NULL;
        if (i > 0)
            assert_int_equal(set_up(&one), 0);
        check_opening(i > 0 ? one : *state, &openings[i]);
        if (i > 0)
            tear_down(&one);
    }
}

/* The longest message is the connect reply, a line. */
static void test_the_queue_is_an_option(void **state)
{
    struct world *world = *state;
    struct wire *wire = dial(world, 0);
    post(wire, "/connection/http_stream", COMMAND);
    await(wire, "}}\n");
    const char *head_end = memmem(wire->input.ptr, wire->input.len, "\r\n\r\n", 4);
    int64_t length = wire->input.ptr + wire->input.len - (head_end + 4);
    static const char *const told[] = {"\"session\":\"0-", "\"code\":3008"};
    for (int i = 0; i < 2; i++) {
        world->fixture.options.queue_bytes = length - i;
        wire = dial(world, 0);
        post(wire, "/connection/http_stream", COMMAND);
        await(wire, told[i]);
    }
}

/* A one-way client answers no ping, and lives. */
static void test_pings(void **state)
{
    for (size_t i = 0; i < ARRAY_LENGTH(openings); i++) {
        const struct opening *opening = &openings[i];
        bool one_way = strstr(opening->path, "uni_") != NULL;
        char twice[64];
        void *one = NULL;
        if (i > 0)
            assert_int_equal(set_up(&one), 0);
        struct world *world = i > 0 ? one : *state;
        struct wire *wire = dial(world, 0);
        world->fixture.options.ping_interval = 4;
        world->fixture.options.pong_timeout = one_way ? 1 : 2;
        if (strcmp(opening->method, "GET") == 0)
            get(wire, opening->path, opening->command, "");
        else
            post(wire, opening->path, opening->command);
        await(wire, opening->ping);
        snprintf(twice, sizeof(twice), "%s%s", opening->ping, opening->ping + 2);
        await(wire, one_way ? strchr(twice, '{') : "\"reason\":\"no pong\"");
        if (i > 0)
            tear_down(&one);
    }
}

static void test_protobuf(void **state)
{
    struct world *world = *state;
    struct wire *wire = dial(world, 0);
    struct buf data, body;
    buf_init(&data, 4096);
    buf_init(&body, 4096);
    fixture_expand(&world->fixture, "{\"auth\":\"$T\",\"project_id\":1}", &data);
    assert_in_range(data.len, 128, 4096);
    /* Command{id: 1, connect: {data}}, each length as two bytes. */
    const size_t connect = data.len + 3, command = connect + 5;
    const unsigned char head[] = {(unsigned char)(command | 0x80),
                                  (unsigned char)(command >> 7),
                                  0x08,
                                  1,
                                  0x22,
                                  (unsigned char)(connect | 0x80),
                                  (unsigned char)(connect >> 7),
                                  0x12,
                                  (unsigned char)(data.len | 0x80),
                                  (unsigned char)(data.len >> 7)};
    buf_append(&body, head, sizeof(head));
    buf_append_str(&body, buf_view(&data));
    post_bytes(wire, "/connection/http_stream", OCTETS, buf_view(&body));
    await(wire, "\r\nContent-Type: application/octet-stream\r\n");
    await(wire,
          "\x4a\x18"
          "0-");
    buf_clear(&wire->input);
    realtime_drain(world->realtimes[0], 0);
    await_end(wire);
    assert_int_equal(wire->input.len, 18);
    assert_memory_equal(wire->input.ptr,
                        "\x11\x22\x0f\x5a\x0d\x08\xb9\x17\x12\x08"
                        "shutdown",
                        18);
    buf_fini(&data);
    buf_fini(&body);
}

static void test_bearer(void **state)
{
    struct world *world = *state;
    struct wire *wires[] = {dial(world, 0), dial(world, 0), dial(world, 0), dial(world, 0)};
    get(wires[0], "/connection/uni_sse?project_id=1", NULL, "Authorization: Bearer $T\r\n");
    await(wires[0], "data: {\"connect\":{");
    get(wires[1], "/connection/uni_http_stream?project_id=2", NULL, "Authorization: Bearer $T\r\n");
    await_end(wires[1]);
    assert_true(has(wires[1], "\r\n\r\n{\"disconnect\":{\"code\":3500,"));
    get(wires[2], "/connection/uni_sse", NULL, "Authorization: Bearer $T\r\n");
    await(wires[2], "HTTP/1.1 400 ");
    get(wires[3], "/connection/sse?project_id=1", NULL, "Authorization: Bearer $T\r\n");
    await(wires[3], "HTTP/1.1 400 ");
}

/* In the order of these rows: what is asked, and how the answer begins or what is in it. */
static void test_refusals(void **state)
{
    static const struct {
        const char *method, *path, *text, *answer;
    } rows[] = {
        {"GET", "/connection/sse", NULL, "HTTP/1.1 400 "},
        {"GET", "/connection/sse", "", "HTTP/1.1 400 "},
        {"GET", "/connection/sse?cf_connect=%7", NULL, "HTTP/1.1 400 "},
        {"GET", "/connection/uni_sse", NULL, "HTTP/1.1 400 "},
        {"POST", "/connection/http_stream", "", "HTTP/1.1 400 "},
        {"GET", "/connection/http_stream", COMMAND, "HTTP/1.1 405 "},
        {"GET", "/emulation", NULL, "HTTP/1.1 405 "},
        {"GET", "/connection/sse", "{}", "data: {\"push\":{\"disconnect\":{\"code\":3501,"},
        {"POST", "/connection/http_stream", "x", "\n{\"push\":{\"disconnect\":{\"code\":3501,"},
        {"POST", "/connection/http_stream", "{\"id\":1,\"connect\":{}}",
         "\n{\"push\":{\"disconnect\":{\"code\":3500,"},
        {"GET", "/connection/uni_sse", "[]", "data: {\"disconnect\":{\"code\":3501,"},
        {"GET", "/connection/uni_sse", "{}", "data: {\"disconnect\":{\"code\":3500,"},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        void *one = NULL;
        if (i > 0)
            assert_int_equal(set_up(&one), 0);
        struct world *world = i > 0 ? one : *state;
        struct wire *wire = dial(world, 0);
        if (strcmp(rows[i].method, "GET") == 0)
            get(wire, rows[i].path, rows[i].text, "");
        else
            post(wire, rows[i].path, rows[i].text);
        await(wire, rows[i].answer);
        if (i > 0)
            tear_down(&one);
    }
}

static void test_one_way_recovery(void **state)
{
    struct world *world = *state;
    struct wire *wire = dial(world, 0);
    fixture_publish(&world->fixture, "u1", 7, ORDER_NEW);
    fixture_publish(&world->fixture, "u1", 7, ORDER_PAID);
    post(wire, "/connection/uni_http_stream",
         "{\"subs\":{\"orders:1#u1\":{\"recover\":true,\"offset\":1,\"epoch\":\"$E\"}},"
         "\"token\":\"$T\",\"data\":{\"project_id\":1}}");
    await(wire,
          "\"recovered\":true,\"publications\":[{\"data\":{\"order_id\":7,"
          "\"status\":\"paid\"},\"offset\":2}]}},\"ping\":25}}\n");
}

static void test_store_that_fails(void **state)
{
    struct world *world = *state;
    struct wire *wire = dial(world, 0);
    fixture_break_store(true);
    get(wire, "/connection/uni_sse", REQUEST, "");
    await_end(wire);
    assert_true(has(wire, "\r\n\r\ndata: {\"disconnect\":{\"code\":3004,"));
}

/* Ends. */

static void test_client_that_goes(void **state)
{
    struct world *world = *state;
    struct wire *wire = dial(world, 0);
    post(wire, "/connection/http_stream", COMMAND);
    await(wire, "\"session\"");
    shutdown(wire->fd, SHUT_RDWR);
    await_no_sessions(world);
    assert_int_equal(world->realtimes[0]->emulated.count, 0);
}

static void test_client_that_does_not_read(void **state)
{
    struct world *world = *state;
    struct wire *wire = dial(world, 0);
    post(wire, "/connection/http_stream", COMMAND);
    await(wire, "\"session\"");
    loop_watch_set(wire->watch, 0);
    for (int32_t order = 1; order <= 2000 && hub_subscriber_count(world->fixture.hub) > 0; order++)
        fixture_publish(&world->fixture, "u1", order, ORDER_PAID);
    assert_int_equal(hub_subscriber_count(world->fixture.hub), 0);
    await_no_sessions(world);
}

/* Emulation. */

static void post_emulation(struct wire *wire, struct str session, struct str node, const char *data)
{
    struct buf body;
    buf_init(&body, INPUT_MAX);
    buf_printf(&body, "{\"session\":\"%.*s\",\"node\":\"%.*s\",\"data\":\"%s\"}", STR_ARG(session),
               STR_ARG(node), data);
    buf_clear(&wire->input);
    post_bytes(wire, "/emulation", JSON, buf_view(&body));
    await(wire, "\r\n\r\n");
    buf_fini(&body);
}

static struct wire *open_emulated(struct world *world)
{
    struct wire *wire = dial(world, 0);
    post(wire, "/connection/http_stream", COMMAND);
    await(wire, "\"node\":\"");
    await(wire, "\"}}\n");
    return wire;
}

#define HISTORY                                                                                    \
    "{\\\"id\\\":%d,\\\"history\\\":{\\\"channel\\\":\\\"orders:1#u1\\\",\\\"limit\\\":-1}}\\n{}"

static void test_commands(void **state)
{
    struct world *world = *state;
    struct wire *stream = open_emulated(world);
    struct str session = told(stream, "session"), node = told(stream, "node");
    assert_int_equal(session.len, 24);
    assert_int_equal(node.len, 36);
    for (int worker = 0; worker < 2; worker++) {
        struct wire *wire = dial(world, worker);
        char data[200], reply[40];
        snprintf(data, sizeof(data), HISTORY, 5 + worker);
        snprintf(reply, sizeof(reply), "\n{\"id\":%d,\"history\":{", 5 + worker);
        post_emulation(wire, session, node, data);
        assert_true(has(wire, "HTTP/1.1 204 "));
        assert_true(has(wire, "\r\nAccess-Control-Allow-Origin: *\r\n"));
        await(stream, reply);
        session = told(stream, "session"), node = told(stream, "node");
    }
    assert_int_equal(world->realtimes[0]->forwarded_bytes, 0);
    struct wire *wire = dial(world, 1);
    post_emulation(wire, session, node, "nonsense");
    await(stream, "{\"push\":{\"disconnect\":{\"code\":3501,");
    await_end(stream);
}

static void test_emulation_statuses(void **state)
{
    struct world *world = *state;
    struct wire *stream = open_emulated(world);
    struct wire *wire = dial(world, 0);
    char *session = mem_strndup(told(stream, "session").ptr, told(stream, "session").len);
    struct str node = told(stream, "node");
    const struct {
        const char *session;
        struct str node;
        const char *status;
    } rows[] = {
        {"0-0000000000000000000000", node, "HTTP/1.1 204 "},
        {"1-0000000000000000000000", node, "HTTP/1.1 204 "},
        {"2-0000000000000000000000", node, "HTTP/1.1 204 "},
        {session + 2, node, "HTTP/1.1 204 "},
        {"-1-x", node, "HTTP/1.1 204 "},
        {"", node, "HTTP/1.1 204 "},
        {session, STR_LIT("another"), "HTTP/1.1 404 "},
        {session, STR_LIT(""), "HTTP/1.1 404 "},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        post_emulation(wire, str_from(rows[i].session), rows[i].node, "nonsense");
        if (!has(wire, rows[i].status))
            fail_msg("row %zu: %.*s", i, STR_ARG(buf_view(&wire->input)));
    }
    assert_int_equal(realtime_sessions(world->realtimes[0]), 1);
    assert_false(has(stream, "disconnect"));
    mem_free(session);

    buf_clear(&wire->input);
    post_bytes(wire, "/emulation", JSON, STR_LIT("{\"session\":1}"));
    await(wire, "HTTP/1.1 400 ");
    buf_clear(&wire->input);
    post_bytes(wire, "/emulation", OCTETS, STR_LIT("\xff"));
    await(wire, "HTTP/1.1 400 ");
    buf_clear(&wire->input);
    say(wire, STR_LIT("POST /emulation HTTP/1.1\r\nHost: a\r\nContent-Length: 65537\r\n\r\n"));
    await(wire, "HTTP/1.1 413 ");
}

/* What other workers have sent and this one has not yet looked at is bounded. */
static void test_emulation_of_a_busy_worker(void **state)
{
    struct world *world = *state;
    struct wire *stream = open_emulated(world);
    struct wire *wire = dial(world, 1);
    struct str session = told(stream, "session"), node = told(stream, "node");
    world->realtimes[0]->forwarded_bytes = LIMIT_EMULATION_BYTES - 10;
    post_emulation(wire, session, node, "{}");
    assert_true(has(wire, "HTTP/1.1 503 "));
    assert_int_equal(world->realtimes[0]->forwarded_bytes, LIMIT_EMULATION_BYTES - 10);
    world->realtimes[0]->forwarded_bytes = 0;
}

static void test_emulation_while_draining(void **state)
{
    struct world *world = *state;
    struct wire *stream = open_emulated(world);
    http_server_drain(world->servers[0]);
    http_server_drain(world->servers[1]);
    for (int worker = 0; worker < 2; worker++) {
        struct wire *wire = dial(world, worker);
        post_emulation(wire, told(stream, "session"), told(stream, "node"), "{}");
        assert_true(has(wire, "HTTP/1.1 204 "));
    }
    struct wire *late = dial(world, 0);
    post(late, "/connection/http_stream", COMMAND);
    await(late, "HTTP/1.1 503 ");
}

/* A session that began now would not hear of the drain. */
static void test_body_that_comes_while_draining(void **state)
{
    struct world *world = *state;
    struct wire *wire = dial(world, 0);
    say(wire, STR_LIT("POST /connection/http_stream HTTP/1.1\r\nHost: a\r\n"
                      "Expect: 100-continue\r\nContent-Length: 1\r\n\r\n"));
    await(wire, "HTTP/1.1 100 ");
    http_server_drain(world->servers[0]);
    say(wire, STR_LIT("x"));
    await(wire, "HTTP/1.1 503 ");
    assert_int_equal(realtime_sessions(world->realtimes[0]), 0);
}

static void test_preflight(void **state)
{
    static const char *const paths[] = {"/connection/http_stream", "/connection/sse",
                                        "/connection/uni_sse", "/emulation"};
    struct world *world = *state;
    struct wire *wire = dial(world, 0);
    for (size_t i = 0; i < ARRAY_LENGTH(paths); i++) {
        char request[300];
        snprintf(request, sizeof(request),
                 "OPTIONS %s HTTP/1.1\r\nHost: a\r\nOrigin: https://a\r\n"
                 "Access-Control-Request-Method: POST\r\n"
                 "Access-Control-Request-Headers: content-type\r\n\r\n",
                 paths[i]);
        buf_clear(&wire->input);
        say(wire, str_from(request));
        await(wire, "\r\n\r\n");
        assert_true(has(wire, "HTTP/1.1 204 "));
        assert_true(has(wire, "\r\nAccess-Control-Allow-Headers: content-type\r\n"));
        assert_true(has(wire, "\r\nAccess-Control-Max-Age: 300\r\n"));
        assert_true(has(wire, "POST"));
    }
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_openings),
        TEST(test_pings),
        TEST(test_the_queue_is_an_option),
        TEST(test_protobuf),
        TEST(test_bearer),
        TEST(test_refusals),
        TEST(test_one_way_recovery),
        TEST(test_store_that_fails),
        TEST(test_client_that_goes),
        TEST(test_client_that_does_not_read),
        TEST(test_commands),
        TEST(test_emulation_statuses),
        TEST(test_emulation_of_a_busy_worker),
        TEST(test_emulation_while_draining),
        TEST(test_body_that_comes_while_draining),
        TEST(test_preflight),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
