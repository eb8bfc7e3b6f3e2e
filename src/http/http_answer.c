/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers to bytes: status line, the fields every answer carries, CORS, and the error bodies. Head
 * and body go out in one write unless the body is so large that copying it costs more.
 */
#include "http/http_internal.h"

#include "base/clock.h"
#include "base/crypto.h"
#include "base/log.h"
#include "base/metrics.h"
#include "net/stream.h"

#include <stdio.h>
#include <string.h>

/* Larger bodies are written by themselves. */
#define COPIED_BODY_MAX (32 * 1024)
/* What a browser may ask for in a preflight; longer lists get the default. */
#define REQUESTED_HEADERS_MAX 512
#define ERROR_HEADERS_MAX 512

/* Everything the trackers of the SDKs send (xsolla-sdks.md section 6). */
#define DEFAULT_ALLOWED_HEADERS                                                                    \
    "authorization, content-type, if-none-match, x-build-platform, x-engine, x-engine-v, "         \
    "x-game-engine, x-game-engine-v, x-ref, x-ref-v, x-sdk, x-sdk-v, x-unauthorized-id, x-user"

static const struct {
    int status;
    const char *phrase;
} phrases[] = {
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {204, "No Content"},
    {207, "Multi-Status"},
    {304, "Not Modified"},
    {308, "Permanent Redirect"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {412, "Precondition Failed"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {422, "Unprocessable Content"},
    {426, "Upgrade Required"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {503, "Service Unavailable"},
    {505, "HTTP Version Not Supported"},
};

static const char *phrase_of(int status)
{
    for (size_t i = 0; i < ARRAY_LENGTH(phrases); i++)
        if (phrases[i].status == status)
            return phrases[i].phrase;
    return "";
}

/* An IMF-fixdate (RFC 9110 section 5.6.7), made once a second. */
static const char *date_text(struct http_server *server)
{
    static const char days[] = "ThuFriSatSunMonTueWed"; /* 1970 began with a Thursday */
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    int64_t wall = loop_wall(server->loop);
    if (wall / CLOCK_SECOND == server->date_second)
        return server->date;
    char iso[CLOCK_TEXT_SIZE]; /* "2026-11-22T11:31:24.123Z" */
    clock_format(wall, iso);
    int month = (iso[5] - '0') * 10 + (iso[6] - '0') - 1;
    int day = (int)(wall / CLOCK_DAY % 7);
    server->date_second = wall / CLOCK_SECOND;
    snprintf(server->date, sizeof(server->date), "%.3s, %.2s %.3s %.4s %.8s GMT", days + 3 * day,
             iso + 8, months + 3 * month, iso, iso + 11);
    return server->date;
}

static bool is_cors(const struct http_connection *connection)
{
    return (connection->match.flags & HTTP_ROUTE_CORS) != 0;
}

static void append_cors(const struct http_connection *connection, struct buf *out)
{
    const struct http_request *request = &connection->request;
    buf_append_text(out, "Vary: Origin\r\n");
    if (!http_request_has_header(request, "origin") || connection->origin_refused)
        return;
    buf_append_text(out, "Access-Control-Allow-Origin: ");
    buf_append_str(out, connection->origin_listed ? http_request_header(request, "origin")
                                                  : STR_LIT("*"));
    buf_append_text(out, "\r\nAccess-Control-Expose-Headers: ETag, Retry-After\r\n");
}

static bool is_head(const struct http_connection *connection)
{
    return str_equal_text(connection->head.method, "HEAD");
}

static bool has_no_body(int status)
{
    return status == 204 || status == 304;
}

static void append_content_fields(struct buf *out, const struct http_answer *answer)
{
    if (has_no_body(answer->status))
        return;
    buf_append_text(out, "Content-Type: ");
    buf_append_text(out, answer->content_type != NULL ? answer->content_type : "application/json");
    buf_append_text(out, "\r\nContent-Length: ");
    buf_append_int(out, (int64_t)answer->body.len);
    buf_append_text(out, "\r\n");
}

static void append_status(struct http_connection *connection, int status, struct buf *out)
{
    buf_append_text(out, "HTTP/1.1 ");
    buf_append_int(out, status);
    buf_append_byte(out, ' ');
    buf_append_text(out, phrase_of(status));
    buf_append_text(out, "\r\nDate: ");
    buf_append_text(out, date_text(connection->server));
    buf_append_text(out, "\r\n");
}

/* All other fields, and the end of the head. */
static void append_fields(const struct http_connection *connection, struct str headers,
                          bool keep_alive, struct buf *out)
{
    struct str lines = headers, value;
    if (!http_head_find_field(&lines, STR_LIT("cache-control"), &value))
        buf_append_text(out, "Cache-Control: no-store\r\n");
    buf_append_text(out, "X-Content-Type-Options: nosniff\r\n");
    if (is_cors(connection))
        append_cors(connection, out);
    if (!keep_alive)
        buf_append_text(out, "Connection: close\r\n");
    else if (connection->head.http_1_0)
        buf_append_text(out, "Connection: keep-alive\r\n");
    buf_append_str(out, headers);
    buf_append_text(out, "\r\n");
}

/* ERR_CLOSED and the like are not for the caller: the stream tells the connection itself. */
static bool write_answer(struct http_connection *connection, const struct http_answer *answer,
                         bool keep_alive)
{
    struct buf *out = &connection->server->scratch;
    struct str body = answer->body;
    if (has_no_body(answer->status) || is_head(connection))
        body.len = 0;
    buf_clear(out);
    append_status(connection, answer->status, out);
    append_content_fields(out, answer);
    append_fields(connection, answer->headers, keep_alive, out);
    if (body.len <= COPIED_BODY_MAX) {
        buf_append_str(out, body);
        body.len = 0;
    }
    if (out->overflow || body.len > LIMIT_HTTP_RESPONSE) {
        log_error("an answer is too large", LOG_STR("path", connection->request.path));
        return false;
    }
    if (stream_write(connection->stream, buf_view(out)) != 0)
        return false;
    return body.len == 0 || stream_write(connection->stream, body) == 0;
}

static void count(int status)
{
    static const enum metric classes[] = {METRIC_HTTP_REQUESTS__2XX, METRIC_HTTP_REQUESTS__3XX,
                                          METRIC_HTTP_REQUESTS__4XX, METRIC_HTTP_REQUESTS__5XX};
    int class = status / 100;
    if (class >= 2 && class <= 5)
        metrics_add(classes[class - 2], 1);
}

/*
 * A stranger must not fill the log: 505 is an error of the client, and 503 can be brought about; what
 * lies behind it is logged where it begins.
 */
static bool is_ours(int status)
{
    return status >= 500 && status != 503 && status != 505;
}

void http_request_set_caller(struct http_request *request, const char *caller)
{
    struct http_connection *connection = request->connection;
    snprintf(connection->caller, sizeof(connection->caller), "%s", caller);
}

void http_request_set_object(struct http_request *request, struct str object)
{
    struct http_connection *connection = request->connection;
    snprintf(connection->object, sizeof(connection->object), "%.*s", STR_ARG(object));
}

static void record(struct http_connection *connection, int status)
{
    const struct http_route *route = connection->request.route;
    const char *object = connection->object;
    if (route == NULL || route->audit == NULL || connection->caller[0] == '\0')
        return;
    log_audit(route->audit, LOG_TEXT("who", connection->caller),
              LOG_TEXT("address", address_text(&connection->client, (char[ADDRESS_TEXT_SIZE]){0})),
              LOG_STR("path", connection->request.path), LOG_INT("status", status),
              LOG_STR("transaction", http_request_transaction(&connection->request)),
              LOG_TEXT(object[0] != '\0' ? "object" : NULL, object));
}

static void note(struct http_connection *connection, int status)
{
    const char *transaction = connection->transaction;
    count(status);
    record(connection, status);
    LOG_WRITE(is_ours(status) ? LOG_LEVEL_WARNING : LOG_LEVEL_DEBUG, "request",
              LOG_STR("method", connection->head.method), LOG_STR("path", connection->request.path),
              LOG_INT("status", status),
              LOG_INT("ms", loop_now(connection->server->loop) - connection->started_mono),
              LOG_TEXT(transaction[0] != '\0' ? "transaction" : NULL, transaction), {0});
}

static void answer_with(struct http_connection *connection, const struct http_answer *answer)
{
    bool keep_alive =
        connection->head.keep_alive && !connection->unread_body && !connection->server->draining;
    note(connection, answer->status);
    if (connection->stream != NULL && !write_answer(connection, answer, keep_alive)) {
        /* A half answer must not be followed by another. */
        keep_alive = false;
    }
    http_connection_answered(connection, keep_alive);
}

void http_respond(struct http_request *request, const struct http_answer *answer)
{
    /* What was done is not denied; the answer to a write is no longer than its body. */
    bool is_read = strcmp(request->method, "GET") == 0;
    if (is_read && !http_connection_reserve(request->connection, answer->body.len))
        http_respond_error(request, API_ERROR_BUSY, NULL);
    else
        answer_with(request->connection, answer);
}

void http_respond_json(struct http_request *request, int status, struct str body)
{
    http_respond(request, &(struct http_answer){.status = status, .body = body});
}

static void append_error_headers(const struct http_connection *connection, enum api_error error,
                                 struct buf *out)
{
    int status = api_error_http_status(error);
    /* A browser would answer Basic with a dialog of its own. */
    if (status == 401)
        buf_append_text(out, is_cors(connection)
                                 ? "WWW-Authenticate: Bearer\r\n"
                                 : "WWW-Authenticate: Basic realm=\"orderwire\", Bearer\r\n");
    if (status == 503 || status == 429)
        buf_append_text(out, "Retry-After: 1\r\n");
    if (status == 405)
        buf_printf(out, "Allow: %s\r\n", connection->match.allow);
    if (status == 426)
        buf_append_text(out,
                        "Upgrade: websocket\r\nConnection: Upgrade\r\n"
                        "Sec-WebSocket-Version: 13\r\n");
}

struct str http_request_transaction(struct http_request *request)
{
    char *text = request->connection->transaction;
    uint64_t number;
    if (text[0] == '\0') {
        crypto_random(&number, sizeof(number));
        snprintf(text, sizeof(request->connection->transaction), "%016llx",
                 (unsigned long long)number);
    }
    return str_from(text);
}

void http_answer_error(struct http_connection *connection, enum api_error error, const char *detail)
{
    struct buf headers, body;
    buf_init(&headers, ERROR_HEADERS_MAX);
    buf_init(&body, LIMIT_HTTP_RESPONSE);
    append_error_headers(connection, error, &headers);
    api_error_write(&body, error, detail, http_request_transaction(&connection->request));
    answer_with(connection, &(struct http_answer){.status = api_error_http_status(error),
                                                  .body = buf_view(&body),
                                                  .headers = buf_view(&headers)});
    buf_fini(&headers);
    buf_fini(&body);
}

void http_respond_error(struct http_request *request, enum api_error error, const char *detail)
{
    http_answer_error(request->connection, error, detail);
}

static bool is_token_list(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!letter && strchr("-_, ", c) == NULL)
            return false;
    }
    return s.len > 0;
}

void http_answer_preflight(struct http_connection *connection)
{
    struct buf headers;
    struct str wanted = http_request_header(&connection->request, "access-control-request-headers");
    /* A star does not stand for Authorization (Fetch standard), so names are echoed. */
    if (wanted.len > REQUESTED_HEADERS_MAX || !is_token_list(wanted))
        wanted = STR_LIT(DEFAULT_ALLOWED_HEADERS);
    buf_init(&headers, ERROR_HEADERS_MAX + REQUESTED_HEADERS_MAX);
    buf_printf(&headers,
               "Access-Control-Allow-Methods: %s\r\n"
               "Access-Control-Allow-Headers: %.*s\r\n"
               "Access-Control-Max-Age: 300\r\n",
               connection->match.allow, STR_ARG(wanted));
    answer_with(connection, &(struct http_answer){.status = 204, .headers = buf_view(&headers)});
    buf_fini(&headers);
}

/* Writes the head and lets go of the stream; NULL when the client is gone, or wants the head alone. */
static struct stream *give_away(struct http_connection *connection, int status,
                                const struct buf *head)
{
    struct stream *stream = connection->stream;
    if (stream != NULL && (head->overflow || stream_write(stream, buf_view(head)) != 0))
        stream = NULL;
    note(connection, status);
    if (stream != NULL && is_head(connection))
        stream = NULL;
    if (stream != NULL) {
        connection->input = (struct str){0};
        connection->stream = NULL;
        stream_set_peer(stream, &connection->client);
        stream_resume(stream);
    }
    http_connection_answered(connection, false);
    return stream;
}

/* The body came after the drain had begun, of which whoever took the stream over would not hear. */
static bool is_too_late(struct http_connection *connection)
{
    if (!connection->server->draining)
        return false;
    http_answer_error(connection, API_ERROR_SHUTTING_DOWN, NULL);
    return true;
}

struct stream *http_upgrade(struct http_request *request, struct str headers, struct buf *early)
{
    struct http_connection *connection = request->connection;
    struct buf head;
    buf_init(early, STREAM_READ_SIZE);
    if (connection->head.http_1_0 || !str_equal_text(connection->head.method, "GET")) {
        http_answer_error(connection, API_ERROR_UPGRADE_REQUIRED, NULL);
        return NULL;
    }
    if (is_too_late(connection))
        return NULL;
    buf_append_str(early, buf_view(&connection->rest));
    buf_append_str(early, connection->input);
    buf_init(&head, LIMIT_HTTP_HEADERS);
    buf_append_text(&head, "HTTP/1.1 101 Switching Protocols\r\n");
    buf_append_str(&head, headers);
    buf_append_text(&head, "\r\n");
    struct stream *stream = give_away(connection, 101, &head);
    buf_fini(&head);
    return stream;
}

struct stream *http_take_over(struct http_request *request, int status, struct str headers)
{
    struct http_connection *connection = request->connection;
    struct buf head;
    if (is_too_late(connection))
        return NULL;
    buf_init(&head, LIMIT_HTTP_HEADERS);
    append_status(connection, status, &head);
    append_fields(connection, headers, false, &head);
    struct stream *stream = give_away(connection, status, &head);
    buf_fini(&head);
    return stream;
}
