/* SPDX-License-Identifier: Apache-2.0 */
/* Files of mode 0600 in the data directory that hold a key, made once and kept. */
#ifndef ORDERWIRE_SERVER_KEY_FILE_H
#define ORDERWIRE_SERVER_KEY_FILE_H

#include "base/attributes.h"

#define KEY_FILE_ERROR_SIZE 200

/*
 * Reads the first `max` bytes of DIRECTORY/NAME. ERR_NOT_FOUND, ERR_IO, and ERR_DENIED when others
 * than its owner may open it (server/private_path.h), with a sentence in `error`.
 */
NODISCARD int key_file_read(const char *directory, const char *name, void *bytes, size_t max,
                            size_t *length, char error[KEY_FILE_ERROR_SIZE]);
/* Makes it. A crash leaves either none or a whole one; when this returns 0 it is on disk. */
NODISCARD int key_file_make(const char *directory, const char *name, const void *bytes,
                            size_t length, char error[KEY_FILE_ERROR_SIZE]);

#endif
