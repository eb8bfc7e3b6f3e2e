/* SPDX-License-Identifier: Apache-2.0 */
/* The version, also reached by --version. */
/* The version that the program was built as. */
#include "cli/cli.h"

#include <stdio.h>

static int run(const struct cli_arguments *arguments)
{
    (void)arguments;
    printf("orderwire %s\n", ORDERWIRE_VERSION);
    return CLI_OK;
}

static const struct cli_flag flags[] = {{NULL}};

const struct cli_command command_version = {
    .name = "version",
    .arguments = "",
    .sentence = "Print the version",
    .flags = flags,
    .run = run,
};
