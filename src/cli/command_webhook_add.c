/* SPDX-License-Identifier: Apache-2.0 */
/* A new endpoint; its secret is told here and never again. */
#include "base/limits.h"
#include "cli/cli_client.h"
#include "cli/cli_print.h"
#include "cli/cli_webhook.h"

#include <stdio.h>

static void show(const struct json *document)
{
    cli_print_object(document);
    printf("Keep the secret: it is not shown again.\n");
}

static int run(const struct cli_arguments *arguments)
{
    char path[CLI_WEBHOOK_PATH_SIZE];
    struct buf body;
    int result = cli_webhook_list_path(arguments, path);
    if (result != CLI_OK)
        return result;
    buf_init(&body, LIMIT_SETTINGS);
    buf_append_byte(&body, '{');
    json_write_text(&body, "url", str_from(cli_argument(arguments, 0)));
    result = cli_webhook_settings(arguments, &body);
    if (result == CLI_OK)
        result = cli_webhook_secret(arguments, &body);
    buf_append_byte(&body, '}');
    if (result == CLI_OK)
        result = cli_client_run(arguments, "POST", path, buf_view(&body), show);
    buf_fini(&body);
    return result;
}

static const struct cli_flag flags[] = {
    CLI_CLIENT_FLAGS,
    {"project", "ID", "the project"},
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
