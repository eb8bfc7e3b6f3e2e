/* SPDX-License-Identifier: Apache-2.0 */
/* A blocking WebSocket client for one thread, for commands of the CLI and tests; encrypted or not. */
#ifndef ORDERWIRE_WEBSOCKET_WEBSOCKET_CLIENT_H
#define ORDERWIRE_WEBSOCKET_WEBSOCKET_CLIENT_H

#include "base/buf.h"

/* Opaque types. */
struct tls_trust;
struct websocket_client;

#define WEBSOCKET_CLIENT_ERROR_SIZE 200

struct websocket_client_request {
    const char *url;         /* http:// or https://, with the path of the WebSocket */
    const char *unix_socket; /* the path of the socket to connect to; NULL: what the URL says */
    const char *header;      /* one more line of the handshake, "Authorization: …"; may be NULL */
    const struct tls_trust *trust; /* for https:// (net/tls.h); NULL: the system's authorities */
    int64_t timeout;               /* ms, for connecting and the handshake */
};

/* NULL with a sentence in `error`. */
struct websocket_client *websocket_client_connect(const struct websocket_client_request *request,
                                                  char error[WEBSOCKET_CLIENT_ERROR_SIZE]);
NODISCARD int websocket_client_send(struct websocket_client *client, struct str text);
/*
 * Waits for the next message and appends it to `message` (cleared first). Control frames are
 * answered inside. ERR_TIMEOUT, ERR_CLOSED (then websocket_client_close_code tells why), ERR_IO
 * (also when the server broke the protocol), ERR_TOO_LARGE when `message` is too small (it is then
 * lost).
 */
NODISCARD int websocket_client_receive(struct websocket_client *client, int64_t timeout_ms,
                                       struct buf *message);
/* The code of the server's Close frame, 1006 when there was none; `reason` gets its text. */
uint16_t websocket_client_close_code(const struct websocket_client *client, struct str *reason);
void websocket_client_free(struct websocket_client **client);

#endif
