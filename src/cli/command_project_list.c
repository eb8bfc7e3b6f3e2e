/* SPDX-License-Identifier: Apache-2.0 */
/* The projects of a server, a page at a time. */
#include "cli/cli_client.h"
#include "cli/cli_input.h"
#include "cli/cli_print.h"

#include <inttypes.h>
#include <stdio.h>

static void show(const struct json *document)
{
    static const char *const members[] = {"project_id", "merchant_id", "created_at", "name", NULL};
    int64_t next;
    cli_print_table(json_get(document, "projects"), members, "There is no project.");
    if (json_as_int(json_get(document, "next_after"), &next))
        printf("More: --after %" PRId64 "\n", next);
}

static int run(const struct cli_arguments *arguments)
{
    char path[64] = "/admin/v1/projects";
    int32_t after;
    const char *text = cli_value(arguments, "after");
    if (text != NULL) {
        int result = cli_read_id(arguments, "--after", text, &after);
        if (result != CLI_OK)
            return result;
        snprintf(path, sizeof(path), "/admin/v1/projects?after=%d", after);
    }
    return cli_client_run(arguments, "GET", path, STR_LIT(""), show);
}

static const struct cli_flag flags[] = {
    CLI_CLIENT_FLAGS,
    {"after", "ID", "go on after this project"},
    {NULL},
};

const struct cli_command command_project_list = {
    .name = "project list",
    .arguments = "",
    .sentence = "List the projects",
    .flags = flags,
    .run = run,
};
