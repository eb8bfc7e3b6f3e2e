/* SPDX-License-Identifier: Apache-2.0 */
/* An order moved to another status. */
#include "cli/cli_client.h"
#include "cli/cli_input.h"

#include <stdio.h>

static void show(const struct json *document)
{
    int64_t order_id = 0;
    int64_t seq = 0;
    bool applied = true;
    struct str status = STR_LIT("?");
    struct str reason = STR_LIT("?");
    bool whole = json_as_int(json_get(document, "order_id"), &order_id) &&
                 json_as_int(json_get(document, "seq"), &seq) &&
                 json_as_string(json_get(document, "status"), &status) &&
                 json_as_bool(json_get(document, "applied"), &applied);
    if (!whole || applied)
        printf("Order %lld is %.*s now (seq %lld).\n", (long long)order_id, STR_ARG(status),
               (long long)seq);
    else if (json_as_string(json_get(document, "reason"), &reason))
        printf("Order %lld stays %.*s (%.*s).\n", (long long)order_id, STR_ARG(status),
               STR_ARG(reason));
}

static int write_body(const struct cli_arguments *arguments, struct buf *body)
{
    const char *content = cli_value(arguments, "content");
    json_write_text(body, "status", str_from(cli_argument(arguments, 1)));
    cli_write_text(arguments, "cancel-reason", body);
    if (content == NULL)
        return CLI_OK;
    json_write_key(body, "content");
    return cli_read_json(arguments, "content", content, body);
}

static int run(const struct cli_arguments *arguments)
{
    char path[CLI_PATH_SIZE];
    int result = cli_read_order_path(arguments, path);
    return result == CLI_OK ? cli_client_send(arguments, "PATCH", path, write_body, show) : result;
}

static const struct cli_flag flags[] = {
    CLI_PROJECT_FLAGS,
    {"content", "JSON|FILE", "price and items, when they change too"},
    {"cancel-reason", "TEXT", "why it is canceled", .field = "cancel_reason"},
    {NULL},
};

const struct cli_command command_order_set = {
    .name = "order set",
    .arguments = "ORDER_ID STATUS",
    .sentence = "Move an order to a status",
    .flags = flags,
    .run = run,
};
