/* SPDX-License-Identifier: Apache-2.0 */
/* A project's settings changed; those that are not named stay. */
#include "base/limits.h"
#include "cli/cli_client.h"
#include "cli/cli_input.h"
#include "cli/cli_print.h"

#include <stdio.h>

static int run(const struct cli_arguments *arguments)
{
    char path[64];
    struct buf body;
    int32_t id;
    int result = cli_read_id(arguments, "ID", cli_argument(arguments, 0), &id);
    if (result != CLI_OK)
        return result;
    snprintf(path, sizeof(path), "/admin/v1/projects/%d", id);
    buf_init(&body, LIMIT_SETTINGS);
    buf_append_byte(&body, '{');
    result = cli_read_settings(arguments, &body);
    buf_append_byte(&body, '}');
    if (result == CLI_OK && body.len == 2)
        result = cli_usage(arguments, "nothing to set");
    if (result == CLI_OK)
        result = cli_client_run(arguments, "PATCH", path, buf_view(&body), cli_print_object);
    buf_fini(&body);
    return result;
}

static const struct cli_flag flags[] = {CLI_CLIENT_FLAGS, CLI_SETTINGS_FLAGS, {NULL}};

const struct cli_command command_project_set = {
    .name = "project set",
    .arguments = "ID",
    .sentence = "Change a project's settings",
    .flags = flags,
    .run = run,
};
