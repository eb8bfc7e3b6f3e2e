/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One conversation with a client, whatever carries it. Commands come in through session_message,
 * replies and pushes go out through the transport's functions.
 */
#ifndef ORDERWIRE_REALTIME_REALTIME_INTERNAL_H
#define ORDERWIRE_REALTIME_REALTIME_INTERNAL_H

#include "base/map.h"
#include "codec/centrifuge.h"
#include "hub/hub.h"
#include "loop/loop.h"
#include "realtime/realtime.h"

#include <stdatomic.h>

struct session;
struct store_publication;

struct realtime {
    struct service *service;
    const struct realtime_options *options;
    struct list sessions;
    size_t session_count;
    struct buf out;                /* the message that is being written */
    struct buf wrapped;            /* the same as a part of an HTTP answer */
    struct buf websocket_pings[2]; /* the frames that all WebSocket sessions share: text, binary */
    /* For POST /emulation; emulation.c alone. */
    struct realtime_peers *peers;
    size_t index;                  /* of this worker among its peers */
    struct map emulated;           /* id to session */
    atomic_size_t forwarded_bytes; /* on their way from other workers */
};

/* What carries a session. */
struct session_transport {
    /* Sends one message. ERR_TOO_LARGE: the client reads too slowly. ERR_CLOSED: it is going. */
    int (*send)(struct session *session, struct str message);
    /* Sends the message of write_ping; results as `send`. */
    int (*ping)(struct session *session);
    /* Sends the close code in the transport's way. The transport calls session_fini later. */
    void (*close)(struct session *session, enum close_code code);
    /* Ends at once, calls session_fini and frees what the session is embedded in. */
    void (*abort)(struct session *session);
    const struct address *(*peer)(const struct session *session);
    /*
     * What the client names in a POST to /emulation; empty when it cannot say anything more. NULL:
     * the transport carries both directions.
     */
    const char *(*emulation_id)(const struct session *session);
};

enum session_state {
    SESSION_OPEN,      /* waits for the connect command until connect_timeout */
    SESSION_CONNECTED, /* subscribed to its user's stream in the hub */
    SESSION_CLOSING,   /* over; nothing is handled or pushed any more */
};

/* Embedded in the transport's struct. Changed only by session.c and command_connect.c. */
struct session {
    struct list node; /* in realtime's list, until session_fini */
    struct realtime *realtime;
    const struct session_transport *transport;
    const struct centrifuge_encoding *encoding;
    enum session_state state; /* assigned by session_set_state alone */
    struct hub_subscriber subscriber;
    struct loop_timer timer; /* the nearest of the deadlines below; INT64_MAX: never */
    int64_t opened_mono;
    int64_t ends_mono;  /* 3005 at this time, 3502 while not connected */
    int64_t ping_mono;  /* when the next ping goes out */
    int64_t pong_mono;  /* 3012 at this time; INT64_MAX while no ping waits for its pong */
    int64_t drain_mono; /* 3001 at this time */
    int64_t check_mono; /* when the position is compared with the store */
    int64_t
        issued_at; /* of its token: wall ms, INT64_MIN when unknown, INT64_MAX without a token */
    int32_t project_id;
    int32_t position; /* offset of the last publication that was sent or known */
    int32_t order_id; /* the one order whose publications are sent; 0: all of the user */
    char *origin;     /* of the page, until the client is connected; NULL: no browser */
    char *channel;    /* "orders:<project_id>#<user>"; NULL until the user is known */
    uint32_t channel_length;
    uint32_t user_start;        /* where the user_external_id begins in it */
    int64_t commands_earned_us; /* of quota_rate_take */
    bool counted;               /* among the sessions of its user */
};

/* For transports. */

/* The conversation begins. `session` is all zero; the transport can send from now on. */
void session_init(struct session *session, struct realtime *realtime,
                  const struct session_transport *transport,
                  const struct centrifuge_encoding *encoding);
/* The Origin field of the request, for session_init's caller to keep; freed with the session. */
char *session_origin_of(const struct http_request *request);
/* The transport has ended. Harmless for a closed session. */
void session_fini(struct session *session);
/* One message of the client, of one or more commands. */
void session_message(struct session *session, struct str message);

/* For all of this folder. */

/* The one way in which a session is ended by this server. Harmless when it is closing. */
void session_close(struct session *session, enum close_code code);
/* The code that says "invalid token" to the client's kind of SDK. */
enum close_code session_refusal(const struct session *session);
/* Closes the session with 3001 at `drain_mono`. */
void session_drain(struct session *session, int64_t drain_mono);

/* For commands. */

/*
 * Names the user; the hub's events of its stream come from now on. ERR_BUSY when the user has
 * connections_per_user already.
 */
NODISCARD int session_subscribe(struct session *session, int32_t project_id,
                                struct str user_external_id);
/* The user's stream stands at `position`; the session lives for max_lifetime, until `ends_mono` at most. */
void session_connect(struct session *session, int32_t position, int64_t ends_mono);
/* The session is connected, and `channel` is the one it was told of. */
bool session_has_channel(const struct session *session, struct str channel);
struct str session_channel(const struct session *session);
struct str session_user(const struct session *session);

/*
 * An empty buffer for one message of the session's encoding, to be sent by session_send, which
 * closes the session when the client is too slow.
 */
struct buf *session_begin(struct session *session);
void session_send(struct session *session);
void session_send_error(struct session *session, uint32_t id, enum client_error error);
/* Sends each as a push, as long as the session lasts. */
void session_push(struct session *session, const struct store_publication *publications,
                  size_t count);
/* The wire's form of the store's publications, to be freed by mem_free; NULL for none. */
struct centrifuge_publication *session_publications(const struct store_publication *publications,
                                                    size_t count);

typedef void command_fn(struct session *session, const struct centrifuge_command *command);
command_fn command_connect; /* in state SESSION_OPEN; all others in SESSION_CONNECTED */
command_fn command_history;
command_fn command_other;

/* GET /connection/websocket, and the ping frame of its sessions. */
http_handler_fn transport_websocket_open;
/* Takes the request over, or answers it with an error: then NULL. `subprotocol` is echoed. */
struct session *transport_websocket_upgrade(struct http_request *request,
                                            const struct centrifuge_encoding *encoding,
                                            struct str subprotocol);
void transport_websocket_write_ping(const struct centrifuge_encoding *encoding, struct buf *out);

/* GET /sub/order/status */
http_handler_fn legacy_status_open;

/* Those of transport_stream.c: http_stream, sse, uni_http_stream, uni_sse. */
http_handler_fn transport_stream_open;
http_handler_fn transport_stream_open_sse;
http_handler_fn transport_stream_open_one_way;
http_handler_fn transport_stream_open_one_way_sse;
/* Protobuf for application/octet-stream, else JSON. */
const struct centrifuge_encoding *transport_stream_encoding(const struct http_request *request);

#define EMULATION_ID_SIZE 32

/* POST /emulation, and the sessions that it reaches. */
http_handler_fn emulation_handle;
void emulation_init(struct realtime *realtime, struct realtime_peers *peers);
void emulation_fini(struct realtime *realtime);
/* Draws an id by which the session is found until emulation_end. */
void emulation_begin(struct session *session, char id[EMULATION_ID_SIZE]);
void emulation_end(struct session *session, const char *id);
const char *emulation_node(const struct realtime *realtime);

/* `delay` ms after `now_mono`; INT64_MAX when that is out of reach. */
static inline int64_t session_deadline(int64_t now_mono, int64_t delay)
{
    return delay > INT64_MAX - now_mono ? INT64_MAX : now_mono + delay;
}

#endif
