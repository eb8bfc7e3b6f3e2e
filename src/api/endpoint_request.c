/* SPDX-License-Identifier: Apache-2.0 */
/* One write about webhooks, from the request to the answer. */
#include "api/endpoint_request.h"

#include "api/merchant.h"

#include <stdio.h>

struct endpoint_write *endpoint_request_begin(struct http_request *http,
                                              enum endpoint_write_kind kind)
{
    const struct auth_project *project = merchant_project(http);
    if (project == NULL)
        return NULL;
    struct endpoint_write *write = endpoint_write_new(http->context, kind, project->project_id);
    write->argument = http;
    if (!merchant_idempotency(http, &write->idempotency))
        endpoint_write_free(&write);
    return write;
}

struct endpoint_write *endpoint_request_begin_about(struct http_request *http,
                                                    enum endpoint_write_kind kind)
{
    struct endpoint_write *write = endpoint_request_begin(http, kind);
    if (write == NULL)
        return NULL;
    write->endpoint_id = merchant_id_at(http, 1, API_ERROR_WEBHOOK_NOT_FOUND);
    if (write->endpoint_id == 0)
        endpoint_write_free(&write);
    return write;
}

struct json *endpoint_request_read(struct http_request *http, const struct json_field *fields,
                                   void *target)
{
    char error[JSON_FIELDS_ERROR_SIZE];
    struct json *document = json_parse(http->body.len > 0 ? http->body : STR_LIT("{}"), error);
    if (document == NULL) {
        http_respond_error(http, API_ERROR_BAD_JSON, error);
    } else if (json_fields_read(document, fields, target, error) < 0) {
        json_free(&document);
        http_respond_error(http, API_ERROR_INVALID_FIELD, error);
    }
    return document;
}

void endpoint_request_refuse(struct endpoint_write **write, const char *sentence)
{
    http_respond_error((*write)->argument, API_ERROR_INVALID_FIELD, sentence);
    endpoint_write_free(write);
}

static int status_of(enum endpoint_write_kind kind)
{
    switch (kind) {
    case ENDPOINT_CREATE:
        return 201;
    case ENDPOINT_EXAMPLE:
    case ENDPOINT_RETRY:
    case ENDPOINT_REPLAY:
        return 202;
    case ENDPOINT_DELETE:
        return 204;
    case ENDPOINT_CHANGE:
    case ENDPOINT_PAUSE:
    case ENDPOINT_RESUME:
    case ENDPOINT_ROTATE:
        break;
    }
    return 200;
}

/* The path of the others has it. */
static void set_created_as_object(struct http_request *http, int64_t endpoint_id)
{
    char text[32];
    snprintf(text, sizeof(text), "webhook %lld", (long long)endpoint_id);
    http_request_set_object(http, str_from(text));
}

static void written(struct endpoint_write *write)
{
    struct http_request *http = write->argument;
    if (write->kind == ENDPOINT_CREATE && write->endpoint_id != 0)
        set_created_as_object(http, write->endpoint_id);
    if (write->error != API_ERROR_NONE)
        http_respond_error(http, write->error, write->detail[0] != '\0' ? write->detail : NULL);
    else
        http_respond(http, &(struct http_answer){
                               .status = status_of(write->kind),
                               .body = buf_view(&write->answer),
                               .headers = write->replayed ? STR_LIT("Idempotent-Replayed: true\r\n")
                                                          : STR_LIT(""),
                           });
    endpoint_write_free(&write);
}

void endpoint_request_submit(struct endpoint_write **owner)
{
    struct endpoint_write *write = *owner;
    struct http_request *http = write->argument;
    *owner = NULL;
    write->done = written;
    if (endpoint_write_submit(write) == 0)
        return;
    http_respond_error(http, API_ERROR_BUSY, NULL);
    endpoint_write_free(&write);
}
