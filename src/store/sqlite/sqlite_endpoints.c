/* SPDX-License-Identifier: Apache-2.0 */
/* Endpoints and replays of the SQLite driver: few rows, seldom changed. */
#include "base/err.h"
#include "store/sqlite/sqlite_webhooks.h"

int sqlite_endpoint_add(struct store_connection *writer, struct store_endpoint *endpoint)
{
    struct sqlite_connection *c = sqlite_of(writer);
    int result = sqlite_run(c, STATEMENT_ENDPOINT_ADD,
                            VALUES(INT(endpoint->project_id), INT(endpoint->state),
                                   TEXT(endpoint->state_reason), TEXT(endpoint->settings),
                                   BLOB(endpoint->secrets.ptr, endpoint->secrets.len),
                                   INT(endpoint->created_at), INT(endpoint->updated_at)));
    if (result == 0)
        endpoint->endpoint_id = sqlite3_last_insert_rowid(c->db);
    return result;
}

int sqlite_endpoint_update(struct store_connection *writer, const struct store_endpoint *endpoint)
{
    struct sqlite_connection *c = sqlite_of(writer);
    int result = sqlite_run(c, STATEMENT_ENDPOINT_UPDATE,
                            VALUES(INT(endpoint->endpoint_id), INT(endpoint->state),
                                   TEXT(endpoint->state_reason), TEXT(endpoint->settings),
                                   BLOB(endpoint->secrets.ptr, endpoint->secrets.len),
                                   INT(endpoint->updated_at)));
    return result == 0 && sqlite3_changes(c->db) == 0 ? ERR_NOT_FOUND : result;
}

int sqlite_endpoint_delete(struct store_connection *writer, int64_t endpoint_id)
{
    struct sqlite_connection *c = sqlite_of(writer);
    int result = sqlite_run(c, STATEMENT_ENDPOINT_DELETE, VALUES(INT(endpoint_id)));
    if (result == 0 && sqlite3_changes(c->db) == 0)
        return ERR_NOT_FOUND;
    return result ? result : sqlite_run(c, STATEMENT_BACKLOG_DROP, VALUES(INT(endpoint_id)));
}

static void fill_endpoint(struct sqlite_connection *c, sqlite3_stmt *statement,
                          struct store_endpoint *endpoint)
{
    *endpoint = (struct store_endpoint){
        .endpoint_id = sqlite3_column_int64(statement, 0),
        .project_id = sqlite3_column_int(statement, 1),
        .state = (enum store_endpoint_state)((uint32_t)sqlite3_column_int(statement, 2) %
                                             (STORE_ENDPOINT_DISABLED + 1)),
        .state_reason = sqlite_text(c, statement, 3),
        .settings = sqlite_text(c, statement, 4),
        .secrets = sqlite_text(c, statement, 5),
        .created_at = sqlite3_column_int64(statement, 6),
        .updated_at = sqlite3_column_int64(statement, 7),
    };
}

int sqlite_endpoint_get(struct store_connection *connection, int64_t endpoint_id,
                        struct store_endpoint *endpoint)
{
    struct sqlite_connection *c = sqlite_of(connection);
    sqlite3_stmt *statement;
    int result = sqlite_find(c, STATEMENT_ENDPOINT_GET, VALUES(INT(endpoint_id)), &statement);
    if (result)
        return result;
    fill_endpoint(c, statement, endpoint);
    sqlite3_reset(statement);
    return 0;
}

int sqlite_endpoint_list(struct store_connection *connection, int32_t project_id, int64_t after,
                         int limit,
                         void (*row)(void *argument, const struct store_endpoint *endpoint),
                         void *argument)
{
    struct sqlite_connection *c = sqlite_of(connection);
    sqlite3_stmt *statement;
    bool there;
    int result = project_id == 0
                     ? sqlite_start(c, STATEMENT_ENDPOINT_LIST_ALL, VALUES(INT(after), INT(limit)),
                                    &statement)
                     : sqlite_start(c, STATEMENT_ENDPOINT_LIST,
                                    VALUES(INT(project_id), INT(after), INT(limit)), &statement);
    if (result)
        return result;
    while ((result = sqlite_step(c, statement, &there)) == 0 && there) {
        struct store_endpoint endpoint;
        fill_endpoint(c, statement, &endpoint);
        row(argument, &endpoint);
    }
    return result;
}

int sqlite_replay_add(struct store_connection *writer, struct store_replay *replay)
{
    struct sqlite_connection *c = sqlite_of(writer);
    int result =
        sqlite_run(c, STATEMENT_REPLAY_ADD,
                   VALUES(INT(replay->project_id), INT(replay->endpoint_id), INT(replay->since),
                          INT(replay->until), INT(replay->cursor), INT(replay->replayed),
                          INT(replay->finished_at), INT(replay->created_at)));
    if (result == 0)
        replay->replay_id = sqlite3_last_insert_rowid(c->db);
    return result;
}

static struct store_replay replay_of(sqlite3_stmt *statement)
{
    return (struct store_replay){
        .replay_id = sqlite3_column_int64(statement, 0),
        .project_id = sqlite3_column_int(statement, 1),
        .endpoint_id = sqlite3_column_int64(statement, 2),
        .since = sqlite3_column_int64(statement, 3),
        .until = sqlite3_column_int64(statement, 4),
        .cursor = sqlite3_column_int64(statement, 5),
        .replayed = sqlite3_column_int64(statement, 6),
        .finished_at = sqlite3_column_int64(statement, 7),
        .created_at = sqlite3_column_int64(statement, 8),
    };
}

int sqlite_replay_get(struct store_connection *connection, int64_t replay_id,
                      struct store_replay *replay)
{
    sqlite3_stmt *statement;
    int result = sqlite_find(sqlite_of(connection), STATEMENT_REPLAY_GET, VALUES(INT(replay_id)),
                             &statement);
    if (result)
        return result;
    *replay = replay_of(statement);
    sqlite3_reset(statement);
    return 0;
}

int sqlite_replay_open(struct store_connection *connection, int limit,
                       void (*row)(void *argument, const struct store_replay *replay),
                       void *argument)
{
    struct sqlite_connection *c = sqlite_of(connection);
    sqlite3_stmt *statement;
    bool there;
    int result = sqlite_start(c, STATEMENT_REPLAY_OPEN, VALUES(INT(limit)), &statement);
    if (result)
        return result;
    while ((result = sqlite_step(c, statement, &there)) == 0 && there) {
        struct store_replay replay = replay_of(statement);
        row(argument, &replay);
    }
    return result;
}

int sqlite_replay_update(struct store_connection *writer, const struct store_replay *replay)
{
    return sqlite_run(sqlite_of(writer), STATEMENT_REPLAY_UPDATE,
                      VALUES(INT(replay->replay_id), INT(replay->cursor), INT(replay->replayed),
                             INT(replay->finished_at)));
}
