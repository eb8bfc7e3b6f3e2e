/* SPDX-License-Identifier: Apache-2.0 */
/* API keys of a project: a new one, the list, one deleted. */
#include "base/limits.h"
#include "cli/cli_client.h"
#include "cli/cli_input.h"
#include "cli/cli_print.h"
#include "codec/url.h"

#include <stdio.h>

static void show_key(const struct json *document)
{
    cli_print_object(document);
    printf("Keep the key: it is not shown again.\n");
}

static void show_list(const struct json *document)
{
    static const char *const members[] = {"key_id", "merchant_wide", "created_at", "label", NULL};
    cli_print_table(json_get(document, "keys"), members, "There is no key.");
}

static void show_deleted(const struct json *document)
{
    (void)document;
    printf("The key is deleted.\n");
}

static int write_body(const struct cli_arguments *arguments, struct buf *body)
{
    cli_write_text(arguments, "label", body);
    json_write_bool(body, "merchant_wide", cli_has(arguments, "merchant-wide"));
    return CLI_OK;
}

static int remove_key(const struct cli_arguments *arguments, const char *path)
{
    struct buf whole;
    const char *key_id = cli_value(arguments, "delete");
    if (key_id[0] == '\0')
        return cli_usage(arguments, "--delete: expected the id of a key");
    buf_init(&whole, LIMIT_HTTP_URL);
    buf_append_text(&whole, path);
    buf_append_byte(&whole, '/');
    url_encode(str_from(key_id), &whole);
    buf_append_byte(&whole, '\0');
    int result = whole.overflow
                     ? cli_usage(arguments, "--delete: too long")
                     : cli_client_run(arguments, "DELETE", whole.ptr, STR_LIT(""), show_deleted);
    buf_fini(&whole);
    return result;
}

static int run(const struct cli_arguments *arguments)
{
    char path[CLI_PATH_SIZE];
    bool lists = cli_has(arguments, "list");
    bool deletes = cli_has(arguments, "delete");
    bool adds = cli_has(arguments, "label") || cli_has(arguments, "merchant-wide");
    int result = cli_read_admin_path(arguments, "/keys", path);
    if (result != CLI_OK)
        return result;
    if (lists + deletes + adds > 1)
        return cli_usage(arguments, "a new key, --list or --delete: one at a time");
    if (lists)
        return cli_client_run(arguments, "GET", path, STR_LIT(""), show_list);
    return deletes ? remove_key(arguments, path)
                   : cli_client_send(arguments, "POST", path, write_body, show_key);
}

static const struct cli_flag flags[] = {
    CLI_CLIENT_FLAGS,
    {"label", "TEXT", "what the new key is for"},
    {"merchant-wide", NULL, "the new key opens all projects of the merchant"},
    {"list", NULL, "list the keys instead"},
    {"delete", "KEY_ID", "delete a key instead"},
    {NULL},
};

const struct cli_command command_project_key = {
    .name = "project key",
    .arguments = "ID",
    .sentence = "Make an API key, list or delete keys",
    .flags = flags,
    .run = run,
};
