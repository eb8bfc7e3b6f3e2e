/* SPDX-License-Identifier: Apache-2.0 */
/* A new secret for users' tokens, while the old one goes on serving for a time. */
#include "cli/cli_client.h"
#include "cli/cli_input.h"
#include "cli/cli_print.h"

static int run(const struct cli_arguments *arguments)
{
    char path[CLI_PATH_SIZE];
    int result = cli_read_admin_path(arguments, "/rotate", path);
    return result == CLI_OK
               ? cli_client_send(arguments, "POST", path, cli_read_overlap, cli_print_secret)
               : result;
}

static const struct cli_flag flags[] = {
    CLI_CLIENT_FLAGS,
    {"overlap", "DURATION", "how long the old secret serves too; default 24h, up to 30d, or 0"},
    {NULL},
};

const struct cli_command command_project_rotate = {
    .name = "project rotate",
    .arguments = "ID",
    .sentence = "Give a project a new secret for users' tokens",
    .flags = flags,
    .run = run,
};
