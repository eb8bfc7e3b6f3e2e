/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Follows an order as its buyer's client does: by WebSocket, on any trouble by polling. The exit code
 * tells scripts how it ended.
 */
#include "base/clock.h"
#include "base/mem.h"
#include "cli/cli_client.h"
#include "cli/cli_input.h"
#include "client/tracker.h"

#include <stdio.h>

static void print_status(void *argument, const char *status, const char *source)
{
    const struct cli_arguments *arguments = argument;
    char now[CLOCK_TEXT_SIZE];
    clock_format(clock_wall_ms(), now);
    if (cli_has(arguments, "json"))
        printf("{\"time\":\"%s\",\"status\":\"%s\",\"source\":\"%s\"}\n", now, status, source);
    else
        printf("%s  %-9s %s\n", now, status, source);
    fflush(stdout);
}

static void print_fallback(void *argument, const char *reason)
{
    (void)argument;
    fprintf(stderr, "orderwire: WebSocket: %s; polling now\n", reason);
}

/* The token given, or a new one for the user given; freed by mem_free. */
static int find_token(const struct cli_arguments *arguments, struct cli_client *client,
                      int32_t project_id, char **token)
{
    const char *given = cli_value(arguments, "token");
    const char *user = cli_value(arguments, "user");
    struct cli_answer answer;
    struct str text;
    if (given != NULL) {
        *token = mem_strdup(given);
        return CLI_OK;
    }
    if (user == NULL)
        return cli_usage(arguments, "--token or --user is missing");
    int result = cli_read_text(arguments, "user", &user);
    if (result == CLI_OK)
        result = cli_client_token(client, project_id, user, CLOCK_DAY, STR_LIT(""), &answer);
    if (result != CLI_OK)
        return result;
    if (json_as_string(json_get(answer.document, "token"), &text))
        *token = mem_strndup(text.ptr, text.len);
    else
        result = cli_fail("the server gave no token");
    cli_answer_fini(&answer);
    return result;
}

static int follow(const struct cli_arguments *arguments, const struct tracker_options *options)
{
    static const struct tracker_handlers handlers = {print_status, print_fallback};
    char error[TRACKER_ERROR_SIZE];
    switch (tracker_run(options, &handlers, (void *)arguments, error)) {
    case TRACKER_DONE:
        return CLI_OK;
    case TRACKER_CANCELED:
        return CLI_CANCELED;
    case TRACKER_FAILED:
        break;
    }
    return cli_fail("%s", error);
}

static int run(const struct cli_arguments *arguments)
{
    struct tracker_options options = {.transport = TRACKER_AUTO};
    struct cli_client client;
    char *token = NULL;
    int result = cli_read_project(arguments, &options.project_id);
    if (result == CLI_OK)
        result = cli_read_id(arguments, "ORDER_ID", cli_argument(arguments, 0), &options.order_id);
    if (result != CLI_OK)
        return result;
    cli_client_init(&client, arguments);
    result = find_token(arguments, &client, options.project_id, &token);
    if (result == CLI_OK) {
        options.server_url = client.server;
        options.token = token;
        options.user_external_id = cli_value(arguments, "user");
        result = follow(arguments, &options);
    }
    mem_free(token);
    cli_client_fini(&client);
    return result;
}

static const struct cli_flag flags[] = {
    CLI_CLIENT_FLAGS,
    {"project", "ID", "the project"},
    {"token", "TOKEN", "the buyer's token: a JWT, or what order create gave"},
    {"user", "USER", "the buyer's external id; without --token a token is made"},
    {NULL},
};

const struct cli_command command_track = {
    .name = "track",
    .arguments = "ORDER_ID",
    .sentence = "Follow an order until it is done (exit 0) or canceled (exit 2)",
    .flags = flags,
    .arguments_min = 1,
    .arguments_max = 1,
    .run = run,
};
