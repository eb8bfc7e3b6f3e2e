/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Look-ups of the SQLite driver. Every statement is reset before its call returns: a statement left
 * in the middle is a read transaction left open, and keeps the log from being checkpointed.
 */
#include "base/err.h"
#include "base/limits.h"
#include "store/sqlite/sqlite_internal.h"

#include <string.h>

/* Above every id and offset. */
#define NO_BOUND ((int64_t)INT32_MAX + 1)

/* A hash or an id of fixed length; what is missing, in a damaged row, is 0. */
static void column_bytes(sqlite3_stmt *statement, int index, void *out, size_t length)
{
    const void *bytes = sqlite3_column_blob(statement, index);
    size_t there = (size_t)sqlite3_column_bytes(statement, index);
    memset(out, 0, length);
    if (bytes)
        memcpy(out, bytes, there < length ? there : length);
}

static void fill_project(struct sqlite_connection *c, sqlite3_stmt *statement,
                         struct store_project *project)
{
    *project = (struct store_project){
        .project_id = sqlite3_column_int(statement, 0),
        .merchant_id = sqlite3_column_int(statement, 1),
        .settings = sqlite_text(c, statement, 2),
        .created_at = sqlite3_column_int64(statement, 3),
    };
}

int sqlite_project_get(struct store_connection *connection, int32_t project_id,
                       struct store_project *project)
{
    struct sqlite_connection *c = sqlite_of(connection);
    sqlite3_stmt *statement;
    int result = sqlite_find(c, STATEMENT_PROJECT_GET, VALUES(INT(project_id)), &statement);
    if (result)
        return result;
    fill_project(c, statement, project);
    sqlite3_reset(statement);
    return 0;
}

int sqlite_project_list(struct store_connection *connection, int32_t after, int limit,
                        void (*row)(void *argument, const struct store_project *project),
                        void *argument)
{
    struct sqlite_connection *c = sqlite_of(connection);
    sqlite3_stmt *statement;
    bool there;
    int result =
        sqlite_start(c, STATEMENT_PROJECT_LIST, VALUES(INT(after), INT(limit)), &statement);
    if (result)
        return result;
    while ((result = sqlite_step(c, statement, &there)) == 0 && there) {
        struct store_project project;
        fill_project(c, statement, &project);
        row(argument, &project);
    }
    return result;
}

int sqlite_key_list(struct store_connection *connection, int32_t project_id, int32_t merchant_id,
                    void (*row)(void *argument, const struct store_key *key), void *argument)
{
    struct sqlite_connection *c = sqlite_of(connection);
    sqlite3_stmt *statement;
    bool there;
    int result =
        sqlite_start(c, STATEMENT_KEY_LIST, VALUES(INT(project_id), INT(merchant_id)), &statement);
    if (result)
        return result;
    while ((result = sqlite_step(c, statement, &there)) == 0 && there) {
        struct store_key key = {
            .merchant_id = sqlite3_column_int(statement, 1),
            .project_id = sqlite3_column_int(statement, 2),
            .label = sqlite_text(c, statement, 4),
            .created_at = sqlite3_column_int64(statement, 5),
        };
        column_bytes(statement, 0, key.key_id, STORE_KEY_ID_LENGTH);
        column_bytes(statement, 3, key.hash, STORE_KEY_HASH_SIZE);
        row(argument, &key);
    }
    return result;
}

int sqlite_revocation_get(struct store_connection *connection, int32_t project_id,
                          struct str user_external_id, int64_t *before)
{
    sqlite3_stmt *statement;
    int result = sqlite_find(sqlite_of(connection), STATEMENT_REVOCATION_GET,
                             VALUES(INT(project_id), TEXT(user_external_id)), &statement);
    if (result)
        return result;
    /* Of no row the maximum is NULL, which reads as 0. */
    *before = sqlite3_column_int64(statement, 0);
    sqlite3_reset(statement);
    return 0;
}

int sqlite_revocation_any(struct store_connection *connection, int32_t project_id, bool *any)
{
    sqlite3_stmt *statement;
    int result = sqlite_find(sqlite_of(connection), STATEMENT_REVOCATION_ANY,
                             VALUES(INT(project_id)), &statement);
    *any = result == 0;
    if (result == 0)
        sqlite3_reset(statement);
    return result == ERR_NOT_FOUND ? 0 : result;
}

int sqlite_user_get(struct store_connection *connection, int32_t project_id,
                    struct str user_external_id, struct store_user *user)
{
    struct sqlite_connection *c = sqlite_of(connection);
    sqlite3_stmt *statement;
    int result = sqlite_find(c, STATEMENT_USER_GET, VALUES(INT(project_id), TEXT(user_external_id)),
                             &statement);
    if (result)
        return result;
    user->user_id = sqlite3_column_int64(statement, 0);
    user->top = sqlite3_column_int(statement, 1);
    sqlite3_reset(statement);
    return 0;
}

int sqlite_order_get(struct store_connection *connection, int32_t project_id, int32_t order_id,
                     struct store_order *order)
{
    struct sqlite_connection *c = sqlite_of(connection);
    sqlite3_stmt *statement;
    int result =
        sqlite_find(c, STATEMENT_ORDER_GET, VALUES(INT(project_id), INT(order_id)), &statement);
    if (result)
        return result;
    *order = (struct store_order){
        .project_id = project_id,
        .order_id = order_id,
        .user_id = sqlite3_column_int64(statement, 0),
        .user_external_id = sqlite_text(c, statement, 1),
        .status = sqlite_status(statement, 2),
        .seq = sqlite3_column_int(statement, 3),
        .is_free = sqlite3_column_int(statement, 4) != 0,
        .content = sqlite_text(c, statement, 5),
        .custom_parameters = sqlite_text(c, statement, 6),
        .cancel_reason = sqlite_text(c, statement, 7),
        .created_at = sqlite3_column_int64(statement, 8),
        .updated_at = sqlite3_column_int64(statement, 9),
        .user_top = sqlite3_column_int(statement, 10),
    };
    sqlite3_reset(statement);
    return 0;
}

int sqlite_order_next_id(struct store_connection *writer, int32_t project_id, int32_t *order_id)
{
    sqlite3_stmt *statement;
    int result = sqlite_find(sqlite_of(writer), STATEMENT_ORDER_HIGHEST, VALUES(INT(project_id)),
                             &statement);
    if (result == ERR_NOT_FOUND) {
        *order_id = 1;
        return 0;
    }
    if (result)
        return result;
    int32_t highest = sqlite3_column_int(statement, 0);
    sqlite3_reset(statement);
    if (highest == INT32_MAX)
        return ERR_NOT_FOUND;
    *order_id = highest + 1;
    return 0;
}

struct scan {
    struct sqlite_connection *connection;
    const struct store_order_filter *filter;
    void (*row)(void *argument, const struct store_order *order);
    void *argument;
};

/*
 * Walks over short rows and reads the rest of those that pass, so that an order which the filter
 * drops costs one step of a cursor. One row more than needed is looked for, to tell whether the
 * list goes on.
 */
static int scan_orders(const struct scan *scan, sqlite3_stmt *statement, int32_t *next_before)
{
    int32_t last = 0;
    int seen = 0;
    int given = 0;
    bool there;
    int result;
    while ((result = sqlite_step(scan->connection, statement, &there)) == 0 && there) {
        if (given == scan->filter->limit || seen == STORE_LIST_SCAN) {
            *next_before = last;
            break;
        }
        last = sqlite3_column_int(statement, 0);
        seen++;
        if (!store_filter_matches(scan->filter, sqlite_status(statement, 1),
                                  sqlite3_column_int64(statement, 2),
                                  sqlite3_column_int64(statement, 3)))
            continue;
        struct store_order order;
        result = sqlite_order_get(&scan->connection->base, scan->filter->project_id, last, &order);
        if (result)
            break;
        scan->row(scan->argument, &order);
        given++;
    }
    sqlite3_reset(statement);
    return result;
}

int sqlite_order_list(struct store_connection *connection, const struct store_order_filter *filter,
                      void (*row)(void *argument, const struct store_order *order), void *argument,
                      int32_t *next_before)
{
    struct scan scan = {sqlite_of(connection), filter, row, argument};
    int64_t before = filter->before > 0 ? filter->before : NO_BOUND;
    sqlite3_stmt *statement;
    struct store_user user;
    int result;
    *next_before = 0;
    if (filter->user_external_id.len == 0) {
        result = sqlite_start(scan.connection, STATEMENT_ORDER_SCAN,
                              VALUES(INT(filter->project_id), INT(before)), &statement);
    } else {
        result = sqlite_user_get(connection, filter->project_id, filter->user_external_id, &user);
        if (result)
            return result == ERR_NOT_FOUND ? 0 : result;
        result = sqlite_start(scan.connection, STATEMENT_ORDER_SCAN_USER,
                              VALUES(INT(user.user_id), INT(before)), &statement);
    }
    return result ? result : scan_orders(&scan, statement, next_before);
}

int sqlite_order_list_open(struct store_connection *connection, int64_t user_id, int limit,
                           void (*row)(void *argument, int32_t order_id, enum order_status status),
                           void *argument)
{
    struct sqlite_connection *c = sqlite_of(connection);
    sqlite3_stmt *statement;
    bool there;
    int result =
        sqlite_start(c, STATEMENT_ORDER_LIST_OPEN, VALUES(INT(user_id), INT(limit)), &statement);
    if (result)
        return result;
    while ((result = sqlite_step(c, statement, &there)) == 0 && there)
        row(argument, sqlite3_column_int(statement, 0), sqlite_status(statement, 1));
    return result;
}

int sqlite_event_list(struct store_connection *connection, int32_t project_id, int32_t order_id,
                      void (*row)(void *argument, const struct store_event *event), void *argument)
{
    struct sqlite_connection *c = sqlite_of(connection);
    sqlite3_stmt *statement;
    bool there;
    int result =
        sqlite_start(c, STATEMENT_EVENT_LIST, VALUES(INT(project_id), INT(order_id)), &statement);
    if (result)
        return result;
    while ((result = sqlite_step(c, statement, &there)) == 0 && there) {
        struct store_event event = {
            .seq = sqlite3_column_int(statement, 0),
            .status = sqlite_status(statement, 1),
            .previous = sqlite_status(statement, 2),
            .synthetic = sqlite3_column_int(statement, 3) != 0,
            .offset = sqlite3_column_int(statement, 4),
            .occurred_at = sqlite3_column_int64(statement, 5),
        };
        row(argument, &event);
    }
    return result;
}

int sqlite_stream_read(struct store_connection *connection, int64_t user_id, int32_t after,
                       int32_t before, bool reverse, int limit,
                       void (*row)(void *argument, const struct store_publication *publication),
                       void *argument)
{
    struct sqlite_connection *c = sqlite_of(connection);
    sqlite3_stmt *statement;
    bool there;
    int result = sqlite_start(
        c, reverse ? STATEMENT_STREAM_READ_REVERSE : STATEMENT_STREAM_READ,
        VALUES(INT(user_id), INT(after), INT(before > 0 ? before : NO_BOUND), INT(limit)),
        &statement);
    if (result)
        return result;
    while ((result = sqlite_step(c, statement, &there)) == 0 && there) {
        struct store_publication publication = {
            .offset = sqlite3_column_int(statement, 0),
            .order_id = sqlite3_column_int(statement, 1),
            .status = sqlite_status(statement, 2),
            .occurred_at = sqlite3_column_int64(statement, 3),
        };
        row(argument, &publication);
    }
    return result;
}

int sqlite_idempotency_get(struct store_connection *connection, int32_t project_id, struct str key,
                           struct store_idempotency *record)
{
    struct sqlite_connection *c = sqlite_of(connection);
    sqlite3_stmt *statement;
    int result =
        sqlite_find(c, STATEMENT_IDEMPOTENCY_GET, VALUES(INT(project_id), TEXT(key)), &statement);
    if (result)
        return result;
    *record = (struct store_idempotency){
        .project_id = project_id,
        .key = store_keep(connection, key.ptr, key.len),
        .answer = sqlite_text(c, statement, 1),
        .expires_at = sqlite3_column_int64(statement, 2),
    };
    column_bytes(statement, 0, record->request_hash, STORE_KEY_HASH_SIZE);
    sqlite3_reset(statement);
    return 0;
}
