/* SPDX-License-Identifier: Apache-2.0 */
/* What main.c, cli_flags.c and cli_help.c share. */
#ifndef ORDERWIRE_CLI_CLI_INTERNAL_H
#define ORDERWIRE_CLI_CLI_INTERNAL_H

#include "cli/cli.h"

#include <stddef.h>

#define CLI_VALUES_MAX 64

struct cli_arguments {
    const struct cli_command *command;
    struct {
        const struct cli_flag *flag;
        const char *value;
    } values[CLI_VALUES_MAX];
    int value_count;
    const char *positional[CLI_VALUES_MAX];
    int positional_count;
    bool help;
};

#define COMMAND(symbol) extern const struct cli_command command_##symbol;
#include "cli/commands.def"

extern const struct cli_command *const cli_commands[];
extern const size_t cli_command_count;

/* 0, or CLI_USAGE after a sentence on standard error. `argv` are the words after the command's
 * name. */
NODISCARD int cli_read(struct cli_arguments *arguments, const struct cli_command *command, int argc,
                       char **argv);

/* Begins the search for the word that was meant: nothing when all are too far from it. */
struct str_nearest cli_nearest(struct str word);

void cli_help_all(void);
/* Of the commands whose first of two words this is; false, and nothing, when there are none. */
bool cli_help_group(const char *word);
bool cli_begins_with_word(const struct cli_command *command, const char *word);
void cli_help_command(const struct cli_command *command);

#endif
