/* SPDX-License-Identifier: Apache-2.0 */
/* /server/v1/project/{project}/orders: one order created, changed, read; orders listed. */
#include "api/routes.h"

#include "api/merchant.h"
#include "base/clock.h"
#include "base/err.h"
#include "codec/base64.h"
#include "codec/url.h"
#include "service/order_read.h"
#include "service/service.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#define ETAG_HEADER_SIZE 80

static void respond_order(struct http_request *http, int status, struct str body, int32_t seq,
                          bool replayed)
{
    char headers[ETAG_HEADER_SIZE];
    snprintf(headers, sizeof(headers), "ETag: \"%d\"\r\n%s", seq,
             replayed ? "Idempotent-Replayed: true\r\n" : "");
    http_respond(
        http, &(struct http_answer){.status = status, .body = body, .headers = str_from(headers)});
}

static void written(struct order_write *orders)
{
    struct merchant_write *write = orders->argument;
    const struct order_answer *answer = &orders->answers[0];
    enum api_error error = orders->error != API_ERROR_NONE ? orders->error : answer->error;
    if (error != API_ERROR_NONE) {
        http_respond_error(write->http, error, NULL);
    } else {
        struct buf token;
        struct buf body;
        buf_init(&token, LIMIT_TOKEN);
        buf_init(&body, LIMIT_TOKEN);
        order_write_token(orders, answer, &token);
        order_body_write(answer, true, buf_view(&token), &body);
        respond_order(write->http, answer->created ? 201 : 200, buf_view(&body), answer->seq,
                      orders->replayed);
        buf_fini(&body);
        buf_fini(&token);
    }
    merchant_write_free(&write);
}

/* If-Match: "seq" → the seq; "*" asks for no particular one. */
static bool read_if_match(const struct http_request *http, int32_t *seq)
{
    struct str tag = http_request_header(http, "if-match");
    int64_t number;
    if (!http_request_has_header(http, "if-match") || str_equal_text(tag, "*"))
        return true;
    if (tag.len < 3 || tag.ptr[0] != '"' || tag.ptr[tag.len - 1] != '"' ||
        !str_to_int64(str_make(tag.ptr + 1, tag.len - 2), 0, INT32_MAX, &number))
        return false;
    *seq = (int32_t)number;
    return true;
}

static void write_one(struct http_request *http, enum order_body_kind kind, int32_t order_id,
                      const struct auth_project *project)
{
    char error[ORDER_BODY_ERROR_SIZE];
    struct merchant_write *write = merchant_write_new(http, project, 1);
    if (write == NULL)
        return;
    struct order_input *input = &write->orders->inputs[0];
    enum api_error refusal = order_body_read(kind, http->body, &write->texts, input, error);
    if (refusal == API_ERROR_NONE && kind == ORDER_BODY_PATCH &&
        !read_if_match(http, &input->expected_seq)) {
        refusal = API_ERROR_INVALID_FIELD;
        snprintf(error, sizeof(error), "If-Match: expected one entity tag such as \"3\"");
    }
    if (refusal != API_ERROR_NONE) {
        http_respond_error(http, refusal, error);
        merchant_write_free(&write);
        return;
    }
    if (kind == ORDER_BODY_PATCH)
        input->order_id = order_id;
    merchant_write_submit(&write, written);
}

void route_orders_create(struct http_request *http)
{
    const struct auth_project *project = merchant_project(http);
    if (project != NULL)
        write_one(http, ORDER_BODY_CREATE, 0, project);
}

void route_orders_change(struct http_request *http)
{
    const struct auth_project *project = merchant_project(http);
    int32_t order_id = project != NULL ? merchant_order_id(http) : 0;
    if (order_id != 0)
        write_one(http, ORDER_BODY_PATCH, order_id, project);
}

void route_orders_read(struct http_request *http)
{
    const struct auth_project *project = merchant_project(http);
    int32_t order_id = project != NULL ? merchant_order_id(http) : 0;
    struct buf body;
    int32_t seq;
    if (order_id == 0)
        return;
    buf_init(&body, LIMIT_HTTP_RESPONSE);
    int result = order_read_for_merchant(http->context, project->project_id, order_id, &body, &seq);
    if (result == 0)
        respond_order(http, 200, buf_view(&body), seq, false);
    else
        merchant_respond_failure(http, result, API_ERROR_ORDER_NOT_FOUND);
    buf_fini(&body);
}

static bool take_cursor(struct str value, int32_t *before)
{
    struct buf text;
    int64_t number;
    buf_init(&text, 32);
    bool good = base64_decode_url(value, &text) == 0 &&
                str_to_int64(buf_view(&text), 1, INT32_MAX, &number);
    if (good)
        *before = (int32_t)number;
    buf_fini(&text);
    return good;
}

/* One parameter of the list; the sentence of what was expected, or NULL when it was taken. */
static const char *take_parameter(struct store_order_filter *filter, struct str name,
                                  struct str value, struct arena *texts)
{
    enum order_status status;
    int64_t number;
    if (str_equal_text(name, "status")) {
        if (!order_status_parse(value, &status))
            return "status: expected new, paid, done or canceled";
        filter->status = (int)status;
    } else if (str_equal_text(name, "user_external_id")) {
        if (value.len == 0 || value.len > LIMIT_USER_EXTERNAL_ID)
            return "user_external_id: expected 1 to 255 bytes";
        filter->user_external_id = arena_copy(texts, value);
    } else if (str_equal_text(name, "limit")) {
        if (!str_to_int64(value, 1, LIMIT_LIST_PAGE, &number))
            return "limit: expected a number from 1 to 100";
        filter->limit = (int)number;
    } else if (str_equal_text(name, "cursor")) {
        if (!take_cursor(value, &filter->before))
            return "cursor: expected the next_cursor of an earlier answer";
    } else if (str_equal_text(name, "created_from")) {
        if (!clock_parse(value, &filter->created_from))
            return "created_from: expected a time such as 2026-11-22T00:00:00Z";
    } else if (str_equal_text(name, "created_until")) {
        if (!clock_parse(value, &filter->created_until))
            return "created_until: expected a time such as 2026-11-22T00:00:00Z";
    } else if (str_equal_text(name, "updated_from")) {
        if (!clock_parse(value, &filter->updated_from))
            return "updated_from: expected a time such as 2026-11-22T00:00:00Z";
    } else {
        return "The query knows status, user_external_id, created_from, created_until, "
               "updated_from, limit and cursor";
    }
    return NULL;
}

static const char *take_query(struct store_order_filter *filter, struct str query,
                              struct arena *texts)
{
    struct str name;
    struct str raw;
    const char *error = NULL;
    struct buf value;
    buf_init(&value, LIMIT_HTTP_URL);
    while (error == NULL && url_query_next(&query, &name, &raw)) {
        buf_clear(&value);
        error = url_decode_query(raw, &value) == 0
                    ? take_parameter(filter, name, buf_view(&value), texts)
                    : "The query is badly escaped";
    }
    buf_fini(&value);
    return error;
}

void route_orders_list(struct http_request *http)
{
    const struct auth_project *project = merchant_project(http);
    struct store_order_filter filter = {.status = -1, .limit = LIMIT_LIST_PAGE / 2};
    struct arena texts;
    struct buf body;
    if (project == NULL)
        return;
    filter.project_id = project->project_id;
    arena_init(&texts);
    buf_init(&body, LIMIT_HTTP_RESPONSE);
    const char *error = take_query(&filter, http->query, &texts);
    int result = error == NULL ? order_read_list(http->context, &filter, &body) : 0;
    if (error != NULL)
        http_respond_error(http, API_ERROR_INVALID_FIELD, error);
    else if (result == 0)
        http_respond_json(http, 200, buf_view(&body));
    else
        merchant_respond_failure(http, result, API_ERROR_ORDER_NOT_FOUND);
    buf_fini(&body);
    arena_fini(&texts);
}
