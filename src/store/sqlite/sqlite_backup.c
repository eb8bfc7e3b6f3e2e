/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Copies a database, in use or not, as of one moment. The copy gets its name only when it is whole
 * and on disk, so that a backup cut short is never taken for one. Nothing here opens the source
 * but through SQLite: closing any other descriptor of it would drop the locks that a server in
 * this process holds (fcntl(2), F_SETLK).
 */
#include "base/err.h"
#include "store/sqlite/sqlite_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    PACE = 4 * 1024 * 1024, /* bytes between two times that the copy is brought to disk */
    PACE_STEPS = 1000,      /* of SQLite's machine, between two looks at how large it is */
};

static int refuse_errno(char error[STORE_ERROR_SIZE], const char *path)
{
    int result = errno == ENOSPC || errno == EDQUOT ? ERR_NO_SPACE : ERR_IO;
    if (errno == EEXIST)
        return sqlite_store_refuse(
            error, ERR_EXISTS,
            "a backup overwrites nothing, and this exists already; choose another name: %s", path);
    return sqlite_store_refuse(error, result, "the backup cannot be written (%m): %s", path);
}

/* A copy as it is written. */
struct copy {
    char *path;
    int fd;
    off_t on_disk; /* up to here */
    int lost;      /* the errno of what did not get there; 0: nothing is known of */
    const volatile sig_atomic_t *stop; /* NULL: goes on to its end */
};

static bool is_stopped(const struct copy *copy)
{
    return copy->stop != NULL && *copy->stop != 0;
}

/*
 * The copy goes to disk as it grows: all at once it would hold up the commits of the server, whose
 * log is on the same disk. What did not get there is told here, and no more by an fsync later.
 */
static int keep_pace(void *argument)
{
    struct copy *copy = argument;
    struct stat status;
    if (fstat(copy->fd, &status) == 0 && status.st_size - copy->on_disk >= PACE) {
        if (sync_file_range(copy->fd, copy->on_disk, status.st_size - copy->on_disk,
                            SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER) != 0 &&
            errno != ENOSYS)
            copy->lost = errno;
        copy->on_disk = status.st_size;
    }
    return copy->lost != 0 || is_stopped(copy);
}

static int copy_into(sqlite3 *db, struct copy *copy)
{
    int64_t application_id;
    int code = sqlite_schema_query(db, "PRAGMA application_id", &application_id);
    if (code == SQLITE_OK && application_id != SQLITE_STORE_APPLICATION_ID)
        code = SQLITE_NOTADB;
    sqlite3_stmt *statement = NULL;
    if (code == SQLITE_OK)
        code = sqlite3_prepare_v2(db, "VACUUM INTO ?1", -1, &statement, NULL);
    if (code != SQLITE_OK)
        return code;
    sqlite3_progress_handler(db, PACE_STEPS, keep_pace, copy);
    sqlite3_bind_text(statement, 1, copy->path, -1, SQLITE_STATIC);
    sqlite3_step(statement);
    return sqlite3_finalize(statement);
}

static int copy_database(const char *source, struct copy *copy, char error[STORE_ERROR_SIZE])
{
    sqlite3 *db;
    int code = sqlite_open(source, STORE_READER, &db);
    if (code == SQLITE_OK)
        code = copy_into(db, copy);
    int result = 0;
    if (code == SQLITE_NOTADB)
        result =
            sqlite_store_refuse(error, ERR_CORRUPT, "this is no database of Orderwire: %s", source);
    else if (code != SQLITE_OK)
        result = sqlite_store_refuse(error, sqlite_error(db), "the backup failed (%s): %s",
                                     sqlite3_errmsg(db), source);
    sqlite3_close(db);
    return result;
}

/*
 * A copy comes without write-ahead logging; with it, it can be put in place as it is. Each time that it
 * is, its streams part from those which clients have seen since, so a client's position in those must
 * not be taken for one in these: the epoch is drawn then.
 */
static int finish_copy(const char *temporary, char error[STORE_ERROR_SIZE])
{
    sqlite3 *db;
    int result = 0;
    int code = sqlite_open(temporary, STORE_WRITER, &db);
    if (code == SQLITE_OK)
        code = sqlite_schema_forget_epoch(db);
    /* What closing fails to bring from the copy's log into the copy nobody would hear of. */
    if (code == SQLITE_OK)
        code = sqlite3_wal_checkpoint_v2(db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    if (code != SQLITE_OK)
        result = sqlite_store_refuse(error, sqlite_error(db), "the backup failed (%s): %s",
                                     sqlite3_errmsg(db), temporary);
    sqlite3_close(db);
    return result;
}

/* Not every file system can rename without overwriting; link(2) then does the same. */
static int rename_new(const char *from, const char *to)
{
    if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return -1;
    return link(from, to) || unlink(from) ? -1 : 0;
}

static int backup_to(const char *source, const char *destination, struct copy *copy,
                     char error[STORE_ERROR_SIZE])
{
    int result = copy_database(source, copy, error);
    if (is_stopped(copy))
        return sqlite_store_refuse(error, ERR_CLOSED, "stopped; there is no backup: %s",
                                   destination);
    if (copy->lost != 0) {
        errno = copy->lost;
        return refuse_errno(error, destination);
    }
    if (result == 0)
        result = finish_copy(copy->path, error);
    if (result)
        return result;
    if (sqlite_store_sync(copy->path) || rename_new(copy->path, destination) ||
        sqlite_store_sync(destination))
        return refuse_errno(error, destination);
    return 0;
}

int sqlite_backup(const char *directory, const char *destination, const volatile sig_atomic_t *stop,
                  char error[STORE_ERROR_SIZE])
{
    sqlite_store_prepare();
    if (access(destination, F_OK) == 0) {
        errno = EEXIST;
        return refuse_errno(error, destination);
    }
    char *source = sqlite3_mprintf("%s/" SQLITE_STORE_FILE, directory);
    if (source && access(source, F_OK) != 0) {
        int result =
            errno == ENOENT
                ? sqlite_store_refuse(error, ERR_NOT_FOUND, "there is no database (%m): %s", source)
                : sqlite_store_refuse(error, ERR_IO, "the database cannot be read (%m): %s",
                                      source);
        sqlite3_free(source);
        return result;
    }
    struct copy copy = {.path = sqlite3_mprintf("%s.XXXXXX", destination), .stop = stop};
    copy.fd = source && copy.path ? mkostemp(copy.path, O_CLOEXEC) : -1;
    int result;
    if (copy.fd < 0) {
        result = refuse_errno(error, destination);
    } else {
        result = backup_to(source, destination, &copy, error);
        if (result)
            sqlite_store_remove(copy.path);
        close(copy.fd);
    }
    sqlite3_free(source);
    sqlite3_free(copy.path);
    return result;
}
