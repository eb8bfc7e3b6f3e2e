/* SPDX-License-Identifier: Apache-2.0 */
/* Answers of the server, for people. */
#ifndef ORDERWIRE_CLI_CLI_PRINT_H
#define ORDERWIRE_CLI_CLI_PRINT_H

#include "codec/json.h"

/* Writes out what was printed. False after a sentence when something printed is lost. */
NODISCARD bool cli_flush(void);

/* The members of one object, a line each. What is an array of objects is left out. */
void cli_print_object(const struct json *object);
/* The same without the member `table`, even when it is empty: it is printed by itself. */
void cli_print_object_without(const struct json *object, const char *table);
/*
 * An array of objects as a table: a line each under a line of titles. `members` ends with NULL and
 * names the columns. `empty` is what is printed instead of an empty table.
 */
void cli_print_table(const struct json *rows, const char *const *members, const char *empty);
/* The same of a document's array `name`, and how to see the page after this one. */
void cli_print_page(const struct json *document, const char *name, const char *const *members,
                    const char *empty);
/* An object with a secret in it, and that it is not shown again. */
void cli_print_secret(const struct json *object);
/*
 * The same as cli_print_table, and below each row one line with the beginning of its text `note`, where it has one;
 * what could act upon a terminal is escaped.
 */
void cli_print_table_noted(const struct json *rows, const char *const *members, const char *note,
                           const char *empty);

#endif
