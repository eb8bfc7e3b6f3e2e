/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bodies and signatures. A body is made anew for each attempt from what was kept with the event, and
 * is the same to the byte each time: receivers compare and store what they verified.
 */
#include "webhook/webhook_message.h"

#include "base/crypto.h"
#include "base/err.h"
#include "codec/base64.h"

#include <inttypes.h>
#include <stdio.h>

enum { SECRET_BYTES_MAX = 128 };

static struct str or_else(struct str text, struct str fallback)
{
    return text.len > 0 ? text : fallback;
}

static void write_standard(const struct store_delivery_payload *payload, struct buf *out)
{
    const struct store_event *event = &payload->event;
    const char *status = order_status_word(event->status);
    buf_append_byte(out, '{');
    json_write_key(out, "type");
    buf_printf(out, "\"order.%s\"", status);
    json_write_time(out, "timestamp", event->occurred_at);
    json_write_key(out, "data");
    buf_append_byte(out, '{');
    json_write_int(out, "order_id", payload->delivery.order_id);
    json_write_text(out, "status", str_from(status));
    json_write_raw(out, "content", or_else(payload->content, STR_LIT(ORDER_CONTENT_NONE)));
    json_write_text(out, "user_external_id", payload->user_external_id);
    json_write_int(out, "seq", event->seq);
    json_write_text(out, "previous_status", str_from(order_status_word(event->previous)));
    json_write_key(out, "cancel_reason");
    if (payload->cancel_reason.len > 0)
        json_write_string(out, payload->cancel_reason);
    else
        buf_append_text(out, "null");
    json_write_time(out, "occurred_at", event->occurred_at);
    json_write_raw(out, "custom_parameters", payload->custom_parameters);
    json_write_bool(out, "synthetic", event->synthetic);
    buf_append_text(out, "}}");
}

static struct str text_in(const struct json *object, const char *name, const char *fallback)
{
    struct str text = str_from(fallback);
    (void)!json_as_string(json_get(object, name), &text);
    return text;
}

static void write_text_or_null(struct buf *out, const struct json *object, const char *name)
{
    struct str text;
    json_write_key(out, name);
    if (json_as_string(json_get(object, name), &text))
        json_write_string(out, text);
    else
        buf_append_text(out, "null");
}

/* The merchant's own array, else an empty one. */
static void write_promotions(struct buf *out, const struct json *object)
{
    const struct json *promotions = json_get_non_null(object, "promotions");
    json_write_key(out, "promotions");
    if (promotions != NULL && json_kind(promotions) == JSON_KIND_ARRAY)
        json_dump(promotions, out);
    else
        buf_append_text(out, "[]");
}

/* An amount as a decimal string, whether it is kept as one or as a number. */
static void write_amount(struct buf *out, const struct json *price)
{
    const struct json *amount = json_get_non_null(price, "amount");
    struct str text;
    json_write_key(out, "amount");
    if (json_as_string(amount, &text)) {
        json_write_string(out, text);
        return;
    }
    buf_append_byte(out, '"');
    if (amount != NULL &&
        (json_kind(amount) == JSON_KIND_INT || json_kind(amount) == JSON_KIND_REAL))
        json_dump(amount, out);
    else
        buf_append_byte(out, '0');
    buf_append_byte(out, '"');
}

static void write_item(struct buf *out, const struct json *item)
{
    const struct json *price = json_get_non_null(item, "price");
    const struct json *attributes = json_get_non_null(item, "custom_attributes");
    bool is_pre_order = false;
    int64_t quantity = 1;
    (void)!json_as_bool(json_get(item, "is_pre_order"), &is_pre_order);
    (void)!json_as_int(json_get(item, "quantity"), &quantity);
    buf_append_byte(out, '{');
    json_write_text(out, "sku", text_in(item, "sku", ""));
    json_write_text(out, "type", text_in(item, "type", "virtual_good"));
    json_write_bool(out, "is_pre_order", is_pre_order);
    json_write_int(out, "quantity", quantity);
    write_amount(out, price != NULL ? price : json_get_non_null(item, "virtual_price"));
    write_promotions(out, item);
    if (attributes != NULL && json_kind(attributes) == JSON_KIND_OBJECT) {
        json_write_key(out, "custom_attributes");
        json_dump(attributes, out);
    }
    buf_append_byte(out, '}');
}

static void write_items(struct buf *out, const struct json *content)
{
    const struct json *items = json_get_non_null(content, "items");
    size_t count = items != NULL && json_kind(items) == JSON_KIND_ARRAY ? json_length(items) : 0;
    json_write_key(out, "items");
    buf_append_byte(out, '[');
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            buf_append_byte(out, ',');
        write_item(out, json_at(items, i));
    }
    buf_append_byte(out, ']');
}

static void write_order(struct buf *out, const struct json *content,
                        const struct store_delivery_payload *payload)
{
    const struct json *real = json_get_non_null(content, "price");
    const struct json *virtual = json_get_non_null(content, "virtual_price");
    const struct json *price = real != NULL ? real : virtual;
    const char *type = real != NULL ? "real" : virtual != NULL ? "virtual" : "unknown";
    char number[16];
    snprintf(number, sizeof(number), "%" PRId32, payload->delivery.order_id);
    json_write_key(out, "order");
    buf_append_byte(out, '{');
    json_write_int(out, "id", payload->delivery.order_id);
    json_write_text(out, "mode", text_in(content, "mode", "default"));
    json_write_text(out, "currency_type", text_in(content, "currency_type", type));
    json_write_text(out, "currency", text_in(price, "currency", ""));
    write_amount(out, price);
    json_write_text(out, "status", str_from(order_status_word(payload->event.status)));
    write_text_or_null(out, content, "platform");
    write_text_or_null(out, content, "comment");
    json_write_text(out, "invoice_id", text_in(content, "invoice_id", number));
    write_promotions(out, content);
    buf_append_byte(out, '}');
}

/* E-mail and country come with the content, or else with the custom parameters. */
static void write_user_member(struct buf *out, const char *name, const struct json *content,
                              const struct json *custom)
{
    struct str text = text_in(content, name, "");
    if (text.len == 0)
        text = text_in(json_get(content, "user"), name, "");
    if (text.len == 0)
        text = text_in(custom, name, "");
    json_write_text(out, name, text);
}

static void write_xsolla(const struct store_delivery_payload *payload, struct buf *out)
{
    bool is_paid = payload->event.status == ORDER_PAID;
    struct json *content = json_parse(or_else(payload->content, STR_LIT(ORDER_CONTENT_NONE)), NULL);
    struct json *custom = json_parse(or_else(payload->custom_parameters, STR_LIT("{}")), NULL);
    buf_append_byte(out, '{');
    write_items(out, content);
    json_write_text(out, "notification_type",
                    is_paid ? STR_LIT("order_paid") : STR_LIT("order_canceled"));
    write_order(out, content, payload);
    json_write_key(out, "user");
    buf_append_byte(out, '{');
    json_write_text(out, "external_id", payload->user_external_id);
    write_user_member(out, "email", content, custom);
    write_user_member(out, "country", content, custom);
    buf_append_byte(out, '}');
    json_write_raw(out, "custom_parameters", or_else(payload->custom_parameters, STR_LIT("{}")));
    buf_append_byte(out, '}');
    json_free(&content);
    json_free(&custom);
}

int webhook_message_body(enum webhook_preset preset, const struct store_delivery_payload *payload,
                         struct buf *out)
{
    enum order_status status = payload->event.status;
    if (payload->body.len > 0)
        buf_append_str(out, payload->body);
    else if (preset == WEBHOOK_STANDARD)
        write_standard(payload, out);
    else if (status == ORDER_PAID || status == ORDER_CANCELED)
        write_xsolla(payload, out);
    else
        return ERR_NOT_FOUND;
    return out->overflow ? ERR_TOO_LARGE : 0;
}

void webhook_message_example(enum webhook_preset preset, enum order_status status, int64_t now_wall,
                             struct buf *out)
{
    bool is_first = status == ORDER_NEW;
    if (preset == WEBHOOK_XSOLLA && status != ORDER_CANCELED)
        status = ORDER_PAID;
    struct store_delivery_payload payload = {
        .delivery = {.order_id = 59614241},
        .event = {.seq = is_first ? 1 : 2,
                  .status = status,
                  .previous = status == ORDER_DONE ? ORDER_PAID : ORDER_NEW,
                  .occurred_at = now_wall},
        .user_external_id = STR_LIT("example-user"),
        .content = STR_LIT("{\"price\":{\"amount\":\"9.99\",\"amount_without_discount\":\"9.99\","
                           "\"currency\":\"USD\"},\"virtual_price\":null,\"is_free\":false,"
                           "\"items\":[{\"sku\":\"example_item\",\"quantity\":1,\"is_free\":false,"
                           "\"price\":{\"amount\":\"9.99\",\"amount_without_discount\":\"9.99\","
                           "\"currency\":\"USD\"}}],\"mode\":\"sandbox\"}"),
        .custom_parameters = STR_LIT("{\"example\":true}"),
        .cancel_reason = status == ORDER_CANCELED ? STR_LIT("refund") : STR_LIT(""),
    };
    (void)!webhook_message_body(preset, &payload, out);
}

void webhook_message_disabled(int64_t endpoint_id, struct str url, struct str reason,
                              int64_t now_wall, struct buf *out)
{
    buf_append_byte(out, '{');
    json_write_text(out, "type", STR_LIT("endpoint.disabled"));
    json_write_time(out, "timestamp", now_wall);
    json_write_key(out, "data");
    buf_append_byte(out, '{');
    json_write_int(out, "endpoint_id", endpoint_id);
    json_write_text(out, "url", url);
    json_write_text(out, "reason", reason);
    buf_append_text(out, "}}");
}

void webhook_message_id(const char *epoch, int64_t delivery_id, char out[WEBHOOK_ID_SIZE])
{
    snprintf(out, WEBHOOK_ID_SIZE, "msg_%.8s_%" PRId64, epoch, delivery_id);
}

static void add_line(struct webhook_headers *headers, const char *name, struct str value)
{
    snprintf(headers->lines[headers->count], sizeof(headers->lines[0]), "%s: %.*s", name,
             STR_ARG(value));
    headers->list[headers->count] = headers->lines[headers->count];
    headers->list[++headers->count] = NULL;
}

/* "v1," and the base64 of HMAC-SHA256 over id.timestamp.body. */
static void sign_standard(struct str secret, struct str signed_text, struct buf *out)
{
    struct buf key;
    uint8_t digest[CRYPTO_SHA256_SIZE];
    struct str prefix = STR_LIT("whsec_");
    buf_init(&key, SECRET_BYTES_MAX);
    if (str_starts_with(secret, prefix) &&
        base64_decode(str_make(secret.ptr + prefix.len, secret.len - prefix.len), &key) == 0)
        secret = buf_view(&key);
    crypto_hmac_sha256(secret, signed_text, digest);
    if (out->len > 0)
        buf_append_byte(out, ' ');
    buf_append_text(out, "v1,");
    base64_encode(str_make((const char *)digest, sizeof(digest)), out);
    buf_wipe(&key);
}

static void add_standard(struct str secret, struct str previous_secrets, const char *id,
                         struct str body, int64_t now_wall, struct webhook_headers *headers)
{
    struct buf text, signatures;
    char timestamp[24];
    snprintf(timestamp, sizeof(timestamp), "%" PRId64, now_wall / 1000);
    buf_init(&text, LIMIT_WEBHOOK_BODY + 128);
    buf_init(&signatures, sizeof(headers->lines[0]));
    buf_printf(&text, "%s.%s.", id, timestamp);
    buf_append_str(&text, body);
    sign_standard(secret, buf_view(&text), &signatures);
    while (previous_secrets.len > 0 && str_split(&previous_secrets, ' ', &secret))
        sign_standard(secret, buf_view(&text), &signatures);
    add_line(headers, "webhook-timestamp", str_from(timestamp));
    add_line(headers, "webhook-signature", buf_view(&signatures));
    buf_fini(&text);
    buf_fini(&signatures);
}

static void add_xsolla(struct str secret, struct str body, struct webhook_headers *headers)
{
    struct buf text;
    uint8_t digest[CRYPTO_SHA1_SIZE];
    buf_init(&text, body.len + secret.len);
    buf_append_str(&text, body);
    buf_append_str(&text, secret);
    crypto_sha1(buf_view(&text), digest);
    buf_wipe(&text);
    buf_init(&text, sizeof(headers->lines[0]));
    buf_append_text(&text, "Signature ");
    base64_encode_hex(str_make((const char *)digest, sizeof(digest)), &text);
    add_line(headers, "Authorization", buf_view(&text));
    add_line(headers, "Accept", STR_LIT("application/json"));
    buf_fini(&text);
}

void webhook_message_headers(enum webhook_preset preset, struct str secret,
                             struct str previous_secrets, const char *id, struct str body,
                             int64_t now_wall, struct webhook_headers *headers)
{
    headers->count = 0;
    add_line(headers, "Content-Type", STR_LIT("application/json"));
    add_line(headers, "User-Agent", STR_LIT("Orderwire/" ORDERWIRE_VERSION));
    add_line(headers, "webhook-id", str_from(id));
    if (preset == WEBHOOK_XSOLLA)
        add_xsolla(secret, body, headers);
    else
        add_standard(secret, previous_secrets, id, body, now_wall, headers);
}
