/* SPDX-License-Identifier: Apache-2.0 */
/* A project's settings changed; those that are not named stay. */
#include "cli/cli_client.h"
#include "cli/cli_input.h"
#include "cli/cli_print.h"

static int write_body(const struct cli_arguments *arguments, struct buf *body)
{
    int result = cli_read_settings(arguments, body);
    return result == CLI_OK && body->len == 1 ? cli_usage(arguments, "nothing to set") : result;
}

static int run(const struct cli_arguments *arguments)
{
    char path[CLI_PATH_SIZE];
    int result = cli_read_admin_path(arguments, "", path);
    return result == CLI_OK
               ? cli_client_send(arguments, "PATCH", path, write_body, cli_print_object)
               : result;
}

static const struct cli_flag flags[] = {CLI_CLIENT_FLAGS, CLI_SETTINGS_FLAGS, {NULL}};

const struct cli_command command_project_set = {
    .name = "project set",
    .arguments = "ID",
    .sentence = "Change a project's settings; an empty value empties a list",
    .flags = flags,
    .run = run,
};
