/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration of a command that serves: file, environment, flags. */
#ifndef ORDERWIRE_CLI_CLI_CONFIG_H
#define ORDERWIRE_CLI_CLI_CONFIG_H

#include "cli/cli.h"

/* Opaque types. */
struct config;

#define CLI_CONFIG_FLAGS                                                                           \
    {"config", "FILE", "YAML file of options; or set ORDERWIRE_CONFIG"},                           \
        {"data", "DIR", "the data directory"},                                                     \
        {"listen", "HOST:PORT", "where to serve; port 0 picks one"},                               \
        {"workers", "N", "threads that serve connections; default one per core"},                  \
    {                                                                                              \
        "set", "KEY=VALUE", "any option of docs/config.md", true                                   \
    }

/*
 * Fills `config` from all sources in rising order and sets the log up. CLI_OK, or CLI_USAGE after a
 * sentence on standard error; `config` is to be freed by config_fini in either case.
 */
NODISCARD int cli_config_read(const struct cli_arguments *arguments, struct config *config);
/* The same, with the sentence in `error`, which has CONFIG_ERROR_SIZE bytes. */
NODISCARD int cli_config_load(const struct cli_arguments *arguments, struct config *config,
                              char *error);
/* The addresses to listen at, before anything is made. CLI_OK, or CLI_USAGE after a sentence. */
NODISCARD int cli_config_check_addresses(const struct cli_arguments *arguments,
                                         const struct config *config);

#endif
