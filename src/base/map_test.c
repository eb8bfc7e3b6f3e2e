/* SPDX-License-Identifier: Apache-2.0 */
#include "base/map.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

enum { KEYS = 2000 };

static int values[KEYS];
static bool present[KEYS];

static struct str key_of(int number, char text[16])
{
    int length = snprintf(text, 16, "key%d", number);
    return str_make(text, (size_t)length);
}

static void test_an_empty_map(void **state)
{
    (void)state;
    struct map m;
    map_init(&m);
    assert_null(map_get(&m, STR_LIT("a")));
    assert_null(map_remove(&m, STR_LIT("a")));
    assert_int_equal(m.count, 0);
    map_fini(&m);
}

static void test_put_get_replace_remove(void **state)
{
    (void)state;
    struct map m;
    int one;
    int two;
    map_init(&m);
    char key[] = "user";
    assert_null(map_put(&m, str_from(key), &one));
    key[0] = 'x'; /* the map has its own copy */
    assert_ptr_equal(map_get(&m, STR_LIT("user")), &one);
    assert_null(map_get(&m, STR_LIT("xser")));
    assert_ptr_equal(map_put(&m, STR_LIT("user"), &two), &one);
    assert_int_equal(m.count, 1);
    assert_ptr_equal(map_get(&m, STR_LIT("user")), &two);
    assert_ptr_equal(map_remove(&m, STR_LIT("user")), &two);
    assert_null(map_remove(&m, STR_LIT("user")));
    assert_null(map_get(&m, STR_LIT("user")));
    assert_int_equal(m.count, 0);
    map_fini(&m);
}

static void test_keys_are_bytes(void **state)
{
    (void)state;
    static const struct str keys[] = {
        STR_LIT(""),           STR_LIT("\0"),        STR_LIT("\0\0"),      STR_LIT("a"),
        STR_LIT("a\0"),        STR_LIT("a\0b"),      STR_LIT("1234567"),   STR_LIT("12345678"),
        STR_LIT("12345678\0"), STR_LIT("123456789"), STR_LIT("1234567\0"), STR_LIT("\xff"),
    };
    struct map m;
    map_init(&m);
    for (size_t i = 0; i < ARRAY_LENGTH(keys); i++)
        assert_null(map_put(&m, keys[i], &values[i]));
    for (size_t i = 0; i < ARRAY_LENGTH(keys); i++)
        assert_ptr_equal(map_get(&m, keys[i]), &values[i]);
    assert_ptr_equal(map_get(&m, str_make(NULL, 0)), &values[0]);
    map_fini(&m);
}

static void visit(void *argument, struct str key, void *value)
{
    size_t *visited = argument;
    char text[16];
    size_t i = (size_t)((int *)value - values);
    assert_true(str_equal(key, key_of((int)i, text)));
    assert_true(present[i]);
    present[i] = false;
    (*visited)++;
}

/* More keys than buckets, so that chains form; every other one is then taken out of its chain. */
static void test_keys_that_share_buckets(void **state)
{
    (void)state;
    struct map m;
    char text[16];
    map_init(&m);
    for (int i = 0; i < KEYS; i++) {
        assert_null(map_put(&m, key_of(i, text), &values[i]));
        present[i] = true;
    }
    assert_int_equal(m.count, KEYS);
    for (int i = 0; i < KEYS; i += 2) {
        assert_ptr_equal(map_remove(&m, key_of(i, text)), &values[i]);
        present[i] = false;
    }
    for (int i = 0; i < KEYS; i++)
        assert_ptr_equal(map_get(&m, key_of(i, text)), present[i] ? &values[i] : NULL);
    for (int i = 0; i < KEYS; i += 4) {
        assert_null(map_put(&m, key_of(i, text), &values[i]));
        present[i] = true;
    }
    size_t visited = 0;
    map_each(&m, visit, &visited);
    assert_int_equal(visited, m.count);
    assert_int_equal(visited, KEYS / 2 + KEYS / 4);
    map_fini(&m);
}

/* The longest chain is short even for keys that differ in one bit, and buckets are used evenly. */
static void test_the_hash_spreads(void **state)
{
    (void)state;
    struct map m;
    char text[16];
    map_init(&m);
    for (int i = 0; i < KEYS; i++)
        map_put(&m, key_of(i, text), &values[i]);
    size_t used = 0;
    for (size_t i = 0; i < m.bucket_count; i++)
        used += m.buckets[i] != NULL;
    assert_int_equal(m.bucket_count, 2048);
    /* A random hash leaves 38 % empty: 1,276 used, give or take 18. */
    assert_in_range(used, 1100, 1450);
    map_fini(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_empty_map),     cmocka_unit_test(test_put_get_replace_remove),
        cmocka_unit_test(test_keys_are_bytes),   cmocka_unit_test(test_keys_that_share_buckets),
        cmocka_unit_test(test_the_hash_spreads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
