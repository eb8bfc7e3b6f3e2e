/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections, statements and failures of the SQLite driver. The trouble it exists for is a disk
 * that fails: after an error a connection's page cache may hold what never became durable, so the
 * connection is closed at the rollback and opened afresh by the next call, which is also how the
 * store recovers when space returns.
 */
#include "store/sqlite/sqlite_webhooks.h"

#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/*
 * A commit waits for the disk once. Nothing is mapped: an I/O error on a mapped page is a SIGBUS,
 * not an error code.
 */
#define SETTINGS                                                                                   \
    "PRAGMA synchronous = FULL;"                                                                   \
    "PRAGMA foreign_keys = OFF;"                                                                   \
    "PRAGMA temp_store = MEMORY;"                                                                  \
    "PRAGMA secure_delete = OFF;"                                                                  \
    "PRAGMA mmap_size = 0;"                                                                        \
    "PRAGMA journal_size_limit = 67108864;"

/* A reader's cache is emptied by every commit of the writer: a large one would be for nothing. */
static const char settings_reader[] = SETTINGS "PRAGMA cache_size = -4096;";
static const char settings_writer[] = SETTINGS "PRAGMA cache_size = -65536;";

enum {
    /* Nobody else writes; only a recovery or a checkpoint at closing can be in the way. */
    BUSY_TIMEOUT_MS = 1000,
    /* A log of 16 MiB lets a checkpoint write a page once for many commits, and still fits one
     * table of the log's index, so that readers find pages fast. */
    CHECKPOINT_PAGES = 4000,
};

static const char *const statement_sql[] = {
#define STATEMENT(name, sql) sql,
#include "store/sqlite/sqlite_statements.def"
};

static int use_wal(sqlite3 *db)
{
    sqlite3_stmt *statement;
    int code = sqlite3_prepare_v2(db, "PRAGMA journal_mode = WAL", -1, &statement, NULL);
    if (code != SQLITE_OK)
        return code;
    bool wal = sqlite3_step(statement) == SQLITE_ROW &&
               str_equal_text(str_from((const char *)sqlite3_column_text(statement, 0)), "wal");
    code = sqlite3_finalize(statement);
    return code == SQLITE_OK && !wal ? SQLITE_CANTOPEN : code;
}

int sqlite_open(const char *path, enum store_role role, sqlite3 **db)
{
    bool writer = role == STORE_WRITER;
    int flags = (writer ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY) | SQLITE_OPEN_NOMUTEX |
                SQLITE_OPEN_EXRESCODE;
    errno = 0;
    int code = sqlite3_open_v2(path, db, flags, NULL);
    if (code != SQLITE_OK)
        return code;
    sqlite3_busy_timeout(*db, BUSY_TIMEOUT_MS);
    code = sqlite3_exec(*db, writer ? settings_writer : settings_reader, NULL, NULL, NULL);
    if (code == SQLITE_OK && writer)
        code = use_wal(*db);
    return code;
}

/* SQLite forgets the number when a commit fails; callers that may commit set errno to 0 before. */
static int system_errno(sqlite3 *db)
{
    int number = sqlite3_system_errno(db);
    return number ? number : errno;
}

static bool is_space_errno(int number)
{
    return number == ENOSPC || number == EDQUOT || number == EFBIG;
}

int sqlite_error(sqlite3 *db)
{
    int code = sqlite3_extended_errcode(db);
    switch (code & 0xff) {
    case SQLITE_FULL:
        return ERR_NO_SPACE;
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
        return is_space_errno(system_errno(db)) ? ERR_NO_SPACE : ERR_IO;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return ERR_CORRUPT;
    case SQLITE_CONSTRAINT:
        return code == SQLITE_CONSTRAINT_UNIQUE || code == SQLITE_CONSTRAINT_PRIMARYKEY ? ERR_EXISTS
                                                                                        : ERR_IO;
    default:
        return ERR_IO;
    }
}

/* `sql` has placeholders where values go, so that it can be logged. */
static void log_failure(struct sqlite_connection *c, int code, const char *cause, int number,
                        const char *sql)
{
    /* A disk stays full for thousands of groups, and the log may be on it. */
    if (code != c->logged)
        log_error("store failed", LOG_TEXT("cause", cause), LOG_INT("code", code),
                  LOG_INT("errno", number), LOG_TEXT("statement", sql));
    c->logged = code;
}

static int failed(struct sqlite_connection *c, const char *sql)
{
    int number = system_errno(c->db);
    int result = sqlite_error(c->db);
    if (result == ERR_EXISTS)
        return result;
    c->broken = true;
    int code = sqlite3_extended_errcode(c->db);
    if (code == SQLITE_IOERR_FSYNC || code == SQLITE_IOERR_DIR_FSYNC)
        c->sync_failed = true;
    log_failure(c, code, sqlite3_errmsg(c->db), number, sql);
    return result;
}

static void close_database(struct sqlite_connection *c)
{
    for (size_t i = 0; i < STATEMENT_COUNT; i++) {
        sqlite3_finalize(c->statements[i]);
        c->statements[i] = NULL;
    }
    sqlite3_close(c->db);
    c->db = NULL;
    c->broken = false;
    c->reading = false;
}

/*
 * A checkpoint that fails leaves the log as it is, so that what was committed stays durable; but
 * who writes on has a disk that does not work, and a log that grows without an end.
 */
static int checkpoint(struct sqlite_connection *c)
{
    errno = 0;
    int code = sqlite3_wal_checkpoint_v2(c->db, "main", SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    c->checkpoint_failed = code != SQLITE_OK && code != SQLITE_BUSY;
    return c->checkpoint_failed ? failed(c, "checkpoint") : 0;
}

static int after_commit(void *argument, sqlite3 *db, const char *name, int pages)
{
    (void)db;
    (void)name;
    if (pages >= CHECKPOINT_PAGES)
        (void)checkpoint(argument);
    return SQLITE_OK;
}

static int set_cache(struct sqlite_connection *c)
{
    char sql[64];
    int64_t bytes = c->base.store->options->cache_bytes;
    if (c->base.role == STORE_READER || bytes == 0)
        return SQLITE_OK;
    snprintf(sql, sizeof(sql), "PRAGMA cache_size = -%lld", (long long)(bytes / 1024));
    return sqlite3_exec(c->db, sql, NULL, NULL, NULL);
}

static int open_database(struct sqlite_connection *c)
{
    const struct sqlite_store *store = (const struct sqlite_store *)c->base.store;
    bool writer = c->base.role == STORE_WRITER;
    errno = 0;
    if (!sqlite_store_is_in_place(store)) {
        int number = errno;
        log_failure(c, SQLITE_CANTOPEN,
                    number == EACCES ? "the data directory may not be entered"
                                     : "the data directory, or its lock, was moved away",
                    number, "open");
        return ERR_IO;
    }
    if (c->sync_failed && sqlite_log_rewrite(store->path) != 0) {
        int number = errno;
        log_failure(c, SQLITE_IOERR_FSYNC, strerror(number), number, "rewrite the log");
        return is_space_errno(number) ? ERR_NO_SPACE : ERR_IO;
    }
    c->sync_failed = false;
    int code = sqlite_open(store->path, c->base.role, &c->db);
    if (code == SQLITE_OK)
        code = set_cache(c);
    if (code == SQLITE_OK && writer) {
        sqlite3_wal_hook(c->db, after_commit, c);
        code = sqlite_log_copy_again(c->db);
    }
    if (code == SQLITE_OK)
        return 0;
    int result = sqlite_error(c->db);
    log_failure(c, code, sqlite3_errstr(code), system_errno(c->db), "open");
    close_database(c);
    return result;
}

/* A usable database, opened again if need be. */
static int ensure_open(struct sqlite_connection *c)
{
    if (c->db && !c->broken)
        return 0;
    if (c->base.in_transaction)
        return ERR_IO;
    close_database(c);
    return open_database(c);
}

int sqlite_connect(struct store *store, enum store_role role, struct store_connection **connection)
{
    struct sqlite_connection *c = mem_zalloc(sizeof(*c));
    c->base.store = store;
    c->base.role = role;
    int result = open_database(c);
    if (result) {
        mem_free(c);
        return result;
    }
    *connection = &c->base;
    return 0;
}

void sqlite_disconnect(struct store_connection *connection)
{
    struct sqlite_connection *c = (struct sqlite_connection *)connection;
    close_database(c);
    mem_free(c);
}

static int prepare(struct sqlite_connection *c, enum sqlite_statement which)
{
    int result = ensure_open(c);
    if (result || c->statements[which])
        return result;
    if (sqlite3_prepare_v3(c->db, statement_sql[which], -1, SQLITE_PREPARE_PERSISTENT,
                           &c->statements[which], NULL) != SQLITE_OK)
        return failed(c, statement_sql[which]);
    return 0;
}

static int bind(sqlite3_stmt *statement, int index, const struct sqlite_value *value)
{
    /* A NULL pointer would bind SQL's NULL instead of the empty text. */
    const char *bytes = value->bytes.ptr ? value->bytes.ptr : "";
    int length = (int)value->bytes.len;
    switch (value->kind) {
    case VALUE_INT:
        return sqlite3_bind_int64(statement, index, value->number);
    case VALUE_TEXT:
        return sqlite3_bind_text(statement, index, bytes, length, SQLITE_STATIC);
    case VALUE_BLOB:
        return sqlite3_bind_blob(statement, index, bytes, length, SQLITE_STATIC);
    case VALUE_END:
        break;
    }
    return SQLITE_OK;
}

int sqlite_start(struct sqlite_connection *c, enum sqlite_statement which,
                 const struct sqlite_value *values, sqlite3_stmt **statement)
{
    int result = prepare(c, which);
    if (result)
        return result;
    for (int i = 0; values[i].kind != VALUE_END; i++)
        if (bind(c->statements[which], i + 1, &values[i]) != SQLITE_OK)
            return failed(c, statement_sql[which]);
    *statement = c->statements[which];
    return 0;
}

int sqlite_step(struct sqlite_connection *c, sqlite3_stmt *statement, bool *row)
{
    errno = 0;
    int code = sqlite3_step(statement);
    *row = code == SQLITE_ROW;
    if (code == SQLITE_ROW)
        return 0;
    int result = code == SQLITE_DONE ? 0 : failed(c, sqlite3_sql(statement));
    sqlite3_reset(statement);
    return result;
}

int sqlite_find(struct sqlite_connection *c, enum sqlite_statement which,
                const struct sqlite_value *values, sqlite3_stmt **statement)
{
    bool row;
    int result = sqlite_start(c, which, values, statement);
    if (result == 0)
        result = sqlite_step(c, *statement, &row);
    return result == 0 && !row ? ERR_NOT_FOUND : result;
}

int sqlite_run(struct sqlite_connection *c, enum sqlite_statement which,
               const struct sqlite_value *values)
{
    sqlite3_stmt *statement;
    bool row;
    int result = sqlite_start(c, which, values, &statement);
    return result ? result : sqlite_step(c, statement, &row);
}

struct str sqlite_text(struct sqlite_connection *c, sqlite3_stmt *statement, int index)
{
    const void *bytes = sqlite3_column_blob(statement, index);
    return store_keep(&c->base, bytes, (size_t)sqlite3_column_bytes(statement, index));
}

enum order_status sqlite_status(sqlite3_stmt *statement, int index)
{
    return (enum order_status)((uint32_t)sqlite3_column_int(statement, index) % ORDER_STATUS_COUNT);
}

void sqlite_share_reading(struct store_connection *reader)
{
    struct sqlite_connection *c = (struct sqlite_connection *)reader;
    /* Before the transaction: one commit more is harmless, one less would be an old state. */
    uint64_t commits = atomic_load(&((struct sqlite_store *)reader->store)->commits);
    if (c->reading && c->seen == commits)
        return;
    sqlite_end_reading(reader);
    /* When it fails, so does the look-up, and says why. */
    if (sqlite_run(c, STATEMENT_BEGIN_READ, NO_VALUES) != 0)
        return;
    c->reading = true;
    c->seen = commits;
}

void sqlite_end_reading(struct store_connection *reader)
{
    struct sqlite_connection *c = (struct sqlite_connection *)reader;
    if (!c->reading || reader->in_transaction)
        return;
    c->reading = false;
    if (c->broken || sqlite_run(c, STATEMENT_COMMIT, NO_VALUES) != 0)
        close_database(c);
    else
        c->logged = 0;
}

int sqlite_begin(struct store_connection *connection)
{
    struct sqlite_connection *c = (struct sqlite_connection *)connection;
    bool writer = connection->role == STORE_WRITER;
    if (c->reading && !c->broken)
        return 0;
    c->backlog_change_count = 0;
    int result = ensure_open(c);
    if (result == 0 && c->checkpoint_failed)
        result = checkpoint(c);
    if (result)
        return result;
    return sqlite_run(c, writer ? STATEMENT_BEGIN_WRITE : STATEMENT_BEGIN_READ, NO_VALUES);
}

static int commit_writer(struct sqlite_connection *c)
{
    int result = sqlite_backlog_write(c);
    if (result == 0)
        result = sqlite_run(c, STATEMENT_COMMIT, NO_VALUES);
    if (result == 0)
        atomic_fetch_add(&((struct sqlite_store *)c->base.store)->commits, 1);
    return result;
}

int sqlite_commit(struct store_connection *connection)
{
    struct sqlite_connection *c = (struct sqlite_connection *)connection;
    bool writer = connection->role == STORE_WRITER;
    if (c->reading)
        return 0;
    int result = writer ? commit_writer(c) : sqlite_run(c, STATEMENT_COMMIT, NO_VALUES);
    /* A writer's commit of nothing tells nothing. What failed before was with another handle. */
    if (result == 0 && !c->broken && (!writer || sqlite3_total_changes(c->db) > 0))
        c->logged = 0;
    return result;
}

void sqlite_rollback(struct store_connection *connection)
{
    struct sqlite_connection *c = (struct sqlite_connection *)connection;
    c->reading = false;
    /* A broken connection refuses this too. */
    if (sqlite_run(c, STATEMENT_ROLLBACK, NO_VALUES) != 0)
        close_database(c);
}
