/* SPDX-License-Identifier: Apache-2.0 */
/* What is SQLite's alone: the files, what is refused at opening, and life after a failure. */
#include "store/store_fixture.h"

#include "base/log.h"
#include "store/sqlite/sqlite_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

struct bytes {
    char *ptr;
    size_t len;
};

static const char *path_of(const struct fixture *f, const char *name)
{
    static char path[128];
    snprintf(path, sizeof(path), "%s/%s", f->directory, name);
    return path;
}

static struct bytes read_bytes(const char *path)
{
    struct bytes bytes = {NULL, 0};
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    bytes.len = (size_t)ftell(file);
    rewind(file);
    bytes.ptr = mem_alloc(bytes.len + 1);
    assert_int_equal(fread(bytes.ptr, 1, bytes.len, file), bytes.len);
    fclose(file);
    return bytes;
}

static void write_bytes(const char *path, const void *bytes, size_t length)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, length, file), length);
    fclose(file);
}

/* The store of the fixture is closed; opening must fail, with this sentence, and change nothing. */
static void assert_refused(struct fixture *f, int expected, const char *sentence)
{
    char error[STORE_ERROR_SIZE];
    struct bytes before = read_bytes(path_of(f, SQLITE_STORE_FILE));
    assert_int_equal(store_open(f->driver, &f->options, &f->store, error), expected);
    if (!strstr(error, sentence))
        fail_msg("\"%s\" is not in \"%s\"", sentence, error);
    struct bytes after = read_bytes(path_of(f, SQLITE_STORE_FILE));
    assert_int_equal(before.len, after.len);
    assert_memory_equal(before.ptr, after.ptr, before.len);
    mem_free(before.ptr);
    mem_free(after.ptr);
    assert_null(f->store);
}

static void execute(struct fixture *f, const char *sql)
{
    sqlite3 *db;
    assert_int_equal(sqlite3_open(path_of(f, SQLITE_STORE_FILE), &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void reopening_keeps_everything(void **state)
{
    struct fixture *f = *state;
    struct store_identity identity = *store_identity(f->store);
    struct store_order order;
    add_order(f, 5, add_user(f, "u1"), ORDER_PAID);
    close_fixture(f);
    open_fixture(f);
    assert_memory_equal(&identity, store_identity(f->store), sizeof(identity));
    assert_int_equal(store_order_get(f->reader, PROJECT, 5, &order), 0);
    assert_int_equal(order.status, ORDER_PAID);
    assert_str(order.user_external_id, "u1");
}

/* Also when a reader goes last, who may not write to it. */
static void after_closing_all_is_in_one_file(void **state)
{
    struct fixture *f = *state;
    struct store_order order;
    add_order(f, 5, add_user(f, "u1"), ORDER_PAID);
    store_disconnect(&f->writer);
    store_disconnect(&f->reader);
    store_close(&f->store);
    assert_int_not_equal(access(path_of(f, SQLITE_STORE_FILE "-wal"), F_OK), 0);
    open_fixture(f);
    assert_int_equal(store_order_get(f->reader, PROJECT, 5, &order), 0);
}

static void files_are_private(void **state)
{
    static const char *const names[] = {"lock", "orderwire.db", "orderwire.db-wal",
                                        "orderwire.db-shm"};
    struct fixture *f = *state;
    add_user(f, "u1");
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        struct stat status;
        assert_int_equal(stat(path_of(f, names[i]), &status), 0);
        assert_int_equal(status.st_mode & 07777, 0600);
    }
}

static void the_cache_is_as_large_as_told(void **state)
{
    struct fixture *f = *state;
    int64_t kib;
    assert_int_equal(sqlite_schema_query(sqlite_of(f->writer)->db,
                                         "SELECT cache_size FROM pragma_cache_size", &kib),
                     SQLITE_OK);
    assert_int_equal(kib, -64 * 1024);
    close_fixture(f);
    f->options.cache_bytes = 2048 * 1024;
    open_fixture(f);
    assert_int_equal(sqlite_schema_query(sqlite_of(f->writer)->db,
                                         "SELECT cache_size FROM pragma_cache_size", &kib),
                     SQLITE_OK);
    assert_int_equal(kib, -2048);
}

static void second_server_is_refused(void **state)
{
    struct fixture *f = *state;
    char error[STORE_ERROR_SIZE];
    struct store *second = NULL;
    assert_int_equal(store_open(f->driver, &f->options, &second, error), ERR_EXISTS);
    assert_non_null(strstr(error, f->directory));
    assert_null(second);
    add_user(f, "u1");
    close_fixture(f);
    open_fixture(f);
}

/* A directory whose database is a link: to one of another directory, or of the same. */
static void second_server_through_a_link_is_refused(void **state)
{
    struct fixture *f = *state;
    struct store_options options = f->options;
    struct store *second = NULL;
    char error[STORE_ERROR_SIZE];
    char directory[sizeof(f->directory) + 8];
    char link[sizeof(directory) + 16];
    char lock[sizeof(directory) + 8];
    char renamed[sizeof(directory) + 16];
    snprintf(directory, sizeof(directory), "%s.second", f->directory);
    snprintf(link, sizeof(link), "%s/" SQLITE_STORE_FILE, directory);
    snprintf(lock, sizeof(lock), "%s/lock", directory);
    snprintf(renamed, sizeof(renamed), "%s/renamed", f->directory);
    options.directory = directory;
    assert_int_equal(mkdir(directory, 0700), 0);
    assert_int_equal(symlink(path_of(f, SQLITE_STORE_FILE), link), 0);
    assert_int_equal(store_open(f->driver, &options, &second, error), ERR_EXISTS);
    assert_non_null(strstr(error, "another server is using the data directory"));
    close_fixture(f);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(store_open(f->driver, &options, &second, error), 0);
        assert_int_equal(store_open(f->driver, &f->options, &f->store, error), ERR_EXISTS);
        store_close(&second);
    }
    assert_int_equal(rename(path_of(f, SQLITE_STORE_FILE), renamed), 0);
    assert_int_equal(symlink("renamed", path_of(f, SQLITE_STORE_FILE)), 0);
    open_fixture(f);
    assert_int_equal(unlink(link) | unlink(lock) | rmdir(directory), 0);
}

/* Whoever has a store whose directory was moved away leaves alone what another one has in its place. */
static void what_came_in_its_place_is_left_alone(void **state)
{
    static const struct timespec long_ago[2] = {{.tv_sec = 1}, {.tv_sec = 1}};
    struct fixture *f = *state;
    struct fixture moved;
    struct stat status;
    char away[sizeof(f->directory) + 8];
    add_user(f, "u1");
    snprintf(away, sizeof(away), "%s.away", f->directory);
    assert_int_equal(rename(f->directory, away), 0);
    assert_int_equal(mkdir(f->directory, 0700), 0);
    moved = *f;
    open_fixture(f);
    add_user(f, "u2");
    assert_int_equal(utimensat(AT_FDCWD, path_of(f, SQLITE_STORE_FILE "-wal"), long_ago, 0), 0);
    sqlite_of(moved.writer)->broken = true;
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    log_set_fd(null);
    assert_int_equal(store_begin(moved.writer), ERR_IO);
    log_set_fd(-1);
    close(null);
    close_fixture(&moved);
    assert_int_equal(stat(path_of(f, SQLITE_STORE_FILE "-wal"), &status), 0);
    assert_int_equal(status.st_mtime, 1);
    remove_directory(away);
}

/* The same of where a link to the database leads. */
static void what_came_where_a_link_leads_is_left_alone(void **state)
{
    static const struct timespec long_ago[2] = {{.tv_sec = 1}, {.tv_sec = 1}};
    struct fixture *f = *state;
    struct fixture linked = *f;
    struct stat status;
    char directory[sizeof(f->directory) + 8];
    char link[sizeof(directory) + 16];
    char away[sizeof(f->directory) + 8];
    snprintf(directory, sizeof(directory), "%s.second", f->directory);
    snprintf(link, sizeof(link), "%s/" SQLITE_STORE_FILE, directory);
    snprintf(away, sizeof(away), "%s.away", f->directory);
    close_fixture(f);
    assert_int_equal(mkdir(directory, 0700), 0);
    assert_int_equal(symlink(path_of(f, SQLITE_STORE_FILE), link), 0);
    linked.options.directory = directory;
    open_fixture(&linked);
    add_user(&linked, "u1");
    assert_int_equal(rename(f->directory, away), 0);
    assert_int_equal(mkdir(f->directory, 0700), 0);
    open_fixture(f);
    add_user(f, "u2");
    assert_int_equal(utimensat(AT_FDCWD, path_of(f, SQLITE_STORE_FILE "-wal"), long_ago, 0), 0);
    close_fixture(&linked);
    assert_int_equal(stat(path_of(f, SQLITE_STORE_FILE "-wal"), &status), 0);
    assert_int_equal(status.st_mtime, 1);
    remove_directory(away);
    remove_directory(directory);
}

static void missing_directory_is_refused(void **state)
{
    struct fixture *f = *state;
    char error[STORE_ERROR_SIZE];
    struct store *other = NULL;
    struct store_options options = f->options;
    options.directory = "/nonexistent/orderwire";
    assert_int_equal(store_open(f->driver, &options, &other, error), ERR_IO);
    assert_non_null(strstr(error, "No such file"));
}

static void newer_schema_is_refused(void **state)
{
    struct fixture *f = *state;
    close_fixture(f);
    execute(f, "PRAGMA user_version = 7");
    assert_refused(f, ERR_UNSUPPORTED,
                   "the database was written by a newer Orderwire (schema 7, this one knows 3)");
    execute(f, "PRAGMA user_version = 0");
    assert_refused(f, ERR_CORRUPT, "no schema");
    execute(f, "PRAGMA user_version = 3");
    open_fixture(f);
}

#define WITHOUT_WEBHOOKS                                                                           \
    "DROP TABLE endpoints; DROP TABLE backlogs; DROP TABLE deliveries; DROP TABLE attempts;"       \
    "DROP TABLE replays; PRAGMA user_version = 1"

static void older_schemas_are_brought_up_to_date(void **state)
{
    static const char *const older[] = {
        "DROP TABLE revocations; PRAGMA user_version = 2",
        "DROP TABLE revocations;" WITHOUT_WEBHOOKS,
    };
    struct fixture *f = *state;
    struct store_identity identity = *store_identity(f->store);
    struct store_order order;
    int64_t before;
    add_order(f, 5, add_user(f, "u1"), ORDER_PAID);
    for (size_t i = 0; i < ARRAY_LENGTH(older); i++) {
        close_fixture(f);
        execute(f, older[i]);
        open_fixture(f);
        assert_memory_equal(&identity, store_identity(f->store), sizeof(identity));
        assert_int_equal(store_order_get(f->reader, PROJECT, 5, &order), 0);
        assert_int_equal(store_revocation_get(f->reader, PROJECT, STR_LIT("u1"), &before), 0);
        assert_int_equal(before, 0);
        assert_int_equal(store_revocation_put(f->writer, PROJECT, STR_LIT("u1"), 7), 0);
    }
    close_fixture(f);
    /* Two scripts are due, and the second one cannot be run: the first one has changed nothing either. */
    execute(f, WITHOUT_WEBHOOKS);
    assert_refused(f, ERR_IO, "revocations already exists");
    execute(f, "DROP TABLE revocations");
    open_fixture(f);
    assert_int_equal(store_order_get(f->reader, PROJECT, 5, &order), 0);
}

static void damage_empty(struct bytes *bytes)
{
    bytes->len = 0;
}

static void damage_garbage(struct bytes *bytes)
{
    memset(bytes->ptr, 'g', bytes->len);
}

static void damage_cut(struct bytes *bytes)
{
    bytes->len -= 4096;
}

static void damage_cut_in_a_page(struct bytes *bytes)
{
    bytes->len -= 5;
}

static void damage_header_only(struct bytes *bytes)
{
    bytes->len = 100;
}

static void damage_page(struct bytes *bytes)
{
    memset(bytes->ptr + 4096 * 3, 0x5a, 4096);
}

static void damage_schema(struct bytes *bytes)
{
    memset(bytes->ptr + 100, 0x5a, 3996);
}

static void damaged_files_are_refused(void **state)
{
    static const struct {
        void (*damage)(struct bytes *bytes);
        const char *sentence;
    } rows[] = {
        {damage_empty, "is empty, and left as it is"},
        {damage_garbage, "is damaged, and left as it is"},
        {damage_cut, "is damaged, and left as it is"},
        {damage_cut_in_a_page, "is cut off, and left as it is"},
        {damage_header_only, "left as it is"},
        {damage_page, "is damaged, and left as it is"},
        {damage_schema, "is damaged, and left as it is"},
    };
    struct fixture *f = *state;
    add_order(f, 1, add_user(f, "u1"), ORDER_NEW);
    close_fixture(f);
    struct bytes whole = read_bytes(path_of(f, SQLITE_STORE_FILE));
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct bytes damaged = {mem_dup(whole.ptr, whole.len), whole.len};
        rows[i].damage(&damaged);
        write_bytes(path_of(f, SQLITE_STORE_FILE), damaged.ptr, damaged.len);
        assert_refused(f, ERR_CORRUPT, rows[i].sentence);
        mem_free(damaged.ptr);
    }
    write_bytes(path_of(f, SQLITE_STORE_FILE), whole.ptr, whole.len);
    mem_free(whole.ptr);
    open_fixture(f);
}

static void foreign_database_is_refused(void **state)
{
    struct fixture *f = *state;
    close_fixture(f);
    execute(f, "PRAGMA application_id = 5");
    assert_refused(f, ERR_CORRUPT, "no database of Orderwire");
    unlink(path_of(f, SQLITE_STORE_FILE));
    execute(f, "CREATE TABLE notes (text)");
    assert_refused(f, ERR_CORRUPT, "no database of Orderwire");
    unlink(path_of(f, SQLITE_STORE_FILE));
    open_fixture(f);
}

/* A database as a power failure leaves it: the log is there and not yet in the file. */
static void take_crashed(struct fixture *f, struct bytes *file, struct bytes *log)
{
    begin(f);
    add_order(f, 1, add_user(f, "u1"), ORDER_NEW);
    commit(f);
    *file = read_bytes(path_of(f, SQLITE_STORE_FILE));
    *log = read_bytes(path_of(f, SQLITE_STORE_FILE "-wal"));
    close_fixture(f);
    write_bytes(path_of(f, SQLITE_STORE_FILE), file->ptr, file->len);
    write_bytes(path_of(f, SQLITE_STORE_FILE "-wal"), log->ptr, log->len);
}

static void log_is_taken_up(void **state)
{
    struct fixture *f = *state;
    struct bytes file;
    struct bytes log;
    struct store_order order;
    take_crashed(f, &file, &log);
    open_fixture(f);
    assert_int_equal(store_order_get(f->reader, PROJECT, 1, &order), 0);
    mem_free(file.ptr);
    mem_free(log.ptr);
}

static void damage_beside_a_log_is_refused(void **state)
{
    struct fixture *f = *state;
    struct bytes file;
    struct bytes log;
    char error[STORE_ERROR_SIZE];
    take_crashed(f, &file, &log);
    write_bytes(path_of(f, SQLITE_STORE_FILE), file.ptr, 4096);
    assert_refused(f, ERR_CORRUPT, "left as it is");
    unlink(path_of(f, SQLITE_STORE_FILE));
    assert_int_equal(store_open(f->driver, &f->options, &f->store, error), ERR_CORRUPT);
    assert_non_null(strstr(error, "its log is there"));
    assert_int_not_equal(access(path_of(f, SQLITE_STORE_FILE), F_OK), 0);
    struct bytes kept = read_bytes(path_of(f, SQLITE_STORE_FILE "-wal"));
    assert_int_equal(kept.len, log.len);
    assert_memory_equal(kept.ptr, log.ptr, log.len);
    write_bytes(path_of(f, SQLITE_STORE_FILE), file.ptr, file.len);
    open_fixture(f);
    mem_free(file.ptr);
    mem_free(log.ptr);
    mem_free(kept.ptr);
}

/* What a first start leaves when it is killed. */
static void unfinished_creation_begins_again(void **state)
{
    struct fixture *f = *state;
    close_fixture(f);
    unlink(path_of(f, SQLITE_STORE_FILE));
    write_bytes(path_of(f, SQLITE_STORE_FILE ".new"), "half", 4);
    write_bytes(path_of(f, SQLITE_STORE_FILE ".new-wal"), "half", 4);
    open_fixture(f);
    assert_int_not_equal(access(path_of(f, SQLITE_STORE_FILE ".new"), F_OK), 0);
    assert_int_not_equal(access(path_of(f, SQLITE_STORE_FILE ".new-wal"), F_OK), 0);
}

/* No statement may go through a whole table. */
static void every_statement_uses_an_index(void **state)
{
    static const char *const plans[] = {
#define STATEMENT(name, sql) "EXPLAIN QUERY PLAN " sql,
#include "store/sqlite/sqlite_statements.def"
    };
    struct fixture *f = *state;
    sqlite3 *db = ((struct sqlite_connection *)f->writer)->db;
    for (size_t i = 0; i < ARRAY_LENGTH(plans); i++) {
        sqlite3_stmt *statement;
        assert_int_equal(sqlite3_prepare_v2(db, plans[i], -1, &statement, NULL), SQLITE_OK);
        while (sqlite3_step(statement) == SQLITE_ROW) {
            const char *line = (const char *)sqlite3_column_text(statement, 3);
            if (strncmp(line, "SCAN", 4) == 0)
                fail_msg("%s: %s", plans[i], line);
        }
        assert_int_equal(sqlite3_finalize(statement), SQLITE_OK);
    }
}

static char *backup_path(const struct fixture *f)
{
    char *path = mem_alloc(128);
    snprintf(path, 128, "%s/copy", f->directory);
    return path;
}

static void backup_has_everything_and_overwrites_nothing(void **state)
{
    struct fixture *f = *state;
    char error[STORE_ERROR_SIZE];
    struct store_identity identity = *store_identity(f->store);
    struct store_order order;
    struct stat status;
    char *copy = backup_path(f);
    add_order(f, 5, add_user(f, "u1"), ORDER_PAID);
    if (store_backup(f->driver, f->directory, copy, NULL, error))
        fail_msg("%s", error);
    assert_int_equal(stat(copy, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0600);
    assert_int_equal(store_backup(f->driver, f->directory, copy, NULL, error), ERR_EXISTS);
    assert_non_null(strstr(error, copy));
    add_order(f, 6, 1, ORDER_PAID);
    close_fixture(f);

    assert_int_equal(rename(copy, path_of(f, SQLITE_STORE_FILE)), 0);
    open_fixture(f);
    assert_memory_equal(identity.token_key, store_identity(f->store)->token_key,
                        STORE_TOKEN_KEY_SIZE);
    assert_int_equal(strlen(store_identity(f->store)->epoch), STORE_EPOCH_LENGTH);
    assert_string_not_equal(identity.epoch, store_identity(f->store)->epoch);
    assert_int_equal(store_order_get(f->reader, PROJECT, 5, &order), 0);
    assert_int_equal(store_order_get(f->reader, PROJECT, 6, &order), ERR_NOT_FOUND);
    mem_free(copy);
}

/* What clients saw after the first time is not there after the second. */
static void each_restore_has_an_epoch_of_its_own(void **state)
{
    struct fixture *f = *state;
    char error[STORE_ERROR_SIZE];
    char epochs[3][STORE_EPOCH_LENGTH + 1];
    char *copy = backup_path(f);
    assert_int_equal(store_backup(f->driver, f->directory, copy, NULL, error), 0);
    struct bytes bytes = read_bytes(copy);
    for (size_t i = 0; i < ARRAY_LENGTH(epochs); i++) {
        memcpy(epochs[i], store_identity(f->store)->epoch, sizeof(epochs[i]));
        close_fixture(f);
        open_fixture(f);
        assert_string_equal(epochs[i], store_identity(f->store)->epoch);
        close_fixture(f);
        write_bytes(path_of(f, SQLITE_STORE_FILE), bytes.ptr, bytes.len);
        open_fixture(f);
    }
    assert_int_equal(strlen(epochs[1]), STORE_EPOCH_LENGTH);
    assert_string_not_equal(epochs[0], epochs[1]);
    assert_string_not_equal(epochs[1], epochs[2]);
    mem_free(bytes.ptr);
    mem_free(copy);
}

static void backup_of_nothing_leaves_nothing(void **state)
{
    struct fixture *f = *state;
    char error[STORE_ERROR_SIZE];
    char *copy = backup_path(f);
    int files = 0;
    assert_int_equal(store_backup(f->driver, "/nonexistent", copy, NULL, error), ERR_NOT_FOUND);
    assert_non_null(strstr(error, "there is no database (No such file or directory): "));
    assert_int_equal(store_backup(f->driver, f->directory, "/nonexistent/copy", NULL, error),
                     ERR_IO);
    assert_non_null(strstr(error, "/nonexistent/copy"));
    close_fixture(f);
    write_bytes(path_of(f, SQLITE_STORE_FILE), "garbage", 7);
    assert_int_equal(store_backup(f->driver, f->directory, copy, NULL, error), ERR_CORRUPT);
    unlink(path_of(f, SQLITE_STORE_FILE));
    execute(f, "CREATE TABLE notes (text)");
    assert_int_equal(store_backup(f->driver, f->directory, copy, NULL, error), ERR_CORRUPT);
    unlink(path_of(f, SQLITE_STORE_FILE));
    assert_int_equal(store_backup(f->driver, f->directory, copy, NULL, error), ERR_NOT_FOUND);
    assert_int_not_equal(access(path_of(f, SQLITE_STORE_FILE), F_OK), 0);
    DIR *directory = opendir(f->directory);
    for (struct dirent *entry; (entry = readdir(directory));)
        files += strncmp(entry->d_name, "copy", 4) == 0;
    closedir(directory);
    assert_int_equal(files, 0);
    mem_free(copy);
    open_fixture(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON(sqlite, reopening_keeps_everything),
        ON(sqlite, after_closing_all_is_in_one_file),
        ON(sqlite, files_are_private),
        ON(sqlite, the_cache_is_as_large_as_told),
        ON(sqlite, second_server_is_refused),
        ON(sqlite, second_server_through_a_link_is_refused),
        ON(sqlite, what_came_in_its_place_is_left_alone),
        ON(sqlite, what_came_where_a_link_leads_is_left_alone),
        ON(sqlite, missing_directory_is_refused),
        ON(sqlite, newer_schema_is_refused),
        ON(sqlite, older_schemas_are_brought_up_to_date),
        ON(sqlite, damaged_files_are_refused),
        ON(sqlite, foreign_database_is_refused),
        ON(sqlite, log_is_taken_up),
        ON(sqlite, damage_beside_a_log_is_refused),
        ON(sqlite, unfinished_creation_begins_again),
        ON(sqlite, every_statement_uses_an_index),
        ON(sqlite, backup_has_everything_and_overwrites_nothing),
        ON(sqlite, each_restore_has_an_epoch_of_its_own),
        ON(sqlite, backup_of_nothing_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
