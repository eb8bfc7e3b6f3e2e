/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A project's webhooks brought to a developer's machine, which the server could not call: they come
 * over a stream that this end opens, and are posted to a local URL as they came.
 */
#include "base/clock.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/mem.h"
#include "cli/cli_client.h"
#include "cli/cli_input.h"
#include "cli/cli_order.h"
#include "cli/cli_print.h"
#include "cli/listen_message.h"
#include "codec/url.h"
#include "http/http_client.h"
#include "websocket/websocket_client.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define CONNECT_MS 10000
#define FORWARD_MS 15000
#define PATIENCE_MS 60000 /* a quiet project is no trouble; dead peers are TCP's business */
#define BACKOFF_MIN_MS 500
#define BACKOFF_MAX_MS 30000
/* A message holds a body with every byte escaped, and its headers. */
#define MESSAGE_MAX (6 * LIMIT_WEBHOOK_BODY + LIMIT_HTTP_HEADERS)

struct listening {
    const struct cli_arguments *arguments;
    struct cli_client client;
    int32_t project_id;
    const char *forward_to;
    char *url; /* of the stream */
};

/* Nothing is half done that would have to be undone. */
static void leave(int number)
{
    (void)number;
    _exit(CLI_OK);
}

static void print(const struct listening *listening, const struct listen_message *message,
                  const struct listen_answer *answer)
{
    struct buf line;
    buf_init(&line, LIMIT_CLIENT_RESPONSE);
    listen_message_describe(message, answer, cli_has(listening->arguments, "json"), &line);
    fwrite(line.ptr, 1, line.len, stdout);
    buf_fini(&line);
    if (!cli_flush())
        _exit(CLI_FAILED);
}

static void forward(const struct listening *listening, const struct listen_message *message)
{
    /* A name without a value keeps libcurl from adding what the webhook does not have. */
    const char *headers[LISTEN_HEADERS_MAX + 2] = {"Accept:"};
    char error[HTTP_CLIENT_ERROR_SIZE] = "";
    struct http_client_response response;
    for (size_t i = 0; message->lines[i] != NULL; i++)
        headers[i + 1] = message->lines[i];
    const struct http_client_request request = {
        .method = "POST",
        .url = listening->forward_to,
        .headers = headers,
        .body = message->body,
        .timeout = FORWARD_MS,
    };
    struct listen_answer answer = {.at = clock_wall_ms(), .error = error};
    int64_t begin = clock_mono_us();
    if (http_client_call(&request, &response, error) == 0) {
        answer.status = response.status;
        buf_fini(&response.body);
    }
    answer.duration_us = clock_mono_us() - begin;
    print(listening, message, &answer);
}

static int walk(const struct cli_orders *orders, const char *first, const char *second)
{
    int32_t order_id = 0;
    int result = cli_order_create(orders, 0, &order_id);
    if (result == CLI_OK)
        result = cli_order_set(orders, order_id, first);
    if (result == CLI_OK)
        result = cli_order_set(orders, order_id, second);
    return result;
}

/* The stream is open: what this makes waits in it. */
static int trigger(struct listening *listening)
{
    const struct cli_orders orders = {&listening->client, listening->project_id, "listen"};
    int result = walk(&orders, "paid", "done");
    return result == CLI_OK ? walk(&orders, "paid", "canceled") : result;
}

/* Why the stream has ended. */
static void explain(const struct websocket_client *stream, int error)
{
    struct str reason;
    uint16_t code = websocket_client_close_code(stream, &reason);
    bool readable = !str_has_control(reason) && str_is_utf8(reason);
    if (error == ERR_CLOSED && reason.len > 0 && readable)
        cli_fail("the stream ended: %.*s (%u); connecting again", STR_ARG(reason), code);
    else
        cli_fail("the stream ended: %s; connecting again", err_text(error));
}

static void receive(const struct listening *listening, struct websocket_client *stream)
{
    struct buf text;
    struct listen_message message;
    int error = 0;
    buf_init(&text, MESSAGE_MAX);
    while (error == 0 || error == ERR_TIMEOUT) {
        error = websocket_client_receive(stream, PATIENCE_MS, &text);
        if (error != 0)
            continue;
        if (listen_message_read(buf_view(&text), &message)) {
            forward(listening, &message);
            listen_message_fini(&message);
        } else {
            cli_fail("the server sent what is no webhook");
        }
    }
    explain(stream, error);
    buf_fini(&text);
}

/* Finds the key, and learns in words what is wrong with it or with the project. */
static int check_project(struct listening *listening)
{
    char path[64];
    struct cli_answer answer;
    snprintf(path, sizeof(path), "/server/v1/project/%d/webhooks", listening->project_id);
    int result = cli_client_call(&listening->client, "GET", path, STR_LIT(""), &answer);
    if (result == CLI_OK)
        cli_answer_fini(&answer);
    return result;
}

/* NULL after a sentence. */
static struct websocket_client *open_stream(struct listening *listening)
{
    char error[WEBSOCKET_CLIENT_ERROR_SIZE];
    if (check_project(listening) != CLI_OK)
        return NULL;
    struct websocket_client *stream = websocket_client_connect(
        &(struct websocket_client_request){.url = listening->url,
                                           .unix_socket = listening->client.unix_socket,
                                           .header = listening->client.authorization,
                                           .trust = &listening->client.trust,
                                           .timeout = CONNECT_MS},
        error);
    if (stream == NULL)
        cli_fail("%s: %s", listening->client.server, error);
    else
        fprintf(stderr,
                "Listening; what comes goes to %s, signed with the project's webhook_secret."
                " Ctrl-C ends it.\n",
                listening->forward_to);
    return stream;
}

static void wait_a_little(int64_t ms)
{
    const struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    nanosleep(&time, NULL);
}

/* A first stream that does not open is a mistake, a later one is the network. */
static int listen_on(struct listening *listening)
{
    int64_t backoff = BACKOFF_MIN_MS;
    struct websocket_client *stream = open_stream(listening);
    if (stream == NULL)
        return CLI_FAILED;
    if (cli_has(listening->arguments, "trigger") && trigger(listening) != CLI_OK) {
        websocket_client_free(&stream);
        return CLI_FAILED;
    }
    for (;;) {
        if (stream != NULL) {
            receive(listening, stream);
            websocket_client_free(&stream);
            backoff = BACKOFF_MIN_MS;
        } else if (backoff < BACKOFF_MAX_MS) {
            backoff *= 2;
        }
        wait_a_little(backoff);
        stream = open_stream(listening);
    }
}

static int read_target(const struct cli_arguments *arguments, const char **target)
{
    struct url url;
    int result = cli_read_text(arguments, "forward-to", target);
    if (result == CLI_OK &&
        (str_has_control(str_from(*target)) || url_parse(str_from(*target), &url) != 0))
        result =
            cli_usage(arguments, "--forward-to: expected a URL such as http://localhost:3000/hook");
    return result;
}

static int read_preset(const struct cli_arguments *arguments, const char **preset)
{
    const char *given = cli_value(arguments, "preset");
    *preset = given != NULL ? given : "standard";
    if (strcmp(*preset, "standard") != 0 && strcmp(*preset, "xsolla") != 0)
        return cli_usage(arguments, "--preset: expected standard or xsolla");
    return CLI_OK;
}

static char *make_url(const struct listening *listening, const char *preset)
{
    struct buf url;
    buf_init(&url, 2 * LIMIT_HTTP_URL);
    buf_printf(&url, "%s/server/v1/project/%d/webhooks/listen?preset=%s",
               listening->client.base_url, listening->project_id, preset);
    return buf_detach_text(&url);
}

static int run(const struct cli_arguments *arguments)
{
    struct listening listening = {.arguments = arguments};
    const char *preset = NULL;
    int result = cli_read_project(arguments, &listening.project_id);
    if (result == CLI_OK)
        result = read_target(arguments, &listening.forward_to);
    if (result == CLI_OK)
        result = read_preset(arguments, &preset);
    if (result != CLI_OK)
        return result;
    signal(SIGINT, leave);
    signal(SIGTERM, leave);
    result = cli_client_init(&listening.client, arguments);
    if (result == CLI_OK) {
        listening.url = make_url(&listening, preset);
        result = listen_on(&listening);
        mem_free(listening.url);
    }
    cli_client_fini(&listening.client);
    return result;
}

static const struct cli_flag flags[] = {
    CLI_PROJECT_FLAGS,
    {"forward-to", "URL", "where to post each webhook: http://localhost:3000/hook"},
    {"preset", "standard|xsolla", "whose bodies and headers; default standard"},
    {"trigger", NULL, "make two orders, one that is done and one that is canceled"},
    {NULL},
};

const struct cli_command command_listen = {
    .name = "listen",
    .arguments = "",
    .sentence = "Bring a project's webhooks to a URL on this machine, until Ctrl-C",
    .flags = flags,
    .run = run,
};
