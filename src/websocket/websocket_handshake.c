/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The opening handshake (RFC 6455 section 4). What HTTP itself demands of the request is http/'s
 * business; here are only the fields that WebSocket adds.
 */
#include "base/crypto.h"
#include "base/err.h"
#include "codec/base64.h"
#include "websocket/websocket.h"
#include "websocket/websocket_internal.h"

enum { KEY_BYTES = 16, KEY_TEXT_MAX = 24 };

void websocket_accept_key(struct str key, struct buf *out)
{
    char text[KEY_TEXT_MAX + 36];
    struct buf joined = {.ptr = text, .capacity = sizeof(text), .max = sizeof(text)};
    buf_append_str(&joined, key);
    buf_append_text(&joined, "258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    uint8_t digest[CRYPTO_SHA1_SIZE];
    crypto_sha1(buf_view(&joined), digest);
    base64_encode(str_make((const char *)digest, sizeof(digest)), out);
}

static bool key_is_valid(struct str key)
{
    struct buf decoded;
    buf_init(&decoded, KEY_BYTES);
    bool valid = base64_decode(key, &decoded) == 0 && decoded.len == KEY_BYTES;
    buf_fini(&decoded);
    return valid;
}

int websocket_accept(const struct websocket_handshake *handshake, struct str subprotocol,
                     struct buf *headers)
{
    if (!str_list_has(handshake->connection, STR_LIT("upgrade")) ||
        !str_list_has(handshake->upgrade, STR_LIT("websocket")) ||
        !str_equal_text(handshake->version, "13"))
        return ERR_UNSUPPORTED;
    if (!key_is_valid(handshake->key))
        return ERR_INVALID;
    buf_append_text(headers, "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ");
    websocket_accept_key(handshake->key, headers);
    buf_append_text(headers, "\r\n");
    if (subprotocol.len > 0) {
        buf_append_text(headers, "Sec-WebSocket-Protocol: ");
        buf_append_str(headers, subprotocol);
        buf_append_text(headers, "\r\n");
    }
    return headers->overflow ? ERR_TOO_LARGE : 0;
}
