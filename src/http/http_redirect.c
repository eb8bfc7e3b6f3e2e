/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way from http to https. What a client sends comes back in a header line, so each byte is looked
 * at first: nothing may end the line, or make the address of another host of it.
 */
#include "base/err.h"
#include "base/str.h"
#include "codec/address.h"
#include "http/http_internal.h"

#include <string.h>

#define HOST_MAX 253
#define HTTPS_PORT 443

static bool is_name_byte(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
           c == '.';
}

/* "shop.example", "192.0.2.1" */
static bool is_name(struct str host)
{
    bool was_dot = true;
    if (host.len == 0 || host.len > HOST_MAX)
        return false;
    for (size_t i = 0; i < host.len; i++) {
        bool is_dot = host.ptr[i] == '.';
        if (!is_name_byte(host.ptr[i]) || (is_dot && was_dot))
            return false;
        was_dot = is_dot;
    }
    return true;
}

/* Cuts the port off, if there is one. */
static bool split_port(struct str field, struct str *host)
{
    bool bracketed = str_starts_with(field, STR_LIT("["));
    const char *end = memchr(field.ptr, bracketed ? ']' : ':', field.len);
    int64_t port;
    *host = field;
    if (end == NULL)
        return !bracketed;
    host->len = (size_t)(end - field.ptr) + (bracketed ? 1 : 0);
    struct str rest = str_make(field.ptr + host->len, field.len - host->len);
    return rest.len == 0 || (rest.ptr[0] == ':' &&
                             str_to_int64(str_make(rest.ptr + 1, rest.len - 1), 0, 65535, &port));
}

static bool is_host(struct str host)
{
    struct address address;
    if (!str_starts_with(host, STR_LIT("[")))
        return is_name(host);
    struct str inside = str_make(host.ptr + 1, host.len - 2);
    return memchr(inside.ptr, ':', inside.len) != NULL && address_parse(inside, &address);
}

static bool is_visible(struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] <= ' ' || text.ptr[i] > '~')
            return false;
    return true;
}

int http_redirect_location(struct str host_field, int64_t port, struct str path, struct str query,
                           struct buf *out)
{
    struct str host;
    if (host_field.len == 0 || !split_port(host_field, &host) || !is_host(host) ||
        !str_starts_with(path, STR_LIT("/")) || !is_visible(path) || !is_visible(query))
        return ERR_INVALID;
    buf_append_text(out, "https://");
    buf_append_str(out, host);
    if (port != HTTPS_PORT)
        buf_printf(out, ":%d", (int)port);
    buf_append_str(out, path);
    if (query.len > 0)
        buf_append_byte(out, '?');
    buf_append_str(out, query);
    return 0;
}

void http_redirect(struct http_connection *connection)
{
    struct http_request *request = &connection->request;
    struct buf headers;
    /* The longest target and the longest host. */
    buf_init(&headers, LIMIT_HTTP_URL + 2 * HOST_MAX);
    buf_append_text(&headers, "Location: ");
    if (http_redirect_location(http_request_header(request, "host"), connection->redirect_port,
                               request->path, request->query, &headers) != 0) {
        http_answer_error(connection, API_ERROR_BAD_REQUEST, "The Host field names no host");
    } else {
        buf_append_text(&headers, "\r\n");
        http_respond(request, &(struct http_answer){.status = 308, .headers = buf_view(&headers)});
    }
    buf_fini(&headers);
}
