/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One order's way from new to done, made through the merchant's HTTP API and watched on every
 * channel that a buyer's client has, each in a thread of its own.
 */
#ifndef ORDERWIRE_CLI_DEMO_WALK_H
#define ORDERWIRE_CLI_DEMO_WALK_H

#include "cli/cli_client.h"

#include <signal.h>

struct demo {
    struct cli_client client;
    int32_t project_id;
    const char *user;
    char *token;      /* the user's JWT */
    sigset_t signals; /* blocked; one of them ends the demo */
    bool interrupted; /* one has come */
};

/* Waits so many ms. False when a signal has come. */
NODISCARD bool demo_pause(struct demo *demo, int64_t ms);

/* Creates an order that is new; `wanted` 0: with the next free id. CLI_OK, or CLI_FAILED after a sentence. */
NODISCARD int demo_create(struct demo *demo, int32_t wanted, int32_t *order_id);
NODISCARD int demo_set(struct demo *demo, int32_t order_id, const char *status);

/*
 * The walk, `pace` ms between two steps; prints a line a status. CLI_OK when each channel showed
 * each status once and in order; else CLI_FAILED after the reasons.
 */
NODISCARD int demo_walk(struct demo *demo, int64_t pace);

#endif
