/* SPDX-License-Identifier: Apache-2.0 */
/* The orders of a project, the newest first, a page at a time. */
#include "base/limits.h"
#include "cli/cli_client.h"
#include "cli/cli_input.h"
#include "cli/cli_print.h"

#include <stdio.h>

static void show(const struct json *document)
{
    static const char *const members[] = {"order_id",   "status",           "seq",
                                          "updated_at", "user_external_id", NULL};
    struct str cursor;
    cli_print_table(json_get(document, "orders"), members, "There is no such order.");
    if (json_as_string(json_get(document, "next_cursor"), &cursor))
        printf("More: --cursor %.*s\n", STR_ARG(cursor));
}

static int run(const struct cli_arguments *arguments)
{
    static const char *const filters[] = {"status", "user", "limit", "cursor", NULL};
    struct buf path;
    int32_t project_id;
    int result = cli_read_project(arguments, &project_id);
    if (result != CLI_OK)
        return result;
    buf_init(&path, LIMIT_HTTP_URL);
    buf_printf(&path, "/server/v1/project/%d/orders", project_id);
    result = cli_read_query(arguments, filters, &path);
    if (result == CLI_OK)
        result = cli_client_run(arguments, "GET", path.ptr, STR_LIT(""), show);
    buf_fini(&path);
    return result;
}

static const struct cli_flag flags[] = {
    CLI_CLIENT_FLAGS,
    {"project", "ID", "the project"},
    {"status", "STATUS", "only orders that are new, paid, done or canceled"},
    {"user", "USER", "only orders of this buyer", .field = "user_external_id"},
    {"limit", "N", "orders on a page, up to 100"},
    {"cursor", "CURSOR", "the next page, as the one before names it"},
    {NULL},
};

const struct cli_command command_order_list = {
    .name = "order list",
    .arguments = "",
    .sentence = "List a project's orders, newest first",
    .flags = flags,
    .run = run,
};
