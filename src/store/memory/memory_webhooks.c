/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rows of webhooks in the fake: a change of a row is a new record in its place. Lanes and
 * listings are found by going over all deliveries, as few as a test has.
 */
#include "store/memory/memory_webhooks.h"

#include "base/err.h"

static int64_t next_id(struct store_connection *writer)
{
    return ++((struct memory_store *)writer->store)->last_webhook_id;
}

/* Removes a row that is there. */
static void remove_row(struct store_connection *writer, enum table table, const void *row)
{
    struct state *state = memory_store_working(writer);
    memory_state_remove(&state->tables[table], memory_state_place(state, table, row));
}

static const struct store_endpoint *find_endpoint(const struct state *state, int64_t endpoint_id)
{
    return memory_state_find(state, ENDPOINTS,
                             &(struct store_endpoint){.endpoint_id = endpoint_id});
}

static void put_endpoint(struct store_connection *writer, const struct store_endpoint *endpoint)
{
    struct store_endpoint *row = memory_store_record(writer, endpoint, sizeof(*endpoint));
    row->state_reason = memory_store_text(writer, endpoint->state_reason);
    row->settings = memory_store_text(writer, endpoint->settings);
    row->secrets = memory_store_text(writer, endpoint->secrets);
    memory_state_put(memory_store_working(writer), ENDPOINTS, row);
}

int memory_endpoint_add(struct store_connection *writer, struct store_endpoint *endpoint)
{
    endpoint->endpoint_id = next_id(writer);
    put_endpoint(writer, endpoint);
    return 0;
}

int memory_endpoint_update(struct store_connection *writer, const struct store_endpoint *endpoint)
{
    const struct store_endpoint *old =
        find_endpoint(memory_store_working(writer), endpoint->endpoint_id);
    if (!old)
        return ERR_NOT_FOUND;
    struct store_endpoint changed = *endpoint;
    changed.project_id = old->project_id;
    changed.created_at = old->created_at;
    put_endpoint(writer, &changed);
    return 0;
}

int memory_endpoint_delete(struct store_connection *writer, int64_t endpoint_id)
{
    const struct store_endpoint *old = find_endpoint(memory_store_working(writer), endpoint_id);
    if (!old)
        return ERR_NOT_FOUND;
    remove_row(writer, ENDPOINTS, old);
    return 0;
}

static struct store_endpoint endpoint_out(struct store_connection *connection,
                                          const struct store_endpoint *row)
{
    struct store_endpoint endpoint = *row;
    endpoint.state_reason = memory_store_keep(connection, row->state_reason);
    endpoint.settings = memory_store_keep(connection, row->settings);
    endpoint.secrets = memory_store_keep(connection, row->secrets);
    return endpoint;
}

int memory_endpoint_get(struct store_connection *connection, int64_t endpoint_id,
                        struct store_endpoint *endpoint)
{
    const struct store_endpoint *row = find_endpoint(memory_store_enter(connection), endpoint_id);
    if (row)
        *endpoint = endpoint_out(connection, row);
    memory_store_leave(connection);
    return row ? 0 : ERR_NOT_FOUND;
}

int memory_endpoint_list(struct store_connection *connection, int32_t project_id, int64_t after,
                         int limit,
                         void (*row)(void *argument, const struct store_endpoint *endpoint),
                         void *argument)
{
    const struct rows *rows = &memory_store_enter(connection)->tables[ENDPOINTS];
    int given = 0;
    for (size_t i = 0; i < rows->count && given < limit; i++) {
        struct store_endpoint endpoint = endpoint_out(connection, rows->items[i]);
        if (endpoint.endpoint_id <= after || (project_id != 0 && endpoint.project_id != project_id))
            continue;
        row(argument, &endpoint);
        given++;
    }
    memory_store_leave(connection);
    return 0;
}

static bool is_finished(const struct store_delivery *delivery)
{
    return delivery->state >= STORE_DELIVERY_DELIVERED;
}

static const struct delivery_row *find_delivery(const struct state *state, int64_t delivery_id)
{
    return memory_state_find(state, DELIVERIES,
                             &(struct delivery_row){.delivery.delivery_id = delivery_id});
}

static bool is_in_lane(const struct store_delivery *delivery, int64_t endpoint_id, int32_t order_id)
{
    return !is_finished(delivery) && delivery->endpoint_id == endpoint_id &&
           delivery->order_id == order_id;
}

/* The delivery of a lane with the lowest seq that is not finished, or NULL. */
static const struct delivery_row *lane_first(const struct state *state, int64_t endpoint_id,
                                             int32_t order_id)
{
    const struct rows *rows = &state->tables[DELIVERIES];
    const struct delivery_row *first = NULL;
    for (size_t i = 0; i < rows->count; i++) {
        const struct delivery_row *row = rows->items[i];
        if (is_in_lane(&row->delivery, endpoint_id, order_id) &&
            (!first || row->delivery.seq < first->delivery.seq))
            first = row;
    }
    return first;
}

static int32_t lane_newest_seq(const struct state *state, const struct store_delivery *delivery)
{
    const struct rows *rows = &state->tables[DELIVERIES];
    int32_t newest = delivery->seq;
    for (size_t i = 0; i < rows->count; i++) {
        const struct store_delivery *other =
            &((const struct delivery_row *)rows->items[i])->delivery;
        if (is_in_lane(other, delivery->endpoint_id, delivery->order_id) && other->seq > newest)
            newest = other->seq;
    }
    return newest;
}

static int64_t put_new(struct store_connection *writer, const struct delivery_row *source)
{
    struct delivery_row *row = memory_store_record(writer, source, sizeof(*source));
    row->delivery.delivery_id = next_id(writer);
    memory_state_put(memory_store_working(writer), DELIVERIES, row);
    return row->delivery.delivery_id;
}

int memory_delivery_add(struct store_connection *writer, int64_t endpoint_id,
                        const struct store_order *order, int32_t seq, int64_t now_wall,
                        int64_t *delivery_id, bool *waiting)
{
    const struct state *state = memory_store_working(writer);
    const struct store_order *stored =
        memory_store_order(state, order->project_id, order->order_id);
    if (!stored)
        return ERR_NOT_FOUND;
    *waiting = !lane_first(state, endpoint_id, order->order_id);
    struct delivery_row row = {
        .delivery =
            {
                .endpoint_id = endpoint_id,
                .project_id = order->project_id,
                .order_id = order->order_id,
                .seq = seq,
                .state = *waiting ? STORE_DELIVERY_WAITING : STORE_DELIVERY_BLOCKED,
                .next_at = now_wall,
                .created_at = now_wall,
                .type = STR_LIT(""),
            },
        .is_free = stored->is_free,
        .content = stored->content,
        .custom_parameters = stored->custom_parameters,
        .cancel_reason = stored->cancel_reason,
        .body = STR_LIT(""),
    };
    *delivery_id = put_new(writer, &row);
    return 0;
}

int memory_delivery_add_body(struct store_connection *writer, int64_t endpoint_id,
                             int32_t project_id, struct str type, struct str body, int64_t now_wall,
                             int64_t *delivery_id)
{
    struct delivery_row row = {
        .delivery =
            {
                .endpoint_id = endpoint_id,
                .project_id = project_id,
                .state = STORE_DELIVERY_WAITING,
                .next_at = now_wall,
                .created_at = now_wall,
                .type = memory_store_text(writer, type),
            },
        .content = STR_LIT(""),
        .custom_parameters = STR_LIT(""),
        .cancel_reason = STR_LIT(""),
        .body = memory_store_text(writer, body),
    };
    *delivery_id = put_new(writer, &row);
    return 0;
}

static struct store_delivery delivery_out(struct store_connection *connection,
                                          const struct delivery_row *row)
{
    struct store_delivery delivery = row->delivery;
    delivery.type = memory_store_keep(connection, delivery.type);
    return delivery;
}

static bool is_before(const struct store_delivery *a, const struct store_delivery *b)
{
    return a->next_at != b->next_at ? a->next_at < b->next_at : a->delivery_id < b->delivery_id;
}

/* The first WAITING delivery of an endpoint behind `last` (NULL: of all) by next_at and id. */
static const struct delivery_row *next_waiting(const struct state *state, int64_t endpoint_id,
                                               const struct delivery_row *last)
{
    const struct rows *rows = &state->tables[DELIVERIES];
    const struct delivery_row *next = NULL;
    for (size_t i = 0; i < rows->count; i++) {
        const struct delivery_row *row = rows->items[i];
        if (row->delivery.endpoint_id != endpoint_id ||
            row->delivery.state != STORE_DELIVERY_WAITING ||
            (last && !is_before(&last->delivery, &row->delivery)))
            continue;
        if (!next || is_before(&row->delivery, &next->delivery))
            next = row;
    }
    return next;
}

int memory_delivery_next(struct store_connection *connection, int64_t endpoint_id, int limit,
                         void (*row)(void *argument, const struct store_delivery *delivery),
                         void *argument)
{
    const struct state *state = memory_store_enter(connection);
    const struct delivery_row *next = NULL;
    for (int given = 0; given < limit; given++) {
        next = next_waiting(state, endpoint_id, next);
        if (!next)
            break;
        struct store_delivery delivery = delivery_out(connection, next);
        row(argument, &delivery);
    }
    memory_store_leave(connection);
    return 0;
}

static void fill_payload(struct store_connection *connection, const struct state *state,
                         const struct delivery_row *row, struct store_delivery_payload *payload)
{
    const struct store_delivery *delivery = &row->delivery;
    const struct event_row *event =
        memory_state_find(state, EVENTS,
                          &(struct event_row){.project_id = delivery->project_id,
                                              .order_id = delivery->order_id,
                                              .event = {.seq = delivery->seq}});
    const struct store_order *order =
        memory_store_order(state, delivery->project_id, delivery->order_id);
    const struct user_row *user = order ? memory_store_user(state, order->user_id) : NULL;
    *payload = (struct store_delivery_payload){
        .delivery = delivery_out(connection, row),
        .event = event ? event->event : (struct store_event){.seq = delivery->seq},
        .user_external_id = user ? memory_store_keep(connection, user->external_id) : STR_LIT(""),
        .is_free = row->is_free,
        .content = memory_store_keep(connection, row->content),
        .custom_parameters = memory_store_keep(connection, row->custom_parameters),
        .cancel_reason = memory_store_keep(connection, row->cancel_reason),
        .body = memory_store_keep(connection, row->body),
        .newest_seq = lane_newest_seq(state, delivery),
    };
}

int memory_delivery_payload(struct store_connection *connection, int64_t delivery_id,
                            struct store_delivery_payload *payload)
{
    const struct state *state = memory_store_enter(connection);
    const struct delivery_row *row = find_delivery(state, delivery_id);
    if (row)
        fill_payload(connection, state, row, payload);
    memory_store_leave(connection);
    return row ? 0 : ERR_NOT_FOUND;
}

int memory_delivery_get(struct store_connection *connection, int64_t delivery_id,
                        struct store_delivery *delivery)
{
    const struct delivery_row *row = find_delivery(memory_store_enter(connection), delivery_id);
    if (row)
        *delivery = delivery_out(connection, row);
    memory_store_leave(connection);
    return row ? 0 : ERR_NOT_FOUND;
}

/* Puts a copy of the row in its place, for its caller to change. */
static struct store_delivery *change(struct store_connection *writer,
                                     const struct delivery_row *row)
{
    struct delivery_row *changed = memory_store_record(writer, row, sizeof(*row));
    memory_state_put(memory_store_working(writer), DELIVERIES, changed);
    return &changed->delivery;
}

int memory_delivery_postpone(struct store_connection *writer, int64_t delivery_id, int32_t step,
                             int64_t next_at)
{
    const struct delivery_row *row = find_delivery(memory_store_working(writer), delivery_id);
    if (!row || row->delivery.state != STORE_DELIVERY_WAITING)
        return ERR_NOT_FOUND;
    struct store_delivery *delivery = change(writer, row);
    delivery->step = step;
    delivery->next_at = next_at;
    return 0;
}

static void finish(struct store_connection *writer, const struct delivery_row *row,
                   enum store_delivery_state state, int64_t now_wall)
{
    struct store_delivery *delivery = change(writer, row);
    delivery->state = state;
    delivery->finished_at = now_wall;
}

int memory_delivery_finish(struct store_connection *writer, int64_t delivery_id,
                           enum store_delivery_state state, int64_t now_wall)
{
    const struct delivery_row *row = find_delivery(memory_store_working(writer), delivery_id);
    if (!row || is_finished(&row->delivery))
        return ERR_NOT_FOUND;
    finish(writer, row, state, now_wall);
    if (row->delivery.order_id == 0 || row->delivery.state != STORE_DELIVERY_WAITING)
        return 0;
    const struct delivery_row *next =
        lane_first(memory_store_working(writer), row->delivery.endpoint_id, row->delivery.order_id);
    if (next) {
        struct store_delivery *delivery = change(writer, next);
        delivery->state = STORE_DELIVERY_WAITING;
        delivery->next_at = now_wall;
    }
    return 0;
}

int memory_delivery_retry(struct store_connection *writer, int64_t delivery_id, int64_t now_wall)
{
    const struct state *state = memory_store_working(writer);
    const struct delivery_row *row = find_delivery(state, delivery_id);
    if (!row || !is_finished(&row->delivery) || !find_endpoint(state, row->delivery.endpoint_id))
        return ERR_NOT_FOUND;
    bool waiting = row->delivery.order_id == 0 ||
                   !lane_first(state, row->delivery.endpoint_id, row->delivery.order_id);
    struct store_delivery *delivery = change(writer, row);
    delivery->state = waiting ? STORE_DELIVERY_WAITING : STORE_DELIVERY_BLOCKED;
    delivery->step = STORE_STEP_BY_HAND;
    delivery->next_at = now_wall;
    delivery->finished_at = 0;
    return 0;
}

int memory_delivery_list(struct store_connection *connection,
                         const struct store_delivery_filter *filter,
                         void (*row)(void *argument, const struct store_delivery *delivery),
                         void *argument, int64_t *next_before)
{
    const struct rows *rows = &memory_store_enter(connection)->tables[DELIVERIES];
    int64_t last = 0;
    int seen = 0;
    int given = 0;
    *next_before = 0;
    for (size_t i = rows->count; i-- > 0;) {
        struct store_delivery delivery = delivery_out(connection, rows->items[i]);
        if (filter->before > 0 && delivery.delivery_id >= filter->before)
            continue;
        if (given == filter->limit || seen == STORE_LIST_SCAN) {
            *next_before = last;
            break;
        }
        last = delivery.delivery_id;
        seen++;
        if (!store_delivery_matches(filter, &delivery))
            continue;
        row(argument, &delivery);
        given++;
    }
    memory_store_leave(connection);
    return 0;
}

int memory_delivery_backlog(struct store_connection *connection, int64_t endpoint_id,
                            struct store_backlog *backlog)
{
    const struct rows *rows = &memory_store_enter(connection)->tables[DELIVERIES];
    *backlog = (struct store_backlog){0};
    for (size_t i = rows->count; i-- > 0;) {
        const struct store_delivery *delivery =
            &((const struct delivery_row *)rows->items[i])->delivery;
        if (is_finished(delivery) || (endpoint_id != 0 && delivery->endpoint_id != endpoint_id))
            continue;
        backlog->count++;
        if (backlog->oldest_at == 0 || delivery->created_at < backlog->oldest_at)
            backlog->oldest_at = delivery->created_at;
    }
    memory_store_leave(connection);
    return 0;
}

int memory_delivery_list_dead(struct store_connection *connection, int64_t endpoint_id,
                              int64_t after, int limit,
                              void (*row)(void *argument, const struct store_delivery *delivery),
                              void *argument)
{
    const struct rows *rows = &memory_store_enter(connection)->tables[DELIVERIES];
    int given = 0;
    for (size_t i = 0; i < rows->count && given < limit; i++) {
        struct store_delivery delivery = delivery_out(connection, rows->items[i]);
        if (delivery.endpoint_id != endpoint_id || delivery.state != STORE_DELIVERY_DEAD ||
            delivery.delivery_id <= after)
            continue;
        row(argument, &delivery);
        given++;
    }
    memory_store_leave(connection);
    return 0;
}

int memory_attempt_add(struct store_connection *writer, const struct store_attempt *attempt)
{
    const struct delivery_row *row =
        find_delivery(memory_store_working(writer), attempt->delivery_id);
    if (!row)
        return ERR_NOT_FOUND;
    struct store_attempt *made = memory_store_record(writer, attempt, sizeof(*attempt));
    made->number = ++change(writer, row)->attempts;
    made->error = memory_store_text(writer, attempt->error);
    made->address = memory_store_text(writer, attempt->address);
    made->headers = memory_store_text(writer, attempt->headers);
    made->body = memory_store_text(writer, attempt->body);
    memory_state_put(memory_store_working(writer), ATTEMPTS, made);
    return 0;
}

int memory_attempt_list(struct store_connection *connection, int64_t delivery_id,
                        void (*row)(void *argument, const struct store_attempt *attempt),
                        void *argument)
{
    const struct rows *rows = &memory_store_enter(connection)->tables[ATTEMPTS];
    for (size_t i = 0; i < rows->count; i++) {
        struct store_attempt attempt = *(const struct store_attempt *)rows->items[i];
        if (attempt.delivery_id != delivery_id)
            continue;
        attempt.error = memory_store_keep(connection, attempt.error);
        attempt.address = memory_store_keep(connection, attempt.address);
        attempt.headers = memory_store_keep(connection, attempt.headers);
        attempt.body = memory_store_keep(connection, attempt.body);
        row(argument, &attempt);
    }
    memory_store_leave(connection);
    return 0;
}

int memory_replay_add(struct store_connection *writer, struct store_replay *replay)
{
    replay->replay_id = next_id(writer);
    memory_state_put(memory_store_working(writer), REPLAYS,
                     memory_store_record(writer, replay, sizeof(*replay)));
    return 0;
}

int memory_replay_get(struct store_connection *connection, int64_t replay_id,
                      struct store_replay *replay)
{
    const struct store_replay *row = memory_state_find(
        memory_store_enter(connection), REPLAYS, &(struct store_replay){.replay_id = replay_id});
    if (row)
        *replay = *row;
    memory_store_leave(connection);
    return row ? 0 : ERR_NOT_FOUND;
}

int memory_replay_open(struct store_connection *connection, int limit,
                       void (*row)(void *argument, const struct store_replay *replay),
                       void *argument)
{
    const struct rows *rows = &memory_store_enter(connection)->tables[REPLAYS];
    int given = 0;
    for (size_t i = 0; i < rows->count && given < limit; i++) {
        const struct store_replay *item = rows->items[i];
        if (item->finished_at != 0)
            continue;
        row(argument, item);
        given++;
    }
    memory_store_leave(connection);
    return 0;
}

int memory_replay_update(struct store_connection *writer, const struct store_replay *replay)
{
    memory_state_put(memory_store_working(writer), REPLAYS,
                     memory_store_record(writer, replay, sizeof(*replay)));
    return 0;
}

static void delete_delivery(struct store_connection *writer, const struct delivery_row *row)
{
    struct state *state = memory_store_working(writer);
    struct rows *attempts = &state->tables[ATTEMPTS];
    int64_t delivery_id = row->delivery.delivery_id;
    size_t place =
        memory_state_place(state, ATTEMPTS, &(struct store_attempt){.delivery_id = delivery_id});
    while (place < attempts->count &&
           ((const struct store_attempt *)attempts->items[place])->delivery_id == delivery_id)
        memory_state_remove(attempts, place);
    remove_row(writer, DELIVERIES, row);
}

/* Whether a row is deleted, which then is no more in its place. */
static bool prune_delivery(struct store_connection *writer, const struct delivery_row *row,
                           int64_t now_wall, int *deleted)
{
    int64_t max_age = writer->store->options->deliveries_max_age;
    const struct store_delivery *delivery = &row->delivery;
    if (!is_finished(delivery)) {
        if (!find_endpoint(memory_store_working(writer), delivery->endpoint_id)) {
            finish(writer, row, STORE_DELIVERY_DEAD, now_wall);
            ++*deleted;
        }
        return false;
    }
    if (max_age == 0 || delivery->finished_at >= now_wall - max_age)
        return false;
    delete_delivery(writer, row);
    ++*deleted;
    return true;
}

static void prune_replays(struct store_connection *writer, int64_t now_wall, int *deleted)
{
    int64_t max_age = writer->store->options->deliveries_max_age;
    struct rows *rows = &memory_store_working(writer)->tables[REPLAYS];
    for (size_t i = rows->count; i-- > 0;) {
        const struct store_replay *replay = rows->items[i];
        if (max_age == 0 || replay->finished_at == 0 || replay->finished_at >= now_wall - max_age)
            continue;
        memory_state_remove(rows, i);
        ++*deleted;
    }
}

void memory_delivery_prune(struct store_connection *writer, int64_t now_wall, int rows,
                           int *deleted)
{
    struct memory_connection *c = (struct memory_connection *)writer;
    struct rows *deliveries = &c->state->tables[DELIVERIES];
    size_t place =
        memory_state_place(c->state, DELIVERIES,
                           &(struct delivery_row){.delivery.delivery_id = c->prune_delivery + 1});
    for (int seen = 0; seen < rows && place < deliveries->count; seen++) {
        const struct delivery_row *row = deliveries->items[place];
        c->prune_delivery = row->delivery.delivery_id;
        if (!prune_delivery(writer, row, now_wall, deleted))
            place++;
    }
    if (place >= deliveries->count)
        c->prune_delivery = 0;
    prune_replays(writer, now_wall, deleted);
}
