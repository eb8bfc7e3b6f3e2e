/* SPDX-License-Identifier: Apache-2.0 */
/* Deliveries, for the commands that show them. */
#ifndef ORDERWIRE_CLI_CLI_DELIVERY_H
#define ORDERWIRE_CLI_CLI_DELIVERY_H

#include "cli/cli_input.h"
#include "codec/json.h"

/* The path of a delivery of --project, and `rest` behind it: "" or "/retry". CLI_OK or CLI_USAGE. */
NODISCARD int cli_delivery_path(const struct cli_arguments *arguments, int64_t delivery_id,
                                const char *rest, char path[CLI_PATH_SIZE]);
/* One delivery with its attempts, for people. */
void cli_delivery_show(const struct json *document);

#endif
