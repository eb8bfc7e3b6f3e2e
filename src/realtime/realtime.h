/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The conversation with buyers' clients: Centrifuge protocol version 2. One per worker.
 *
 * realtime.c             the sessions of a worker, draining
 * session.c              one conversation: states, timers, pushes; no sockets
 * command_connect.c      who is it, where does the stream stand, what was missed
 * command_history.c      the stream's past
 * command_other.c        what this server refuses, and how
 * transport_websocket.c  /connection/websocket
 * legacy_status.c        /sub/order/status
 * transport_stream.c     /connection/http_stream, /connection/sse, and the same one-way
 * emulation.c            POST /emulation: what clients of those say, whichever worker hears it
 */
#ifndef ORDERWIRE_REALTIME_REALTIME_H
#define ORDERWIRE_REALTIME_REALTIME_H

#include "http/http_server.h"

/* Opaque types. */
struct realtime;
struct realtime_peers;
struct service;

struct realtime_options {
    int64_t ping_interval;     /* ms, whole seconds are told to the client (at least 1) */
    int64_t pong_timeout;      /* ms; below ping_interval */
    int64_t connect_timeout;   /* ms from the opening to a successful connect command, else 3502 */
    int64_t position_interval; /* ms between two looks whether the hub has lost an event */
    int64_t max_lifetime;      /* ms from the opening, less up to a tenth; then 3005; 0: no end */
    int64_t connections_per_user;   /* at once; more end with 3013; 0: no limit */
    int64_t commands_per_second;    /* of one connection; more end with 3013; 0: no limit */
    int64_t message_bytes;          /* of one incoming WebSocket message; larger end with 1009 */
    int64_t queue_bytes;            /* unsent, of one client; LIMIT_REALTIME_QUEUE at most */
    bool latest_on_connect;         /* tell a fresh connection where its user's orders stand */
    bool terminal_refusal_json;     /* refused credentials: 3500, else 3499 */
    bool terminal_refusal_protobuf; /* the same; 3500 leaves Android's tracker stuck */
    char *
        insecure_user; /* who a client without credentials is: realtime_parse_user; empty: refused */
};

/* "PROJECT/USER", as insecure_user has it; `user_external_id` is a view of `text`. */
NODISCARD bool realtime_parse_user(struct str text, int32_t *project_id,
                                   struct str *user_external_id);

/* The routes' context is the struct realtime. */
extern const struct http_route realtime_routes[];

/* All workers of one process. */
struct realtime_peers *realtime_peers_new(void);
/* Its workers have ended. */
void realtime_peers_free(struct realtime_peers **peers);

/*
 * `service`, `options` and `peers` outlive it; options are read at each use. It joins `peers`, so all
 * are made before any loop runs, and none is freed before all have drained.
 */
struct realtime *realtime_new(struct service *service, const struct realtime_options *options,
                              struct realtime_peers *peers);
/* All sessions have ended. */
void realtime_free(struct realtime **realtime);

/*
 * Ends all sessions with 3001, one each 20 ms so that clients do not come back all at once, or closer,
 * within `duration` ms. New ones are refused by the HTTP server, which drains as well.
 */
void realtime_drain(struct realtime *realtime, int64_t duration);
/* Ends all sessions at once, without a Close frame. */
void realtime_abort(struct realtime *realtime);
/* Sessions that have not ended, those waiting for the peer's Close frame included. */
size_t realtime_sessions(const struct realtime *realtime);

#endif
