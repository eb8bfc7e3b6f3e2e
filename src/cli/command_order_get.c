/* SPDX-License-Identifier: Apache-2.0 */
/* One order with what happened to it. */
#include "cli/cli_client.h"
#include "cli/cli_input.h"
#include "cli/cli_print.h"

#include <stdio.h>

static void show(const struct json *document)
{
    static const char *const members[] = {"seq",    "occurred_at", "previous_status",
                                          "status", "synthetic",   NULL};
    static const char *const deliveries[] = {"id",    "endpoint_id",   "type",       "seq",
                                             "state", "attempt_count", "created_at", NULL};
    cli_print_object_without(document, "deliveries");
    printf("\n");
    cli_print_table(json_get(document, "events"), members, "Nothing has happened to it.");
    if (json_length(json_get(document, "deliveries")) == 0)
        return;
    printf("\n");
    cli_print_table(json_get(document, "deliveries"), deliveries, "");
}

static int run(const struct cli_arguments *arguments)
{
    char path[CLI_PATH_SIZE];
    int result = cli_read_order_path(arguments, path);
    return result == CLI_OK ? cli_client_run(arguments, "GET", path, STR_LIT(""), show) : result;
}

static const struct cli_flag flags[] = {
    CLI_PROJECT_FLAGS,
    {NULL},
};

const struct cli_command command_order_get = {
    .name = "order get",
    .arguments = "ORDER_ID",
    .sentence = "Show an order, its events and their webhooks",
    .flags = flags,
    .run = run,
};
