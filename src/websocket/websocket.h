/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server side of WebSocket (RFC 6455): the handshake, and whole messages on a stream. Framing
 * is wslay's, which no other folder sees. A reader with its wslay context takes 4.4 KiB, so it is
 * held only while a message is on its way in; an idle connection has none, and takes 112 bytes
 * here. permessage-deflate is not offered.
 *
 * websocket.c            a connection: messages in, frames out, closing
 * websocket_reader.c     bytes to messages, for both ends
 * websocket_frame.c      outgoing frames
 * websocket_handshake.c  the opening handshake
 * websocket_upgrade.c    the same for a request to the HTTP server
 * websocket_client.c     a blocking client, for `orderwire track`
 */
#ifndef ORDERWIRE_WEBSOCKET_WEBSOCKET_H
#define ORDERWIRE_WEBSOCKET_WEBSOCKET_H

#include "base/buf.h"
#include "codec/address.h"

/* Opaque types. */
struct http_request;
struct stream;
struct websocket;

struct websocket_handshake {
    struct str connection, upgrade, version, key; /* header fields of the request */
};

/*
 * Checks a handshake (RFC 6455 section 4.2.1) and appends the header lines of the 101 answer
 * (Upgrade, Connection, Sec-WebSocket-Accept). `subprotocol` is echoed when not empty.
 * ERR_INVALID for a bad field, ERR_UNSUPPORTED for another version or no upgrade asked for.
 */
NODISCARD int websocket_accept(const struct websocket_handshake *handshake, struct str subprotocol,
                               struct buf *headers);
/*
 * Does that for a request: the stream, `early` and the caller's duties are those of http_upgrade. NULL
 * when the client has gone, or has its answer.
 */
struct stream *websocket_upgrade(struct http_request *request, struct str subprotocol,
                                 struct buf *early);

struct websocket_handlers {
    /* A whole message, valid during the call. Text is UTF-8. */
    void (*message)(void *owner, struct str message);
    /*
     * The connection is over, for whatever reason. Called once, as the last call; the websocket is
     * freed after it.
     */
    void (*closed)(void *owner);
};

/*
 * Takes the stream over. `queue_max` bounds the unsent bytes. `early` are bytes that came with the
 * handshake; they are handled after this returns, like all input.
 */
struct websocket *websocket_new(struct stream *stream, size_t message_max, size_t queue_max,
                                struct str early, const struct websocket_handlers *handlers,
                                void *owner);

/*
 * Sends one message as one frame. ERR_TOO_LARGE when the queue would pass its maximum (nothing is
 * sent), ERR_CLOSED when it is closing.
 */
NODISCARD int websocket_send(struct websocket *websocket, bool binary, struct str message);

/*
 * The same for a frame made before by websocket_frame_write, so that many connections share it.
 */
NODISCARD int websocket_send_frame(struct websocket *websocket, struct str frame);

/*
 * Sends a Close frame with `code` and `reason` (at most 123 bytes), waits for the peer's until
 * 5 s have passed, and ends. When `flush` is false, what is queued is dropped and the peer has no
 * time: for a peer that does not read. `closed` is called later in either case; `message` never
 * again.
 */
void websocket_close(struct websocket *websocket, uint16_t code, const char *reason, bool flush);
/* Ends it at once; `closed` is not called. NULLs the owner's pointer. */
void websocket_abort(struct websocket **websocket);

bool websocket_is_closing(const struct websocket *websocket);
/* NULL when the stream is gone. */
const struct address *websocket_peer(const struct websocket *websocket);

/* Appends an unmasked, unfragmented frame: opcode 1 text, 2 binary, 8 close, 9 ping, 10 pong. */
void websocket_frame_write(struct buf *out, int opcode, struct str payload);

#endif
