/* SPDX-License-Identifier: Apache-2.0 */
/* A new project. Its key and secrets are printed here and can never be read again. */
#include "cli/cli_client.h"
#include "cli/cli_input.h"
#include "cli/cli_print.h"

#include <stdio.h>

static void show(const struct json *document)
{
    cli_print_object(document);
    printf("Keep the key and the secrets: they are not shown again.\n");
}

static int write_body(const struct cli_arguments *arguments, struct buf *body)
{
    int32_t id;
    const char *merchant = cli_value(arguments, "merchant");
    int result = cli_read_id(arguments, "ID", cli_argument(arguments, 0), &id);
    if (result != CLI_OK)
        return result;
    json_write_int(body, "project_id", id);
    if (merchant != NULL) {
        result = cli_read_id(arguments, "--merchant", merchant, &id);
        json_write_int(body, "merchant_id", id);
    }
    return result == CLI_OK ? cli_read_settings(arguments, body) : result;
}

static int run(const struct cli_arguments *arguments)
{
    return cli_client_send(arguments, "POST", "/admin/v1/projects", write_body, show);
}

static const struct cli_flag flags[] = {
    CLI_CLIENT_FLAGS,
    {"merchant", "ID", "the merchant's id; default the project's"},
    CLI_SETTINGS_FLAGS,
    {NULL},
};

const struct cli_command command_project_create = {
    .name = "project create",
    .arguments = "ID",
    .sentence = "Make a project with its first API key and its secrets",
    .flags = flags,
    .run = run,
};
