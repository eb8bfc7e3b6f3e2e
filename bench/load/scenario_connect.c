/* SPDX-License-Identifier: Apache-2.0 */
/* Cold connects, each gone as soon as it has its position and knows where its order stands. */
#include "load.h"

#include "base/mem.h"

struct connects {
    struct load *load;
    struct subscriber *slots;
    int64_t open;
};

static void finish(struct subscriber *s)
{
    struct connects *c = s->owner;
    wire_close(&s->wire);
    s->state = SUBSCRIBER_CLOSED;
    c->open--;
}

static void live(struct subscriber *s)
{
    struct load *load = s->load;
    histogram_add(&load->latency, wire_now() - s->due);
    bool has_order = load->options.kind == LOAD_ORDERWIRE;
    /* Who filled the store left each user one order that is new, wherever its stream stands. */
    if (load->options.prepared)
        s->offset = 1;
    if (has_order && s->offset != 1)
        wire_fail("user %lld connected at offset %lld", (long long)s->user, (long long)s->offset);
    if (!has_order)
        finish(s);
}

static bool send_connect(void *owner, int64_t n, int64_t due)
{
    struct connects *c = owner;
    const struct load_options *options = &c->load->options;
    for (int64_t i = 0; i < options->connections; i++) {
        struct subscriber *s = &c->slots[i];
        if (s->state != SUBSCRIBER_CLOSED)
            continue;
        s->due = due;
        s->user = n % options->users;
        c->open++;
        subscriber_open(s, 1 + (int)(n % 100));
        return true;
    }
    return false;
}

static bool is_done(void *owner)
{
    const struct connects *c = owner;
    return c->open == 0;
}

void scenario_connect(struct load *load)
{
    const struct load_options *options = &load->options;
    poster_prepare(load, poster_new(load, NULL, NULL));
    struct connects c = {.load = load};
    c.slots = mem_zalloc((size_t)options->connections * sizeof(*c.slots));
    for (int64_t i = 0; i < options->connections; i++) {
        c.slots[i].load = load;
        c.slots[i].owner = &c;
        c.slots[i].live = live;
        c.slots[i].latest = finish;
    }
    struct flow flow = {.send = send_connect, .is_done = is_done, .owner = &c};
    flow_measure(load, &flow);
    mem_free(c.slots);
}
