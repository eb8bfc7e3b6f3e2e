/* SPDX-License-Identifier: Apache-2.0 */
/* /server/v1/project/{project}/orders: one order created, changed, read; orders listed. */
#include "api/routes.h"

#include "api/merchant.h"
#include "api/query.h"
#include "service/order_read.h"

#include <limits.h>
#include <stdio.h>

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
    if (refusal == API_ERROR_NONE && !read_if_match(http, &input->expected_seq)) {
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

struct list_query {
    struct str user_external_id;
    int64_t status;
    int64_t created_from;
    int64_t created_until;
    int64_t updated_from;
    int64_t limit;
    int64_t cursor;
};

static const char *const status_words[] = {
#define STATUS(name, rank, word, final, meaning) [rank] = (word),
#include "order/status.def"
    NULL,
};

#define TIME_EXPECTED "a time such as 2026-11-22T00:00:00Z"

static const struct query_field list_fields[] = {
    {"status", QUERY_WORD, offsetof(struct list_query, status), 0, 0, "new, paid, done or canceled",
     status_words},
    {"user_external_id", QUERY_TEXT, offsetof(struct list_query, user_external_id), 1,
     LIMIT_USER_EXTERNAL_ID, "1 to 255 bytes"},
    {"created_from", QUERY_TIME, offsetof(struct list_query, created_from), 0, 0, TIME_EXPECTED},
    {"created_until", QUERY_TIME, offsetof(struct list_query, created_until), 0, 0, TIME_EXPECTED},
    {"updated_from", QUERY_TIME, offsetof(struct list_query, updated_from), 0, 0, TIME_EXPECTED},
    {"limit", QUERY_INT, offsetof(struct list_query, limit), 1, LIMIT_LIST_PAGE,
     "a number from 1 to 100"},
    {"cursor", QUERY_CURSOR, offsetof(struct list_query, cursor), 1, INT32_MAX,
     "the next_cursor of an earlier answer"},
    {NULL},
};

static int list(struct http_request *http, int32_t project_id, struct list_query *query,
                struct buf *body)
{
    const struct store_order_filter filter = {
        .project_id = project_id,
        .before = (int32_t)query->cursor,
        .user_external_id = query->user_external_id,
        .status = (int)query->status,
        .created_from = query->created_from,
        .created_until = query->created_until,
        .updated_from = query->updated_from,
        .limit = (int)query->limit,
    };
    return order_read_list(http->context, &filter, body);
}

void route_orders_list(struct http_request *http)
{
    const struct auth_project *project = merchant_project(http);
    struct list_query query = {.status = -1, .limit = LIMIT_LIST_PAGE / 2};
    char error[QUERY_ERROR_SIZE];
    struct arena texts;
    struct buf body;
    if (project == NULL)
        return;
    arena_init(&texts);
    buf_init(&body, LIMIT_HTTP_RESPONSE);
    if (query_read(http->query, list_fields, &query, &texts, error) != 0) {
        http_respond_error(http, API_ERROR_INVALID_FIELD, error);
    } else {
        int result = list(http, project->project_id, &query, &body);
        if (result == 0)
            http_respond_json(http, 200, buf_view(&body));
        else
            merchant_respond_failure(http, result, API_ERROR_ORDER_NOT_FOUND);
    }
    buf_fini(&body);
    arena_fini(&texts);
}
