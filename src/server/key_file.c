/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A new key is written to a temporary file, synced and renamed into place, and the directory is
 * synced: a key that sealed something must not be gone after a power failure.
 */
#include "server/key_file.h"

#include "base/err.h"
#include "server/private_path.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PATH_SIZE 4200

_Static_assert(KEY_FILE_ERROR_SIZE >= PRIVATE_PATH_ERROR_SIZE, "a sentence about the file fits");

static int fail(char *error, const char *path, int number)
{
    snprintf(error, KEY_FILE_ERROR_SIZE, "%.120s: %s", path, strerror(number));
    return number == ENOENT ? ERR_NOT_FOUND : ERR_IO;
}

static int read_private(int fd, const char *path, void *bytes, size_t max, size_t *length,
                        char *error)
{
    struct stat status;
    if (fstat(fd, &status) != 0)
        return fail(error, path, errno);
    int result = private_path_check(&status, path, error);
    if (result != 0)
        return result;
    ssize_t count = read(fd, bytes, max);
    if (count < 0)
        return fail(error, path, errno);
    *length = (size_t)count;
    return 0;
}

int key_file_read(const char *directory, const char *name, void *bytes, size_t max, size_t *length,
                  char error[KEY_FILE_ERROR_SIZE])
{
    char path[PATH_SIZE];
    snprintf(path, sizeof(path), "%s/%s", directory, name);
    /* Not blocking: whatever stands there under this name is not waited for. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return fail(error, path, errno);
    int result = read_private(fd, path, bytes, max, length, error);
    close(fd);
    return result;
}

static int write_file(const char *path, const void *bytes, size_t length)
{
    /* What lies there of an earlier try may have another's mode, or lead elsewhere. */
    if (unlink(path) != 0 && errno != ENOENT)
        return errno;
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return errno;
    int number = 0;
    errno = 0;
    if (write(fd, bytes, length) != (ssize_t)length || fsync(fd) != 0)
        number = errno != 0 ? errno : EIO;
    close(fd);
    return number;
}

int key_file_make(const char *directory, const char *name, const void *bytes, size_t length,
                  char error[KEY_FILE_ERROR_SIZE])
{
    char path[PATH_SIZE];
    char temporary[PATH_SIZE];
    snprintf(path, sizeof(path), "%s/%s", directory, name);
    snprintf(temporary, sizeof(temporary), "%s/%s.new", directory, name);
    int number = write_file(temporary, bytes, length);
    if (number == 0 && rename(temporary, path) != 0)
        number = errno;
    if (number == 0)
        number = private_path_sync(directory);
    if (number == 0)
        return 0;
    unlink(temporary);
    return fail(error, path, number);
}
