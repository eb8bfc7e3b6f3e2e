/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of a delivery in the SQLite driver: its attempts, its states, its end. A lane that is
 * not empty has exactly one WAITING delivery, whatever happens to it here: who takes that one out
 * puts the lowest of the others in its place.
 */
#include "base/err.h"
#include "base/mem.h"
#include "store/sqlite/sqlite_webhooks.h"

/* Endpoints with unfinished deliveries that one prune looks for. */
enum { PRUNE_ENDPOINTS = 32 };

static bool is_finished(enum store_delivery_state state)
{
    return state >= STORE_DELIVERY_DELIVERED;
}

static int next_number(struct sqlite_connection *c, int64_t delivery_id, int32_t *number)
{
    sqlite3_stmt *statement;
    int result = sqlite_find(c, STATEMENT_ATTEMPT_NUMBER, VALUES(INT(delivery_id)), &statement);
    if (result)
        return result;
    *number = sqlite3_column_int(statement, 0);
    sqlite3_reset(statement);
    return 0;
}

int sqlite_attempt_add(struct store_connection *writer, const struct store_attempt *attempt)
{
    struct sqlite_connection *c = sqlite_of(writer);
    int32_t number;
    int result = next_number(c, attempt->delivery_id, &number);
    if (result)
        return result;
    result =
        sqlite_run(c, STATEMENT_ATTEMPT_ADD,
                   VALUES(INT(attempt->delivery_id), INT(number), INT(attempt->started_at),
                          INT(attempt->duration_us), INT(attempt->status), TEXT(attempt->error),
                          TEXT(attempt->address), BLOB(attempt->headers.ptr, attempt->headers.len),
                          BLOB(attempt->body.ptr, attempt->body.len)));
    return result ? result
                  : sqlite_run(c, STATEMENT_ATTEMPT_COUNT,
                               VALUES(INT(attempt->delivery_id), INT(number)));
}

int sqlite_attempt_list(struct store_connection *connection, int64_t delivery_id,
                        void (*row)(void *argument, const struct store_attempt *attempt),
                        void *argument)
{
    struct sqlite_connection *c = sqlite_of(connection);
    sqlite3_stmt *statement;
    bool there;
    int result = sqlite_start(c, STATEMENT_ATTEMPT_LIST, VALUES(INT(delivery_id)), &statement);
    if (result)
        return result;
    while ((result = sqlite_step(c, statement, &there)) == 0 && there) {
        struct store_attempt attempt = {
            .delivery_id = delivery_id,
            .number = sqlite3_column_int(statement, 0),
            .started_at = sqlite3_column_int64(statement, 1),
            .duration_us = sqlite3_column_int64(statement, 2),
            .status = sqlite3_column_int(statement, 3),
            .error = sqlite_text(c, statement, 4),
            .address = sqlite_text(c, statement, 5),
            .headers = sqlite_text(c, statement, 6),
            .body = sqlite_text(c, statement, 7),
        };
        row(argument, &attempt);
    }
    return result;
}

int sqlite_delivery_postpone(struct store_connection *writer, int64_t delivery_id, int32_t step,
                             int64_t next_at)
{
    struct sqlite_connection *c = sqlite_of(writer);
    int result = sqlite_run(c, STATEMENT_DELIVERY_POSTPONE,
                            VALUES(INT(delivery_id), INT(step), INT(next_at)));
    return result == 0 && sqlite3_changes(c->db) == 0 ? ERR_NOT_FOUND : result;
}

/* Where a delivery stands. */
struct place {
    int64_t endpoint_id;
    int32_t order_id;
    enum store_delivery_state state;
    bool endpoint_there;
};

static int find_place(struct sqlite_connection *c, int64_t delivery_id, struct place *place)
{
    sqlite3_stmt *statement;
    int result = sqlite_find(c, STATEMENT_DELIVERY_PLACE, VALUES(INT(delivery_id)), &statement);
    if (result)
        return result;
    place->endpoint_id = sqlite3_column_int64(statement, 0);
    place->order_id = sqlite3_column_int(statement, 1);
    place->state = sqlite_delivery_state(statement, 2);
    place->endpoint_there = sqlite3_column_int64(statement, 3) != 0;
    sqlite3_reset(statement);
    return 0;
}

/* The delivery of a lane with the lowest seq that is not finished; 0: none. */
static int find_lane_first(struct sqlite_connection *c, int64_t endpoint_id, int32_t order_id,
                           int64_t *delivery_id)
{
    sqlite3_stmt *statement;
    *delivery_id = 0;
    int result = sqlite_find(c, STATEMENT_DELIVERY_LANE, VALUES(INT(endpoint_id), INT(order_id)),
                             &statement);
    if (result)
        return result == ERR_NOT_FOUND ? 0 : result;
    *delivery_id = sqlite3_column_int64(statement, 0);
    sqlite3_reset(statement);
    return 0;
}

static int promote_next(struct sqlite_connection *c, const struct place *place, int64_t now_wall)
{
    int64_t next;
    int result = find_lane_first(c, place->endpoint_id, place->order_id, &next);
    if (result || next == 0)
        return result;
    return sqlite_run(c, STATEMENT_DELIVERY_PROMOTE, VALUES(INT(next), INT(now_wall)));
}

int sqlite_delivery_finish(struct store_connection *writer, int64_t delivery_id,
                           enum store_delivery_state state, int64_t now_wall)
{
    struct sqlite_connection *c = sqlite_of(writer);
    struct place place;
    int result = find_place(c, delivery_id, &place);
    if (result)
        return result;
    if (is_finished(place.state))
        return ERR_NOT_FOUND;
    result = sqlite_run(c, STATEMENT_DELIVERY_FINISH,
                        VALUES(INT(delivery_id), INT(state), INT(now_wall)));
    if (result == 0)
        result = sqlite_backlog_change(c, place.endpoint_id, -1);
    if (result || place.order_id == 0 || place.state != STORE_DELIVERY_WAITING)
        return result;
    return promote_next(c, &place, now_wall);
}

int sqlite_delivery_retry(struct store_connection *writer, int64_t delivery_id, int64_t now_wall)
{
    struct sqlite_connection *c = sqlite_of(writer);
    struct place place;
    int64_t first = 0;
    int result = find_place(c, delivery_id, &place);
    if (result)
        return result;
    if (!is_finished(place.state) || !place.endpoint_there)
        return ERR_NOT_FOUND;
    if (place.order_id != 0)
        result = find_lane_first(c, place.endpoint_id, place.order_id, &first);
    if (result)
        return result;
    result = sqlite_run(c, STATEMENT_DELIVERY_RETRY,
                        VALUES(INT(delivery_id),
                               INT(first == 0 ? STORE_DELIVERY_WAITING : STORE_DELIVERY_BLOCKED),
                               INT(now_wall), INT(STORE_STEP_BY_HAND)));
    return result ? result : sqlite_backlog_change(c, place.endpoint_id, 1);
}

/* A row of the stretch that a prune looks at. */
struct seen {
    int64_t delivery_id;
    int32_t project_id;
    int32_t order_id;
    int64_t content_id;
    int64_t created_at;
    bool out_of_time;
};

static int read_stretch(struct sqlite_connection *c, int64_t limit, int rows, struct seen *seen,
                        int *count)
{
    sqlite3_stmt *statement;
    bool there;
    *count = 0;
    int result = sqlite_start(c, STATEMENT_DELIVERY_STRETCH,
                              VALUES(INT(c->prune_delivery), INT(limit), INT(rows)), &statement);
    if (result)
        return result;
    while ((result = sqlite_step(c, statement, &there)) == 0 && there)
        seen[(*count)++] = (struct seen){
            .delivery_id = sqlite3_column_int64(statement, 0),
            .project_id = sqlite3_column_int(statement, 1),
            .order_id = sqlite3_column_int(statement, 2),
            .content_id = sqlite3_column_int64(statement, 3),
            .created_at = sqlite3_column_int64(statement, 4),
            .out_of_time = sqlite3_column_int(statement, 5) != 0,
        };
    return result;
}

/*
 * With its content, when nobody else has it. A content is an order's for some time, and deliveries
 * take it only then: those that share it stand side by side by id, so that the neighbours of the
 * deleted one, and the order, speak for all.
 */
static int delete_delivery(struct sqlite_connection *c, const struct seen *row)
{
    int result = sqlite_run(c, STATEMENT_ATTEMPT_DELETE, VALUES(INT(row->delivery_id)));
    if (result == 0)
        result = sqlite_run(c, STATEMENT_DELIVERY_DELETE, VALUES(INT(row->delivery_id)));
    if (result || row->content_id == 0)
        return result;
    return sqlite_run(c, STATEMENT_CONTENT_DROP,
                      VALUES(INT(row->content_id), INT(row->project_id), INT(row->order_id),
                             INT(row->delivery_id)));
}

/*
 * Goes over the deliveries by rising id, so by age, and begins again where there are only young
 * ones: what is kept is not gone over.
 */
static int prune_finished(struct sqlite_connection *c, int64_t limit, int rows, int *deleted)
{
    struct seen *seen = mem_alloc((size_t)rows * sizeof(*seen));
    int count;
    int gone = 0;
    int result = read_stretch(c, limit, rows, seen, &count);
    for (int i = 0; i < count && result == 0; i++) {
        if (!seen[i].out_of_time)
            continue;
        result = delete_delivery(c, &seen[i]);
        gone++;
    }
    bool at_end = count < rows || (gone == 0 && seen[count - 1].created_at >= limit);
    c->prune_delivery = at_end ? 0 : seen[count - 1].delivery_id;
    *deleted += gone;
    mem_free(seen);
    return result;
}

/* `*endpoint_id` 0: no endpoint has unfinished deliveries behind the last one looked at. */
static int next_endpoint(struct sqlite_connection *c, int64_t *endpoint_id, bool *is_deleted)
{
    sqlite3_stmt *statement;
    *endpoint_id = 0;
    int result = sqlite_find(c, STATEMENT_DELIVERY_NEXT_ENDPOINT, VALUES(INT(c->prune_endpoint)),
                             &statement);
    if (result)
        return result == ERR_NOT_FOUND ? 0 : result;
    *endpoint_id = sqlite3_column_int64(statement, 0);
    *is_deleted = sqlite3_column_int64(statement, 1) == 0;
    sqlite3_reset(statement);
    return 0;
}

static int kill_deliveries(struct sqlite_connection *c, int64_t endpoint_id, int64_t now_wall,
                           int rows, int *deleted)
{
    int result =
        sqlite_run(c, STATEMENT_DELIVERY_KILL, VALUES(INT(endpoint_id), INT(now_wall), INT(rows)));
    int killed = result ? 0 : sqlite3_changes(c->db);
    *deleted += killed;
    if (result == 0)
        result = sqlite_backlog_change(c, endpoint_id, -killed);
    if (result == 0)
        result = sqlite_backlog_write(c);
    return result ? result : sqlite_run(c, STATEMENT_BACKLOG_DROP, VALUES(INT(endpoint_id)));
}

static int prune_deleted_endpoints(struct sqlite_connection *c, int64_t now_wall, int rows,
                                   int *deleted)
{
    for (int i = 0; i < PRUNE_ENDPOINTS; i++) {
        int64_t endpoint_id;
        bool is_deleted = false;
        int result = next_endpoint(c, &endpoint_id, &is_deleted);
        if (result || is_deleted)
            return result ? result : kill_deliveries(c, endpoint_id, now_wall, rows, deleted);
        c->prune_endpoint = endpoint_id;
        if (endpoint_id == 0)
            break;
    }
    return 0;
}

int sqlite_delivery_prune(struct sqlite_connection *c, int64_t now_wall, int rows, int *deleted)
{
    int64_t max_age = c->base.store->options->deliveries_max_age;
    int result = prune_deleted_endpoints(c, now_wall, rows, deleted);
    if (result || max_age == 0)
        return result;
    result = prune_finished(c, now_wall - max_age, rows, deleted);
    if (result)
        return result;
    result = sqlite_run(c, STATEMENT_REPLAY_PRUNE, VALUES(INT(now_wall - max_age), INT(rows)));
    if (result == 0)
        *deleted += sqlite3_changes(c->db);
    return result;
}
