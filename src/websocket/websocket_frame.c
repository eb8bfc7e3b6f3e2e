/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Outgoing frames, always whole and of minimal length. wslay could write them too, but it keeps a
 * context of several KiB for it, and a frame made once is to be shared by many connections.
 */
#include "websocket/websocket.h"
#include "websocket/websocket_internal.h"

#include <string.h>

enum { FINAL = 0x80, MASKED = 0x80, LENGTH_16 = 126, LENGTH_64 = 127 };

static size_t write_header(uint8_t header[FRAME_HEADER_MAX], int opcode, uint64_t length,
                           const uint8_t *mask)
{
    size_t extended = length < LENGTH_16 ? 0 : length <= UINT16_MAX ? 2 : 8;
    size_t count = 2 + extended;
    uint8_t first = (uint8_t)(extended == 0 ? length : extended == 2 ? LENGTH_16 : LENGTH_64);
    header[0] = (uint8_t)(FINAL | opcode);
    header[1] = (uint8_t)(first | (mask != NULL ? MASKED : 0));
    for (size_t i = 0; i < extended; i++)
        header[2 + i] = (uint8_t)(length >> 8 * (extended - 1 - i));
    if (mask != NULL) {
        memcpy(header + count, mask, 4);
        count += 4;
    }
    return count;
}

void websocket_frame_write_masked(struct buf *out, int opcode, struct str payload,
                                  const uint8_t *mask)
{
    uint8_t header[FRAME_HEADER_MAX];
    size_t header_length = write_header(header, opcode, payload.len, mask);
    char *end = buf_reserve(out, header_length + payload.len);
    if (end == NULL)
        return;
    memcpy(end, header, header_length);
    char *body = end + header_length;
    if (payload.len > 0)
        memcpy(body, payload.ptr, payload.len);
    for (size_t i = 0; mask != NULL && i < payload.len; i++)
        body[i] = (char)(body[i] ^ mask[i % 4]);
    buf_wrote(out, header_length + payload.len);
}

void websocket_frame_write(struct buf *out, int opcode, struct str payload)
{
    websocket_frame_write_masked(out, opcode, payload, NULL);
}

void websocket_frame_write_close(struct buf *out, uint16_t code, struct str reason,
                                 const uint8_t *mask)
{
    char payload[2 + CLOSE_REASON_MAX] = {(char)(code >> 8), (char)(code & 0xff)};
    size_t length = reason.len;
    if (length > CLOSE_REASON_MAX) {
        length = CLOSE_REASON_MAX;
        while (length > 0 && ((uint8_t)reason.ptr[length] & 0xc0) == 0x80)
            length--;
    }
    if (length > 0)
        memcpy(payload + 2, reason.ptr, length);
    size_t total = code == CLOSE_NO_CODE ? 0 : 2 + length;
    websocket_frame_write_masked(out, OPCODE_CLOSE, str_make(payload, total), mask);
}
