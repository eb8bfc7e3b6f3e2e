/* SPDX-License-Identifier: Apache-2.0 */
/* Texts of others on a terminal, which would obey some of their bytes. */
#ifndef ORDERWIRE_CLI_CLI_ESCAPE_H
#define ORDERWIRE_CLI_CLI_ESCAPE_H

#include "base/buf.h"

/* Appends a text on one line: control characters, and bytes of what is not UTF-8, as "\n" or "\x1b". */
void cli_escape(struct str text, struct buf *out);

#endif
