/* SPDX-License-Identifier: Apache-2.0 */
/* A project's endpoints, and one of them. */
#include "cli/cli_client.h"
#include "cli/cli_print.h"
#include "cli/cli_webhook.h"

static void show_list(const struct json *document)
{
    static const char *const members[] = {"id", "state", "preset", "statuses", "url", NULL};
    cli_print_page(document, "webhooks", members, "There is no webhook.");
}

static int run_list(const struct cli_arguments *arguments)
{
    static const char *const filters[] = {"cursor", NULL};
    return cli_client_page(arguments, "/webhooks", filters, show_list);
}

static int run_show(const struct cli_arguments *arguments)
{
    char path[CLI_PATH_SIZE];
    int result = cli_webhook_path(arguments, "", path);
    return result == CLI_OK ? cli_client_run(arguments, "GET", path, STR_LIT(""), cli_print_object)
                            : result;
}

static const struct cli_flag list_flags[] = {
    CLI_PROJECT_FLAGS,
    {"cursor", "CURSOR", "the next page, as the one before names it"},
    {NULL},
};

static const struct cli_flag show_flags[] = {
    CLI_PROJECT_FLAGS,
    {NULL},
};

const struct cli_command command_webhook_list = {
    .name = "webhook list",
    .arguments = "",
    .sentence = "List a project's webhooks",
    .flags = list_flags,
    .run = run_list,
};

const struct cli_command command_webhook_show = {
    .name = "webhook show",
    .arguments = "ID",
    .sentence = "Show a webhook's settings and its state",
    .flags = show_flags,
    .run = run_show,
};
