/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A set of endpoints as an array that is sorted when it is full: a group may name few endpoints a
 * million times, and what it takes in memory is bounded by the different ones.
 */
#include "service/pokes.h"

#include "base/mem.h"
#include "webhook/webhook.h"

#include <stdlib.h>

enum { FIRST_CAPACITY = 64 };

void pokes_fini(struct pokes *pokes)
{
    mem_free(pokes->endpoints);
    *pokes = (struct pokes){0};
}

static int compare(const void *a, const void *b)
{
    const int64_t *left = a;
    const int64_t *right = b;
    return (*left > *right) - (*left < *right);
}

static void make_unique(struct pokes *pokes)
{
    size_t kept = 0;
    if (pokes->count > 0)
        qsort(pokes->endpoints, pokes->count, sizeof(*pokes->endpoints), compare);
    for (size_t i = 0; i < pokes->count; i++) {
        if (kept == 0 || pokes->endpoints[kept - 1] != pokes->endpoints[i])
            pokes->endpoints[kept++] = pokes->endpoints[i];
    }
    pokes->count = kept;
}

static void make_room(struct pokes *pokes)
{
    make_unique(pokes);
    /* Half of it stays free, so that sorting is rare. */
    if (pokes->count * 2 < pokes->capacity)
        return;
    pokes->capacity = pokes->capacity > 0 ? pokes->capacity * 2 : FIRST_CAPACITY;
    pokes->endpoints = mem_realloc(pokes->endpoints, pokes->capacity * sizeof(*pokes->endpoints));
}

void pokes_add(struct pokes *pokes, int64_t endpoint_id)
{
    if (pokes->count > 0 && pokes->endpoints[pokes->count - 1] == endpoint_id)
        return;
    if (pokes->count == pokes->capacity)
        make_room(pokes);
    pokes->endpoints[pokes->count++] = endpoint_id;
}

void pokes_add_replays(struct pokes *pokes)
{
    pokes->replays = true;
}

void pokes_clear(struct pokes *pokes)
{
    pokes->count = 0;
    pokes->replays = false;
}

void pokes_send(struct pokes *pokes, struct webhook *webhook)
{
    make_unique(pokes);
    for (size_t i = 0; i < pokes->count && webhook != NULL; i++)
        webhook_poke(webhook, pokes->endpoints[i]);
    if (pokes->replays && webhook != NULL)
        webhook_poke_replays(webhook);
    pokes_clear(pokes);
}
