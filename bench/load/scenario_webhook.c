/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Webhooks received. Without a rate: the endpoints are paused until all updates stand in the queue,
 * and then drained as fast as they can be; what is measured is the sending alone. With a rate: post to
 * receive, of endpoints that answer, while others hang. `receive` is the receiver alone.
 */
#include "load.h"

#include "base/mem.h"

#include <stdio.h>
#include <string.h>

enum { ORDERS = 1 << 20, CALL_SECONDS = 10, DRAIN_SECONDS = 60, ASK_AFTER_NS = 20000000 };

struct webhook {
    struct load *load;
    struct poster *poster;
    struct flow flow;
    struct wire listener;
    int port;
    uint8_t **seqs; /* by endpoint, by order: the last seq that came; NULL: one that hangs */
    int64_t received;
    int64_t expected;
    bool measures;
    /* A call under way. */
    struct wire call;
    bool answered;
    struct buf answer;
};

/* A connection that delivers. */
struct delivering {
    struct wire wire;
    struct webhook *webhook;
};

static int64_t number_after(struct str text, const char *name)
{
    const char *at = memmem(text.ptr, text.len, name, strlen(name));
    int64_t value = 0;
    if (!at)
        wire_fail("no %s in %.*s", name, STR_ARG(text));
    for (at += strlen(name); at < text.ptr + text.len && *at >= '0' && *at <= '9'; at++)
        value = value * 10 + *at - '0';
    return value;
}

static void check(struct webhook *w, int64_t endpoint, struct str body)
{
    const struct load_options *options = &w->load->options;
    int64_t order = number_after(body, "\"order_id\":") - options->first_order;
    int64_t seq = number_after(body, "\"seq\":");
    if (order < 0 || order >= ORDERS || w->seqs[endpoint][order] + 1 != seq)
        wire_fail("endpoint %lld: lost, doubled or out of order: %.*s", (long long)endpoint,
                  STR_ARG(body));
    w->seqs[endpoint][order]++;
    w->received++;
    if (!w->measures)
        return;
    int64_t update = order / options->users * 3 + seq - 1;
    int64_t unit = update * options->users + order % options->users;
    histogram_add(&w->load->latency, wire_now() - poster_due(w->poster, unit / options->batch));
}

static size_t take_delivery(struct wire *wire, struct str bytes)
{
    struct webhook *w = CONTAINER_OF(wire, struct delivering, wire)->webhook;
    struct str rest = bytes;
    struct wire_message message;
    while (wire_take_message(&rest, &message)) {
        int64_t endpoint = number_after(message.head, "/hook/");
        if (w->poster && w->seqs[endpoint] == NULL)
            continue;
        if (w->poster)
            check(w, endpoint, message.body);
        else
            w->received++;
        wire_send(wire, STR_LIT("HTTP/1.1 204 No Content\r\n\r\n"));
    }
    return bytes.len - rest.len;
}

static void delivering_ended(struct wire *wire, const char *why)
{
    (void)why;
    mem_free(CONTAINER_OF(wire, struct delivering, wire));
}

static void accepted(struct wire *listener, int fd)
{
    struct delivering *d = mem_zalloc(sizeof(*d));
    d->webhook = CONTAINER_OF(listener, struct webhook, listener);
    d->wire.input = take_delivery;
    d->wire.ended = delivering_ended;
    wire_adopt(&d->wire, listener->set, fd);
}

static void listen_for(struct webhook *w)
{
    w->listener.accepted = accepted;
    w->port = wire_listen(&w->listener, &w->load->wires);
}

static size_t take_answer(struct wire *wire, struct str bytes)
{
    struct webhook *w = CONTAINER_OF(wire, struct webhook, call);
    struct str rest = bytes;
    struct wire_message message;
    if (!wire_take_message(&rest, &message))
        return 0;
    if (message.status > 299)
        wire_fail("a call was answered %d: %.*s", message.status, STR_ARG(message.body));
    buf_clear(&w->answer);
    buf_append_str(&w->answer, message.body);
    w->answered = true;
    return bytes.len - rest.len;
}

static void call_ended(struct wire *wire, const char *why)
{
    (void)wire;
    wire_fail("the connection for calls ended: %s", why);
}

static bool is_answered(void *owner)
{
    const struct webhook *w = owner;
    return w->answered;
}

/* A call of the merchant; its answer is in w->answer. */
static void call(struct webhook *w, const char *method, const char *path, const char *body)
{
    struct buf request;
    buf_init(&request, 65536);
    buf_printf(&request, "%s %s HTTP/1.1\r\nHost: bench\r\n", method, path);
    orders_authorization(w->load, &request);
    buf_printf(&request, "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
               strlen(body), body);
    w->answered = false;
    wire_send(&w->call, buf_view(&request));
    buf_fini(&request);
    flow_wait(w->load, is_answered, w, CALL_SECONDS, path);
}

static void command(struct webhook *w, int64_t id, const char *word)
{
    char path[128];
    snprintf(path, sizeof(path), "/server/v1/project/%lld/webhooks/%lld/%s",
             (long long)w->load->options.project, (long long)id, word);
    call(w, "POST", path, "");
}

static void add_endpoints(struct webhook *w)
{
    char path[128];
    char body[256];
    const struct load_options *options = &w->load->options;
    w->seqs = mem_zalloc((size_t)options->endpoints * sizeof(*w->seqs));
    snprintf(path, sizeof(path), "/server/v1/project/%lld/webhooks", (long long)options->project);
    for (int64_t i = 0; i < options->endpoints; i++) {
        if (i >= options->hanging)
            w->seqs[i] = mem_zalloc(ORDERS);
        snprintf(body, sizeof(body),
                 "{\"url\":\"http://127.0.0.1:%d/hook/%lld\",\"concurrency\":%lld}", w->port,
                 (long long)i, (long long)options->connections);
        call(w, "POST", path, body);
    }
}

static bool all_received(void *owner)
{
    const struct webhook *w = owner;
    return w->received >= w->expected;
}

static bool is_done(void *owner)
{
    struct webhook *w = owner;
    const struct load_options *options = &w->load->options;
    w->expected = w->flow.sent * options->batch * (options->endpoints - options->hanging);
    return poster_is_done(w->poster) && all_received(w);
}

static bool send_batch(void *owner, int64_t batch, int64_t due)
{
    const struct webhook *w = owner;
    return poster_send(w->poster, batch, due);
}

static bool posted(void *owner)
{
    const struct webhook *w = owner;
    return poster_is_done(w->poster);
}

/* The last results are on disk too. Asking costs the server time that is measured: so not often. */
static void wait_for_records(struct webhook *w)
{
    do {
        int64_t until = wire_now() + ASK_AFTER_NS;
        while (wire_now() < until)
            wire_wait(&w->load->wires, until);
        call(w, "GET", "/metrics", "");
    } while (!memmem(w->answer.ptr, w->answer.len, "\norderwire_webhook_in_flight 0\n", 31));
}

static void drain_queue(struct webhook *w)
{
    struct load *load = w->load;
    const struct load_options *options = &load->options;
    for (int64_t i = 1; i <= options->endpoints; i++)
        command(w, i, "pause");
    w->flow.is_done = posted;
    w->flow.count = options->count / options->batch;
    flow_run(load, &w->flow);
    w->expected = w->flow.sent * options->batch * options->endpoints;
    flow_begin(load);
    for (int64_t i = 1; i <= options->endpoints; i++)
        command(w, i, "resume");
    flow_wait(load, all_received, w, DRAIN_SECONDS, "all webhooks");
    wait_for_records(w);
    flow_end(load);
    load->units = w->received;
}

void scenario_webhook(struct load *load)
{
    struct webhook w = {.load = load, .poster = poster_new(load, NULL, NULL)};
    buf_init(&w.answer, 1024 * 1024);
    listen_for(&w);
    w.call.input = take_answer;
    w.call.ended = call_ended;
    wire_open(&w.call, &load->wires, &load->address, 0);
    add_endpoints(&w);
    w.flow = (struct flow){.send = send_batch, .is_done = is_done, .owner = &w};
    w.measures = load->options.rate > 0;
    if (!w.measures) {
        drain_queue(&w);
        return;
    }
    flow_measure(load, &w.flow);
    load->units *= load->options.batch * (load->options.endpoints - load->options.hanging);
}

void scenario_receive(struct load *load)
{
    struct webhook w = {.load = load, .expected = load->options.count};
    listen_for(&w);
    printf("port %d\n", w.port);
    fflush(stdout);
    flow_begin(load);
    flow_wait(load, all_received, &w, DRAIN_SECONDS, "all requests");
    flow_end(load);
    load->units = w.received;
}
