/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Get order for buyers: GET /api/v2/project/{project}/order/{order}. With ?wait=SECONDS and an
 * If-None-Match that still matches, the request is held until the order changes. It subscribes to
 * the hub before it looks, so that no change falls between the two.
 */
#include "api/routes.h"
#include "auth/auth.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/quota.h"
#include "codec/url.h"
#include "hub/hub.h"
#include "loop/loop.h"
#include "service/order_read.h"
#include "service/service.h"

#include <stdio.h>
#include <string.h>

#define WAIT_SECONDS_MAX 60
#define TAG_SIZE 16

/* A held request. */
struct waiter {
    struct hub_subscriber subscriber;
    struct loop_timer timer;
    struct http_request *http;
    struct service *service;
    int32_t project_id;
    int32_t order_id;
    int32_t seq;                 /* what the client has */
    int64_t issued_at;           /* of its token */
    struct str user_external_id; /* a view of `user` */
    char user[];
};

static void format_tag(char tag[TAG_SIZE], int32_t seq)
{
    snprintf(tag, TAG_SIZE, "\"%d\"", seq);
}

static void respond_not_modified(struct http_request *http, int32_t seq)
{
    char headers[64];
    snprintf(headers, sizeof(headers), "ETag: \"%d\"\r\n", seq);
    http_respond(http, &(struct http_answer){.status = 304, .headers = str_from(headers)});
}

static void respond_failure(struct http_request *http, int result)
{
    switch (result) {
    case ERR_NOT_FOUND:
        http_respond_error(http, API_ERROR_ORDER_NOT_FOUND, NULL);
        break;
    case ERR_DENIED:
        http_respond_error(http, API_ERROR_UNAUTHORIZED, NULL);
        break;
    case ERR_EXPIRED:
        http_respond_error(http, API_ERROR_TOKEN_EXPIRED, NULL);
        break;
    case ERR_BUSY:
        http_respond_error(http, API_ERROR_KEYS_NOT_THERE, NULL);
        break;
    default:
        http_respond_error(http, API_ERROR_STORE_UNAVAILABLE, NULL);
    }
}

/* The order as it stands, or 304 when the client has it. */
static void respond_order(struct http_request *http, int32_t project_id, int32_t order_id,
                          struct str user)
{
    char tag[TAG_SIZE];
    char headers[64];
    struct buf body;
    int32_t seq;
    buf_init(&body, LIMIT_HTTP_RESPONSE);
    int result = order_read_for_user(http->context, project_id, order_id, user, &body, &seq);
    if (result != 0) {
        respond_failure(http, result);
    } else {
        format_tag(tag, seq);
        snprintf(headers, sizeof(headers), "ETag: %s\r\n", tag);
        if (url_etag_matches(http_request_header(http, "if-none-match"), str_from(tag)))
            respond_not_modified(http, seq);
        else
            http_respond(http, &(struct http_answer){.status = 200,
                                                     .body = buf_view(&body),
                                                     .headers = str_from(headers)});
    }
    buf_fini(&body);
}

static void stop_waiting(struct waiter *waiter)
{
    hub_unsubscribe(waiter->service->hub, &waiter->subscriber);
    loop_timer_cancel(&waiter->timer);
    http_request_on_abort(waiter->http, NULL, NULL);
}

/* Ends the wait, whatever the reason, with the order as it stands. */
static void finish(struct waiter *waiter)
{
    stop_waiting(waiter);
    respond_order(waiter->http, waiter->project_id, waiter->order_id, waiter->user_external_id);
    mem_free(waiter);
}

static void on_event(struct hub_subscriber *subscriber, const struct hub_event *event)
{
    struct waiter *waiter = CONTAINER_OF(subscriber, struct waiter, subscriber);
    if (event->order_id == waiter->order_id && event->seq > waiter->seq)
        finish(waiter);
}

static void fail(struct waiter *waiter, int result)
{
    stop_waiting(waiter);
    respond_failure(waiter->http, result);
    mem_free(waiter);
}

static void on_revoked(struct hub_subscriber *subscriber, int64_t before)
{
    struct waiter *waiter = CONTAINER_OF(subscriber, struct waiter, subscriber);
    if (waiter->issued_at < before)
        fail(waiter, ERR_DENIED);
}

/* Revocations may have been lost as well as events. */
static void on_resync(struct hub_subscriber *subscriber)
{
    struct waiter *waiter = CONTAINER_OF(subscriber, struct waiter, subscriber);
    int32_t seq;
    int revoked = auth_check_revoked(waiter->service->auth, waiter->project_id,
                                     waiter->user_external_id, waiter->issued_at);
    if (revoked != 0) {
        fail(waiter, revoked);
        return;
    }
    int result = order_read_seq(waiter->service, waiter->project_id, waiter->order_id,
                                waiter->user_external_id, &seq);
    if (result != 0 || seq != waiter->seq || http_request_is_draining(waiter->http))
        finish(waiter);
}

static const struct hub_subscriber_ops waiter_ops = {on_event, on_resync, on_revoked};

static void on_timer(struct loop_timer *timer)
{
    finish(CONTAINER_OF(timer, struct waiter, timer));
}

static void on_abort(void *argument)
{
    finish(argument);
}

/* Holds the request unless the order has changed already. */
static void hold(struct http_request *http, int32_t project_id, int32_t order_id,
                 const struct auth_user *caller, int64_t seconds)
{
    struct service *service = http->context;
    struct str user = caller->user_external_id;
    struct waiter *waiter = mem_zalloc(sizeof(*waiter) + user.len);
    char tag[TAG_SIZE];
    waiter->http = http;
    waiter->service = service;
    waiter->project_id = project_id;
    waiter->order_id = order_id;
    waiter->issued_at = caller->issued_at;
    memcpy(waiter->user, user.ptr, user.len);
    waiter->user_external_id = str_make(waiter->user, user.len);
    loop_timer_init(&waiter->timer, service->loop, on_timer);
    hub_subscribe(service->hub, project_id, user, &waiter->subscriber, &waiter_ops);
    int result = order_read_seq(service, project_id, order_id, user, &waiter->seq);
    if (result == 0)
        format_tag(tag, waiter->seq);
    if (result != 0 || http_request_is_draining(http) ||
        !url_etag_matches(http_request_header(http, "if-none-match"), str_from(tag))) {
        finish(waiter);
        return;
    }
    loop_timer_set(&waiter->timer, loop_now(service->loop) + seconds * 1000);
    http_request_on_abort(http, on_abort, waiter);
}

/* False when ?wait= is not a number of seconds; absent is 0. */
static bool read_wait(struct str query, int64_t *seconds)
{
    struct buf value;
    *seconds = 0;
    buf_init(&value, LIMIT_HTTP_URL);
    int result = url_query_get(query, "wait", &value);
    bool good = result == ERR_NOT_FOUND ||
                (result == 0 && str_to_int64(buf_view(&value), 0, WAIT_SECONDS_MAX, seconds));
    buf_fini(&value);
    return good;
}

/* The same user in another project has another key: the projects' numbers come first. */
static bool is_too_fast(struct service *service, int32_t project_id, const struct auth_user *user)
{
    char key[sizeof(project_id) + LIMIT_USER_EXTERNAL_ID];
    memcpy(key, &project_id, sizeof(project_id));
    memcpy(key + sizeof(project_id), user->user_external_id.ptr, user->user_external_id.len);
    if (quota_take(service->quota, QUOTA_USER_REQUESTS,
                   str_make(key, sizeof(project_id) + user->user_external_id.len),
                   service->options->requests_per_user, loop_now(service->loop)) == 0)
        return false;
    metrics_add(METRIC_REQUESTS_REFUSED__USER, 1);
    return true;
}

/* A project that is not there has nothing to hide; the handler says that it is not there. */
enum api_error route_order_check_origin(struct http_request *http, struct str origin,
                                        bool *is_listed)
{
    struct service *service = http->context;
    int64_t project_id;
    if (!str_to_int64(http->params[0], 1, INT32_MAX, &project_id))
        return API_ERROR_NONE;
    int result = auth_origin(service->auth, (int32_t)project_id, origin, is_listed);
    if (result == ERR_DENIED)
        return API_ERROR_ORIGIN_NOT_ALLOWED;
    return result == 0 || result == ERR_NOT_FOUND ? API_ERROR_NONE : API_ERROR_STORE_UNAVAILABLE;
}

void route_order_get(struct http_request *http)
{
    struct service *service = http->context;
    struct auth_user user;
    struct str token;
    int64_t project_id;
    int64_t order_id;
    int64_t seconds;
    if (!str_to_int64(http->params[0], 1, INT32_MAX, &project_id)) {
        http_respond_error(http, API_ERROR_PROJECT_NOT_FOUND, NULL);
        return;
    }
    int result = url_bearer_token(http_request_header(http, "authorization"), &token);
    if (result == 0)
        result =
            auth_user(service->auth, (int32_t)project_id, token, loop_wall(service->loop), &user);
    else
        result = ERR_DENIED;
    if (result == ERR_NOT_FOUND)
        http_respond_error(http, API_ERROR_PROJECT_NOT_FOUND, NULL);
    else if (result != 0)
        respond_failure(http, result);
    else if (is_too_fast(service, (int32_t)project_id, &user))
        http_respond_error(http, API_ERROR_TOO_MANY_REQUESTS, NULL);
    else if (!str_to_int64(http->params[1], 1, INT32_MAX, &order_id))
        http_respond_error(http, API_ERROR_ORDER_NOT_FOUND, NULL);
    else if (!read_wait(http->query, &seconds))
        http_respond_error(http, API_ERROR_INVALID_FIELD,
                           "wait: expected a number of seconds from 0 to 60");
    else if (seconds > 0 && http_request_has_header(http, "if-none-match"))
        hold(http, (int32_t)project_id, (int32_t)order_id, &user, seconds);
    else
        respond_order(http, (int32_t)project_id, (int32_t)order_id, user.user_external_id);
}
