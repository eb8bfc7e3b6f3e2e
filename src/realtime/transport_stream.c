/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sessions carried by an HTTP answer that does not end, for clients behind proxies that know no
 * WebSocket, and for those without any library. http_stream and sse differ in how a message is
 * wrapped. What their clients say after the connect command comes through POST /emulation; the
 * one-way variants say nothing more.
 */
#include "realtime/realtime_internal.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "codec/json.h"
#include "codec/url.h"
#include "net/stream.h"

#include <string.h>

/* How long a client that was told to go may take to close, in ms. */
enum { CLOSE_LINGER = 2000, HEADERS_MAX = 512 };

/* How the messages follow each other in a body. */
struct wrapping {
    const char *content_type;
    struct str before, after;
};

static const struct wrapping lines = {
    .content_type = "application/json",
    .after = STR_LIT("\n"),
};
/* Each message brings its length. */
static const struct wrapping bare = {.content_type = "application/octet-stream"};
/*
 * No blank line at the start, as the reference server has it: `eventsource` 2 of npm loses the first
 * event when it comes in one piece with a "\r\n".
 */
static const struct wrapping events = {
    .content_type = "text/event-stream",
    .before = STR_LIT("data: "),
    .after = STR_LIT("\n\n"),
};

struct connection {
    struct session session;
    struct stream *stream;
    const struct wrapping *wrapping;
    char id[EMULATION_ID_SIZE]; /* empty when one-way */
};

static struct connection *connection_of(const struct session *session)
{
    return CONTAINER_OF(session, struct connection, session);
}

static int send_message(struct session *session, struct str message)
{
    const struct connection *connection = connection_of(session);
    struct buf *wrapped = &session->realtime->wrapped;
    buf_clear(wrapped);
    buf_append_str(wrapped, connection->wrapping->before);
    buf_append_str(wrapped, message);
    buf_append_str(wrapped, connection->wrapping->after);
    if (wrapped->overflow)
        return ERR_TOO_LARGE;
    return stream_write(connection->stream, buf_view(wrapped));
}

static int send_ping(struct session *session)
{
    struct buf *out = session_begin(session);
    session->encoding->write_ping(out);
    return send_message(session, buf_view(out));
}

static void send_close(struct session *session, enum close_code code)
{
    struct stream *stream = connection_of(session)->stream;
    struct buf *out = session_begin(session);
    bool flushes = centrifuge_close_flushes(code);
    if (flushes || stream_queued(stream) == 0) {
        session->encoding->write_disconnect(out, code);
        /* A client that cannot take it, or has gone, sees the end alone. */
        (void)!send_message(session, buf_view(out));
    }
    stream_close(stream, loop_now(stream_loop(stream)) + (flushes ? CLOSE_LINGER : 0));
}

static void end(struct connection *connection)
{
    if (connection->id[0] != '\0')
        emulation_end(&connection->session, connection->id);
    metrics_add(METRIC_HTTP_STREAMS, -1);
    session_fini(&connection->session);
    mem_free(connection);
}

static void abort_connection(struct session *session)
{
    struct connection *connection = connection_of(session);
    stream_abort(&connection->stream);
    end(connection);
}

static const struct address *peer(const struct session *session)
{
    return stream_peer(connection_of(session)->stream);
}

static const char *emulation_id(const struct session *session)
{
    return connection_of(session)->id;
}

static const struct session_transport transport = {
    .send = send_message,
    .ping = send_ping,
    .close = send_close,
    .abort = abort_connection,
    .peer = peer,
    .emulation_id = emulation_id,
};

/* Another request on the same connection would wait for the end of this one: it is not looked at. */
static void on_received(void *owner, struct str bytes)
{
    (void)owner;
    (void)bytes;
}

static void on_closed(void *owner)
{
    end(owner);
}

static const struct stream_handlers handlers = {.received = on_received, .closed = on_closed};

static void start(struct realtime *realtime, struct stream *stream, const struct wrapping *wrapping,
                  const struct centrifuge_encoding *encoding, struct str command, char *origin)
{
    struct connection *connection = mem_zalloc(sizeof(*connection));
    struct session *session = &connection->session;
    connection->stream = stream;
    connection->wrapping = wrapping;
    stream_set_owner(stream, (size_t)realtime->options->queue_bytes, &handlers, connection);
    metrics_add(METRIC_HTTP_STREAMS, 1);
    session_init(session, realtime, &transport, encoding);
    session->origin = origin;
    if (!encoding->one_way)
        emulation_begin(session, connection->id);
    session_message(session, command);
}

/* {"token":"…","data":{"project_id":"…"}} for clients that set a header rather than write JSON. */
static int write_bearer(const struct http_request *request, struct buf *out)
{
    struct str token;
    struct buf project;
    int result = url_bearer_token(http_request_header(request, "Authorization"), &token);
    buf_init(&project, LIMIT_HTTP_URL);
    if (result == 0)
        result = url_query_get(request->query, "project_id", &project);
    if (result == 0) {
        buf_append_byte(out, '{');
        json_write_text(out, "token", token);
        buf_append_text(out, ",\"data\":{");
        json_write_text(out, "project_id", buf_view(&project));
        buf_append_text(out, "}}");
    }
    buf_fini(&project);
    return result;
}

/* The first message: a POST's body, or a parameter. ERR_INVALID when there is none. */
static int read_command(const struct http_request *request, bool one_way, struct buf *out)
{
    int result = 0;
    if (strcmp(request->method, "GET") == 0)
        result = url_query_get(request->query, "cf_connect", out);
    else
        buf_append_str(out, request->body);
    if (one_way && (result == ERR_NOT_FOUND || (result == 0 && out->len == 0)))
        result = write_bearer(request, out);
    return result < 0 || out->len == 0 || out->overflow ? ERR_INVALID : 0;
}

static void open_session(struct http_request *request, const struct wrapping *wrapping,
                         const struct centrifuge_encoding *encoding)
{
    struct realtime *realtime = request->context;
    struct buf command, headers;
    buf_init(&command, LIMIT_HTTP_BODY);
    buf_init(&headers, HEADERS_MAX);
    buf_printf(&headers,
               "Content-Type: %s\r\n"
               "Cache-Control: private, no-cache, no-store, must-revalidate\r\n"
               "X-Accel-Buffering: no\r\n",
               wrapping->content_type);
    if (read_command(request, encoding->one_way, &command) < 0) {
        http_respond_error(
            request, API_ERROR_BAD_REQUEST,
            "The connect command is missing: expected a body, ?cf_connect=, or, one way, "
            "Authorization and ?project_id=");
    } else {
        char *origin = session_origin_of(request);
        struct stream *stream = http_take_over(request, 200, buf_view(&headers));
        if (stream)
            start(realtime, stream, wrapping, encoding, buf_view(&command), origin);
        else
            mem_free(origin);
    }
    buf_fini(&command);
    buf_fini(&headers);
}

const struct centrifuge_encoding *transport_stream_encoding(const struct http_request *request)
{
    struct str type = http_request_header(request, "Content-Type");
    struct str media_type = {0};
    (void)str_split(&type, ';', &media_type);
    return str_equal_ignoring_case(str_trim(media_type), STR_LIT("application/octet-stream"))
               ? &centrifuge_protobuf
               : &centrifuge_json;
}

void transport_stream_open(struct http_request *request)
{
    const struct centrifuge_encoding *encoding = transport_stream_encoding(request);
    open_session(request, encoding->binary ? &bare : &lines, encoding);
}

void transport_stream_open_sse(struct http_request *request)
{
    open_session(request, &events, &centrifuge_json);
}

void transport_stream_open_one_way(struct http_request *request)
{
    open_session(request, &lines, &centrifuge_json_one_way);
}

void transport_stream_open_one_way_sse(struct http_request *request)
{
    open_session(request, &events, &centrifuge_json_one_way);
}
