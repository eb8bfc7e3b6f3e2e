/* SPDX-License-Identifier: Apache-2.0 */
/* The orders of a project, the newest first, a page at a time. */
#include "cli/cli_client.h"
#include "cli/cli_print.h"

static void show(const struct json *document)
{
    static const char *const members[] = {"order_id",   "status",           "seq",
                                          "updated_at", "user_external_id", NULL};
    cli_print_page(document, "orders", members, "There is no such order.");
}

static int run(const struct cli_arguments *arguments)
{
    static const char *const filters[] = {"status", "user", "limit", "cursor", NULL};
    return cli_client_page(arguments, "/orders", filters, show);
}

static const struct cli_flag flags[] = {
    CLI_PROJECT_FLAGS,
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
