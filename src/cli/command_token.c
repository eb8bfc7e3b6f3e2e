/* SPDX-License-Identifier: Apache-2.0 */
/* A user's JWT, alone on its line, so that a script can take it. */
#include "base/clock.h"
#include "base/limits.h"
#include "cli/cli_client.h"
#include "cli/cli_input.h"

#include <stdio.h>

static void print(const struct cli_arguments *arguments, const struct cli_answer *answer)
{
    struct str token = STR_LIT("");
    if (cli_has(arguments, "json") || !json_as_string(json_get(answer->document, "token"), &token))
        token = buf_view(&answer->body);
    printf("%.*s\n", STR_ARG(token));
}

static int make(const struct cli_arguments *arguments, int32_t project_id, const char *user,
                int64_t ttl)
{
    struct cli_client client;
    struct cli_answer answer;
    struct buf claims;
    buf_init(&claims, LIMIT_HTTP_BODY);
    int result = cli_client_init(&client, arguments);
    if (result == CLI_OK)
        result = cli_read_pairs(arguments, "claim", &claims);
    if (result == CLI_OK)
        result = cli_client_token(&client, project_id, user, ttl, buf_view(&claims), &answer);
    if (result == CLI_OK) {
        print(arguments, &answer);
        cli_answer_fini(&answer);
    }
    cli_client_fini(&client);
    buf_fini(&claims);
    return result;
}

static int run(const struct cli_arguments *arguments)
{
    int32_t project_id;
    const char *user;
    int64_t ttl = CLOCK_DAY;
    int result = cli_read_project(arguments, &project_id);
    if (result == CLI_OK)
        result = cli_read_text(arguments, "user", &user);
    if (result == CLI_OK)
        result = cli_read_duration(arguments, "ttl", &ttl);
    return result == CLI_OK ? make(arguments, project_id, user, ttl) : result;
}

static const struct cli_flag flags[] = {
    CLI_CLIENT_FLAGS,
    {"project", "ID", "the project"},
    {"user", "USER", "the user's external id", .field = "user_external_id"},
    {"ttl", "DURATION", "how long it is valid; default 24h"},
    {"claim", "NAME=VALUE", "one more claim; a value that is JSON is taken as such", true,
     "claims"},
    {NULL},
};

const struct cli_command command_token = {
    .name = "token",
    .arguments = "",
    .sentence = "Print a token (JWT) for a user of a project",
    .flags = flags,
    .run = run,
};
