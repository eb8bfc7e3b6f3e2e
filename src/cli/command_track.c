/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Follows an order as its buyer's client does: by WebSocket, on any trouble by polling. The exit code
 * tells scripts how it ended.
 */
#include "base/clock.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/mem.h"
#include "cli/cli_client.h"
#include "cli/cli_input.h"
#include "cli/cli_print.h"
#include "client/tracker.h"
#include "http/http_client.h"

#include <stdio.h>
#include <unistd.h>

static void print_status(void *argument, const char *status, const char *source)
{
    const struct cli_arguments *arguments = argument;
    char now[CLOCK_TEXT_SIZE];
    clock_format(clock_wall_ms(), now);
    if (cli_has(arguments, "json"))
        printf("{\"time\":\"%s\",\"status\":\"%s\",\"source\":\"%s\"}\n", now, status, source);
    else
        printf("%s  %-9s %s\n", now, status, source);
    if (!cli_flush())
        _exit(CLI_FAILED);
}

static void print_fallback(void *argument, const char *reason)
{
    (void)argument;
    cli_fail("WebSocket: %s; polling now", reason);
}

static void print_unanswered(void *argument, const char *reason)
{
    (void)argument;
    cli_fail("no answer: %s; asking again until there is one", reason);
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
    int result = cli_client_token(client, project_id, user, CLOCK_DAY, STR_LIT(""), &answer);
    if (result != CLI_OK)
        return result;
    if (json_as_string(json_get(answer.document, "token"), &text))
        *token = mem_strndup(text.ptr, text.len);
    else
        result = cli_fail("the server gave no token");
    cli_answer_fini(&answer);
    return result;
}

static int take_refusal(const struct cli_client *client,
                        const struct http_client_response *response)
{
    int status = response->status;
    if (status < 400 || status > 499 || status == 408 || status == 429)
        return CLI_OK;
    return cli_client_report(client, status, buf_view(&response->body));
}

/* Another word in --server would help, and patience would not. */
static bool is_final(int error)
{
    return error == ERR_DENIED || error == ERR_UNSUPPORTED || error == ERR_NOT_FOUND;
}

/*
 * The socket is silent about an order that there is not, so it is asked for once. A server that is not
 * there now is no refusal: the tracker has its ways with that.
 */
static int check_order(const struct cli_client *client, const struct tracker_options *options)
{
    char error[HTTP_CLIENT_ERROR_SIZE];
    struct http_client_response response;
    struct buf url;
    struct buf header;
    buf_init(&url, LIMIT_HTTP_URL);
    buf_init(&header, LIMIT_HTTP_HEADERS);
    buf_printf(&url, "%s/api/v2/project/%d/order/%d", options->server_url, options->project_id,
               options->order_id);
    buf_printf(&header, "Authorization: Bearer %s", options->token);
    char *texts[] = {buf_detach_text(&url), buf_detach_text(&header), NULL};
    int result =
        http_client_call(&(struct http_client_request){.method = "GET",
                                                       .url = texts[0],
                                                       .headers = (const char *const *)&texts[1],
                                                       .unix_socket = options->unix_socket,
                                                       .timeout = 5 * CLOCK_SECOND,
                                                       .trust = options->trust},
                         &response, error);
    mem_free(texts[0]);
    mem_free(texts[1]);
    if (result != 0)
        return is_final(result) ? cli_client_unreachable(client, result, error) : CLI_OK;
    result = take_refusal(client, &response);
    buf_fini(&response.body);
    return result;
}

static int follow(const struct cli_arguments *arguments, const struct tracker_options *options)
{
    static const struct tracker_handlers handlers = {print_status, print_fallback,
                                                     print_unanswered};
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
    result = cli_client_init(&client, arguments);
    if (result == CLI_OK)
        result = find_token(arguments, &client, options.project_id, &token);
    if (result == CLI_OK) {
        options.server_url = client.base_url;
        options.unix_socket = client.unix_socket;
        options.trust = &client.trust;
        options.token = token;
        options.user_external_id = cli_value(arguments, "user");
        result = str_has_control(str_from(token)) ? cli_usage(arguments, "--token: malformed")
                                                  : check_order(&client, &options);
    }
    if (result == CLI_OK)
        result = follow(arguments, &options);
    mem_free(token);
    cli_client_fini(&client);
    return result;
}

static const struct cli_flag flags[] = {
    CLI_CLIENT_FLAGS,
    {"project", "ID", "the project"},
    {"token", "TOKEN", "the buyer's token: a JWT, or what order create gave"},
    {"user", "USER", "the buyer's external id; without --token a token is made",
     .field = "user_external_id"},
    {NULL},
};

const struct cli_command command_track = {
    .name = "track",
    .arguments = "ORDER_ID",
    .sentence = "Follow an order until it is done (exit 0) or canceled (exit 2)",
    .flags = flags,
    .run = run,
};
