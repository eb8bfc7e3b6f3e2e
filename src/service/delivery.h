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
/*
 * An endpoint of the project has changed in this transaction. 0: of any project, or the transaction
 * was rolled back.
 */
void delivery_targets_forget(struct delivery_targets *targets, int32_t project_id);

/*
 * In a job, after store_event_append: one row for each active or held endpoint of the order's project
 * that wants the status. Their endpoints are poked once the group is durable.
 */
NODISCARD int delivery_add(struct writer_transaction *transaction, const struct store_order *order,
                           const struct store_event *event);

/*
 * In a job: of the lane of this delivery the one that waits to be tried again is due at once when a
 * newer one is behind it, for an endpoint of the mode `latest`: it is then superseded.
 */
NODISCARD int delivery_give_way(struct writer_transaction *transaction, int64_t delivery_id);

/* The recorder for webhook_run; `context` is the struct delivery_recorder. */
extern const struct webhook_recorder delivery_webhook_recorder;
struct delivery_recorder *delivery_recorder_new(struct writer *writer, struct webhook *webhook);
/* From any thread, before the writer stops: from here on results are refused (ERR_CLOSED). */
void delivery_recorder_close(struct delivery_recorder *recorder);
void delivery_recorder_free(struct delivery_recorder **recorder);

/* The words for enum store_delivery_state, ended by NULL. */
extern const char *const delivery_state_words[];

/* Look-ups on the worker's connection, as JSON. ERR_NOT_FOUND, or an error of the store. */
NODISCARD int delivery_read_endpoint(struct service *service, int32_t project_id,
                                     int64_t endpoint_id, struct buf *out);
/* {"webhooks":[…],"next_cursor"}, those with ids after `after`. */
NODISCARD int delivery_read_endpoints(struct service *service, int32_t project_id, int64_t after,
                                      struct buf *out);
/* With its attempts. Of many attempts, the later ones may lack the receiver's answer. */
NODISCARD int delivery_read(struct service *service, int32_t project_id, int64_t delivery_id,
                            struct buf *out);
/* {"deliveries":[…],"next_cursor"}, without attempts. */
NODISCARD int delivery_read_list(struct service *service,
                                 const struct store_delivery_filter *filter, struct buf *out);
/*
 * Appends "deliveries":[…] of an order, oldest first, each with its attempts, to an open object; as
 * many as fit. Inside a transaction of the reader.
 */
NODISCARD int delivery_read_of_order(struct service *service, int32_t project_id, int32_t order_id,
                                     struct buf *out);
NODISCARD int delivery_read_replay(struct service *service, int32_t project_id, int64_t endpoint_id,
                                   int64_t replay_id, struct buf *out);
/*
 * What a webhook about an event is made of, with the order as it stands now; its delivery_id is 0.
 * The texts live as after a look-up.
 */
NODISCARD int delivery_read_event(struct service *service, int32_t project_id, int32_t order_id,
                                  int32_t seq, struct store_delivery_payload *payload);

#endif
