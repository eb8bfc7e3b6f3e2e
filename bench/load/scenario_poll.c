/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET over keep-alive connections. Poll: Get order, each time of another order and its user; with an ETag, 304.
 * List: a page of a project's orders, each time from another one on.
 */
#include "load.h"

#include "base/mem.h"
#include "codec/base64.h"

#include <stdio.h>
#include <string.h>

enum { REQUEST_MAX = 4096, PAGE = 50 };

struct poll {
    struct wire wire;
    struct polls *polls;
    int64_t user; /* -1: nothing asked */
    int64_t due;
};

struct polls {
    struct load *load;
    struct poll *slots;
    struct buf *requests; /* one a user */
    const char *before;   /* the order in an answer */
    const char *after;    /* its order_id */
    int64_t open;
};

static void check(const struct poll *poll, const struct wire_message *answer)
{
    char start[64];
    const struct load *load = poll->polls->load;
    bool changed = load->options.etag == NULL;
    snprintf(start, sizeof(start), "%s{\"order_id\":%d%s", poll->polls->before,
             orders_id(load, poll->user, 0), poll->polls->after);
    bool fits = answer->body.len == 0;
    if (changed && load->options.kind == LOAD_ORDERWIRE)
        fits = str_starts_with(answer->body, str_from(start));
    else if (changed)
        fits = answer->body.len > 0;
    if (answer->status != (changed ? 200 : 304) || !fits)
        wire_fail("the order of user %lld was answered %d %.*s", (long long)poll->user,
                  answer->status, STR_ARG(answer->body));
}

static size_t input(struct wire *wire, struct str bytes)
{
    struct poll *poll = CONTAINER_OF(wire, struct poll, wire);
    struct str rest = bytes;
    struct wire_message answer;
    if (poll->user < 0 || !wire_take_message(&rest, &answer))
        return 0;
    check(poll, &answer);
    histogram_add(&poll->polls->load->latency, wire_now() - poll->due);
    poll->user = -1;
    poll->polls->open--;
    return bytes.len - rest.len;
}

static void ended(struct wire *wire, const char *why)
{
    (void)wire;
    wire_fail("a polling connection ended: %s", why);
}

static bool send_poll(void *owner, int64_t n, int64_t due)
{
    struct polls *p = owner;
    const struct load_options *options = &p->load->options;
    for (int64_t i = 0; i < options->connections; i++) {
        struct poll *poll = &p->slots[i];
        if (poll->user >= 0)
            continue;
        poll->user = n % options->users;
        poll->due = due;
        p->open++;
        wire_send(&poll->wire, buf_view(&p->requests[poll->user]));
        return true;
    }
    return false;
}

static bool is_done(void *owner)
{
    const struct polls *p = owner;
    return p->open == 0;
}

static void ask_page(const struct load *load, int64_t user, struct buf *out)
{
    char before[16];
    snprintf(before, sizeof(before), "%d", orders_id(load, user, 0) + 1);
    buf_printf(out, "GET /server/v1/project/%lld/orders?limit=%d&cursor=",
               (long long)load->options.project, PAGE);
    base64_encode_url(str_from(before), out);
    buf_append_text(out, " HTTP/1.1\r\nHost: bench\r\n");
    orders_authorization(load, out);
    buf_append_text(out, "\r\n");
}

static void ask_order(const struct load *load, int64_t user, struct buf *out)
{
    const struct load_options *options = &load->options;
    buf_printf(out, "GET /api/v2/project/%lld/order/%d HTTP/1.1\r\nHost: bench\r\n",
               (long long)options->project, orders_id(load, user, 0));
    buf_append_text(out, "Authorization: Bearer ");
    orders_token(load, user, out);
    if (options->etag)
        buf_printf(out, "\r\nIf-None-Match: %s", options->etag);
    buf_append_text(out, "\r\n\r\n");
}

static void run(struct load *load, const char *before, const char *after,
                void (*ask)(const struct load *load, int64_t user, struct buf *out))
{
    const struct load_options *options = &load->options;
    poster_prepare(load, poster_new(load, NULL, NULL));
    struct polls p = {.load = load, .before = before, .after = after};
    p.slots = mem_zalloc((size_t)options->connections * sizeof(*p.slots));
    p.requests = mem_zalloc((size_t)options->users * sizeof(*p.requests));
    for (int64_t i = 0; i < options->users; i++) {
        buf_init(&p.requests[i], REQUEST_MAX);
        ask(load, i, &p.requests[i]);
    }
    for (int64_t i = 0; i < options->connections; i++) {
        struct poll *poll = &p.slots[i];
        poll->polls = &p;
        poll->user = -1;
        poll->wire.input = input;
        poll->wire.ended = ended;
        wire_open(&poll->wire, &load->wires, &load->address, 0);
    }
    struct flow flow = {.send = send_poll, .is_done = is_done, .owner = &p};
    flow_measure(load, &flow);
}

void scenario_poll(struct load *load)
{
    run(load, "", ",\"status\":\"new\"", ask_order);
}

void scenario_list(struct load *load)
{
    run(load, "{\"orders\":[", ",\"user_external_id\":", ask_page);
}
