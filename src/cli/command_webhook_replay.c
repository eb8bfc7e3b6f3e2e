/* SPDX-License-Identifier: Apache-2.0 */
/* All that failed since a time sent again: asked for, and looked after. */
#include "cli/cli_client.h"
#include "cli/cli_print.h"
#include "cli/cli_webhook.h"

#include <inttypes.h>
#include <stdio.h>

static void show_started(const struct json *document)
{
    int64_t id = 0;
    if (json_as_int(json_get(document, "replay_id"), &id))
        printf("Replay %" PRId64 " has begun; see it with --show %" PRId64 ".\n", id, id);
}

static int show_one(const struct cli_arguments *arguments)
{
    char rest[48];
    char path[CLI_PATH_SIZE];
    int64_t id = 0;
    int result = cli_read_long_id(arguments, "--show", cli_value(arguments, "show"), &id);
    if (result != CLI_OK)
        return result;
    snprintf(rest, sizeof(rest), "/replays/%" PRId64, id);
    result = cli_webhook_path(arguments, rest, path);
    return result == CLI_OK ? cli_client_run(arguments, "GET", path, STR_LIT(""), cli_print_object)
                            : result;
}

static int write_since(const struct cli_arguments *arguments, struct buf *body)
{
    int64_t at = 0;
    int result = cli_read_moment(arguments, "since", &at);
    json_write_time(body, "since", at > 0 ? at : 0);
    return result;
}

static int start(const struct cli_arguments *arguments)
{
    char path[CLI_PATH_SIZE];
    int result = cli_webhook_path(arguments, "/replay", path);
    return result == CLI_OK ? cli_client_send(arguments, "POST", path, write_since, show_started)
                            : result;
}

static int run(const struct cli_arguments *arguments)
{
    const char *since = cli_value(arguments, "since");
    if ((since != NULL) == cli_has(arguments, "show"))
        return cli_usage(arguments, "--since or --show: one of them");
    return since != NULL ? start(arguments) : show_one(arguments);
}

static const struct cli_flag flags[] = {
    CLI_PROJECT_FLAGS,
    {"since", "TIME|DURATION", "send all dead deliveries made since then again"},
    {"show", "REPLAY_ID", "show how far a replay is instead"},
    {NULL},
};

const struct cli_command command_webhook_replay = {
    .name = "webhook replay",
    .arguments = "ID",
    .sentence = "Send all that a webhook did not take since a time again",
    .flags = flags,
    .run = run,
};
