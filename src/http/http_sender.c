/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loop's side of the sender: libcurl says which descriptors and which moment it waits for, and
 * is told when they come. A kept connection is watched while it idles: older versions of libcurl
 * would send the next request into one that has ended, or take bytes that nobody asked for as its
 * answer.
 */
#include "http/http_sender_internal.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

struct http_sender {
    struct loop *loop;
    CURLM *multi;
    struct loop_timer timer;
    struct list sendings;
    struct list stuck;  /* those of `sendings` that need a push */
    struct map sockets; /* by descriptor */
    int ended;          /* a socket whose other end is closed */
};

struct sender_socket {
    struct http_sender *sender;
    int fd;
    bool carries; /* a request went out on it */
    bool idle;
    struct loop_watch *watch;
};

static struct str key_of(const int *fd)
{
    return str_make((const char *)fd, sizeof(*fd));
}

static struct sender_socket *find_socket(struct http_sender *sender, int fd)
{
    struct sender_socket *socket = map_get(&sender->sockets, key_of(&fd));
    if (socket == NULL) {
        socket = mem_zalloc(sizeof(*socket));
        socket->sender = sender;
        socket->fd = fd;
        map_put(&sender->sockets, key_of(&fd), socket);
    }
    return socket;
}

static void remove_socket(struct http_sender *sender, int fd)
{
    struct sender_socket *socket = map_remove(&sender->sockets, key_of(&fd));
    if (socket == NULL)
        return;
    loop_watch_free(&socket->watch);
    mem_free(socket);
}

/*
 * After this libcurl finds the connection closed when it thinks of using it. It takes one for alive
 * that has bytes to read or was reset, and the peer may do either at any time: so the connection is
 * closed, and its descriptor stands for one that will always read as ended.
 */
static void spoil(struct sender_socket *socket)
{
    loop_watch_free(&socket->watch);
    dup3(socket->sender->ended, socket->fd, O_CLOEXEC);
}

static void detach(struct http_sending *sending)
{
    curl_multi_remove_handle(sending->sender->multi, sending->curl);
    loop_timer_cancel(&sending->deadline);
    list_remove(&sending->node);
    list_remove(&sending->stuck);
}

static void discard(struct http_sending *sending)
{
    curl_easy_cleanup(sending->curl);
    http_sender_request_clean_up(sending);
    mem_free(sending);
}

static void finish(struct http_sending *sending, CURLcode code)
{
    struct http_sender_result result = {.error = ""};
    http_sender_outcome_describe(sending, code, &result);
    result.duration_us = clock_mono_us() - sending->started_us;
    detach(sending);
    sending->over = true;
    sending->done(sending->argument, &result);
    discard(sending);
}

/*
 * Before 8.4 libcurl forgets to go on with a name's next address. Pausing and going on has no
 * meaning before anything is sent, but makes it look again.
 */
static void push_the_stuck(struct http_sender *sender)
{
    struct list *node;
    while ((node = list_pop(&sender->stuck)) != NULL) {
        CURL *curl = LIST_ENTRY(node, struct http_sending, stuck)->curl;
        curl_easy_pause(curl, CURLPAUSE_ALL);
        curl_easy_pause(curl, CURLPAUSE_CONT);
    }
}

static void act(struct http_sender *sender, curl_socket_t fd, int events)
{
    int count;
    struct CURLMsg *message;
    curl_multi_socket_action(sender->multi, fd, events, &count);
    push_the_stuck(sender);
    while ((message = curl_multi_info_read(sender->multi, &count)) != NULL) {
        struct http_sending *sending = NULL;
        if (message->msg != CURLMSG_DONE)
            continue;
        CURLcode code = message->data.result;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &sending);
        finish(sending, code);
    }
}

static void on_ready(void *argument, int events)
{
    struct sender_socket *socket = argument;
    int mask = 0;
    if (socket->idle) {
        spoil(socket);
        return;
    }
    if (events & LOOP_READABLE)
        mask |= CURL_CSELECT_IN;
    if (events & LOOP_WRITABLE)
        mask |= CURL_CSELECT_OUT;
    act(socket->sender, socket->fd, mask);
}

static void watch(struct sender_socket *socket, int events)
{
    if (socket->watch != NULL)
        loop_watch_set(socket->watch, events);
    else
        socket->watch = loop_watch_new(socket->sender->loop, socket->fd, events, on_ready, socket);
}

static int events_of(int wish)
{
    switch (wish) {
    case CURL_POLL_IN:
        return LOOP_READABLE;
    case CURL_POLL_OUT:
        return LOOP_WRITABLE;
    case CURL_POLL_INOUT:
        return LOOP_READABLE | LOOP_WRITABLE;
    default:
        return 0;
    }
}

static void stop_watching(struct http_sender *sender, struct http_sending *sending, int fd)
{
    struct sender_socket *socket = map_get(&sender->sockets, key_of(&fd));
    if (socket != NULL && socket->carries) {
        socket->idle = true;
        watch(socket, LOOP_READABLE);
        return;
    }
    /* Of a connection that came to nothing libcurl tells after it has closed it. */
    remove_socket(sender, fd);
    if (sending != NULL && sending->opened && !sending->sent) {
        list_remove(&sending->stuck);
        list_append(&sender->stuck, &sending->stuck);
    }
}

/* libcurl wants to know when `fd` is ready, or no more. */
static int on_wish(CURL *curl, curl_socket_t fd, int wish, void *argument, void *unused)
{
    struct http_sender *sender = argument;
    struct http_sending *sending = NULL;
    (void)unused;
    curl_easy_getinfo(curl, CURLINFO_PRIVATE, &sending);
    if (wish == CURL_POLL_REMOVE) {
        stop_watching(sender, sending, fd);
        return 0;
    }
    struct sender_socket *socket = find_socket(sender, fd);
    socket->idle = false;
    socket->carries |= sending != NULL && sending->sent;
    watch(socket, events_of(wish));
    return 0;
}

static int on_timer_wish(CURLM *multi, long timeout, void *argument)
{
    struct http_sender *sender = argument;
    (void)multi;
    if (timeout < 0)
        loop_timer_cancel(&sender->timer);
    else
        loop_timer_set(&sender->timer, loop_now(sender->loop) + timeout);
    return 0;
}

static void on_timer(struct loop_timer *timer)
{
    act(CONTAINER_OF(timer, struct http_sender, timer), CURL_SOCKET_TIMEOUT, 0);
}

static void on_deadline(struct loop_timer *timer)
{
    finish(CONTAINER_OF(timer, struct http_sending, deadline), CURLE_OPERATION_TIMEDOUT);
}

int http_sender_close_socket(void *sender, curl_socket_t fd)
{
    remove_socket(sender, fd);
    return close(fd);
}

static bool set_up_multi(struct http_sender *sender, int connections_max)
{
    CURLM *multi = sender->multi;
    bool good = true;
    good &= curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_wish) == CURLM_OK;
    good &= curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, sender) == CURLM_OK;
    good &= curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_timer_wish) == CURLM_OK;
    good &= curl_multi_setopt(multi, CURLMOPT_TIMERDATA, sender) == CURLM_OK;
    good &= curl_multi_setopt(multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING) == CURLM_OK;
    good &= curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, (long)connections_max) == CURLM_OK;
    good &=
        curl_multi_setopt(multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, (long)connections_max) == CURLM_OK;
    return good;
}

static int make_ended_socket(void)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
        return -1;
    close(pair[1]);
    return pair[0];
}

struct http_sender *http_sender_new(struct loop *loop, int connections_max)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        log_error("libcurl cannot start");
        return NULL;
    }
    struct http_sender *sender = mem_zalloc(sizeof(*sender));
    sender->loop = loop;
    loop_timer_init(&sender->timer, loop, on_timer);
    list_init(&sender->sendings);
    list_init(&sender->stuck);
    map_init(&sender->sockets);
    sender->ended = make_ended_socket();
    sender->multi = curl_multi_init();
    if (sender->ended < 0 || sender->multi == NULL || !set_up_multi(sender, connections_max)) {
        log_error("requests cannot be sent: too few descriptors, or libcurl refuses");
        http_sender_free(&sender);
    }
    return sender;
}

void http_sender_free(struct http_sender **owner)
{
    struct http_sender *sender = *owner;
    if (sender == NULL)
        return;
    LIST_EACH (&sender->sendings, node) {
        struct http_sending *sending = LIST_ENTRY(node, struct http_sending, node);
        http_sender_cancel(&sending);
    }
    curl_multi_cleanup(sender->multi);
    loop_timer_cancel(&sender->timer);
    map_fini(&sender->sockets);
    if (sender->ended >= 0)
        close(sender->ended);
    mem_free(sender);
    curl_global_cleanup();
    *owner = NULL;
}

struct http_sending *
http_sender_send(struct http_sender *sender, const struct http_sender_request *request,
                 void (*done)(void *argument, const struct http_sender_result *result),
                 void *argument)
{
    struct http_sending *sending = mem_zalloc(sizeof(*sending));
    sending->sender = sender;
    sending->done = done;
    sending->argument = argument;
    sending->started_us = clock_mono_us();
    list_init(&sending->node);
    list_init(&sending->stuck);
    loop_timer_init(&sending->deadline, sender->loop, on_deadline);
    sending->curl = curl_easy_init();
    if (sending->curl == NULL || !http_sender_request_set_up(sending, request) ||
        curl_multi_add_handle(sender->multi, sending->curl) != CURLM_OK) {
        http_sender_cancel(&sending);
        return NULL;
    }
    list_append(&sender->sendings, &sending->node);
    loop_timer_set(&sending->deadline, loop_now(sender->loop) + request->timeout);
    return sending;
}

void http_sender_cancel(struct http_sending **owner)
{
    struct http_sending *sending = *owner;
    *owner = NULL;
    if (sending == NULL || sending->over)
        return;
    detach(sending);
    discard(sending);
}
