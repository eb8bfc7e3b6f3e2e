/* SPDX-License-Identifier: Apache-2.0 */
/* A copy of the database as of one moment; the server may run or not. */
#include "cli/cli.h"
#include "store/store.h"

#include <stdio.h>

static int run(const struct cli_arguments *arguments)
{
    char error[STORE_ERROR_SIZE];
    const char *data = cli_value(arguments, "data");
    const char *file = cli_argument(arguments, 0);
    if (store_backup(&store_sqlite, data != NULL ? data : "data", file, error) != 0)
        return cli_fail("%s", error);
    if (cli_has(arguments, "json"))
        printf("{\"ok\":true}\n");
    else
        printf(
            "The database stands in %s. To restore it, put it as orderwire.db into an empty "
            "data directory, with the secrets.key of this one.\n",
            file);
    return CLI_OK;
}

static const struct cli_flag flags[] = {
    {"data", "DIR", "the data directory; default \"data\""},
    {"json", NULL, "print JSON"},
    {NULL},
};

const struct cli_command command_backup = {
    .name = "backup",
    .arguments = "FILE",
    .sentence = "Copy the database to a new file, also while the server runs",
    .flags = flags,
    .arguments_min = 1,
    .arguments_max = 1,
    .run = run,
};
