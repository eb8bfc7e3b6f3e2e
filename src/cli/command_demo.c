/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything in one process for someone who wants to see it: a server on a fresh database, a
 * project, an order walked to its end, and on a terminal a page with a live order until Ctrl-C.
 */
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "cli/cli_config.h"
#include "cli/demo_receiver.h"
#include "cli/demo_walk.h"
#include "codec/url.h"
#include "config/config.h"
#include "server/admin_key.h"
#include "server/server.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PROJECT_ID 77640
#define USER "demo-user"
#define PACE_MS 1000
#define LIVE_PACE_MS 2500
#define WATCH_TICK_MS 100
#define DRAIN_MS 1000
/* Orders made by hand keep out of the way of those that the page follows. */
#define HAND_MADE_ABOVE 1000
#define PATH_SIZE 4200

/* The data directory of a demo without --data. */

static int make_directory(char path[PATH_SIZE])
{
    const char *parent = getenv("TMPDIR");
    snprintf(path, PATH_SIZE, "%s/orderwire-demo-XXXXXX",
             parent != NULL && parent[0] != '\0' ? parent : "/tmp");
    return mkdtemp(path) != NULL ? CLI_OK : cli_fail("no temporary directory can be made");
}

static void remove_directory(const char *path)
{
    const struct dirent *entry;
    DIR *directory = opendir(path);
    if (directory == NULL)
        return;
    while ((entry = readdir(directory)) != NULL)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            unlinkat(dirfd(directory), entry->d_name, 0);
    closedir(directory);
    rmdir(path);
}

/* The server. */

static struct server *start(const struct cli_arguments *arguments, struct config *config)
{
    static const struct server_extras extras = {.page = true, .audit_alone = true};
    char error[SERVER_ERROR_SIZE];
    char ignored[CONFIG_ERROR_SIZE];
    struct server *server = server_start(config, &extras, error);
    if (server == NULL && cli_value(arguments, "listen") == NULL) {
        printf("%s; taking another port\n", error);
        if (config_set(config, STR_LIT("listen"), STR_LIT("127.0.0.1:0"), ignored) == 0)
            server = server_start(config, &extras, error);
    }
    if (server == NULL)
        cli_fail("%s", error);
    return server;
}

static int open_client(struct demo *demo, const struct config *config, const struct server *server)
{
    const char *url = server_url(server, SERVER_PRIVATE);
    char key[ADMIN_KEY_SIZE];
    char error[ADMIN_KEY_ERROR_SIZE];
    if (admin_key_read(config->data, key, error) != 0)
        return cli_fail("%s", error);
    if (url[0] == '\0')
        url = server_url(server, SERVER_LISTEN);
    cli_client_init_with(&demo->client, url, key);
    /* It is this process that answers there, whatever name its certificate is for. */
    demo->client.trust.insecure = true;
    mem_wipe(key, sizeof(key));
    return CLI_OK;
}

/* A request whose answer nobody reads. */
static int ask(struct demo *demo, const char *method, const char *path, struct str body)
{
    struct cli_answer answer;
    int result = cli_client_call(&demo->client, method, path, body, &answer);
    if (result == CLI_OK)
        cli_answer_fini(&answer);
    return result;
}

static bool lists_project(const struct json *document)
{
    int64_t id = 0;
    return json_as_int(json_get(json_at(json_get(document, "projects"), 0), "project_id"), &id) &&
           id == PROJECT_ID;
}

/* A data directory that is kept has it from the last time. */
static int ensure_project(struct demo *demo)
{
    char path[80];
    char body[80];
    struct cli_answer answer;
    snprintf(path, sizeof(path), "/admin/v1/projects?after=%d", PROJECT_ID - 1);
    snprintf(body, sizeof(body), "{\"project_id\":%d,\"name\":\"Demo\"}", PROJECT_ID);
    int result = cli_client_call(&demo->client, "GET", path, STR_LIT(""), &answer);
    if (result != CLI_OK)
        return result;
    bool exists = lists_project(answer.document);
    cli_answer_fini(&answer);
    return exists ? CLI_OK : ask(demo, "POST", "/admin/v1/projects", str_from(body));
}

/* The merchant's side: the receiver, and an endpoint that sends to it. */

static int read_endpoint(struct demo *demo, const struct json *answer)
{
    struct str secret;
    if (!json_as_int(json_get(answer, "id"), &demo->endpoint_id) ||
        !json_as_string(json_get(answer, "secret"), &secret))
        return cli_fail("the server gave no webhook");
    demo_receiver_set_secret(demo->receiver, secret);
    return CLI_OK;
}

static int add_endpoint(struct demo *demo)
{
    char path[80];
    char body[200];
    struct cli_answer answer;
    snprintf(path, sizeof(path), "/server/v1/project/%d/webhooks", PROJECT_ID);
    snprintf(body, sizeof(body), "{\"url\":\"%s\",\"description\":\"the demo's receiver\"}",
             demo_receiver_url(demo->receiver));
    int result = cli_client_call(&demo->client, "POST", path, str_from(body), &answer);
    if (result != CLI_OK)
        return result;
    result = read_endpoint(demo, answer.document);
    cli_answer_fini(&answer);
    return result;
}

static int open_receiver(struct demo *demo)
{
    char path[80];
    snprintf(path, sizeof(path), "/admin/v1/projects/%d", PROJECT_ID);
    demo->receiver = demo_receiver_start();
    if (demo->receiver == NULL)
        return CLI_FAILED;
    int result = ask(demo, "PATCH", path, STR_LIT("{\"webhook_allow_cidrs\":[\"127.0.0.0/8\"]}"));
    return result == CLI_OK ? add_endpoint(demo) : result;
}

/* A data directory that is kept does not call a receiver that has gone. */
static void remove_endpoint(struct demo *demo)
{
    char path[80];
    if (demo->endpoint_id == 0)
        return;
    snprintf(path, sizeof(path), "/server/v1/project/%d/webhooks/%" PRId64, PROJECT_ID,
             demo->endpoint_id);
    if (ask(demo, "DELETE", path, STR_LIT("")) != CLI_OK)
        cli_fail("the demo's webhook stays");
}

static int make_token(struct demo *demo)
{
    struct cli_answer answer;
    struct str token;
    int result = cli_client_token(&demo->client, PROJECT_ID, USER, CLOCK_DAY, STR_LIT(""), &answer);
    if (result != CLI_OK)
        return result;
    if (json_as_string(json_get(answer.document, "token"), &token))
        demo->token = mem_strndup(token.ptr, token.len);
    else
        result = cli_fail("the server gave no token");
    cli_answer_fini(&answer);
    return result;
}

/* What stays after the walk. */

static void print_page(const struct demo *demo, int32_t order_id)
{
    printf(
        "\nOpen the page; it follows order %d, which goes on as soon as you look:\n"
        "  %s/demo#project=%d&order=%d&user=%s&token=%s\n",
        order_id, demo->client.server, PROJECT_ID, order_id, USER, demo->token);
}

/* As short as a shell needs it. */
static void program_name(char name[PATH_SIZE])
{
    char path[PATH_SIZE];
    char here[PATH_SIZE];
    ssize_t length = readlink("/proc/self/exe", path, sizeof(path) - 1);
    path[length > 0 ? length : 0] = '\0';
    if (length <= 0 || getcwd(here, sizeof(here)) == NULL)
        snprintf(name, PATH_SIZE, "%s", length > 0 ? path : "orderwire");
    else if (strncmp(path, here, strlen(here)) == 0 && path[strlen(here)] == '/')
        snprintf(name, PATH_SIZE, ".%s", path + strlen(here));
    else
        snprintf(name, PATH_SIZE, "%s", path);
}

static void print_commands(const struct demo *demo, const struct config *config, int32_t order_id)
{
    char program[PATH_SIZE];
    char rest[2 * PATH_SIZE];
    int hand = order_id + HAND_MADE_ABOVE;
    program_name(program);
    snprintf(rest, sizeof(rest), "--project %d --server %s --data %s", PROJECT_ID,
             demo->client.server, config->data);
    printf(
        "\nOr move orders by hand, in another terminal:\n"
        "  %s order create --order-id %d --user %s %s\n"
        "  %s track %d --user %s %s\n"
        "  %s order set %d paid %s\n"
        "  %s order set %d done %s\n"
        "\nCtrl-C ends the demo.\n\n",
        program, hand, USER, rest, program, hand, USER, rest, program, hand, rest, program, hand,
        rest);
}

/* Until one more client listens than did before; sessions that stay do not count. */
static bool wait_for_watcher(struct demo *demo)
{
    int64_t before = metrics_value(METRIC_SESSIONS);
    while (demo_pause(demo, WATCH_TICK_MS)) {
        int64_t now = metrics_value(METRIC_SESSIONS);
        if (now > before)
            return true;
        before = now;
    }
    return false;
}

static int walk_live(struct demo *demo, int32_t order_id)
{
    static const char *const statuses[] = {"paid", "done"};
    for (size_t i = 0; i < ARRAY_LENGTH(statuses); i++) {
        if (!demo_pause(demo, LIVE_PACE_MS))
            return CLI_OK;
        int result = cli_order_set(&demo->orders, order_id, statuses[i]);
        if (result != CLI_OK)
            return result;
        printf("Order %d is %s.\n", order_id, statuses[i]);
    }
    return CLI_OK;
}

static void print_webhook(void *argument, int64_t order_id, struct str status)
{
    (void)argument;
    printf("  webhook: order %" PRId64 " is %.*s; its signature is good\n", order_id,
           STR_ARG(status));
}

static int keep(struct demo *demo, const struct config *config)
{
    int32_t order_id = 0;
    int result = cli_order_create(&demo->orders, 0, &order_id);
    if (result != CLI_OK)
        return result;
    print_page(demo, order_id);
    print_commands(demo, config, order_id);
    demo_receiver_watch(demo->receiver, print_webhook, NULL);
    while (result == CLI_OK && wait_for_watcher(demo)) {
        printf("Somebody looks: order %d goes its way.\n", order_id);
        result = walk_live(demo, order_id);
        if (result == CLI_OK && !demo->interrupted)
            result = cli_order_create(&demo->orders, order_id + 1, &order_id);
    }
    if (result == CLI_OK)
        printf("\nStopped.\n");
    return result;
}

static int show(const struct cli_arguments *arguments, struct demo *demo,
                const struct config *config, const struct server *server)
{
    bool once = cli_has(arguments, "once");
    int result = open_client(demo, config, server);
    if (result == CLI_OK)
        result = ensure_project(demo);
    if (result == CLI_OK)
        result = make_token(demo);
    if (result == CLI_OK)
        result = open_receiver(demo);
    if (result != CLI_OK)
        return result;
    printf("Orderwire %s on %s, data in %s\nAn order of %s in project %d:\n\n", ORDERWIRE_VERSION,
           demo->client.server, config->data, USER, PROJECT_ID);
    result = demo_walk(demo, once ? 0 : PACE_MS);
    if (result == CLI_OK)
        printf("\nEvery channel showed every status, in order.\n");
    if (result == CLI_OK && !once && isatty(STDOUT_FILENO))
        result = keep(demo, config);
    return result;
}

static int serve(const struct cli_arguments *arguments, struct config *config)
{
    struct demo demo = {.orders = {&demo.client, PROJECT_ID, USER}};
    sigemptyset(&demo.signals);
    sigaddset(&demo.signals, SIGINT);
    sigaddset(&demo.signals, SIGTERM);
    sigaddset(&demo.signals, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &demo.signals, NULL);
    struct server *server = start(arguments, config);
    if (server == NULL)
        return CLI_FAILED;
    int result = show(arguments, &demo, config, server);
    remove_endpoint(&demo);
    server_stop(&server, DRAIN_MS);
    demo_receiver_stop(&demo.receiver);
    cli_client_fini(&demo.client);
    mem_free(demo.token);
    return result;
}

static int run(const struct cli_arguments *arguments)
{
    char directory[PATH_SIZE] = "";
    char error[CONFIG_ERROR_SIZE];
    struct config config;
    setvbuf(stdout, NULL, _IOLBF, 0);
    int result = cli_config_read(arguments, &config);
    /* The log would stand between the lines of the show. */
    if (result == CLI_OK && strcmp(config.log_level, "info") == 0)
        log_set_level(LOG_LEVEL_WARNING);
    if (result == CLI_OK && cli_value(arguments, "data") == NULL) {
        result = make_directory(directory);
        if (result == CLI_OK &&
            config_set(&config, STR_LIT("data"), str_from(directory), error) != 0)
            result = cli_fail("%s", error);
    }
    if (result == CLI_OK)
        result = serve(arguments, &config);
    if (directory[0] != '\0')
        remove_directory(directory);
    config_fini(&config);
    return result;
}

static const struct cli_flag flags[] = {
    CLI_CONFIG_FLAGS,
    {"once", NULL, "end after one walk, also on a terminal, and make no pauses"},
    {NULL},
};

const struct cli_command command_demo = {
    .name = "demo",
    .arguments = "",
    .sentence = "See an order go its way on every channel; on a terminal, with a page to try",
    .flags = flags,
    .run = run,
};
