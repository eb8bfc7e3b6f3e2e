/* SPDX-License-Identifier: Apache-2.0 */
/* Orders looked up and written as JSON, straight from the row: contents are in normal form already. */
#include "service/order_read.h"

#include "base/err.h"
#include "base/limits.h"
#include "codec/json.h"
#include "service/delivery.h"
#include "service/list_cursor.h"
#include "service/service.h"

static struct str content_of(const struct store_order *order)
{
    return order->content.len > 0 ? order->content : STR_LIT(ORDER_CONTENT_NONE);
}

static int find_for_user(struct service *service, int32_t project_id, int32_t order_id,
                         struct str user_external_id, struct store_order *order)
{
    int rc = store_order_get(service->reader, project_id, order_id, order);
    if (rc == 0 && !str_equal(order->user_external_id, user_external_id))
        rc = ERR_NOT_FOUND;
    return rc;
}

int order_read_for_user(struct service *service, int32_t project_id, int32_t order_id,
                        struct str user_external_id, struct buf *out, int32_t *seq)
{
    struct store_order order;
    int rc = find_for_user(service, project_id, order_id, user_external_id, &order);
    if (rc < 0)
        return rc;
    buf_append_byte(out, '{');
    json_write_int(out, "order_id", order.order_id);
    json_write_text(out, "status", str_from(order_status_word(order.status)));
    json_write_raw(out, "content", content_of(&order));
    buf_append_byte(out, '}');
    *seq = order.seq;
    return out->overflow ? ERR_TOO_LARGE : 0;
}

int order_read_seq(struct service *service, int32_t project_id, int32_t order_id,
                   struct str user_external_id, int32_t *seq)
{
    struct store_order order;
    int rc = find_for_user(service, project_id, order_id, user_external_id, &order);
    if (rc == 0)
        *seq = order.seq;
    return rc;
}

/* Without the closing brace. */
static void write_order(struct buf *out, const struct store_order *order)
{
    buf_append_byte(out, '{');
    json_write_int(out, "order_id", order->order_id);
    json_write_text(out, "user_external_id", order->user_external_id);
    json_write_text(out, "status", str_from(order_status_word(order->status)));
    json_write_int(out, "seq", order->seq);
    json_write_raw(out, "content", content_of(order));
    json_write_raw(out, "custom_parameters", order->custom_parameters);
    json_write_key(out, "cancel_reason");
    if (order->cancel_reason.len > 0)
        json_write_string(out, order->cancel_reason);
    else
        buf_append_text(out, "null");
    json_write_time(out, "created_at", order->created_at);
    json_write_time(out, "updated_at", order->updated_at);
}

static void write_event(void *argument, const struct store_event *event)
{
    struct buf *out = argument;
    if (out->len > 0 && out->ptr[out->len - 1] != '[')
        buf_append_byte(out, ',');
    buf_append_byte(out, '{');
    json_write_int(out, "seq", event->seq);
    json_write_text(out, "status", str_from(order_status_word(event->status)));
    json_write_text(out, "previous_status", str_from(order_status_word(event->previous)));
    json_write_bool(out, "synthetic", event->synthetic);
    json_write_int(out, "offset", event->offset);
    json_write_time(out, "occurred_at", event->occurred_at);
    buf_append_byte(out, '}');
}

static int write_whole(struct service *service, int32_t project_id, int32_t order_id,
                       struct buf *out, int32_t *seq)
{
    struct store_order order;
    int rc = store_order_get(service->reader, project_id, order_id, &order);
    if (rc < 0)
        return rc;
    write_order(out, &order);
    *seq = order.seq;
    json_write_key(out, "events");
    buf_append_byte(out, '[');
    rc = store_event_list(service->reader, project_id, order_id, write_event, out);
    buf_append_byte(out, ']');
    if (rc == 0)
        rc = delivery_read_of_order(service, project_id, order_id, out);
    buf_append_byte(out, '}');
    if (rc == 0 && out->overflow)
        rc = ERR_TOO_LARGE;
    return rc;
}

int order_read_for_merchant(struct service *service, int32_t project_id, int32_t order_id,
                            struct buf *out, int32_t *seq)
{
    int rc = store_begin(service->reader);
    if (rc == 0)
        rc = write_whole(service, project_id, order_id, out, seq);
    return store_end(service->reader, rc);
}

struct page {
    struct buf *out;
    struct buf row;
    size_t rows;
    int32_t
        stopped_before; /* where the next page begins, when this one is full before its end; or 0 */
};

static void write_row(void *argument, const struct store_order *order)
{
    struct page *page = argument;
    struct buf *out = page->out;
    if (page->stopped_before != 0)
        return;
    buf_clear(&page->row);
    if (page->rows > 0)
        buf_append_byte(&page->row, ',');
    write_order(&page->row, order);
    buf_append_byte(&page->row, '}');
    /* Room is left for the cursor. */
    if (page->rows > 0 && page->row.len + LIST_CURSOR_MAX > out->max - out->len) {
        page->stopped_before = order->order_id + 1;
        return;
    }
    buf_append_str(out, buf_view(&page->row));
    page->rows++;
}

int order_read_list(struct service *service, const struct store_order_filter *filter,
                    struct buf *out)
{
    struct page page = {.out = out};
    int32_t next = 0;
    buf_init(&page.row, LIMIT_HTTP_RESPONSE);
    buf_append_byte(out, '{');
    json_write_key(out, "orders");
    buf_append_byte(out, '[');
    int rc = store_order_list(service->reader, filter, write_row, &page, &next);
    buf_append_byte(out, ']');
    list_cursor_write(out, page.stopped_before != 0 ? page.stopped_before : next);
    buf_append_byte(out, '}');
    buf_fini(&page.row);
    if (rc == 0 && out->overflow)
        rc = ERR_TOO_LARGE;
    return rc;
}
