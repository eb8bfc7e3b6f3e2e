/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET /sub/order/status?order_id=&project_id=, the socket of store SDKs from before 2023
 * (xsolla-sdks.md 1.11): the order's status, then each later one. It asks nobody who is there, so a
 * project has to allow it. A session without a connect command: the address says which order.
 */
#include "realtime/realtime_internal.h"

#include "auth/auth.h"
#include "base/err.h"
#include "codec/url.h"
#include "service/buyer_stream.h"
#include "service/service.h"

/* 0 when the parameter is missing or no id. */
static int32_t read_id(const struct http_request *request, const char *name)
{
    struct buf text;
    int64_t id = 0;
    buf_init(&text, LIMIT_HTTP_URL);
    if (url_query_get(request->query, name, &text) < 0 ||
        !str_to_int64(buf_view(&text), 1, INT32_MAX, &id))
        id = 0;
    buf_fini(&text);
    return (int32_t)id;
}

/* A project that does not allow it looks like one that is not there. */
static enum api_error check_project(struct service *service, int32_t project_id, struct str origin)
{
    const struct auth_project *project;
    bool is_listed;
    int result = auth_project(service->auth, project_id, &project);
    if (result == ERR_NOT_FOUND || (result == 0 && !project->settings.legacy_socket))
        return API_ERROR_ROUTE_NOT_FOUND;
    if (result == 0)
        result = auth_origin(service->auth, project_id, origin, &is_listed);
    if (result == ERR_DENIED)
        return API_ERROR_ORIGIN_NOT_ALLOWED;
    return result == 0 ? API_ERROR_NONE : API_ERROR_STORE_UNAVAILABLE;
}

/*
 * What was read stays true until control returns to the loop, which brings all later events: so
 * nothing falls between the reading and the subscription.
 */
static void follow(struct http_request *request, int32_t project_id, struct str user,
                   const struct buyer_stream_view *view)
{
    struct session *session = transport_websocket_upgrade(request, &centrifuge_status, STR_LIT(""));
    if (!session)
        return;
    session->issued_at = INT64_MAX;
    session->order_id = view->publications[0].order_id;
    if (session_subscribe(session, project_id, user) != 0) {
        session_close(session, CLOSE_TOO_MANY_REQUESTS);
        return;
    }
    session_connect(session, view->top, INT64_MAX);
    session_push(session, view->publications, view->publication_count);
}

void legacy_status_open(struct http_request *request)
{
    struct realtime *realtime = request->context;
    struct buyer_stream_view view = {0};
    struct buf user;
    int32_t project_id = read_id(request, "project_id");
    enum api_error error =
        check_project(realtime->service, project_id, http_request_header(request, "origin"));
    if (error != API_ERROR_NONE) {
        http_respond_error(request, error, NULL);
        return;
    }
    buf_init(&user, LIMIT_USER_EXTERNAL_ID);
    int result = buyer_stream_open_order(realtime->service, project_id,
                                         read_id(request, "order_id"), &user, &view);
    if (result == 0)
        follow(request, project_id, buf_view(&user), &view);
    else
        http_respond_error(request,
                           result == ERR_NOT_FOUND ? API_ERROR_ORDER_NOT_FOUND
                                                   : API_ERROR_STORE_UNAVAILABLE,
                           NULL);
    buyer_stream_view_fini(&view);
    buf_fini(&user);
}
