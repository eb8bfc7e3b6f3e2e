/* SPDX-License-Identifier: Apache-2.0 */
/*
 * POST /server/v1/project/{project}/revoke: tokens of a user, or of all users, that were made before a
 * time are refused from now on, and what they opened ends.
 */
#include "api/endpoint_request.h"
#include "api/merchant.h"
#include "api/routes.h"
#include "base/mem.h"
#include "codec/json_fields.h"
#include "service/revocation_write.h"
#include "service/service.h"

#include <string.h>

#define NOT_GIVEN INT64_MIN

struct request {
    struct str user_external_id;
    bool all_users;
    int64_t before;
};

static const struct json_field fields[] = {
    {"user_external_id", JSON_FIELD_TEXT, offsetof(struct request, user_external_id), 1,
     LIMIT_USER_EXTERNAL_ID, false},
    {"all_users", JSON_FIELD_BOOL, offsetof(struct request, all_users), 0, 0, false},
    {"before", JSON_FIELD_TIME, offsetof(struct request, before), 0, 0, false},
    {NULL},
};

static void written(struct revocation_write *write)
{
    struct http_request *http = write->argument;
    struct buf body;
    buf_init(&body, LIMIT_HTTP_BODY);
    buf_append_byte(&body, '{');
    if (write->user_external_id[0] != '\0')
        json_write_text(&body, "user_external_id", str_from(write->user_external_id));
    else
        json_write_bool(&body, "all_users", true);
    json_write_time(&body, "before", write->before);
    buf_append_byte(&body, '}');
    if (write->job.result == 0)
        http_respond_json(http, 200, buf_view(&body));
    else
        http_respond_error(http, API_ERROR_STORE_UNAVAILABLE, NULL);
    buf_fini(&body);
    mem_free(write);
}

static void submit(struct http_request *http, int32_t project_id, const struct request *request)
{
    struct revocation_write *write = revocation_write_new(http->context, project_id);
    http_request_set_object(http,
                            request->all_users ? STR_LIT("all users") : request->user_external_id);
    if (request->user_external_id.len > 0)
        memcpy(write->user_external_id, request->user_external_id.ptr,
               request->user_external_id.len);
    if (request->before != NOT_GIVEN)
        write->before = request->before;
    write->done = written;
    write->argument = http;
    if (revocation_write_submit(write) == 0)
        return;
    http_respond_error(http, API_ERROR_BUSY, NULL);
    mem_free(write);
}

/* 0 would mean now to the job: who sends a date that was never set does not mean that. */
static bool is_time_that_came(int64_t before, int64_t now)
{
    return before == NOT_GIVEN || (before > 0 && before <= now);
}

void route_revoke(struct http_request *http)
{
    struct service *service = http->context;
    struct request request = {.before = NOT_GIVEN};
    const struct auth_project *project = merchant_project(http);
    if (project == NULL)
        return;
    struct json *document = endpoint_request_read(http, fields, &request);
    if (document == NULL)
        return;
    if (request.all_users == (request.user_external_id.len > 0))
        http_respond_error(http, API_ERROR_INVALID_FIELD,
                           "user_external_id, or all_users: true, and not both");
    else if (!is_time_that_came(request.before, loop_wall(service->loop)))
        http_respond_error(http, API_ERROR_INVALID_FIELD,
                           "before: must not be in the future, nor from before 1970");
    else
        submit(http, project->project_id, &request);
    json_free(&document);
}
