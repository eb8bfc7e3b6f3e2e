/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Follows one order to its end, as a buyer's client does: by WebSocket (Centrifuge JSON), and on any
 * trouble by asking every few seconds. Blocking; for one thread. For JavaScript see tracker.mjs.
 *
 * tracker.c            what both ways share
 * tracker_websocket.c  the conversation
 * tracker_poll.c       the questions
 */
#ifndef ORDERWIRE_CLIENT_TRACKER_H
#define ORDERWIRE_CLIENT_TRACKER_H

#include <stdint.h>

/* Opaque types. */
struct tls_trust;

enum tracker_transport {
    TRACKER_AUTO,      /* WebSocket, then polling */
    TRACKER_WEBSOCKET, /* trouble is failure */
    TRACKER_POLL,
};

struct tracker_options {
    const char *server_url;  /* "https://orders.example.com" */
    const char *unix_socket; /* the path of the socket to connect to; NULL: what the URL says */
    const struct tls_trust *trust; /* for https:// (net/tls.h); NULL: the system's authorities */
    int32_t project_id;
    int32_t order_id;
    const char *token;            /* a user's JWT, or the order's payment token */
    const char *user_external_id; /* may be NULL */
    enum tracker_transport transport;
    int64_t poll_interval;  /* ms; 0: 3 s */
    int64_t answer_timeout; /* ms for an answer of the server; 0: 5 s */
    int64_t time_limit;     /* ms for all; 0: none */
};

struct tracker_handlers {
    /* A status the order was not known to have, each once and in rising order. */
    void (*status)(void *argument, const char *status, const char *source);
    /* The WebSocket has ended for `reason`, polling begins. May be NULL. */
    void (*fallback)(void *argument, const char *reason);
    /* Polling has no answer for `reason`, and goes on; told once until there is one again. May be NULL. */
    void (*unanswered)(void *argument, const char *reason);
};

enum tracker_result { TRACKER_DONE, TRACKER_CANCELED, TRACKER_FAILED };

#define TRACKER_ERROR_SIZE 300

/*
 * Returns when the order is done or canceled, when the server refuses to tell (a sentence of its own
 * in `error`) or is not trusted, or when the time is over. Network failures while polling are tried again.
 * `source` is "websocket" or "poll". http_client_setup() has been called.
 */
enum tracker_result tracker_run(const struct tracker_options *options,
                                const struct tracker_handlers *handlers, void *argument,
                                char error[TRACKER_ERROR_SIZE]);

#endif
