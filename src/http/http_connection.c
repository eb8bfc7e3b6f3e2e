/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection: bytes to requests, one after another. Whatever happens, `proceed` takes the
 * requests that are there in a loop (a pipeline must not become a recursion), of a long one some at a
 * time, and `settle`, last, keeps what could not be taken, sets the deadline, and frees a connection
 * that is over. While a handler has the request the socket is still read, once, because that is how
 * its end is noticed.
 */
#include "http/http_internal.h"

#include "base/mem.h"
#include "base/quota.h"
#include "codec/url.h"
#include "net/stream.h"

#include <string.h>

/* How long a peer that was told to go may take to close. */
#define CLOSE_LINGER 2000
/* Requests of one connection that are taken before others have their turn. */
#define REQUESTS_AT_ONCE 16
/* A head larger than this gives its memory back between requests. */
#define KEPT_HEAD_MAX 2048

static int64_t phase_timeout(const struct http_connection *connection, enum http_phase phase)
{
    const struct http_options *options = connection->server->options;
    if (phase == HTTP_PHASE_BODY)
        return options->body_timeout;
    return phase == HTTP_PHASE_HEAD || phase == HTTP_PHASE_FLUSH ? options->idle_timeout : 0;
}

static void set_phase(struct http_connection *connection, enum http_phase phase)
{
    int64_t timeout = phase_timeout(connection, phase);
    connection->phase = phase;
    connection->deadline_mono = timeout > 0 ? loop_now(connection->server->loop) + timeout : 0;
}

bool http_connection_reserve(struct http_connection *connection, uint64_t bytes)
{
    if (bytes <= LIMIT_LARGE_BODY)
        return true;
    if (!quota_reserve(connection->server->quota, bytes))
        return false;
    connection->reserved += bytes;
    return true;
}

/* All but what `held` bytes take of the stock. */
static void give_back(struct http_connection *connection, size_t held)
{
    size_t kept = held > LIMIT_LARGE_BODY ? held : 0;
    if (kept >= connection->reserved)
        return;
    quota_give_back(connection->server->quota, connection->reserved - kept);
    connection->reserved = kept;
}

static void release(struct http_connection *connection)
{
    give_back(connection, 0);
    loop_timer_cancel(&connection->timer);
    list_remove(&connection->node);
    connection->server->count--;
    buf_fini(&connection->reader.text);
    http_body_fini(&connection->body);
    buf_fini(&connection->decoded);
    buf_fini(&connection->joined);
    buf_fini(&connection->rest);
    mem_free(connection);
}

/* Input that has to wait is kept, and no more is read. */
static void keep_input(struct http_connection *connection)
{
    struct str input = connection->input;
    connection->input = (struct str){0};
    if (input.len == 0 || connection->stream == NULL || connection->phase >= HTTP_PHASE_CLOSING)
        return;
    buf_append_str(&connection->rest, input);
    stream_pause(connection->stream);
}

/*
 * A timer that is set too early is left alone, and set anew when it expires: a busy connection
 * would otherwise move it twice for each request.
 */
static void arm_timer(struct http_connection *connection)
{
    int64_t deadline = connection->deadline_mono;
    if (deadline == 0 || (connection->armed_mono != 0 && connection->armed_mono <= deadline))
        return;
    connection->armed_mono = deadline;
    loop_timer_set(&connection->timer, deadline);
}

static void settle(struct http_connection *connection)
{
    if (connection->proceeding)
        return;
    keep_input(connection);
    if (connection->phase != HTTP_PHASE_OVER)
        arm_timer(connection);
    else if (!connection->deferred)
        release(connection);
}

static void settle_later(struct http_connection *connection)
{
    if (connection->deferred)
        return;
    connection->deferred = true;
    loop_defer(connection->server->loop, &connection->later);
}

static void close_stream(struct http_connection *connection)
{
    int64_t now = loop_now(connection->server->loop);
    set_phase(connection, HTTP_PHASE_CLOSING);
    stream_close(connection->stream, now + CLOSE_LINGER);
    /* Only now it is known what the peer does not take. */
    if (stream_queued(connection->stream) > 0)
        stream_close(connection->stream, now + connection->server->options->idle_timeout);
}

/* The request is malformed or too slow: what follows it cannot be trusted to be a request. */
static void refuse(struct http_connection *connection, enum api_error error, const char *detail)
{
    connection->head.keep_alive = false;
    http_answer_error(connection, error, detail);
}

static enum api_error decode_params(struct http_connection *connection)
{
    struct http_request *request = &connection->request;
    buf_init(&connection->decoded, LIMIT_HTTP_URL);
    for (size_t i = 0; i < HTTP_PARAMS_MAX; i++) {
        struct str raw = connection->match.params[i];
        request->params[i] = raw;
        if (raw.len == 0 || memchr(raw.ptr, '%', raw.len) == NULL)
            continue;
        /* Room for all of them at the first, because the views must not move. */
        if (connection->decoded.ptr == NULL)
            buf_reserve(&connection->decoded, request->path.len);
        size_t before = connection->decoded.len;
        if (url_decode(raw, &connection->decoded) != 0)
            return API_ERROR_BAD_REQUEST;
        request->params[i] =
            str_make(connection->decoded.ptr + before, connection->decoded.len - before);
    }
    return API_ERROR_NONE;
}

static enum api_error route_error(const struct http_connection *connection)
{
    const struct http_match *match = &connection->match;
    if (match->route == NULL)
        return match->allow[0] == '\0' ? API_ERROR_ROUTE_NOT_FOUND : API_ERROR_METHOD_NOT_ALLOWED;
    if (connection->server->draining && !(match->flags & HTTP_ROUTE_WHILE_DRAINING))
        return API_ERROR_SHUTTING_DOWN;
    return API_ERROR_NONE;
}

static void hand_over(struct http_connection *connection)
{
    struct http_request *request = &connection->request;
    request->body = buf_view(&connection->body.data);
    set_phase(connection, HTTP_PHASE_HANDLER);
    request->route->handle(request);
}

static size_t body_max(const struct http_connection *connection)
{
    const struct http_options *options = connection->server->options;
    size_t max = connection->match.route->body_max;
    if (max == HTTP_BODY)
        return (size_t)options->body_bytes;
    return max == HTTP_BATCH_BODY ? (size_t)options->batch_bytes : max;
}

static void begin_body(struct http_connection *connection)
{
    const struct http_head *head = &connection->head;
    size_t max = body_max(connection);
    enum api_error error = http_body_begin(&connection->body, head, max);
    uint64_t length = head->chunked ? max : head->content_length;
    if (error == API_ERROR_NONE && !http_connection_reserve(connection, length))
        error = API_ERROR_BUSY;
    if (error != API_ERROR_NONE) {
        refuse(connection, error, NULL);
        return;
    }
    connection->unread_body = false;
    if (http_body_is_complete(&connection->body)) {
        hand_over(connection);
        return;
    }
    set_phase(connection, HTTP_PHASE_BODY);
    /* A failure is heard from the stream. */
    if (head->expects_continue && connection->input.len == 0 &&
        stream_write(connection->stream, STR_LIT("HTTP/1.1 100 Continue\r\n\r\n")) != 0)
        set_phase(connection, HTTP_PHASE_CLOSING);
}

static enum api_error check_origin(struct http_connection *connection)
{
    struct http_request *request = &connection->request;
    const struct http_match *match = &connection->match;
    const struct http_route *route = match->route != NULL ? match->route : match->other;
    struct str origin = http_request_header(request, "origin");
    if (route->check_origin == NULL || origin.len == 0)
        return API_ERROR_NONE;
    enum api_error error = route->check_origin(request, origin, &connection->origin_listed);
    connection->origin_refused = error != API_ERROR_NONE;
    return error;
}

static bool is_preflight(const struct http_connection *connection)
{
    return connection->match.route == NULL && connection->match.other != NULL &&
           str_equal_text(connection->head.method, "OPTIONS");
}

static void begin_request(struct http_connection *connection)
{
    struct http_request *request = &connection->request;
    struct http_match *match = &connection->match;
    if (connection->redirect_port != 0) {
        http_redirect(connection);
        return;
    }
    http_router_find(connection->server->tables, connection->route_flags, connection->head.method,
                     request->path, match);
    request->route = match->route;
    request->context = match->context;
    request->method = match->route != NULL ? match->route->method : "";
    bool preflight = is_preflight(connection);
    enum api_error error = preflight ? API_ERROR_NONE : route_error(connection);
    if (error == API_ERROR_NONE)
        error = http_limits_take(connection);
    if (error == API_ERROR_NONE)
        error = decode_params(connection);
    if (error == API_ERROR_NONE)
        error = check_origin(connection);
    if (error == API_ERROR_NONE && !preflight && match->route->admit != NULL)
        error = match->route->admit(request);
    if (error != API_ERROR_NONE)
        http_answer_error(connection, error, NULL);
    else if (preflight)
        http_answer_preflight(connection);
    else
        begin_body(connection);
}

/* Whom a trusted proxy names; a stranger's word is not heard. */
static void find_client(struct http_connection *connection)
{
    const struct forwarded_trust *trust = connection->server->trust;
    struct forwarded_list forwarded;
    if (trust == NULL || !forwarded_trusts(trust, &connection->client))
        return;
    forwarded_begin(&forwarded, trust, &connection->client);
    forwarded_add(&forwarded, http_request_header(&connection->request, trust->field));
    connection->client = forwarded_client(&forwarded);
}

/* All fields of the request are as of now; what went wrong before is answered without a route. */
static void end_head(struct http_connection *connection)
{
    const char *detail;
    struct http_head *head = &connection->head;
    struct http_request *request = &connection->request;
    enum api_error error = http_head_parse(buf_view(&connection->reader.text), head, &detail);
    if (error != API_ERROR_NONE) {
        refuse(connection, error, detail);
        return;
    }
    find_client(connection);
    connection->unread_body = head->chunked || head->content_length > 0;
    if (url_split_target(head->target, &request->path, &request->query) != 0)
        refuse(connection, API_ERROR_BAD_REQUEST, "The address is malformed");
    else
        begin_request(connection);
}

static void start_request(struct http_connection *connection)
{
    int64_t now = loop_now(connection->server->loop);
    connection->started_mono = now;
    connection->deadline_mono = now + connection->server->options->header_timeout;
    connection->head = (struct http_head){0};
    connection->match = (struct http_match){0};
    connection->request = (struct http_request){.method = "", .connection = connection};
    connection->client = *stream_peer(connection->stream);
    connection->unread_body = false;
    connection->origin_listed = false;
    connection->origin_refused = false;
    connection->transaction[0] = '\0';
    connection->caller[0] = '\0';
    connection->object[0] = '\0';
}

static void take_head(struct http_connection *connection)
{
    bool complete;
    const char *detail;
    if (connection->reader.text.len == 0 && !connection->reader.skipped_empty_line)
        start_request(connection);
    enum api_error error =
        http_head_read(&connection->reader, (size_t)connection->server->options->header_bytes,
                       &connection->input, &complete, &detail);
    if (error != API_ERROR_NONE)
        refuse(connection, error, detail);
    else if (complete)
        end_head(connection);
}

static void take_body(struct http_connection *connection)
{
    enum api_error error = http_body_read(&connection->body, &connection->input);
    if (error != API_ERROR_NONE)
        refuse(connection, error,
               error == API_ERROR_BAD_REQUEST ? "The chunks of the body are malformed" : NULL);
    else if (http_body_is_complete(&connection->body))
        hand_over(connection);
}

static void proceed(struct http_connection *connection)
{
    int left = REQUESTS_AT_ONCE;
    connection->proceeding = true;
    while (connection->input.len > 0 && connection->phase <= HTTP_PHASE_BODY) {
        if (connection->phase == HTTP_PHASE_BODY)
            take_body(connection);
        else if (left-- > 0)
            take_head(connection);
        else
            break;
    }
    connection->proceeding = false;
    if (left < 0)
        settle_later(connection);
    settle(connection);
}

static void on_received(void *owner, struct str bytes)
{
    struct http_connection *connection = owner;
    connection->input = bytes;
    proceed(connection);
}

/* Calls the handler that wished to hear it, once. */
static void tell_aborted(struct http_connection *connection)
{
    void (*aborted)(void *argument) = connection->aborted;
    connection->aborted = NULL;
    if (aborted == NULL)
        return;
    connection->proceeding = true;
    aborted(connection->aborted_argument);
    connection->proceeding = false;
}

void http_connection_lost(struct http_connection *connection)
{
    stream_abort(&connection->stream);
    if (connection->phase != HTTP_PHASE_HANDLER)
        set_phase(connection, HTTP_PHASE_OVER);
    else if (connection->proceeding)
        settle_later(connection);
    else
        tell_aborted(connection);
    settle(connection);
}

static void proceed_with_rest(void *owner)
{
    struct http_connection *connection = owner;
    struct buf kept = connection->rest;
    buf_init(&connection->rest, STREAM_READ_SIZE);
    stream_resume(connection->stream);
    connection->input = buf_view(&kept);
    proceed(connection);
    buf_fini(&kept);
}

/* What could not be done at once: the input kept from before, bad news for a handler, freeing. */
static void on_later(struct loop_message *message)
{
    struct http_connection *connection = CONTAINER_OF(message, struct http_connection, later);
    connection->deferred = false;
    if (connection->phase == HTTP_PHASE_HEAD && connection->rest.len > 0) {
        stream_run(connection->stream, proceed_with_rest);
        return;
    }
    if (connection->phase == HTTP_PHASE_HANDLER && connection->stream == NULL)
        tell_aborted(connection);
    settle(connection);
}

static void await_request(struct http_connection *connection)
{
    give_back(connection, 0);
    set_phase(connection, HTTP_PHASE_HEAD);
    if (connection->rest.len > 0)
        settle_later(connection);
}

static void on_drained(void *owner)
{
    struct http_connection *connection = owner;
    if (connection->phase == HTTP_PHASE_FLUSH)
        await_request(connection);
    settle(connection);
}

static void on_closed(void *owner)
{
    struct http_connection *connection = owner;
    if (stream_was_refused(connection->stream))
        http_limits_complain(connection->server, stream_peer(connection->stream));
    /* The stream frees itself. */
    connection->stream = NULL;
    http_connection_lost(connection);
}

static void on_timer(struct loop_timer *timer)
{
    struct http_connection *connection = CONTAINER_OF(timer, struct http_connection, timer);
    bool begun = connection->reader.text.len > 0 || connection->phase == HTTP_PHASE_BODY;
    connection->armed_mono = 0;
    if (connection->deadline_mono == 0 ||
        loop_now(connection->server->loop) < connection->deadline_mono)
        arm_timer(connection);
    else if (!begun && stream_queued(connection->stream) > 0)
        http_connection_lost(connection);
    else if (begun)
        refuse(connection, API_ERROR_REQUEST_TIMEOUT, NULL);
    else
        close_stream(connection);
}

/* What happens before the first request. */
static int prepare_stream(struct http_connection *connection, const struct http_port *port)
{
    const struct http_server *server = connection->server;
    if (port->proxy_protocol)
        stream_expect_proxy(connection->stream,
                            loop_now(server->loop) + server->options->header_timeout);
    int result = http_limits_count(connection, port);
    if (result == 0 && port->tls != NULL)
        result = stream_use_tls(connection->stream, port->tls);
    return result;
}

void http_connection_start(struct http_server *server, int descriptor, const struct address *peer,
                           const struct http_port *port)
{
    static const struct stream_handlers handlers = {on_received, on_drained, on_closed};
    struct http_connection *connection = mem_zalloc(sizeof(*connection));
    connection->server = server;
    connection->redirect_port = port->redirect_port;
    connection->route_flags = port->public_alone ? HTTP_ROUTE_PUBLIC : 0;
    connection->later.run = on_later;
    http_head_reader_init(&connection->reader);
    http_body_init(&connection->body);
    buf_init(&connection->decoded, LIMIT_HTTP_URL);
    buf_init(&connection->joined, LIMIT_HTTP_HEADERS);
    buf_init(&connection->rest, STREAM_READ_SIZE);
    loop_timer_init(&connection->timer, server->loop, on_timer);
    list_append(&server->connections, &connection->node);
    server->count++;
    connection->stream =
        stream_new(server->loop, descriptor, peer, LIMIT_HTTP_OUTPUT, &handlers, connection);
    if (connection->stream != NULL && prepare_stream(connection, port) != 0)
        stream_abort(&connection->stream);
    set_phase(connection, connection->stream != NULL ? HTTP_PHASE_HEAD : HTTP_PHASE_OVER);
    settle(connection);
}

void http_connection_drain(struct http_connection *connection)
{
    bool idle = connection->phase == HTTP_PHASE_HEAD && connection->reader.text.len == 0 &&
                connection->rest.len == 0 && !connection->proceeding;
    if (idle || connection->phase == HTTP_PHASE_FLUSH)
        close_stream(connection);
}

static void forget_request(struct http_connection *connection)
{
    connection->aborted = NULL;
    http_body_fini(&connection->body);
    buf_fini(&connection->decoded);
    buf_fini(&connection->joined);
    if (connection->reader.text.capacity > KEPT_HEAD_MAX)
        buf_fini(&connection->reader.text);
    http_head_reader_reset(&connection->reader);
}

void http_connection_answered(struct http_connection *connection, bool keep_alive)
{
    forget_request(connection);
    /* The body is gone; its share is for what the peer has not yet taken of the answer. */
    give_back(connection, connection->stream != NULL ? stream_queued(connection->stream) : 0);
    if (connection->stream == NULL)
        set_phase(connection, HTTP_PHASE_OVER);
    else if (!keep_alive)
        close_stream(connection);
    else if (stream_queued(connection->stream) > 0)
        set_phase(connection, HTTP_PHASE_FLUSH);
    else
        await_request(connection);
    settle(connection);
}

/* RFC 9110 section 5.3. `more` and what is left of `fields` come after `first`. */
static struct str join_fields(struct http_connection *connection, struct str name, struct str first,
                              struct str more, struct str fields)
{
    struct buf *joined = &connection->joined;
    /* Room for all of them at the first, because the views must not move. */
    if (joined->ptr == NULL)
        buf_reserve(joined, connection->head.fields.len);
    buf_append_str(joined, name);
    buf_append_byte(joined, ':');
    size_t start = joined->len;
    buf_append_str(joined, first);
    do {
        buf_append_text(joined, ", ");
        buf_append_str(joined, more);
    } while (http_head_find_field(&fields, name, &more));
    struct str value = str_make(joined->ptr + start, joined->len - start);
    buf_append_text(joined, "\r\n");
    return value;
}

struct str http_request_header(const struct http_request *request, const char *name)
{
    struct http_connection *connection = request->connection;
    struct str wanted = str_from(name);
    struct str joined = buf_view(&connection->joined);
    struct str fields = connection->head.fields;
    struct str value = {0}, more;
    if (http_head_find_field(&joined, wanted, &value) ||
        !http_head_find_field(&fields, wanted, &value) ||
        !http_head_find_field(&fields, wanted, &more))
        return value;
    return join_fields(connection, wanted, value, more, fields);
}

bool http_request_has_header(const struct http_request *request, const char *name)
{
    /* The value of a present field points into the head, even an empty one. */
    return http_request_header(request, name).ptr != NULL;
}

void http_request_on_abort(struct http_request *request, void (*aborted)(void *argument),
                           void *argument)
{
    struct http_connection *connection = request->connection;
    connection->aborted = aborted;
    connection->aborted_argument = argument;
    if (aborted != NULL && connection->stream == NULL)
        settle_later(connection);
}
