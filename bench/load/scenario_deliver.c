/* SPDX-License-Identifier: Apache-2.0 */
/* Batches in, each update out to its user's one live subscriber: the whole way, post to receive. */
#include "load.h"

struct deliver {
    struct load *load;
    struct poster *poster;
    struct flow flow;
    int64_t first; /* batch */
    int64_t received;
};

static void event(struct subscriber *s)
{
    struct deliver *d = s->owner;
    const struct load_options *options = &d->load->options;
    int64_t unit = (s->offset - 1) * options->users + s->user;
    histogram_add(&d->load->latency, wire_now() - poster_due(d->poster, unit / options->batch));
    d->received++;
}

static bool is_done(void *owner)
{
    const struct deliver *d = owner;
    int64_t sent = (d->flow.sent - d->first) * d->load->options.batch;
    return poster_is_done(d->poster) && d->received == sent;
}

static bool send_batch(void *owner, int64_t batch, int64_t due)
{
    const struct deliver *d = owner;
    return poster_send(d->poster, batch, due);
}

void scenario_deliver(struct load *load)
{
    struct deliver d = {.load = load, .poster = poster_new(load, NULL, NULL)};
    d.first = poster_prepare(load, d.poster);
    subscriber_open_all(load, event, &d);
    d.flow = (struct flow){
        .send = send_batch,
        .is_done = is_done,
        .owner = &d,
        .sent = d.first,
    };
    flow_measure(load, &d.flow);
    load->units *= load->options.batch;
}
