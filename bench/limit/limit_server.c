/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What physics demands of a server, on one thread with bare epoll: accept and the answer to an upgrade;
 * one write for each frame of an event; one for each ping; one for each HTTP answer, from memory. It
 * believes its clients, checks nothing, and stores nothing.
 *
 *   limit_server --users N --first-order N --ping MS --answer FILE --unchanged FILE
 *
 * GET /sub/USER upgrades. POST /push/FIRST/COUNT writes the next event of COUNT users. Any other GET is
 * answered with the bytes of a file: `unchanged` when the request has If-None-Match, else `answer`.
 */
#include "base/buf.h"
#include "base/crypto.h"
#include "base/mem.h"
#include "codec/base64.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    ROOM = 256 * 1024,
    EVENTS = 256,
    REQUEST_MAX = 64 * 1024,
    FILE_MAX = 64 * 1024,
    USERS_MAX = 1 << 20
};

struct connection {
    int fd;
    bool upgraded;
    int64_t user;
    int64_t offset;
    struct buf rest; /* of a request that has not come whole */
};

static int epoll;
static int64_t users = 1000, first_order = 1000000, ping_ms = 0;
static struct connection **subscribers; /* by user */
static struct buf answer, unchanged;
static char room[ROOM];

static void NORETURN die(const char *what)
{
    perror(what);
    exit(1);
}

static void read_file(const char *path, struct buf *out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : read(fd, room, FILE_MAX);
    if (got < 0)
        die(path);
    buf_append(out, room, (size_t)got);
    close(fd);
}

static void put(const struct connection *c, struct str bytes)
{
    if (send(c->fd, bytes.ptr, bytes.len, MSG_NOSIGNAL) != (ssize_t)bytes.len && errno == EAGAIN)
        die("a client does not read");
}

static int64_t number_at(const char **at)
{
    int64_t value = 0;
    for (; **at >= '0' && **at <= '9'; (*at)++)
        value = value * 10 + **at - '0';
    return value;
}

static void push(struct connection *c)
{
    static const char *const statuses[] = {"new", "paid", "done"};
    static struct buf frame;
    frame.max = 1024;
    buf_clear(&frame);
    buf_append(&frame, "\x81\x7e\0\0{\"push\":{\"channel\":\"orders:77640#user-", 42);
    buf_append_int(&frame, c->user);
    buf_append_text(&frame, "\",\"pub\":{\"data\":{\"order_id\":");
    buf_append_int(&frame, first_order + c->user + c->offset / 3 * users);
    buf_append_text(&frame, ",\"status\":\"");
    buf_append_text(&frame, statuses[c->offset % 3]);
    buf_append_text(&frame, "\"},\"offset\":");
    buf_append_int(&frame, ++c->offset);
    buf_append_text(&frame, "}}}");
    frame.ptr[3] = (char)(frame.len - 4);
    put(c, buf_view(&frame));
}

static void push_all(const char *at)
{
    int64_t first = number_at(&at);
    at++;
    int64_t count = number_at(&at);
    for (int64_t user = first; user < first + count && user < users; user++)
        if (subscribers[user])
            push(subscribers[user]);
}

static void upgrade(struct connection *c, const char *path, struct str head)
{
    static const char name[] = "Sec-WebSocket-Key: ";
    char key[64];
    uint8_t hash[CRYPTO_SHA1_SIZE];
    struct buf out;
    const char *at = memmem(head.ptr, head.len, name, sizeof(name) - 1);
    if (!at)
        return;
    snprintf(key, sizeof(key), "%.24s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", at + sizeof(name) - 1);
    crypto_sha1(str_from(key), hash);
    buf_init(&out, 1024);
    buf_append_text(&out,
                    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                    "Connection: Upgrade\r\nSec-WebSocket-Accept: ");
    base64_encode(str_make((const char *)hash, sizeof(hash)), &out);
    buf_append_text(&out, "\r\n\r\n");
    c->upgraded = true;
    c->user = number_at(&path);
    if (c->user < users)
        subscribers[c->user] = c;
    put(c, buf_view(&out));
    buf_fini(&out);
}

static void serve(struct connection *c, struct str head)
{
    if (head.len > 9 && memcmp(head.ptr, "GET /sub/", 9) == 0) {
        upgrade(c, head.ptr + 9, head);
    } else if (head.len > 11 && memcmp(head.ptr, "POST /push/", 11) == 0) {
        push_all(head.ptr + 11);
        put(c, STR_LIT("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
    } else {
        bool asks = memmem(head.ptr, head.len, "\nIf-None-Match:", 15) != NULL;
        put(c, buf_view(asks ? &unchanged : &answer));
    }
}

static void take(struct connection *c, struct str bytes)
{
    const char *end;
    while (!c->upgraded && (end = memmem(bytes.ptr, bytes.len, "\r\n\r\n", 4))) {
        size_t length = (size_t)(end - bytes.ptr) + 4;
        serve(c, str_make(bytes.ptr, length));
        bytes = str_make(bytes.ptr + length, bytes.len - length);
    }
    if (!c->upgraded && bytes.len > 0)
        buf_append_str(&c->rest, bytes);
}

static void forget(struct connection *c)
{
    if (c->upgraded && c->user < users && subscribers[c->user] == c)
        subscribers[c->user] = NULL;
    buf_fini(&c->rest);
    close(c->fd);
    mem_free(c);
}

static void read_some(struct connection *c)
{
    ssize_t got = read(c->fd, room, ROOM);
    if (got == 0 || (got < 0 && errno != EAGAIN)) {
        forget(c);
        return;
    }
    if (got < 0 || c->upgraded)
        return; /* pongs and commands */
    if (c->rest.len == 0) {
        take(c, str_make(room, (size_t)got));
        return;
    }
    struct buf whole = c->rest;
    buf_init(&c->rest, REQUEST_MAX);
    buf_append(&whole, room, (size_t)got);
    take(c, buf_view(&whole));
    buf_fini(&whole);
}

static void accept_all(int listener)
{
    int fd;
    int on = 1;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct connection *c = mem_zalloc(sizeof(*c));
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
        c->fd = fd;
        buf_init(&c->rest, REQUEST_MAX);
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
    }
}

static int open_listener(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof(address);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, size) || listen(fd, SOMAXCONN) ||
        getsockname(fd, (struct sockaddr *)&address, &size))
        die("listen");
    struct epoll_event event = {.events = EPOLLIN};
    epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
    printf("port %d\n", ntohs(address.sin_port));
    fflush(stdout);
    return fd;
}

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Spreads the pings of all subscribers evenly over the interval; when the next one is due, in ms. */
static int ping_due(void)
{
    static int64_t start, pinged;
    if (ping_ms == 0)
        return -1;
    if (start == 0)
        start = now_ms();
    for (int64_t due = (now_ms() - start) * users / ping_ms; pinged < due; pinged++)
        if (subscribers[pinged % users])
            put(subscribers[pinged % users], STR_LIT("\x81\x02{}"));
    return 1;
}

static void read_options(int argc, char **argv)
{
    for (int i = 1; i + 1 < argc; i += 2) {
        struct str value = str_from(argv[i + 1]);
        bool known = true;
        if (strcmp(argv[i], "--users") == 0)
            known = str_to_int64(value, 1, USERS_MAX, &users);
        else if (strcmp(argv[i], "--first-order") == 0)
            known = str_to_int64(value, 1, INT32_MAX, &first_order);
        else if (strcmp(argv[i], "--ping") == 0)
            known = str_to_int64(value, 0, INT32_MAX, &ping_ms);
        else
            read_file(argv[i + 1], strcmp(argv[i], "--answer") == 0 ? &answer : &unchanged);
        if (!known)
            die(argv[i]);
    }
}

int main(int argc, char **argv)
{
    struct epoll_event events[EVENTS];
    buf_init(&answer, FILE_MAX);
    buf_init(&unchanged, FILE_MAX);
    read_options(argc, argv);
    subscribers = mem_zalloc((size_t)users * sizeof(struct connection *));
    epoll = epoll_create1(EPOLL_CLOEXEC);
    int listener = open_listener();
    for (;;) {
        int count = epoll_wait(epoll, events, EVENTS, ping_due());
        for (int i = 0; i < count; i++) {
            if (events[i].data.ptr)
                read_some(events[i].data.ptr);
            else
                accept_all(listener);
        }
    }
}
