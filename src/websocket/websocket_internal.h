/* SPDX-License-Identifier: Apache-2.0 */
/* What the two ends of a WebSocket share. Opcodes are numbers of RFC 6455 section 5.2. */
#ifndef ORDERWIRE_WEBSOCKET_WEBSOCKET_INTERNAL_H
#define ORDERWIRE_WEBSOCKET_WEBSOCKET_INTERNAL_H

#include "base/buf.h"

enum { OPCODE_TEXT = 1, OPCODE_BINARY = 2, OPCODE_CLOSE = 8, OPCODE_PING = 9, OPCODE_PONG = 10 };

enum {
    CLOSE_NORMAL = 1000,
    CLOSE_NO_CODE = 1005,  /* never on the wire: a Close frame without a code */
    CLOSE_ABNORMAL = 1006, /* never on the wire: no Close frame came */
    CLOSE_REASON_MAX = 123,
    FRAME_HEADER_MAX = 14,
    CONTROL_FRAME_MAX = 2 + 4 + 125, /* header, mask, payload */
};

/* As websocket_frame_write; masked by `mask` when it is not NULL (what a client sends). */
void websocket_frame_write_masked(struct buf *out, int opcode, struct str payload,
                                  const uint8_t *mask);
/* A Close frame; an empty one for CLOSE_NO_CODE. A longer reason is cut, between characters. */
void websocket_frame_write_close(struct buf *out, uint16_t code, struct str reason,
                                 const uint8_t *mask);

/* Appends the Sec-WebSocket-Accept that answers `key` (RFC 6455 section 4.2.2). */
void websocket_accept_key(struct str key, struct buf *out);

#endif
