/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sockets bound, listened on and accepted from. SO_REUSEPORT lets our workers share an address, but
 * it would also let a second server of ours steal half of the first one's connections in silence;
 * hence the probe without it. A full descriptor table would leave a connection readable for ever
 * and the loop spinning; hence the spare descriptor.
 */
#include "net/listener.h"

#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* Connections of one readiness, so that a flood of them does not starve the others. */
#define ACCEPTS_PER_PASS 64
/* The kernel cuts it to net.core.somaxconn, which an operator may raise for storms of clients. */
#define BACKLOG 65535
#define COMPLAINT_INTERVAL 1000
#define RETRY_DELAY 100

struct listener {
    struct loop *loop;
    struct loop_watch *watch;
    int descriptor;
    int spare; /* given up for a moment when there is no other descriptor; -1 when lost */
    listener_accept_fn *accepted;
    void *argument;
    struct loop_timer retry;
    int64_t complained_mono;
    bool in_handler;
    bool freed;
};

struct socket_address {
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
        struct sockaddr_un unix_path;
        struct sockaddr_storage storage;
    };
    socklen_t length;
};

static int complain(char error[LISTENER_ERROR_SIZE], int result, const char *host_port,
                    const char *reason)
{
    snprintf(error, LISTENER_ERROR_SIZE, "%.119s: %s", host_port, reason);
    return result;
}

static bool copy_text(struct str s, char *out, size_t size)
{
    if (s.len >= size)
        return false;
    memcpy(out, s.ptr, s.len);
    out[s.len] = '\0';
    return true;
}

/* "host:port", "[v6]:port" or ":port" in two texts; the port is a number from 0 to 65535. */
static bool split_host_port(const char *host_port, char host[LISTENER_ADDRESS_SIZE], char port[8])
{
    const char *colon = strrchr(host_port, ':');
    if (colon == NULL)
        return false;
    struct str name = str_make(host_port, (size_t)(colon - host_port));
    struct str number = str_from(colon + 1);
    int64_t value;
    if (!str_to_int64(number, 0, 65535, &value) || !copy_text(number, port, 8))
        return false;
    if (name.len >= 2 && name.ptr[0] == '[' && name.ptr[name.len - 1] == ']')
        name = str_make(name.ptr + 1, name.len - 2);
    else if (memchr(name.ptr, ':', name.len) != NULL)
        return false;
    else if (name.len == 0)
        name = STR_LIT("::");
    return name.len > 0 && copy_text(name, host, LISTENER_ADDRESS_SIZE);
}

static void set_option(int fd, int level, int option, int value)
{
    /* Cannot fail for the options used here on a socket of the right family. */
    (void)setsockopt(fd, level, option, &value, sizeof(value));
}

/* A bound and listening socket, or -1 with errno. */
static int open_listening(const struct socket_address *address, bool shared)
{
    int fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (shared)
        set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1);
    if (address->any.sa_family == AF_INET6)
        set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0);
    /* Accepted sockets inherit it. */
    set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    if (bind(fd, &address->any, address->length) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    int reason = errno;
    close(fd);
    errno = reason;
    return -1;
}

static uint16_t port_of(const struct socket_address *address)
{
    return ntohs(address->any.sa_family == AF_INET6 ? address->v6.sin6_port : address->v4.sin_port);
}

/* False with errno when somebody listens there. A port that is yet to be picked is nobody's. */
static bool probe(const struct socket_address *address)
{
    if (port_of(address) == 0)
        return true;
    int fd = open_listening(address, false);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

/* All sockets or none (errno). The first one's port is everybody's. */
static bool open_all(struct socket_address *address, int count, int *descriptors)
{
    if (!probe(address))
        return false;
    for (int i = 0; i < count; i++) {
        descriptors[i] = open_listening(address, true);
        if (descriptors[i] < 0) {
            int reason = errno;
            while (i > 0)
                close(descriptors[--i]);
            errno = reason;
            return false;
        }
        address->length = sizeof(address->storage);
        if (i == 0)
            (void)getsockname(descriptors[0], &address->any, &address->length);
    }
    return true;
}

static void write_host(const struct socket_address *address, char out[INET6_ADDRSTRLEN])
{
    if (address->any.sa_family == AF_INET6)
        inet_ntop(AF_INET6, &address->v6.sin6_addr, out, INET6_ADDRSTRLEN);
    else
        inet_ntop(AF_INET, &address->v4.sin_addr, out, INET6_ADDRSTRLEN);
}

static void write_address(const struct socket_address *address, char out[LISTENER_ADDRESS_SIZE])
{
    char host[INET6_ADDRSTRLEN];
    bool v6 = address->any.sa_family == AF_INET6;
    write_host(address, host);
    snprintf(out, LISTENER_ADDRESS_SIZE, v6 ? "[%s]:%u" : "%s:%u", host, port_of(address));
}

/* Tries the addresses of a name in the resolver's order; an address in use ends the search. */
static int bind_first(const struct addrinfo *list, int count, int *descriptors,
                      char out[LISTENER_ADDRESS_SIZE])
{
    for (const struct addrinfo *info = list; info != NULL; info = info->ai_next) {
        struct socket_address address = {.length = info->ai_addrlen};
        memcpy(&address.storage, info->ai_addr, info->ai_addrlen);
        if (open_all(&address, count, descriptors)) {
            write_address(&address, out);
            return 0;
        }
        if (errno == EADDRINUSE)
            return ERR_EXISTS;
    }
    return ERR_IO;
}

/* On success `*list` is to be freed. */
static int resolve(const char *host_port, char port[8], struct addrinfo **list,
                   char error[LISTENER_ERROR_SIZE])
{
    char host[LISTENER_ADDRESS_SIZE];
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    if (!split_host_port(host_port, host, port))
        return complain(error, ERR_INVALID, host_port,
                        "an address is HOST:PORT, [IPV6]:PORT or :PORT, with a port up to 65535");
    int refusal = getaddrinfo(host, port, &hints, list);
    return refusal == 0 ? 0 : complain(error, ERR_INVALID, host_port, gai_strerror(refusal));
}

#define UNIX_PREFIX "unix:"

/* The path of "unix:/run/a.sock"; NULL for what is no such address. */
static const char *unix_path_of(const char *address)
{
    size_t length = sizeof(UNIX_PREFIX) - 1;
    return strncmp(address, UNIX_PREFIX, length) == 0 ? address + length : NULL;
}

static int fill_unix_address(const char *path, struct socket_address *address, char *error)
{
    size_t size = strlen(path) + 1;
    *address = (struct socket_address){.length = sizeof(address->unix_path)};
    if (path[0] != '/' || size > sizeof(address->unix_path.sun_path))
        return complain(error, ERR_INVALID, path,
                        "the path of a socket begins with / and is short");
    address->unix_path.sun_family = AF_UNIX;
    memcpy(address->unix_path.sun_path, path, size);
    return 0;
}

/* A file that a server left behind is removed; one that somebody listens on is not. */
static int clear_unix_path(const struct socket_address *address, char *error)
{
    const char *path = address->unix_path.sun_path;
    struct stat status;
    if (lstat(path, &status) != 0)
        return errno == ENOENT ? 0 : complain(error, ERR_IO, path, strerror(errno));
    if (!S_ISSOCK(status.st_mode))
        return complain(error, ERR_EXISTS, path, "the file there is no socket");
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return complain(error, ERR_IO, path, strerror(errno));
    bool is_stale = connect(fd, &address->any, address->length) != 0 && errno == ECONNREFUSED;
    close(fd);
    if (!is_stale)
        return complain(error, ERR_EXISTS, path, "another server listens on this socket already");
    return unlink(path) == 0 ? 0 : complain(error, ERR_IO, path, strerror(errno));
}

/* A listening socket whose file never had a wider mode, or -1 with errno. */
static int open_unix(const struct socket_address *address)
{
    const mode_t mode = 0660;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    /* The file gets the socket's mode, less what the umask takes, which is given back. */
    if (fchmod(fd, mode) == 0 && bind(fd, &address->any, address->length) == 0 &&
        chmod(address->unix_path.sun_path, mode) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    int reason = errno;
    close(fd);
    errno = reason;
    return -1;
}

static int bind_unix(const char *path, int count, int *descriptors, char *error)
{
    struct socket_address address;
    int result = fill_unix_address(path, &address, error);
    if (result == 0)
        result = clear_unix_path(&address, error);
    if (result != 0)
        return result;
    int opened = 0;
    while (opened < count) {
        int fd = opened == 0 ? open_unix(&address)
                             : fcntl(descriptors[0], F_DUPFD_CLOEXEC, descriptors[0]);
        if (fd < 0)
            break;
        descriptors[opened++] = fd;
    }
    if (opened == count)
        return 0;
    result = complain(error, ERR_IO, path, strerror(errno));
    while (opened > 0)
        close(descriptors[--opened]);
    return result;
}

void listener_remove(const char *address)
{
    const char *path = unix_path_of(address);
    if (path != NULL && unlink(path) != 0)
        log_warning("the file of a socket cannot be removed", LOG_TEXT("path", path),
                    LOG_TEXT("reason", strerror(errno)));
}

int listener_check(const char *host_port, char error[LISTENER_ERROR_SIZE])
{
    struct socket_address unix_address;
    if (unix_path_of(host_port) != NULL)
        return fill_unix_address(unix_path_of(host_port), &unix_address, error);
    char port[8];
    struct addrinfo *list;
    int result = resolve(host_port, port, &list, error);
    if (result == 0)
        freeaddrinfo(list);
    return result;
}

static bool is_loopback(const struct sockaddr *any)
{
    if (any->sa_family == AF_INET6)
        return IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)any)->sin6_addr);
    in_addr_t v4 = ((const struct sockaddr_in *)any)->sin_addr.s_addr;
    return ntohl(v4) >> 24 == IN_LOOPBACKNET;
}

bool listener_is_loopback(const char *host_port)
{
    char port[8];
    char error[LISTENER_ERROR_SIZE];
    struct addrinfo *list;
    bool result = true;
    if (unix_path_of(host_port) != NULL)
        return true;
    if (resolve(host_port, port, &list, error) != 0)
        return false;
    for (const struct addrinfo *info = list; info != NULL; info = info->ai_next)
        result = result && is_loopback(info->ai_addr);
    freeaddrinfo(list);
    return result;
}

int listener_bind(const char *host_port, int count, int *descriptors,
                  char address[LISTENER_ADDRESS_SIZE], char error[LISTENER_ERROR_SIZE])
{
    char port[8];
    struct addrinfo *list;
    if (unix_path_of(host_port) != NULL) {
        snprintf(address, LISTENER_ADDRESS_SIZE, "%s", host_port);
        return bind_unix(unix_path_of(host_port), count, descriptors, error);
    }
    int result = resolve(host_port, port, &list, error);
    if (result != 0)
        return result;
    result = bind_first(list, count, descriptors, address);
    int reason = errno;
    freeaddrinfo(list);
    if (result == ERR_IO && host_port[0] == ':' && reason == EAFNOSUPPORT) {
        /* All addresses of a machine without IPv6. */
        char v4[16];
        snprintf(v4, sizeof(v4), "0.0.0.0:%s", port);
        return listener_bind(v4, count, descriptors, address, error);
    }
    if (result == ERR_EXISTS)
        return complain(error, result, host_port, "another server listens on this address already");
    if (result != 0)
        return complain(error, result, host_port, strerror(reason));
    return 0;
}

static struct address peer_of(const struct socket_address *address)
{
    switch (address->any.sa_family) {
    case AF_INET:
        return address_from_ipv4((const uint8_t *)&address->v4.sin_addr);
    case AF_INET6:
        return address_from_ipv6(address->v6.sin6_addr.s6_addr);
    default:
        return address_unix;
    }
}

static void complain_at_most_once_a_second(struct listener *listener, int reason)
{
    int64_t now = loop_now(listener->loop);
    if (listener->complained_mono != 0 && now - listener->complained_mono < COMPLAINT_INTERVAL)
        return;
    listener->complained_mono = now;
    log_error("cannot accept connections", LOG_TEXT("reason", strerror(reason)));
}

static int open_spare(void)
{
    return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

/* Drops one waiting connection; when even that is impossible, waits a little. */
static void relieve(struct listener *listener)
{
    if (listener->spare >= 0) {
        close(listener->spare);
        int dropped = accept4(listener->descriptor, NULL, NULL, SOCK_CLOEXEC);
        if (dropped >= 0)
            close(dropped);
    }
    listener->spare = open_spare();
    if (listener->spare < 0) {
        loop_watch_set(listener->watch, 0);
        loop_timer_set(&listener->retry, loop_now(listener->loop) + RETRY_DELAY);
    }
}

static void on_retry(struct loop_timer *timer)
{
    struct listener *listener = CONTAINER_OF(timer, struct listener, retry);
    loop_watch_set(listener->watch, LOOP_READABLE);
}

/* True when there may be more to accept. */
static bool accept_one(struct listener *listener)
{
    struct socket_address address = {.length = sizeof(address.storage)};
    int fd =
        accept4(listener->descriptor, &address.any, &address.length, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
        struct address peer = peer_of(&address);
        /* Another thread may have taken the last one while ours was given up. */
        if (listener->spare < 0)
            listener->spare = open_spare();
        listener->accepted(listener->argument, fd, &peer);
        return !listener->freed;
    }
    switch (errno) {
    case EAGAIN:
        return false;
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
        complain_at_most_once_a_second(listener, errno);
        relieve(listener);
        return false;
    default:
        /* The connection is gone already (ECONNABORTED and the network's errors, accept(2)). */
        return true;
    }
}

static void on_ready(void *argument, int events)
{
    struct listener *listener = argument;
    (void)events;
    listener->in_handler = true;
    for (int i = 0; i < ACCEPTS_PER_PASS && accept_one(listener); i++)
        continue;
    listener->in_handler = false;
    if (listener->freed)
        mem_free(listener);
}

struct listener *listener_new(struct loop *loop, int descriptor, listener_accept_fn *accepted,
                              void *argument)
{
    struct listener *listener = mem_zalloc(sizeof(*listener));
    listener->loop = loop;
    listener->descriptor = descriptor;
    listener->accepted = accepted;
    listener->argument = argument;
    listener->spare = open_spare();
    loop_timer_init(&listener->retry, loop, on_retry);
    listener->watch = loop_watch_new(loop, descriptor, LOOP_READABLE, on_ready, listener);
    if (listener->watch == NULL)
        listener_free(&listener);
    return listener;
}

void listener_free(struct listener **owner)
{
    struct listener *listener = *owner;
    if (listener == NULL)
        return;
    *owner = NULL;
    loop_timer_cancel(&listener->retry);
    loop_watch_free(&listener->watch);
    close(listener->descriptor);
    if (listener->spare >= 0)
        close(listener->spare);
    listener->freed = true;
    if (!listener->in_handler)
        mem_free(listener);
}
