/* SPDX-License-Identifier: Apache-2.0 */
/* Many small pieces that live and die together; their addresses stay. */
#ifndef ORDERWIRE_BASE_ARENA_H
#define ORDERWIRE_BASE_ARENA_H

#include "base/str.h"

struct arena_block;

struct arena {
    struct arena_block *last;
    size_t size; /* bytes that the pieces take, with the room for more */
};

void arena_init(struct arena *arena);
/* Frees all pieces. */
void arena_fini(struct arena *arena);
/* A copy of `text` with a NUL after it. What goes in is bounded by the caller. */
struct str arena_copy(struct arena *arena, struct str text);
/* `size` bytes, not zeroed, aligned for any type. The same goes for their bound. */
void *arena_take(struct arena *arena, size_t size);

#endif
