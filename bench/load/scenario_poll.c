/* SPDX-License-Identifier: Apache-2.0 */
/* Get order over keep-alive connections, each time of another order and its user; with an ETag, 304. */
#include "load.h"

#include "base/mem.h"

#include <stdio.h>
#include <string.h>

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
    int64_t open;
};

static void check(const struct poll *poll, const struct wire_message *answer)
{
    char start[64];
    const struct load *load = poll->polls->load;
    bool changed = load->options.etag == NULL;
    snprintf(start, sizeof(start), "{\"order_id\":%d,\"status\":\"new\"",
             orders_id(load, poll->user, 0));
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

static void make_request(const struct load *load, int64_t user, struct buf *out)
{
    const struct load_options *options = &load->options;
    buf_init(out, 4096);
    buf_printf(out, "GET /api/v2/project/%lld/order/%d HTTP/1.1\r\nHost: bench\r\n",
               (long long)options->project, orders_id(load, user, 0));
    buf_append_text(out, "Authorization: Bearer ");
    orders_token(load, user, out);
    if (options->etag)
        buf_printf(out, "\r\nIf-None-Match: %s", options->etag);
    buf_append_text(out, "\r\n\r\n");
}

void scenario_poll(struct load *load)
{
    const struct load_options *options = &load->options;
    poster_prepare(load, poster_new(load, NULL, NULL));
    struct polls p = {.load = load};
    p.slots = mem_zalloc((size_t)options->connections * sizeof(*p.slots));
    p.requests = mem_zalloc((size_t)options->users * sizeof(*p.requests));
    for (int64_t i = 0; i < options->users; i++)
        make_request(load, i, &p.requests[i]);
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
