/* SPDX-License-Identifier: Apache-2.0 */
/* One project with its settings, without its secrets. */
#include "cli/cli_client.h"
#include "cli/cli_input.h"
#include "cli/cli_print.h"

static int run(const struct cli_arguments *arguments)
{
    char path[CLI_PATH_SIZE];
    int result = cli_read_admin_path(arguments, "", path);
    return result == CLI_OK ? cli_client_run(arguments, "GET", path, STR_LIT(""), cli_print_object)
                            : result;
}

static const struct cli_flag flags[] = {CLI_CLIENT_FLAGS, {NULL}};

const struct cli_command command_project_show = {
    .name = "project show",
    .arguments = "ID",
    .sentence = "Show a project's settings",
    .flags = flags,
    .run = run,
};
