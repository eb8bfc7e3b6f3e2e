/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who waits for news of which user, on one worker. It knows no sockets: a subscriber is a table of
 * functions. All of it runs on the worker's thread, but for hub_feed_post.
 *
 * The hub is a hint, the store the truth: a subscriber compares offsets and reads from the store
 * what it has missed.
 *
 * hub.c       subscribers by user
 * hub_feed.c  the way of committed events from the store thread into a worker's hub
 */
#ifndef ORDERWIRE_HUB_HUB_H
#define ORDERWIRE_HUB_HUB_H

#include "base/list.h"
#include "order/order.h"

/* Opaque types. */
struct hub;
struct hub_batch;
struct hub_feed;
struct loop;

/* One committed event. */
struct hub_event {
    int32_t project_id;
    struct str user_external_id;
    int32_t order_id;
    enum order_status status;
    int32_t seq;
    int32_t offset; /* in the user's stream; 0 when only content changed */
    /*
     * Not 0: no event of an order. Tokens made before this time (wall ms) are revoked, those of the
     * user, or without a user of all users of the project.
     */
    int64_t revoked_before;
};

struct hub_subscriber;

struct hub_subscriber_ops {
    /* An event of the user, or of the project, in the order of commits. */
    void (*event)(struct hub_subscriber *subscriber, const struct hub_event *event);
    /* Events may have been lost on the way: compare with the store. */
    void (*resync)(struct hub_subscriber *subscriber);
    /* Tokens of the user that were made before this time are revoked. NULL: it has none. */
    void (*revoked)(struct hub_subscriber *subscriber, int64_t before);
};

/* Embedded in the struct that waits, zeroed at first. The fields are the hub's. */
struct hub_subscriber {
    struct list node;
    const struct hub_subscriber_ops *ops;
    struct hub_user *user; /* NULL when not subscribed */
};

struct hub *hub_new(void);
/* No subscribers are left. */
void hub_free(struct hub **hub);

/* An empty `user_external_id`: all users of the project. */
void hub_subscribe(struct hub *hub, int32_t project_id, struct str user_external_id,
                   struct hub_subscriber *subscriber, const struct hub_subscriber_ops *ops);
/*
 * Harmless when not subscribed. An op may unsubscribe itself, or any other subscriber, or free the
 * struct after unsubscribing it. It may subscribe too (the newcomer does not get the event on its
 * way), but not publish.
 */
void hub_unsubscribe(struct hub *hub, struct hub_subscriber *subscriber);

void hub_publish(struct hub *hub, const struct hub_event *event);
/* Calls `revoked` of the user's subscribers; without a user, of those of all the project's users. */
void hub_revoke(struct hub *hub, int32_t project_id, struct str user_external_id, int64_t before);
/* Calls `resync` of every subscriber. */
void hub_resync(struct hub *hub);
size_t hub_subscriber_count(const struct hub *hub);

/* The events of one commit, shared by the feeds of all workers, never changed once posted. */
struct hub_batch *hub_batch_new(void);
/* The event and its text are copied. */
void hub_batch_add(struct hub_batch *batch, const struct hub_event *event);
/* Drops one reference; hub_batch_new gives the first. Any thread. */
void hub_batch_release(struct hub_batch **batch);

struct hub_feed *hub_feed_new(struct hub *hub, struct loop *loop);
/* Nothing posts any more, and the loop has run all its messages. */
void hub_feed_free(struct hub_feed **feed);
/*
 * From any thread: the worker will publish the batch. When LIMIT_FEED_EVENTS or too many
 * messages wait for the worker already, the batch is left out and the hub resyncs instead, so that
 * memory is bounded and nothing is lost.
 */
void hub_feed_post(struct hub_feed *feed, struct hub_batch *batch);

#endif
