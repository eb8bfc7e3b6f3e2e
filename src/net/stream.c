/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One socket, read and written as it gets ready, through TLS or not. Owners end streams from inside
 * their handlers, and sockets die inside calls that must not call back; so a stream is only marked
 * then, and `settle` ends it when no handler runs, at the latest in a message deferred to the end of
 * the pass.
 */
#include "net/stream.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/quota.h"
#include "codec/proxy_protocol.h"
#include "net/tls.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* What has come of a header of the PROXY protocol, and what waits for it. */
struct proxy_bytes {
    struct stream_limits limits; /* with `quota` of the stream */
    size_t length;
    char bytes[PROXY_PROTOCOL_MAX];
};

struct stream {
    struct loop *loop;
    struct loop_watch *watch;
    const struct stream_handlers *handlers;
    void *owner;
    struct buf output; /* its first `sent` bytes have gone out; no memory while nothing waits */
    size_t sent;
    size_t output_max;
    struct quota *quota; /* that counts it; NULL: none */
    struct address counted_peer;
    bool counted_address;
    bool refused;               /* stream_was_refused */
    struct proxy_bytes *proxy;  /* a header that is awaited; NULL: none */
    struct tls *tls;            /* NULL: bytes go as they are */
    struct loop_timer deadline; /* of header and handshake, later of closing */
    struct loop_message later;
    int fd;
    bool paused;
    bool closing;    /* stream_close was called */
    bool shut;       /* our side is shut down */
    bool over;       /* nothing more will come or go */
    bool aborted;    /* the owner is not called any more */
    bool deferred;   /* `later` waits in the loop */
    bool in_handler; /* the owner is being called */
    struct address peer;
};

/* How long a peer whose handshake failed may take to close. */
#define HANDSHAKE_LINGER 2000

/* What an owner writes from inside a handler goes out in pieces of up to this. */
#define GATHERED_MAX 4096

static _Thread_local char input[STREAM_READ_SIZE];

/* Empty, unless a handler runs: of the stream that it belongs to. */
static _Thread_local char gathered[GATHERED_MAX];
static _Thread_local size_t gathered_length;

size_t stream_queued(const struct stream *stream)
{
    return stream->output.len - stream->sent;
}

/* Nothing is the owner's yet. */
static bool is_shaking_hands(const struct stream *stream)
{
    return stream->proxy != NULL || (stream->tls != NULL && tls_is_shaking_hands(stream->tls));
}

static void watch_what_matters(struct stream *stream)
{
    bool is_reading = stream->closing ? stream->shut : !stream->paused;
    bool is_blocked = stream->tls != NULL && tls_wants_write(stream->tls);
    int events = 0;
    if (is_shaking_hands(stream)) {
        events = is_blocked ? LOOP_WRITABLE : LOOP_READABLE;
    } else {
        if (is_reading)
            events |= LOOP_READABLE;
        if (stream_queued(stream) > 0 || (is_blocked && is_reading))
            events |= LOOP_WRITABLE;
    }
    loop_watch_set(stream->watch, stream->over ? 0 : events);
}

static void release(struct stream *stream)
{
    loop_timer_cancel(&stream->deadline);
    mem_free(stream->proxy);
    /* It may come here again, when `later` has run. */
    stream->proxy = NULL;
    buf_fini(&stream->output);
    if (!stream->deferred)
        mem_free(stream);
}

static int refuse(struct stream *stream, enum metric metric)
{
    stream->refused = true;
    metrics_add(metric, 1);
    return ERR_BUSY;
}

static bool may_begin(const struct stream *stream, enum quota_kind kind, struct str holder,
                      int64_t per_second)
{
    return quota_take(stream->quota, kind, holder, per_second, loop_now(stream->loop)) == 0;
}

/*
 * ERR_BUSY when its peer has as many as it may, or begins too many. Only what the peer may begin takes
 * from what all may, so that one peer alone cannot use that up.
 */
static int count_peer(struct stream *stream, const struct stream_limits *limits)
{
    struct str holder = address_holder(&stream->peer);
    if (!limits->is_proxy) {
        stream->counted_peer = stream->peer;
        stream->counted_address =
            quota_enter(stream->quota, QUOTA_CONNECTIONS, holder, limits->streams_per_address);
        if (!stream->counted_address)
            return refuse(stream, METRIC_CONNECTIONS_REFUSED__ADDRESS);
        if (!may_begin(stream, QUOTA_ADDRESS_TLS, holder, limits->handshakes_per_address))
            return refuse(stream, METRIC_CONNECTIONS_REFUSED__HANDSHAKES);
    }
    if (!may_begin(stream, QUOTA_TLS_HANDSHAKES, STR_LIT(""), limits->handshakes))
        return refuse(stream, METRIC_CONNECTIONS_REFUSED__HANDSHAKES);
    return 0;
}

static void count_out(struct stream *stream)
{
    if (stream->quota == NULL)
        return;
    quota_leave(stream->quota, QUOTA_ALL_CONNECTIONS, STR_LIT(""));
    if (stream->counted_address)
        quota_leave(stream->quota, QUOTA_CONNECTIONS, address_holder(&stream->counted_peer));
}

/* The socket goes at once, so that the peer and the descriptor table do not wait for the pass. */
static void disconnect(struct stream *stream)
{
    if (stream->fd < 0)
        return;
    loop_watch_free(&stream->watch);
    tls_free(&stream->tls);
    close(stream->fd);
    stream->fd = -1;
    metrics_add(METRIC_CONNECTIONS, -1);
    count_out(stream);
}

/* After every event: an ended stream is told to its owner, once, and freed. */
static void settle(struct stream *stream)
{
    if (stream->aborted) {
        release(stream);
        return;
    }
    if (!stream->over) {
        watch_what_matters(stream);
        return;
    }
    disconnect(stream);
    stream->in_handler = true;
    stream->aborted = true;
    stream->handlers->closed(stream->owner);
    release(stream);
}

static void on_later(struct loop_message *message)
{
    struct stream *stream = CONTAINER_OF(message, struct stream, later);
    stream->deferred = false;
    settle(stream);
}

static void settle_later(struct stream *stream)
{
    if (stream->deferred || stream->in_handler)
        return;
    stream->deferred = true;
    loop_defer(stream->loop, &stream->later);
}

/* Bytes that the kernel took, 0 when it takes none now, or ERR_CLOSED. */
static int send_some(struct stream *stream, struct str bytes, size_t *taken)
{
    ssize_t n;
    if (stream->tls != NULL)
        return tls_write(stream->tls, bytes, taken);
    do
        n = send(stream->fd, bytes.ptr, bytes.len, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    *taken = n > 0 ? (size_t)n : 0;
    if (n < 0 && errno != EAGAIN && errno != ENOBUFS && errno != ENOMEM)
        return ERR_CLOSED;
    return 0;
}

static void enqueue(struct stream *stream, struct str bytes)
{
    /* Bytes that are gone make room once they are more than what is left to move. */
    if (stream->sent > stream_queued(stream)) {
        buf_consume(&stream->output, stream->sent);
        stream->sent = 0;
    }
    stream->output.max = stream->sent + stream->output_max;
    buf_append_str(&stream->output, bytes);
}

/* ERR_CLOSED: the stream is over. */
static int send_or_enqueue(struct stream *stream, struct str bytes)
{
    size_t taken = 0;
    bool may_try = stream_queued(stream) == 0 && bytes.len > 0 && !is_shaking_hands(stream);
    if (may_try && send_some(stream, bytes, &taken) != 0) {
        stream->over = true;
        settle_later(stream);
        return ERR_CLOSED;
    }
    if (taken < bytes.len) {
        enqueue(stream, str_make(bytes.ptr + taken, bytes.len - taken));
        watch_what_matters(stream);
    }
    return 0;
}

static int send_gathered(struct stream *stream)
{
    size_t length = gathered_length;
    if (!stream->in_handler || length == 0)
        return 0;
    gathered_length = 0;
    return send_or_enqueue(stream, str_make(gathered, length));
}

/* Each call of the kernel, and each record of TLS, costs more than the copy. */
static bool gather(struct stream *stream, struct str bytes)
{
    size_t max = stream->output_max < GATHERED_MAX ? stream->output_max : GATHERED_MAX;
    if (!stream->in_handler || is_shaking_hands(stream) || stream_queued(stream) > 0 ||
        bytes.len > max || gathered_length > max - bytes.len)
        return false;
    if (bytes.len > 0)
        memcpy(gathered + gathered_length, bytes.ptr, bytes.len);
    gathered_length += bytes.len;
    return true;
}

int stream_write(struct stream *stream, struct str bytes)
{
    if (stream->over || stream->closing || stream->aborted)
        return ERR_CLOSED;
    if (gather(stream, bytes))
        return 0;
    if (send_gathered(stream) != 0)
        return ERR_CLOSED;
    size_t queued = stream_queued(stream);
    if (bytes.len > stream->output_max || queued > stream->output_max - bytes.len)
        return ERR_TOO_LARGE;
    return send_or_enqueue(stream, bytes);
}

static void shut_down(struct stream *stream)
{
    stream->shut = true;
    /* What comes from now on is dropped as it is. */
    if (stream->tls != NULL)
        tls_finish(stream->tls);
    if (shutdown(stream->fd, SHUT_WR) != 0)
        stream->over = true;
}

/* True when the queue has become empty. */
static bool flush(struct stream *stream)
{
    size_t taken;
    size_t queued = stream_queued(stream);
    if (send_some(stream, str_make(stream->output.ptr + stream->sent, queued), &taken) != 0) {
        stream->over = true;
        return false;
    }
    stream->sent += taken;
    if (taken < queued)
        return false;
    buf_fini(&stream->output);
    stream->sent = 0;
    if (stream->closing)
        shut_down(stream);
    return true;
}

static void on_writable(struct stream *stream)
{
    if (stream_queued(stream) > 0 && flush(stream) && !stream->closing &&
        stream->handlers->drained != NULL)
        stream->handlers->drained(stream->owner);
}

/* 0 and some bytes, ERR_MORE, or ERR_CLOSED. */
static int receive_some(struct stream *stream, size_t *length)
{
    if (stream->tls != NULL && !stream->closing)
        return tls_read(stream->tls, input, sizeof(input), length);
    ssize_t n = recv(stream->fd, input, sizeof(input), 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return ERR_MORE;
    *length = n > 0 ? (size_t)n : 0;
    return n > 0 ? 0 : ERR_CLOSED;
}

static void on_readable(struct stream *stream)
{
    size_t length;
    if (stream->closing ? !stream->shut : stream->paused)
        return;
    int result = receive_some(stream, &length);
    if (result == ERR_CLOSED)
        stream->over = true;
    else if (result == 0 && !stream->closing)
        stream->handlers->received(stream->owner, str_make(input, length));
}

/* Closes in the way of a stream without TLS, so that an alert, or this, reaches the peer. */
static void give_up_tls(struct stream *stream, bool is_http)
{
    int64_t now = loop_now(stream->loop);
    tls_free(&stream->tls);
    log_debug("TLS handshake failed",
              LOG_TEXT("peer", address_text(&stream->peer, (char[ADDRESS_TEXT_SIZE]){0})),
              LOG_TEXT(is_http ? "reason" : NULL, "HTTP without TLS"));
    if (is_http &&
        stream_write(stream, STR_LIT("HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\n"
                                     "Connection: close\r\n\r\nThis address speaks https.\n")) != 0)
        return;
    stream_close(stream, now + HANDSHAKE_LINGER);
}

static void end_header(struct stream *stream, const struct proxy_protocol *header)
{
    if (header->has_source)
        stream->peer = header->source;
    if (stream->quota != NULL && count_peer(stream, &stream->proxy->limits) != 0)
        stream->over = true;
    mem_free(stream->proxy);
    stream->proxy = NULL;
    if (stream->tls == NULL && !stream->closing)
        loop_timer_cancel(&stream->deadline);
}

/*
 * Takes no byte that is not the header's, for the next ones are for TLS to read: looks at what is
 * there, and takes as much as the header has.
 */
static void take_header(struct stream *stream)
{
    struct proxy_bytes *proxy = stream->proxy;
    struct proxy_protocol header;
    char *room = proxy->bytes + proxy->length;
    ssize_t n = recv(stream->fd, room, sizeof(proxy->bytes) - proxy->length, MSG_PEEK);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    size_t seen = proxy->length + (n > 0 ? (size_t)n : 0);
    int result = proxy_protocol_read(str_make(proxy->bytes, seen), &header);
    size_t taken = (result == 0 ? header.length : seen) - proxy->length;
    bool good = n > 0 && (result == 0 || result == ERR_MORE) &&
                recv(stream->fd, room, taken, 0) == (ssize_t)taken;
    proxy->length += taken;
    if (!good) {
        log_debug("no good header of the PROXY protocol",
                  LOG_TEXT("peer", address_text(&stream->peer, (char[ADDRESS_TEXT_SIZE]){0})));
        stream->over = true;
    } else if (result == 0) {
        end_header(stream, &header);
    }
}

static void shake_hands(struct stream *stream)
{
    if (stream->proxy != NULL) {
        take_header(stream);
        return;
    }
    int result = tls_handshake(stream->tls, loop_now(stream->loop));
    if (result == 0 && !stream->closing)
        loop_timer_cancel(&stream->deadline);
    else if (result != 0 && result != ERR_MORE)
        give_up_tls(stream, result == ERR_UNSUPPORTED);
}

static void leave_handler(struct stream *stream)
{
    if (!stream->over && !stream->aborted)
        (void)!send_gathered(stream);
    gathered_length = 0;
    stream->in_handler = false;
    settle(stream);
}

static void on_ready(void *argument, int events)
{
    struct stream *stream = argument;
    /* Reading may have to write first. */
    bool reads =
        (events & LOOP_READABLE) != 0 || (stream->tls != NULL && tls_wants_write(stream->tls));
    stream->in_handler = true;
    if (is_shaking_hands(stream)) {
        shake_hands(stream);
    } else {
        if (events & LOOP_WRITABLE)
            on_writable(stream);
        if (reads && !stream->over && !stream->aborted)
            on_readable(stream);
    }
    leave_handler(stream);
}

void stream_run(struct stream *stream, void (*run)(void *owner))
{
    stream->in_handler = true;
    run(stream->owner);
    leave_handler(stream);
}

static void on_deadline(struct loop_timer *timer)
{
    struct stream *stream = CONTAINER_OF(timer, struct stream, deadline);
    stream->over = true;
    settle(stream);
}

struct stream *stream_new(struct loop *loop, int descriptor, const struct address *peer,
                          size_t output_max, const struct stream_handlers *handlers, void *owner)
{
    struct stream *stream = mem_zalloc(sizeof(*stream));
    stream->loop = loop;
    stream->fd = descriptor;
    stream->later.run = on_later;
    stream->peer = *peer;
    buf_init(&stream->output, output_max);
    stream_set_owner(stream, output_max, handlers, owner);
    loop_timer_init(&stream->deadline, loop, on_deadline);
    stream->watch = loop_watch_new(loop, descriptor, LOOP_READABLE, on_ready, stream);
    if (stream->watch == NULL) {
        close(descriptor);
        mem_free(stream);
        return NULL;
    }
    metrics_add(METRIC_CONNECTIONS, 1);
    return stream;
}

void stream_expect_proxy(struct stream *stream, int64_t deadline_mono)
{
    stream->proxy = mem_zalloc(sizeof(*stream->proxy));
    loop_timer_set(&stream->deadline, deadline_mono);
}

int stream_count(struct stream *stream, struct quota *quota, const struct stream_limits *limits)
{
    if (quota == NULL)
        return 0;
    if (!quota_enter(quota, QUOTA_ALL_CONNECTIONS, STR_LIT(""), limits->streams))
        return refuse(stream, METRIC_CONNECTIONS_REFUSED__ALL);
    stream->quota = quota;
    if (stream->proxy == NULL)
        return count_peer(stream, limits);
    stream->proxy->limits = *limits;
    return 0;
}

bool stream_was_refused(const struct stream *stream)
{
    return stream->refused;
}

int stream_use_tls(struct stream *stream, struct tls_settings *settings)
{
    stream->tls = tls_new(settings, stream->fd);
    if (stream->tls == NULL)
        return ERR_IO;
    loop_timer_set(&stream->deadline,
                   loop_now(stream->loop) + tls_settings_handshake_timeout(settings));
    return 0;
}

void stream_set_owner(struct stream *stream, size_t output_max,
                      const struct stream_handlers *handlers, void *owner)
{
    stream->output_max = output_max;
    stream->handlers = handlers;
    stream->owner = owner;
}

void stream_pause(struct stream *stream)
{
    stream->paused = true;
    if (!stream->in_handler && !stream->over)
        watch_what_matters(stream);
}

void stream_resume(struct stream *stream)
{
    stream->paused = false;
    if (!stream->in_handler && !stream->over)
        watch_what_matters(stream);
}

void stream_close(struct stream *stream, int64_t deadline_mono)
{
    if (stream->over || stream->aborted)
        return;
    loop_timer_set(&stream->deadline, deadline_mono);
    if (stream->closing)
        return;
    if (send_gathered(stream) != 0)
        return;
    stream->closing = true;
    if (stream_queued(stream) == 0)
        shut_down(stream);
    if (stream->over)
        settle_later(stream);
    else if (!stream->in_handler)
        watch_what_matters(stream);
}

void stream_abort(struct stream **owner)
{
    struct stream *stream = *owner;
    if (stream == NULL)
        return;
    *owner = NULL;
    stream->aborted = true;
    disconnect(stream);
    loop_timer_cancel(&stream->deadline);
    if (!stream->in_handler)
        release(stream);
}

const struct address *stream_peer(const struct stream *stream)
{
    return &stream->peer;
}

void stream_set_peer(struct stream *stream, const struct address *peer)
{
    stream->peer = *peer;
}

struct loop *stream_loop(const struct stream *stream)
{
    return stream->loop;
}
