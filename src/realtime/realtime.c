/* SPDX-License-Identifier: Apache-2.0 */
/* The sessions of one worker: found again for draining, and for the end. */
#include "realtime/realtime_internal.h"

#include "base/clock.h"
#include "base/mem.h"
#include "service/service.h"

/* Between the ends of two sessions of a worker that drains; less where time is short. */
#define DRAIN_INTERVAL_MS 20

#define BROWSERS (HTTP_ROUTE_PUBLIC | HTTP_ROUTE_CORS)
#define HANDSHAKE (BROWSERS | HTTP_ROUTE_HANDSHAKE)

const struct http_route realtime_routes[] = {
    {.method = "GET",
     .pattern = "/connection/websocket",
     .access = HTTP_USER,
     .handle = transport_websocket_open,
     .flags = HTTP_ROUTE_PUBLIC | HTTP_ROUTE_HANDSHAKE},
    {.method = "GET",
     .pattern = "/sub/order/status",
     .access = HTTP_ANYONE,
     .handle = legacy_status_open,
     .flags = HTTP_ROUTE_PUBLIC | HTTP_ROUTE_HANDSHAKE},
    {"POST", "/connection/http_stream", HTTP_USER, transport_stream_open, HTTP_BODY, HANDSHAKE},
    {"GET", "/connection/sse", HTTP_USER, transport_stream_open_sse, 0, HANDSHAKE},
    {"POST", "/connection/sse", HTTP_USER, transport_stream_open_sse, HTTP_BODY, HANDSHAKE},
    {"GET", "/connection/uni_http_stream", HTTP_USER, transport_stream_open_one_way, 0, HANDSHAKE},
    {"POST", "/connection/uni_http_stream", HTTP_USER, transport_stream_open_one_way, HTTP_BODY,
     HANDSHAKE},
    {"GET", "/connection/uni_sse", HTTP_USER, transport_stream_open_one_way_sse, 0, HANDSHAKE},
    {"POST", "/connection/uni_sse", HTTP_USER, transport_stream_open_one_way_sse, HTTP_BODY,
     HANDSHAKE},
    /*
     * It asks for the name of a session, which only its client was told. Sessions last while the
     * server drains, and so do their pongs.
     */
    {"POST", "/emulation", HTTP_ANYONE, emulation_handle, HTTP_BODY,
     BROWSERS | HTTP_ROUTE_WHILE_DRAINING},
    {0},
};

bool realtime_parse_user(struct str text, int32_t *project_id, struct str *user_external_id)
{
    struct str rest = text;
    struct str project;
    int64_t number;
    if (!str_split(&rest, '/', &project) || rest.len == 0 || rest.len > LIMIT_USER_EXTERNAL_ID ||
        !str_to_int64(project, 1, INT32_MAX, &number))
        return false;
    *project_id = (int32_t)number;
    *user_external_id = rest;
    return true;
}

struct realtime *realtime_new(struct service *service, const struct realtime_options *options,
                              struct realtime_peers *peers)
{
    struct realtime *realtime = mem_zalloc(sizeof(*realtime));
    realtime->service = service;
    realtime->options = options;
    list_init(&realtime->sessions);
    buf_init(&realtime->out, LIMIT_REALTIME_QUEUE);
    buf_init(&realtime->wrapped, LIMIT_REALTIME_QUEUE);
    emulation_init(realtime, peers);
    transport_websocket_write_ping(&centrifuge_json, &realtime->websocket_pings[0]);
    transport_websocket_write_ping(&centrifuge_protobuf, &realtime->websocket_pings[1]);
    return realtime;
}

void realtime_free(struct realtime **owner)
{
    struct realtime *realtime = *owner;
    if (!realtime)
        return;
    emulation_fini(realtime);
    buf_fini(&realtime->out);
    buf_fini(&realtime->wrapped);
    buf_fini(&realtime->websocket_pings[0]);
    buf_fini(&realtime->websocket_pings[1]);
    mem_free(realtime);
    *owner = NULL;
}

void realtime_drain(struct realtime *realtime, int64_t duration)
{
    int64_t now = loop_now(realtime->service->loop);
    int64_t index = 0;
    int64_t count = (int64_t)realtime->session_count;
    int64_t spread = clock_earlier(duration, count * DRAIN_INTERVAL_MS);
    LIST_EACH (&realtime->sessions, node) {
        struct session *session = LIST_ENTRY(node, struct session, node);
        session_drain(session, now + spread * index++ / count);
    }
}

void realtime_abort(struct realtime *realtime)
{
    LIST_EACH (&realtime->sessions, node) {
        struct session *session = LIST_ENTRY(node, struct session, node);
        session->transport->abort(session);
    }
}

size_t realtime_sessions(const struct realtime *realtime)
{
    return realtime->session_count;
}
