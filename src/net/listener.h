/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Listening sockets. Each worker has its own on the same address with SO_REUSEPORT, so that the
 * kernel spreads connections and workers share nothing; of a Unix socket, which knows no such thing,
 * each has a duplicate.
 */
#ifndef ORDERWIRE_NET_LISTENER_H
#define ORDERWIRE_NET_LISTENER_H

#include "codec/address.h"
#include "loop/loop.h"

/* Opaque types. */
struct listener;

#define LISTENER_ADDRESS_SIZE 120
#define LISTENER_ERROR_SIZE 200

/*
 * Opens `count` listening sockets on one address: "127.0.0.1:8000", "[::1]:8000", "localhost:8000",
 * ":8000" (all addresses); port 0 lets the system pick one for all; or "unix:/run/a.sock", a file
 * that gets mode 0660, and takes the place of one that nobody listens on. `address` gets the numeric
 * host:port, or "unix:/run/a.sock". ERR_INVALID for an address that is malformed, ERR_EXISTS when somebody listens there
 * already (also another server of ours: it is probed without SO_REUSEPORT first), ERR_IO; each
 * with a sentence in `error`. The descriptors are the caller's.
 */
NODISCARD int listener_bind(const char *host_port, int count, int *descriptors,
                            char address[LISTENER_ADDRESS_SIZE], char error[LISTENER_ERROR_SIZE]);

/* At the end: removes the file of a Unix socket that listener_bind made. Other addresses have none. */
void listener_remove(const char *address);

/* Whether listener_bind would understand the address; opens nothing. 0, or ERR_INVALID. */
NODISCARD int listener_check(const char *host_port, char error[LISTENER_ERROR_SIZE]);

/*
 * Whether it is this machine alone that reaches the address: each that the name stands for is in
 * 127.0.0.0/8 or is ::1, or it is a Unix socket. False for one that listener_check refuses.
 */
bool listener_is_loopback(const char *host_port);

/*
 * Gets each accepted connection: a non-blocking descriptor with TCP_NODELAY that becomes its own,
 * and the peer's address.
 */
typedef void listener_accept_fn(void *argument, int descriptor, const struct address *peer);

/*
 * Takes the descriptor over. When the process runs out of descriptors it drops the waiting
 * connection (by a spare descriptor kept for this), logs once a second at most, and goes on.
 */
struct listener *listener_new(struct loop *loop, int descriptor, listener_accept_fn *accepted,
                              void *argument);
void listener_free(struct listener **listener);

#endif
