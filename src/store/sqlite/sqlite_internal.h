/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the SQLite driver share.
 *
 * sqlite_store.c       the data directory: lock, opening; the table of functions
 * sqlite_schema.c      the tables, making and checking the database, migrations
 * sqlite_connection.c  connections, statements, failures, transactions
 * sqlite_log.c         the write-ahead log after a sync that failed
 * sqlite_read.c        look-ups
 * sqlite_write.c       changes and pruning
 * sqlite_webhooks.h    the rows of webhooks
 * sqlite_backup.c      copying a database in use
 */
#ifndef ORDERWIRE_STORE_SQLITE_SQLITE_INTERNAL_H
#define ORDERWIRE_STORE_SQLITE_SQLITE_INTERNAL_H

#include "store/store_driver.h"

#include <sqlite3.h>
#include <stdatomic.h>

#define SQLITE_STORE_FILE "orderwire.db"

struct sqlite_store {
    struct store base;
    char *path; /* of the database */
    int lock;   /* the descriptor that holds the directory's lock */
    int far;    /* the same of the directory that a link to the database leads to; -1: none */
    _Atomic uint64_t commits;
};

enum sqlite_statement {
#define STATEMENT(name, sql) STATEMENT_##name,
#include "store/sqlite/sqlite_statements.def"
    STATEMENT_COUNT
};

/* Room for the endpoints of one group of updates. */
#define SQLITE_BACKLOG_CHANGES 128

struct sqlite_connection {
    struct store_connection base;
    sqlite3 *db;            /* NULL after a failure, until the next call opens it again */
    bool broken;            /* a failure was seen: nothing in its cache is to be trusted any more */
    bool sync_failed;       /* the log is written again before it is used */
    bool checkpoint_failed; /* nothing is written before one has gone well */
    int logged;             /* SQLite's code of the failure logged last, until a commit succeeds */
    bool reading;           /* look-ups share a transaction */
    uint64_t seen;          /* how many commits it sees, at least */
    sqlite3_stmt *statements[STATEMENT_COUNT];
    int64_t prune_user; /* the row of the stream where the last prune stopped */
    int32_t prune_offset;
    int64_t prune_delivery; /* the last delivery that a prune looked at */
    struct {
        int64_t endpoint_id;
        int64_t change;
    } backlog_changes[SQLITE_BACKLOG_CHANGES]; /* of this transaction, not yet written */
    int backlog_change_count;
    int64_t prune_endpoint; /* the last endpoint of which it looked for unfinished deliveries */
};

static inline struct sqlite_connection *sqlite_of(struct store_connection *connection)
{
    return (struct sqlite_connection *)connection;
}

/* One bound parameter, from the macros below; the list ends with kind 0. */
struct sqlite_value {
    enum { VALUE_END, VALUE_INT, VALUE_TEXT, VALUE_BLOB } kind;
    int64_t number;
    struct str bytes;
};

#define INT(value)                                                                                 \
    {                                                                                              \
        .kind = VALUE_INT, .number = (value)                                                       \
    }
#define TEXT(value)                                                                                \
    {                                                                                              \
        .kind = VALUE_TEXT, .bytes = (value)                                                       \
    }
#define BLOB(pointer, length)                                                                      \
    {                                                                                              \
        .kind = VALUE_BLOB, .bytes = {(const char *)(pointer), (length) }                          \
    }
#define VALUES(...) ((const struct sqlite_value[]){__VA_ARGS__, {.kind = VALUE_END}})
#define NO_VALUES ((const struct sqlite_value[]){{.kind = VALUE_END}})

/* sqlite_store.c */

/* Once for the process, before SQLite is used. */
void sqlite_store_prepare(void);
/* Makes a file and its name durable. 0 or -1 with errno. */
NODISCARD int sqlite_store_sync(const char *path);
/* Removes a database and what SQLite has put beside it. */
void sqlite_store_remove(const char *path);
/* False when the directory, or where a link to the database leads, is another one now, and may be another server's. */
bool sqlite_store_is_in_place(const struct sqlite_store *s);
/* Writes a sentence and gives back `result`. */
int sqlite_store_refuse(char error[STORE_ERROR_SIZE], int result, const char *format, ...)
    PRINTF_LIKE(3, 4);

/* sqlite_connection.c */

/*
 * Opens a database with the settings of its role. Gives SQLite's code; `*db` is then to be closed
 * whatever it is.
 */
NODISCARD int sqlite_open(const char *path, enum store_role role, sqlite3 **db);
/* The ERR_* for what went wrong last on `db`. */
int sqlite_error(sqlite3 *db);

NODISCARD int sqlite_connect(struct store *store, enum store_role role,
                             struct store_connection **connection);
void sqlite_disconnect(struct store_connection *connection);
NODISCARD int sqlite_begin(struct store_connection *connection);
NODISCARD int sqlite_commit(struct store_connection *connection);
void sqlite_rollback(struct store_connection *connection);
void sqlite_share_reading(struct store_connection *reader);
void sqlite_end_reading(struct store_connection *reader);

/* Prepares (once) and binds; the values live until the last step. The caller resets the statement.
 */
NODISCARD int sqlite_start(struct sqlite_connection *c, enum sqlite_statement which,
                           const struct sqlite_value *values, sqlite3_stmt **statement);
/* `*row` tells whether there is one. When there is none, or on an error, the statement is reset. */
NODISCARD int sqlite_step(struct sqlite_connection *c, sqlite3_stmt *statement, bool *row);
/* To the first row, which must be there: ERR_NOT_FOUND when not. The caller resets the statement.
 */
NODISCARD int sqlite_find(struct sqlite_connection *c, enum sqlite_statement which,
                          const struct sqlite_value *values, sqlite3_stmt **statement);
/* A statement that gives no rows. */
NODISCARD int sqlite_run(struct sqlite_connection *c, enum sqlite_statement which,
                         const struct sqlite_value *values);
/* Column `index` of the current row, kept in the connection. */
struct str sqlite_text(struct sqlite_connection *c, sqlite3_stmt *statement, int index);
/* The same of an order's status: a flipped bit on disk does not become an index out of bounds. */
enum order_status sqlite_status(sqlite3_stmt *statement, int index);

/* sqlite_log.c */

/*
 * Writes the log of the database at `path` over itself and syncs it, so that all that can be read
 * of it is durable. Nobody else may write to it meanwhile. 0 or -1 with errno.
 */
NODISCARD int sqlite_log_rewrite(const char *path);
/* The next checkpoint copies all of the log, also what one before it did. Gives SQLite's code. */
NODISCARD int sqlite_log_copy_again(sqlite3 *db);

/* sqlite_schema.c. Each writes its sentence to `error` on failure. */

/* Makes a new database under a temporary name and renames it to `path`. */
NODISCARD int sqlite_schema_create(const char *path, char error[STORE_ERROR_SIZE]);
/* Whether the file is a whole database of ours; it is not changed. */
NODISCARD int sqlite_schema_check(const char *path, char error[STORE_ERROR_SIZE]);
/* Brings an older schema up to date, and reads the identity; a restored backup gets an epoch. */
NODISCARD int sqlite_schema_upgrade(const char *path, struct store_identity *identity,
                                    char error[STORE_ERROR_SIZE]);
/* Leaves it to the next opening to draw an epoch. Gives SQLite's code. */
NODISCARD int sqlite_schema_forget_epoch(sqlite3 *db);
/* The first value of a query on a database that need not be ours. Gives SQLite's code. */
NODISCARD int sqlite_schema_query(sqlite3 *db, const char *sql, int64_t *value);

#define SQLITE_STORE_APPLICATION_ID 0x4f574952 /* "OWIR" */

/* sqlite_read.c, sqlite_write.c, sqlite_backup.c: as in store.h. */

NODISCARD int sqlite_project_get(struct store_connection *connection, int32_t project_id,
                                 struct store_project *project);
NODISCARD int sqlite_project_list(struct store_connection *connection, int32_t after, int limit,
                                  void (*row)(void *argument, const struct store_project *project),
                                  void *argument);
NODISCARD int sqlite_key_list(struct store_connection *connection, int32_t project_id,
                              int32_t merchant_id,
                              void (*row)(void *argument, const struct store_key *key),
                              void *argument);
NODISCARD int sqlite_revocation_get(struct store_connection *connection, int32_t project_id,
                                    struct str user_external_id, int64_t *before);
NODISCARD int sqlite_revocation_any(struct store_connection *connection, int32_t project_id,
                                    bool *any);
NODISCARD int sqlite_user_get(struct store_connection *connection, int32_t project_id,
                              struct str user_external_id, struct store_user *user);
NODISCARD int sqlite_order_get(struct store_connection *connection, int32_t project_id,
                               int32_t order_id, struct store_order *order);
NODISCARD int sqlite_order_next_id(struct store_connection *writer, int32_t project_id,
                                   int32_t *order_id);
NODISCARD int sqlite_order_list(struct store_connection *connection,
                                const struct store_order_filter *filter,
                                void (*row)(void *argument, const struct store_order *order),
                                void *argument, int32_t *next_before);
NODISCARD int
sqlite_order_list_open(struct store_connection *connection, int64_t user_id, int limit,
                       void (*row)(void *argument, int32_t order_id, enum order_status status),
                       void *argument);
NODISCARD int sqlite_event_list(struct store_connection *connection, int32_t project_id,
                                int32_t order_id,
                                void (*row)(void *argument, const struct store_event *event),
                                void *argument);
NODISCARD int sqlite_stream_read(struct store_connection *connection, int64_t user_id,
                                 int32_t after, int32_t before, bool reverse, int limit,
                                 void (*row)(void *argument,
                                             const struct store_publication *publication),
                                 void *argument);
NODISCARD int sqlite_idempotency_get(struct store_connection *connection, int32_t project_id,
                                     struct str key, struct store_idempotency *record);

NODISCARD int sqlite_project_put(struct store_connection *writer,
                                 const struct store_project *project);
NODISCARD int sqlite_key_put(struct store_connection *writer, const struct store_key *key);
NODISCARD int sqlite_key_delete(struct store_connection *writer, const char *key_id);
NODISCARD int sqlite_revocation_put(struct store_connection *writer, int32_t project_id,
                                    struct str user_external_id, int64_t before);
NODISCARD int sqlite_user_add(struct store_connection *writer, int32_t project_id,
                              struct str user_external_id, struct store_user *user);
NODISCARD int sqlite_order_insert(struct store_connection *writer, const struct store_order *order);
NODISCARD int sqlite_order_update(struct store_connection *writer, const struct store_order *order);
NODISCARD int sqlite_order_advance(struct store_connection *writer,
                                   const struct store_order *order);
NODISCARD int sqlite_event_append(struct store_connection *writer, const struct store_order *order,
                                  const struct store_event *event);
NODISCARD int sqlite_idempotency_put(struct store_connection *writer,
                                     const struct store_idempotency *record);
NODISCARD int sqlite_prune(struct store_connection *writer, int64_t now_wall, int rows,
                           int *deleted);

NODISCARD int sqlite_backup(const char *directory, const char *destination,
                            const volatile sig_atomic_t *stop, char error[STORE_ERROR_SIZE]);

#endif
