/* SPDX-License-Identifier: Apache-2.0 */
/* Whose turn it is, and how that is said to each kind of server. A content comes with each new order. */
#include "load.h"

#include "codec/base64.h"
#include "codec/jwt.h"

#include <stdio.h>

static const char *const statuses[] = {"new", "paid", "done"};

#define STATUS_COUNT ((int64_t)ARRAY_LENGTH(statuses))

/* As a store of games sends it. */
#define CONTENT                                                                                    \
    "{\"price\":{\"amount\":\"4.99\",\"amount_without_discount\":\"4.99\",\"currency\":\"USD\"},"  \
    "\"virtual_price\":null,\"is_free\":false,\"items\":[{\"sku\":\"com.example.sword_of_dawn\","  \
    "\"quantity\":1,\"is_free\":false,\"price\":{\"amount\":\"4.99\","                             \
    "\"amount_without_discount\":\"4.99\",\"currency\":\"USD\"}}]}"

enum { BODY_MAX = 2 * 1024 * 1024, TOKEN_LIFE = 24 * 3600 };

int32_t orders_id(const struct load *load, int64_t user, int64_t update)
{
    const struct load_options *options = &load->options;
    return (int32_t)(options->first_order + user * options->user_step +
                     update / STATUS_COUNT * options->users * options->user_step);
}

const char *orders_status(int64_t update)
{
    return statuses[update % STATUS_COUNT];
}

void orders_user(const struct load *load, int64_t user, struct buf *out)
{
    buf_append_text(out, "user-");
    buf_append_int(out, load->options.first_user + user * load->options.user_step);
}

void orders_token(const struct load *load, int64_t user, struct buf *out)
{
    struct buf claims;
    buf_init(&claims, 1024);
    buf_append_text(&claims, "{\"sub\":\"");
    orders_user(load, user, &claims);
    buf_printf(&claims, "\",\"iat\":%lld,\"exp\":%lld}", (long long)time(NULL),
               (long long)time(NULL) + TOKEN_LIFE);
    jwt_encode_hs256(buf_view(&claims), str_from(load->options.secret), out);
    buf_fini(&claims);
}

void orders_authorization(const struct load *load, struct buf *out)
{
    struct buf pair;
    buf_init(&pair, 1024);
    buf_printf(&pair, "%lld:%s", (long long)load->options.project, load->options.key);
    buf_append_text(out, "Authorization: Basic ");
    base64_encode(buf_view(&pair), out);
    buf_append_text(out, "\r\n");
    buf_fini(&pair);
}

static void order_line(const struct load *load, int64_t n, struct buf *out)
{
    int64_t user = n % load->options.users;
    int64_t update = n / load->options.users;
    buf_append_text(out, "{\"order_id\":");
    buf_append_int(out, orders_id(load, user, update));
    buf_append_text(out, ",\"user_external_id\":\"");
    orders_user(load, user, out);
    buf_append_text(out, "\",\"status\":\"");
    buf_append_text(out, orders_status(update));
    buf_append_text(out, update % STATUS_COUNT == 0 ? "\",\"content\":" CONTENT "}" : "\"}");
}

static void post(const struct load *load, const char *path, const struct buf *body, struct buf *out)
{
    buf_printf(out, "POST %s HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n", path);
    if (load->options.kind == LOAD_ORDERWIRE)
        orders_authorization(load, out);
    if (load->options.kind == LOAD_CENTRIFUGE)
        buf_printf(out, "X-API-Key: %s\r\n", load->options.key);
    buf_printf(out, "Content-Length: %zu\r\n\r\n", body->len);
    buf_append_str(out, buf_view(body));
}

static void publication(const struct load *load, int64_t n, struct buf *out)
{
    int64_t update = n / load->options.users;
    buf_printf(out, "{\"order_id\":%d,\"status\":\"%s\"}",
               orders_id(load, n % load->options.users, update), orders_status(update));
}

static int to_orderwire(const struct load *load, int64_t first, struct buf *body, struct buf *out)
{
    char path[128];
    const struct load_options *options = &load->options;
    for (int64_t n = first; n < first + options->batch; n++) {
        order_line(load, n, body);
        buf_append_byte(body, '\n');
    }
    snprintf(path, sizeof(path), "/server/v1/project/%lld/orders%s", (long long)options->project,
             options->batch > 1 ? "/batch" : "");
    post(load, path, body, out);
    return 1;
}

static int to_limit(const struct load *load, int64_t first, struct buf *body, struct buf *out)
{
    char path[128];
    const struct load_options *options = &load->options;
    snprintf(path, sizeof(path), "/push/%lld/%lld", (long long)(first % options->users),
             (long long)options->batch);
    post(load, path, body, out);
    return 1;
}

static int to_nchan(const struct load *load, int64_t first, struct buf *body, struct buf *out)
{
    char path[128];
    for (int64_t n = first; n < first + load->options.batch; n++) {
        buf_clear(body);
        publication(load, n, body);
        snprintf(path, sizeof(path), "/pub/%lld", (long long)(n % load->options.users));
        post(load, path, body, out);
    }
    return (int)load->options.batch;
}

static int to_centrifuge(const struct load *load, int64_t first, struct buf *body, struct buf *out)
{
    buf_append_text(body, "{\"commands\":[");
    for (int64_t n = first; n < first + load->options.batch; n++) {
        buf_append_text(body, n > first ? "," : "");
        buf_append_text(body, "{\"publish\":{\"channel\":\"");
        orders_user(load, n % load->options.users, body);
        buf_append_text(body, "\",\"data\":");
        publication(load, n, body);
        buf_append_text(body, "}}");
    }
    buf_append_text(body, "]}");
    post(load, load->options.publish, body, out);
    return 1;
}

int orders_request(const struct load *load, int64_t first, struct buf *out)
{
    typedef int writer(const struct load *, int64_t, struct buf *, struct buf *);
    static writer *const writers[] = {
        [LOAD_ORDERWIRE] = to_orderwire,
        [LOAD_LIMIT] = to_limit,
        [LOAD_NCHAN] = to_nchan,
        [LOAD_CENTRIFUGE] = to_centrifuge,
    };
    struct buf body;
    buf_init(&body, BODY_MAX);
    int answers = writers[load->options.kind](load, first, &body, out);
    buf_fini(&body);
    return answers;
}
