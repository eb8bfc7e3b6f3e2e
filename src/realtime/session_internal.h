/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One conversation with a client, whatever carries it. Commands come in through session_message,
 * replies and pushes go out through the transport's functions.
 */
#ifndef ORDERWIRE_REALTIME_SESSION_INTERNAL_H
#define ORDERWIRE_REALTIME_SESSION_INTERNAL_H

#include "codec/centrifuge.h"
#include "hub/hub.h"
#include "loop/loop.h"
#include "realtime/realtime.h"

struct session;

/* What carries a session. */
struct session_transport {
    /* Sends one message. ERR_TOO_LARGE: the client reads too slowly. ERR_CLOSED: it is going. */
    int (*send)(struct session *session, struct str message);
    /* Sends the close code in the transport's way. The transport calls session_fini later. */
    void (*close)(struct session *session, enum close_code code);
    /* Ends at once; session_fini is called by realtime_abort. */
    void (*abort)(struct session *session);
    const char *(*peer)(const struct session *session);
};

enum session_state {
    SESSION_OPEN,      /* waits for the connect command until connect_timeout */
    SESSION_REFUSED,   /* an error reply to connect was sent; any command but none is 3501 */
    SESSION_CONNECTED, /* subscribed to its user's stream in the hub */
    SESSION_CLOSING,   /* a close code was sent; nothing is handled or pushed any more */
};

/* Embedded in the transport's struct. Changed only by session.c and the command files. */
struct session {
    struct list node; /* in realtime's list, until session_fini */
    struct realtime *realtime;
    const struct session_transport *transport;
    const struct centrifuge_encoding *encoding;
    enum session_state state; /* assigned by session_set_state alone */
    struct hub_subscriber subscriber;
    struct loop_timer timer; /* the nearest of the deadlines below */
    int64_t ends_mono;       /* 3005 at this time, 3502 while not connected; INT64_MAX: never */
    int64_t ping_mono;       /* when the next ping goes out */
    int64_t pong_mono;       /* 3012 at this time; 0: no ping waits for its pong */
    int64_t drain_mono;      /* 3001 at this time; 0: not draining */
    int32_t project_id;
    int32_t position; /* offset of the last publication that was sent or known */
    char *user;       /* user_external_id; NULL until connected */
    uint32_t user_length;
};

#endif
