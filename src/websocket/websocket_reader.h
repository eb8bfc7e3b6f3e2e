/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes of a WebSocket to messages: no socket, no clock. The frame layer is wslay's, what frames
 * mean together is ours. The same for both ends; they differ only in who masks (RFC 6455
 * section 5.3).
 *
 * Refused with 1002: frames masked the wrong way, RSV bits, reserved opcodes, control frames that
 * are fragmented or longer than 125 bytes, a continuation of nothing, a new message inside another,
 * lengths that are not minimal or pass 2^63 - 1, a close payload of one byte, close codes that may
 * not be sent. With 1007: text and close reasons that are not UTF-8. With 1009: messages over the
 * maximum. A frame is judged once its header and its first payload byte are there.
 */
#ifndef ORDERWIRE_WEBSOCKET_WEBSOCKET_READER_H
#define ORDERWIRE_WEBSOCKET_WEBSOCKET_READER_H

#include "base/str.h"

/* Opaque types. */
struct websocket_reader;

enum websocket_item_kind {
    WEBSOCKET_MESSAGE,
    WEBSOCKET_PING,
    WEBSOCKET_PONG,
    WEBSOCKET_CLOSE,     /* the peer's Close frame */
    WEBSOCKET_VIOLATION, /* the peer broke a rule */
};

struct websocket_item {
    enum websocket_item_kind kind;
    bool binary;        /* a message's */
    uint16_t code;      /* the peer's code, 1005 when it gave none; the code to close with */
    struct str payload; /* a close's reason */
};

/* About 4.4 KiB, and up to `message_max` while a message comes in pieces. */
struct websocket_reader *websocket_reader_new(bool expect_masked, size_t message_max);
void websocket_reader_free(struct websocket_reader **reader);

/*
 * Takes bytes off the front of `input` until an item is whole: true, and the item is valid until
 * the next call. False when all input was taken. After a close or a violation all input is
 * discarded.
 */
bool websocket_reader_next(struct websocket_reader *reader, struct str *input,
                           struct websocket_item *item);

/* The bytes so far end with a whole message: a new reader would do as well as this one. */
bool websocket_reader_is_idle(const struct websocket_reader *reader);

#endif
