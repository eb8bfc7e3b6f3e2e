/* SPDX-License-Identifier: Apache-2.0 */
/* A new secret, while the old one goes on signing for a time. */
#include "cli/cli_client.h"
#include "cli/cli_print.h"
#include "cli/cli_webhook.h"

static int write_body(const struct cli_arguments *arguments, struct buf *body)
{
    int result = cli_webhook_secret(arguments, body);
    return result == CLI_OK ? cli_read_overlap(arguments, body) : result;
}

static int run(const struct cli_arguments *arguments)
{
    char path[CLI_PATH_SIZE];
    int result = cli_webhook_path(arguments, "/rotate", path);
    return result == CLI_OK ? cli_client_send(arguments, "POST", path, write_body, cli_print_secret)
                            : result;
}

static const struct cli_flag flags[] = {
    CLI_PROJECT_FLAGS,
    {"overlap", "DURATION", "how long the old secret signs too; default 24h, up to 7d, or 0"},
    {"secret", "TEXT|@FILE", "the new secret; without it one is made"},
    {NULL},
};

const struct cli_command command_webhook_rotate = {
    .name = "webhook rotate",
    .arguments = "ID",
    .sentence = "Give a webhook a new secret",
    .flags = flags,
    .run = run,
};
