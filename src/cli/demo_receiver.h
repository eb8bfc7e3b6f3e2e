/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A merchant's webhook receiver as docs/webhooks.md tells to write it, for the demo: an HTTP server
 * of its own on 127.0.0.1, in a thread of its own. It takes the standard preset and answers 204,
 * or 400 when the signature is not good.
 */
#ifndef ORDERWIRE_CLI_DEMO_RECEIVER_H
#define ORDERWIRE_CLI_DEMO_RECEIVER_H

#include "base/str.h"

/* Opaque types. */
struct demo_receiver;

/* NULL after a sentence on standard error. */
struct demo_receiver *demo_receiver_start(void);
/* Ends the thread and all connections. */
void demo_receiver_stop(struct demo_receiver **receiver);

/* "http://127.0.0.1:PORT/webhook" */
const char *demo_receiver_url(const struct demo_receiver *receiver);
/* The endpoint's secret, copied. Until it is known nothing verifies. */
void demo_receiver_set_secret(struct demo_receiver *receiver, struct str secret);

/* A webhook about an order whose signature is good. On the receiver's thread. */
typedef void demo_receiver_fn(void *argument, int64_t order_id, struct str status);
/* From now on; NULL: nobody watches. No call is under way when this returns. */
void demo_receiver_watch(struct demo_receiver *receiver, demo_receiver_fn *seen, void *argument);

#endif
