/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The client's end over a socket and poll(), through TLS or not. Every wait has a deadline, because a tracker that
 * hangs on a silent server is worse than one that falls back to polling.
 */
#include "websocket/websocket_client.h"

#include "base/clock.h"
#include "base/crypto.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/mem.h"
#include "codec/base64.h"
#include "codec/url.h"
#include "net/tls.h"
#include "websocket/websocket_internal.h"
#include "websocket/websocket_reader.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { INPUT_SIZE = 4096, KEY_BYTES = 16, KEY_TEXT = 24, HOST_MAX = 255, SEND_TIMEOUT_MS = 10000 };

struct websocket_client {
    int fd;
    struct tls *tls; /* NULL: bytes go as they are */
    bool closed;     /* not open yet, or not any more */
    uint16_t close_code;
    struct buf close_reason;
    struct websocket_reader *reader;
    struct str pending; /* the part of `input` that was not looked at */
    char input[INPUT_SIZE];
};

/* 0 when the descriptor is ready, ERR_TIMEOUT, ERR_IO. */
static int wait_for(int fd, short events, int64_t deadline_mono)
{
    for (;;) {
        int64_t left = deadline_mono - clock_mono_ms();
        if (left <= 0)
            return ERR_TIMEOUT;
        struct pollfd watched = {.fd = fd, .events = events};
        int ready = poll(&watched, 1, left < INT32_MAX ? (int)left : INT32_MAX);
        if (ready > 0)
            return 0;
        if (ready < 0 && errno != EINTR)
            return ERR_IO;
    }
}

/* 0 and how many went, 0 when the socket takes none now; ERR_IO. */
static int send_some(struct websocket_client *client, struct str bytes, size_t *sent)
{
    if (client->tls != NULL)
        return tls_write(client->tls, bytes, sent) == 0 ? 0 : ERR_IO;
    ssize_t n = send(client->fd, bytes.ptr, bytes.len, MSG_NOSIGNAL);
    *sent = n > 0 ? (size_t)n : 0;
    return n >= 0 || errno == EAGAIN || errno == EINTR ? 0 : ERR_IO;
}

static int send_all(struct websocket_client *client, struct str bytes, int64_t deadline_mono)
{
    while (bytes.len > 0) {
        size_t sent;
        int error = send_some(client, bytes, &sent);
        if (error == 0 && sent == 0)
            error = wait_for(client->fd, POLLOUT, deadline_mono);
        if (error != 0)
            return error;
        bytes = str_make(bytes.ptr + sent, bytes.len - sent);
    }
    return 0;
}

/* 0 and some bytes, ERR_MORE when none are there now, ERR_CLOSED, ERR_IO. */
static int receive_some(struct websocket_client *client, size_t *got)
{
    if (client->tls != NULL)
        return tls_read(client->tls, client->input, sizeof(client->input), got);
    ssize_t n = recv(client->fd, client->input, sizeof(client->input), 0);
    *got = n > 0 ? (size_t)n : 0;
    if (n == 0)
        return ERR_CLOSED;
    return n > 0 ? 0 : errno == EAGAIN || errno == EINTR ? ERR_MORE : ERR_IO;
}

/* Until TLS can go on. */
static int wait_for_tls(const struct websocket_client *client, int64_t deadline_mono)
{
    bool wants_write = client->tls != NULL && tls_wants_write(client->tls);
    return wait_for(client->fd, wants_write ? POLLOUT : POLLIN, deadline_mono);
}

/* Waits for input: ERR_MORE when there is some to look at, ERR_CLOSED at the end of the stream. */
static int fill(struct websocket_client *client, int64_t deadline_mono)
{
    while (client->pending.len == 0) {
        size_t got;
        int error = receive_some(client, &got);
        if (error == 0)
            client->pending = str_make(client->input, got);
        else if (error == ERR_MORE)
            error = wait_for_tls(client, deadline_mono);
        if (error != 0)
            return error;
    }
    return ERR_MORE;
}

static int finish_connecting(int fd, int64_t deadline_mono)
{
    if (wait_for(fd, POLLOUT, deadline_mono) != 0) {
        errno = ETIMEDOUT;
        return ERR_TIMEOUT;
    }
    int failure = 0;
    socklen_t length = sizeof(failure);
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &failure, &length) != 0)
        return ERR_IO;
    errno = failure;
    return failure == 0 ? 0 : ERR_IO;
}

/* Where one is refused, small messages are slower, or a silent end is noticed later. */
static void set_options(int fd)
{
    static const struct {
        int level, name, value;
    } rows[] = {
        {IPPROTO_TCP, TCP_NODELAY, 1},   {SOL_SOCKET, SO_KEEPALIVE, 1},
        {IPPROTO_TCP, TCP_KEEPIDLE, 30}, {IPPROTO_TCP, TCP_KEEPINTVL, 10},
        {IPPROTO_TCP, TCP_KEEPCNT, 3},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        (void)setsockopt(fd, rows[i].level, rows[i].name, &rows[i].value, sizeof(int));
}

static int connect_one(const struct addrinfo *address, int64_t deadline_mono)
{
    int type = address->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC;
    int fd = socket(address->ai_family, type, address->ai_protocol);
    if (fd < 0)
        return -1;
    set_options(fd);
    if (connect(fd, address->ai_addr, address->ai_addrlen) == 0)
        return fd;
    if (errno == EINPROGRESS && finish_connecting(fd, deadline_mono) == 0)
        return fd;
    int reason = errno;
    close(fd);
    errno = reason;
    return -1;
}

static int connect_to_path(const char *path, int64_t deadline_mono, char *error)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t length = strlen(path);
    int fd = -1;
    errno = ENAMETOOLONG;
    if (length < sizeof(address.sun_path)) {
        memcpy(address.sun_path, path, length);
        fd = connect_one(&(struct addrinfo){.ai_family = AF_UNIX,
                                            .ai_socktype = SOCK_STREAM,
                                            .ai_addr = (struct sockaddr *)&address,
                                            .ai_addrlen = sizeof(address)},
                         deadline_mono);
    }
    if (fd < 0)
        snprintf(error, WEBSOCKET_CLIENT_ERROR_SIZE, "cannot connect to %.110s: %.60s", path,
                 strerror(errno));
    return fd;
}

/* A connected socket, or -1 with a sentence. */
static int connect_to(const struct url *url, int64_t deadline_mono, char *error)
{
    char host[HOST_MAX + 1];
    char port[8];
    struct addrinfo *addresses = NULL;
    const struct addrinfo wanted = {.ai_socktype = SOCK_STREAM};
    snprintf(host, sizeof(host), "%.*s", STR_ARG(url->host));
    snprintf(port, sizeof(port), "%u", url->port);
    int status = getaddrinfo(host, port, &wanted, &addresses);
    if (status != 0) {
        snprintf(error, WEBSOCKET_CLIENT_ERROR_SIZE, "%.100s: %.80s", host, gai_strerror(status));
        return -1;
    }
    int fd = -1;
    for (struct addrinfo *address = addresses; address != NULL && fd < 0;
         address = address->ai_next)
        fd = connect_one(address, deadline_mono);
    if (fd < 0)
        snprintf(error, WEBSOCKET_CLIENT_ERROR_SIZE, "cannot connect to %.80s port %s: %.60s", host,
                 port, strerror(errno));
    freeaddrinfo(addresses);
    return fd;
}

static int begin_tls(struct websocket_client *client, const struct url *url,
                     const struct tls_trust *trust, int64_t deadline_mono, char *error)
{
    char host[HOST_MAX + 1];
    char problem[TLS_ERROR_SIZE];
    int result;
    snprintf(host, sizeof(host), "%.*s", STR_ARG(url->host));
    client->tls = tls_client_new(host, trust, client->fd, problem);
    if (client->tls == NULL) {
        snprintf(error, WEBSOCKET_CLIENT_ERROR_SIZE, "%.190s", problem);
        return ERR_IO;
    }
    while ((result = tls_handshake(client->tls, clock_mono_ms())) == ERR_MORE) {
        result = wait_for_tls(client, deadline_mono);
        if (result != 0)
            break;
    }
    const char *distrust = tls_client_distrust(client->tls);
    if (result != 0)
        snprintf(error, WEBSOCKET_CLIENT_ERROR_SIZE, "the TLS handshake failed: %.100s",
                 distrust != NULL ? distrust : err_text(result));
    return result;
}

static void write_request(const struct url *url, const char *header, struct str key,
                          struct buf *out)
{
    bool has_colons = memchr(url->host.ptr, ':', url->host.len) != NULL;
    buf_append_text(out, "GET ");
    buf_append_str(out, url->target.len > 0 ? url->target : STR_LIT("/"));
    buf_printf(out,
               has_colons ? " HTTP/1.1\r\nHost: [%.*s]:%u\r\n" : " HTTP/1.1\r\nHost: %.*s:%u\r\n",
               STR_ARG(url->host), url->port);
    buf_append_text(out,
                    "Upgrade: websocket\r\nConnection: Upgrade\r\n"
                    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ");
    buf_append_str(out, key);
    if (header != NULL)
        buf_printf(out, "\r\n%s", header);
    buf_append_text(out, "\r\n\r\n");
}

/* Reads up to the empty line; what comes after it stays pending. */
static int read_head(struct websocket_client *client, struct buf *head, int64_t deadline_mono)
{
    for (;;) {
        int error = fill(client, deadline_mono);
        if (error != ERR_MORE)
            return error;
        while (client->pending.len > 0) {
            buf_append_byte(head, client->pending.ptr[0]);
            client->pending = str_make(client->pending.ptr + 1, client->pending.len - 1);
            if (head->overflow)
                return ERR_TOO_LARGE;
            if (head->len >= 4 && memcmp(head->ptr + head->len - 4, "\r\n\r\n", 4) == 0)
                return 0;
        }
    }
}

static struct str find_header(struct str head, struct str name)
{
    struct str line, field;
    while (str_split(&head, '\n', &line)) {
        if (str_split(&line, ':', &field) && str_equal_ignoring_case(field, name))
            return str_trim(str_make(line.ptr, line.len > 0 ? line.len - 1 : 0));
    }
    return str_make(NULL, 0);
}

static bool answer_is_good(struct str head, struct str key)
{
    struct buf accept;
    buf_init(&accept, 64);
    websocket_accept_key(key, &accept);
    bool good = str_starts_with(head, STR_LIT("HTTP/1.1 101 ")) &&
                str_list_has(find_header(head, STR_LIT("Upgrade")), STR_LIT("websocket")) &&
                str_list_has(find_header(head, STR_LIT("Connection")), STR_LIT("upgrade")) &&
                str_equal(find_header(head, STR_LIT("Sec-WebSocket-Accept")), buf_view(&accept));
    buf_fini(&accept);
    return good;
}

static int upgrade(struct websocket_client *client, const struct url *url, const char *header,
                   int64_t deadline_mono, char *error)
{
    uint8_t random[KEY_BYTES];
    struct buf key, text;
    buf_init(&key, KEY_TEXT);
    buf_init(&text, LIMIT_HTTP_HEADERS);
    crypto_random(random, sizeof(random));
    base64_encode(str_make((const char *)random, sizeof(random)), &key);
    write_request(url, header, buf_view(&key), &text);
    int result = text.overflow ? ERR_TOO_LARGE : send_all(client, buf_view(&text), deadline_mono);
    buf_clear(&text);
    if (result == 0)
        result = read_head(client, &text, deadline_mono);
    if (result != 0) {
        snprintf(error, WEBSOCKET_CLIENT_ERROR_SIZE, "no answer to the handshake: %s",
                 err_text(result));
    } else if (!answer_is_good(buf_view(&text), buf_view(&key))) {
        struct str head = buf_view(&text), line;
        result = str_split(&head, '\r', &line) ? ERR_DENIED : ERR_INVALID;
        bool readable = line.len < 100 && !str_has_control(line) && str_is_utf8(line);
        snprintf(error, WEBSOCKET_CLIENT_ERROR_SIZE, "the server refused the handshake: %.*s",
                 readable ? (int)line.len : 0, line.ptr);
    }
    buf_fini(&key);
    buf_fini(&text);
    return result;
}

struct websocket_client *websocket_client_connect(const struct websocket_client_request *request,
                                                  char error[WEBSOCKET_CLIENT_ERROR_SIZE])
{
    struct url url;
    int64_t deadline_mono = clock_mono_ms() + request->timeout;
    if (url_parse(str_from(request->url), &url) != 0 || url.host.len > HOST_MAX) {
        snprintf(error, WEBSOCKET_CLIENT_ERROR_SIZE, "the address is no http:// or https:// URL");
        return NULL;
    }
    int fd = request->unix_socket != NULL
                 ? connect_to_path(request->unix_socket, deadline_mono, error)
                 : connect_to(&url, deadline_mono, error);
    if (fd < 0)
        return NULL;
    struct websocket_client *client = mem_zalloc(sizeof(*client));
    client->fd = fd;
    client->closed = true;
    client->close_code = CLOSE_ABNORMAL;
    client->reader = websocket_reader_new(false, LIMIT_HTTP_RESPONSE);
    buf_init(&client->close_reason, CLOSE_REASON_MAX);
    if ((!url.secure || begin_tls(client, &url, request->trust, deadline_mono, error) == 0) &&
        upgrade(client, &url, request->header, deadline_mono, error) == 0)
        client->closed = false;
    else
        websocket_client_free(&client);
    return client;
}

/* Masks are for proxies on the way, which a client must not be able to write to (section 10.3). */
static int send_frame(struct websocket_client *client, int opcode, struct str payload,
                      int64_t patience_ms)
{
    uint8_t mask[4];
    struct buf frame;
    crypto_random(mask, sizeof(mask));
    buf_init(&frame, payload.len + FRAME_HEADER_MAX);
    websocket_frame_write_masked(&frame, opcode, payload, mask);
    int result = send_all(client, buf_view(&frame), clock_mono_ms() + patience_ms);
    buf_fini(&frame);
    return result;
}

/* The last word; whether it arrives does not matter any more. */
static void say_goodbye(struct websocket_client *client, uint16_t code)
{
    char payload[2] = {(char)(code >> 8), (char)(code & 0xff)};
    size_t length = code == CLOSE_NO_CODE ? 0 : sizeof(payload);
    int ignored = send_frame(client, OPCODE_CLOSE, str_make(payload, length), 0);
    (void)ignored;
    client->closed = true;
}

int websocket_client_send(struct websocket_client *client, struct str text)
{
    return client->closed ? ERR_CLOSED : send_frame(client, OPCODE_TEXT, text, SEND_TIMEOUT_MS);
}

/* 0 when `item` was a message, ERR_MORE when it was answered inside. */
static int take_item(struct websocket_client *client, const struct websocket_item *item,
                     struct buf *message)
{
    switch (item->kind) {
    case WEBSOCKET_MESSAGE:
        buf_append_str(message, item->payload);
        return message->overflow ? ERR_TOO_LARGE : 0;
    case WEBSOCKET_PING: {
        int error = send_frame(client, OPCODE_PONG, item->payload, SEND_TIMEOUT_MS);
        return error != 0 ? error : ERR_MORE;
    }
    case WEBSOCKET_PONG:
        return ERR_MORE;
    case WEBSOCKET_CLOSE:
        client->close_code = item->code;
        buf_append_str(&client->close_reason, item->payload);
        say_goodbye(client, item->code);
        return ERR_CLOSED;
    case WEBSOCKET_VIOLATION:
        say_goodbye(client, item->code);
        return ERR_IO;
    }
    return ERR_MORE;
}

int websocket_client_receive(struct websocket_client *client, int64_t timeout_ms,
                             struct buf *message)
{
    struct websocket_item item;
    int64_t now_mono = clock_mono_ms();
    int64_t deadline_mono = timeout_ms < INT64_MAX - now_mono ? now_mono + timeout_ms : INT64_MAX;
    int result = client->closed ? ERR_CLOSED : ERR_MORE;
    buf_clear(message);
    while (result == ERR_MORE) {
        if (websocket_reader_next(client->reader, &client->pending, &item))
            result = take_item(client, &item, message);
        else
            result = fill(client, deadline_mono);
        /* A server that only pings, or never ends its message, must not keep the caller. */
        if (result == ERR_MORE && clock_mono_ms() > deadline_mono)
            result = ERR_TIMEOUT;
    }
    if (result == ERR_CLOSED || result == ERR_IO)
        client->closed = true;
    return result;
}

uint16_t websocket_client_close_code(const struct websocket_client *client, struct str *reason)
{
    if (reason != NULL)
        *reason = buf_view(&client->close_reason);
    return client->close_code;
}

void websocket_client_free(struct websocket_client **owner)
{
    struct websocket_client *client = *owner;
    *owner = NULL;
    if (client == NULL)
        return;
    if (!client->closed)
        say_goodbye(client, CLOSE_NORMAL);
    if (client->tls != NULL)
        tls_finish(client->tls);
    tls_free(&client->tls);
    close(client->fd);
    websocket_reader_free(&client->reader);
    buf_fini(&client->close_reason);
    mem_free(client);
}
