/* SPDX-License-Identifier: Apache-2.0 */
/* From a request to the stream of a WebSocket: what HTTP knows of the handshake, and its answers. */
#include "base/err.h"
#include "http/http_server.h"
#include "websocket/websocket.h"

/* The fields that the handshake adds, with a subprotocol of our own. */
enum { HEADERS_MAX = 1024 };

static int accept(const struct http_request *request, struct str subprotocol, struct buf *headers)
{
    const struct websocket_handshake handshake = {
        .connection = http_request_header(request, "Connection"),
        .upgrade = http_request_header(request, "Upgrade"),
        .version = http_request_header(request, "Sec-WebSocket-Version"),
        .key = http_request_header(request, "Sec-WebSocket-Key"),
    };
    return websocket_accept(&handshake, subprotocol, headers);
}

struct stream *websocket_upgrade(struct http_request *request, struct str subprotocol,
                                 struct buf *early)
{
    struct stream *stream = NULL;
    struct buf headers;
    buf_init(&headers, HEADERS_MAX);
    buf_init(early, 0);
    int result = accept(request, subprotocol, &headers);
    if (result == 0)
        stream = http_upgrade(request, buf_view(&headers), early);
    else if (result == ERR_UNSUPPORTED)
        http_respond_error(request, API_ERROR_UPGRADE_REQUIRED, NULL);
    else
        http_respond_error(request, API_ERROR_BAD_REQUEST, "The WebSocket handshake is malformed");
    buf_fini(&headers);
    return stream;
}
