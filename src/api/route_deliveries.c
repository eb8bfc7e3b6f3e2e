/* SPDX-License-Identifier: Apache-2.0 */
/* /server/v1/project/{project}/deliveries: the record of webhooks, and one of them sent again. */
#include "api/endpoint_request.h"
#include "api/merchant.h"
#include "api/query.h"
#include "api/routes.h"
#include "service/delivery.h"

#include <limits.h>

struct list_query {
    int64_t endpoint_id;
    int64_t order_id;
    int64_t state;
    int64_t created_from;
    int64_t created_until;
    int64_t limit;
    int64_t cursor;
};

#define TIME_EXPECTED "a time such as 2026-11-22T00:00:00Z"

static const struct query_field list_fields[] = {
    {"endpoint_id", QUERY_INT, offsetof(struct list_query, endpoint_id), 1, INT64_MAX,
     "a webhook's id"},
    {"order_id", QUERY_INT, offsetof(struct list_query, order_id), 1, INT32_MAX, "an order's id"},
    {"state", QUERY_WORD, offsetof(struct list_query, state), 0, 0,
     "waiting, blocked, delivered, dead or superseded", delivery_state_words},
    {"created_from", QUERY_TIME, offsetof(struct list_query, created_from), 0, 0, TIME_EXPECTED},
    {"created_until", QUERY_TIME, offsetof(struct list_query, created_until), 0, 0, TIME_EXPECTED},
    {"limit", QUERY_INT, offsetof(struct list_query, limit), 1, LIMIT_LIST_PAGE,
     "a number from 1 to 100"},
    {"cursor", QUERY_CURSOR, offsetof(struct list_query, cursor), 1, INT64_MAX,
     "the next_cursor of an earlier answer"},
    {NULL},
};

static int list(struct http_request *http, int32_t project_id, const struct list_query *query,
                struct buf *body)
{
    const struct store_delivery_filter filter = {
        .project_id = project_id,
        .endpoint_id = query->endpoint_id,
        .order_id = (int32_t)query->order_id,
        .state = (int)query->state,
        .created_from = query->created_from,
        .created_until = query->created_until,
        .before = query->cursor,
        .limit = (int)query->limit,
    };
    return delivery_read_list(http->context, &filter, body);
}

void route_deliveries_list(struct http_request *http)
{
    const struct auth_project *project = merchant_project(http);
    struct list_query query = {.state = -1, .limit = LIMIT_LIST_PAGE / 2};
    char error[QUERY_ERROR_SIZE];
    struct buf body;
    if (project == NULL)
        return;
    if (query_read(http->query, list_fields, &query, NULL, error) != 0) {
        http_respond_error(http, API_ERROR_INVALID_FIELD, error);
        return;
    }
    buf_init(&body, LIMIT_HTTP_RESPONSE);
    int result = list(http, project->project_id, &query, &body);
    merchant_respond_read(http, result, &body, API_ERROR_DELIVERY_NOT_FOUND);
    buf_fini(&body);
}

void route_deliveries_read(struct http_request *http)
{
    const struct auth_project *project = merchant_project(http);
    int64_t id = project != NULL ? merchant_id_at(http, 1, API_ERROR_DELIVERY_NOT_FOUND) : 0;
    struct buf body;
    if (id == 0)
        return;
    buf_init(&body, LIMIT_HTTP_RESPONSE);
    int result = delivery_read(http->context, project->project_id, id, &body);
    merchant_respond_read(http, result, &body, API_ERROR_DELIVERY_NOT_FOUND);
    buf_fini(&body);
}

void route_deliveries_retry(struct http_request *http)
{
    static const struct json_field no_fields[] = {{NULL}};
    struct endpoint_write *write = endpoint_request_begin(http, ENDPOINT_RETRY);
    if (write == NULL)
        return;
    write->delivery_id = merchant_id_at(http, 1, API_ERROR_DELIVERY_NOT_FOUND);
    struct json *document =
        write->delivery_id != 0 ? endpoint_request_read(http, no_fields, NULL) : NULL;
    if (document != NULL)
        endpoint_request_submit(&write);
    else
        endpoint_write_free(&write);
    json_free(&document);
}
