/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration as serve would take it, without serving. */
#include "base/clock.h"
#include "cli/cli.h"
#include "cli/cli_config.h"
#include "config/config.h"
#include "net/tls.h"
#include "server/capacity.h"
#include "server/server.h"

#include <stdio.h>

/* The files as this user may read them. */
static int check_certificates(const struct config *config)
{
    char cause[TLS_ERROR_SIZE];
    char end[CLOCK_TEXT_SIZE];
    int result = CLI_OK;
    if (config->tls.cert_file[0] == '\0')
        return CLI_OK;
    struct tls_tickets *tickets = tls_tickets_new();
    struct tls_settings *settings = tls_settings_new(&config->tls, tickets, cause);
    if (settings == NULL)
        result = cli_fail("%s", cause);
    else if (tls_settings_have_ended(settings, clock_wall_ms(), end))
        fprintf(stderr, "orderwire: a certificate has ended at %s; clients will refuse it\n", end);
    tls_settings_release(&settings);
    tls_tickets_free(&tickets);
    return result;
}

/* As large as it is, in a column of its own. */
static void print_size(struct buf *out, int64_t bytes)
{
    buf_printf(out, "%8.1f MiB", (double)bytes / (1024 * 1024));
}

/* Comments, so that all of it is a configuration file still. */
static void print_capacity(const struct config *config, struct buf *out)
{
    struct capacity_row rows[CAPACITY_ROWS];
    int64_t sum = capacity_of(config, server_worker_count(config), rows);
    buf_append_text(out, "# Memory, if all limits were reached at once:\n#   ");
    print_size(out, sum);
    buf_append_text(out, "  in all\n");
    for (size_t i = 0; i < CAPACITY_ROWS; i++) {
        buf_append_text(out, "#   ");
        print_size(out, rows[i].count * rows[i].bytes);
        buf_printf(out, "  %s", rows[i].what);
        if (rows[i].count > 1)
            buf_printf(out, ", %lld of %lld bytes", (long long)rows[i].count,
                       (long long)rows[i].bytes);
        buf_append_byte(out, '\n');
    }
}

static int run(const struct cli_arguments *arguments)
{
    struct config config;
    struct buf out;
    int result = cli_config_read(arguments, &config);
    if (result == CLI_OK)
        result = cli_config_check_addresses(arguments, &config);
    if (result == CLI_OK)
        result = check_certificates(&config);
    if (result == CLI_OK) {
        buf_init(&out, 65536);
        config_print(&config, cli_has(arguments, "json"), &out);
        if (!cli_has(arguments, "json"))
            print_capacity(&config, &out);
        fwrite(out.ptr, 1, out.len, stdout);
        buf_fini(&out);
    }
    config_fini(&config);
    return result;
}

static const struct cli_flag flags[] = {CLI_CONFIG_FLAGS, {"json", NULL, "print JSON"}, {NULL}};

const struct cli_command command_check_config = {
    .name = "check-config",
    .arguments = "",
    .sentence = "Check the configuration and print every option with its value",
    .flags = flags,
    .run = run,
};
