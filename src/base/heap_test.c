/* SPDX-License-Identifier: Apache-2.0 */
#include "base/heap.h"

#include "base/attributes.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { NODES = 300 };

static void assert_is_heap(const struct heap *h)
{
    for (size_t i = 0; i < h->count; i++) {
        assert_int_equal(h->nodes[i]->index, i + 1);
        if (i > 0)
            assert_true(h->nodes[(i - 1) / 2]->key <= h->nodes[i]->key);
    }
}

static void assert_drains_in_order(struct heap *h)
{
    int64_t last = INT64_MIN;
    while (h->count > 0) {
        struct heap_node *first = heap_first(h);
        assert_true(first->key >= last);
        last = first->key;
        heap_remove(h, first);
        assert_false(heap_contains(first));
    }
    assert_null(heap_first(h));
}

static void test_an_empty_heap(void **state)
{
    (void)state;
    struct heap h;
    struct heap_node node = {0};
    heap_init(&h);
    assert_null(heap_first(&h));
    heap_remove(&h, &node);
    heap_insert(&h, &node, INT64_MIN);
    assert_true(heap_contains(&node));
    assert_ptr_equal(heap_first(&h), &node);
    heap_remove(&h, &node);
    heap_remove(&h, &node);
    assert_int_equal(h.count, 0);
    heap_fini(&h);
}

static void test_any_insertion_order_comes_out_sorted(void **state)
{
    (void)state;
    static const int64_t steps[] = {1, NODES - 1, 7, 0};
    for (size_t row = 0; row < ARRAY_LENGTH(steps); row++) {
        struct heap h;
        struct heap_node nodes[NODES] = {0};
        heap_init(&h);
        for (int64_t i = 0; i < NODES; i++)
            heap_insert(&h, &nodes[i], i * steps[row] % NODES);
        assert_is_heap(&h);
        assert_drains_in_order(&h);
        heap_fini(&h);
    }
}

/* Numbers from a fixed seed: the test does the same each time. */
static uint32_t next_random(uint32_t *seed)
{
    *seed = *seed * 1664525 + 1013904223;
    return *seed >> 8;
}

static void test_random_inserts_and_removals_keep_the_heap(void **state)
{
    (void)state;
    struct heap h;
    struct heap_node nodes[NODES] = {0};
    uint32_t seed = 1;
    heap_init(&h);
    for (int step = 0; step < 3000; step++) {
        struct heap_node *node = &nodes[next_random(&seed) % NODES];
        if (heap_contains(node))
            heap_remove(&h, node);
        else
            heap_insert(&h, node, next_random(&seed) % 100);
        if (step % 10 == 0)
            assert_is_heap(&h);
    }
    size_t inside = 0;
    for (size_t i = 0; i < NODES; i++)
        inside += heap_contains(&nodes[i]);
    assert_int_equal(inside, h.count);
    assert_true(inside > 0);
    assert_drains_in_order(&h);
    heap_fini(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_empty_heap),
        cmocka_unit_test(test_any_insertion_order_comes_out_sorted),
        cmocka_unit_test(test_random_inserts_and_removals_keep_the_heap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
