/* SPDX-License-Identifier: Apache-2.0 */
/* The sources of the configuration in rising order: file, environment, flags. */
#include "cli/cli_config.h"

#include "base/log.h"
#include "config/config.h"
#include "net/listener.h"
#include "server/server.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int read_flags(const struct cli_arguments *arguments, struct config *config, char *error)
{
    static const char *const shortcuts[] = {"data", "listen", "workers"};
    for (size_t i = 0; i < ARRAY_LENGTH(shortcuts); i++) {
        const char *value = cli_value(arguments, shortcuts[i]);
        if (value != NULL &&
            config_set(config, str_from(shortcuts[i]), str_from(value), error) != 0)
            return CLI_USAGE;
    }
    const char *pair;
    for (int i = 0; (pair = cli_value_at(arguments, "set", i)) != NULL; i++)
        if (config_set_pair(config, pair, error) != 0)
            return CLI_USAGE;
    return CLI_OK;
}

static void set_up_log(const struct config *config)
{
    static const char *const levels[] = {"debug", "info", "warning", "error"};
    enum log_format format =
        strcmp(config->log_format, "json") == 0 ||
                (strcmp(config->log_format, "auto") == 0 && !isatty(STDERR_FILENO))
            ? LOG_FORMAT_JSON
            : LOG_FORMAT_TEXT;
    for (size_t i = 0; i < ARRAY_LENGTH(levels); i++)
        if (strcmp(config->log_level, levels[i]) == 0)
            log_setup((enum log_level)i, format);
}

int cli_config_load(const struct cli_arguments *arguments, struct config *config, char *error)
{
    const char *file = cli_value(arguments, "config");
    if (file == NULL)
        file = getenv("ORDERWIRE_CONFIG");
    config_init(config);
    if ((file != NULL && file[0] != '\0' && config_load_file(config, file, error) != 0) ||
        config_load_environment(config, error) != 0 ||
        read_flags(arguments, config, error) != CLI_OK || config_check(config, error) != 0)
        return CLI_USAGE;
    set_up_log(config);
    return CLI_OK;
}

int cli_config_read(const struct cli_arguments *arguments, struct config *config)
{
    char error[CONFIG_ERROR_SIZE];
    int result = cli_config_load(arguments, config, error);
    return result == CLI_OK ? result : cli_usage(arguments, "%s", error);
}

static int check_address(const struct cli_arguments *arguments, const struct config *config,
                         const char *option, const char *address)
{
    char cause[LISTENER_ERROR_SIZE];
    char error[SERVER_ERROR_SIZE];
    if (address[0] == '\0')
        return CLI_OK;
    if (listener_check(address, cause) != 0)
        return cli_usage(arguments, "%s: %s", option, cause);
    if (server_check_address(config, address, error) != 0)
        return cli_usage(arguments, "%s", error);
    return CLI_OK;
}

int cli_config_check_addresses(const struct cli_arguments *arguments, const struct config *config)
{
    int result = check_address(arguments, config, "listen", config->listen);
    if (result == CLI_OK)
        result = check_address(arguments, config, "listen_private", config->listen_private);
    if (result == CLI_OK)
        result = check_address(arguments, config, "listen_redirect", config->listen_redirect);
    return result;
}
