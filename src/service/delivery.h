/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The delivery of events by webhook: rows added in the transaction of the event, results recorded,
 * and both looked up.
 *
 * delivery_targets.c  which endpoints want what, kept by the store thread
 * delivery_record.c   results of the webhook thread as jobs of the store thread
 * delivery_read.c     endpoints, deliveries, attempts as JSON
 */
#ifndef ORDERWIRE_SERVICE_DELIVERY_H
#define ORDERWIRE_SERVICE_DELIVERY_H

#include "base/buf.h"
#include "store/store_webhooks.h"

/* Opaque types. */
struct delivery_recorder;
struct delivery_targets;
struct service;
struct webhook;
struct webhook_recorder;
struct writer;
struct writer_transaction;

/* The endpoints of the projects that the store thread has met; owned and used by it alone. */
struct delivery_targets *delivery_targets_new(void);
void delivery_targets_free(struct delivery_targets **targets);
/* An endpoint of the project has changed in this transaction, or the transaction was rolled back. */
void delivery_targets_forget(struct delivery_targets *targets, int32_t project_id);

/*
 * In a job, after store_event_append: one row for each active or held endpoint of the order's project
 * that wants the status. Their endpoints are poked once the group is durable.
 */
NODISCARD int delivery_add(struct writer_transaction *transaction, const struct store_order *order,
                           const struct store_event *event);

/* The recorder for webhook_run; `context` is the struct delivery_recorder. */
extern const struct webhook_recorder delivery_webhook_recorder;
struct delivery_recorder *delivery_recorder_new(struct writer *writer, struct webhook *webhook);
void delivery_recorder_free(struct delivery_recorder **recorder);

/* Look-ups on the worker's connection, as JSON. ERR_NOT_FOUND, or an error of the store. */
NODISCARD int delivery_read_endpoint(struct service *service, int32_t project_id,
                                     int64_t endpoint_id, struct buf *out);
NODISCARD int delivery_read_endpoints(struct service *service, int32_t project_id, struct buf *out);
/* With its attempts. */
NODISCARD int delivery_read(struct service *service, int32_t project_id, int64_t delivery_id,
                            struct buf *out);
NODISCARD int delivery_read_list(struct service *service,
                                 const struct store_delivery_filter *filter, struct buf *out);
/* Appends "deliveries":[…] of an order, each with its attempts, to an open object. */
NODISCARD int delivery_read_of_order(struct service *service, int32_t project_id, int32_t order_id,
                                     struct buf *out);
NODISCARD int delivery_read_replay(struct service *service, int32_t project_id, int64_t replay_id,
                                   struct buf *out);

#endif
