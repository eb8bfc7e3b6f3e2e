/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What libcurl is told of one request, and what it gives back. The URL is a stranger's and so is
 * the answer: an address is judged where the socket is made and again when a kept connection is
 * taken, because kept connections serve all projects and what one may call another may not;
 * whatever is read is counted.
 */
#include "http/http_sender_internal.h"

#include "base/limits.h"
#include "base/mem.h"

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

/* Reading on past what is kept costs less than a new connection, up to here. */
enum { BODY_READ_MAX = 64 * 1024 };

static bool may_be_called(struct http_sending *sending, const struct address *address)
{
    bool may = sending->allowed_only
                   ? address_is_in(address, sending->allowed, sending->allowed_count)
                   : address_may_be_called(address, sending->allowed, sending->allowed_count);
    if (may)
        return true;
    sending->blocked = true;
    return false;
}

static void remember_address(struct http_sending *sending, const struct address *address, int port)
{
    char text[ADDRESS_TEXT_SIZE];
    address_format(address, text);
    bool ipv6 = strchr(text, ':') != NULL;
    snprintf(sending->address, sizeof(sending->address), ipv6 ? "[%s]:%d" : "%s:%d", text, port);
}

static bool read_socket_address(const struct curl_sockaddr *from, struct address *address,
                                int *port)
{
    union {
        struct sockaddr_in ipv4;
        struct sockaddr_in6 ipv6;
    } copy = {0};
    if (from->addrlen <= sizeof(copy))
        memcpy(&copy, &from->addr, from->addrlen);
    if (from->family == AF_INET && from->addrlen == sizeof(copy.ipv4)) {
        *address = address_from_ipv4((const uint8_t *)&copy.ipv4.sin_addr);
        *port = ntohs(copy.ipv4.sin_port);
        return true;
    }
    if (from->family == AF_INET6 && from->addrlen == sizeof(copy.ipv6)) {
        *address = address_from_ipv6(copy.ipv6.sin6_addr.s6_addr);
        *port = ntohs(copy.ipv6.sin6_port);
        return true;
    }
    return false;
}

static curl_socket_t open_socket(void *argument, curlsocktype purpose, struct curl_sockaddr *wanted)
{
    struct http_sending *sending = argument;
    struct address address;
    int port;
    (void)purpose;
    sending->again |= sending->sent;
    if (sending->again || !read_socket_address(wanted, &address, &port) ||
        !may_be_called(sending, &address))
        return CURL_SOCKET_BAD;
    int fd = socket(wanted->family, wanted->socktype | SOCK_CLOEXEC, wanted->protocol);
    if (fd < 0)
        return CURL_SOCKET_BAD;
    sending->opened = true;
    remember_address(sending, &address, port);
    return fd;
}

/*
 * The connection stands, new or kept. libcurl sends a request again by itself when a kept
 * connection ended without an answer; the receiver may have acted on it, so that is for the caller
 * to do and to record.
 */
static int on_connected(void *argument, char *remote, char *local, int remote_port, int local_port)
{
    struct http_sending *sending = argument;
    struct address address;
    (void)local;
    (void)local_port;
    sending->again |= sending->sent;
    if (sending->again || !address_parse(str_from(remote), &address) ||
        !may_be_called(sending, &address))
        return CURL_PREREQFUNC_ABORT;
    remember_address(sending, &address, remote_port);
    sending->sent = true;
    return CURL_PREREQFUNC_OK;
}

static struct str without_line_end(struct str line)
{
    if (line.len > 0 && line.ptr[line.len - 1] == '\n')
        line.len--;
    if (line.len > 0 && line.ptr[line.len - 1] == '\r')
        line.len--;
    return line;
}

/* Status lines, fields, the empty line, for each answer; then perhaps trailers, which are left. */
static size_t on_header(char *bytes, size_t size, size_t count, void *argument)
{
    struct http_sending *sending = argument;
    size_t length = size * count;
    struct str line = without_line_end(str_make(bytes, length));
    sending->header_length += length;
    if (sending->header_length > LIMIT_WEBHOOK_HEADERS)
        return 0;
    if (line.len == 0) {
        sending->in_head = false;
    } else if (!sending->in_head && str_starts_with(line, STR_LIT("HTTP/"))) {
        sending->in_head = true;
        buf_clear(&sending->headers);
    } else if (sending->in_head && line.len + 2 <= sending->headers.max - sending->headers.len) {
        buf_append_str(&sending->headers, line);
        buf_append_text(&sending->headers, "\r\n");
    }
    return length;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *argument)
{
    struct http_sending *sending = argument;
    size_t length = size * count;
    size_t room = sending->body.max - sending->body.len;
    buf_append(&sending->body, bytes, length < room ? length : room);
    sending->body_length += length;
    sending->cut = sending->body_length > BODY_READ_MAX;
    return sending->cut ? 0 : length;
}

static bool set_guard(CURL *curl, struct http_sending *sending)
{
    bool good = true;
    good &= curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK;
    good &= curl_easy_setopt(curl, CURLOPT_PROXY, "") == CURLE_OK;
    good &= curl_easy_setopt(curl, CURLOPT_NOPROXY, "*") == CURLE_OK;
    good &= curl_easy_setopt(curl, CURLOPT_OPENSOCKETFUNCTION, open_socket) == CURLE_OK;
    good &= curl_easy_setopt(curl, CURLOPT_OPENSOCKETDATA, sending) == CURLE_OK;
    good &=
        curl_easy_setopt(curl, CURLOPT_CLOSESOCKETFUNCTION, http_sender_close_socket) == CURLE_OK;
    good &= curl_easy_setopt(curl, CURLOPT_CLOSESOCKETDATA, sending->sender) == CURLE_OK;
    good &= curl_easy_setopt(curl, CURLOPT_PREREQFUNCTION, on_connected) == CURLE_OK;
    good &= curl_easy_setopt(curl, CURLOPT_PREREQDATA, sending) == CURLE_OK;
    return good;
}

static bool set_switches(CURL *curl)
{
    static const struct {
        CURLoption option;
        long value;
    } rows[] = {
        {CURLOPT_FOLLOWLOCATION, 0},
        {CURLOPT_NETRC, CURL_NETRC_IGNORED},
        {CURLOPT_DISALLOW_USERNAME_IN_URL, 1},
        {CURLOPT_PATH_AS_IS, 1},
        {CURLOPT_NOSIGNAL, 1},
        {CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1},
        {CURLOPT_HTTP09_ALLOWED, 0},
        {CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2},
        {CURLOPT_SSL_VERIFYPEER, 1},
        {CURLOPT_SSL_VERIFYHOST, 2},
        /* Else the loop stands still until the system's resolver gives up on a cancelled name. */
        {CURLOPT_QUICK_EXIT, 1},
        {CURLOPT_BUFFERSIZE, 8 * 1024},
        {CURLOPT_UPLOAD_BUFFERSIZE, 16 * 1024},
    };
    bool good = true;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        good &= curl_easy_setopt(curl, rows[i].option, rows[i].value) == CURLE_OK;
    return good;
}

static bool set_blob(CURL *curl, CURLoption option, struct str bytes)
{
    struct curl_blob blob = {(void *)bytes.ptr, bytes.len, CURL_BLOB_NOCOPY};
    return curl_easy_setopt(curl, option, &blob) == CURLE_OK;
}

/*
 * Certificate and key go to libcurl in one piece, which a PEM file may be, because it compares the
 * certificates of a kept connection and of a new request but not the keys: who knows another's
 * certificate could else borrow its connection.
 */
static bool set_tls(CURL *curl, struct http_sending *sending,
                    const struct http_sender_request *request)
{
    /* Without this the system's folder of certificates would stay trusted beside `ca`. */
    bool good = curl_easy_setopt(curl, CURLOPT_CAPATH, NULL) == CURLE_OK;
    if (request->ca.len > 0)
        good &= set_blob(curl, CURLOPT_CAINFO_BLOB, request->ca);
    if (request->client_cert.len == 0)
        return good;
    buf_append_str(&sending->identity, request->client_cert);
    buf_append_byte(&sending->identity, '\n');
    buf_append_str(&sending->identity, request->client_key);
    good &= !sending->identity.overflow;
    good &= set_blob(curl, CURLOPT_SSLCERT_BLOB, buf_view(&sending->identity));
    good &= set_blob(curl, CURLOPT_SSLKEY_BLOB, buf_view(&sending->identity));
    /* An encrypted key is refused instead of asking for the password at the terminal. */
    good &= curl_easy_setopt(curl, CURLOPT_KEYPASSWD, "") == CURLE_OK;
    return good;
}

static bool add_field(struct http_sending *sending, const char *field)
{
    struct curl_slist *list = curl_slist_append(sending->fields, field);
    if (list == NULL)
        return false;
    sending->fields = list;
    return true;
}

static bool set_fields(CURL *curl, struct http_sending *sending, const char *const *fields)
{
    /* A name without a value keeps libcurl from sending its own. */
    bool good = add_field(sending, "Expect:") && add_field(sending, "Accept:") &&
                add_field(sending, "Content-Type:");
    for (size_t i = 0; good && fields != NULL && fields[i] != NULL; i++)
        good = add_field(sending, fields[i]);
    return good && curl_easy_setopt(curl, CURLOPT_HTTPHEADER, sending->fields) == CURLE_OK;
}

static bool set_method(CURL *curl, const struct http_sender_request *request)
{
    if (request->get)
        return curl_easy_setopt(curl, CURLOPT_HTTPGET, 1L) == CURLE_OK;
    /* The size first: it tells how much COPYPOSTFIELDS copies. */
    return curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body.len) ==
               CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_COPYPOSTFIELDS,
                            request->body.len > 0 ? request->body.ptr : "") == CURLE_OK;
}

static bool set_content(CURL *curl, struct http_sending *sending,
                        const struct http_sender_request *request)
{
    bool good = set_method(curl, request);
    good &= curl_easy_setopt(curl, CURLOPT_URL, request->url) == CURLE_OK;
    /* Not the deadline, but how long libcurl may dwell on one of a name's addresses. */
    good &= curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)request->timeout) == CURLE_OK;
    good &= curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header) == CURLE_OK;
    good &= curl_easy_setopt(curl, CURLOPT_HEADERDATA, sending) == CURLE_OK;
    good &= curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body) == CURLE_OK;
    good &= curl_easy_setopt(curl, CURLOPT_WRITEDATA, sending) == CURLE_OK;
    good &= curl_easy_setopt(curl, CURLOPT_PRIVATE, sending) == CURLE_OK;
    return good;
}

bool http_sender_request_set_up(struct http_sending *sending,
                                const struct http_sender_request *request)
{
    CURL *curl = sending->curl;
    buf_init(&sending->identity, LIMIT_WEBHOOK_SETTINGS);
    buf_init(&sending->headers, LIMIT_WEBHOOK_RESPONSE);
    buf_init(&sending->body, request->body_max > 0 ? request->body_max : LIMIT_WEBHOOK_RESPONSE);
    sending->allowed_only = request->allowed_only;
    if (request->allowed_count > 0) {
        sending->allowed_count = request->allowed_count;
        sending->allowed =
            mem_dup(request->allowed, request->allowed_count * sizeof(*request->allowed));
    }
    return set_guard(curl, sending) && set_switches(curl) && set_tls(curl, sending, request) &&
           set_fields(curl, sending, request->headers) && set_content(curl, sending, request);
}

void http_sender_request_clean_up(struct http_sending *sending)
{
    curl_slist_free_all(sending->fields);
    mem_wipe(sending->identity.ptr, sending->identity.len);
    buf_fini(&sending->identity);
    buf_fini(&sending->headers);
    buf_fini(&sending->body);
    mem_free(sending->allowed);
}
