/* SPDX-License-Identifier: Apache-2.0 */
/* An endpoint's settings changed; those that are not named stay. */
#include "base/limits.h"
#include "cli/cli_client.h"
#include "cli/cli_input.h"
#include "cli/cli_print.h"
#include "cli/cli_webhook.h"

static int write_body(const struct cli_arguments *arguments, struct buf *body)
{
    buf_append_byte(body, '{');
    cli_write_text(arguments, "url", body);
    int result = cli_webhook_settings(arguments, body);
    buf_append_byte(body, '}');
    if (result == CLI_OK && body->len == 2)
        result = cli_usage(arguments, "nothing to set");
    return result;
}

static int run(const struct cli_arguments *arguments)
{
    char path[CLI_WEBHOOK_PATH_SIZE];
    struct buf body;
    int result = cli_webhook_path(arguments, "", path);
    if (result != CLI_OK)
        return result;
    buf_init(&body, LIMIT_SETTINGS);
    result = write_body(arguments, &body);
    if (result == CLI_OK)
        result = cli_client_run(arguments, "PATCH", path, buf_view(&body), cli_print_object);
    buf_fini(&body);
    return result;
}

static const struct cli_flag flags[] = {
    CLI_CLIENT_FLAGS,
    {"project", "ID", "the project"},
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
