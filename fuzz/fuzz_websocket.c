/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reader of WebSocket frames, fed whole and in pieces: both must find the same items. The first
 * byte says whose end it is and how large the pieces are.
 */
#include "fuzz.h"

#include "websocket/websocket_reader.h"

#include "base/buf.h"
#include "base/mem.h"

#include <stdlib.h>

enum { MESSAGE_MAX = 300, TRANSCRIPT_MAX = 1 << 20 };

static void read_in_pieces(struct str bytes, size_t piece, bool masked, struct buf *transcript)
{
    struct websocket_reader *reader = websocket_reader_new(masked, MESSAGE_MAX);
    bool idle = true;
    buf_init(transcript, TRANSCRIPT_MAX);
    while (bytes.len > 0) {
        size_t length = piece < bytes.len ? piece : bytes.len;
        char *copy = mem_dup(bytes.ptr, length);
        struct str input = str_make(copy, length);
        struct websocket_item item;
        while (websocket_reader_next(reader, &input, &item)) {
            buf_printf(transcript, "%d %d %u %zu:", item.kind, item.binary, item.code,
                       item.payload.len);
            buf_append_str(transcript, item.payload);
        }
        mem_free(copy);
        bytes = str_make(bytes.ptr + length, bytes.len - length);
        /* At a message's end a new reader must do as well. */
        idle = websocket_reader_is_idle(reader);
        if (idle) {
            websocket_reader_free(&reader);
            reader = websocket_reader_new(masked, MESSAGE_MAX);
        }
    }
    buf_append_text(transcript, idle ? "idle" : "busy");
    websocket_reader_free(&reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    bool masked = (data[0] & 1) == 0;
    size_t piece = (size_t)(data[0] >> 1) + 1;
    struct str bytes = str_make((const char *)data + 1, size - 1);
    struct buf whole, pieces;
    read_in_pieces(bytes, bytes.len, masked, &whole);
    read_in_pieces(bytes, piece, masked, &pieces);
    if (!str_equal(buf_view(&whole), buf_view(&pieces)))
        abort();
    buf_fini(&whole);
    buf_fini(&pieces);
    return 0;
}
