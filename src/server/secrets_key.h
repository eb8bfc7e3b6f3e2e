/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The key that seals the secrets of webhooks, a file of mode 0600 in the data directory, outside of
 * the database: a copy of the database alone does not tell them.
 */
#ifndef ORDERWIRE_SERVER_SECRETS_KEY_H
#define ORDERWIRE_SERVER_SECRETS_KEY_H

#include "server/key_file.h"

#include <stdbool.h>
#include <stdint.h>

#define SECRETS_KEY_SIZE 32

/*
 * DIRECTORY/secrets.key. When there is none it is made, but not when secrets are `sealed` already,
 * which a new key would not open: ERR_NOT_FOUND. That, ERR_IO, ERR_INVALID and ERR_DENIED with a sentence in
 * `error`.
 */
NODISCARD int secrets_key_read_or_make(const char *directory, bool sealed,
                                       uint8_t key[SECRETS_KEY_SIZE],
                                       char error[KEY_FILE_ERROR_SIZE]);

#endif
