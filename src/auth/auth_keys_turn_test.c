/* SPDX-License-Identifier: Apache-2.0 */
/* Turns of fetches: what the failing may hold, and how far apart their tries are. */
#include "auth/auth_keys_turn.h"

#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { PLACES = 4, SETS = 20 };

struct world {
    struct auth_keys_turns turns;
    struct auth_keys_turn sets[SETS];
};

static void init(struct world *world)
{
    auth_keys_turn_init_all(&world->turns, PLACES);
    for (int i = 0; i < SETS; i++)
        auth_keys_turn_init(&world->sets[i]);
}

/* The next one's index; -1: none. */
static int next(struct world *world)
{
    struct auth_keys_turn *turn = auth_keys_turn_next(&world->turns);
    return turn != NULL ? (int)(turn - world->sets) : -1;
}

static void end(struct world *world, int index)
{
    auth_keys_turn_end(&world->turns, &world->sets[index]);
}

static void wait(struct world *world, int index, bool is_failing)
{
    auth_keys_turn_wait(&world->turns, &world->sets[index], is_failing);
}

static void the_failing_hold_half(void **state)
{
    struct world world;
    (void)state;
    init(&world);
    for (int i = 0; i < 10; i++)
        wait(&world, i, true);
    assert_int_equal(next(&world), 0);
    assert_int_equal(next(&world), 1);
    assert_int_equal(next(&world), -1);
    wait(&world, 10, false);
    wait(&world, 11, false);
    wait(&world, 12, false);
    wait(&world, 12, true);
    assert_int_equal(next(&world), 10);
    assert_int_equal(next(&world), 11);
    assert_int_equal(next(&world), -1);
    /* What a failing one gives back goes to who is well. */
    end(&world, 1);
    assert_int_equal(next(&world), 12);
    assert_int_equal(next(&world), -1);
    end(&world, 11);
    assert_int_equal(next(&world), 2);
    end(&world, 10);
    assert_int_equal(next(&world), -1);
}

static void those_that_are_well_leave_one_place(void **state)
{
    struct world world;
    (void)state;
    init(&world);
    for (int i = 0; i < 10; i++)
        wait(&world, i, false);
    for (int i = 0; i < PLACES; i++)
        assert_int_equal(next(&world), i);
    wait(&world, 10, true);
    wait(&world, 11, true);
    assert_int_equal(next(&world), -1);
    end(&world, 0);
    assert_int_equal(next(&world), 10);
    end(&world, 1);
    assert_int_equal(next(&world), 4);
    end(&world, 10);
    assert_int_equal(next(&world), 11);
}

/* One that ends while it waits gets no place and gives none back. */
static void one_may_leave(void **state)
{
    struct world world;
    (void)state;
    init(&world);
    for (int i = 0; i < 6; i++)
        wait(&world, i, false);
    for (int i = 0; i < PLACES; i++)
        assert_int_equal(next(&world), i);
    end(&world, 4);
    assert_int_equal(next(&world), -1);
    end(&world, 0);
    assert_int_equal(next(&world), 5);
    end(&world, 5);
    end(&world, 5);
    wait(&world, 6, false);
    wait(&world, 7, false);
    assert_int_equal(next(&world), 6);
    assert_int_equal(next(&world), -1);
}

static void tries_grow_rare(void **state)
{
    static const struct {
        int64_t refresh;
        int failures;
        int64_t pause;
    } rows[] = {
        {600000, 0, 600000}, {600000, 1, 30000},  {600000, 2, 60000},
        {600000, 5, 480000}, {600000, 6, 600000}, {600000, INT32_MAX, 600000},
        {1000, 0, 1000},     {1000, 1, 1000},     {CLOCK_DAY, INT32_MAX, CLOCK_DAY},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        assert_int_equal(auth_keys_turn_pause(30000, rows[i].refresh, rows[i].failures),
                         rows[i].pause);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_failing_hold_half),
        cmocka_unit_test(those_that_are_well_leave_one_place),
        cmocka_unit_test(one_may_leave),
        cmocka_unit_test(tries_grow_rare),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
