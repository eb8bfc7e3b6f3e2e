/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For tests and the fuzzer of sessions: a worker's service on the store in memory, and clients
 * whose transport writes down what they are sent. Anything unexpected ends the process.
 *
 * Two projects, 1 (which allows the older socket) and 2 (which allows pages of
 * https://shop.example alone), and the user "u1" of project 1.
 */
#ifndef ORDERWIRE_REALTIME_SESSION_FIXTURE_H
#define ORDERWIRE_REALTIME_SESSION_FIXTURE_H

#include "auth/auth.h"
#include "realtime/realtime_internal.h"
#include "service/service.h"
#include "store/store.h"

struct fixture {
    struct loop *loop;
    struct hub *hub;
    struct store *store;
    struct store_connection *reader;
    struct store_connection *writer;
    struct auth_shared auth_shared;
    struct auth *auth;
    struct realtime_peers *peers;
    struct realtime *realtime;
    struct store_options store_options;
    struct service_options service_options;
    struct realtime_options options; /* pings and lifetimes so long that tests never meet them */
    struct service service;
};

void fixture_init(struct fixture *fixture);
void fixture_fini(struct fixture *fixture);

/* Look-ups of users fail with ERR_IO from now on, or work again. */
void fixture_break_store(bool broken);

/* Makes an order's new status durable; nobody hears of it before the event is published. */
struct hub_event fixture_commit(struct fixture *fixture, const char *user, int32_t order_id,
                                enum order_status status);
/* The same, published to the hub. */
void fixture_publish(struct fixture *fixture, const char *user, int32_t order_id,
                     enum order_status status);
/* Deletes all publications that the store's options do not keep. */
void fixture_prune(struct fixture *fixture);
/*
 * Appends `text` with the tokens of these names: $T of u1, $U of u2, $L of u1 and soon over, $X
 * of u1 and expired, $O of u1 in project 2; $E is the epoch.
 */
void fixture_expand(struct fixture *fixture, const char *text, struct buf *out);

/*
 * A client and its session. `log` gets a line for each thing sent: the message, or "close <code>
 * <reason>". Client ids read "C" there, epochs "E", versions "V".
 */
struct client {
    struct session session;
    struct fixture *fixture;
    struct buf log;
    char *awaited;   /* the loop stops when the log has it */
    int send_result; /* of the transport's next sends */
    size_t messages; /* that were sent */
    size_t closes;
    bool aborted;
};

void client_open(struct client *client, struct fixture *fixture);
/* In another encoding than JSON. */
void client_open_with(struct client *client, struct fixture *fixture,
                      const struct centrifuge_encoding *encoding);
void client_fini(struct client *client);
/* One message, expanded by fixture_expand. */
void client_say(struct client *client, const char *message);
/* Opens, and connects as u1. The log is empty afterwards. */
void client_connect(struct client *client, struct fixture *fixture);
/* Runs the loop until the log has `text`; ends the process after some seconds. */
void client_await(struct client *client, const char *text);
/* The log as text; valid until the next call for this client. */
const char *client_log(struct client *client);

#endif
