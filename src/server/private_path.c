/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A copy or a careless chmod may have opened keys to every user of the machine. Nothing tells who has
 * read them since, so the server does not quietly close them again: it refuses, and a person decides.
 */
#include "server/private_path.h"

#include "base/err.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define ALL_BITS 07777
#define BITS_OF_OTHERS (S_IRWXG | S_IRWXO)

int private_path_check(const struct stat *status, const char *path,
                       char error[PRIVATE_PATH_ERROR_SIZE])
{
    uid_t self = geteuid();
    if ((status->st_mode & BITS_OF_OTHERS) != 0) {
        snprintf(error, PRIVATE_PATH_ERROR_SIZE,
                 "%.100s: open to other users (mode %04o); close it with `chmod %s`", path,
                 status->st_mode & ALL_BITS, S_ISDIR(status->st_mode) ? "700" : "600");
        return ERR_DENIED;
    }
    if (self != 0 && status->st_uid != self && status->st_uid != 0) {
        snprintf(error, PRIVATE_PATH_ERROR_SIZE,
                 "%.100s: it belongs to another user (%u, and this one is %u); use `chown`", path,
                 status->st_uid, self);
        return ERR_DENIED;
    }
    return 0;
}

int private_path_sync(const char *directory)
{
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return errno;
    int number = fsync(fd) != 0 ? errno : 0;
    close(fd);
    return number;
}

static int make_directory(const char *path)
{
    char parent[PATH_MAX];
    if (mkdir(path, S_IRWXU) != 0)
        return errno;
    snprintf(parent, sizeof(parent), "%s/..", path);
    return private_path_sync(parent);
}

int private_path_directory(const char *path, char error[PRIVATE_PATH_ERROR_SIZE])
{
    struct stat status;
    int number = make_directory(path);
    if (number == 0)
        return 0;
    if (number == EEXIST && stat(path, &status) == 0) {
        if (S_ISDIR(status.st_mode))
            return private_path_check(&status, path, error);
        number = ENOTDIR;
    }
    snprintf(error, PRIVATE_PATH_ERROR_SIZE, "%.100s: %s", path, strerror(number));
    return ERR_IO;
}
