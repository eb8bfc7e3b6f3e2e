/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Batches over a few keep-alive connections, one on each at a time. A user's next update waits for
 * the answer to the one before: a status that overtakes another would be a load of its own kind.
 */
#include "load.h"

#include "base/mem.h"

#include <stdio.h>
#include <string.h>

enum { DUES = 65536 };

struct post {
    struct wire wire;
    struct poster *poster;
    int64_t batch; /* -1: none under way */
    int64_t due;
    int answers; /* still to come */
};

struct poster {
    struct load *load;
    void (*answered)(void *owner, int64_t due);
    void *owner;
    struct post *posts;
    int64_t open; /* under way */
    struct buf request;
    int64_t dues[DUES];
};

/* How many times `what` stands in `text`. */
static int64_t count_of(struct str text, const char *what)
{
    int64_t count = 0;
    size_t length = strlen(what);
    const char *end = text.ptr + text.len;
    for (const char *at = text.ptr; (at = memmem(at, (size_t)(end - at), what, length)); count++)
        at += length;
    return count;
}

/* Each update was applied, and as the next one of its order. */
static void check(const struct post *post, const struct wire_message *answer)
{
    const struct load_options *options = &post->poster->load->options;
    if (answer->status < 200 || answer->status > 299)
        wire_fail("batch %lld was answered %d: %.*s", (long long)post->batch, answer->status,
                  STR_ARG(answer->body));
    if (options->kind != LOAD_ORDERWIRE)
        return;
    char seq[32];
    snprintf(seq, sizeof(seq), "\"seq\":%lld,",
             (long long)(post->batch * options->batch / options->users % 3 + 1));
    int64_t applied = count_of(answer->body, "\"applied\":true");
    bool created = answer->status == 201;
    if (count_of(answer->body, seq) != options->batch || (!created && applied != options->batch))
        wire_fail("batch %lld: not every update was applied in its order: %.*s",
                  (long long)post->batch, STR_ARG(answer->body));
}

static size_t take_answers(struct wire *wire, struct str bytes)
{
    struct post *post = CONTAINER_OF(wire, struct post, wire);
    struct poster *poster = post->poster;
    struct str rest = bytes;
    struct wire_message answer;
    while (post->answers > 0 && wire_take_message(&rest, &answer)) {
        check(post, &answer);
        if (--post->answers > 0)
            continue;
        post->batch = -1;
        poster->open--;
        if (poster->answered)
            poster->answered(poster->owner, post->due);
    }
    return bytes.len - rest.len;
}

static void post_ended(struct wire *wire, const char *why)
{
    (void)wire;
    wire_fail("a posting connection ended: %s", why);
}

struct poster *poster_new(struct load *load, void (*answered)(void *owner, int64_t due),
                          void *owner)
{
    struct poster *poster = mem_zalloc(sizeof(*poster));
    poster->load = load;
    poster->answered = answered;
    poster->owner = owner;
    poster->posts = mem_zalloc((size_t)load->options.posters * sizeof(struct post));
    buf_init(&poster->request, 64 * 1024 * 1024);
    for (int64_t i = 0; i < load->options.posters; i++) {
        struct post *post = &poster->posts[i];
        post->poster = poster;
        post->batch = -1;
        post->wire.input = take_answers;
        post->wire.ended = post_ended;
        wire_open(&post->wire, &load->wires, &load->address, 0);
    }
    return poster;
}

bool poster_send(void *owner, int64_t batch, int64_t due)
{
    struct poster *poster = owner;
    const struct load_options *options = &poster->load->options;
    int64_t oldest = batch;
    struct post *idle = NULL;
    for (int64_t i = 0; i < options->posters; i++) {
        struct post *post = &poster->posts[i];
        if (post->batch < 0)
            idle = post;
        else if (post->batch < oldest)
            oldest = post->batch;
    }
    if (!idle || (batch - oldest + 1) * options->batch > options->users)
        return false;
    buf_clear(&poster->request);
    idle->answers = orders_request(poster->load, batch * options->batch, &poster->request);
    idle->batch = batch;
    idle->due = due;
    poster->dues[batch % DUES] = due;
    poster->open++;
    wire_send(&idle->wire, buf_view(&poster->request));
    return true;
}

bool poster_is_done(void *owner)
{
    const struct poster *poster = owner;
    return poster->open == 0;
}

int64_t poster_due(const struct poster *poster, int64_t batch)
{
    return poster->dues[batch % DUES];
}

int64_t poster_prepare(struct load *load, struct poster *poster)
{
    if (load->options.kind != LOAD_ORDERWIRE || load->options.prepared)
        return 0;
    struct flow flow = {
        .send = poster_send,
        .is_done = poster_is_done,
        .owner = poster,
        .count = load->options.users / load->options.batch,
    };
    flow_run(load, &flow);
    return flow.sent;
}
