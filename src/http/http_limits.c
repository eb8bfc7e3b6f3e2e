/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one address, and all of them together, may take. A proxy that is trusted is nobody's address:
 * its connections are not counted by address, and its requests by that of the client it names.
 */
#include "base/log.h"
#include "base/metrics.h"
#include "base/quota.h"
#include "http/http_internal.h"
#include "net/stream.h"

/* How often the log tells that connections are refused. */
#define COMPLAINT_INTERVAL 10000

static bool is_proxy(const struct http_server *server, const struct address *address)
{
    return server->trust != NULL && forwarded_trusts(server->trust, address);
}

void http_limits_complain(struct http_server *server, const struct address *peer)
{
    char text[ADDRESS_TEXT_SIZE];
    int64_t now = loop_now(server->loop);
    if (server->complained_mono != 0 && now - server->complained_mono < COMPLAINT_INTERVAL)
        return;
    server->complained_mono = now;
    log_warning(
        "connections are refused: too many in all or of one address, at once or begun a second (a "
        "proxy belongs into proxy.trusted)",
        LOG_TEXT("address", address_text(peer, text)));
}

int http_limits_count(struct http_connection *connection, const struct http_port *port)
{
    struct http_server *server = connection->server;
    const struct http_options *options = server->options;
    const struct address *peer = stream_peer(connection->stream);
    struct stream_limits limits = {
        .is_proxy = !port->proxy_protocol && is_proxy(server, peer),
        .streams = options->connections,
        .streams_per_address = options->connections_per_address,
    };
    if (port->tls != NULL) {
        limits.handshakes = options->handshakes;
        limits.handshakes_per_address = options->handshakes_per_address;
    }
    int result = stream_count(connection->stream, server->quota, &limits);
    if (result != 0)
        http_limits_complain(server, peer);
    return result;
}

static bool take(const struct http_connection *connection, enum quota_kind kind, struct str key,
                 int64_t per_second)
{
    const struct http_server *server = connection->server;
    return quota_take(server->quota, kind, key, per_second, loop_now(server->loop)) == 0;
}

/* 503 is what every SDK tries again after (centrifuge-protocol.md A.1). */
static enum api_error take_handshake(const struct http_connection *connection, struct str holder)
{
    const struct http_options *options = connection->server->options;
    if ((holder.len == 0 ||
         take(connection, QUOTA_ADDRESS_HANDSHAKES, holder, options->handshakes_per_address)) &&
        take(connection, QUOTA_HANDSHAKES, STR_LIT(""), options->handshakes))
        return API_ERROR_NONE;
    metrics_add(METRIC_REQUESTS_REFUSED__HANDSHAKES, 1);
    return API_ERROR_BUSY;
}

enum api_error http_limits_take(const struct http_connection *connection)
{
    const struct http_match *match = &connection->match;
    struct str holder = {0};
    if (!is_proxy(connection->server, &connection->client))
        holder = address_holder(&connection->client);
    /* A preflight begins nothing. */
    if (match->route != NULL && (match->flags & HTTP_ROUTE_HANDSHAKE))
        return take_handshake(connection, holder);
    if (!(match->flags & HTTP_ROUTE_CORS) || holder.len == 0 ||
        take(connection, QUOTA_ADDRESS_REQUESTS, holder,
             connection->server->options->requests_per_address))
        return API_ERROR_NONE;
    metrics_add(METRIC_REQUESTS_REFUSED__ADDRESS, 1);
    return API_ERROR_TOO_MANY_REQUESTS;
}
