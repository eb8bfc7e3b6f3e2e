/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is durable of webhooks: endpoints, deliveries, attempts, replays. The rules of store.h hold.
 *
 * A delivery is one event for one endpoint. A lane is the deliveries of one (endpoint, order): at
 * most one of them is WAITING, the one with the lowest seq that is not finished; those behind it are
 * BLOCKED. Deliveries of no order (order_id 0) have no lane. Rows drive delivery: what is WAITING is
 * sent at or after next_at, also after a restart.
 */
#ifndef ORDERWIRE_STORE_STORE_WEBHOOKS_H
#define ORDERWIRE_STORE_STORE_WEBHOOKS_H

#include "store/store.h"

enum store_endpoint_state { STORE_ENDPOINT_ACTIVE, STORE_ENDPOINT_PAUSED, STORE_ENDPOINT_DISABLED };

struct store_endpoint {
    int64_t endpoint_id;
    int32_t project_id;
    enum store_endpoint_state state;
    struct str state_reason; /* a sentence; empty when active */
    struct str settings;     /* JSON; its meaning is webhook's */
    struct str secrets;      /* encrypted bytes; their meaning is webhook's */
    int64_t created_at;
    int64_t updated_at;
};

/* `endpoint->endpoint_id` is given out. */
NODISCARD int store_endpoint_add(struct store_connection *writer, struct store_endpoint *endpoint);
/* Everything but ids and created_at. */
NODISCARD int store_endpoint_update(struct store_connection *writer,
                                    const struct store_endpoint *endpoint);
/* Its deliveries stay in the record; those not finished become DEAD a few at a time (store_prune). */
NODISCARD int store_endpoint_delete(struct store_connection *writer, int64_t endpoint_id);
NODISCARD int store_endpoint_get(struct store_connection *connection, int64_t endpoint_id,
                                 struct store_endpoint *endpoint);
/* By rising id, those after `after`; project_id 0: of all projects. */
NODISCARD int
store_endpoint_list(struct store_connection *connection, int32_t project_id, int64_t after,
                    int limit, void (*row)(void *argument, const struct store_endpoint *endpoint),
                    void *argument);

enum store_delivery_state {
    STORE_DELIVERY_WAITING,
    STORE_DELIVERY_BLOCKED,
    STORE_DELIVERY_DELIVERED,
    STORE_DELIVERY_DEAD,
    STORE_DELIVERY_SUPERSEDED,
};

/* The step of a delivery that is sent again because somebody asked for it. */
#define STORE_STEP_BY_HAND (-1)

struct store_delivery {
    int64_t delivery_id;
    int64_t endpoint_id;
    int32_t project_id;
    int32_t order_id; /* 0: of no order */
    int32_t seq;      /* of the order's event */
    enum store_delivery_state state;
    int32_t attempts; /* made so far, over all retries */
    int32_t step;     /* place in the retry schedule; STORE_STEP_BY_HAND after a retry by hand */
    int64_t next_at;  /* WAITING: not before this */
    int64_t created_at;
    int64_t finished_at; /* 0 while WAITING or BLOCKED */
    struct str type; /* of a delivery of no order: "example" or "endpoint.disabled" …; else empty */
};

/*
 * A delivery of an event of an order, as the order stands in this transaction: its content and
 * cancel reason are kept for the delivery, later changes do not reach it. So the order's row is
 * written before; ERR_NOT_FOUND when there is none. `*waiting` is false when it is BLOCKED.
 */
NODISCARD int store_delivery_add(struct store_connection *writer, int64_t endpoint_id,
                                 const struct store_order *order, int32_t seq, int64_t now_wall,
                                 int64_t *delivery_id, bool *waiting);
/* A delivery of no order, with its body as it will be sent. */
NODISCARD int store_delivery_add_body(struct store_connection *writer, int64_t endpoint_id,
                                      int32_t project_id, struct str type, struct str body,
                                      int64_t now_wall, int64_t *delivery_id);

/*
 * The WAITING deliveries of an endpoint by rising next_at, at most `limit`, whether due or not.
 */
NODISCARD int
store_delivery_next(struct store_connection *connection, int64_t endpoint_id, int limit,
                    void (*row)(void *argument, const struct store_delivery *delivery),
                    void *argument);

/* All that a body is made of, as of the event. */
struct store_delivery_payload {
    struct store_delivery delivery;
    struct store_event event; /* of an order's delivery */
    struct str user_external_id;
    bool is_free;
    struct str content;
    struct str custom_parameters;
    struct str cancel_reason;
    struct str body;    /* of a delivery of no order */
    int32_t newest_seq; /* the highest seq of the lane that is not finished; its own when alone */
};
NODISCARD int store_delivery_payload(struct store_connection *connection, int64_t delivery_id,
                                     struct store_delivery_payload *payload);

struct store_attempt {
    int64_t delivery_id;
    int32_t number; /* 1, 2, 3… */
    int64_t started_at;
    int64_t duration_us;
    int32_t status;     /* HTTP; 0 without an answer */
    struct str error;   /* words; empty when answered */
    struct str address; /* host:port; empty when none */
    struct str headers; /* of the answer, lines */
    struct str body;    /* of the answer, its beginning; any bytes */
};

/* Adds an attempt; its number is one more than the delivery's `attempts`, which rises with it. */
NODISCARD int store_attempt_add(struct store_connection *writer,
                                const struct store_attempt *attempt);
NODISCARD int store_attempt_list(struct store_connection *connection, int64_t delivery_id,
                                 void (*row)(void *argument, const struct store_attempt *attempt),
                                 void *argument);

/* WAITING stays WAITING, until `next_at`, at `step` of the schedule. ERR_NOT_FOUND: it was not. */
NODISCARD int store_delivery_postpone(struct store_connection *writer, int64_t delivery_id,
                                      int32_t step, int64_t next_at);
/*
 * DELIVERED, DEAD or SUPERSEDED. When it was WAITING, the one of its lane with the lowest seq, if
 * there is one, becomes WAITING as of now. ERR_NOT_FOUND when it was finished already.
 */
NODISCARD int store_delivery_finish(struct store_connection *writer, int64_t delivery_id,
                                    enum store_delivery_state state, int64_t now_wall);
/*
 * A finished delivery is to be sent again: WAITING as of now, or BLOCKED when its lane has others,
 * even when its seq is lower than that of the WAITING one, which may be on its way: its turn is
 * next. Its step is STORE_STEP_BY_HAND. ERR_NOT_FOUND when there is none that is finished, or its endpoint is gone.
 */
NODISCARD int store_delivery_retry(struct store_connection *writer, int64_t delivery_id,
                                   int64_t now_wall);

NODISCARD int store_delivery_get(struct store_connection *connection, int64_t delivery_id,
                                 struct store_delivery *delivery);

struct store_delivery_filter {
    int32_t project_id;
    int64_t endpoint_id;   /* 0: all */
    int32_t order_id;      /* 0: all */
    int state;             /* -1: all */
    int64_t created_from;  /* 0: no bound */
    int64_t created_until; /* exclusive; 0: no bound */
    int64_t before;        /* only delivery ids below; 0: from the highest */
    int limit;
};
/* By falling delivery_id; `*next_before` and the bound of rows looked at as in store_order_list. */
NODISCARD int
store_delivery_list(struct store_connection *connection, const struct store_delivery_filter *filter,
                    void (*row)(void *argument, const struct store_delivery *delivery),
                    void *argument, int64_t *next_before);

/* What waits for an endpoint (0: for all): deliveries not finished, and when the oldest was made. */
struct store_backlog {
    int64_t count;
    int64_t oldest_at; /* 0 when count is 0 */
};
NODISCARD int store_delivery_backlog(struct store_connection *connection, int64_t endpoint_id,
                                     struct store_backlog *backlog);

/* "Send again all that failed since": a job that goes on after a restart. */
struct store_replay {
    int64_t replay_id;
    int32_t project_id;
    int64_t endpoint_id;
    int64_t since;       /* created_at of the deliveries */
    int64_t until;       /* when it was asked for: later failures are not its business */
    int64_t cursor;      /* the last delivery_id looked at */
    int64_t replayed;    /* deliveries sent again so far */
    int64_t finished_at; /* 0 while it goes on */
    int64_t created_at;
};
NODISCARD int store_replay_add(struct store_connection *writer, struct store_replay *replay);
NODISCARD int store_replay_get(struct store_connection *connection, int64_t replay_id,
                               struct store_replay *replay);
/* Those that go on, by rising id; at most `limit`. */
NODISCARD int store_replay_open(struct store_connection *connection, int limit,
                                void (*row)(void *argument, const struct store_replay *replay),
                                void *argument);
/*
 * One step: up to `rows` DEAD deliveries of the endpoint and the time after the cursor are sent again
 * as by store_delivery_retry; the record moves on with them.
 */
NODISCARD int store_replay_step(struct store_connection *writer, int64_t replay_id, int rows,
                                int64_t now_wall, struct store_replay *replay);

#endif
