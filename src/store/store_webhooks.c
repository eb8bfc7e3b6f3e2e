/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dispatch of the webhooks' rows to the driver, and a replay's step, which is the same for every
 * driver: it goes over the dead deliveries of an endpoint a stretch at a time, so that no number of
 * them holds up the store thread.
 */
#include "store/store_webhooks.h"

#include "base/err.h"
#include "base/mem.h"
#include "store/store_internal.h"

/* How many dead deliveries one step of a replay looks at, those outside of its time included. */
enum { REPLAY_SCAN = 2000 };

bool store_delivery_matches(const struct store_delivery_filter *filter,
                            const struct store_delivery *delivery)
{
    return delivery->project_id == filter->project_id &&
           (filter->endpoint_id == 0 || delivery->endpoint_id == filter->endpoint_id) &&
           (filter->order_id == 0 || delivery->order_id == filter->order_id) &&
           (filter->state < 0 || (int)delivery->state == filter->state) &&
           (filter->created_from == 0 || delivery->created_at >= filter->created_from) &&
           (filter->created_until == 0 || delivery->created_at < filter->created_until);
}

int store_endpoint_add(struct store_connection *writer, struct store_endpoint *endpoint)
{
    CHANGE(writer, endpoint_add(writer, endpoint));
}

int store_endpoint_update(struct store_connection *writer, const struct store_endpoint *endpoint)
{
    CHANGE(writer, endpoint_update(writer, endpoint));
}

int store_endpoint_delete(struct store_connection *writer, int64_t endpoint_id)
{
    CHANGE(writer, endpoint_delete(writer, endpoint_id));
}

int store_endpoint_get(struct store_connection *connection, int64_t endpoint_id,
                       struct store_endpoint *endpoint)
{
    return store_look_up(connection)->endpoint_get(connection, endpoint_id, endpoint);
}

int store_endpoint_list(struct store_connection *connection, int32_t project_id, int64_t after,
                        int limit,
                        void (*row)(void *argument, const struct store_endpoint *endpoint),
                        void *argument)
{
    return store_look_up(connection)
        ->endpoint_list(connection, project_id, after, limit, row, argument);
}

int store_delivery_add(struct store_connection *writer, int64_t endpoint_id,
                       const struct store_order *order, int32_t seq, int64_t now_wall,
                       int64_t *delivery_id, bool *waiting)
{
    CHANGE(writer, delivery_add(writer, endpoint_id, order, seq, now_wall, delivery_id, waiting));
}

int store_delivery_add_body(struct store_connection *writer, int64_t endpoint_id,
                            int32_t project_id, struct str type, struct str body, int64_t now_wall,
                            int64_t *delivery_id)
{
    CHANGE(writer,
           delivery_add_body(writer, endpoint_id, project_id, type, body, now_wall, delivery_id));
}

int store_delivery_next(struct store_connection *connection, int64_t endpoint_id, int limit,
                        void (*row)(void *argument, const struct store_delivery *delivery),
                        void *argument)
{
    return store_look_up(connection)->delivery_next(connection, endpoint_id, limit, row, argument);
}

int store_delivery_payload(struct store_connection *connection, int64_t delivery_id,
                           struct store_delivery_payload *payload)
{
    return store_look_up(connection)->delivery_payload(connection, delivery_id, payload);
}

int store_attempt_add(struct store_connection *writer, const struct store_attempt *attempt)
{
    CHANGE(writer, attempt_add(writer, attempt));
}

int store_attempt_list(struct store_connection *connection, int64_t delivery_id,
                       void (*row)(void *argument, const struct store_attempt *attempt),
                       void *argument)
{
    return store_look_up(connection)->attempt_list(connection, delivery_id, row, argument);
}

int store_delivery_postpone(struct store_connection *writer, int64_t delivery_id, int32_t step,
                            int64_t next_at)
{
    CHANGE(writer, delivery_postpone(writer, delivery_id, step, next_at));
}

int store_delivery_finish(struct store_connection *writer, int64_t delivery_id,
                          enum store_delivery_state state, int64_t now_wall)
{
    CHANGE(writer, delivery_finish(writer, delivery_id, state, now_wall));
}

int store_delivery_retry(struct store_connection *writer, int64_t delivery_id, int64_t now_wall)
{
    CHANGE(writer, delivery_retry(writer, delivery_id, now_wall));
}

int store_delivery_get(struct store_connection *connection, int64_t delivery_id,
                       struct store_delivery *delivery)
{
    return store_look_up(connection)->delivery_get(connection, delivery_id, delivery);
}

int store_delivery_list(struct store_connection *connection,
                        const struct store_delivery_filter *filter,
                        void (*row)(void *argument, const struct store_delivery *delivery),
                        void *argument, int64_t *next_before)
{
    return store_look_up(connection)->delivery_list(connection, filter, row, argument, next_before);
}

int store_delivery_backlog(struct store_connection *connection, int64_t endpoint_id,
                           struct store_backlog *backlog)
{
    return store_look_up(connection)->delivery_backlog(connection, endpoint_id, backlog);
}

int store_replay_add(struct store_connection *writer, struct store_replay *replay)
{
    CHANGE(writer, replay_add(writer, replay));
}

int store_replay_get(struct store_connection *connection, int64_t replay_id,
                     struct store_replay *replay)
{
    return store_look_up(connection)->replay_get(connection, replay_id, replay);
}

int store_replay_open(struct store_connection *connection, int limit,
                      void (*row)(void *argument, const struct store_replay *replay),
                      void *argument)
{
    return store_look_up(connection)->replay_open(connection, limit, row, argument);
}

/* What one step has found to send again. */
struct stretch {
    struct store_replay *replay;
    int64_t *ids;
    int count; /* of `ids` */
    int seen;
};

static void look_at_dead(void *argument, const struct store_delivery *delivery)
{
    struct stretch *stretch = argument;
    struct store_replay *replay = stretch->replay;
    stretch->seen++;
    replay->cursor = delivery->delivery_id;
    if (delivery->created_at >= replay->since && delivery->finished_at <= replay->until)
        stretch->ids[stretch->count++] = delivery->delivery_id;
}

/* Looks on until there are `rows`, or enough was looked at, or `*at_end`. */
static int find_dead(struct store_connection *writer, struct stretch *stretch, int rows,
                     bool *at_end)
{
    const struct store_driver *driver = store_driver_of(writer);
    int result = 0;
    *at_end = false;
    while (result == 0 && !*at_end && stretch->count < rows && stretch->seen < REPLAY_SCAN) {
        int wanted = rows - stretch->count;
        int seen = stretch->seen;
        result = driver->delivery_list_dead(writer, stretch->replay->endpoint_id,
                                            stretch->replay->cursor, wanted, look_at_dead, stretch);
        *at_end = stretch->seen - seen < wanted;
    }
    return result;
}

static int send_again(struct store_connection *writer, const struct stretch *stretch,
                      int64_t now_wall)
{
    for (int i = 0; i < stretch->count; i++) {
        int result = store_driver_of(writer)->delivery_retry(writer, stretch->ids[i], now_wall);
        if (result == 0)
            stretch->replay->replayed++;
        else if (result != ERR_NOT_FOUND)
            return result;
    }
    return 0;
}

static int step(struct store_connection *writer, int64_t replay_id, int rows, int64_t now_wall,
                struct store_replay *replay)
{
    const struct store_driver *driver = store_driver_of(writer);
    int result = driver->replay_get(writer, replay_id, replay);
    if (result || replay->finished_at != 0)
        return result;
    struct stretch stretch = {.replay = replay};
    bool at_end;
    stretch.ids = mem_alloc((size_t)rows * sizeof(stretch.ids[0]));
    result = find_dead(writer, &stretch, rows, &at_end);
    if (result == 0)
        result = send_again(writer, &stretch, now_wall);
    if (at_end)
        replay->finished_at = now_wall;
    if (result == 0)
        result = driver->replay_update(writer, replay);
    mem_free(stretch.ids);
    return result;
}

int store_replay_step(struct store_connection *writer, int64_t replay_id, int rows,
                      int64_t now_wall, struct store_replay *replay)
{
    bool alone;
    int result = store_change_begin(writer, &alone);
    if (result)
        return result;
    rows = rows < 1 ? 1 : rows > REPLAY_SCAN ? REPLAY_SCAN : rows;
    return store_change_end(writer, alone, step(writer, replay_id, rows, now_wall, replay));
}
