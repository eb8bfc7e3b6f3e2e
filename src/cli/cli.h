/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command line: one table of commands (cli/commands.def), one file a command, each with one
 * struct cli_command that dispatch, --help and docs/cli.md are made of.
 *
 * main.c          finds the command, reads its flags, runs it
 * cli_flags.c     flags and positional arguments
 * cli_help.c      help from the tables
 * cli_escape.c    texts of others on a terminal
 * cli_client.c    requests to a running server
 * command_*.c     the commands
 */
#ifndef ORDERWIRE_CLI_CLI_H
#define ORDERWIRE_CLI_CLI_H

#include "base/buf.h"

#include <stdbool.h>

/* What a command may return: exit codes. */
enum { CLI_OK = 0, CLI_FAILED = 1, CLI_CANCELED = 2, CLI_USAGE = 64 };

struct cli_flag {
    const char *name;  /* without "--"; NULL ends a table */
    const char *value; /* what stands for the value in the help; NULL: a switch */
    const char *help;
    bool repeated;
    const char *field; /* what the API calls it; NULL: the same */
};

struct cli_arguments;

struct cli_command {
    const char *name; /* "project create" */
    const char
        *arguments; /* "ID", "[ORDER_ID]", "": one word each, in brackets what may be left out */
    const char *sentence;
    const struct cli_flag *flags;
    int (*run)(const struct cli_arguments *arguments);
};

/* Flags of every command that talks to a server: --server, --ca, --insecure, --data, --json. */
#define CLI_CLIENT_FLAGS                                                                           \
    {"server", "URL", "the running server; default http://127.0.0.1:8000, or ORDERWIRE_SERVER"},   \
        {"ca", "FILE", "the authorities to trust with https, PEM; or set ORDERWIRE_CA"},           \
        {"insecure", NULL, "with https: whoever answers is trusted"},                              \
        {"data", "DIR",                                                                            \
         "where admin.key is; default data, or ORDERWIRE_DATA; or set ORDERWIRE_ADMIN_KEY"},       \
    {                                                                                              \
        "json", NULL, "print JSON"                                                                 \
    }

/* The same of a command whose routes are a merchant's: its project, whose API key serves as well. */
#define CLI_PROJECT_FLAGS                                                                          \
    CLI_CLIENT_FLAGS,                                                                              \
    {                                                                                              \
        "project", "ID",                                                                           \
            "the project; with its API key in ORDERWIRE_API_KEY no admin key is needed"            \
    }

/* Flags and arguments are UTF-8, but for the names of files and directories. */

/* The last value of a flag, or NULL. */
const char *cli_value(const struct cli_arguments *arguments, const char *flag);
/* What a variable of the environment says; NULL when it is not set, or empty. */
const char *cli_variable(const char *name);
/* The last value of a flag, else what the variable of the environment says, else `otherwise`; empty is not given. */
const char *cli_value_or(const struct cli_arguments *arguments, const char *flag,
                         const char *variable, const char *otherwise);
/* The index-th value of a repeated flag, or NULL. */
const char *cli_value_at(const struct cli_arguments *arguments, const char *flag, int index);
bool cli_has(const struct cli_arguments *arguments, const char *flag);
/* The index-th positional argument, or NULL. */
const char *cli_argument(const struct cli_arguments *arguments, int index);
/* What the API calls a flag of the command. */
const char *cli_field(const struct cli_arguments *arguments, const char *flag);
/*
 * A refusal of the API, "[0401-1102]: statuses[0]: expected …", as it is told here: where it begins with the field of
 * a flag that was given, or of an argument, it has that one's name instead. Appended to `out`.
 */
void cli_name_field(const struct cli_arguments *arguments, struct str message, struct buf *out);

/* Prints "orderwire: …" to standard error and returns CLI_FAILED. */
int cli_fail(const char *format, ...) PRINTF_LIKE(1, 2);
/* The same with a hint at the command's help; returns CLI_USAGE. */
int cli_usage(const struct cli_arguments *arguments, const char *format, ...) PRINTF_LIKE(2, 3);
/* Prints a line more, in brackets. */
void cli_hint(const char *format, ...) PRINTF_LIKE(1, 2);

#endif
