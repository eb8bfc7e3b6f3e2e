/* SPDX-License-Identifier: Apache-2.0 */
/* A new order. The token that comes back lets its buyer follow it. */
#include "cli/cli_client.h"
#include "cli/cli_input.h"
#include "cli/cli_print.h"

static int write_ids(const struct cli_arguments *arguments, struct buf *body)
{
    const char *user;
    const char *order = cli_value(arguments, "order-id");
    int32_t order_id = 0;
    int result = cli_read_text(arguments, "user", &user);
    if (result != CLI_OK)
        return result;
    json_write_text(body, "user_external_id", str_from(user));
    if (order == NULL)
        return CLI_OK;
    result = cli_read_id(arguments, "--order-id", order, &order_id);
    json_write_int(body, "order_id", order_id);
    return result;
}

static int write_body(const struct cli_arguments *arguments, struct buf *body)
{
    const char *content = cli_value(arguments, "content");
    int result = write_ids(arguments, body);
    if (result != CLI_OK)
        return result;
    cli_write_text(arguments, "status", body);
    if (content == NULL)
        return CLI_OK;
    json_write_key(body, "content");
    return cli_read_json(arguments, "content", content, body);
}

static int run(const struct cli_arguments *arguments)
{
    char path[CLI_PATH_SIZE];
    int result = cli_read_project_path(arguments, "/orders", path);
    return result == CLI_OK ? cli_client_send(arguments, "POST", path, write_body, cli_print_object)
                            : result;
}

static const struct cli_flag flags[] = {
    CLI_PROJECT_FLAGS,
    {"user", "USER", "the buyer's external id", .field = "user_external_id"},
    {"order-id", "ID", "default: the next one that is free", .field = "order_id"},
    {"status", "STATUS", "new, paid, done or canceled; default new"},
    {"content", "JSON|FILE", "price and items"},
    {NULL},
};

const struct cli_command command_order_create = {
    .name = "order create",
    .arguments = "",
    .sentence = "Create an order",
    .flags = flags,
    .run = run,
};
