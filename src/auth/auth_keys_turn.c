/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Turns of fetches. The trouble is a login service that takes connections and says nothing: a few of them
 * would have all places all the time, and keys of those that are well would come late.
 */
#include "auth/auth_keys_turn.h"

#include "base/clock.h"

void auth_keys_turn_init_all(struct auth_keys_turns *turns, int places)
{
    *turns = (struct auth_keys_turns){.places = places};
    list_init(&turns->well);
    list_init(&turns->failing);
}

void auth_keys_turn_init(struct auth_keys_turn *turn)
{
    *turn = (struct auth_keys_turn){.state = AUTH_KEYS_IDLE};
    list_init(&turn->node);
}

void auth_keys_turn_wait(struct auth_keys_turns *turns, struct auth_keys_turn *turn,
                         bool is_failing)
{
    if (turn->state != AUTH_KEYS_IDLE)
        return;
    turn->state = AUTH_KEYS_WAITING;
    turn->is_failing = is_failing;
    list_append(is_failing ? &turns->failing : &turns->well, &turn->node);
}

static struct list *next_node(struct auth_keys_turns *turns)
{
    struct list *node = NULL;
    if (turns->well_count + turns->failing_count >= turns->places)
        return NULL;
    if (turns->failing_count == 0)
        node = list_pop(&turns->failing);
    if (node == NULL)
        node = list_pop(&turns->well);
    if (node == NULL && turns->failing_count < turns->places / 2)
        node = list_pop(&turns->failing);
    return node;
}

static int *count_of(struct auth_keys_turns *turns, const struct auth_keys_turn *turn)
{
    return turn->is_failing ? &turns->failing_count : &turns->well_count;
}

struct auth_keys_turn *auth_keys_turn_next(struct auth_keys_turns *turns)
{
    struct list *node = next_node(turns);
    if (node == NULL)
        return NULL;
    struct auth_keys_turn *turn = LIST_ENTRY(node, struct auth_keys_turn, node);
    turn->state = AUTH_KEYS_PLACED;
    ++*count_of(turns, turn);
    return turn;
}

void auth_keys_turn_end(struct auth_keys_turns *turns, struct auth_keys_turn *turn)
{
    if (turn->state == AUTH_KEYS_PLACED)
        --*count_of(turns, turn);
    list_remove(&turn->node);
    turn->state = AUTH_KEYS_IDLE;
}

int64_t auth_keys_turn_pause(int64_t interval, int64_t refresh, int failures)
{
    int64_t pause = failures > 0 ? interval : refresh;
    for (int i = 1; i < failures && pause < refresh; i++)
        pause *= 2;
    return clock_earlier(pause, refresh);
}
