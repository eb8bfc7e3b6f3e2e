/* SPDX-License-Identifier: Apache-2.0 */
/* Durable updates and nothing else: in batches, or one by one from many writers (a batch of 1). */
#include "load.h"

static void answered(void *owner, int64_t due)
{
    struct load *load = owner;
    histogram_add(&load->latency, wire_now() - due);
}

void scenario_ingest(struct load *load)
{
    struct poster *poster = poster_new(load, answered, load);
    struct flow flow = {.send = poster_send, .is_done = poster_is_done, .owner = poster};
    flow_measure(load, &flow);
    load->units *= load->options.batch;
}
