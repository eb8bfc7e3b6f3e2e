/* SPDX-License-Identifier: Apache-2.0 */
/* A project's endpoints, and one of them. */
#include "base/limits.h"
#include "cli/cli_client.h"
#include "cli/cli_print.h"
#include "cli/cli_webhook.h"

#include <stdio.h>

static void show_list(const struct json *document)
{
    static const char *const members[] = {"id", "state", "preset", "statuses", "url", NULL};
    struct str cursor;
    cli_print_table(json_get(document, "webhooks"), members, "There is no webhook.");
    if (json_as_string(json_get(document, "next_cursor"), &cursor))
        printf("More: --cursor %.*s\n", STR_ARG(cursor));
}

static int run_list(const struct cli_arguments *arguments)
{
    static const char *const filters[] = {"cursor", NULL};
    char base[CLI_PATH_SIZE];
    struct buf path;
    int result = cli_read_project_path(arguments, "/webhooks", base);
    if (result != CLI_OK)
        return result;
    buf_init(&path, LIMIT_HTTP_URL);
    buf_append_text(&path, base);
    result = cli_read_query(arguments, filters, &path);
    if (result == CLI_OK)
        result = cli_client_run(arguments, "GET", path.ptr, STR_LIT(""), show_list);
    buf_fini(&path);
    return result;
}

static int run_show(const struct cli_arguments *arguments)
{
    char path[CLI_PATH_SIZE];
    int result = cli_webhook_path(arguments, "", path);
    return result == CLI_OK ? cli_client_run(arguments, "GET", path, STR_LIT(""), cli_print_object)
                            : result;
}

static const struct cli_flag list_flags[] = {
    CLI_CLIENT_FLAGS,
    {"project", "ID", "the project"},
    {"cursor", "CURSOR", "the next page, as the one before names it"},
    {NULL},
};

static const struct cli_flag show_flags[] = {
    CLI_CLIENT_FLAGS,
    {"project", "ID", "the project"},
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
