/* SPDX-License-Identifier: Apache-2.0 */
/* Where the next page of a list begins, as an opaque text for clients. */
#ifndef ORDERWIRE_SERVICE_LIST_CURSOR_H
#define ORDERWIRE_SERVICE_LIST_CURSOR_H

#include "base/buf.h"

#define LIST_CURSOR_MAX 64 /* bytes that list_cursor_write appends at most */

/* Appends "next_cursor":"…", or null for 0, to an open object. */
void list_cursor_write(struct buf *out, int64_t place);
/* The place, in 1 to `max`. ERR_INVALID. */
NODISCARD int list_cursor_read(struct str cursor, int64_t max, int64_t *place);

#endif
