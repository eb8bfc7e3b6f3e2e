/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What SQLite leaves open about a sync that failed. The system may then have dropped what was
 * written, while whoever reads is still shown it and the next sync, with nothing to write, goes
 * well. Within a connection SQLite is safe: the frames of a commit that failed are written again,
 * those before them were synced. Two things it takes for durable that may not be, and here both are
 * written once more.
 */
#include "store/sqlite/sqlite_internal.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    REWRITE_SIZE = 256 * 1024,
    /* https://sqlite.org/walformat.html: the first block of the log's index, the lock of
     * checkpoints, and where the number of frames stands that were copied to the database. */
    INDEX_BLOCK_SIZE = 32768,
    CHECKPOINT_LOCK = 1,
    BACKFILL_OFFSET = 96,
};

static int rewrite(int fd)
{
    char *bytes = mem_alloc(REWRITE_SIZE);
    ssize_t length;
    ssize_t written;
    errno = EIO; /* of a write that writes nothing */
    for (off_t at = 0; (length = pread(fd, bytes, REWRITE_SIZE, at)) > 0; at += written) {
        written = pwrite(fd, bytes, (size_t)length, at);
        if (written <= 0)
            break;
    }
    mem_free(bytes);
    /* Only at the end of the file there is nothing more to read. */
    return length != 0 ? -1 : fsync(fd);
}

/*
 * Frames of a commit whose sync failed may be in the system's memory alone. When the log is read
 * anew, after a restart, they look like any other commit: frames that are appended to them would be
 * lost with them, and pages copied from them would be newer than the log that is left.
 */
int sqlite_log_rewrite(const char *path)
{
    char real[PATH_MAX];
    char name[PATH_MAX + sizeof("-wal")];
    /* The log is beside the file that a link leads to. */
    if (!realpath(path, real))
        return -1;
    snprintf(name, sizeof(name), "%s-wal", real);
    int fd = open(name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return errno == ENOENT ? 0 : -1;
    int result = rewrite(fd);
    int number = errno;
    close(fd);
    errno = number;
    return result;
}

/*
 * A checkpoint syncs the database only when it has come to the log's end. One that a reader kept
 * from that still counts what it has copied, so that the next one, should its sync fail and it
 * be tried again, would not copy that again before the log begins anew. So the count goes back.
 */
int sqlite_log_copy_again(sqlite3 *db)
{
    sqlite3_file *file = NULL;
    void volatile *index = NULL;
    int code = sqlite3_file_control(db, "main", SQLITE_FCNTL_FILE_POINTER, &file);
    if (code != SQLITE_OK)
        return code;
    code = file->pMethods->xShmMap(file, 0, INDEX_BLOCK_SIZE, 0, &index);
    if (code != SQLITE_OK || !index)
        return code;
    code =
        file->pMethods->xShmLock(file, CHECKPOINT_LOCK, 1, SQLITE_SHM_LOCK | SQLITE_SHM_EXCLUSIVE);
    if (code != SQLITE_OK)
        return code;
    atomic_store((volatile _Atomic uint32_t *)((volatile char *)index + BACKFILL_OFFSET), 0);
    return file->pMethods->xShmLock(file, CHECKPOINT_LOCK, 1,
                                    SQLITE_SHM_UNLOCK | SQLITE_SHM_EXCLUSIVE);
}
