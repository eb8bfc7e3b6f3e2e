/* SPDX-License-Identifier: Apache-2.0 */
/* An endpoint paused, resumed, deleted: one request each, and nothing to say beside it. */
#include "cli/cli_client.h"
#include "cli/cli_print.h"
#include "cli/cli_webhook.h"

#include <stdio.h>

static void show_deleted(const struct json *document)
{
    (void)document;
    printf("The webhook is deleted.\n");
}

static int ask(const struct cli_arguments *arguments, const char *method, const char *rest,
               void (*show)(const struct json *document))
{
    char path[CLI_PATH_SIZE];
    int result = cli_webhook_path(arguments, rest, path);
    return result == CLI_OK ? cli_client_run(arguments, method, path, STR_LIT(""), show) : result;
}

static int run_pause(const struct cli_arguments *arguments)
{
    return ask(arguments, "POST", "/pause", cli_print_object);
}

static int run_resume(const struct cli_arguments *arguments)
{
    return ask(arguments, "POST", "/resume", cli_print_object);
}

static int run_delete(const struct cli_arguments *arguments)
{
    return ask(arguments, "DELETE", "", show_deleted);
}

static const struct cli_flag flags[] = {
    CLI_PROJECT_FLAGS,
    {NULL},
};

const struct cli_command command_webhook_pause = {
    .name = "webhook pause",
    .arguments = "ID",
    .sentence = "Hold a webhook's deliveries until it is resumed",
    .flags = flags,
    .run = run_pause,
};

const struct cli_command command_webhook_resume = {
    .name = "webhook resume",
    .arguments = "ID",
    .sentence = "Go on with a webhook that is paused or disabled",
    .flags = flags,
    .run = run_resume,
};

const struct cli_command command_webhook_delete = {
    .name = "webhook delete",
    .arguments = "ID",
    .sentence = "Delete a webhook; what was delivered stays in the record",
    .flags = flags,
    .run = run_delete,
};
