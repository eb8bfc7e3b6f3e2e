/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many deliveries of an endpoint are not finished. To count a million rows takes tens of
 * milliseconds, and to write a counter with each row a tenth of what the row costs; so the counter
 * is a row that a transaction writes once, at its commit.
 */
#include "store/sqlite/sqlite_webhooks.h"

int sqlite_backlog_write(struct sqlite_connection *c)
{
    int result = 0;
    for (int i = 0; i < c->backlog_change_count && result == 0; i++)
        result = sqlite_run(
            c, STATEMENT_BACKLOG_ADD,
            VALUES(INT(c->backlog_changes[i].endpoint_id), INT(c->backlog_changes[i].change)));
    c->backlog_change_count = 0;
    return result;
}

int sqlite_backlog_change(struct sqlite_connection *c, int64_t endpoint_id, int64_t change)
{
    for (int i = 0; i < c->backlog_change_count; i++)
        if (c->backlog_changes[i].endpoint_id == endpoint_id) {
            c->backlog_changes[i].change += change;
            return 0;
        }
    int result = 0;
    if (c->backlog_change_count == SQLITE_BACKLOG_CHANGES)
        result = sqlite_backlog_write(c);
    c->backlog_changes[c->backlog_change_count].endpoint_id = endpoint_id;
    c->backlog_changes[c->backlog_change_count++].change = change;
    return result;
}

int sqlite_delivery_backlog(struct store_connection *connection, int64_t endpoint_id,
                            struct store_backlog *backlog)
{
    struct sqlite_connection *c = sqlite_of(connection);
    sqlite3_stmt *statement;
    int64_t first = endpoint_id > 0 ? endpoint_id : 1;
    int64_t last = endpoint_id > 0 ? endpoint_id : INT64_MAX;
    int result = sqlite_backlog_write(c);
    if (result == 0)
        result = sqlite_find(c, STATEMENT_BACKLOG_GET, VALUES(INT(first), INT(last)), &statement);
    if (result)
        return result;
    backlog->count = sqlite3_column_int64(statement, 0);
    backlog->oldest_at = sqlite3_column_int64(statement, 1);
    sqlite3_reset(statement);
    return 0;
}
