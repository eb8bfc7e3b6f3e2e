/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The promises of the SQLite driver when things go wrong or happen at once: a full disk, a disk
 * that does not sync, kill -9, readers and a backup beside the writer.
 */
#include "store/store_fixture.h"

#include "base/log.h"
#include "store/sqlite/sqlite_internal.h"
#include "store/sqlite/sqlite_kill_fixture.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

enum { CONTENT_SIZE = 32 * 1024 };

static char content[CONTENT_SIZE];

static void ignore_beginning(void *argument)
{
    (void)argument;
}

static int insert_large(struct fixture *f, int32_t order_id)
{
    struct store_order order = make_order(order_id, 1, ORDER_NEW);
    memset(content, 'x', sizeof(content));
    order.content = str_make(content, sizeof(content));
    return store_order_insert(f->writer, &order);
}

static void assert_there(struct fixture *f, int32_t order_id, bool there)
{
    struct store_order order;
    assert_int_equal(store_order_get(f->reader, PROJECT, order_id, &order),
                     there ? 0 : ERR_NOT_FOUND);
}

/* Log lines go to a file of this test, that the number of lines can be told. */
static int begin_log(void)
{
    int fd = memfd_create("log", MFD_CLOEXEC);
    assert_true(fd >= 0);
    log_set_fd(fd);
    return fd;
}

static int end_log(int fd)
{
    static char text[16 * 1024];
    int lines = 0;
    log_set_fd(-1);
    ssize_t length = pread(fd, text, sizeof(text), 0);
    for (ssize_t i = 0; i < length; i++)
        lines += text[i] == '\n';
    close(fd);
    return lines;
}

/* Inserts orders from `*next` on until one does not become durable, and rolls that back. */
static int write_until_full(struct fixture *f, int32_t *next)
{
    for (;; ++*next) {
        begin(f);
        int result = insert_large(f, *next);
        if (result == 0)
            result = store_commit(f->writer);
        if (result == 0)
            continue;
        store_rollback(f->writer);
        return result;
    }
}

static void assert_goes_on(struct fixture *f, int32_t last)
{
    for (int32_t id = 1; id < last; id++)
        assert_there(f, id, true);
    assert_there(f, last, false);
    begin(f);
    assert_int_equal(insert_large(f, last), 0);
    commit(f);
    assert_there(f, last, true);
    close_fixture(f);
    open_fixture(f);
    assert_there(f, last, true);
}

static void full_disk(void **state)
{
    struct fixture *f = *state;
    struct rlimit limit;
    struct rlimit small;
    int32_t id = 1;
    int fd = begin_log();
    assert_int_equal(add_user(f, "u1"), 1);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    small = limit;
    small.rlim_cur = 512 * 1024;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    int result = write_until_full(f, &id);
    begin(f);
    commit(f);
    int again = write_until_full(f, &id);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    assert_int_equal(result, ERR_NO_SPACE);
    assert_int_equal(again, ERR_NO_SPACE);
    assert_in_range(id, 5, 20);
    begin(f);
    assert_int_equal(insert_large(f, id++), 0);
    commit(f);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    result = write_until_full(f, &id);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    assert_int_equal(result, ERR_NO_SPACE);
    assert_int_equal(end_log(fd), 2);
    assert_goes_on(f, id);
}

static void full_database(void **state)
{
    struct fixture *f = *state;
    int32_t id = 1;
    int fd = begin_log();
    assert_int_equal(add_user(f, "u1"), 1);
    sqlite3 *db = ((struct sqlite_connection *)f->writer)->db;
    assert_int_equal(sqlite3_exec(db, "PRAGMA max_page_count = 100", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(write_until_full(f, &id), ERR_NO_SPACE);
    assert_int_equal(end_log(fd), 1);
    assert_goes_on(f, id);
}

/*
 * A VFS that is the system's but for syncing: of files opened with one of the `sync_fails` flags, and of
 * databases after the first `sync_spares` times.
 */
static _Atomic int sync_fails;
static _Atomic int sync_spares;
static struct {
    int flag;
    const sqlite3_io_methods *real;
    sqlite3_io_methods wrapped;
} kinds[] = {{.flag = SQLITE_OPEN_WAL}, {.flag = SQLITE_OPEN_MAIN_DB}};

static int sync_or_fail(sqlite3_file *file, int flags)
{
    size_t kind = file->pMethods == &kinds[0].wrapped ? 0 : 1;
    bool fails = atomic_load(&sync_fails) & kinds[kind].flag &&
                 (kind == 0 || atomic_fetch_sub(&sync_spares, 1) <= 0);
    return fails ? SQLITE_IOERR_FSYNC : kinds[kind].real->xSync(file, flags);
}

static int open_wrapped(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags,
                        int *out_flags)
{
    sqlite3_vfs *real = vfs->pAppData;
    int code = real->xOpen(real, name, file, flags, out_flags);
    for (size_t i = 0; code == SQLITE_OK && i < ARRAY_LENGTH(kinds); i++)
        if (flags & kinds[i].flag) {
            kinds[i].real = file->pMethods;
            kinds[i].wrapped = *file->pMethods;
            kinds[i].wrapped.xSync = sync_or_fail;
            file->pMethods = &kinds[i].wrapped;
        }
    return code;
}

static void use_wrapped(struct fixture *f, sqlite3_vfs *vfs)
{
    close_fixture(f);
    sqlite3_vfs *real = sqlite3_vfs_find(NULL);
    *vfs = *real;
    vfs->zName = "failing";
    vfs->pAppData = real;
    vfs->xOpen = open_wrapped;
    assert_int_equal(sqlite3_vfs_register(vfs, 1), SQLITE_OK);
    open_fixture(f);
    assert_int_equal(add_user(f, "u1"), 1);
}

static void use_real(struct fixture *f, sqlite3_vfs *vfs)
{
    close_fixture(f);
    assert_int_equal(sqlite3_vfs_unregister(vfs), SQLITE_OK);
    open_fixture(f);
}

static void failing_sync(void **state)
{
    struct fixture *f = *state;
    sqlite3_vfs vfs;
    use_wrapped(f, &vfs);
    int fd = begin_log();
    atomic_store(&sync_fails, SQLITE_OPEN_WAL);
    begin(f);
    assert_int_equal(insert_large(f, 1), 0);
    assert_int_equal(store_commit(f->writer), ERR_IO);
    struct store_order order;
    assert_int_equal(store_order_get(f->writer, PROJECT, 1, &order), ERR_IO);
    store_rollback(f->writer);
    atomic_store(&sync_fails, 0);
    assert_int_equal(end_log(fd), 1);
    assert_goes_on(f, 1);
    use_real(f, &vfs);
    assert_there(f, 1, true);
}

/* What was committed stays so; nothing more is, until a checkpoint has copied everything. */
static void failing_checkpoint(void **state)
{
    struct fixture *f = *state;
    sqlite3_vfs vfs;
    use_wrapped(f, &vfs);
    int fd = begin_log();
    int32_t id = 1;
    atomic_store(&sync_spares, 0);
    atomic_store(&sync_fails, SQLITE_OPEN_MAIN_DB);
    while (store_begin(f->writer) == 0) {
        for (int i = 0; i < 50; i++)
            assert_int_equal(insert_large(f, id++), 0);
        commit(f);
    }
    assert_int_equal(store_begin(f->writer), ERR_IO);
    atomic_store(&sync_fails, 0);
    assert_int_equal(end_log(fd), 1);
    assert_in_range(id, 400, 600);
    assert_goes_on(f, id);
    use_real(f, &vfs);
    assert_there(f, id, true);
}

/* In place of the system's. */
static _Atomic bool writes_nothing;
ssize_t pwrite(int fd, const void *bytes, size_t length, off_t at)
{
    return atomic_load(&writes_nothing) ? 0 : syscall(SYS_pwrite64, fd, bytes, length, at);
}

/* Also through a link to the database, as which SQLite takes the file itself. */
static void log_is_rewritten(void **state)
{
    struct fixture *f = *state;
    char path[128];
    char name[160];
    struct stat status;
    const struct timespec long_ago[2] = {{.tv_sec = 1}, {.tv_sec = 1}};
    assert_int_equal(add_user(f, "u1"), 1);
    snprintf(path, sizeof(path), "%s/" SQLITE_STORE_FILE, f->directory);
    snprintf(name, sizeof(name), "%s-wal", path);
    assert_int_equal(utimensat(AT_FDCWD, name, long_ago, 0), 0);
    snprintf(name, sizeof(name), "%s/link", f->directory);
    assert_int_equal(symlink(SQLITE_STORE_FILE, name), 0);
    assert_int_equal(sqlite_log_rewrite(name), 0);
    atomic_store(&writes_nothing, true);
    assert_int_equal(sqlite_log_rewrite(name), -1);
    assert_int_equal(errno, EIO);
    atomic_store(&writes_nothing, false);
    assert_int_equal(unlink(name), 0);
    snprintf(name, sizeof(name), "%s-wal", path);
    assert_int_equal(stat(name, &status), 0);
    assert_true(status.st_mtime > 1);
    struct store_user user;
    assert_int_equal(store_user_get(f->reader, PROJECT, STR_LIT("u1"), &user), 0);
}

/* The file is damaged under the server's feet: an error, and no crash. */
static void damage_while_open(void **state)
{
    struct fixture *f = *state;
    char path[128];
    struct stat status;
    assert_int_equal(add_user(f, "u1"), 1);
    for (int32_t id = 1; id <= 20; id++)
        assert_int_equal(insert_large(f, id), 0);
    close_fixture(f);
    open_fixture(f);
    snprintf(path, sizeof(path), "%s/" SQLITE_STORE_FILE, f->directory);
    assert_int_equal(stat(path, &status), 0);
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    assert_int_equal(fseek(file, 4096, SEEK_SET), 0);
    for (long i = 4096; i < (long)status.st_size; i++)
        fputc(0x5a, file);
    fclose(file);
    int fd = begin_log();
    struct store_order order;
    store_share_reading(f->reader, ignore_beginning, NULL);
    assert_int_equal(store_order_get(f->reader, PROJECT, 1, &order), ERR_CORRUPT);
    assert_int_equal(store_order_get(f->reader, PROJECT, 1, &order), ERR_CORRUPT);
    store_end_reading(f->reader);
    assert_int_equal(store_order_get(f->reader, PROJECT, 1, &order), ERR_CORRUPT);
    begin(f);
    assert_int_equal(insert_large(f, 99), ERR_CORRUPT);
    assert_int_equal(insert_large(f, 98), ERR_IO);
    store_rollback(f->writer);
    assert_int_equal(end_log(fd), 2);
}

/* Commits orders, and tells the id of each. */
static void write_and_tell(struct fixture *f, int64_t unused, int out)
{
    (void)unused;
    open_fixture(f);
    struct store_user user;
    if (store_user_get(f->writer, PROJECT, STR_LIT("u1"), &user))
        (void)add_user(f, "u1");
    for (;;) {
        int32_t id;
        if (store_begin(f->writer) || store_order_next_id(f->writer, PROJECT, &id))
            _exit(1);
        struct store_order order = make_order(id, 1, ORDER_NEW);
        struct store_event event = {.seq = 1, .offset = id, .occurred_at = NOW};
        if (store_order_insert(f->writer, &order) ||
            store_event_append(f->writer, &order, &event) || store_commit(f->writer) ||
            write(out, &(int64_t){id}, sizeof(int64_t)) != sizeof(int64_t))
            _exit(1);
    }
}

static void kill_loses_nothing(void **state)
{
    struct fixture *f = *state;
    for (int round = 0; round < 3; round++) {
        int32_t last = (int32_t)kill_writer(f, write_and_tell, 0, 40 + round);
        int32_t next;
        struct store_user user;
        assert_int_equal(store_order_next_id(f->writer, PROJECT, &next), 0);
        assert_in_range(next - 1, last, last + 1);
        assert_int_equal(store_user_get(f->reader, PROJECT, STR_LIT("u1"), &user), 0);
        assert_int_equal(user.top, next - 1);
        for (int32_t id = 1; id <= last; id++)
            assert_there(f, id, true);
    }
}

struct traffic {
    struct fixture *fixture;
    _Atomic bool stop;
    _Atomic int32_t written;
    _Atomic int failures;
    _Atomic int readers;
};

/* Each commit: an order, its event, and so the top of the stream. */
static void *write_orders(void *argument)
{
    struct traffic *traffic = argument;
    struct store_connection *writer = traffic->fixture->writer;
    for (int32_t id = 1; !atomic_load(&traffic->stop); id++) {
        struct store_order order = make_order(id, 1, ORDER_NEW);
        struct store_event event = {.seq = 1, .offset = id, .occurred_at = NOW};
        if (store_begin(writer) || store_order_insert(writer, &order) ||
            store_event_append(writer, &order, &event) || store_commit(writer)) {
            atomic_fetch_add(&traffic->failures, 1);
            break;
        }
        atomic_store(&traffic->written, id);
    }
    return NULL;
}

static void keep_offset(void *argument, const struct store_publication *publication)
{
    *(int32_t *)argument = publication->offset;
}

/*
 * Whether one moment is seen, not before order `at_least`: the last order, the top and the last
 * publication are the same.
 */
static bool is_consistent(struct store_connection *reader, int32_t at_least)
{
    struct store_user user;
    struct store_order order;
    int32_t last = 0;
    bool fine = store_begin(reader) == 0 &&
                store_user_get(reader, PROJECT, STR_LIT("u1"), &user) == 0 &&
                store_stream_read(reader, user.user_id, 0, 0, true, 1, keep_offset, &last) == 0 &&
                last == user.top && last >= at_least &&
                store_order_get(reader, PROJECT, last + 1, &order) == ERR_NOT_FOUND &&
                (last == 0 || store_order_get(reader, PROJECT, last, &order) == 0);
    return store_commit(reader) == 0 && fine;
}

/* Every other reader shares a transaction between ten looks. */
static void *read_orders(void *argument)
{
    struct traffic *traffic = argument;
    struct store_connection *reader = NULL;
    if (store_connect(traffic->fixture->store, STORE_READER, &reader))
        atomic_fetch_add(&traffic->failures, 1);
    if (reader && atomic_fetch_add(&traffic->readers, 1) % 2 == 0)
        store_share_reading(reader, ignore_beginning, NULL);
    for (int look = 0; reader && !atomic_load(&traffic->stop); look++) {
        if (!is_consistent(reader, atomic_load(&traffic->written))) {
            atomic_fetch_add(&traffic->failures, 1);
            break;
        }
        if (look % 10 == 0)
            store_end_reading(reader);
    }
    store_disconnect(&reader);
    return NULL;
}

static void wait_for(struct traffic *traffic, int32_t written)
{
    while (atomic_load(&traffic->written) < written && atomic_load(&traffic->failures) == 0)
        sched_yield();
}

static void readers_beside_the_writer(void **state)
{
    struct traffic traffic = {.fixture = *state};
    pthread_t threads[3];
    assert_int_equal(add_user(traffic.fixture, "u1"), 1);
    for (size_t i = 0; i < ARRAY_LENGTH(threads); i++)
        assert_int_equal(
            pthread_create(&threads[i], NULL, i == 0 ? write_orders : read_orders, &traffic), 0);
    wait_for(&traffic, 200);
    atomic_store(&traffic.stop, true);
    for (size_t i = 0; i < ARRAY_LENGTH(threads); i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(atomic_load(&traffic.failures), 0);
}

static void backup_beside_the_writer(void **state)
{
    struct fixture *f = *state;
    struct traffic traffic = {.fixture = f};
    char error[STORE_ERROR_SIZE];
    char copy[128];
    char path[128];
    pthread_t thread;
    snprintf(copy, sizeof(copy), "%s/copy", f->directory);
    snprintf(path, sizeof(path), "%s/" SQLITE_STORE_FILE, f->directory);
    assert_int_equal(add_user(f, "u1"), 1);
    assert_int_equal(pthread_create(&thread, NULL, write_orders, &traffic), 0);
    wait_for(&traffic, 50);
    int result = store_backup(f->driver, f->directory, copy, NULL, error);
    int32_t at_backup = atomic_load(&traffic.written);
    wait_for(&traffic, at_backup + 50);
    atomic_store(&traffic.stop, true);
    pthread_join(thread, NULL);
    if (result)
        fail_msg("%s", error);
    assert_int_equal(atomic_load(&traffic.failures), 0);

    close_fixture(f);
    assert_int_equal(rename(copy, path), 0);
    open_fixture(f);
    struct store_user user;
    assert_int_equal(store_user_get(f->reader, PROJECT, STR_LIT("u1"), &user), 0);
    assert_in_range(user.top, 50, at_backup + 1);
    assert_true(is_consistent(f->reader, 50));
}

static sqlite3 *database_of(struct store_connection *connection)
{
    return sqlite_of(connection)->db;
}

static atomic_bool pages_are_lost;

/* In place of the system's: what was on its way to the disk did not get there. */
int sync_file_range(int fd, off64_t from, off64_t length, unsigned flags)
{
    if (!atomic_load(&pages_are_lost))
        return (int)syscall(SYS_sync_file_range, fd, from, length, flags);
    errno = EIO;
    return -1;
}

/* The system tells once that pages were lost: who hears it while the copy grows keeps it. */
static void backup_to_a_failing_disk(void **state)
{
    struct fixture *f = *state;
    char error[STORE_ERROR_SIZE];
    char copy[sizeof(f->directory) + 8];
    snprintf(copy, sizeof(copy), "%s/copy", f->directory);
    assert_int_equal(add_user(f, "u1"), 1);
    memset(content, 'x', sizeof(content));
    begin(f);
    for (int32_t id = 1; id <= 5000; id++) {
        struct store_order order = make_order(id, 1, ORDER_NEW);
        order.content = str_make(content, 2000);
        assert_int_equal(store_order_insert(f->writer, &order), 0);
    }
    commit(f);
    atomic_store(&pages_are_lost, true);
    assert_int_equal(store_backup(f->driver, f->directory, copy, NULL, error), ERR_IO);
    assert_non_null(strstr(error, "cannot be written"));
    assert_int_equal(access(copy, F_OK), -1);
    atomic_store(&pages_are_lost, false);
    assert_int_equal(store_backup(f->driver, f->directory, copy, NULL, error), 0);
    assert_int_equal(unlink(copy), 0);
}

static int count_copies(struct fixture *f)
{
    int count = 0;
    DIR *directory = opendir(f->directory);
    assert_non_null(directory);
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;)
        count += strncmp(entry->d_name, "copy", 4) == 0;
    closedir(directory);
    return count;
}

static bool has_epoch(const char *copy)
{
    sqlite3 *db;
    int64_t count = 1;
    assert_int_equal(sqlite3_open_v2(copy, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    assert_int_equal(
        sqlite_schema_query(db, "SELECT count(*) FROM meta WHERE key = 'epoch'", &count),
        SQLITE_OK);
    sqlite3_close(db);
    return count != 0;
}

static void backup_is_stopped(void **state)
{
    struct fixture *f = *state;
    volatile sig_atomic_t stop = 1;
    char error[STORE_ERROR_SIZE];
    char copy[sizeof(f->directory) + 8];
    snprintf(copy, sizeof(copy), "%s/copy", f->directory);
    assert_int_equal(store_backup(f->driver, f->directory, copy, &stop, error), ERR_CLOSED);
    assert_non_null(strstr(error, copy));
    assert_int_equal(count_copies(f), 0);
    stop = 0;
    assert_int_equal(store_backup(f->driver, f->directory, copy, &stop, error), 0);
    assert_int_equal(unlink(copy), 0);
}

/* Whichever sync of the copy fails: it is whole, or there is nothing. */
static void backup_is_synced(void **state)
{
    struct fixture *f = *state;
    sqlite3_vfs vfs;
    char error[STORE_ERROR_SIZE];
    char copy[sizeof(f->directory) + 8];
    int result = ERR_IO;
    int failures = 0;
    use_wrapped(f, &vfs);
    snprintf(copy, sizeof(copy), "%s/copy", f->directory);
    atomic_store(&sync_fails, SQLITE_OPEN_MAIN_DB);
    for (; result != 0 && failures < 10; failures += result != 0) {
        atomic_store(&sync_spares, failures);
        result = store_backup(f->driver, f->directory, copy, NULL, error);
        assert_int_equal(count_copies(f), result == 0);
    }
    atomic_store(&sync_fails, 0);
    assert_in_range(failures, 2, 9);
    assert_false(has_epoch(copy));
    assert_int_equal(unlink(copy), 0);
    use_real(f, &vfs);
}

/* What is read holds the log until store_end_reading, and not longer. */
static void shared_reading_ends(void **state)
{
    struct fixture *f = *state;
    sqlite3 *db = database_of(f->writer);
    store_share_reading(f->reader, ignore_beginning, NULL);
    assert_int_equal(add_user(f, "u1"), 1);
    assert_there(f, 1, false);
    sqlite3_busy_timeout(db, 0);
    assert_int_equal(sqlite3_wal_checkpoint_v2(db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL),
                     SQLITE_BUSY);
    store_end_reading(f->reader);
    assert_int_equal(sqlite3_wal_checkpoint_v2(db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL),
                     SQLITE_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON(sqlite, full_disk),
        ON(sqlite, full_database),
        ON(sqlite, failing_sync),
        ON(sqlite, failing_checkpoint),
        ON(sqlite, log_is_rewritten),
        ON(sqlite, damage_while_open),
        ON(sqlite, kill_loses_nothing),
        ON(sqlite, readers_beside_the_writer),
        ON(sqlite, backup_beside_the_writer),
        ON(sqlite, backup_to_a_failing_disk),
        ON(sqlite, backup_is_synced),
        ON(sqlite, backup_is_stopped),
        ON(sqlite, shared_reading_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
