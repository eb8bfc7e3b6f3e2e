/* SPDX-License-Identifier: Apache-2.0 */
/* An endpoint's settings changed; those that are not named stay. */
#include "cli/cli_client.h"
#include "cli/cli_print.h"
#include "cli/cli_webhook.h"

static int write_body(const struct cli_arguments *arguments, struct buf *body)
{
    cli_write_text(arguments, "url", body);
    int result = cli_webhook_settings(arguments, body);
    return result == CLI_OK && body->len == 1 ? cli_usage(arguments, "nothing to set") : result;
}

static int run(const struct cli_arguments *arguments)
{
    char path[CLI_PATH_SIZE];
    int result = cli_webhook_path(arguments, "", path);
    return result == CLI_OK
               ? cli_client_send(arguments, "PATCH", path, write_body, cli_print_object)
               : result;
}

static const struct cli_flag flags[] = {
    CLI_PROJECT_FLAGS,
    {"url", "URL", "where to send to"},
    CLI_WEBHOOK_FLAGS,
    {NULL},
};

const struct cli_command command_webhook_set = {
    .name = "webhook set",
    .arguments = "ID",
    .sentence = "Change a webhook's settings; an empty value removes one",
    .flags = flags,
    .run = run,
};
