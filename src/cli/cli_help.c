/* SPDX-License-Identifier: Apache-2.0 */
/* Help, made of the commands' own tables. */
#include "cli/cli_internal.h"

#include <stdio.h>
#include <string.h>

bool cli_begins_with_word(const struct cli_command *command, const char *word)
{
    size_t length = strlen(word);
    return strncmp(command->name, word, length) == 0 && command->name[length] == ' ';
}

/* Of the column in which the commands stand. */
static int usage_width(void)
{
    size_t width = 0;
    for (size_t i = 0; i < cli_command_count; i++) {
        size_t length = strlen(cli_commands[i]->name) + 1 + strlen(cli_commands[i]->arguments);
        width = length > width ? length : width;
    }
    return (int)width;
}

/* Those that begin with this word, or all. Whether there is any. */
static bool list_commands(const char *first)
{
    int width = usage_width();
    bool any = false;
    for (size_t i = 0; i < cli_command_count; i++) {
        const struct cli_command *command = cli_commands[i];
        char usage[80];
        if (first != NULL && !cli_begins_with_word(command, first))
            continue;
        snprintf(usage, sizeof(usage), "%s %s", command->name, command->arguments);
        printf("  %-*s %s\n", width, usage, command->sentence);
        any = true;
    }
    if (any)
        printf("\nEach command explains its flags: orderwire COMMAND --help\n");
    return any;
}

void cli_help_all(void)
{
    printf(
        "Orderwire %s: tells the people who wait for an order what has become of it.\n\n"
        "Usage: orderwire COMMAND [ARGUMENTS] [--FLAGS]\n\n",
        ORDERWIRE_VERSION);
    (void)list_commands(NULL);
}

bool cli_help_group(const char *word)
{
    return list_commands(word);
}

void cli_help_command(const struct cli_command *command)
{
    printf("Usage: orderwire %s%s%s%s\n\n%s.\n", command->name,
           command->arguments[0] != '\0' ? " " : "", command->arguments,
           command->flags->name != NULL ? " [--FLAGS]" : "", command->sentence);
    if (command->flags->name != NULL)
        printf("\n");
    for (const struct cli_flag *flag = command->flags; flag->name != NULL; flag++) {
        char usage[80];
        snprintf(usage, sizeof(usage), "--%s%s%s", flag->name, flag->value != NULL ? " " : "",
                 flag->value != NULL ? flag->value : "");
        printf("  %-28s %s%s\n", usage, flag->help, flag->repeated ? " (may be repeated)" : "");
    }
}
