/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames to messages. wslay's frame layer parses and unmasks; its event layer is not used, because
 * it checks a close reason differently when the frame comes in pieces, lets a close payload of one
 * byte pass, gives no code for a broken header, and takes twice the memory.
 */
#include "websocket/websocket_reader.h"

#include "base/buf.h"
#include "base/mem.h"

#include <string.h>
#include <wslay/wslay.h>

enum { CONTROL_MAX = 125 };

struct websocket_reader {
    wslay_frame_context_ptr context;
    struct str *input;
    size_t message_max;
    bool expect_masked;
    bool finished;
    bool in_frame;
    bool in_message;
    bool binary;
    uint64_t frame_offset; /* payload bytes of the present frame that were seen */
    uint64_t unframed;     /* bytes given to wslay that no whole frame accounts for yet */
    struct buf message;
    size_t control_length;
    char control[CONTROL_MAX];
};

static ssize_t give_bytes(uint8_t *out, size_t length, int flags, void *user_data)
{
    (void)flags;
    struct websocket_reader *reader = user_data;
    size_t count = length < reader->input->len ? length : reader->input->len;
    if (count == 0)
        return 0;
    memcpy(out, reader->input->ptr, count);
    reader->input->ptr += count;
    reader->input->len -= count;
    reader->unframed += count;
    return (ssize_t)count;
}

struct websocket_reader *websocket_reader_new(bool expect_masked, size_t message_max)
{
    static const struct wslay_frame_callbacks callbacks = {.recv_callback = give_bytes};
    struct websocket_reader *reader = mem_zalloc(sizeof(*reader));
    reader->expect_masked = expect_masked;
    reader->message_max = message_max;
    buf_init(&reader->message, message_max);
    /* It fails only without memory; base/mem.h says what happens then. */
    if (wslay_frame_context_init(&reader->context, &callbacks, reader) != 0)
        abort();
    return reader;
}

void websocket_reader_free(struct websocket_reader **owner)
{
    struct websocket_reader *reader = *owner;
    *owner = NULL;
    if (reader == NULL)
        return;
    wslay_frame_context_free(reader->context);
    buf_fini(&reader->message);
    mem_free(reader);
}

bool websocket_reader_is_idle(const struct websocket_reader *reader)
{
    return reader->unframed == 0 && !reader->in_message && !reader->finished;
}

static bool violate(struct websocket_reader *reader, struct websocket_item *item, uint16_t code)
{
    reader->finished = true;
    *item = (struct websocket_item){.kind = WEBSOCKET_VIOLATION, .code = code};
    return true;
}

/* 0, or the code to refuse the frame with. */
static uint16_t begin_frame(struct websocket_reader *reader, const struct wslay_frame_iocb *frame)
{
    if (frame->rsv != 0 || (frame->mask != 0) != reader->expect_masked)
        return WSLAY_CODE_PROTOCOL_ERROR;
    switch (frame->opcode) {
    case WSLAY_CONNECTION_CLOSE:
    case WSLAY_PING:
    case WSLAY_PONG:
        reader->control_length = 0;
        return 0;
    case WSLAY_CONTINUATION_FRAME:
        if (!reader->in_message)
            return WSLAY_CODE_PROTOCOL_ERROR;
        break;
    case WSLAY_TEXT_FRAME:
    case WSLAY_BINARY_FRAME:
        if (reader->in_message)
            return WSLAY_CODE_PROTOCOL_ERROR;
        reader->in_message = true;
        reader->binary = frame->opcode == WSLAY_BINARY_FRAME;
        buf_clear(&reader->message);
        break;
    default:
        return WSLAY_CODE_PROTOCOL_ERROR;
    }
    if (frame->payload_length > reader->message_max - reader->message.len)
        return WSLAY_CODE_MESSAGE_TOO_BIG;
    return 0;
}

static void end_frame(struct websocket_reader *reader, uint64_t payload_length)
{
    uint64_t extended = payload_length < 126 ? 0 : payload_length <= UINT16_MAX ? 2 : 8;
    reader->unframed -= 2 + extended + (reader->expect_masked ? 4 : 0) + payload_length;
    reader->in_frame = false;
    reader->frame_offset = 0;
}

/* RFC 6455 section 7.4, and 1012 to 1014 of the IANA registry. */
static bool may_be_sent(uint16_t code)
{
    if (code >= 1000 && code <= 1014)
        return code != 1004 && code != 1005 && code != 1006;
    return code >= 3000 && code <= 4999;
}

static bool take_close(struct websocket_reader *reader, struct websocket_item *item)
{
    const char *bytes = reader->control;
    reader->finished = true;
    *item = (struct websocket_item){.kind = WEBSOCKET_CLOSE, .code = WSLAY_CODE_NO_STATUS_RCVD};
    if (reader->control_length == 0)
        return true;
    if (reader->control_length == 1)
        return violate(reader, item, WSLAY_CODE_PROTOCOL_ERROR);
    item->code = (uint16_t)((uint8_t)bytes[0] << 8 | (uint8_t)bytes[1]);
    item->payload = str_make(bytes + 2, reader->control_length - 2);
    if (!may_be_sent(item->code))
        return violate(reader, item, WSLAY_CODE_PROTOCOL_ERROR);
    if (!str_is_utf8(item->payload))
        return violate(reader, item, WSLAY_CODE_INVALID_FRAME_PAYLOAD_DATA);
    return true;
}

static bool take_control(struct websocket_reader *reader, const struct wslay_frame_iocb *frame,
                         struct websocket_item *item)
{
    if (frame->data_length > 0)
        memcpy(reader->control + reader->control_length, frame->data, frame->data_length);
    reader->control_length += frame->data_length;
    if (reader->frame_offset < frame->payload_length)
        return false;
    end_frame(reader, frame->payload_length);
    if (frame->opcode == WSLAY_CONNECTION_CLOSE)
        return take_close(reader, item);
    *item = (struct websocket_item){
        .kind = frame->opcode == WSLAY_PING ? WEBSOCKET_PING : WEBSOCKET_PONG,
        .payload = str_make(reader->control, reader->control_length),
    };
    return true;
}

static bool take_data(struct websocket_reader *reader, const struct wslay_frame_iocb *frame,
                      struct websocket_item *item)
{
    struct str payload = str_make((const char *)frame->data, frame->data_length);
    bool alone = frame->fin && reader->message.len == 0 && payload.len == frame->payload_length;
    if (!alone)
        buf_append_str(&reader->message, payload);
    if (reader->frame_offset < frame->payload_length)
        return false;
    end_frame(reader, frame->payload_length);
    if (!frame->fin)
        return false;
    reader->in_message = false;
    if (!alone)
        payload = buf_view(&reader->message);
    if (!reader->binary && !str_is_utf8(payload))
        return violate(reader, item, WSLAY_CODE_INVALID_FRAME_PAYLOAD_DATA);
    *item = (struct websocket_item){
        .kind = WEBSOCKET_MESSAGE, .binary = reader->binary, .payload = payload};
    return true;
}

/* `frame` holds a part of a frame's payload, all of it when it is there. */
static bool take_part(struct websocket_reader *reader, const struct wslay_frame_iocb *frame,
                      struct websocket_item *item)
{
    if (!reader->in_frame) {
        uint16_t code = begin_frame(reader, frame);
        if (code != 0)
            return violate(reader, item, code);
        reader->in_frame = true;
    }
    reader->frame_offset += frame->data_length;
    return wslay_is_ctrl_frame(frame->opcode) ? take_control(reader, frame, item)
                                              : take_data(reader, frame, item);
}

bool websocket_reader_next(struct websocket_reader *reader, struct str *input,
                           struct websocket_item *item)
{
    reader->input = input;
    while (!reader->finished) {
        struct wslay_frame_iocb frame = {0};
        ssize_t got = wslay_frame_recv(reader->context, &frame);
        if (got == WSLAY_ERR_WANT_READ)
            return false;
        if (got < 0)
            return violate(reader, item, WSLAY_CODE_PROTOCOL_ERROR);
        if (take_part(reader, &frame, item))
            return true;
    }
    *input = str_make(NULL, 0);
    return false;
}
