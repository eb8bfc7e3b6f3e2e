/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whose turn it is to be fetched, when more wait than may go at once. The failing, those whose last fetch
 * failed or that never brought keys, hold half the places at most, since each may take its whole timeout;
 * but one place, when they wait, so that one that is well again is heard.
 */
#ifndef ORDERWIRE_AUTH_AUTH_KEYS_TURN_H
#define ORDERWIRE_AUTH_AUTH_KEYS_TURN_H

#include "base/list.h"

#include <stdint.h>

struct auth_keys_turns {
    struct list well; /* who waits, in the order of their coming */
    struct list failing;
    int places;
    int well_count; /* who has a place */
    int failing_count;
};

/* Embedded in what is fetched. */
struct auth_keys_turn {
    struct list node;
    bool is_failing;
    enum { AUTH_KEYS_IDLE, AUTH_KEYS_WAITING, AUTH_KEYS_PLACED } state;
};

void auth_keys_turn_init_all(struct auth_keys_turns *turns, int places);
void auth_keys_turn_init(struct auth_keys_turn *turn);
/* Nothing happens to one that waits or has a place. */
void auth_keys_turn_wait(struct auth_keys_turns *turns, struct auth_keys_turn *turn,
                         bool is_failing);
/* Gives the next one its place; NULL when there is none for those who wait. */
struct auth_keys_turn *auth_keys_turn_next(struct auth_keys_turns *turns);
/* It waits no more, or gives its place back. */
void auth_keys_turn_end(struct auth_keys_turns *turns, struct auth_keys_turn *turn);

/*
 * How long, in ms, until one is fetched that nobody asks for: `refresh`, and after `failures` in a row
 * `interval`, twice that, four times that and so on, up to `refresh`.
 */
int64_t auth_keys_turn_pause(int64_t interval, int64_t refresh, int failures);

#endif
