/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hash map from byte strings to pointers. Keys are copied. The hash is SipHash-1-3 under a key
 * drawn at random for each process, so that a peer who chooses keys cannot choose collisions.
 * Not for several threads.
 */
#ifndef ORDERWIRE_BASE_MAP_H
#define ORDERWIRE_BASE_MAP_H

#include "base/str.h"

/* Opaque types. */
struct map_entry;

struct map {
    struct map_entry **buckets;
    size_t bucket_count; /* a power of two, or 0 before the first put */
    size_t count;
};

void map_init(struct map *m);
/* Values are the caller's: it frees them before, with map_each. */
void map_fini(struct map *m);

/* NULL when there is none. */
void *map_get(const struct map *m, struct str key);
/* `value` is not NULL. Gives back the value that was there before, or NULL. */
void *map_put(struct map *m, struct str key, void *value);
/* Gives back the value that was removed, or NULL. */
void *map_remove(struct map *m, struct str key);

/* Calls `visit` for each entry, in no order. `visit` must not change the map. */
void map_each(const struct map *m, void (*visit)(void *argument, struct str key, void *value),
              void *argument);

#endif
