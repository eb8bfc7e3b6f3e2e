/* SPDX-License-Identifier: Apache-2.0 */
/* Sockets, epoll, and as much HTTP and WebSocket as a client needs that trusts its server. */
#include "wire.h"

#include "base/mem.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

enum { ROOM = 256 * 1024, EVENTS = 256, BUFFER_MAX = 64 * 1024 * 1024 };

void wire_fail(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("load: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(1);
}

int64_t wire_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

void wire_set_init(struct wire_set *set)
{
    set->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (set->epoll < 0)
        wire_fail("epoll: %m");
    set->room = mem_alloc(ROOM);
}

static void watch(struct wire *wire, int operation)
{
    struct epoll_event event = {
        .events = EPOLLIN | (wire->waits ? EPOLLOUT : 0u),
        .data.ptr = wire,
    };
    if (epoll_ctl(wire->set->epoll, operation, wire->fd, &event))
        wire_fail("epoll_ctl: %m");
}

static void wait_for_room(struct wire *wire, bool waits)
{
    if (wire->waits == waits)
        return;
    wire->waits = waits;
    watch(wire, EPOLL_CTL_MOD);
}

void wire_adopt(struct wire *wire, struct wire_set *set, int fd)
{
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    wire->set = set;
    wire->fd = fd;
    wire->open = true;
    buf_init(&wire->in, BUFFER_MAX);
    buf_init(&wire->out, BUFFER_MAX);
    watch(wire, EPOLL_CTL_ADD);
}

static void bind_source(int fd, int source)
{
    int on = 1;
    struct sockaddr_in from = {.sin_family = AF_INET};
    from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + (uint32_t)source);
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
    if (bind(fd, (struct sockaddr *)&from, sizeof(from)))
        wire_fail("bind: %m");
}

void wire_open(struct wire *wire, struct wire_set *set, const struct sockaddr_in *address,
               int source)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        wire_fail("socket: %m");
    if (source > 0)
        bind_source(fd, source);
    if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) && errno != EINPROGRESS)
        wire_fail("connect: %m");
    wire->waits = true;
    wire_adopt(wire, set, fd);
}

int wire_listen(struct wire *wire, struct wire_set *set)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof(address);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, size) || listen(fd, SOMAXCONN) ||
        getsockname(fd, (struct sockaddr *)&address, &size))
        wire_fail("listen: %m");
    wire_adopt(wire, set, fd);
    return ntohs(address.sin_port);
}

void wire_close(struct wire *wire)
{
    if (!wire->open)
        return;
    close(wire->fd);
    wire->open = false;
    wire->waits = false;
    buf_fini(&wire->in);
    buf_fini(&wire->out);
}

static void end(struct wire *wire, const char *why)
{
    wire_close(wire);
    wire->ended(wire, why);
}

/* What was taken by the system; -1 when the connection is over. */
static ssize_t try_send(struct wire *wire, struct str bytes)
{
    ssize_t sent = send(wire->fd, bytes.ptr, bytes.len, MSG_NOSIGNAL);
    if (sent < 0 && (errno == EAGAIN || errno == ENOTCONN))
        return 0;
    return sent;
}

void wire_send(struct wire *wire, struct str bytes)
{
    ssize_t sent = 0;
    if (wire->out.len == 0 && !wire->waits) {
        sent = try_send(wire, bytes);
        if (sent < 0)
            return; /* reading tells why */
    }
    if ((size_t)sent == bytes.len)
        return;
    buf_append(&wire->out, bytes.ptr + sent, bytes.len - (size_t)sent);
    if (wire->out.overflow)
        wire_fail("the peer does not read");
    wait_for_room(wire, true);
}

static void flush(struct wire *wire)
{
    ssize_t sent = wire->out.len > 0 ? try_send(wire, buf_view(&wire->out)) : 0;
    if (sent < 0) {
        end(wire, strerror(errno));
        return;
    }
    buf_consume(&wire->out, (size_t)sent);
    if (wire->out.len == 0) {
        wait_for_room(wire, false);
        buf_fini(&wire->out);
    }
}

static void take(struct wire *wire, struct str bytes)
{
    if (wire->in.len > 0) {
        buf_append_str(&wire->in, bytes);
        size_t used = wire->input(wire, buf_view(&wire->in));
        if (!wire->open)
            return;
        buf_consume(&wire->in, used);
        if (wire->in.len == 0)
            buf_fini(&wire->in);
        return;
    }
    size_t used = wire->input(wire, bytes);
    if (wire->open && used < bytes.len)
        buf_append(&wire->in, bytes.ptr + used, bytes.len - used);
}

static void read_some(struct wire *wire)
{
    ssize_t got = read(wire->fd, wire->set->room, ROOM);
    if (got > 0)
        take(wire, str_make(wire->set->room, (size_t)got));
    else if (got == 0)
        end(wire, "closed by the peer");
    else if (errno != EAGAIN)
        end(wire, strerror(errno));
}

static void accept_all(struct wire *listener)
{
    int fd;
    while ((fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0)
        listener->accepted(listener, fd);
}

static void handle(struct wire *wire, uint32_t events)
{
    if (!wire->open)
        return;
    if (wire->accepted) {
        accept_all(wire);
        return;
    }
    if (events & EPOLLOUT)
        flush(wire);
    if (wire->open && (events & (EPOLLIN | EPOLLERR | EPOLLHUP)))
        read_some(wire);
}

void wire_wait(struct wire_set *set, int64_t until)
{
    struct epoll_event events[EVENTS];
    int64_t left = until - wire_now();
    if (left < 0)
        left = 0;
    struct timespec timeout = {.tv_sec = left / 1000000000, .tv_nsec = left % 1000000000};
    int count = epoll_pwait2(set->epoll, events, EVENTS, &timeout, NULL);
    if (count < 0 && errno != EINTR)
        wire_fail("epoll_pwait2: %m");
    for (int i = 0; i < count; i++)
        handle(events[i].data.ptr, events[i].events);
}

struct str wire_header(struct str head, const char *name)
{
    struct str rest = head;
    struct str line;
    while (str_split(&rest, '\n', &line)) {
        struct str value = line;
        struct str field;
        str_split(&value, ':', &field);
        if (value.ptr && str_equal_ignoring_case(field, str_from(name))) {
            if (value.len > 0 && value.ptr[value.len - 1] == '\r')
                value.len--;
            return str_trim(value);
        }
    }
    return str_make("", 0);
}

/* The length of a body in chunks with its framing, which stays in it; -1 while it is not whole. */
static int64_t chunked_length(struct str bytes)
{
    static const char last[] = "\r\n0\r\n\r\n";
    const char *end = memmem(bytes.ptr, bytes.len, last, sizeof(last) - 1);
    return end ? end - bytes.ptr + (int64_t)sizeof(last) - 1 : -1;
}

bool wire_take_message(struct str *bytes, struct wire_message *message)
{
    const char *end = memmem(bytes->ptr, bytes->len, "\r\n\r\n", 4);
    if (!end)
        return false;
    *message = (struct wire_message){.head = {bytes->ptr, (size_t)(end - bytes->ptr) + 2}};
    int64_t number;
    if (message->head.len >= 12 && str_to_int64(str_make(bytes->ptr + 9, 3), 100, 999, &number))
        message->status = (int)number;
    size_t head = message->head.len + 2;
    number = 0;
    if (str_equal_text(wire_header(message->head, "transfer-encoding"), "chunked"))
        number = chunked_length(str_make(bytes->ptr + head, bytes->len - head));
    else if (!str_to_int64(wire_header(message->head, "content-length"), 0, BUFFER_MAX, &number))
        number = 0;
    size_t length = (size_t)number;
    if (number < 0 || bytes->len < head + length)
        return false;
    message->body = str_make(bytes->ptr + head, length);
    *bytes = str_make(bytes->ptr + head + length, bytes->len - head - length);
    return true;
}

bool wire_take_frame(struct str *bytes, int *opcode, struct str *payload)
{
    const uint8_t *at = (const uint8_t *)bytes->ptr;
    size_t head = 2;
    if (bytes->len < head)
        return false;
    size_t length = at[1];
    if (length == 127)
        wire_fail("a frame that no server of ours sends");
    if (length == 126) {
        head = 4;
        if (bytes->len < head)
            return false;
        length = (size_t)at[2] << 8 | at[3];
    }
    if (bytes->len < head + length)
        return false;
    *opcode = at[0] & 0x0f;
    *payload = str_make(bytes->ptr + head, length);
    *bytes = str_make(bytes->ptr + head + length, bytes->len - head - length);
    return true;
}

void wire_put_frame(struct buf *out, int opcode, struct str payload)
{
    buf_append_byte(out, (char)(0x80 | opcode));
    if (payload.len < 126) {
        buf_append_byte(out, (char)(0x80 | payload.len));
    } else {
        buf_append_byte(out, (char)(0x80 | 126));
        buf_append_byte(out, (char)(payload.len >> 8));
        buf_append_byte(out, (char)payload.len);
    }
    buf_append(out, "\0\0\0\0", 4);
    buf_append_str(out, payload);
}
