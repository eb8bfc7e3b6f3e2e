/* SPDX-License-Identifier: Apache-2.0 */
/* The operator's key is a line of text, so that it can be read and copied. */
#include "server/admin_key.h"

#include "base/crypto.h"
#include "base/err.h"
#include "base/mem.h"
#include "server/key_file.h"

#include <stdio.h>
#include <string.h>

#define NAME "admin.key"
#define KEY_PREFIX "owa_"
#define KEY_RANDOM 40
enum { KEY_MIN = 16 };

_Static_assert(ADMIN_KEY_ERROR_SIZE >= KEY_FILE_ERROR_SIZE, "a sentence about the file fits");

/* As it goes into a header's field. */
static bool is_key(struct str key)
{
    for (size_t i = 0; i < key.len; i++) {
        if (key.ptr[i] <= ' ' || key.ptr[i] > '~')
            return false;
    }
    return key.len >= KEY_MIN && key.len <= ADMIN_KEY_MAX;
}

int admin_key_read(const char *directory, char key[ADMIN_KEY_SIZE],
                   char error[ADMIN_KEY_ERROR_SIZE])
{
    size_t length;
    int result = key_file_read(directory, NAME, key, ADMIN_KEY_SIZE - 1, &length, error);
    if (result != 0)
        return result;
    while (length > 0 && (key[length - 1] == '\n' || key[length - 1] == '\r'))
        length--;
    key[length] = '\0';
    if (!is_key(str_make(key, length))) {
        snprintf(error, ADMIN_KEY_ERROR_SIZE,
                 "%.100s/" NAME ": expected a line of %d to %d ASCII characters without spaces",
                 directory, KEY_MIN, ADMIN_KEY_MAX);
        return ERR_INVALID;
    }
    return 0;
}

int admin_key_read_or_make(const char *directory, char key[ADMIN_KEY_SIZE],
                           char error[ADMIN_KEY_ERROR_SIZE])
{
    char line[ADMIN_KEY_SIZE + 1];
    int result = admin_key_read(directory, key, error);
    if (result != ERR_NOT_FOUND)
        return result;
    memcpy(key, KEY_PREFIX, sizeof(KEY_PREFIX));
    crypto_random_text(key + sizeof(KEY_PREFIX) - 1, KEY_RANDOM);
    int length = snprintf(line, sizeof(line), "%s\n", key);
    result = key_file_make(directory, NAME, line, (size_t)length, error);
    mem_wipe(line, sizeof(line));
    return result;
}
