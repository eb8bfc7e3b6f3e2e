/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sessions carried by WebSocket: the handshake with the choice of an encoding, and one reply in one frame. The store SDKs
 * parse a whole message as one JSON value and compare a ping with two bytes, so nothing is batched.
 */
#include "realtime/realtime_internal.h"

#include "base/mem.h"
#include "codec/url.h"
#include "websocket/websocket.h"

enum { OPCODE_TEXT = 1, OPCODE_BINARY = 2 };

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

/* Clients that know no ping of the conversation get WebSocket's, which their libraries answer. */
static int send_ping(struct session *session)
{
    static const struct str control_ping = STR_LIT("\x89\0");
    const struct centrifuge_encoding *encoding = session->encoding;
    const struct buf *pings = session->realtime->websocket_pings;
    return websocket_send_frame(connection_of(session)->websocket,
                                encoding->write_ping ? buf_view(&pings[encoding->binary])
                                                     : control_ping);
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

static const struct address *peer(const struct session *session)
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
    if (connection->session.encoding->next_command)
        session_message(&connection->session, message);
}

static void on_closed(void *owner)
{
    struct connection *connection = owner;
    session_fini(&connection->session);
    mem_free(connection);
}

static const struct websocket_handlers handlers = {.message = on_message, .closed = on_closed};

/* What the client and this server both speak. */
struct choice {
    const struct centrifuge_encoding *encoding;
    struct str subprotocol; /* to be echoed; empty: none */
};

/*
 * The first of the client's list that this server speaks. An unknown one (Unreal offers "wss") is
 * not echoed, and means what none means: JSON, unless the query asks for Protobuf.
 */
static struct choice choose_subprotocol(struct str offered)
{
    static const struct choice known[] = {
        {&centrifuge_json, STR_LIT("centrifuge-json")},
        {&centrifuge_protobuf, STR_LIT("centrifuge-protobuf")},
    };
    struct str offer;
    while (str_split(&offered, ',', &offer)) {
        for (size_t i = 0; i < ARRAY_LENGTH(known); i++)
            if (str_equal(str_trim(offer), known[i].subprotocol))
                return known[i];
    }
    return (struct choice){&centrifuge_json, STR_LIT("")};
}

static bool query_is_protobuf(struct str query, const char *name)
{
    struct buf value;
    buf_init(&value, LIMIT_HTTP_URL);
    bool is_protobuf =
        url_query_get(query, name, &value) == 0 && str_equal_text(buf_view(&value), "protobuf");
    buf_fini(&value);
    return is_protobuf;
}

static struct choice choose(const struct http_request *request)
{
    struct choice choice =
        choose_subprotocol(http_request_header(request, "Sec-WebSocket-Protocol"));
    if (query_is_protobuf(request->query, "format") ||
        query_is_protobuf(request->query, "cf_protocol"))
        choice.encoding = &centrifuge_protobuf;
    return choice;
}

static struct session *take_over(struct realtime *realtime, struct stream *stream, struct str early,
                                 const struct centrifuge_encoding *encoding, char *origin)
{
    struct connection *connection = mem_zalloc(sizeof(*connection));
    const struct realtime_options *options = realtime->options;
    connection->websocket =
        websocket_new(stream, (size_t)options->message_bytes, (size_t)options->queue_bytes, early,
                      &handlers, connection);
    session_init(&connection->session, realtime, &transport, encoding);
    connection->session.origin = origin;
    return &connection->session;
}

struct session *transport_websocket_upgrade(struct http_request *request,
                                            const struct centrifuge_encoding *encoding,
                                            struct str subprotocol)
{
    struct realtime *realtime = request->context;
    struct session *session = NULL;
    struct buf early;
    char *origin = session_origin_of(request);
    struct stream *stream = websocket_upgrade(request, subprotocol, &early);
    if (stream)
        session = take_over(realtime, stream, buf_view(&early), encoding, origin);
    else
        mem_free(origin);
    buf_fini(&early);
    return session;
}

void transport_websocket_open(struct http_request *request)
{
    struct choice choice = choose(request);
    (void)transport_websocket_upgrade(request, choice.encoding, choice.subprotocol);
}

void transport_websocket_write_ping(const struct centrifuge_encoding *encoding, struct buf *out)
{
    struct buf message;
    buf_init(&message, 2);
    encoding->write_ping(&message);
    buf_init(out, 4);
    websocket_frame_write(out, encoding->binary ? OPCODE_BINARY : OPCODE_TEXT, buf_view(&message));
    buf_fini(&message);
}
