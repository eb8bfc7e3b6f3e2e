/* SPDX-License-Identifier: Apache-2.0 */
/* A binary heap of nodes embedded in the structs they order: the smallest key is first. */
#ifndef ORDERWIRE_BASE_HEAP_H
#define ORDERWIRE_BASE_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct heap_node {
    int64_t key;
    size_t index; /* place in the heap plus one; 0 when in none */
};

struct heap {
    struct heap_node **nodes;
    size_t count;
    size_t capacity;
};

void heap_init(struct heap *h);
/* The nodes are the caller's. */
void heap_fini(struct heap *h);

static inline bool heap_contains(const struct heap_node *node)
{
    return node->index != 0;
}

/* `node` is in no heap; its `index` is 0. */
void heap_insert(struct heap *h, struct heap_node *node, int64_t key);
/* Harmless when the node is in no heap. */
void heap_remove(struct heap *h, struct heap_node *node);
/* The node with the smallest key, still inside; NULL when empty. */
struct heap_node *heap_first(const struct heap *h);

#endif
