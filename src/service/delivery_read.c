/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Endpoints, deliveries and attempts as JSON. What receivers answered is anybody's bytes, and there
 * may be much of it: it is made UTF-8, and left out once half of the room for an answer is used, so
 * that an order with a long history can still be read.
 */
#include "service/delivery.h"

#include "base/err.h"
#include "base/limits.h"
#include "base/mem.h"
#include "codec/json.h"
#include "service/list_cursor.h"
#include "service/service.h"
#include "webhook/webhook_message.h"

#include <stdio.h>

enum {
    TYPE_SIZE = 64,
    ROOM = 64 * 1024,        /* bytes: one more row fits into what is left */
    ORDER_DELIVERIES = 1000, /* the latest ones of an order */
};

const char *const delivery_state_words[] = {
    [STORE_DELIVERY_WAITING] = "waiting",       [STORE_DELIVERY_BLOCKED] = "blocked",
    [STORE_DELIVERY_DELIVERED] = "delivered",   [STORE_DELIVERY_DEAD] = "dead",
    [STORE_DELIVERY_SUPERSEDED] = "superseded", NULL,
};

/* Rows, kept while other look-ups are made for each of them. */
struct row {
    struct store_delivery delivery; /* .type is not set */
    char type[TYPE_SIZE];
};

struct rows {
    struct row *list;
    size_t count;
    size_t capacity;
};

static void keep_row(struct row *row, const struct store_delivery *delivery)
{
    row->delivery = *delivery;
    row->delivery.type = STR_LIT("");
    snprintf(row->type, sizeof(row->type), "%.*s", STR_ARG(delivery->type));
}

static void add_row(void *argument, const struct store_delivery *delivery)
{
    struct rows *rows = argument;
    if (rows->count == rows->capacity) {
        rows->capacity = rows->capacity > 0 ? rows->capacity * 2 : 16;
        rows->list = mem_realloc(rows->list, rows->capacity * sizeof(struct row));
    }
    keep_row(&rows->list[rows->count++], delivery);
}

/* An event's delivery is of the type that its body has. */
static int find_type(struct service *service, struct row *row)
{
    struct store_delivery_payload payload;
    if (row->delivery.order_id == 0)
        return 0;
    int rc = store_delivery_payload(service->reader, row->delivery.delivery_id, &payload);
    if (rc == 0)
        snprintf(row->type, sizeof(row->type), "order.%s", order_status_word(payload.event.status));
    return rc == ERR_NOT_FOUND ? 0 : rc;
}

static void write_number(struct buf *out, const char *key, int64_t value)
{
    if (value != 0)
        json_write_int(out, key, value);
    else
        json_write_raw(out, key, STR_LIT(""));
}

static void write_time(struct buf *out, const char *key, int64_t at)
{
    if (at != 0)
        json_write_time(out, key, at);
    else
        json_write_raw(out, key, STR_LIT(""));
}

/* Without the closing brace. */
static int write_delivery(struct service *service, struct row *row, struct buf *out)
{
    const struct store_delivery *delivery = &row->delivery;
    char id[WEBHOOK_ID_SIZE];
    int rc = find_type(service, row);
    if (rc < 0)
        return rc;
    webhook_message_id(store_identity(service->store)->epoch, delivery->delivery_id, id);
    buf_append_byte(out, '{');
    json_write_int(out, "id", delivery->delivery_id);
    json_write_text(out, "message_id", str_from(id));
    json_write_int(out, "endpoint_id", delivery->endpoint_id);
    json_write_text(out, "type", str_from(row->type));
    write_number(out, "order_id", delivery->order_id);
    write_number(out, "seq", delivery->seq);
    json_write_text(out, "state", str_from(delivery_state_words[delivery->state]));
    json_write_int(out, "attempt_count", delivery->attempts);
    write_time(out, "next_at", delivery->state == STORE_DELIVERY_WAITING ? delivery->next_at : 0);
    json_write_time(out, "created_at", delivery->created_at);
    write_time(out, "finished_at", delivery->finished_at);
    return 0;
}

static size_t room_of(const struct buf *out)
{
    return out->overflow ? 0 : out->max - out->len;
}

static size_t length_of_character(struct str text)
{
    for (size_t length = 1; length <= 4 && length <= text.len; length++) {
        if (str_is_utf8(str_make(text.ptr, length)))
            return length;
    }
    return 0;
}

/* What is not UTF-8 becomes U+FFFD. */
static void write_bytes(struct buf *out, const char *key, struct str bytes)
{
    struct buf text;
    buf_init(&text, 3 * bytes.len + 1);
    while (bytes.len > 0) {
        size_t length = length_of_character(bytes);
        if (length > 0)
            buf_append(&text, bytes.ptr, length);
        else
            buf_append_text(&text, "\xEF\xBF\xBD");
        length += length == 0;
        bytes = str_make(bytes.ptr + length, bytes.len - length);
    }
    json_write_text(out, key, buf_view(&text));
    buf_fini(&text);
}

static void write_attempt(void *argument, const struct store_attempt *attempt)
{
    struct buf *out = argument;
    if (room_of(out) < ROOM)
        return;
    bool has_room = room_of(out) > out->max / 2;
    if (out->ptr[out->len - 1] != '[')
        buf_append_byte(out, ',');
    buf_append_byte(out, '{');
    json_write_int(out, "number", attempt->number);
    json_write_time(out, "started_at", attempt->started_at);
    json_write_key(out, "duration_ms");
    buf_printf(out, "%lld.%03lld", (long long)(attempt->duration_us / 1000),
               (long long)(attempt->duration_us % 1000));
    write_number(out, "status", attempt->status);
    if (attempt->error.len > 0)
        write_bytes(out, "error", attempt->error);
    else
        json_write_raw(out, "error", STR_LIT(""));
    write_bytes(out, "address", attempt->address);
    if (has_room) {
        write_bytes(out, "response_headers", attempt->headers);
        write_bytes(out, "response_body", attempt->body);
    }
    buf_append_byte(out, '}');
}

static int write_with_attempts(struct service *service, struct row *row, struct buf *out)
{
    int rc = write_delivery(service, row, out);
    if (rc < 0)
        return rc;
    json_write_key(out, "attempts");
    buf_append_byte(out, '[');
    rc = store_attempt_list(service->reader, row->delivery.delivery_id, write_attempt, out);
    buf_append_text(out, "]}");
    return rc;
}

static int end_read(struct service *service, const struct buf *out, int rc)
{
    if (rc == 0 && out->overflow)
        rc = ERR_TOO_LARGE;
    return store_end(service->reader, rc);
}

static int read_one(struct service *service, int32_t project_id, int64_t delivery_id,
                    struct buf *out)
{
    struct store_delivery delivery;
    struct row row;
    int rc = store_delivery_get(service->reader, delivery_id, &delivery);
    if (rc == 0 && delivery.project_id != project_id)
        rc = ERR_NOT_FOUND;
    if (rc < 0)
        return rc;
    keep_row(&row, &delivery);
    return write_with_attempts(service, &row, out);
}

int delivery_read(struct service *service, int32_t project_id, int64_t delivery_id, struct buf *out)
{
    int rc = store_begin(service->reader);
    if (rc == 0)
        rc = read_one(service, project_id, delivery_id, out);
    return end_read(service, out, rc);
}

static int write_list(struct service *service, const struct store_delivery_filter *filter,
                      struct rows *rows, struct buf *out)
{
    int64_t next = 0;
    int rc = store_delivery_list(service->reader, filter, add_row, rows, &next);
    buf_append_byte(out, '{');
    json_write_key(out, "deliveries");
    buf_append_byte(out, '[');
    for (size_t i = 0; i < rows->count && rc == 0; i++) {
        if (i > 0)
            buf_append_byte(out, ',');
        rc = write_delivery(service, &rows->list[i], out);
        buf_append_byte(out, '}');
    }
    buf_append_byte(out, ']');
    list_cursor_write(out, next);
    buf_append_byte(out, '}');
    return rc;
}

int delivery_read_list(struct service *service, const struct store_delivery_filter *filter,
                       struct buf *out)
{
    struct rows rows = {0};
    int rc = store_begin(service->reader);
    if (rc == 0)
        rc = write_list(service, filter, &rows, out);
    mem_free(rows.list);
    return end_read(service, out, rc);
}

/* The latest ones, newest first. */
static int collect_of_order(struct service *service, int32_t project_id, int32_t order_id,
                            struct rows *rows)
{
    struct store_delivery_filter filter = {
        .project_id = project_id,
        .order_id = order_id,
        .state = -1,
        .limit = LIMIT_LIST_PAGE,
    };
    int rc = 0;
    do {
        rc = store_delivery_list(service->reader, &filter, add_row, rows, &filter.before);
    } while (rc == 0 && filter.before != 0 && rows->count < ORDER_DELIVERIES);
    return rc;
}

int delivery_read_of_order(struct service *service, int32_t project_id, int32_t order_id,
                           struct buf *out)
{
    struct rows rows = {0};
    int rc = collect_of_order(service, project_id, order_id, &rows);
    json_write_key(out, "deliveries");
    buf_append_byte(out, '[');
    for (size_t i = rows.count; i > 0 && rc == 0 && room_of(out) > ROOM; i--) {
        if (i < rows.count)
            buf_append_byte(out, ',');
        rc = write_with_attempts(service, &rows.list[i - 1], out);
    }
    buf_append_byte(out, ']');
    mem_free(rows.list);
    return rc;
}

int delivery_read_endpoint(struct service *service, int32_t project_id, int64_t endpoint_id,
                           struct buf *out)
{
    struct store_endpoint endpoint;
    int rc = store_endpoint_get(service->reader, endpoint_id, &endpoint);
    if (rc == 0 && endpoint.project_id != project_id)
        rc = ERR_NOT_FOUND;
    if (rc < 0)
        return rc;
    webhook_endpoint_show(&endpoint, out);
    return out->overflow ? ERR_TOO_LARGE : 0;
}

struct page {
    struct buf *out;
    struct buf row;
    size_t rows;
    int64_t last;
    bool is_cut; /* the next row did not fit */
};

static void write_endpoint(void *argument, const struct store_endpoint *endpoint)
{
    struct page *page = argument;
    buf_clear(&page->row);
    if (page->rows > 0)
        buf_append_byte(&page->row, ',');
    webhook_endpoint_show(endpoint, &page->row);
    page->is_cut = page->is_cut || page->row.len + LIST_CURSOR_MAX > room_of(page->out);
    if (page->is_cut)
        return;
    buf_append_str(page->out, buf_view(&page->row));
    page->last = endpoint->endpoint_id;
    page->rows++;
}

int delivery_read_endpoints(struct service *service, int32_t project_id, int64_t after,
                            struct buf *out)
{
    struct page page = {.out = out};
    buf_init(&page.row, LIMIT_HTTP_RESPONSE);
    buf_append_byte(out, '{');
    json_write_key(out, "webhooks");
    buf_append_byte(out, '[');
    int rc = store_endpoint_list(service->reader, project_id, after, LIMIT_WEBHOOK_ENDPOINTS,
                                 write_endpoint, &page);
    buf_append_byte(out, ']');
    list_cursor_write(out, page.is_cut ? page.last : 0);
    buf_append_byte(out, '}');
    buf_fini(&page.row);
    return rc == 0 && out->overflow ? ERR_TOO_LARGE : rc;
}

int delivery_read_replay(struct service *service, int32_t project_id, int64_t endpoint_id,
                         int64_t replay_id, struct buf *out)
{
    struct store_replay replay;
    int rc = store_replay_get(service->reader, replay_id, &replay);
    if (rc == 0 && (replay.project_id != project_id || replay.endpoint_id != endpoint_id))
        rc = ERR_NOT_FOUND;
    if (rc < 0)
        return rc;
    buf_append_byte(out, '{');
    json_write_int(out, "id", replay.replay_id);
    json_write_int(out, "endpoint_id", replay.endpoint_id);
    json_write_time(out, "since", replay.since);
    json_write_time(out, "until", replay.until);
    json_write_int(out, "replayed", replay.replayed);
    json_write_bool(out, "finished", replay.finished_at != 0);
    json_write_time(out, "created_at", replay.created_at);
    write_time(out, "finished_at", replay.finished_at);
    buf_append_byte(out, '}');
    return out->overflow ? ERR_TOO_LARGE : 0;
}

struct search {
    int32_t seq;
    struct store_event event;
    bool is_found;
};

static void search_event(void *argument, const struct store_event *event)
{
    struct search *search = argument;
    if (event->seq != search->seq)
        return;
    search->event = *event;
    search->is_found = true;
}

int delivery_read_event(struct service *service, int32_t project_id, int32_t order_id, int32_t seq,
                        struct store_delivery_payload *payload)
{
    struct search search = {.seq = seq};
    struct store_order order;
    int rc = store_event_list(service->reader, project_id, order_id, search_event, &search);
    if (rc == 0 && !search.is_found)
        rc = ERR_NOT_FOUND;
    if (rc == 0)
        rc = store_order_get(service->reader, project_id, order_id, &order);
    if (rc < 0)
        return rc;
    *payload = (struct store_delivery_payload){
        .delivery = {.project_id = project_id, .order_id = order_id, .seq = seq},
        .event = search.event,
        .user_external_id = order.user_external_id,
        .is_free = order.is_free,
        .content = order.content,
        .custom_parameters = order.custom_parameters,
        .cancel_reason = order.cancel_reason,
        .newest_seq = seq,
    };
    payload->delivery.created_at = search.event.occurred_at;
    return 0;
}
