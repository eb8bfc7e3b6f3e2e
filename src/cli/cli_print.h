/* SPDX-License-Identifier: Apache-2.0 */
/* Answers of the server, for people. */
#ifndef ORDERWIRE_CLI_CLI_PRINT_H
#define ORDERWIRE_CLI_CLI_PRINT_H

#include "codec/json.h"

/* The members of one object, a line each. What is an array of objects is left out. */
void cli_print_object(const struct json *object);
/*
 * An array of objects as a table: a line each under a line of titles. `members` ends with NULL and
 * names the columns. `empty` is what is printed instead of an empty table.
 */
void cli_print_table(const struct json *rows, const char *const *members, const char *empty);

#endif
