/* SPDX-License-Identifier: Apache-2.0 */
/* The key for secrets is 32 random bytes that no person reads. */
#include "server/secrets_key.h"

#include "base/crypto.h"
#include "base/err.h"

#include <stdio.h>

#define NAME "secrets.key"

int secrets_key_read_or_make(const char *directory, bool sealed, uint8_t key[SECRETS_KEY_SIZE],
                             char error[KEY_FILE_ERROR_SIZE])
{
    size_t length;
    int result = key_file_read(directory, NAME, key, SECRETS_KEY_SIZE, &length, error);
    if (result == ERR_NOT_FOUND && sealed) {
        snprintf(error, KEY_FILE_ERROR_SIZE,
                 "%.100s/" NAME ": missing, and it sealed the webhooks' secrets: put it back",
                 directory);
        return result;
    }
    if (result == ERR_NOT_FOUND) {
        crypto_random(key, SECRETS_KEY_SIZE);
        return key_file_make(directory, NAME, key, SECRETS_KEY_SIZE, error);
    }
    if (result == 0 && length != SECRETS_KEY_SIZE) {
        snprintf(error, KEY_FILE_ERROR_SIZE, "%.120s/" NAME ": this is no key of 32 bytes",
                 directory);
        return ERR_INVALID;
    }
    return result;
}
