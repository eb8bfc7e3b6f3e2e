/* SPDX-License-Identifier: Apache-2.0 */
/* Upgrade, connect, and each event checked: the right order, the right status, none lost, doubled or early. */
#include "load.h"

#include "base/mem.h"

#include <stdio.h>
#include <string.h>

enum { AT_ONCE = 100, COMMAND_MAX = 4096, MESSAGE_MAX = 2048 };

enum { TEXT = 1, CLOSE = 8, PING = 9, PONG = 10 };

void subscriber_send(struct subscriber *s, struct str text)
{
    struct buf frame;
    buf_init(&frame, COMMAND_MAX);
    wire_put_frame(&frame, TEXT, text);
    wire_send(&s->wire, buf_view(&frame));
    buf_fini(&frame);
}

static void send_connect(struct subscriber *s)
{
    struct buf text;
    buf_init(&text, COMMAND_MAX);
    if (s->load->options.kind == LOAD_ORDERWIRE) {
        buf_append_text(&text, "{\"connect\":{\"data\":{\"auth\":\"");
        orders_token(s->load, s->user, &text);
        buf_printf(&text, "\",\"project_id\":%lld}},\"id\":1}",
                   (long long)s->load->options.project);
    } else {
        buf_append_text(&text, "{\"connect\":{},\"id\":1}\n{\"subscribe\":{\"channel\":\"");
        orders_user(s->load, s->user, &text);
        buf_append_text(&text, "\"},\"id\":2}");
    }
    subscriber_send(s, buf_view(&text));
    buf_fini(&text);
}

static void go_live(struct subscriber *s)
{
    s->state = SUBSCRIBER_LIVE;
    if (s->live)
        s->live(s);
}

/* The whole number behind `name` in a JSON text of known form; -1 when it is not there. */
static int64_t number_in(struct str text, const char *name)
{
    const char *at = memmem(text.ptr, text.len, name, strlen(name));
    if (!at)
        return -1;
    int64_t value = 0;
    for (at += strlen(name); at < text.ptr + text.len && *at >= '0' && *at <= '9'; at++)
        value = value * 10 + *at - '0';
    return value;
}

static bool contains(struct str text, const char *what)
{
    return memmem(text.ptr, text.len, what, strlen(what)) != NULL;
}

/* Ends the process unless it is the user's update number `update`. */
static void check(const struct subscriber *s, struct str text, int64_t update, int64_t offset)
{
    char status[32];
    snprintf(status, sizeof(status), "\"status\":\"%s\"", orders_status(update));
    if ((offset >= 0 && offset != s->first + update + 1) || !contains(text, status) ||
        number_in(text, "\"order_id\":") != orders_id(s->load, s->user, update))
        wire_fail("user %lld at offset %lld got %.*s", (long long)s->user, (long long)s->offset,
                  STR_ARG(text));
}

static void take_event(struct subscriber *s, struct str text)
{
    if (s->load->ignores_events)
        return;
    int64_t offset = number_in(text, "\"offset\":");
    /* Where its order stands is told to a fresh connection, once and without an offset. */
    if (offset < 0 && s->load->options.kind == LOAD_ORDERWIRE && !s->told) {
        check(s, text, s->offset - 1, offset);
        s->told = true;
        if (s->latest)
            s->latest(s);
        return;
    }
    check(s, text, s->offset, offset);
    s->offset++;
    if (s->event)
        s->event(s);
}

static void take_reply(struct subscriber *s, struct str text)
{
    if (!contains(text, "\"connect\":{") && !contains(text, "\"subscribe\":{"))
        wire_fail("user %lld got %.*s", (long long)s->user, STR_ARG(text));
    if (s->load->options.kind == LOAD_CENTRIFUGE && !contains(text, "\"subscribe\":{"))
        return;
    int64_t offset = number_in(text, "\"offset\":");
    if (s->load->options.kind == LOAD_CENTRIFUGE)
        s->first = offset < 0 ? 0 : offset;
    else
        s->offset = offset < 0 ? 0 : offset;
    go_live(s);
}

static void take_text(struct subscriber *s, struct str text)
{
    if (str_equal_text(text, "{}")) {
        s->pings++;
        subscriber_send(s, text);
    } else if (s->state == SUBSCRIBER_CONNECTING) {
        take_reply(s, text);
    } else if (s->reply && !contains(text, "\"push\":{")) {
        s->reply(s, text);
    } else {
        take_event(s, text);
    }
}

static void take_frame(struct subscriber *s, int opcode, struct str payload)
{
    struct buf frame;
    struct str rest = payload;
    struct str line;
    switch (opcode) {
    case TEXT:
        while (s->wire.open && str_split(&rest, '\n', &line))
            take_text(s, line);
        return;
    case PING:
        s->pings++;
        buf_init(&frame, COMMAND_MAX);
        wire_put_frame(&frame, PONG, payload);
        wire_send(&s->wire, buf_view(&frame));
        buf_fini(&frame);
        return;
    default:
        wire_fail("user %lld got a frame with opcode %d: %.*s", (long long)s->user, opcode,
                  STR_ARG(payload));
    }
}

static void take_upgrade(struct subscriber *s, struct str *bytes)
{
    struct wire_message answer;
    if (!wire_take_message(bytes, &answer))
        return;
    if (answer.status != 101 || !str_equal_text(wire_header(answer.head, "sec-websocket-accept"),
                                                "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="))
        wire_fail("user %lld was not upgraded: %.*s", (long long)s->user, STR_ARG(answer.head));
    enum load_kind kind = s->load->options.kind;
    s->state = SUBSCRIBER_CONNECTING;
    if (kind == LOAD_ORDERWIRE || kind == LOAD_CENTRIFUGE)
        send_connect(s);
    else
        go_live(s);
}

static size_t input(struct wire *wire, struct str bytes)
{
    struct subscriber *s = CONTAINER_OF(wire, struct subscriber, wire);
    struct str rest = bytes;
    int opcode;
    struct str payload;
    if (s->state == SUBSCRIBER_UPGRADING)
        take_upgrade(s, &rest);
    while (wire->open && s->state != SUBSCRIBER_UPGRADING &&
           wire_take_frame(&rest, &opcode, &payload))
        take_frame(s, opcode, payload);
    return bytes.len - rest.len;
}

static void ended(struct wire *wire, const char *why)
{
    const struct subscriber *s = CONTAINER_OF(wire, struct subscriber, wire);
    wire_fail("the connection of user %lld ended: %s", (long long)s->user, why);
}

void subscriber_open(struct subscriber *s, int source)
{
    struct buf request;
    buf_init(&request, COMMAND_MAX);
    bool by_path = s->load->options.kind == LOAD_LIMIT || s->load->options.kind == LOAD_NCHAN;
    buf_printf(&request, "GET %s", by_path ? "/sub/" : s->load->options.path);
    if (by_path)
        buf_append_int(&request, s->user);
    buf_append_text(&request,
                    " HTTP/1.1\r\nHost: bench\r\nConnection: Upgrade\r\n"
                    "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
    s->state = SUBSCRIBER_UPGRADING;
    s->offset = 0;
    s->told = false;
    s->wire.input = input;
    s->wire.ended = ended;
    wire_open(&s->wire, &s->load->wires, &s->load->address, source);
    wire_send(&s->wire, buf_view(&request));
    buf_fini(&request);
}

/* Opening all, some at a time. */
struct opening {
    struct subscriber *all;
    int64_t live;
};

static void counted(struct subscriber *s)
{
    struct opening *opening = s->owner;
    opening->live++;
}

static bool all_opened(void *owner)
{
    const struct opening *opening = owner;
    const struct subscriber *last = &opening->all[0];
    return opening->live == last->load->options.users;
}

static bool open_next(void *owner, int64_t n, int64_t due)
{
    struct opening *opening = owner;
    (void)due;
    if (n - opening->live >= AT_ONCE)
        return false;
    subscriber_open(&opening->all[n], 1 + (int)(n / 10000));
    return true;
}

struct subscriber *subscriber_open_all(struct load *load, void (*event)(struct subscriber *),
                                       void *owner)
{
    int64_t users = load->options.users;
    struct subscriber *all = mem_zalloc((size_t)users * sizeof(*all));
    struct opening opening = {.all = all};
    for (int64_t i = 0; i < users; i++) {
        all[i].load = load;
        all[i].user = i;
        all[i].live = counted;
        all[i].owner = &opening;
    }
    struct flow flow = {
        .send = open_next, .is_done = all_opened, .owner = &opening, .count = users};
    flow_run(load, &flow);
    for (int64_t i = 0; i < users; i++) {
        all[i].live = NULL;
        all[i].event = event;
        all[i].owner = owner;
    }
    return all;
}
