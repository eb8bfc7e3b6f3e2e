/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tables of the SQLite driver, and what is done before they are trusted. A database comes into
 * being under a temporary name and is renamed when it is whole: so a file of the right name that
 * is empty, cut off or not ours is damage or a mistake, and is refused instead of being written to.
 */
#include "store/sqlite/sqlite_internal.h"

#include "base/err.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Script N brings schema N to N + 1; PRAGMA user_version tells where a database stands. */
static const char *const migrations[] = {
    "CREATE TABLE meta ("
    " key TEXT PRIMARY KEY,"
    " value BLOB NOT NULL) STRICT, WITHOUT ROWID;"

    "CREATE TABLE projects ("
    " project_id INTEGER PRIMARY KEY,"
    " merchant_id INTEGER NOT NULL,"
    " settings TEXT NOT NULL,"
    " created_at INTEGER NOT NULL) STRICT;"

    "CREATE TABLE keys ("
    " row_id INTEGER PRIMARY KEY,"
    " key_id TEXT NOT NULL UNIQUE,"
    " merchant_id INTEGER NOT NULL,"
    " project_id INTEGER NOT NULL," /* 0: all of the merchant's */
    " hash BLOB NOT NULL,"
    " label TEXT NOT NULL,"
    " created_at INTEGER NOT NULL) STRICT;"
    "CREATE INDEX keys_by_project ON keys (project_id, merchant_id);"

    "CREATE TABLE users ("
    " user_id INTEGER PRIMARY KEY,"
    " project_id INTEGER NOT NULL,"
    " external_id TEXT NOT NULL,"
    " top INTEGER NOT NULL,"
    " UNIQUE (project_id, external_id)) STRICT;"

    /*
     * An order's row is some 60 bytes and changes with every status; its content is some 500 (up
     * to 40 KiB) and hardly ever changes. Apart, a page holds the state of 60 orders instead of 7,
     * so that a group of updates dirties fewer pages, and no update of a status rewrites content.
     * Contents are found by rowid, in order of arrival: rows that long in a WITHOUT ROWID table
     * would fill its inner pages too and make the tree twice as deep.
     */
    "CREATE TABLE contents ("
    " content_id INTEGER PRIMARY KEY,"
    " content TEXT NOT NULL,"
    " custom_parameters TEXT NOT NULL) STRICT;"

    /*
     * is_open says `new` or `paid` once more, so that the update from one to the other, which does
     * not name this column, leaves the index orders_open alone.
     */
    "CREATE TABLE orders ("
    " project_id INTEGER NOT NULL,"
    " order_id INTEGER NOT NULL,"
    " user_id INTEGER NOT NULL,"
    " status INTEGER NOT NULL,"
    " seq INTEGER NOT NULL,"
    " is_open INTEGER NOT NULL,"
    " is_free INTEGER NOT NULL,"
    " content_id INTEGER NOT NULL," /* 0: none */
    " cancel_reason TEXT NOT NULL,"
    " created_at INTEGER NOT NULL,"
    " updated_at INTEGER NOT NULL,"
    " PRIMARY KEY (project_id, order_id)) STRICT, WITHOUT ROWID;"
    "CREATE INDEX orders_by_user ON orders (user_id, order_id);"
    "CREATE INDEX orders_open ON orders (user_id, order_id) WHERE is_open = 1;"

    "CREATE TABLE events ("
    " project_id INTEGER NOT NULL,"
    " order_id INTEGER NOT NULL,"
    " seq INTEGER NOT NULL,"
    " status INTEGER NOT NULL,"
    " previous INTEGER NOT NULL,"
    " synthetic INTEGER NOT NULL,"
    " offset INTEGER NOT NULL,"
    " occurred_at INTEGER NOT NULL,"
    " PRIMARY KEY (project_id, order_id, seq)) STRICT, WITHOUT ROWID;"

    "CREATE TABLE stream ("
    " user_id INTEGER NOT NULL,"
    " offset INTEGER NOT NULL,"
    " order_id INTEGER NOT NULL,"
    " status INTEGER NOT NULL,"
    " occurred_at INTEGER NOT NULL,"
    " PRIMARY KEY (user_id, offset)) STRICT, WITHOUT ROWID;"

    "CREATE TABLE idempotency ("
    " row_id INTEGER PRIMARY KEY,"
    " project_id INTEGER NOT NULL,"
    " key TEXT NOT NULL,"
    " request_hash BLOB NOT NULL,"
    " answer BLOB NOT NULL,"
    " expires_at INTEGER NOT NULL,"
    " UNIQUE (project_id, key)) STRICT;"
    "CREATE INDEX idempotency_by_expiry ON idempotency (expires_at);",

    /* Ids of endpoints are never given twice: deliveries outlive their endpoint. */
    "CREATE TABLE endpoints ("
    " endpoint_id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " project_id INTEGER NOT NULL,"
    " state INTEGER NOT NULL,"
    " state_reason TEXT NOT NULL,"
    " settings TEXT NOT NULL,"
    " secrets BLOB NOT NULL,"
    " created_at INTEGER NOT NULL,"
    " updated_at INTEGER NOT NULL) STRICT;"
    "CREATE INDEX endpoints_by_project ON endpoints (project_id);"

    /* How many deliveries of an endpoint are not finished. */
    "CREATE TABLE backlogs ("
    " endpoint_id INTEGER PRIMARY KEY,"
    " count INTEGER NOT NULL) STRICT;"

    /*
     * Its ids rise for ever without AUTOINCREMENT, which costs a row of its own each time, because
     * pruning leaves the newest one. What an order's delivery says is the order's content of its
     * moment: content_id names a row of contents that nobody changes. body is of those of no order.
     */
    "CREATE TABLE deliveries ("
    " delivery_id INTEGER PRIMARY KEY,"
    " endpoint_id INTEGER NOT NULL,"
    " project_id INTEGER NOT NULL,"
    " order_id INTEGER NOT NULL," /* 0: none */
    " seq INTEGER NOT NULL,"
    " state INTEGER NOT NULL," /* below 2: not finished */
    " attempts INTEGER NOT NULL,"
    " step INTEGER NOT NULL,"
    " next_at INTEGER NOT NULL,"
    " created_at INTEGER NOT NULL,"
    " finished_at INTEGER NOT NULL,"
    " content_id INTEGER NOT NULL," /* 0: none */
    " is_free INTEGER NOT NULL,"
    " cancel_reason TEXT NOT NULL,"
    " type TEXT NOT NULL,"
    " body BLOB NOT NULL) STRICT;"
    "CREATE INDEX deliveries_by_project ON deliveries (project_id);"
    "CREATE INDEX deliveries_by_endpoint ON deliveries (endpoint_id);"
    "CREATE INDEX deliveries_by_order ON deliveries (project_id, order_id);"
    "CREATE INDEX deliveries_waiting ON deliveries (endpoint_id, next_at) WHERE state = 0;"
    "CREATE INDEX deliveries_lane ON deliveries (endpoint_id, order_id, seq) WHERE state < 2;"
    "CREATE INDEX deliveries_open ON deliveries (endpoint_id) WHERE state < 2;"
    "CREATE INDEX deliveries_dead ON deliveries (endpoint_id) WHERE state = 3;"

    /*
     * attempt_id is delivery_id * 2^20 + number: those of a delivery are found without an index. The
     * millionth attempt at one delivery takes the place of the one before.
     */
    "CREATE TABLE attempts ("
    " attempt_id INTEGER PRIMARY KEY,"
    " started_at INTEGER NOT NULL,"
    " duration_us INTEGER NOT NULL,"
    " status INTEGER NOT NULL,"
    " error TEXT NOT NULL,"
    " address TEXT NOT NULL,"
    " headers BLOB NOT NULL,"
    " body BLOB NOT NULL) STRICT;"

    "CREATE TABLE replays ("
    " replay_id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " project_id INTEGER NOT NULL,"
    " endpoint_id INTEGER NOT NULL,"
    " since INTEGER NOT NULL,"
    " until INTEGER NOT NULL,"
    " cursor INTEGER NOT NULL,"
    " replayed INTEGER NOT NULL,"
    " finished_at INTEGER NOT NULL,"
    " created_at INTEGER NOT NULL) STRICT;"
    "CREATE INDEX replays_by_end ON replays (finished_at);",

    "CREATE TABLE revocations ("
    " project_id INTEGER NOT NULL,"
    " external_id TEXT NOT NULL," /* empty: all users */
    " before INTEGER NOT NULL,"
    " PRIMARY KEY (project_id, external_id)) STRICT, WITHOUT ROWID;",
};

#define SCHEMA_VERSION ((int64_t)ARRAY_LENGTH(migrations))

/* Larger files are not read through at every start. */
enum { CHECK_WHOLE_SIZE = 16 * 1024 * 1024 };

enum { WAL_HEADER_SIZE = 32, WAL_FRAME_HEADER_SIZE = 24 };

static int64_t file_size(const char *path, const char *suffix)
{
    struct stat status;
    char *name = sqlite3_mprintf("%s%s", path, suffix);
    int64_t size = name && stat(name, &status) == 0 ? (int64_t)status.st_size : 0;
    sqlite3_free(name);
    return size;
}

int sqlite_schema_query(sqlite3 *db, const char *sql, int64_t *value)
{
    sqlite3_stmt *statement;
    int code = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);
    if (code != SQLITE_OK)
        return code;
    *value = 0;
    if (sqlite3_step(statement) == SQLITE_ROW)
        *value = sqlite3_column_int64(statement, 0);
    return sqlite3_finalize(statement);
}

/* The sentence for a database handle that has just given an error. */
static int refuse_failed(char error[STORE_ERROR_SIZE], sqlite3 *db, const char *path)
{
    int result = sqlite_error(db);
    const char *what = result == ERR_CORRUPT    ? "is damaged, and left as it is"
                       : result == ERR_NO_SPACE ? "has no space left on its disk"
                                                : "cannot be used";
    return sqlite_store_refuse(error, result, "the database %s (%s): %s", what, sqlite3_errmsg(db),
                               path);
}

static int execute(sqlite3 *db, const char *sql)
{
    return sqlite3_exec(db, sql, NULL, NULL, NULL);
}

/* All or nothing: after a failure the program of before finds its schema as it was. */
static int migrate(sqlite3 *db, int64_t from)
{
    if (from == SCHEMA_VERSION)
        return SQLITE_OK;
    int code = execute(db, "BEGIN IMMEDIATE");
    for (int64_t version = from; code == SQLITE_OK && version < SCHEMA_VERSION; version++)
        code = execute(db, migrations[version]);
    if (code != SQLITE_OK)
        return code;
    char *end =
        sqlite3_mprintf("PRAGMA user_version = %lld; COMMIT", (sqlite3_int64)SCHEMA_VERSION);
    code = end ? execute(db, end) : SQLITE_NOMEM;
    sqlite3_free(end);
    return code;
}

static int put_meta(sqlite3 *db, const char *key, const void *value, size_t length)
{
    sqlite3_stmt *statement;
    int code =
        sqlite3_prepare_v2(db, "INSERT OR REPLACE INTO meta VALUES (?1, ?2)", -1, &statement, NULL);
    if (code != SQLITE_OK)
        return code;
    sqlite3_bind_text(statement, 1, key, -1, SQLITE_STATIC);
    sqlite3_bind_blob(statement, 2, value, (int)length, SQLITE_STATIC);
    sqlite3_step(statement);
    return sqlite3_finalize(statement);
}

/* ERR_NOT_FOUND when it is not there, ERR_CORRUPT when it is of another length. */
static int get_meta(sqlite3 *db, const char *key, void *value, size_t length)
{
    sqlite3_stmt *statement;
    if (sqlite3_prepare_v2(db, "SELECT value FROM meta WHERE key = ?1", -1, &statement, NULL) !=
        SQLITE_OK)
        return sqlite_error(db);
    sqlite3_bind_text(statement, 1, key, -1, SQLITE_STATIC);
    int result = sqlite3_step(statement) == SQLITE_ROW ? ERR_CORRUPT : ERR_NOT_FOUND;
    if (result == ERR_CORRUPT && (size_t)sqlite3_column_bytes(statement, 0) == length) {
        memcpy(value, sqlite3_column_blob(statement, 0), length);
        result = 0;
    }
    return sqlite3_finalize(statement) == SQLITE_OK ? result : sqlite_error(db);
}

int sqlite_schema_forget_epoch(sqlite3 *db)
{
    return execute(db, "DELETE FROM meta WHERE key = 'epoch'");
}

/* A database without an epoch is a backup that was put in place. */
static int read_epoch(sqlite3 *db, char epoch[STORE_EPOCH_LENGTH + 1])
{
    struct store_identity fresh;
    epoch[STORE_EPOCH_LENGTH] = '\0';
    int result = get_meta(db, "epoch", epoch, STORE_EPOCH_LENGTH);
    if (result != ERR_NOT_FOUND)
        return result;
    store_identity_draw(&fresh);
    memcpy(epoch, fresh.epoch, STORE_EPOCH_LENGTH);
    mem_wipe(&fresh, sizeof(fresh));
    return put_meta(db, "epoch", epoch, STORE_EPOCH_LENGTH) == SQLITE_OK ? 0 : sqlite_error(db);
}

/* The file is there already, empty. */
static int fill_new(const char *path, char error[STORE_ERROR_SIZE])
{
    struct store_identity identity;
    store_identity_draw(&identity);
    sqlite3 *db;
    int code = sqlite_open(path, STORE_WRITER, &db);
    if (code == SQLITE_OK)
        code = migrate(db, 0);
    if (code == SQLITE_OK)
        code = put_meta(db, "epoch", identity.epoch, STORE_EPOCH_LENGTH);
    if (code == SQLITE_OK)
        code = put_meta(db, "token_key", identity.token_key, STORE_TOKEN_KEY_SIZE);
    char *mark = sqlite3_mprintf("PRAGMA application_id = %d", SQLITE_STORE_APPLICATION_ID);
    if (code == SQLITE_OK)
        code = execute(db, mark);
    sqlite3_free(mark);
    if (code == SQLITE_OK)
        code = sqlite3_wal_checkpoint_v2(db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    int result = code == SQLITE_OK ? 0 : refuse_failed(error, db, path);
    sqlite3_close(db);
    mem_wipe(&identity, sizeof(identity));
    return result;
}

static int refuse_errno(char error[STORE_ERROR_SIZE], const char *path)
{
    int result = errno == ENOSPC || errno == EDQUOT ? ERR_NO_SPACE : ERR_IO;
    return sqlite_store_refuse(error, result, "the database cannot be made (%m): %s", path);
}

int sqlite_schema_create(const char *path, char error[STORE_ERROR_SIZE])
{
    /* SQLite would take an old log for this database's. */
    if (file_size(path, "-wal") > 0)
        return sqlite_store_refuse(error, ERR_CORRUPT,
                                   "the database is missing, but its log is there: %s-wal", path);
    char *temporary = sqlite3_mprintf("%s.new", path);
    if (!temporary)
        return ERR_IO;
    sqlite_store_remove(temporary);
    int result = 0;
    int fd = open(temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        result = refuse_errno(error, path);
        goto out;
    }
    close(fd);
    result = fill_new(temporary, error);
    if (result)
        goto out;
    if (sqlite_store_sync(temporary) || rename(temporary, path) || sqlite_store_sync(path))
        result = refuse_errno(error, path);
out:
    if (result)
        sqlite_store_remove(temporary);
    sqlite3_free(temporary);
    return result;
}

/*
 * Pages that the database counts are in the file or in the log. SQLite looks for itself only when
 * there is no log.
 */
static int check_pages(sqlite3 *db, const char *path, char error[STORE_ERROR_SIZE])
{
    int64_t page_count;
    int64_t page_size;
    if (sqlite_schema_query(db, "PRAGMA page_count", &page_count) != SQLITE_OK ||
        sqlite_schema_query(db, "PRAGMA page_size", &page_size) != SQLITE_OK || page_size <= 0)
        return refuse_failed(error, db, path);
    int64_t in_file = file_size(path, "") / page_size;
    int64_t in_log =
        (file_size(path, "-wal") - WAL_HEADER_SIZE) / (page_size + WAL_FRAME_HEADER_SIZE);
    if (in_file + (in_log > 0 ? in_log : 0) < page_count)
        return sqlite_store_refuse(error, ERR_CORRUPT,
                                   "the database is cut off, and left as it is: %s", path);
    return 0;
}

static int check_version(sqlite3 *db, const char *path, char error[STORE_ERROR_SIZE])
{
    int64_t version;
    if (sqlite_schema_query(db, "PRAGMA user_version", &version) != SQLITE_OK)
        return refuse_failed(error, db, path);
    if (version < 1)
        return sqlite_store_refuse(error, ERR_CORRUPT,
                                   "the database has no schema, and is left as it is: %s", path);
    if (version > SCHEMA_VERSION)
        return sqlite_store_refuse(
            error, ERR_UNSUPPORTED,
            "the database was written by a newer Orderwire (schema %lld, this one knows %lld): %s",
            (long long)version, (long long)SCHEMA_VERSION, path);
    return 0;
}

static int check_database(sqlite3 *db, const char *path, char error[STORE_ERROR_SIZE])
{
    int64_t value;
    if (sqlite_schema_query(db, "PRAGMA application_id", &value) != SQLITE_OK)
        return refuse_failed(error, db, path);
    if (value != SQLITE_STORE_APPLICATION_ID)
        return sqlite_store_refuse(error, ERR_CORRUPT,
                                   "the file is no database of Orderwire, and left as it is: %s",
                                   path);
    int result = check_version(db, path, error);
    if (result == 0)
        result = check_pages(db, path, error);
    if (result)
        return result;
    bool whole = file_size(path, "") < CHECK_WHOLE_SIZE;
    int code = sqlite_schema_query(
        db,
        whole ? "SELECT count(*) FROM pragma_quick_check WHERE quick_check <> 'ok'"
              : "SELECT count(*) = 0 FROM sqlite_schema",
        &value);
    if (code != SQLITE_OK)
        return refuse_failed(error, db, path);
    if (value != 0)
        return sqlite_store_refuse(error, ERR_CORRUPT,
                                   "the database is damaged, and left as it is: %s", path);
    return 0;
}

int sqlite_schema_check(const char *path, char error[STORE_ERROR_SIZE])
{
    if (file_size(path, "") == 0)
        return sqlite_store_refuse(error, ERR_CORRUPT,
                                   "the database is empty, and left as it is: %s", path);
    sqlite3 *db;
    int result = sqlite_open(path, STORE_READER, &db) == SQLITE_OK ? check_database(db, path, error)
                                                                   : refuse_failed(error, db, path);
    sqlite3_close(db);
    return result;
}

int sqlite_schema_upgrade(const char *path, struct store_identity *identity,
                          char error[STORE_ERROR_SIZE])
{
    sqlite3 *db;
    int64_t version;
    int result = 0;
    int code = sqlite_open(path, STORE_WRITER, &db);
    if (code == SQLITE_OK)
        code = sqlite_schema_query(db, "PRAGMA user_version", &version);
    if (code == SQLITE_OK)
        code = migrate(db, version);
    if (code != SQLITE_OK) {
        result = refuse_failed(error, db, path);
        goto out;
    }
    result = read_epoch(db, identity->epoch);
    if (result == 0)
        result = get_meta(db, "token_key", identity->token_key, STORE_TOKEN_KEY_SIZE);
    if (result == ERR_NOT_FOUND)
        result = ERR_CORRUPT;
    if (result)
        sqlite_store_refuse(error, result, "the database has lost its identity: %s", path);
out:
    sqlite3_close(db);
    return result;
}
