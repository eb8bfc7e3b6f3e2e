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

struct secrets_key {
    uint8_t key[SECRETS_KEY_SIZE];
    uint8_t previous[SECRETS_KEY_SIZE]; /* sealed what is there, if it is replaced */
    bool is_replaced;
};

/*
 * DIRECTORY/secrets.key: a key, or a new one and the one that it replaces. When there is none it is
 * made, but not when secrets are `sealed` already, which a new key would not open: ERR_NOT_FOUND.
 * That, ERR_IO, ERR_INVALID and ERR_DENIED with a sentence in `error`.
 */
NODISCARD int secrets_key_read_or_make(const char *directory, bool sealed, struct secrets_key *key,
                                       char error[KEY_FILE_ERROR_SIZE]);

/* Nothing is sealed by the previous key any more: it is forgotten, in the file as well. */
NODISCARD int secrets_key_forget_previous(const char *directory, struct secrets_key *key,
                                          char error[KEY_FILE_ERROR_SIZE]);

#endif
