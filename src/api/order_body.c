/* SPDX-License-Identifier: Apache-2.0 */
/* Fields are read by one table a kind of body; what the rules say of them is the service's. */
#include "api/order_body.h"

#include "base/limits.h"
#include "codec/json_fields.h"
#include "service/order_content.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

struct body {
    int32_t order_id;
    struct str user_external_id;
    struct str status;
    const struct json *content;
    const struct json *custom_parameters;
    struct str cancel_reason;
};

#define FIELD(field, kind, low, high)                                                              \
    {                                                                                              \
#field, kind, offsetof(struct body, field), low, high, false                               \
    }

static const struct json_field create_fields[] = {
    FIELD(order_id, JSON_FIELD_INT32, 1, INT32_MAX),
    FIELD(user_external_id, JSON_FIELD_TEXT, 1, LIMIT_USER_EXTERNAL_ID),
    FIELD(status, JSON_FIELD_TEXT, 1, 32),
    FIELD(content, JSON_FIELD_OBJECT, 0, 0),
    FIELD(custom_parameters, JSON_FIELD_OBJECT, 0, 0),
    FIELD(cancel_reason, JSON_FIELD_TEXT, 0, LIMIT_CANCEL_REASON),
    {NULL},
};

static const struct json_field patch_fields[] = {
    FIELD(status, JSON_FIELD_TEXT, 1, 32),
    FIELD(content, JSON_FIELD_OBJECT, 0, 0),
    FIELD(custom_parameters, JSON_FIELD_OBJECT, 0, 0),
    FIELD(cancel_reason, JSON_FIELD_TEXT, 0, LIMIT_CANCEL_REASON),
    {NULL},
};

static enum api_error refuse(char *error, const char *sentence)
{
    snprintf(error, ORDER_BODY_ERROR_SIZE, "%s", sentence);
    return API_ERROR_INVALID_FIELD;
}

static bool is_too_deep(const struct json *object)
{
    return object != NULL && json_depth(object) > LIMIT_CONTENT_DEPTH;
}

static enum api_error take_json(const struct body *body, struct arena *texts,
                                struct order_input *input, char *error)
{
    enum api_error result = API_ERROR_NONE;
    struct buf text;
    char sentence[ORDER_CONTENT_ERROR_SIZE];
    buf_init(&text, LIMIT_CONTENT);
    if (body->content != NULL) {
        if (order_content_normalize(body->content, &text, &input->content_is_free, sentence) != 0)
            result = refuse(error, sentence);
        input->content = arena_copy(texts, buf_view(&text));
    }
    buf_clear(&text);
    if (body->custom_parameters != NULL) {
        json_dump(body->custom_parameters, &text);
        if (text.overflow || text.len > LIMIT_CUSTOM_PARAMETERS)
            result = refuse(error, "custom_parameters: larger than 8 KiB");
        input->custom_parameters = arena_copy(texts, buf_view(&text));
    }
    buf_fini(&text);
    if (is_too_deep(body->content))
        result = refuse(error, "content: nested deeper than 24 levels");
    if (is_too_deep(body->custom_parameters))
        result = refuse(error, "custom_parameters: nested deeper than 24 levels");
    return result;
}

static enum api_error take(enum order_body_kind kind, const struct json *document,
                           struct arena *texts, struct order_input *input, char *error)
{
    struct body body = {0};
    if (json_fields_read(document, kind == ORDER_BODY_PATCH ? patch_fields : create_fields, &body,
                         error) != 0)
        return API_ERROR_INVALID_FIELD;
    if (kind == ORDER_BODY_CREATE && body.user_external_id.len == 0)
        return refuse(error, "user_external_id: is required");
    if (body.status.len > 0) {
        if (!order_status_parse(body.status, &input->status))
            return refuse(error, "status: expected new, paid, done or canceled");
        input->has_status = true;
    }
    input->order_id = body.order_id;
    input->user_external_id = arena_copy(texts, body.user_external_id);
    input->cancel_reason = arena_copy(texts, body.cancel_reason);
    return take_json(&body, texts, input, error);
}

/* A line of a batch is a document of its own: that its line is the first helps nobody. */
static void drop_line(char *error)
{
    static const struct str line = STR_LIT("line 1, ");
    if (str_starts_with(str_from(error), line))
        memmove(error, error + line.len, strlen(error) - line.len + 1);
}

enum api_error order_body_read(enum order_body_kind kind, struct str text, struct arena *texts,
                               struct order_input *input, char error[ORDER_BODY_ERROR_SIZE])
{
    memset(input, 0, sizeof(*input));
    input->mode = kind == ORDER_BODY_PATCH ? ORDER_WRITE_PATCH : ORDER_WRITE_CREATE;
    input->expected_seq = -1;
    struct json *document = json_parse(text, error);
    if (document == NULL) {
        if (kind == ORDER_BODY_BATCH)
            drop_line(error);
        return API_ERROR_BAD_JSON;
    }
    enum api_error result = take(kind, document, texts, input, error);
    json_free(&document);
    return result;
}

void order_body_write(const struct order_answer *answer, bool created_form, struct str token,
                      struct buf *out)
{
    bool applied = answer->verdict == ORDER_APPLIED;
    buf_append_byte(out, '{');
    json_write_int(out, "order_id", answer->order_id);
    json_write_text(out, "status", str_from(order_status_word(answer->status)));
    json_write_int(out, "seq", answer->seq);
    if (created_form && answer->created) {
        json_write_text(out, "token", token);
    } else {
        json_write_bool(out, "applied", applied);
        if (!applied)
            json_write_text(out, "reason", str_from(order_verdict_word(answer->verdict)));
    }
    buf_append_byte(out, '}');
}
