/* SPDX-License-Identifier: Apache-2.0 */
/* The set of endpoints to poke: each once, and no larger than the different ones. */
#include "service/pokes.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void each_is_kept_once(void **state)
{
    struct pokes pokes = {0};
    (void)state;
    for (int64_t round = 0; round < 10000; round++)
        for (int64_t id = 1; id <= 5; id++)
            pokes_add(&pokes, id);
    assert_true(pokes.capacity <= 64);
    bool seen[6] = {0};
    for (size_t i = 0; i < pokes.count; i++)
        seen[pokes.endpoints[i]] = true;
    for (int64_t id = 1; id <= 5; id++)
        assert_true(seen[id]);
    pokes_send(&pokes, NULL);
    assert_int_equal(pokes.count, 0);
    pokes_fini(&pokes);
}

static void it_grows_with_different_ones(void **state)
{
    struct pokes pokes = {0};
    (void)state;
    for (int64_t id = 1; id <= 1000; id++) {
        pokes_add(&pokes, id);
        pokes_add(&pokes, 1);
    }
    assert_true(pokes.count >= 1000);
    assert_true(pokes.capacity <= 4096);
    pokes_add_replays(&pokes);
    assert_true(pokes.replays);
    pokes_clear(&pokes);
    assert_int_equal(pokes.count, 0);
    assert_false(pokes.replays);
    pokes_fini(&pokes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_is_kept_once),
        cmocka_unit_test(it_grows_with_different_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
