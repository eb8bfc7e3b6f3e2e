/* SPDX-License-Identifier: Apache-2.0 */
/* One project with its settings, without its secrets. */
#include "cli/cli_client.h"
#include "cli/cli_input.h"
#include "cli/cli_print.h"

#include <stdio.h>

static int run(const struct cli_arguments *arguments)
{
    char path[64];
    int32_t id;
    int result = cli_read_id(arguments, "ID", cli_argument(arguments, 0), &id);
    if (result != CLI_OK)
        return result;
    snprintf(path, sizeof(path), "/admin/v1/projects/%d", id);
    return cli_client_run(arguments, "GET", path, STR_LIT(""), cli_print_object);
}

static const struct cli_flag flags[] = {CLI_CLIENT_FLAGS, {NULL}};

const struct cli_command command_project_show = {
    .name = "project show",
    .arguments = "ID",
    .sentence = "Show a project's settings",
    .flags = flags,
    .run = run,
};
