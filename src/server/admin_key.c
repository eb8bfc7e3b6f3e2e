/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A new key is written to a temporary file, synced and linked into place, so that a crash leaves
 * either no key or a whole one.
 */
#include "server/admin_key.h"

#include "base/crypto.h"
#include "base/err.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define KEY_PREFIX "owa_"
#define KEY_RANDOM 40
#define PATH_SIZE 4200

static int fail(char *error, const char *path, int number)
{
    snprintf(error, ADMIN_KEY_ERROR_SIZE, "%.120s: %s", path, strerror(number));
    return number == ENOENT ? ERR_NOT_FOUND : ERR_IO;
}

int admin_key_read(const char *directory, char key[ADMIN_KEY_SIZE],
                   char error[ADMIN_KEY_ERROR_SIZE])
{
    char path[PATH_SIZE];
    snprintf(path, sizeof(path), "%s/admin.key", directory);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return fail(error, path, errno);
    ssize_t length = read(fd, key, ADMIN_KEY_SIZE - 1);
    int number = errno;
    close(fd);
    if (length < 0)
        return fail(error, path, number);
    while (length > 0 && (key[length - 1] == '\n' || key[length - 1] == '\r'))
        length--;
    key[length] = '\0';
    if (length < 16) {
        snprintf(error, ADMIN_KEY_ERROR_SIZE, "%.120s: this is no admin key", path);
        return ERR_INVALID;
    }
    return 0;
}

static int write_key(const char *path, const char *key)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return errno;
    char line[ADMIN_KEY_SIZE + 1];
    int length = snprintf(line, sizeof(line), "%s\n", key);
    int number = 0;
    if (write(fd, line, (size_t)length) != length || fsync(fd) != 0)
        number = errno != 0 ? errno : EIO;
    close(fd);
    return number;
}

int admin_key_read_or_make(const char *directory, char key[ADMIN_KEY_SIZE],
                           char error[ADMIN_KEY_ERROR_SIZE])
{
    char path[PATH_SIZE];
    char temporary[PATH_SIZE];
    int result = admin_key_read(directory, key, error);
    if (result != ERR_NOT_FOUND)
        return result;
    snprintf(path, sizeof(path), "%s/admin.key", directory);
    snprintf(temporary, sizeof(temporary), "%s/admin.key.new", directory);
    memcpy(key, KEY_PREFIX, sizeof(KEY_PREFIX));
    crypto_random_text(key + sizeof(KEY_PREFIX) - 1, KEY_RANDOM);
    int number = write_key(temporary, key);
    if (number == 0 && rename(temporary, path) != 0)
        number = errno;
    if (number != 0) {
        unlink(temporary);
        return fail(error, path, number);
    }
    return 0;
}
