/* SPDX-License-Identifier: Apache-2.0 */
/* The last good key sets as files of mode 0600 in DATA/jwks, named after what they came from. */
#ifndef ORDERWIRE_AUTH_AUTH_KEYS_FILE_H
#define ORDERWIRE_AUTH_AUTH_KEYS_FILE_H

#include "base/buf.h"
#include "base/crypto.h"

/* Appends the file's bytes; what cannot be read is not there. */
void auth_keys_file_read(const char *directory, const uint8_t id[CRYPTO_SHA256_SIZE],
                         struct buf *out);
/* Writes it whole or not at all. A failure is logged: the set is then fetched after a restart. */
void auth_keys_file_write(const char *directory, const uint8_t id[CRYPTO_SHA256_SIZE],
                          struct str document);
/* Removes the files that nobody wrote since `before_wall`. */
void auth_keys_file_clear(const char *directory, int64_t before_wall);

#endif
