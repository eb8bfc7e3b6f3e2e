/* SPDX-License-Identifier: Apache-2.0 */
#include "base/quota.h"

#include "base/limits.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static const struct str alice = {"alice", 5};
static const struct str bob = {"bob", 3};

static int set_up(void **state)
{
    *state = quota_new();
    return 0;
}

static int tear_down(void **state)
{
    struct quota *quota = *state;
    quota_free(&quota);
    assert_null(quota);
    quota_free(&quota);
    return 0;
}

static void test_so_many_at_once(void **state)
{
    struct quota *quota = *state;
    assert_true(quota_enter(quota, QUOTA_CONNECTIONS, alice, 2));
    assert_true(quota_enter(quota, QUOTA_CONNECTIONS, alice, 2));
    assert_false(quota_enter(quota, QUOTA_CONNECTIONS, alice, 2));
    assert_true(quota_enter(quota, QUOTA_CONNECTIONS, bob, 2));
    assert_true(quota_enter(quota, QUOTA_SESSIONS, alice, 1));
    assert_false(quota_enter(quota, QUOTA_SESSIONS, alice, 1));
    quota_leave(quota, QUOTA_CONNECTIONS, alice);
    assert_true(quota_enter(quota, QUOTA_CONNECTIONS, alice, 2));
    assert_false(quota_enter(quota, QUOTA_CONNECTIONS, alice, 2));
}

static void test_no_limit_counts_all_the_same(void **state)
{
    struct quota *quota = *state;
    for (int i = 0; i < 3; i++)
        assert_true(quota_enter(quota, QUOTA_SESSIONS, alice, 0));
    assert_false(quota_enter(quota, QUOTA_SESSIONS, alice, 3));
    assert_true(quota_enter(quota, QUOTA_SESSIONS, alice, 4));
}

static void test_leaving_without_having_entered(void **state)
{
    struct quota *quota = *state;
    quota_leave(quota, QUOTA_SESSIONS, alice);
    assert_true(quota_enter(quota, QUOTA_SESSIONS, alice, 1));
    assert_false(quota_enter(quota, QUOTA_SESSIONS, alice, 1));
}

enum { KEYS = 20000 };

static struct str name_key(char text[16], int number)
{
    return str_make(text, (size_t)snprintf(text, 16, "k%d", number));
}

/* Counters that come and go do not pile up, and those that stay are found again. */
static void test_many_keys(void **state)
{
    struct quota *quota = *state;
    char text[16];
    for (int i = 0; i < KEYS; i++) {
        assert_true(quota_enter(quota, QUOTA_CONNECTIONS, name_key(text, i), 1));
        if (i % 10 != 0)
            quota_leave(quota, QUOTA_CONNECTIONS, name_key(text, i));
    }
    for (int i = 0; i < KEYS; i++)
        assert_int_equal(quota_enter(quota, QUOTA_CONNECTIONS, name_key(text, i), 1), i % 10 != 0);
}

static void test_so_often(void **state)
{
    struct quota *quota = *state;
    int64_t now = 1000;
    for (int i = 0; i < 20; i++)
        assert_int_equal(quota_take(quota, QUOTA_USER_REQUESTS, alice, 10, now), 0);
    int64_t wait = quota_take(quota, QUOTA_USER_REQUESTS, alice, 10, now);
    assert_int_equal(wait, 100);
    assert_int_equal(quota_take(quota, QUOTA_USER_REQUESTS, bob, 10, now), 0);
    assert_int_equal(quota_take(quota, QUOTA_ADDRESS_REQUESTS, alice, 10, now), 0);
    /* A refusal costs nothing: what it said holds. */
    assert_int_not_equal(quota_take(quota, QUOTA_USER_REQUESTS, alice, 10, now + wait - 1), 0);
    assert_int_equal(quota_take(quota, QUOTA_USER_REQUESTS, alice, 10, now + wait), 0);
    assert_int_not_equal(quota_take(quota, QUOTA_USER_REQUESTS, alice, 10, now + wait), 0);
}

static void test_long_run(void **state)
{
    struct quota *quota = *state;
    int allowed = 0;
    for (int64_t now = 0; now < 100000; now++)
        allowed += quota_take(quota, QUOTA_USER_REQUESTS, alice, 7, now) == 0;
    assert_in_range(allowed, 700, 714);
}

static void test_no_rate(void **state)
{
    struct quota *quota = *state;
    for (int i = 0; i < 1000; i++)
        assert_int_equal(quota_take(quota, QUOTA_USER_REQUESTS, alice, 0, 5), 0);
}

/* Who is over the limit is not forgotten because many others come. */
static void test_a_flood_of_keys_forgives_nobody(void **state)
{
    struct quota *quota = *state;
    char text[16];
    for (int i = 0; i < 200; i++)
        assert_int_equal(quota_take(quota, QUOTA_ADDRESS_REQUESTS, alice, 100, 1000), 0);
    for (int i = 0; i < LIMIT_QUOTA_RATES * 2; i++)
        assert_int_equal(quota_take(quota, QUOTA_ADDRESS_REQUESTS, name_key(text, i), 100, 1001),
                         0);
    assert_int_not_equal(quota_take(quota, QUOTA_ADDRESS_REQUESTS, alice, 100, 1001), 0);
}

static void test_bytes_of_all(void **state)
{
    struct quota *quota = *state;
    assert_true(quota_reserve(quota, LIMIT_LARGE_BYTES - 10));
    assert_false(quota_reserve(quota, 11));
    assert_true(quota_reserve(quota, 10));
    assert_false(quota_reserve(quota, 1));
    quota_give_back(quota, 10);
    assert_true(quota_reserve(quota, 5));
    assert_true(quota_reserve(NULL, LIMIT_LARGE_BYTES + 1));
}

static void test_own_state(void **state)
{
    (void)state;
    int64_t earned = 0;
    assert_int_equal(quota_rate_take(&earned, 1, 50), 0);
    assert_int_equal(quota_rate_take(&earned, 1, 50), 0);
    assert_int_equal(quota_rate_take(&earned, 1, 50), 1000);
    assert_int_equal(quota_rate_take(&earned, 1, 1050), 0);
    assert_int_equal(quota_rate_take(&earned, 0, 1050), 0);
}

enum { ROUNDS = 20000 };

static void *come_and_go(void *argument)
{
    struct quota *quota = argument;
    int64_t refused = 0;
    for (int i = 0; i < ROUNDS; i++) {
        assert_true(quota_enter(quota, QUOTA_SESSIONS, alice, 0));
        refused += quota_take(quota, QUOTA_HANDSHAKES, (struct str){0}, 1000, 1000) != 0;
        quota_leave(quota, QUOTA_SESSIONS, alice);
    }
    return (void *)(intptr_t)refused;
}

static void test_several_threads(void **state)
{
    struct quota *quota = *state;
    pthread_t thread;
    void *refused_there;
    assert_int_equal(pthread_create(&thread, NULL, come_and_go, quota), 0);
    int64_t refused = (intptr_t)come_and_go(quota);
    pthread_join(thread, &refused_there);
    refused += (intptr_t)refused_there;
    assert_int_equal(2 * ROUNDS - refused, 2000);
    assert_true(quota_enter(quota, QUOTA_SESSIONS, alice, 1));
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_so_many_at_once),
        TEST(test_no_limit_counts_all_the_same),
        TEST(test_leaving_without_having_entered),
        TEST(test_many_keys),
        TEST(test_so_often),
        TEST(test_long_run),
        TEST(test_no_rate),
        TEST(test_a_flood_of_keys_forgives_nobody),
        TEST(test_bytes_of_all),
        TEST(test_own_state),
        TEST(test_several_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
