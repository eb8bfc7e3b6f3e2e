/* SPDX-License-Identifier: Apache-2.0 */
#include "base/arena.h"

#include <setjmp.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void test_copies_stay(void **state)
{
    struct arena arena;
    struct str copies[500];
    char text[100];
    (void)state;
    arena_init(&arena);
    for (int i = 0; i < 500; i++) {
        int length = snprintf(text, sizeof(text), "%0*d", i % 90 + 1, i);
        copies[i] = arena_copy(&arena, str_make(text, (size_t)length));
    }
    for (int i = 0; i < 500; i++) {
        snprintf(text, sizeof(text), "%0*d", i % 90 + 1, i);
        assert_string_equal(copies[i].ptr, text);
        assert_int_equal(copies[i].len, strlen(text));
    }
    char large[10000];
    memset(large, 'x', sizeof(large));
    struct str copy = arena_copy(&arena, str_make(large, sizeof(large)));
    assert_memory_equal(copy.ptr, large, sizeof(large));
    assert_int_equal(arena_copy(&arena, str_make(NULL, 0)).len, 0);
    arena_fini(&arena);
    arena_fini(&arena);
}

static void test_pieces_are_aligned_and_apart(void **state)
{
    struct arena arena;
    char *pieces[200];
    (void)state;
    arena_init(&arena);
    for (size_t i = 0; i < ARRAY_LENGTH(pieces); i++) {
        arena_copy(&arena, STR_LIT("x"));
        pieces[i] = arena_take(&arena, i * 7);
        assert_int_equal((uintptr_t)pieces[i] % alignof(max_align_t), 0);
        memset(pieces[i], (int)i, i * 7);
    }
    for (size_t i = 0; i < ARRAY_LENGTH(pieces); i++) {
        for (size_t j = 0; j < i * 7; j++)
            assert_int_equal((unsigned char)pieces[i][j], i);
    }
    arena_fini(&arena);
}

static void test_size_tells_the_memory_taken(void **state)
{
    struct arena arena;
    char large[10000] = "";
    (void)state;
    arena_init(&arena);
    assert_int_equal(arena.size, 0);
    arena_copy(&arena, STR_LIT("a"));
    size_t first = arena.size;
    assert_in_range(first, 1, 5000);
    arena_copy(&arena, STR_LIT("b"));
    assert_int_equal(arena.size, first);
    arena_copy(&arena, str_make(large, sizeof(large)));
    assert_in_range(arena.size - first, sizeof(large), sizeof(large) + 100);
    arena_fini(&arena);
    assert_int_equal(arena.size, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_copies_stay),
        cmocka_unit_test(test_pieces_are_aligned_and_apart),
        cmocka_unit_test(test_size_tells_the_memory_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
