/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deliveries of the SQLite driver: added with an order's update, found and listed. Adding is part
 * of every update's transaction, so it takes one look-up and one short row.
 */
#include "store/sqlite/sqlite_webhooks.h"

/* What a delivery takes from its order's row. */
struct source {
    int64_t content_id;
    bool is_free;
    struct str cancel_reason;
    bool is_blocked; /* its lane is not empty */
};

static int find_source(struct sqlite_connection *c, int64_t endpoint_id,
                       const struct store_order *order, struct source *source)
{
    sqlite3_stmt *statement;
    int result = sqlite_find(c, STATEMENT_DELIVERY_ORDER,
                             VALUES(INT(endpoint_id), INT(order->project_id), INT(order->order_id)),
                             &statement);
    if (result)
        return result;
    source->content_id = sqlite3_column_int64(statement, 0);
    source->is_free = sqlite3_column_int(statement, 1) != 0;
    source->cancel_reason = sqlite_text(c, statement, 2);
    source->is_blocked = sqlite3_column_int(statement, 3) != 0;
    sqlite3_reset(statement);
    return 0;
}

/*
 * Two statements and no INSERT … SELECT: for one that could add several rows SQLite keeps a copy of
 * each page that it touches.
 */
int sqlite_delivery_add(struct store_connection *writer, int64_t endpoint_id,
                        const struct store_order *order, int32_t seq, int64_t now_wall,
                        int64_t *delivery_id, bool *waiting)
{
    struct sqlite_connection *c = sqlite_of(writer);
    struct source source;
    int result = find_source(c, endpoint_id, order, &source);
    if (result)
        return result;
    *waiting = !source.is_blocked;
    result = sqlite_run(
        c, STATEMENT_DELIVERY_ADD,
        VALUES(INT(endpoint_id), INT(order->project_id), INT(order->order_id), INT(seq),
               INT(*waiting ? STORE_DELIVERY_WAITING : STORE_DELIVERY_BLOCKED), INT(now_wall),
               INT(source.content_id), INT(source.is_free), TEXT(source.cancel_reason)));
    if (result)
        return result;
    *delivery_id = sqlite3_last_insert_rowid(c->db);
    return sqlite_backlog_change(c, endpoint_id, 1);
}

int sqlite_delivery_add_body(struct store_connection *writer, int64_t endpoint_id,
                             int32_t project_id, struct str type, struct str body, int64_t now_wall,
                             int64_t *delivery_id)
{
    struct sqlite_connection *c = sqlite_of(writer);
    int result = sqlite_run(c, STATEMENT_DELIVERY_ADD_BODY,
                            VALUES(INT(endpoint_id), INT(project_id), INT(now_wall), TEXT(type),
                                   BLOB(body.ptr, body.len)));
    if (result)
        return result;
    *delivery_id = sqlite3_last_insert_rowid(c->db);
    return sqlite_backlog_change(c, endpoint_id, 1);
}

enum store_delivery_state sqlite_delivery_state(sqlite3_stmt *statement, int index)
{
    return (enum store_delivery_state)((uint32_t)sqlite3_column_int(statement, index) %
                                       (STORE_DELIVERY_SUPERSEDED + 1));
}

static void fill_delivery(struct sqlite_connection *c, sqlite3_stmt *statement,
                          struct store_delivery *delivery)
{
    *delivery = (struct store_delivery){
        .delivery_id = sqlite3_column_int64(statement, 0),
        .endpoint_id = sqlite3_column_int64(statement, 1),
        .project_id = sqlite3_column_int(statement, 2),
        .order_id = sqlite3_column_int(statement, 3),
        .seq = sqlite3_column_int(statement, 4),
        .state = sqlite_delivery_state(statement, 5),
        .attempts = sqlite3_column_int(statement, 6),
        .step = sqlite3_column_int(statement, 7),
        .next_at = sqlite3_column_int64(statement, 8),
        .created_at = sqlite3_column_int64(statement, 9),
        .finished_at = sqlite3_column_int64(statement, 10),
        .type = sqlite_text(c, statement, 11),
    };
}

static int give_all(struct sqlite_connection *c, sqlite3_stmt *statement,
                    void (*row)(void *argument, const struct store_delivery *delivery),
                    void *argument)
{
    bool there;
    int result;
    while ((result = sqlite_step(c, statement, &there)) == 0 && there) {
        struct store_delivery delivery;
        fill_delivery(c, statement, &delivery);
        row(argument, &delivery);
    }
    return result;
}

int sqlite_delivery_next(struct store_connection *connection, int64_t endpoint_id, int limit,
                         void (*row)(void *argument, const struct store_delivery *delivery),
                         void *argument)
{
    struct sqlite_connection *c = sqlite_of(connection);
    sqlite3_stmt *statement;
    int result =
        sqlite_start(c, STATEMENT_DELIVERY_NEXT, VALUES(INT(endpoint_id), INT(limit)), &statement);
    return result ? result : give_all(c, statement, row, argument);
}

int sqlite_delivery_list_dead(struct store_connection *connection, int64_t endpoint_id,
                              int64_t after, int limit,
                              void (*row)(void *argument, const struct store_delivery *delivery),
                              void *argument)
{
    struct sqlite_connection *c = sqlite_of(connection);
    sqlite3_stmt *statement;
    int result = sqlite_start(c, STATEMENT_DELIVERY_LIST_DEAD,
                              VALUES(INT(endpoint_id), INT(after), INT(limit)), &statement);
    return result ? result : give_all(c, statement, row, argument);
}

int sqlite_delivery_get(struct store_connection *connection, int64_t delivery_id,
                        struct store_delivery *delivery)
{
    struct sqlite_connection *c = sqlite_of(connection);
    sqlite3_stmt *statement;
    int result = sqlite_find(c, STATEMENT_DELIVERY_GET, VALUES(INT(delivery_id)), &statement);
    if (result)
        return result;
    fill_delivery(c, statement, delivery);
    sqlite3_reset(statement);
    return 0;
}

int sqlite_delivery_payload(struct store_connection *connection, int64_t delivery_id,
                            struct store_delivery_payload *payload)
{
    struct sqlite_connection *c = sqlite_of(connection);
    sqlite3_stmt *statement;
    int result = sqlite_find(c, STATEMENT_DELIVERY_PAYLOAD, VALUES(INT(delivery_id)), &statement);
    if (result)
        return result;
    fill_delivery(c, statement, &payload->delivery);
    payload->event = (struct store_event){
        .seq = payload->delivery.seq,
        .status = sqlite_status(statement, 12),
        .previous = sqlite_status(statement, 13),
        .synthetic = sqlite3_column_int(statement, 14) != 0,
        .offset = sqlite3_column_int(statement, 15),
        .occurred_at = sqlite3_column_int64(statement, 16),
    };
    payload->user_external_id = sqlite_text(c, statement, 17);
    payload->is_free = sqlite3_column_int(statement, 18) != 0;
    payload->content = sqlite_text(c, statement, 19);
    payload->custom_parameters = sqlite_text(c, statement, 20);
    payload->cancel_reason = sqlite_text(c, statement, 21);
    payload->body = sqlite_text(c, statement, 22);
    int32_t newest = sqlite3_column_int(statement, 23); /* 0 when the lane is empty */
    payload->newest_seq = newest > payload->delivery.seq ? newest : payload->delivery.seq;
    sqlite3_reset(statement);
    return 0;
}

/* The shortest way over what the filter asks for, newest first. */
static int start_scan(struct sqlite_connection *c, const struct store_delivery_filter *filter,
                      sqlite3_stmt **statement)
{
    int64_t before = filter->before > 0 ? filter->before : INT64_MAX;
    if (filter->order_id != 0)
        return sqlite_start(c, STATEMENT_DELIVERY_SCAN_ORDER,
                            VALUES(INT(filter->project_id), INT(filter->order_id), INT(before)),
                            statement);
    if (filter->endpoint_id == 0)
        return sqlite_start(c, STATEMENT_DELIVERY_SCAN_PROJECT,
                            VALUES(INT(filter->project_id), INT(before)), statement);
    return sqlite_start(c,
                        filter->state == STORE_DELIVERY_DEAD ? STATEMENT_DELIVERY_SCAN_DEAD
                                                             : STATEMENT_DELIVERY_SCAN_ENDPOINT,
                        VALUES(INT(filter->endpoint_id), INT(before)), statement);
}

/* One row more than needed is looked for, to tell whether the list goes on. */
int sqlite_delivery_list(struct store_connection *connection,
                         const struct store_delivery_filter *filter,
                         void (*row)(void *argument, const struct store_delivery *delivery),
                         void *argument, int64_t *next_before)
{
    struct sqlite_connection *c = sqlite_of(connection);
    sqlite3_stmt *statement;
    struct store_delivery delivery;
    int64_t last = 0;
    int seen = 0;
    int given = 0;
    bool there;
    *next_before = 0;
    int result = start_scan(c, filter, &statement);
    if (result)
        return result;
    while ((result = sqlite_step(c, statement, &there)) == 0 && there) {
        if (given == filter->limit || seen == STORE_LIST_SCAN) {
            *next_before = last;
            break;
        }
        fill_delivery(c, statement, &delivery);
        last = delivery.delivery_id;
        seen++;
        if (!store_delivery_matches(filter, &delivery))
            continue;
        row(argument, &delivery);
        given++;
    }
    sqlite3_reset(statement);
    return result;
}
