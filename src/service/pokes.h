/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the webhook thread is to be told once a group is durable: a set of endpoints, each told once
 * however many rows were written for it. One thread.
 */
#ifndef ORDERWIRE_SERVICE_POKES_H
#define ORDERWIRE_SERVICE_POKES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Opaque types. */
struct webhook;

/* Zeroed at first. The fields are the set's. */
struct pokes {
    int64_t *endpoints;
    size_t count;
    size_t capacity;
    bool replays;
};

void pokes_fini(struct pokes *pokes);
void pokes_add(struct pokes *pokes, int64_t endpoint_id);
void pokes_add_replays(struct pokes *pokes);
/* Forgets all. */
void pokes_clear(struct pokes *pokes);
/* Tells all, and forgets it; nobody is told when `webhook` is NULL. */
void pokes_send(struct pokes *pokes, struct webhook *webhook);

#endif
