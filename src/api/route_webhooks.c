/* SPDX-License-Identifier: Apache-2.0 */
/* /server/v1/project/{project}/webhooks: endpoints made, shown, changed, paused, tried, replayed. */
#include "api/endpoint_request.h"
#include "api/merchant.h"
#include "api/query.h"
#include "api/routes.h"
#include "base/clock.h"
#include "service/delivery.h"

enum { SECRET_MAX = 1024 };

#define OVERLAP_DEFAULT CLOCK_DAY
#define OVERLAP_MAX (7 * CLOCK_DAY)

/* The secret goes its own way; all other members are settings. False: the sentence says why. */
static bool split_members(const struct json *object, struct endpoint_write *write)
{
    void *iterator = NULL;
    struct str key;
    const struct json *value;
    struct str secret;
    buf_append_byte(&write->settings, '{');
    while (json_next(object, &iterator, &key, &value)) {
        if (str_equal_text(key, "secret")) {
            if (json_as_string(value, &secret) && secret.len > 0)
                buf_append_str(&write->secret, secret);
            else if (json_kind(value) != JSON_KIND_NULL)
                return false;
            continue;
        }
        json_write_member(&write->settings, key, value);
    }
    buf_append_byte(&write->settings, '}');
    return true;
}

void route_webhooks_create(struct http_request *http)
{
    char error[JSON_ERROR_SIZE];
    struct endpoint_write *write = endpoint_request_begin(http, ENDPOINT_CREATE);
    if (write == NULL)
        return;
    struct json *document = json_parse(http->body, error);
    if (document == NULL) {
        http_respond_error(http, API_ERROR_BAD_JSON, error);
        endpoint_write_free(&write);
    } else if (json_kind(document) != JSON_KIND_OBJECT) {
        endpoint_request_refuse(&write, "The body: expected an object");
    } else if (!split_members(document, write)) {
        endpoint_request_refuse(&write, "secret: expected a text");
    } else if (write->settings.overflow || write->secret.overflow) {
        endpoint_request_refuse(&write, "The settings are larger than 64 KiB");
    } else {
        endpoint_request_submit(&write);
    }
    json_free(&document);
}

void route_webhooks_change(struct http_request *http)
{
    struct endpoint_write *write = endpoint_request_begin_about(http, ENDPOINT_CHANGE);
    if (write == NULL)
        return;
    buf_append_str(&write->settings, http->body);
    endpoint_request_submit(&write);
}

void route_webhooks_delete(struct http_request *http)
{
    struct endpoint_write *write = endpoint_request_begin_about(http, ENDPOINT_DELETE);
    if (write != NULL)
        endpoint_request_submit(&write);
}

/* What a body may say about these. */
struct request {
    struct str secret;
    int64_t overlap;
    struct str status;
    int64_t since;
};

#define FIELD(field, kind, low, high, required)                                                    \
    {                                                                                              \
#field, kind, offsetof(struct request, field), low, high, required                         \
    }

static const struct json_field no_fields[] = {{NULL}};

static const struct json_field rotate_fields[] = {
    FIELD(secret, JSON_FIELD_TEXT, 1, SECRET_MAX, false),
    FIELD(overlap, JSON_FIELD_SECONDS, 0, OVERLAP_MAX, false),
    {NULL},
};

static const struct json_field test_fields[] = {
    FIELD(status, JSON_FIELD_TEXT, 1, 32, false),
    {NULL},
};

static const struct json_field replay_fields[] = {
    FIELD(since, JSON_FIELD_TIME, 0, 0, true),
    {NULL},
};

static void write_with_body(struct http_request *http, enum endpoint_write_kind kind,
                            const struct json_field *fields)
{
    struct request request = {.overlap = OVERLAP_DEFAULT, .status = STR_LIT("paid")};
    struct endpoint_write *write = endpoint_request_begin_about(http, kind);
    if (write == NULL)
        return;
    struct json *document = endpoint_request_read(http, fields, &request);
    if (document == NULL) {
        endpoint_write_free(&write);
        return;
    }
    buf_append_str(&write->secret, request.secret);
    write->overlap = request.overlap;
    write->since = request.since;
    if (order_status_parse(request.status, &write->status))
        endpoint_request_submit(&write);
    else
        endpoint_request_refuse(&write, "status: expected new, paid, done or canceled");
    json_free(&document);
}

void route_webhooks_pause(struct http_request *http)
{
    write_with_body(http, ENDPOINT_PAUSE, no_fields);
}

void route_webhooks_resume(struct http_request *http)
{
    write_with_body(http, ENDPOINT_RESUME, no_fields);
}

void route_webhooks_rotate(struct http_request *http)
{
    write_with_body(http, ENDPOINT_ROTATE, rotate_fields);
}

void route_webhooks_test(struct http_request *http)
{
    write_with_body(http, ENDPOINT_EXAMPLE, test_fields);
}

void route_webhooks_replay(struct http_request *http)
{
    write_with_body(http, ENDPOINT_REPLAY, replay_fields);
}

void route_webhooks_read(struct http_request *http)
{
    const struct auth_project *project = merchant_project(http);
    int64_t id = project != NULL ? merchant_id_at(http, 1, API_ERROR_WEBHOOK_NOT_FOUND) : 0;
    struct buf body;
    if (id == 0)
        return;
    buf_init(&body, LIMIT_HTTP_RESPONSE);
    int result = delivery_read_endpoint(http->context, project->project_id, id, &body);
    merchant_respond_read(http, result, &body, API_ERROR_WEBHOOK_NOT_FOUND);
    buf_fini(&body);
}

static const struct query_field list_fields[] = {
    {"cursor", QUERY_CURSOR, 0, 1, INT64_MAX, "the next_cursor of an earlier answer"},
    {NULL},
};

void route_webhooks_list(struct http_request *http)
{
    const struct auth_project *project = merchant_project(http);
    int64_t after = 0;
    char error[QUERY_ERROR_SIZE];
    struct buf body;
    if (project == NULL)
        return;
    if (query_read(http->query, list_fields, &after, NULL, error) != 0) {
        http_respond_error(http, API_ERROR_INVALID_FIELD, error);
        return;
    }
    buf_init(&body, LIMIT_HTTP_RESPONSE);
    int result = delivery_read_endpoints(http->context, project->project_id, after, &body);
    merchant_respond_read(http, result, &body, API_ERROR_PROJECT_NOT_FOUND);
    buf_fini(&body);
}

void route_webhooks_replay_read(struct http_request *http)
{
    const struct auth_project *project = merchant_project(http);
    int64_t id = project != NULL ? merchant_id_at(http, 1, API_ERROR_WEBHOOK_NOT_FOUND) : 0;
    int64_t replay = id != 0 ? merchant_id_at(http, 2, API_ERROR_REPLAY_NOT_FOUND) : 0;
    struct buf body;
    if (replay == 0)
        return;
    buf_init(&body, LIMIT_HTTP_RESPONSE);
    int result = delivery_read_replay(http->context, project->project_id, id, replay, &body);
    merchant_respond_read(http, result, &body, API_ERROR_REPLAY_NOT_FOUND);
    buf_fini(&body);
}
