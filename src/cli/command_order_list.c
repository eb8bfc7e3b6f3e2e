/* SPDX-License-Identifier: Apache-2.0 */
/* The orders of a project, the newest first, a page at a time. */
#include "base/limits.h"
#include "cli/cli_client.h"
#include "cli/cli_input.h"
#include "cli/cli_print.h"
#include "codec/url.h"

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

static void write_path(const struct cli_arguments *arguments, int32_t project_id, struct buf *path)
{
    static const struct {
        const char *flag;
        const char *parameter;
    } filters[] = {
        {"status", "status"},
        {"user", "user_external_id"},
        {"limit", "limit"},
        {"cursor", "cursor"},
    };
    char separator = '?';
    buf_printf(path, "/server/v1/project/%d/orders", project_id);
    for (size_t i = 0; i < ARRAY_LENGTH(filters); i++) {
        const char *value = cli_value(arguments, filters[i].flag);
        if (value == NULL)
            continue;
        buf_append_byte(path, separator);
        buf_append_text(path, filters[i].parameter);
        buf_append_byte(path, '=');
        url_encode(str_from(value), path);
        separator = '&';
    }
    buf_append_byte(path, '\0');
}

static int run(const struct cli_arguments *arguments)
{
    struct buf path;
    int32_t project_id;
    int result = cli_read_project(arguments, &project_id);
    if (result != CLI_OK)
        return result;
    buf_init(&path, LIMIT_HTTP_URL);
    write_path(arguments, project_id, &path);
    result = path.overflow ? cli_usage(arguments, "the filters are too long")
                           : cli_client_run(arguments, "GET", path.ptr, STR_LIT(""), show);
    buf_fini(&path);
    return result;
}

static const struct cli_flag flags[] = {
    CLI_CLIENT_FLAGS,
    {"project", "ID", "the project"},
    {"status", "STATUS", "only orders that are new, paid, done or canceled"},
    {"user", "USER", "only orders of this buyer"},
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
