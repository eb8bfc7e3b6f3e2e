/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One order's way from new to done, made through the merchant's HTTP API and watched on every
 * channel: those of a buyer's client, and the webhooks of a merchant's backend.
 */
#ifndef ORDERWIRE_CLI_DEMO_WALK_H
#define ORDERWIRE_CLI_DEMO_WALK_H

#include "cli/cli_order.h"

#include <signal.h>

/* Opaque types. */
struct demo_receiver;

struct demo {
    struct cli_client client;
    struct cli_orders orders; /* made with the client */
    struct demo_receiver *receiver;
    int64_t endpoint_id; /* sends to it; 0: none yet */
    char *token;         /* the user's JWT */
    sigset_t signals;    /* blocked; one of them ends the demo */
    bool interrupted;    /* one has come */
};

/* Waits so many ms. False when a signal has come. */
NODISCARD bool demo_pause(struct demo *demo, int64_t ms);

/*
 * The walk, `pace` ms between two steps; prints a line a status. CLI_OK when each channel showed
 * each status once and in order, webhooks with a good signature; else CLI_FAILED after the reasons.
 */
NODISCARD int demo_walk(struct demo *demo, int64_t pace);

#endif
