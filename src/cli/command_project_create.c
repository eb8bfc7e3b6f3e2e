/* SPDX-License-Identifier: Apache-2.0 */
/* A new project. Its key and secrets are printed here and can never be read again. */
#include "base/limits.h"
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
    buf_append_byte(body, '{');
    json_write_int(body, "project_id", id);
    if (merchant != NULL) {
        result = cli_read_id(arguments, "--merchant", merchant, &id);
        json_write_int(body, "merchant_id", id);
    }
    if (result == CLI_OK)
        result = cli_read_settings(arguments, body);
    buf_append_byte(body, '}');
    return result;
}

static int run(const struct cli_arguments *arguments)
{
    struct buf body;
    buf_init(&body, LIMIT_SETTINGS);
    int result = write_body(arguments, &body);
    if (result == CLI_OK)
        result = cli_client_run(arguments, "POST", "/admin/v1/projects", buf_view(&body), show);
    buf_fini(&body);
    return result;
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
