/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration as serve would take it, without serving. */
#include "cli/cli.h"
#include "cli/cli_config.h"
#include "config/config.h"
#include "net/listener.h"
#include "server/server.h"

#include <stdio.h>

static int run(const struct cli_arguments *arguments)
{
    struct config config;
    struct buf out;
    char cause[LISTENER_ERROR_SIZE];
    char error[SERVER_ERROR_SIZE];
    int result = cli_config_read(arguments, &config);
    if (result == CLI_OK && listener_check(config.listen, cause) != 0)
        result = cli_usage(arguments, "listen: %s", cause);
    else if (result == CLI_OK && server_check_address(&config, config.listen, error) != 0)
        result = cli_usage(arguments, "%s", error);
    if (result == CLI_OK) {
        buf_init(&out, 65536);
        config_print(&config, cli_has(arguments, "json"), &out);
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
