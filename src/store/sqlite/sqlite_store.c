/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The data directory of the SQLite driver: its lock, which keeps a second server away, and the
 * order of opening, in which nothing is written before the file is known to be ours and whole.
 */
#include "base/err.h"
#include "base/mem.h"
#include "store/sqlite/sqlite_webhooks.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOCK_FILE "lock"

static void prepare_library(void)
{
    /* The counters of memory in use share one lock between all threads, and nobody reads them. */
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    sqlite3_initialize();
}

void sqlite_store_prepare(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, prepare_library);
}

int sqlite_store_refuse(char error[STORE_ERROR_SIZE], int result, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error, STORE_ERROR_SIZE, format, arguments);
    va_end(arguments);
    return result;
}

static int sync_file(const char *path, int flags)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | flags);
    if (fd < 0)
        return -1;
    int result = fsync(fd);
    int number = errno;
    close(fd);
    errno = number;
    return result;
}

int sqlite_store_sync(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *directory = !slash          ? mem_strdup(".")
                      : slash == path ? mem_strdup("/")
                                      : mem_strndup(path, (size_t)(slash - path));
    int result = sync_file(path, 0);
    if (result == 0)
        result = sync_file(directory, O_DIRECTORY);
    mem_free(directory);
    return result;
}

void sqlite_store_remove(const char *path)
{
    static const char *const suffixes[] = {"", "-wal", "-shm", "-journal"};
    for (size_t i = 0; i < ARRAY_LENGTH(suffixes); i++) {
        char *name = sqlite3_mprintf("%s%s", path, suffixes[i]);
        if (name)
            unlink(name);
        sqlite3_free(name);
    }
}

static char *path_in(const char *directory, const char *name)
{
    size_t size = strlen(directory) + strlen(name) + 2;
    char *path = mem_alloc(size);
    snprintf(path, size, "%s/%s", directory, name);
    return path;
}

static bool is_lock_of(int lock, const char *directory)
{
    struct stat held;
    struct stat there;
    char *path = path_in(directory, LOCK_FILE);
    bool same = fstat(lock, &held) == 0 && stat(path, &there) == 0 && held.st_dev == there.st_dev &&
                held.st_ino == there.st_ino;
    mem_free(path);
    return same;
}

/* The directory that has the database itself, which may be a link. */
static bool find_far(const struct sqlite_store *s, char far[PATH_MAX])
{
    if (!realpath(s->path, far))
        return false;
    *strrchr(far, '/') = '\0';
    return true;
}

bool sqlite_store_is_in_place(const struct sqlite_store *s)
{
    char far[PATH_MAX];
    return is_lock_of(s->lock, s->base.options->directory) && find_far(s, far) &&
           is_lock_of(s->far >= 0 ? s->far : s->lock, far);
}

/* Opens the lock file and holds it. Its lock ends with the descriptor, so also with a kill -9. */
static int lock_directory(const char *directory, int *lock, char error[STORE_ERROR_SIZE])
{
    char *path = path_in(directory, LOCK_FILE);
    int result = 0;
    *lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (*lock < 0)
        result = sqlite_store_refuse(error, errno == ENOSPC ? ERR_NO_SPACE : ERR_IO,
                                     "cannot open the lock (%m): %s", path);
    mem_free(path);
    if (result || flock(*lock, LOCK_EX | LOCK_NB) == 0)
        return result;
    result = errno == EWOULDBLOCK
                 ? sqlite_store_refuse(error, ERR_EXISTS,
                                       "another server is using the data directory %s", directory)
                 : sqlite_store_refuse(error, ERR_IO, "cannot lock the data directory %s: %m",
                                       directory);
    close(*lock);
    *lock = -1;
    return result;
}

/* Who else leads to the same database is kept away by a lock that is there. */
static int lock_far(struct sqlite_store *s, char error[STORE_ERROR_SIZE])
{
    char far[PATH_MAX];
    s->far = -1;
    return find_far(s, far) && !is_lock_of(s->lock, far) ? lock_directory(far, &s->far, error) : 0;
}

static void free_store(struct sqlite_store *s)
{
    if (s->far >= 0)
        close(s->far);
    close(s->lock);
    mem_free(s->path);
    mem_wipe(s, sizeof(*s));
    mem_free(s);
}

static int make_or_check(const char *path, char error[STORE_ERROR_SIZE])
{
    struct stat status;
    if (stat(path, &status) == 0)
        return sqlite_schema_check(path, error);
    if (errno == ENOENT)
        return sqlite_schema_create(path, error);
    return sqlite_store_refuse(error, ERR_IO, "the database cannot be opened (%m): %s", path);
}

static int sqlite_store_open(const struct store_options *options, struct store **store,
                             char error[STORE_ERROR_SIZE])
{
    sqlite_store_prepare();
    int lock;
    int result = lock_directory(options->directory, &lock, error);
    if (result)
        return result;

    struct sqlite_store *s = mem_zalloc(sizeof(*s));
    s->lock = lock;
    s->path = path_in(options->directory, SQLITE_STORE_FILE);
    result = lock_far(s, error);
    if (result == 0)
        result = make_or_check(s->path, error);
    if (result)
        goto fail;
    if (sqlite_log_rewrite(s->path) != 0) {
        result = sqlite_store_refuse(error, ERR_IO, "the database's log cannot be synced (%m): %s",
                                     s->path);
        goto fail;
    }
    result = sqlite_schema_upgrade(s->path, &s->base.identity, error);
    if (result)
        goto fail;
    *store = &s->base;
    return 0;

fail:
    free_store(s);
    return result;
}

/*
 * Who closes a database last brings its log into it, unless it was a reader. A log that was left would
 * be missed where the file alone is copied, and be taken for that of a backup put in its place.
 */
static void empty_log(const struct sqlite_store *s)
{
    sqlite3 *db = NULL;
    if (sqlite_store_is_in_place(s) && sqlite_log_rewrite(s->path) == 0)
        (void)!sqlite_open(s->path, STORE_WRITER, &db);
    sqlite3_close(db);
}

static void sqlite_store_close(struct store *store)
{
    struct sqlite_store *s = (struct sqlite_store *)store;
    empty_log(s);
    free_store(s);
}

const struct store_driver store_sqlite = {
    .name = "sqlite",
    .open = sqlite_store_open,
    .close = sqlite_store_close,
    .connect = sqlite_connect,
    .disconnect = sqlite_disconnect,
    .backup = sqlite_backup,
    .begin = sqlite_begin,
    .commit = sqlite_commit,
    .rollback = sqlite_rollback,
    .share_reading = sqlite_share_reading,
    .end_reading = sqlite_end_reading,
    .project_get = sqlite_project_get,
    .project_put = sqlite_project_put,
    .project_list = sqlite_project_list,
    .key_put = sqlite_key_put,
    .key_list = sqlite_key_list,
    .key_delete = sqlite_key_delete,
    .revocation_put = sqlite_revocation_put,
    .revocation_get = sqlite_revocation_get,
    .revocation_any = sqlite_revocation_any,
    .user_get = sqlite_user_get,
    .user_add = sqlite_user_add,
    .order_get = sqlite_order_get,
    .order_insert = sqlite_order_insert,
    .order_update = sqlite_order_update,
    .order_advance = sqlite_order_advance,
    .order_next_id = sqlite_order_next_id,
    .order_list = sqlite_order_list,
    .order_list_open = sqlite_order_list_open,
    .event_append = sqlite_event_append,
    .event_list = sqlite_event_list,
    .stream_read = sqlite_stream_read,
    .idempotency_get = sqlite_idempotency_get,
    .idempotency_put = sqlite_idempotency_put,
    .prune = sqlite_prune,
    .endpoint_add = sqlite_endpoint_add,
    .endpoint_update = sqlite_endpoint_update,
    .endpoint_delete = sqlite_endpoint_delete,
    .endpoint_get = sqlite_endpoint_get,
    .endpoint_list = sqlite_endpoint_list,
    .delivery_add = sqlite_delivery_add,
    .delivery_add_body = sqlite_delivery_add_body,
    .delivery_next = sqlite_delivery_next,
    .delivery_payload = sqlite_delivery_payload,
    .delivery_postpone = sqlite_delivery_postpone,
    .delivery_finish = sqlite_delivery_finish,
    .delivery_retry = sqlite_delivery_retry,
    .delivery_get = sqlite_delivery_get,
    .delivery_list = sqlite_delivery_list,
    .delivery_backlog = sqlite_delivery_backlog,
    .delivery_list_dead = sqlite_delivery_list_dead,
    .attempt_add = sqlite_attempt_add,
    .attempt_list = sqlite_attempt_list,
    .replay_add = sqlite_replay_add,
    .replay_get = sqlite_replay_get,
    .replay_open = sqlite_replay_open,
    .replay_update = sqlite_replay_update,
};
