/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changes of the SQLite driver, and pruning. Every update of an order's status comes through here,
 * so each touches no more pages than it must: content that stayed the same, and indexes whose
 * columns did, are not written again.
 */
#include "base/err.h"
#include "store/sqlite/sqlite_webhooks.h"

/* A long stream is cut while it grows, a few rows at a time, without waiting for the sweep. */
enum { TRIM_EVERY = 64, TRIM_ROWS = 256 };

static bool is_open(enum order_status status)
{
    return !order_status_is_final(status);
}

int sqlite_project_put(struct store_connection *writer, const struct store_project *project)
{
    return sqlite_run(sqlite_of(writer), STATEMENT_PROJECT_PUT,
                      VALUES(INT(project->project_id), INT(project->merchant_id),
                             TEXT(project->settings), INT(project->created_at)));
}

int sqlite_key_put(struct store_connection *writer, const struct store_key *key)
{
    return sqlite_run(sqlite_of(writer), STATEMENT_KEY_PUT,
                      VALUES(TEXT(str_from(key->key_id)), INT(key->merchant_id),
                             INT(key->project_id), BLOB(key->hash, STORE_KEY_HASH_SIZE),
                             TEXT(key->label), INT(key->created_at)));
}

int sqlite_key_delete(struct store_connection *writer, const char *key_id)
{
    struct sqlite_connection *c = sqlite_of(writer);
    int result = sqlite_run(c, STATEMENT_KEY_DELETE, VALUES(TEXT(str_from(key_id))));
    return result == 0 && sqlite3_changes(c->db) == 0 ? ERR_NOT_FOUND : result;
}

int sqlite_revocation_put(struct store_connection *writer, int32_t project_id,
                          struct str user_external_id, int64_t before)
{
    return sqlite_run(sqlite_of(writer), STATEMENT_REVOCATION_PUT,
                      VALUES(INT(project_id), TEXT(user_external_id), INT(before)));
}

int sqlite_user_add(struct store_connection *writer, int32_t project_id,
                    struct str user_external_id, struct store_user *user)
{
    struct sqlite_connection *c = sqlite_of(writer);
    int result = sqlite_run(c, STATEMENT_USER_ADD, VALUES(INT(project_id), TEXT(user_external_id)));
    if (result)
        return result;
    user->user_id = sqlite3_last_insert_rowid(c->db);
    user->top = 0;
    return 0;
}

/* `*content_id` is 0 when there is nothing to store. */
static int content_insert(struct sqlite_connection *c, const struct store_order *order,
                          int64_t *content_id)
{
    *content_id = 0;
    if (order->content.len == 0 && order->custom_parameters.len == 0)
        return 0;
    int result = sqlite_run(c, STATEMENT_CONTENT_INSERT,
                            VALUES(TEXT(order->content), TEXT(order->custom_parameters)));
    if (result == 0)
        *content_id = sqlite3_last_insert_rowid(c->db);
    return result;
}

int sqlite_order_insert(struct store_connection *writer, const struct store_order *order)
{
    struct sqlite_connection *c = sqlite_of(writer);
    int64_t content_id;
    int result = content_insert(c, order, &content_id);
    if (result)
        return result;
    return sqlite_run(c, STATEMENT_ORDER_INSERT,
                      VALUES(INT(order->project_id), INT(order->order_id), INT(order->user_id),
                             INT(order->status), INT(order->seq), INT(is_open(order->status)),
                             INT(order->is_free), INT(content_id), TEXT(order->cancel_reason),
                             INT(order->created_at), INT(order->updated_at)));
}

/* What the order's row says beside the public fields. */
struct references {
    int64_t content_id;
    bool was_open;
    enum { CONTENT_SAME, CONTENT_CHANGES, CONTENT_CHANGES_SHARED } content;
};

static int order_references(struct sqlite_connection *c, const struct store_order *order,
                            struct references *references)
{
    sqlite3_stmt *statement;
    int result = sqlite_find(c, STATEMENT_ORDER_REFERENCES,
                             VALUES(INT(order->project_id), INT(order->order_id),
                                    TEXT(order->content), TEXT(order->custom_parameters)),
                             &statement);
    if (result)
        return result;
    references->content_id = sqlite3_column_int64(statement, 0);
    references->was_open = sqlite3_column_int(statement, 1) != 0;
    references->content = sqlite3_column_int(statement, 2);
    sqlite3_reset(statement);
    return 0;
}

/* A content that deliveries share stays as it is, and the order gets a new one. */
static int content_change(struct sqlite_connection *c, const struct store_order *order,
                          struct references *references)
{
    if (references->content_id == 0 || references->content == CONTENT_CHANGES_SHARED)
        return content_insert(c, order, &references->content_id);
    if (references->content == CONTENT_SAME)
        return 0;
    return sqlite_run(
        c, STATEMENT_CONTENT_UPDATE,
        VALUES(INT(references->content_id), TEXT(order->content), TEXT(order->custom_parameters)));
}

int sqlite_order_update(struct store_connection *writer, const struct store_order *order)
{
    struct sqlite_connection *c = sqlite_of(writer);
    struct references references;
    int result = order_references(c, order, &references);
    if (result == 0)
        result = content_change(c, order, &references);
    if (result)
        return result;
    result = sqlite_run(c, STATEMENT_ORDER_UPDATE,
                        VALUES(INT(order->project_id), INT(order->order_id), INT(order->status),
                               INT(order->seq), INT(order->is_free), INT(references.content_id),
                               TEXT(order->cancel_reason), INT(order->updated_at)));
    if (result || is_open(order->status) == references.was_open)
        return result;
    return sqlite_run(
        c, STATEMENT_ORDER_SET_OPEN,
        VALUES(INT(order->project_id), INT(order->order_id), INT(is_open(order->status))));
}

int sqlite_order_advance(struct store_connection *writer, const struct store_order *order)
{
    struct sqlite_connection *c = sqlite_of(writer);
    int result = sqlite_run(
        c, is_open(order->status) ? STATEMENT_ORDER_ADVANCE : STATEMENT_ORDER_ADVANCE_TO_END,
        VALUES(INT(order->project_id), INT(order->order_id), INT(order->status), INT(order->seq),
               INT(order->is_free), TEXT(order->cancel_reason), INT(order->updated_at)));
    return result == 0 && sqlite3_changes(c->db) == 0 ? ERR_NOT_FOUND : result;
}

static int publish(struct sqlite_connection *c, const struct store_order *order,
                   const struct store_event *event)
{
    int result = sqlite_run(c, STATEMENT_STREAM_INSERT,
                            VALUES(INT(order->user_id), INT(event->offset), INT(order->order_id),
                                   INT(event->status), INT(event->occurred_at)));
    if (result)
        return result;
    result = sqlite_run(c, STATEMENT_USER_SET_TOP, VALUES(INT(order->user_id), INT(event->offset)));
    int64_t last = event->offset - c->base.store->options->history_max_events;
    if (result || event->offset % TRIM_EVERY != 0 || last <= 0)
        return result;
    return sqlite_run(c, STATEMENT_STREAM_TRIM,
                      VALUES(INT(order->user_id), INT(last), INT(TRIM_ROWS)));
}

int sqlite_event_append(struct store_connection *writer, const struct store_order *order,
                        const struct store_event *event)
{
    struct sqlite_connection *c = sqlite_of(writer);
    int result = sqlite_run(c, STATEMENT_EVENT_INSERT,
                            VALUES(INT(order->project_id), INT(order->order_id), INT(event->seq),
                                   INT(event->status), INT(event->previous), INT(event->synthetic),
                                   INT(event->offset), INT(event->occurred_at)));
    if (result || event->offset == 0)
        return result;
    return publish(c, order, event);
}

int sqlite_idempotency_put(struct store_connection *writer, const struct store_idempotency *record)
{
    return sqlite_run(sqlite_of(writer), STATEMENT_IDEMPOTENCY_PUT,
                      VALUES(INT(record->project_id), TEXT(record->key),
                             BLOB(record->request_hash, STORE_KEY_HASH_SIZE),
                             BLOB(record->answer.ptr, record->answer.len),
                             INT(record->expires_at)));
}

/* Where the stretch of `rows` rows behind the last one ends; at the end of the table it is open. */
static int stretch_end(struct sqlite_connection *c, int rows, int64_t *user_id, int64_t *offset)
{
    sqlite3_stmt *statement;
    int result =
        sqlite_find(c, STATEMENT_STREAM_STRETCH,
                    VALUES(INT(c->prune_user), INT(c->prune_offset), INT(rows - 1)), &statement);
    if (result == ERR_NOT_FOUND) {
        *user_id = INT64_MAX;
        *offset = 0;
        return 0;
    }
    if (result)
        return result;
    *user_id = sqlite3_column_int64(statement, 0);
    *offset = sqlite3_column_int64(statement, 1);
    sqlite3_reset(statement);
    return 0;
}

static int prune_stream(struct sqlite_connection *c, int64_t now_wall, int rows, int *deleted)
{
    const struct store_options *options = c->base.store->options;
    int64_t user_id;
    int64_t offset;
    int result = stretch_end(c, rows, &user_id, &offset);
    if (result)
        return result;
    result = sqlite_run(c, STATEMENT_STREAM_PRUNE,
                        VALUES(INT(c->prune_user), INT(c->prune_offset), INT(user_id), INT(offset),
                               INT(now_wall - options->history_max_age),
                               INT(options->history_max_events)));
    if (result)
        return result;
    *deleted += sqlite3_changes(c->db);
    bool at_end = user_id == INT64_MAX;
    c->prune_user = at_end ? 0 : user_id;
    c->prune_offset = at_end ? 0 : (int32_t)offset;
    return 0;
}

int sqlite_prune(struct store_connection *writer, int64_t now_wall, int rows, int *deleted)
{
    struct sqlite_connection *c = sqlite_of(writer);
    *deleted = 0;
    int result = prune_stream(c, now_wall, rows, deleted);
    if (result)
        return result;
    result = sqlite_run(c, STATEMENT_IDEMPOTENCY_PRUNE, VALUES(INT(now_wall), INT(rows)));
    if (result)
        return result;
    *deleted += sqlite3_changes(c->db);
    return sqlite_delivery_prune(c, now_wall, rows, deleted);
}
