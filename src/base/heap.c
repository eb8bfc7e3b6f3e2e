/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A binary heap in an array of pointers. Every node knows its place, so that removing one from the
 * middle (a timer that was cancelled) costs no search.
 */
#include "base/heap.h"

#include "base/mem.h"

#include <assert.h>

enum { FIRST_CAPACITY = 16 };

void heap_init(struct heap *h)
{
    *h = (struct heap){0};
}

void heap_fini(struct heap *h)
{
    mem_free(h->nodes);
    heap_init(h);
}

static void place(struct heap *h, struct heap_node *node, size_t at)
{
    h->nodes[at] = node;
    node->index = at + 1;
}

/* Puts `node` at the hole `at` or nearer to the root. */
static void sift_up(struct heap *h, struct heap_node *node, size_t at)
{
    while (at > 0) {
        size_t parent = (at - 1) / 2;
        if (h->nodes[parent]->key <= node->key)
            break;
        place(h, h->nodes[parent], at);
        at = parent;
    }
    place(h, node, at);
}

/* Puts `node` at the hole `at` or nearer to the leaves. */
static void sift_down(struct heap *h, struct heap_node *node, size_t at)
{
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= h->count)
            break;
        if (child + 1 < h->count && h->nodes[child + 1]->key < h->nodes[child]->key)
            child++;
        if (h->nodes[child]->key >= node->key)
            break;
        place(h, h->nodes[child], at);
        at = child;
    }
    place(h, node, at);
}

void heap_insert(struct heap *h, struct heap_node *node, int64_t key)
{
    assert(!heap_contains(node));
    if (h->count == h->capacity) {
        h->capacity = h->capacity > 0 ? h->capacity * 2 : FIRST_CAPACITY;
        h->nodes = mem_realloc(h->nodes, h->capacity * sizeof(struct heap_node *));
    }
    node->key = key;
    sift_up(h, node, h->count++);
}

void heap_remove(struct heap *h, struct heap_node *node)
{
    if (!heap_contains(node))
        return;
    size_t at = node->index - 1;
    assert(at < h->count && h->nodes[at] == node);
    node->index = 0;
    struct heap_node *last = h->nodes[--h->count];
    if (last == node)
        return;
    if (at > 0 && h->nodes[(at - 1) / 2]->key > last->key)
        sift_up(h, last, at);
    else
        sift_down(h, last, at);
}

struct heap_node *heap_first(const struct heap *h)
{
    return h->count > 0 ? h->nodes[0] : NULL;
}
