/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connection on a stream. Most of its life nothing comes in, so the reader (4.4 KiB) exists only
 * between the first and the last byte of a message. Owners close and abort from inside their
 * handlers; `holds` counts who still stands in the struct, and the last one out frees it.
 */
#include "websocket/websocket.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "net/stream.h"
#include "websocket/websocket_internal.h"
#include "websocket/websocket_reader.h"

enum { CLOSE_WAIT_MS = 5000 };

enum state {
    OPEN,
    CLOSING,  /* our Close is sent or queued, the peer's is awaited, the timer runs */
    DRAINING, /* the stream is closing */
    CUTTING,  /* the deferred call ends it */
    OVER,     /* the owner knows, or does not want to */
};

struct websocket {
    struct stream *stream;
    const struct websocket_handlers *handlers;
    void *owner;
    struct websocket_reader *reader; /* NULL between messages */
    char *early;                     /* input that came with the handshake, not handled yet */
    uint32_t early_length;
    uint32_t message_max;
    uint32_t queue_max;
    uint8_t state;
    uint8_t holds;
    bool deferred;
    struct loop_message later;
    struct loop_timer timer;
};

static void release(struct websocket *ws)
{
    if (--ws->holds > 0 || ws->state != OVER)
        return;
    websocket_reader_free(&ws->reader);
    mem_free(ws->early);
    mem_free(ws);
}

static void end(struct websocket *ws)
{
    ws->state = OVER;
    ws->stream = NULL;
    loop_timer_cancel(&ws->timer);
    metrics_add(METRIC_WEBSOCKETS, -1);
}

static void end_and_tell(struct websocket *ws)
{
    ws->holds++;
    end(ws);
    ws->handlers->closed(ws->owner);
    release(ws);
}

static void defer(struct websocket *ws)
{
    if (ws->deferred)
        return;
    ws->deferred = true;
    ws->holds++;
    loop_defer(stream_loop(ws->stream), &ws->later);
}

/* What is queued cannot be taken back, and a part of a frame may be sent already: only the axe
 * helps. */
static void cut(struct websocket *ws)
{
    ws->state = CUTTING;
    defer(ws);
}

/* A stream that refuses it is over already, and says so itself. */
static void write_close(struct websocket *ws, uint16_t code, struct str reason)
{
    char bytes[CONTROL_FRAME_MAX];
    struct buf frame = {.ptr = bytes, .capacity = sizeof(bytes), .max = sizeof(bytes)};
    websocket_frame_write_close(&frame, code, reason, NULL);
    int refused = stream_write(ws->stream, buf_view(&frame));
    (void)refused;
}

static void drain(struct websocket *ws)
{
    ws->state = DRAINING;
    loop_timer_cancel(&ws->timer);
    stream_close(ws->stream, loop_now(stream_loop(ws->stream)) + CLOSE_WAIT_MS);
}

static void answer_ping(struct websocket *ws, struct str payload)
{
    char bytes[CONTROL_FRAME_MAX];
    struct buf pong = {.ptr = bytes, .capacity = sizeof(bytes), .max = sizeof(bytes)};
    websocket_frame_write(&pong, OPCODE_PONG, payload);
    if (websocket_send_frame(ws, buf_view(&pong)) == ERR_TOO_LARGE)
        cut(ws);
}

static void take_item(struct websocket *ws, const struct websocket_item *item)
{
    switch (item->kind) {
    case WEBSOCKET_MESSAGE:
        if (ws->state == OPEN)
            ws->handlers->message(ws->owner, item->payload);
        break;
    case WEBSOCKET_PING:
        answer_ping(ws, item->payload);
        break;
    case WEBSOCKET_PONG:
        break;
    case WEBSOCKET_CLOSE:
    case WEBSOCKET_VIOLATION:
        if (ws->state == OPEN)
            write_close(ws, item->code, str_make(NULL, 0));
        if (ws->state <= CLOSING)
            drain(ws);
        break;
    }
}

static void read_bytes(struct websocket *ws, struct str bytes)
{
    struct websocket_item item;
    if (ws->state > CLOSING || bytes.len == 0)
        return;
    if (ws->reader == NULL)
        ws->reader = websocket_reader_new(true, ws->message_max);
    while (ws->state <= CLOSING && websocket_reader_next(ws->reader, &bytes, &item))
        take_item(ws, &item);
    if (websocket_reader_is_idle(ws->reader))
        websocket_reader_free(&ws->reader);
}

static void read_early(void *owner)
{
    struct websocket *ws = owner;
    char *early = ws->early;
    ws->early = NULL;
    if (early != NULL)
        read_bytes(ws, str_make(early, ws->early_length));
    mem_free(early);
}

static void run_later(struct loop_message *message)
{
    struct websocket *ws = CONTAINER_OF(message, struct websocket, later);
    ws->deferred = false;
    if (ws->state == CUTTING) {
        stream_abort(&ws->stream);
        end_and_tell(ws);
    } else if (ws->state != OVER) {
        stream_run(ws->stream, read_early);
    }
    release(ws);
}

static void stream_received(void *owner, struct str bytes)
{
    struct websocket *ws = owner;
    ws->holds++;
    read_early(ws);
    read_bytes(ws, bytes);
    release(ws);
}

static void stream_closed(void *owner)
{
    end_and_tell(owner);
}

static void close_timed_out(struct loop_timer *timer)
{
    struct websocket *ws = CONTAINER_OF(timer, struct websocket, timer);
    stream_abort(&ws->stream);
    end_and_tell(ws);
}

struct websocket *websocket_new(struct stream *stream, size_t message_max, size_t queue_max,
                                struct str early, const struct websocket_handlers *handlers,
                                void *owner)
{
    static const struct stream_handlers stream_handlers = {.received = stream_received,
                                                           .closed = stream_closed};
    struct websocket *ws = mem_zalloc(sizeof(*ws));
    ws->stream = stream;
    ws->handlers = handlers;
    ws->owner = owner;
    ws->message_max = (uint32_t)message_max;
    ws->queue_max = (uint32_t)queue_max;
    ws->later.run = run_later;
    loop_timer_init(&ws->timer, stream_loop(stream), close_timed_out);
    /* The room over queue_max is for the Close frame, which a full queue must not keep back. */
    stream_set_owner(stream, queue_max + CONTROL_FRAME_MAX, &stream_handlers, ws);
    metrics_add(METRIC_WEBSOCKETS, 1);
    if (early.len > 0) {
        ws->early = mem_dup(early.ptr, early.len);
        ws->early_length = (uint32_t)early.len;
        defer(ws);
    }
    return ws;
}

int websocket_send(struct websocket *ws, bool binary, struct str message)
{
    struct buf frame;
    buf_init(&frame, message.len + FRAME_HEADER_MAX);
    websocket_frame_write(&frame, binary ? OPCODE_BINARY : OPCODE_TEXT, message);
    int result = websocket_send_frame(ws, buf_view(&frame));
    buf_fini(&frame);
    return result;
}

int websocket_send_frame(struct websocket *ws, struct str frame)
{
    if (ws->state != OPEN)
        return ERR_CLOSED;
    if (frame.len > ws->queue_max || stream_queued(ws->stream) > ws->queue_max - frame.len)
        return ERR_TOO_LARGE;
    return stream_write(ws->stream, frame);
}

void websocket_close(struct websocket *ws, uint16_t code, const char *reason, bool flush)
{
    if (ws->state > CLOSING || (ws->state == CLOSING && flush))
        return;
    bool may_write = flush || stream_queued(ws->stream) == 0;
    if (ws->state == OPEN && may_write)
        write_close(ws, code, str_from(reason));
    if (flush) {
        ws->state = CLOSING;
        loop_timer_set(&ws->timer, loop_now(stream_loop(ws->stream)) + CLOSE_WAIT_MS);
    } else {
        cut(ws);
    }
}

void websocket_abort(struct websocket **owner)
{
    struct websocket *ws = *owner;
    *owner = NULL;
    if (ws == NULL || ws->state == OVER)
        return;
    ws->holds++;
    stream_abort(&ws->stream);
    end(ws);
    release(ws);
}

bool websocket_is_closing(const struct websocket *ws)
{
    return ws->state != OPEN;
}

const struct address *websocket_peer(const struct websocket *ws)
{
    return ws->stream != NULL ? stream_peer(ws->stream) : NULL;
}
