/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files of key sets. They are only a memory of what can be fetched again: so nothing is synced, and
 * one that is damaged is as good as none.
 */
#include "auth/auth_keys_file.h"

#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FOLDER "jwks"
#define PATH_SIZE 4300

static void make_path(char path[PATH_SIZE], const char *directory,
                      const uint8_t id[CRYPTO_SHA256_SIZE])
{
    char name[2 * CRYPTO_SHA256_SIZE + 1];
    for (size_t i = 0; i < CRYPTO_SHA256_SIZE; i++)
        snprintf(name + 2 * i, 3, "%02x", id[i]);
    snprintf(path, PATH_SIZE, "%s/" FOLDER "/%s", directory, name);
}

void auth_keys_file_read(const char *directory, const uint8_t id[CRYPTO_SHA256_SIZE],
                         struct buf *out)
{
    char path[PATH_SIZE];
    make_path(path, directory, id);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return;
    char *room = buf_reserve(out, LIMIT_JWKS_DOCUMENT);
    ssize_t length = room != NULL ? read(fd, room, LIMIT_JWKS_DOCUMENT) : 0;
    if (length > 0)
        buf_wrote(out, (size_t)length);
    close(fd);
}

static int write_file(const char *path, struct str bytes)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return errno;
    errno = 0;
    ssize_t written = write(fd, bytes.ptr, bytes.len);
    int number = written == (ssize_t)bytes.len ? 0 : errno != 0 ? errno : ENOSPC;
    close(fd);
    return number;
}

void auth_keys_file_write(const char *directory, const uint8_t id[CRYPTO_SHA256_SIZE],
                          struct str document)
{
    char path[PATH_SIZE];
    char temporary[PATH_SIZE + 4];
    snprintf(path, sizeof(path), "%s/" FOLDER, directory);
    int number = mkdir(path, 0700) == 0 || errno == EEXIST ? 0 : errno;
    make_path(path, directory, id);
    snprintf(temporary, sizeof(temporary), "%s.new", path);
    if (number == 0)
        number = write_file(temporary, document);
    if (number == 0 && rename(temporary, path) != 0)
        number = errno;
    if (number != 0) {
        unlink(temporary);
        log_warning("a key set cannot be kept in a file", LOG_TEXT("reason", strerror(number)));
    }
}

void auth_keys_file_clear(const char *directory, int64_t before_wall)
{
    char path[PATH_SIZE];
    struct stat status;
    struct dirent *entry;
    snprintf(path, sizeof(path), "%s/" FOLDER, directory);
    DIR *folder = opendir(path);
    if (folder == NULL)
        return;
    while ((entry = readdir(folder)) != NULL) {
        int fd = dirfd(folder);
        if (fstatat(fd, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
            S_ISREG(status.st_mode) && status.st_mtime * CLOCK_SECOND < before_wall)
            unlinkat(fd, entry->d_name, 0);
    }
    closedir(folder);
}
