/* SPDX-License-Identifier: Apache-2.0 */
/* Who is calling, and one write of orders on its way through the store thread. */
#include "api/merchant.h"

#include "base/crypto.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/quota.h"
#include "loop/loop.h"
#include "service/service.h"

#include <limits.h>

static enum api_error error_of(int result, enum api_error not_found)
{
    switch (result) {
    case 0:
        return API_ERROR_NONE;
    case ERR_NOT_FOUND:
        return not_found;
    case ERR_DENIED:
        return API_ERROR_UNAUTHORIZED;
    case ERR_TOO_LARGE:
        return API_ERROR_INTERNAL;
    default:
        return API_ERROR_STORE_UNAVAILABLE;
    }
}

void merchant_respond_failure(struct http_request *http, int result, enum api_error not_found)
{
    http_respond_error(http, error_of(result, not_found),
                       result == ERR_TOO_LARGE ? "The answer is too large" : NULL);
}

void merchant_respond_read(struct http_request *http, int result, const struct buf *body,
                           enum api_error not_found)
{
    if (result == 0)
        http_respond_json(http, 200, buf_view(body));
    else
        merchant_respond_failure(http, result, not_found);
}

static enum api_error find_project(struct http_request *http, const struct auth_project **project)
{
    struct service *service = http->context;
    char caller[AUTH_CALLER_SIZE] = "";
    int64_t id;
    int result = ERR_NOT_FOUND;
    if (str_to_int64(http->params[0], 1, INT32_MAX, &id))
        result = auth_merchant(service->auth, (int32_t)id,
                               http_request_header(http, "authorization"), project, caller);
    http_request_set_caller(http, caller);
    return error_of(result, API_ERROR_PROJECT_NOT_FOUND);
}

enum api_error merchant_admit(struct http_request *http)
{
    const struct auth_project *project;
    return find_project(http, &project);
}

static enum api_error take_turn(struct service *service, const struct auth_project *project)
{
    struct str key = str_make((const char *)&project->project_id, sizeof(project->project_id));
    int64_t wait = quota_take(service->quota, QUOTA_PROJECT_REQUESTS, key,
                              service->options->requests_per_project, loop_now(service->loop));
    if (wait == 0)
        return API_ERROR_NONE;
    metrics_add(METRIC_REQUESTS_REFUSED__PROJECT, 1);
    return API_ERROR_TOO_MANY_REQUESTS;
}

const struct auth_project *merchant_project(struct http_request *http)
{
    const struct auth_project *project;
    enum api_error error = find_project(http, &project);
    if (error == API_ERROR_NONE)
        error = take_turn(http->context, project);
    if (error == API_ERROR_NONE)
        return project;
    http_respond_error(http, error,
                       error == API_ERROR_UNAUTHORIZED
                           ? "Error in Authentication method occurred: expected Authorization: "
                             "Basic, base64 of project_id:api_key, with a key of this project"
                           : NULL);
    return NULL;
}

int32_t merchant_order_id(struct http_request *http)
{
    int64_t id;
    if (str_to_int64(http->params[1], 1, INT32_MAX, &id))
        return (int32_t)id;
    http_respond_error(http, API_ERROR_ORDER_NOT_FOUND, NULL);
    return 0;
}

int64_t merchant_id_at(struct http_request *http, size_t place, enum api_error not_found)
{
    int64_t id;
    if (str_to_int64(http->params[place], 1, INT64_MAX, &id))
        return id;
    http_respond_error(http, not_found, NULL);
    return 0;
}

/* The key stands for one request: method, path and body. */
static void hash_request(const struct http_request *http, uint8_t hash[32])
{
    struct buf whole;
    buf_init(&whole, LIMIT_HTTP_BATCH_BODY + 2 * LIMIT_HTTP_URL);
    buf_printf(&whole, "%s\n", http->method);
    buf_append_str(&whole, http->path);
    buf_append_byte(&whole, '\n');
    buf_append_str(&whole, http->body);
    crypto_sha256(buf_view(&whole), hash);
    buf_fini(&whole);
}

static bool is_good_key(struct str key)
{
    return key.len > 0 && key.len <= LIMIT_IDEMPOTENCY_KEY && str_is_utf8(key) &&
           !str_has_control(key);
}

bool merchant_idempotency(struct http_request *http, struct idempotency *idempotency)
{
    idempotency->key = http_request_header(http, "idempotency-key");
    if (!http_request_has_header(http, "idempotency-key"))
        return true;
    if (!is_good_key(idempotency->key)) {
        http_respond_error(http, API_ERROR_INVALID_FIELD,
                           "Idempotency-Key: expected 1 to 255 bytes of text");
        return false;
    }
    hash_request(http, idempotency->hash);
    return true;
}

struct merchant_write *merchant_write_new(struct http_request *http,
                                          const struct auth_project *project, size_t count)
{
    struct idempotency idempotency = {0};
    if (!merchant_idempotency(http, &idempotency))
        return NULL;
    struct merchant_write *write = mem_zalloc(sizeof(*write));
    write->http = http;
    arena_init(&write->texts);
    write->orders = order_write_new(http->context, project->project_id, count);
    write->orders->strict = project->settings.strict;
    write->orders->argument = write;
    write->orders->job.bytes = sizeof(*write) + http->body.len;
    write->orders->idempotency = idempotency;
    write->orders->idempotency.key = arena_copy(&write->texts, idempotency.key);
    return write;
}

void merchant_write_free(struct merchant_write **owner)
{
    struct merchant_write *write = *owner;
    *owner = NULL;
    if (write == NULL)
        return;
    order_write_free(&write->orders);
    arena_fini(&write->texts);
    mem_free(write->details);
    mem_free(write);
}

void merchant_write_submit(struct merchant_write **owner, void (*done)(struct order_write *orders))
{
    struct merchant_write *write = *owner;
    write->orders->done = done;
    write->orders->job.bytes += write->texts.size;
    if (order_write_submit(write->orders) == 0) {
        *owner = NULL;
        return;
    }
    http_respond_error(write->http, API_ERROR_BUSY, NULL);
    merchant_write_free(owner);
}
