/* SPDX-License-Identifier: Apache-2.0 */
/* A new secret, while the old one goes on signing for a time. */
#include "base/limits.h"
#include "cli/cli_client.h"
#include "cli/cli_input.h"
#include "cli/cli_print.h"
#include "cli/cli_webhook.h"

#include <stdio.h>

static void show(const struct json *document)
{
    cli_print_object(document);
    printf("Keep the secret: it is not shown again.\n");
}

static int write_body(const struct cli_arguments *arguments, struct buf *body)
{
    buf_append_byte(body, '{');
    int result = cli_webhook_secret(arguments, body);
    if (result == CLI_OK)
        result = cli_read_overlap(arguments, body);
    buf_append_byte(body, '}');
    return result;
}

static int run(const struct cli_arguments *arguments)
{
    char path[CLI_WEBHOOK_PATH_SIZE];
    struct buf body;
    int result = cli_webhook_path(arguments, "/rotate", path);
    if (result != CLI_OK)
        return result;
    buf_init(&body, LIMIT_HTTP_BODY);
    result = write_body(arguments, &body);
    if (result == CLI_OK)
        result = cli_client_run(arguments, "POST", path, buf_view(&body), show);
    buf_fini(&body);
    return result;
}

static const struct cli_flag flags[] = {
    CLI_CLIENT_FLAGS,
    {"project", "ID", "the project"},
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
