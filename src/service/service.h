/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one worker has to serve with, handed to every use case. The server makes one per worker.
 *
 * writer.c           the store thread: jobs in, group commit, events and answers out
 * pokes.c            endpoints that the webhook thread is to look at after a commit
 * idempotency.c      answers kept for an Idempotency-Key
 * order_write.c      create, change and batch orders
 * order_answers.c    their answers as bytes, for the Idempotency-Key
 * order_content.c    the normal form of an order's content
 * order_read.c       Get order, lists, events
 * list_cursor.c      where the next page of a list begins
 * buyer_stream.c     a buyer's stream: position, recovery, latest statuses, history
 * project_write.c    projects and keys
 * revocation_write.c  users' tokens revoked
 * endpoint_write*.c  webhook endpoints and their deliveries changed
 * delivery_*.c       webhooks: rows for events, results recorded, all of it looked up
 */
#ifndef ORDERWIRE_SERVICE_SERVICE_H
#define ORDERWIRE_SERVICE_SERVICE_H

#include <stdint.h>

/* Opaque types. */
struct auth;
struct hub;
struct loop;
struct quota;
struct store;
struct store_connection;
struct writer;

struct service_options {
    int64_t payment_token_ttl; /* ms */
    int64_t jwks_interval;     /* ms between two requests for a published key set, at least */
    int64_t idempotency_ttl;   /* ms */
    int64_t latest_window;     /* ms: a finished order counts as just finished */
    int64_t prune_interval;    /* ms between small steps of clearing */
    /* A second, in the long run; 0: no limit. */
    int64_t requests_per_project; /* of a merchant */
    int64_t requests_per_user;    /* Get order; as many times history */
};

struct service {
    struct loop *loop;
    struct store *store;
    struct store_connection *reader;
    struct hub *hub;
    struct auth *auth;
    struct writer *writer;
    struct quota *quota; /* of the process; NULL: no limits */
    const struct service_options *options;
    const uint8_t *webhook_key; /* 32 bytes: seals the secrets of endpoints */
};

#endif
