/* SPDX-License-Identifier: Apache-2.0 */
/* Blocks of 4 KiB, or as large as one piece needs. */
#include "base/arena.h"

#include "base/mem.h"

#include <stdalign.h>
#include <string.h>

#define BLOCK_SIZE 4096

struct arena_block {
    struct arena_block *previous;
    size_t used;
    size_t size;
    alignas(max_align_t) char bytes[];
};

void arena_init(struct arena *arena)
{
    *arena = (struct arena){0};
}

void arena_fini(struct arena *arena)
{
    while (arena->last != NULL) {
        struct arena_block *block = arena->last;
        arena->last = block->previous;
        mem_free(block);
    }
    arena->size = 0;
}

static struct arena_block *block_for(struct arena *arena, size_t size)
{
    struct arena_block *block = arena->last;
    if (block != NULL && block->size - block->used >= size)
        return block;
    size_t block_size = size > BLOCK_SIZE ? size : BLOCK_SIZE;
    block = mem_alloc(sizeof(*block) + block_size);
    block->previous = arena->last;
    block->used = 0;
    block->size = block_size;
    arena->last = block;
    arena->size += sizeof(*block) + block_size;
    return block;
}

struct str arena_copy(struct arena *arena, struct str text)
{
    struct arena_block *block = block_for(arena, text.len + 1);
    char *copy = block->bytes + block->used;
    if (text.len > 0)
        memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    block->used += text.len + 1;
    return str_make(copy, text.len);
}

void *arena_take(struct arena *arena, size_t size)
{
    const size_t step = alignof(max_align_t);
    struct arena_block *block = block_for(arena, size + step - 1);
    size_t start = (block->used + step - 1) / step * step;
    block->used = start + size;
    return block->bytes + start;
}
