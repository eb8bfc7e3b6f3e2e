/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stream's messages. Headers go to the local receiver to the byte, because they are signed or
 * are the signature; what would break the request's head is refused.
 */
#include "cli/listen_message.h"

#include "base/clock.h"
#include "base/limits.h"
#include "base/mem.h"

#include <inttypes.h>

static bool read_headers(const struct json *headers, struct listen_message *message)
{
    void *iterator = NULL;
    struct str name;
    const struct json *value;
    size_t count = 0;
    if (headers == NULL || json_kind(headers) != JSON_KIND_OBJECT)
        return false;
    while (json_next(headers, &iterator, &name, &value)) {
        struct str text;
        struct buf line;
        if (count == LISTEN_HEADERS_MAX || !json_as_string(value, &text) || name.len == 0 ||
            str_has_control(name) || str_has_control(text))
            return false;
        buf_init(&line, LIMIT_HTTP_HEADERS);
        buf_printf(&line, "%.*s: %.*s", STR_ARG(name), STR_ARG(text));
        message->lines[count++] = buf_detach_text(&line);
    }
    return true;
}

/* Standard: {"data":{"order_id","status"}}. Xsolla: {"order":{"id","status"}}. */
static void find_order(struct listen_message *message)
{
    static const struct {
        const char *block;
        const char *id;
    } places[] = {{"data", "order_id"}, {"order", "id"}};
    for (size_t i = 0; i < ARRAY_LENGTH(places); i++) {
        const struct json *block = json_get(message->content, places[i].block);
        if (json_as_int(json_get(block, places[i].id), &message->order_id)) {
            (void)!json_as_string(json_get(block, "status"), &message->status);
            return;
        }
    }
}

bool listen_message_read(struct str text, struct listen_message *message)
{
    *message = (struct listen_message){.document = json_parse(text, NULL)};
    const struct json *document = message->document;
    bool is_good = json_as_string(json_get(document, "id"), &message->id) &&
                   json_as_string(json_get(document, "type"), &message->type) &&
                   json_as_string(json_get(document, "body"), &message->body) &&
                   !str_has_control(message->id) && !str_has_control(message->type) &&
                   read_headers(json_get(document, "headers"), message);
    if (!is_good) {
        listen_message_fini(message);
        return false;
    }
    message->content = json_parse(message->body, NULL);
    find_order(message);
    if (str_has_control(message->status))
        message->status = STR_LIT("");
    return true;
}

void listen_message_fini(struct listen_message *message)
{
    for (size_t i = 0; message->lines[i] != NULL; i++)
        mem_free(message->lines[i]);
    json_free(&message->content);
    json_free(&message->document);
    *message = (struct listen_message){0};
}

static void describe_json(const struct listen_message *message, const struct listen_answer *answer,
                          struct buf *out)
{
    buf_append_byte(out, '{');
    json_write_time(out, "time", answer->at);
    json_write_text(out, "id", message->id);
    json_write_text(out, "type", message->type);
    if (message->order_id != 0) {
        json_write_int(out, "order_id", message->order_id);
        json_write_text(out, "status", message->status);
    }
    if (answer->status != 0)
        json_write_int(out, "answer", answer->status);
    else
        json_write_text(out, "error", str_from(answer->error));
    json_write_key(out, "ms");
    buf_printf(out, "%" PRId64 ".%03" PRId64, answer->duration_us / 1000,
               answer->duration_us % 1000);
    buf_append_text(out, "}\n");
}

void listen_message_describe(const struct listen_message *message,
                             const struct listen_answer *answer, bool as_json, struct buf *out)
{
    char time[CLOCK_TEXT_SIZE];
    if (as_json) {
        describe_json(message, answer, out);
        return;
    }
    clock_format(answer->at, time);
    buf_printf(out, "%s  %-16.*s", time, STR_ARG(message->type));
    if (message->order_id != 0)
        buf_printf(out, "  order %-10" PRId64 "  %-8.*s", message->order_id,
                   STR_ARG(message->status));
    if (answer->status != 0)
        buf_printf(out, "  %d  %.1f ms\n", answer->status, (double)answer->duration_us / 1000.0);
    else
        buf_printf(out, "  %s  %.1f ms\n", answer->error, (double)answer->duration_us / 1000.0);
}
