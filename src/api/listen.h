/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET /server/v1/project/{p}/webhooks/listen: a merchant's developer hears the project's webhooks
 * over a WebSocket, signed with the project's webhook_secret, for `orderwire listen`. Each event is
 * one text message {"id","type","headers":{…},"body":"…"}; ?preset=xsolla gives that preset's. It is
 * for trying things: nothing is kept for a listener that is away. One per worker.
 */
#ifndef ORDERWIRE_API_LISTEN_H
#define ORDERWIRE_API_LISTEN_H

#include "http/http_server.h"

/* Opaque types. */
struct listen;
struct service;

/* The routes' context is the struct listen. They come before those of api_routes. */
extern const struct http_route listen_routes[];

struct listen *listen_new(struct service *service);
/* All listeners have ended. */
void listen_free(struct listen **listen);

/* Ends all listeners with 1001. */
void listen_drain(struct listen *listen);
/* Ends them at once. */
void listen_abort(struct listen *listen);
/* Those that have not ended, the ones that wait for the peer's Close frame included. */
size_t listen_count(const struct listen *listen);

#endif
