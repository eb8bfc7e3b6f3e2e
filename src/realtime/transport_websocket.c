/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sessions carried by WebSocket: the handshake, and one reply in one text frame. The store SDKs
 * parse a whole message as one JSON value and compare a ping with two bytes, so nothing is batched.
 */
#include "realtime/realtime_internal.h"

#include "base/err.h"
#include "base/mem.h"
#include "service/service.h"
#include "websocket/websocket.h"

enum { HEADERS_MAX = 1024, OPCODE_TEXT = 1 };

struct connection {
    struct session session;
    struct websocket *websocket;
};

static struct connection *connection_of(const struct session *session)
{
    return CONTAINER_OF(session, struct connection, session);
}

static int send_message(struct session *session, struct str message)
{
    return websocket_send(connection_of(session)->websocket, session->encoding->binary, message);
}

static int send_ping(struct session *session)
{
    return websocket_send_frame(connection_of(session)->websocket,
                                buf_view(&session->realtime->websocket_ping));
}

static void send_close(struct session *session, enum close_code code)
{
    websocket_close(connection_of(session)->websocket, (uint16_t)code,
                    centrifuge_close_reason(code), centrifuge_close_flushes(code));
}

static void abort_connection(struct session *session)
{
    struct connection *connection = connection_of(session);
    websocket_abort(&connection->websocket);
    session_fini(session);
    mem_free(connection);
}

static const char *peer(const struct session *session)
{
    return websocket_peer(connection_of(session)->websocket);
}

static const struct session_transport transport = {
    .send = send_message,
    .ping = send_ping,
    .close = send_close,
    .abort = abort_connection,
    .peer = peer,
};

static void on_message(void *owner, struct str message)
{
    struct connection *connection = owner;
    session_message(&connection->session, message);
}

static void on_closed(void *owner)
{
    struct connection *connection = owner;
    session_fini(&connection->session);
    mem_free(connection);
}

static const struct websocket_handlers handlers = {.message = on_message, .closed = on_closed};

/*
 * The first of the client's list that this server speaks, empty when there is none: an unknown one
 * (Unreal offers "wss") is not echoed, and means JSON.
 */
static struct str choose_subprotocol(struct str offered)
{
    static const struct str json = STR_LIT("centrifuge-json");
    struct str offer;
    while (str_split(&offered, ',', &offer)) {
        if (str_equal(str_trim(offer), json))
            return json;
    }
    return str_make(NULL, 0);
}

static void refuse(struct http_request *request, int reason)
{
    if (reason == ERR_UNSUPPORTED)
        http_respond_error(request, API_ERROR_UPGRADE_REQUIRED, NULL);
    else
        http_respond_error(request, API_ERROR_BAD_REQUEST, "The WebSocket handshake is malformed");
}

static void take_over(struct realtime *realtime, struct stream *stream, struct str early)
{
    struct connection *connection = mem_zalloc(sizeof(*connection));
    connection->websocket = websocket_new(stream, LIMIT_WEBSOCKET_MESSAGE, LIMIT_REALTIME_QUEUE,
                                          early, &handlers, connection);
    session_init(&connection->session, realtime, &transport, &centrifuge_json);
}

void transport_websocket_open(struct http_request *request)
{
    struct realtime *realtime = request->context;
    const struct websocket_handshake handshake = {
        .connection = http_request_header(request, "Connection"),
        .upgrade = http_request_header(request, "Upgrade"),
        .version = http_request_header(request, "Sec-WebSocket-Version"),
        .key = http_request_header(request, "Sec-WebSocket-Key"),
    };
    struct str subprotocol =
        choose_subprotocol(http_request_header(request, "Sec-WebSocket-Protocol"));
    struct buf headers, early;
    buf_init(&headers, HEADERS_MAX);
    buf_init(&early, 0);
    int result = websocket_accept(&handshake, subprotocol, &headers);
    if (result < 0) {
        refuse(request, result);
    } else {
        struct stream *stream = http_upgrade(request, buf_view(&headers), &early);
        if (stream)
            take_over(realtime, stream, buf_view(&early));
    }
    buf_fini(&headers);
    buf_fini(&early);
}

void transport_websocket_write_ping(struct buf *out)
{
    struct buf message;
    buf_init(&message, 2);
    centrifuge_json.write_ping(&message);
    buf_init(out, 4);
    websocket_frame_write(out, OPCODE_TEXT, buf_view(&message));
    buf_fini(&message);
}
