/* SPDX-License-Identifier: Apache-2.0 */
/* Orders that a command makes to show something. */
#ifndef ORDERWIRE_CLI_CLI_ORDER_H
#define ORDERWIRE_CLI_CLI_ORDER_H

#include "cli/cli_client.h"

struct cli_orders {
    struct cli_client *client;
    int32_t project_id;
    const char *user; /* the buyer's external id */
};

/* Creates an order that is new; `wanted` 0: with the next free id. CLI_OK, or CLI_FAILED after a sentence. */
NODISCARD int cli_order_create(const struct cli_orders *orders, int32_t wanted, int32_t *order_id);
NODISCARD int cli_order_set(const struct cli_orders *orders, int32_t order_id, const char *status);

#endif
