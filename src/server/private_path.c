/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A copy or a careless chmod may have opened keys to every user of the machine. Nothing tells who has
 * read them since, so the server does not quietly close them again: it refuses, and a person decides.
 */
#include "server/private_path.h"

#include "base/err.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define ALL_BITS 07777
#define BITS_OF_OTHERS (S_IRWXG | S_IRWXO)
#define ADVICE ": use `chown -R`, or run as that user"
#define ADVICE_OF_OWN ": use `chmod -R u+rwX`"

/* What the server makes in its directory; the first tells that it is one. */
static const char *const names[] = {"orderwire.db", "orderwire.db-wal", "orderwire.db-shm", "lock",
                                    "admin.key",    "secrets.key",      "audit.log"};

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

/* Whose it is, when that is why this process may not use it. */
static bool explain(const char *path, const char *advice, char *blame)
{
    struct stat status;
    if (faccessat(AT_FDCWD, path, R_OK | W_OK, AT_EACCESS) == 0 || errno != EACCES ||
        stat(path, &status) != 0)
        return false;
    if (status.st_uid == geteuid())
        advice = ADVICE_OF_OWN;
    snprintf(blame, PRIVATE_PATH_ERROR_SIZE,
             "; %.80s belongs to uid %u (mode %04o), and this is uid %u%s", path, status.st_uid,
             status.st_mode & ALL_BITS, geteuid(), advice);
    return true;
}

void private_path_blame(const char *directory, char blame[PRIVATE_PATH_ERROR_SIZE])
{
    char path[PATH_MAX];
    bool is_found = explain(directory, ADVICE, blame);
    for (size_t i = 0; i < ARRAY_LENGTH(names) && !is_found; i++) {
        snprintf(path, sizeof(path), "%s/%s", directory, names[i]);
        is_found = explain(path, ADVICE, blame);
    }
    if (!is_found)
        blame[0] = '\0';
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

/* What is in use by others must not be closed to them. */
static bool is_for_others(const char *path, const struct stat *status)
{
    char database[PATH_MAX];
    size_t entries = 0;
    if ((status->st_mode & BITS_OF_OTHERS) == 0)
        return false;
    snprintf(database, sizeof(database), "%s/%s", path, names[0]);
    DIR *directory = opendir(path);
    while (directory != NULL && readdir(directory) != NULL)
        entries++;
    if (directory != NULL)
        closedir(directory);
    bool is_empty = entries <= 2; /* itself and its parent */
    return (status->st_mode & S_ISVTX) != 0 || (!is_empty && access(database, F_OK) != 0);
}

int private_path_directory(const char *path, char error[PRIVATE_PATH_ERROR_SIZE])
{
    struct stat status;
    char parent[PATH_MAX];
    char blame[PRIVATE_PATH_ERROR_SIZE];
    int number = make_directory(path);
    if (number == 0)
        return 0;
    if (number == EEXIST && stat(path, &status) == 0) {
        if (S_ISDIR(status.st_mode) && is_for_others(path, &status)) {
            snprintf(error, PRIVATE_PATH_ERROR_SIZE,
                     "%.80s: open to other users (mode %04o) and in use for other things; choose a "
                     "directory of its own, perhaps one in there",
                     path, status.st_mode & ALL_BITS);
            return ERR_DENIED;
        }
        if (S_ISDIR(status.st_mode))
            return private_path_check(&status, path, error);
        number = ENOTDIR;
    }
    snprintf(parent, sizeof(parent), "%s", path);
    if (number != EACCES || !explain(dirname(parent), "", blame))
        blame[0] = '\0';
    snprintf(error, PRIVATE_PATH_ERROR_SIZE, "%.60s: %s%.110s", path, strerror(number), blame);
    return ERR_IO;
}
