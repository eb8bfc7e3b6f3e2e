/* SPDX-License-Identifier: Apache-2.0 */
/* The operator's key, a file of mode 0600 in the data directory. */
#ifndef ORDERWIRE_SERVER_ADMIN_KEY_H
#define ORDERWIRE_SERVER_ADMIN_KEY_H

#include "base/attributes.h"

#define ADMIN_KEY_MAX 256
#define ADMIN_KEY_SIZE (ADMIN_KEY_MAX + 4) /* with the end of its line, and a byte too many */
#define ADMIN_KEY_ERROR_SIZE 200

/*
 * Reads DIRECTORY/admin.key. ERR_NOT_FOUND, ERR_IO, ERR_DENIED when it is open to others, ERR_INVALID
 * when no request could bring it, with a sentence in `error`.
 */
NODISCARD int admin_key_read(const char *directory, char key[ADMIN_KEY_SIZE],
                             char error[ADMIN_KEY_ERROR_SIZE]);
/* Reads it, or makes a new one when there is none. */
NODISCARD int admin_key_read_or_make(const char *directory, char key[ADMIN_KEY_SIZE],
                                     char error[ADMIN_KEY_ERROR_SIZE]);

#endif
