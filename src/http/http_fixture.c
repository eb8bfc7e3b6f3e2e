/* SPDX-License-Identifier: Apache-2.0 */
/* The handlers that tests ask for, and the client that asks. */
#include "http/http_fixture.h"

#include "base/clock.h"
#include "base/limits.h"
#include "base/mem.h"
#include "loop/loop_fixture.h"
#include "net/stream.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define PATIENCE 5000

struct world *world;

/* Handlers. */

void world_answer(struct http_request *request, int status, struct str text)
{
    struct http_answer answer = {.status = status, .content_type = "text/plain", .body = text};
    world->handled++;
    http_respond(request, &answer);
}

static void handle_show(struct http_request *request)
{
    struct buf text;
    buf_init(&text, LIMIT_HTTP_RESPONSE);
    buf_printf(&text, "%s %.*s [%.*s] [%.*s] [%.*s] %s", request->method, STR_ARG(request->path),
               STR_ARG(request->query), STR_ARG(request->params[0]), STR_ARG(request->params[1]),
               address_text(http_request_address(request), (char[ADDRESS_TEXT_SIZE]){0}));
    assert_ptr_equal(request->context, world);
    world_answer(request, 200, buf_view(&text));
    buf_fini(&text);
}

static void handle_echo(struct http_request *request)
{
    world_answer(request, 200, request->body);
}

static void handle_length(struct http_request *request)
{
    struct buf text;
    buf_init(&text, 20);
    buf_append_int(&text, (int64_t)request->body.len);
    world_answer(request, 200, buf_view(&text));
    buf_fini(&text);
}

static void handle_half(struct http_request *request)
{
    world_answer(request, 200, str_make(request->body.ptr, request->body.len / 2));
}

static void handle_field(struct http_request *request)
{
    world_answer(request, http_request_has_header(request, "X-TEST") ? 200 : 404,
                 http_request_header(request, "x-Test"));
}

static void handle_hold(struct http_request *request)
{
    world->held = request;
    loop_stop(world->loop);
}

static void handle_big(struct http_request *request)
{
    char *bytes = mem_alloc(BIG);
    memset(bytes, 'b', BIG);
    world_answer(request, 200, str_make(bytes, BIG));
    mem_free(bytes);
}

static void handle_status(struct http_request *request)
{
    int64_t status = 0;
    assert_true(str_to_int64(request->params[0], 200, 599, &status));
    http_respond_json(request, (int)status, STR_LIT("{}"));
}

static void handle_headers(struct http_request *request)
{
    http_respond(request, &(struct http_answer){
                              .status = 200,
                              .body = STR_LIT("{}"),
                              .headers = STR_LIT("ETag: \"1\"\r\ncache-control: no-cache\r\n")});
}

static void handle_error(struct http_request *request)
{
    int64_t error = 0;
    assert_true(str_to_int64(request->params[0], 1, 1000, &error));
    http_respond_error(request, (enum api_error)error, "told so");
}

static void upgraded_received(void *owner, struct str bytes)
{
    (void)owner;
    buf_append_str(&world->upgraded_bytes, bytes);
    loop_stop(world->loop);
}

static void upgraded_closed(void *owner)
{
    (void)owner;
    world->upgraded_closes++;
    world->upgraded = NULL;
    loop_stop(world->loop);
}

void world_upgrade(struct http_request *request)
{
    static const struct stream_handlers handlers = {upgraded_received, NULL, upgraded_closed};
    struct buf early;
    struct stream *stream =
        http_upgrade(request, STR_LIT("Connection: Upgrade\r\nUpgrade: websocket\r\n"), &early);
    if (stream != NULL)
        stream_set_owner(stream, 1000, &handlers, NULL);
    world->upgraded = stream;
    buf_append_str(&world->upgraded_bytes, buf_view(&early));
    buf_fini(&early);
}

static void handle_stream(struct http_request *request)
{
    static const struct stream_handlers handlers = {upgraded_received, NULL, upgraded_closed};
    struct buf body;
    buf_init(&body, 100);
    buf_append_str(&body, request->body);
    world->upgraded = http_take_over(request, 200, STR_LIT("Content-Type: text/plain\r\n"));
    if (world->upgraded != NULL) {
        stream_set_owner(world->upgraded, 1000, &handlers, NULL);
        assert_int_equal(stream_write(world->upgraded, buf_view(&body)), 0);
    }
    buf_fini(&body);
}

static enum api_error admit_friends(struct http_request *request)
{
    return http_request_has_header(request, "x-friend") ? API_ERROR_NONE : API_ERROR_UNAUTHORIZED;
}

static enum api_error check_origin(struct http_request *request, struct str origin, bool *is_listed)
{
    bool is_open = str_equal_text(request->params[0], "op en");
    *is_listed = !is_open && str_equal_text(origin, "https://shop.example");
    return is_open || *is_listed ? API_ERROR_NONE : API_ERROR_ORIGIN_NOT_ALLOWED;
}

static const struct http_route routes[] = {
    {"GET", "/show", HTTP_ANYONE, handle_show, 0, 0},
    {"GET", "/show/{a}/{b}", HTTP_ANYONE, handle_show, 0, 0},
    {"POST", "/echo", HTTP_ANYONE, handle_echo, HTTP_BODY, 0},
    {"POST", "/show", HTTP_ANYONE, handle_show, 0, 0},
    {"POST", "/much", HTTP_ANYONE, handle_length, HTTP_BATCH_BODY, 0, admit_friends},
    {"POST", "/half", HTTP_ANYONE, handle_half, HTTP_BATCH_BODY, 0},
    {"GET", "/field", HTTP_ANYONE, handle_field, 0, 0},
    {"GET", "/hold", HTTP_ANYONE, handle_hold, 0, 0},
    {"POST", "/hold", HTTP_ANYONE, handle_hold, 100, 0},
    {"GET", "/big", HTTP_ANYONE, handle_big, 0, 0},
    {"GET", "/status/{n}", HTTP_ANYONE, handle_status, 0, 0},
    {"GET", "/headers", HTTP_ANYONE, handle_headers, 0, HTTP_ROUTE_CORS},
    {"GET", "/error/{n}", HTTP_ANYONE, handle_error, 0, 0},
    {"GET", "/cors/error/{n}", HTTP_ANYONE, handle_error, 0, HTTP_ROUTE_CORS},
    {"GET", "/listed/{a}", HTTP_ANYONE, handle_headers, 0, HTTP_ROUTE_CORS,
     .check_origin = check_origin},
    {"GET", "/begin", HTTP_ANYONE, handle_show, 0, HTTP_ROUTE_HANDSHAKE | HTTP_ROUTE_CORS},
    {"GET", "/upgrade", HTTP_ANYONE, world_upgrade, 0, 0},
    {"GET", "/stream", HTTP_ANYONE, handle_stream, 0, HTTP_ROUTE_CORS},
    {"POST", "/stream", HTTP_ANYONE, handle_stream, 100, HTTP_ROUTE_CORS},
    {"GET", "/health", HTTP_ANYONE, handle_show, 0, HTTP_ROUTE_WHILE_DRAINING},
    {NULL},
};

/* The client. */

static void client_watch(struct client *client)
{
    loop_watch_set(client->watch, (client->reading ? LOOP_READABLE : 0) |
                                      (client->to_send.len > 0 ? LOOP_WRITABLE : 0));
}

static void client_read(struct client *client)
{
    char bytes[65536];
    ssize_t n = recv(client->fd, bytes, sizeof(bytes), 0);
    if (n > 0)
        buf_append(&client->got, bytes, (size_t)n);
    else
        client->eof = true;
    if (client->eof)
        client->reading = false;
    loop_stop(world->loop);
}

static void client_ready(void *argument, int events)
{
    struct client *client = argument;
    if ((events & LOOP_WRITABLE) && client->to_send.len > 0) {
        size_t length = client->step > 0 ? client->step : client->to_send.len;
        ssize_t n = send(client->fd, client->to_send.ptr, length, MSG_NOSIGNAL);
        if (n > 0)
            client->to_send = str_make(client->to_send.ptr + n, client->to_send.len - (size_t)n);
        else
            client->to_send.len = 0;
    }
    if ((events & LOOP_READABLE) && client->reading)
        client_read(client);
    client_watch(client);
}

void client_hang_up(void)
{
    struct client *client = &world->client;
    if (client->fd < 0)
        return;
    loop_watch_free(&client->watch);
    close(client->fd);
    buf_fini(&client->got);
    client->fd = -1;
}

void client_dial(void)
{
    struct client *client = &world->client;
    int pair[2];
    client_hang_up();
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    *client = (struct client){.fd = pair[1], .reading = true};
    buf_init(&client->got, 2 * LIMIT_HTTP_OUTPUT);
    client->watch = loop_watch_new(world->loop, pair[1], LOOP_READABLE, client_ready, client);
    http_server_accept(world->server, pair[0], &world->peer, &(struct http_port){0});
}

void client_say(struct str text, size_t step)
{
    world->client.to_send = text;
    world->client.step = step;
    client_watch(&world->client);
}

void client_say_text(const char *text)
{
    client_say(str_from(text), 0);
}

static bool parse_reply(struct str got, bool to_head, struct reply *reply)
{
    const char *end = got.len > 0 ? memmem(got.ptr, got.len, "\r\n\r\n", 4) : NULL;
    if (end == NULL)
        return false;
    *reply = (struct reply){.head = str_make(got.ptr, (size_t)(end - got.ptr) + 4)};
    int64_t status = 0, length = 0;
    assert_true(str_starts_with(got, STR_LIT("HTTP/1.1 ")));
    assert_true(str_to_int64(str_make(got.ptr + 9, 3), 100, 599, &status));
    const char *field = memmem(reply->head.ptr, reply->head.len, "Content-Length: ", 16);
    if (field != NULL) {
        struct str rest = str_from(field + 16), number;
        assert_true(str_split(&rest, '\r', &number));
        assert_true(str_to_int64(number, 0, INT32_MAX, &length));
    } else {
        assert_true(status < 200 || status == 204 || status == 304 ||
                    memmem(got.ptr, got.len, "Connection: close", 17) != NULL);
    }
    reply->length = (size_t)length;
    if (to_head)
        length = 0;
    if (got.len - reply->head.len < (size_t)length)
        return false;
    reply->status = (int)status;
    reply->body = str_make(end + 4, (size_t)length);
    return true;
}

struct reply last_reply;
static struct buf last_bytes;

int client_take_reply(bool to_head)
{
    struct client *client = &world->client;
    struct reply reply;
    buf_append_byte(&client->got, '\0'); /* so that its text ends */
    client->got.len--;
    while (!parse_reply(buf_view(&client->got), to_head, &reply)) {
        if (client->eof) {
            assert_int_equal(client->got.len, 0);
            return 0;
        }
        loop_run(world->loop);
        buf_append_byte(&client->got, '\0');
        client->got.len--;
    }
    size_t length = reply.head.len + reply.body.len;
    buf_fini(&last_bytes);
    buf_init(&last_bytes, 2 * LIMIT_HTTP_OUTPUT);
    buf_append(&last_bytes, client->got.ptr, length);
    buf_append_byte(&last_bytes, '\0');
    last_reply = reply;
    last_reply.head.ptr = last_bytes.ptr;
    last_reply.body.ptr = last_bytes.ptr + reply.head.len;
    buf_consume(&client->got, length);
    return reply.status;
}

int client_ask(const char *text)
{
    client_say_text(text);
    return client_take_reply(false);
}

bool reply_has_line(const char *line)
{
    char wanted[300];
    snprintf(wanted, sizeof(wanted), "\r\n%s\r\n", line);
    return memmem(last_reply.head.ptr, last_reply.head.len, wanted, strlen(wanted)) != NULL;
}

bool reply_has_field(const char *name)
{
    char wanted[100];
    snprintf(wanted, sizeof(wanted), "\r\n%s: ", name);
    return memmem(last_reply.head.ptr, last_reply.head.len, wanted, strlen(wanted)) != NULL;
}

void reply_assert_body(const char *text)
{
    assert_string_equal(last_reply.body.ptr, text);
}

void client_assert_ended(void)
{
    assert_int_equal(client_take_reply(false), 0);
}

void world_run_dry(void)
{
    loop_run_dry(world->loop);
}

void world_wait_until_held(void)
{
    while (world->held == NULL)
        loop_run(world->loop);
}

void world_wait_until_empty(void)
{
    while (http_server_connections(world->server) > 0)
        world_run_dry();
}

static void on_guard(struct loop_timer *timer)
{
    (void)timer;
    fail_msg("nothing happened for too long");
}

int world_set_up(void **state)
{
    (void)state;
    world = mem_zalloc(sizeof(*world));
    world->loop = loop_new();
    world->options = (struct http_options){PATIENCE,          PATIENCE,
                                           PATIENCE,          .header_bytes = 16 * 1024,
                                           .body_bytes = 100, .batch_bytes = 2 * LIMIT_LARGE_BODY};
    world->client.fd = -1;
    world->peer = address_from_ipv4((const uint8_t[]){192, 0, 2, 7});
    const struct http_route_table tables[] = {{routes, world}, {NULL, NULL}};
    world->server = http_server_new(world->loop, tables, &world->options);
    buf_init(&world->upgraded_bytes, 1000);
    loop_timer_init(&world->guard, world->loop, on_guard);
    loop_timer_set(&world->guard, clock_mono_ms() + PATIENCE);
    client_dial();
    return 0;
}

int world_tear_down(void **state)
{
    (void)state;
    client_hang_up();
    http_server_abort(world->server);
    world_wait_until_empty();
    stream_abort(&world->upgraded);
    buf_fini(&world->upgraded_bytes);
    http_server_free(&world->server);
    loop_timer_cancel(&world->guard);
    loop_free(&world->loop);
    mem_free(world);
    buf_fini(&last_bytes);
    return 0;
}

void world_run_for(int64_t duration)
{
    struct loop_timer timer;
    int64_t end = clock_mono_ms() + duration;
    loop_timer_init(&timer, world->loop, loop_end_run);
    loop_timer_set(&timer, end);
    while (loop_timer_is_set(&timer))
        loop_run(world->loop);
}

bool reply_body_has(const char *text)
{
    return strstr(last_reply.body.ptr, text) != NULL;
}
