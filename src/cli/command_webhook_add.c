/* SPDX-License-Identifier: Apache-2.0 */
/* A new endpoint; its secret is told here and never again. */
#include "cli/cli_client.h"
#include "cli/cli_print.h"
#include "cli/cli_webhook.h"

static int write_body(const struct cli_arguments *arguments, struct buf *body)
{
    json_write_text(body, "url", str_from(cli_argument(arguments, 0)));
    int result = cli_webhook_settings(arguments, body);
    return result == CLI_OK ? cli_webhook_secret(arguments, body) : result;
}

static int run(const struct cli_arguments *arguments)
{
    char path[CLI_PATH_SIZE];
    int result = cli_read_project_path(arguments, "/webhooks", path);
    return result == CLI_OK ? cli_client_send(arguments, "POST", path, write_body, cli_print_secret)
                            : result;
}

static const struct cli_flag flags[] = {
    CLI_PROJECT_FLAGS,
    CLI_WEBHOOK_FLAGS,
    {"secret", "TEXT|@FILE", "the secret to sign with; without it one is made"},
    {NULL},
};

const struct cli_command command_webhook_add = {
    .name = "webhook add",
    .arguments = "URL",
    .sentence = "Send a project's webhooks to a URL",
    .flags = flags,
    .run = run,
};
