/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens of a user, or of all users of a project, refused from now on. */
#include "cli/cli_client.h"
#include "cli/cli_input.h"
#include "cli/cli_print.h"

static int write_body(const struct cli_arguments *arguments, struct buf *body)
{
    const char *user = cli_argument(arguments, 0);
    int64_t before = 0;
    if ((user != NULL) == cli_has(arguments, "all"))
        return cli_usage(arguments, "a USER or --all: one of them");
    if (user != NULL)
        json_write_text(body, "user_external_id", str_from(user));
    else
        json_write_bool(body, "all_users", true);
    int result = cli_read_moment(arguments, "before", &before);
    if (cli_has(arguments, "before"))
        json_write_time(body, "before", before);
    return result;
}

static int run(const struct cli_arguments *arguments)
{
    char path[CLI_PATH_SIZE];
    int result = cli_read_project_path(arguments, "/revoke", path);
    return result == CLI_OK ? cli_client_send(arguments, "POST", path, write_body, cli_print_object)
                            : result;
}

static const struct cli_flag flags[] = {
    CLI_PROJECT_FLAGS,
    {"all", NULL, "the tokens of all users of the project"},
    {"before", "TIME|DURATION", "only tokens made before then, or so long ago; default now"},
    {NULL},
};

const struct cli_command command_user_revoke = {
    .name = "user revoke",
    .arguments = "[USER]",
    .sentence = "End a user's connections and refuse the tokens made so far",
    .flags = flags,
    .run = run,
};
