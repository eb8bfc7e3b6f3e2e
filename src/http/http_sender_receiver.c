/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The receiver is one thread around poll(), so that fifty connections at once are as cheap as one
 * and a byte at a time is a matter of the table. It takes no part in assertions.
 */
#include "http/http_sender_receiver.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum { CONNECTIONS_MAX = 256, REQUEST_MAX = 128 * 1024 };

struct peer {
    int fd;
    struct buf request;
    const struct receiver_row *row; /* being answered; NULL while a request is read */
    size_t sent;                    /* of the row's answer, then of `more` */
    bool answered;
    int64_t due_mono; /* of the next step after the answer */
};

struct receiver {
    const struct receiver_row *rows;
    size_t row_count;
    int listening[2]; /* 127.0.0.1 and ::1; -1: none */
    int port;
    int stop[2];
    pthread_t thread;
    struct peer peers[CONNECTIONS_MAX];
    size_t peer_count;

    pthread_mutex_t lock; /* of what follows */
    struct receiver_counts counts;
    char *last;
};

static void count(struct receiver *receiver, int *counter, int by)
{
    pthread_mutex_lock(&receiver->lock);
    *counter += by;
    pthread_mutex_unlock(&receiver->lock);
}

static void drop(struct receiver *receiver, struct peer *peer, bool reset)
{
    struct linger linger = {.l_onoff = 1};
    if (reset)
        setsockopt(peer->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    close(peer->fd);
    buf_fini(&peer->request);
    peer->fd = -1;
    count(receiver, &receiver->counts.open, -1);
}

static void accept_peer(struct receiver *receiver, int listening)
{
    int yes = 1;
    int fd = accept4(listening, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0 || receiver->peer_count == CONNECTIONS_MAX) {
        close(fd);
        return;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
    struct peer *peer = &receiver->peers[receiver->peer_count++];
    *peer = (struct peer){.fd = fd};
    buf_init(&peer->request, REQUEST_MAX);
    pthread_mutex_lock(&receiver->lock);
    receiver->counts.accepted++;
    receiver->counts.open++;
    pthread_mutex_unlock(&receiver->lock);
}

/* The length of the whole request at the front of the buffer, or 0. */
static size_t request_length(struct str bytes)
{
    static const char field[] = "Content-Length: ";
    const char *end = memmem(bytes.ptr, bytes.len, "\r\n\r\n", 4);
    if (end == NULL)
        return 0;
    size_t head = (size_t)(end - bytes.ptr) + 4;
    int64_t length = 0;
    const char *found = memmem(bytes.ptr, head, field, sizeof(field) - 1);
    if (found != NULL) {
        struct str rest = str_make(found + sizeof(field) - 1, head);
        struct str value;
        (void)!(str_split(&rest, '\r', &value) && str_to_int64(value, 0, REQUEST_MAX, &length));
    }
    return bytes.len >= head + (size_t)length ? head + (size_t)length : 0;
}

static const struct receiver_row *find_row(const struct receiver *receiver, struct str request)
{
    struct str rest = request;
    struct str method, path;
    if (str_split(&rest, ' ', &method) && str_split(&rest, ' ', &path)) {
        for (size_t i = 0; i < receiver->row_count; i++) {
            if (str_equal_text(path, receiver->rows[i].path))
                return &receiver->rows[i];
        }
    }
    return &receiver->rows[0];
}

static void take_request(struct receiver *receiver, struct peer *peer)
{
    size_t length = request_length(buf_view(&peer->request));
    if (length == 0)
        return;
    char *text = mem_strndup(peer->request.ptr, length);
    peer->row = find_row(receiver, str_make(peer->request.ptr, length));
    peer->sent = 0;
    peer->answered = false;
    pthread_mutex_lock(&receiver->lock);
    receiver->counts.requests++;
    mem_free(receiver->last);
    receiver->last = text;
    pthread_mutex_unlock(&receiver->lock);
    buf_consume(&peer->request, length);
}

static void read_peer(struct receiver *receiver, struct peer *peer)
{
    char bytes[16384];
    ssize_t n = recv(peer->fd, bytes, sizeof(bytes), 0);
    if (n == 0 || (n < 0 && errno != EAGAIN)) {
        drop(receiver, peer, false);
        return;
    }
    if (n < 0)
        return;
    count(receiver, &receiver->counts.bytes, (int)n);
    buf_append(&peer->request, bytes, (size_t)n);
    if (peer->row == NULL)
        take_request(receiver, peer);
}

/* Sends what `bytes` holds after `peer->sent`; true when it is all out. */
static bool send_rest(struct peer *peer, struct str bytes, size_t step)
{
    size_t left = bytes.len - peer->sent;
    if (left > step)
        left = step;
    if (left > 0) {
        ssize_t n = send(peer->fd, bytes.ptr + peer->sent, left, MSG_NOSIGNAL);
        peer->sent += n > 0 ? (size_t)n : 0;
    }
    return peer->sent == bytes.len;
}

static void next_request(struct receiver *receiver, struct peer *peer)
{
    peer->row = NULL;
    take_request(receiver, peer);
}

static void after_answer(struct receiver *receiver, struct peer *peer)
{
    const struct receiver_row *row = peer->row;
    switch (row->then) {
    case THEN_KEEP:
    case THEN_PIECES:
        next_request(receiver, peer);
        break;
    case THEN_CLOSE:
    case THEN_RESET:
        drop(receiver, peer, row->then == THEN_RESET);
        break;
    case THEN_HANG:
        break;
    case THEN_DRIP:
    case THEN_FLOOD:
        if (send_rest(peer, row->more, row->then == THEN_DRIP ? 1 : SIZE_MAX))
            peer->sent = 0;
        peer->due_mono = row->then == THEN_DRIP ? clock_mono_ms() + 1 : 0;
        break;
    case THEN_JUNK:
        (void)!send(peer->fd, row->more.ptr, row->more.len, MSG_NOSIGNAL);
        next_request(receiver, peer);
        count(receiver, &receiver->counts.later, 1);
        break;
    case THEN_LEAVE:
        drop(receiver, peer, false);
        count(receiver, &receiver->counts.later, 1);
        break;
    }
}

static void step_peer(struct receiver *receiver, struct peer *peer)
{
    const struct receiver_row *row = peer->row;
    if (!peer->answered) {
        peer->answered = send_rest(peer, row->answer, row->then == THEN_PIECES ? 1 : SIZE_MAX);
        if (!peer->answered)
            return;
        peer->sent = 0;
        if (row->then == THEN_JUNK || row->then == THEN_LEAVE)
            peer->due_mono = clock_mono_ms() + 2;
        else
            after_answer(receiver, peer);
    } else if (clock_mono_ms() >= peer->due_mono) {
        after_answer(receiver, peer);
    }
}

static short events_of(const struct peer *peer)
{
    if (peer->row == NULL)
        return POLLIN;
    if (!peer->answered || peer->row->then == THEN_FLOOD)
        return POLLIN | POLLOUT;
    return POLLIN;
}

static bool waits_for_time(const struct peer *peer)
{
    if (peer->row == NULL || !peer->answered)
        return false;
    return peer->row->then == THEN_DRIP || peer->row->then == THEN_JUNK ||
           peer->row->then == THEN_LEAVE;
}

static void forget_dropped(struct receiver *receiver)
{
    size_t kept = 0;
    for (size_t i = 0; i < receiver->peer_count; i++) {
        if (receiver->peers[i].fd >= 0)
            receiver->peers[kept++] = receiver->peers[i];
    }
    receiver->peer_count = kept;
}

static void serve_peers(struct receiver *receiver, const struct pollfd *polled, size_t polled_count)
{
    for (size_t i = 0; i < polled_count; i++) {
        struct peer *peer = &receiver->peers[i];
        if (polled[i].revents & (POLLIN | POLLHUP | POLLERR))
            read_peer(receiver, peer);
        if (peer->fd >= 0 && peer->row != NULL)
            step_peer(receiver, peer);
    }
}

static void *serve(void *argument)
{
    struct receiver *receiver = argument;
    struct pollfd polled[CONNECTIONS_MAX + 3];
    for (;;) {
        size_t peers = receiver->peer_count;
        int timeout = -1;
        for (size_t i = 0; i < peers; i++) {
            polled[i] = (struct pollfd){receiver->peers[i].fd, events_of(&receiver->peers[i]), 0};
            if (waits_for_time(&receiver->peers[i]))
                timeout = 1;
        }
        for (size_t i = 0; i < 2; i++)
            polled[peers + i] = (struct pollfd){receiver->listening[i], POLLIN, 0};
        polled[peers + 2] = (struct pollfd){receiver->stop[0], POLLIN, 0};
        poll(polled, peers + 3, timeout);
        if (polled[peers + 2].revents != 0)
            return NULL;
        serve_peers(receiver, polled, peers);
        for (size_t i = 0; i < 2; i++) {
            if (polled[peers + i].revents & POLLIN)
                accept_peer(receiver, receiver->listening[i]);
        }
        forget_dropped(receiver);
    }
}

static int listen_on(int family, int port)
{
    struct sockaddr_in ipv4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    struct sockaddr_in6 ipv6 = {.sin6_family = AF_INET6,
                                .sin6_addr = IN6ADDR_LOOPBACK_INIT,
                                .sin6_port = htons((uint16_t)port)};
    ipv4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    struct sockaddr *address =
        family == AF_INET ? (struct sockaddr *)&ipv4 : (struct sockaddr *)&ipv6;
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    if (bind(fd, address, family == AF_INET ? sizeof(ipv4) : sizeof(ipv6)) != 0 ||
        listen(fd, CONNECTIONS_MAX) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static int port_of(int fd)
{
    union {
        struct sockaddr any;
        struct sockaddr_in ipv4;
        struct sockaddr_in6 ipv6;
    } address = {0};
    socklen_t size = sizeof(address);
    assert_int_equal(getsockname(fd, &address.any, &size), 0);
    return ntohs(address.any.sa_family == AF_INET ? address.ipv4.sin_port : address.ipv6.sin6_port);
}

static struct receiver *start(const struct receiver_row *rows, size_t row_count, int ipv4, int ipv6)
{
    struct receiver *receiver = mem_zalloc(sizeof(*receiver));
    receiver->rows = rows;
    receiver->row_count = row_count;
    receiver->listening[0] = ipv4;
    receiver->listening[1] = ipv6;
    receiver->port = port_of(ipv4 >= 0 ? ipv4 : ipv6);
    assert_int_equal(pipe(receiver->stop), 0);
    pthread_mutex_init(&receiver->lock, NULL);
    assert_int_equal(pthread_create(&receiver->thread, NULL, serve, receiver), 0);
    return receiver;
}

struct receiver *receiver_start(const struct receiver_row *rows, size_t row_count)
{
    int first = listen_on(AF_INET, 0);
    assert_true(first >= 0);
    return start(rows, row_count, first, listen_on(AF_INET6, port_of(first)));
}

struct receiver *receiver_start_ipv6(const struct receiver_row *rows, size_t row_count)
{
    int fd = listen_on(AF_INET6, 0);
    return fd >= 0 ? start(rows, row_count, -1, fd) : NULL;
}

void receiver_stop(struct receiver **owner)
{
    struct receiver *receiver = *owner;
    close(receiver->stop[1]);
    pthread_join(receiver->thread, NULL);
    close(receiver->stop[0]);
    for (size_t i = 0; i < receiver->peer_count; i++)
        drop(receiver, &receiver->peers[i], false);
    for (size_t i = 0; i < 2; i++) {
        if (receiver->listening[i] >= 0)
            close(receiver->listening[i]);
    }
    pthread_mutex_destroy(&receiver->lock);
    mem_free(receiver->last);
    mem_free(receiver);
    *owner = NULL;
}

int receiver_port(const struct receiver *receiver)
{
    return receiver->port;
}

bool receiver_has_ipv6(const struct receiver *receiver)
{
    return receiver->listening[1] >= 0;
}

struct receiver_counts receiver_counts(struct receiver *receiver)
{
    pthread_mutex_lock(&receiver->lock);
    struct receiver_counts counts = receiver->counts;
    pthread_mutex_unlock(&receiver->lock);
    return counts;
}

void receiver_reset_counts(struct receiver *receiver)
{
    pthread_mutex_lock(&receiver->lock);
    receiver->counts = (struct receiver_counts){.open = receiver->counts.open};
    pthread_mutex_unlock(&receiver->lock);
}

char *receiver_last_request(struct receiver *receiver)
{
    pthread_mutex_lock(&receiver->lock);
    char *text = mem_strdup(receiver->last != NULL ? receiver->last : "");
    pthread_mutex_unlock(&receiver->lock);
    return text;
}
