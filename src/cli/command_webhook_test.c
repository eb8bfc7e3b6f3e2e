/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An example sent to an endpoint, and what it answered. The delivery is an ordinary one, so that
 * waiting for it is asking for its record.
 */
#include "base/clock.h"
#include "base/limits.h"
#include "cli/cli_client.h"
#include "cli/cli_delivery.h"
#include "cli/cli_webhook.h"

#include <stdio.h>
#include <time.h>

#define PATIENCE_MS 20000
#define TICK_NS 50000000

/* What is paused or disabled would keep the example, and the command waiting for it. */
static int check_state(const struct cli_arguments *arguments, struct cli_client *client)
{
    char path[CLI_PATH_SIZE];
    struct cli_answer answer = {0};
    struct str state = STR_LIT("active");
    int result = cli_webhook_path(arguments, "", path);
    if (result == CLI_OK)
        result = cli_client_call(client, "GET", path, STR_LIT(""), &answer);
    if (result != CLI_OK)
        return result;
    (void)!json_as_string(json_get(answer.document, "state"), &state);
    if (!str_equal_text(state, "active"))
        result =
            cli_fail("the webhook is %.*s and sends nothing: `orderwire webhook resume` ends that",
                     STR_ARG(state));
    cli_answer_fini(&answer);
    return result;
}

static int start(const struct cli_arguments *arguments, struct cli_client *client,
                 int64_t *delivery_id)
{
    char path[CLI_PATH_SIZE];
    struct buf body;
    struct cli_answer answer = {0};
    int result = cli_webhook_path(arguments, "/test", path);
    if (result != CLI_OK)
        return result;
    buf_init(&body, LIMIT_HTTP_BODY);
    buf_append_byte(&body, '{');
    cli_write_text(arguments, "status", &body);
    buf_append_byte(&body, '}');
    result = cli_client_call(client, "POST", path, buf_view(&body), &answer);
    buf_fini(&body);
    if (result != CLI_OK)
        return result;
    if (!json_as_int(json_get(answer.document, "delivery_id"), delivery_id))
        result = cli_fail("the server named no delivery");
    cli_answer_fini(&answer);
    return result;
}

/* Until it was tried once, or patience ends. */
static int wait_for_attempt(const struct cli_arguments *arguments, struct cli_client *client,
                            int64_t delivery_id, struct cli_answer *answer)
{
    static const struct timespec tick = {.tv_nsec = TICK_NS};
    int64_t deadline = clock_mono_ms() + PATIENCE_MS;
    char path[CLI_PATH_SIZE];
    int result = cli_delivery_path(arguments, delivery_id, "", path);
    while (result == CLI_OK) {
        int64_t attempts = 0;
        result = cli_client_call(client, "GET", path, STR_LIT(""), answer);
        if (result != CLI_OK || clock_mono_ms() > deadline ||
            (json_as_int(json_get(answer->document, "attempt_count"), &attempts) && attempts > 0))
            break;
        cli_answer_fini(answer);
        nanosleep(&tick, NULL);
    }
    return result;
}

static int judge(const struct cli_arguments *arguments, const struct cli_answer *answer)
{
    struct str state = STR_LIT("");
    (void)!json_as_string(json_get(answer->document, "state"), &state);
    if (cli_has(arguments, "json"))
        printf("%.*s\n", STR_ARG(buf_view(&answer->body)));
    else
        cli_delivery_show(answer->document);
    return str_equal_text(state, "delivered") ? CLI_OK
                                              : cli_fail("the example has not been delivered");
}

static int run(const struct cli_arguments *arguments)
{
    struct cli_client client;
    struct cli_answer answer = {0};
    int64_t delivery_id = 0;
    int result = cli_client_init(&client, arguments);
    if (result == CLI_OK)
        result = check_state(arguments, &client);
    if (result == CLI_OK)
        result = start(arguments, &client, &delivery_id);
    if (result == CLI_OK)
        result = wait_for_attempt(arguments, &client, delivery_id, &answer);
    cli_client_fini(&client);
    if (result == CLI_OK)
        result = judge(arguments, &answer);
    cli_answer_fini(&answer);
    return result;
}

static const struct cli_flag flags[] = {
    CLI_PROJECT_FLAGS,
    {"status", "STATUS", "what the example tells of; default paid"},
    {NULL},
};

const struct cli_command command_webhook_test = {
    .name = "webhook test",
    .arguments = "ID",
    .sentence = "Send an example to a webhook and show the answer; exit code 0 when it was taken",
    .flags = flags,
    .run = run,
};
