/* SPDX-License-Identifier: Apache-2.0 */
/* The server until SIGTERM or SIGINT; SIGHUP reads the configuration again. */
#include "base/clock.h"
#include "base/log.h"
#include "cli/cli.h"
#include "cli/cli_config.h"
#include "config/config.h"
#include "server/notify.h"
#include "server/server.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

/*
 * Each connection is a descriptor, and so is each webhook on its way. What a system grants at first
 * (often 1,024) is meant for programs that use select(2); the rest may be taken.
 */
static void raise_descriptors(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        log_warning("the number of descriptors cannot be raised");
}

/* Whoever breaks into the server has the rights of its user. */
static void warn_of_root(void)
{
    if (geteuid() == 0)
        log_warning("running as root; an ordinary user is enough");
}

static void reload(const struct cli_arguments *arguments, struct config *config,
                   struct server *server)
{
    struct config fresh;
    notify_reloading(clock_mono_ms());
    char error[CONFIG_ERROR_SIZE];
    bool good = cli_config_load(arguments, &fresh, error) == CLI_OK;
    if (good) {
        config_reload(config, &fresh);
        server_reload(server, config);
        log_info("configuration reloaded");
    } else {
        log_error("the new configuration is not valid; the old one stays",
                  LOG_TEXT("cause", error));
    }
    config_fini(&fresh);
    log_audit("config.reload", LOG_TEXT("who", "signal"),
              LOG_TEXT("result", good ? "done" : "refused"));
    notify_ready();
}

/* Every two seconds. */
enum { LOOKS_AT_CERTIFICATES = 4 };

/* Waits for the signal that ends the server. */
static int wait_for_end(const struct cli_arguments *arguments, const sigset_t *signals,
                        struct config *config, struct server *server)
{
    /* Short beside a storm of connections, whose height is seen by looking. */
    static const struct timespec look = {.tv_nsec = 500 * 1000 * 1000};
    for (int looks = 1;; looks++) {
        int number = sigtimedwait(signals, NULL, &look);
        if (number == SIGHUP)
            reload(arguments, config, server);
        else if (number > 0)
            return number;
        if (number == SIGHUP || looks % LOOKS_AT_CERTIFICATES == 0)
            server_renew_certificates(server);
        server_give_back_memory(server, clock_mono_ms());
    }
}

static void print_addresses(const struct server *server)
{
    static const char *const words[SERVER_PORTS] = {"listening", "private", "redirect"};
    for (int port = 0; port < SERVER_PORTS; port++) {
        const char *url = server_url(server, (enum server_port)port);
        if (url[0] != '\0')
            printf("%s on %s\n", words[port], url);
    }
    /* Whom it serves does not care who reads this. */
    if (fflush(stdout) != 0)
        log_warning("standard output cannot be written", LOG_TEXT("cause", strerror(errno)));
    clearerr(stdout);
}

/* Whoever cannot wait for the drain may press Ctrl-C again; what is durable stays so. */
static void let_interrupt_kill(void)
{
    sigset_t interrupt;
    sigemptyset(&interrupt);
    sigaddset(&interrupt, SIGINT);
    pthread_sigmask(SIG_UNBLOCK, &interrupt, NULL);
}

static int serve(const struct cli_arguments *arguments, struct config *config)
{
    static const struct server_extras extras;
    char error[SERVER_ERROR_SIZE];
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    raise_descriptors();
    warn_of_root();
    struct server *server = server_start(config, &extras, error);
    if (server == NULL)
        return cli_fail("%s", error);
    print_addresses(server);
    log_info("serving", LOG_TEXT("address", server_url(server, SERVER_LISTEN)),
             LOG_TEXT("data", config->data), LOG_TEXT("version", ORDERWIRE_VERSION));
    notify_ready();
    int number = wait_for_end(arguments, &signals, config, server);
    log_info("draining", LOG_TEXT("signal", number == SIGTERM ? "SIGTERM" : "SIGINT"),
             LOG_INT("drain_time_ms", config->drain_time));
    notify_stopping(config->drain_time);
    let_interrupt_kill();
    server_stop(&server, config->drain_time);
    log_info("stopped");
    return CLI_OK;
}

static int run(const struct cli_arguments *arguments)
{
    struct config config;
    int result = cli_config_read(arguments, &config);
    if (result == CLI_OK)
        result = cli_config_check_addresses(arguments, &config);
    if (result == CLI_OK)
        result = serve(arguments, &config);
    config_fini(&config);
    return result;
}

static const struct cli_flag flags[] = {CLI_CONFIG_FLAGS, {NULL}};

const struct cli_command command_serve = {
    .name = "serve",
    .arguments = "",
    .sentence = "Run the server",
    .flags = flags,
    .run = run,
};
