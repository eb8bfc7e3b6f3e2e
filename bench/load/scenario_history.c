/* SPDX-License-Identifier: Apache-2.0 */
/* Live WebSockets, one a user, each asked again and again for the ten last publications of its stream. */
#include "load.h"

#include <string.h>

enum { PAGE = 10, COMMAND_MAX = 256 };

struct histories {
    struct load *load;
    struct subscriber *all;
    int64_t open;
};

static int count(struct str text, const char *what)
{
    int found = 0;
    const char *end = text.ptr + text.len;
    for (const char *at = text.ptr; (at = memmem(at, (size_t)(end - at), what, strlen(what)));)
        found++, at++;
    return found;
}

static void reply(struct subscriber *s, struct str text)
{
    struct histories *h = s->owner;
    if (s->due == 0 || count(text, "\"history\":{") != 1 || count(text, "\"order_id\":") != PAGE)
        wire_fail("user %lld got %.*s", (long long)s->user, STR_ARG(text));
    histogram_add(&h->load->latency, wire_now() - s->due);
    s->due = 0;
    h->open--;
}

static bool ask(void *owner, int64_t n, int64_t due)
{
    struct histories *h = owner;
    struct subscriber *s = &h->all[n % h->load->options.users];
    struct buf text;
    if (s->due != 0 || h->open == h->load->options.connections)
        return false;
    s->due = due;
    h->open++;
    buf_init(&text, COMMAND_MAX);
    buf_append_text(&text, "{\"id\":2,\"history\":{\"channel\":\"");
    buf_printf(&text, "orders:%lld#", (long long)s->load->options.project);
    orders_user(s->load, s->user, &text);
    buf_printf(&text, "\",\"limit\":%d,\"reverse\":true}}", PAGE);
    subscriber_send(s, buf_view(&text));
    buf_fini(&text);
    return true;
}

static bool is_done(void *owner)
{
    const struct histories *h = owner;
    return h->open == 0;
}

void scenario_history(struct load *load)
{
    struct histories h = {.load = load};
    load->ignores_events = true;
    h.all = subscriber_open_all(load, NULL, &h);
    for (int64_t i = 0; i < load->options.users; i++) {
        h.all[i].due = 0;
        h.all[i].reply = reply;
    }
    struct flow flow = {.send = ask, .is_done = is_done, .owner = &h};
    flow_measure(load, &flow);
}
