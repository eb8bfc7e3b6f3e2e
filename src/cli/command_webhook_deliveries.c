/* SPDX-License-Identifier: Apache-2.0 */
/* The record of a project's deliveries: a page, or one with its attempts; one of them again. */
#include "cli/cli_client.h"
#include "cli/cli_delivery.h"
#include "cli/cli_print.h"

#include <stdio.h>

static void show_page(const struct json *document)
{
    static const char *const members[] = {"id",       "created_at", "endpoint_id", "type",
                                          "order_id", "seq",        "state",       "attempt_count",
                                          "next_at",  NULL};
    cli_print_page(document, "deliveries", members, "No deliveries.");
}

static int list(const struct cli_arguments *arguments)
{
    static const char *const filters[] = {"webhook", "order", "state",  "from",
                                          "until",   "limit", "cursor", NULL};
    return cli_client_page(arguments, "/deliveries", filters, show_page);
}

/* A request about the delivery that the first argument names. */
static int ask(const struct cli_arguments *arguments, const char *method, const char *rest,
               void (*show)(const struct json *document))
{
    char path[CLI_PATH_SIZE];
    int64_t id = 0;
    int result = cli_read_long_id(arguments, "DELIVERY_ID", cli_argument(arguments, 0), &id);
    if (result == CLI_OK)
        result = cli_delivery_path(arguments, id, rest, path);
    return result == CLI_OK ? cli_client_run(arguments, method, path, STR_LIT(""), show) : result;
}

static int run_deliveries(const struct cli_arguments *arguments)
{
    return cli_argument(arguments, 0) == NULL ? list(arguments)
                                              : ask(arguments, "GET", "", cli_delivery_show);
}

static void show_retried(const struct json *document)
{
    (void)document;
    printf("It is sent again.\n");
}

static int run_retry(const struct cli_arguments *arguments)
{
    return ask(arguments, "POST", "/retry", show_retried);
}

static const struct cli_flag deliveries_flags[] = {
    CLI_PROJECT_FLAGS,
    {"webhook", "ID", "only deliveries to this webhook", .field = "endpoint_id"},
    {"order", "ORDER_ID", "only deliveries about this order", .field = "order_id"},
    {"state", "STATE", "only waiting, blocked, delivered, dead or superseded ones"},
    {"from", "TIME", "only those made at or after this time", .field = "created_from"},
    {"until", "TIME", "only those made before this time", .field = "created_until"},
    {"limit", "N", "deliveries on a page, up to 100"},
    {"cursor", "CURSOR", "the next page, as the one before names it"},
    {NULL},
};

static const struct cli_flag retry_flags[] = {
    CLI_PROJECT_FLAGS,
    {NULL},
};

const struct cli_command command_webhook_deliveries = {
    .name = "webhook deliveries",
    .arguments = "[DELIVERY_ID]",
    .sentence = "List deliveries, newest first, or show one with its attempts",
    .flags = deliveries_flags,
    .run = run_deliveries,
};

const struct cli_command command_webhook_retry = {
    .name = "webhook retry",
    .arguments = "DELIVERY_ID",
    .sentence = "Send a delivery again that was delivered, is dead or was superseded",
    .flags = retry_flags,
    .run = run_retry,
};
