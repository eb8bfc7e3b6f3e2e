/* SPDX-License-Identifier: Apache-2.0 */
/* A key is 32 random bytes that no person reads; the file may hold two of them. */
#include "server/secrets_key.h"

#include "base/crypto.h"
#include "base/err.h"
#include "base/mem.h"

#include <stdio.h>
#include <string.h>

#define NAME "secrets.key"

static int make(const char *directory, struct secrets_key *key, char *error)
{
    crypto_random(key->key, SECRETS_KEY_SIZE);
    return key_file_make(directory, NAME, key->key, SECRETS_KEY_SIZE, error);
}

int secrets_key_read_or_make(const char *directory, bool sealed, struct secrets_key *key,
                             char error[KEY_FILE_ERROR_SIZE])
{
    uint8_t bytes[2 * SECRETS_KEY_SIZE + 1];
    size_t length;
    int result = key_file_read(directory, NAME, bytes, sizeof(bytes), &length, error);
    memset(key, 0, sizeof(*key));
    if (result == ERR_NOT_FOUND && !sealed)
        return make(directory, key, error);
    if (result == ERR_NOT_FOUND)
        snprintf(error, KEY_FILE_ERROR_SIZE,
                 "%.100s/" NAME ": missing, and it sealed the webhooks' secrets: put it back",
                 directory);
    if (result != 0)
        return result;
    if (length != SECRETS_KEY_SIZE && length != 2 * SECRETS_KEY_SIZE) {
        snprintf(error, KEY_FILE_ERROR_SIZE,
                 "%.100s/" NAME ": this is neither a key of 32 bytes nor two of them", directory);
        result = ERR_INVALID;
    } else {
        memcpy(key->key, bytes, SECRETS_KEY_SIZE);
        memcpy(key->previous, bytes + SECRETS_KEY_SIZE, length - SECRETS_KEY_SIZE);
        key->is_replaced = length > SECRETS_KEY_SIZE;
    }
    mem_wipe(bytes, sizeof(bytes));
    return result;
}

int secrets_key_forget_previous(const char *directory, struct secrets_key *key,
                                char error[KEY_FILE_ERROR_SIZE])
{
    int result = key_file_make(directory, NAME, key->key, SECRETS_KEY_SIZE, error);
    if (result != 0)
        return result;
    mem_wipe(key->previous, SECRETS_KEY_SIZE);
    key->is_replaced = false;
    return 0;
}
