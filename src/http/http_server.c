/* SPDX-License-Identifier: Apache-2.0 */
/* The connections of one worker: accepted, drained, ended. */
#include "http/http_server.h"

#include "base/log.h"
#include "base/mem.h"
#include "http/http_internal.h"
#include "net/stream.h"

#include <unistd.h>

/* The head of an answer with its headers, and a body that is small enough to be copied. */
#define SCRATCH_MAX (64 * 1024)

static struct http_route_table *copy_tables(const struct http_route_table *tables)
{
    size_t count = 0;
    while (tables[count].routes != NULL)
        count++;
    return mem_dup(tables, (count + 1) * sizeof(*tables));
}

struct http_server *http_server_new(struct loop *loop, const struct http_route_table *tables,
                                    const struct http_options *options)
{
    struct http_server *server = mem_zalloc(sizeof(*server));
    server->loop = loop;
    server->tables = copy_tables(tables);
    server->options = options;
    server->date_second = -1;
    list_init(&server->connections);
    buf_init(&server->scratch, SCRATCH_MAX);
    return server;
}

void http_server_use_quota(struct http_server *server, struct quota *quota)
{
    server->quota = quota;
}

void http_server_trust_proxies(struct http_server *server, const struct forwarded_trust *trust)
{
    server->trust = trust;
}

void http_server_free(struct http_server **owner)
{
    struct http_server *server = *owner;
    if (server == NULL)
        return;
    buf_fini(&server->scratch);
    mem_free(server->tables);
    mem_free(server);
    *owner = NULL;
}

void http_server_accept(struct http_server *server, int descriptor, const struct address *peer,
                        const struct http_port *port)
{
    if (port->proxy_protocol && !(server->trust && forwarded_trusts(server->trust, peer))) {
        log_debug("a connection that is no trusted proxy's",
                  LOG_TEXT("peer", address_text(peer, (char[ADDRESS_TEXT_SIZE]){0})));
        close(descriptor);
        return;
    }
    http_connection_start(server, descriptor, peer, port);
}

void http_server_drain(struct http_server *server)
{
    server->draining = true;
    LIST_EACH (&server->connections, node)
        http_connection_drain(LIST_ENTRY(node, struct http_connection, node));
}

void http_server_abort(struct http_server *server)
{
    /* Handlers that hear of it may end other connections too, so the list is emptied from its
     * front. */
    struct list all;
    struct list *node;
    list_init(&all);
    list_move_all(&all, &server->connections);
    while ((node = list_pop(&all)) != NULL) {
        list_append(&server->connections, node);
        http_connection_lost(LIST_ENTRY(node, struct http_connection, node));
    }
}

size_t http_server_connections(const struct http_server *server)
{
    return server->count;
}

const struct address *http_request_address(const struct http_request *request)
{
    return &request->connection->client;
}

bool http_request_is_draining(const struct http_request *request)
{
    return request->connection->server->draining;
}
