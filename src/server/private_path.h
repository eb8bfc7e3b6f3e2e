/* SPDX-License-Identifier: Apache-2.0 */
/* Files and directories that are for the server's own user alone. */
#ifndef ORDERWIRE_SERVER_PRIVATE_PATH_H
#define ORDERWIRE_SERVER_PRIVATE_PATH_H

#include "base/attributes.h"

#include <sys/stat.h>

#define PRIVATE_PATH_ERROR_SIZE 200

/*
 * Nobody but the owner may do anything with it, and the owner is this process's user or root. Root
 * itself may look at what belongs to others. ERR_DENIED with a sentence that says what to do.
 */
NODISCARD int private_path_check(const struct stat *status, const char *path,
                                 char error[PRIVATE_PATH_ERROR_SIZE]);

/* Makes a directory that outlives the power, or checks the one that is there. ERR_IO, ERR_DENIED with a sentence. */
NODISCARD int private_path_directory(const char *path, char error[PRIVATE_PATH_ERROR_SIZE]);
/*
 * After a failure: what of the server's this process may not use, and whose it is, as the end of a sentence: "; …". ""
 * when that is not why.
 */
void private_path_blame(const char *directory, char blame[PRIVATE_PATH_ERROR_SIZE]);
/* Makes durable which names a directory has. 0 or an errno. */
NODISCARD int private_path_sync(const char *directory);

#endif
