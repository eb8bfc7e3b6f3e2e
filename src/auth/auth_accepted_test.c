/* SPDX-License-Identifier: Apache-2.0 */
/* What ends the acceptance of a token, one thing a row. */
#include "auth/auth_accepted.h"

#include "auth/auth_remote.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define NOW INT64_C(1800000000000)

static struct auth_acceptance acceptance_of(uint8_t token, int32_t project_id, uint64_t generation)
{
    struct auth_acceptance acceptance = {.project_id = project_id, .generation = generation};
    acceptance.token[CRYPTO_SHA256_SIZE - 1] = token; /* all have the same place */
    return acceptance;
}

static struct auth_acceptance known(void)
{
    struct auth_acceptance acceptance = acceptance_of(1, 10, 1);
    acceptance.from = NOW - 1000;
    acceptance.until = NOW + 1000;
    acceptance.user.user_external_id = STR_LIT("u1");
    acceptance.user.expires_at = NOW + 5000;
    return acceptance;
}

static void test_what_it_holds_for(void **state)
{
    static const struct {
        uint8_t token;
        int32_t project_id;
        uint64_t generation;
        int64_t now;
        bool found;
    } rows[] = {
        {1, 10, 1, NOW, true},         {1, 10, 1, NOW - 1000, true},  {1, 10, 1, NOW + 999, true},
        {1, 10, 1, NOW - 1001, false}, {1, 10, 1, NOW + 1000, false}, {2, 10, 1, NOW, false},
        {1, 11, 1, NOW, false},        {1, 10, 2, NOW, false},
    };
    struct auth_accepted *accepted = auth_accepted_new();
    struct auth_acceptance first = known();
    (void)state;
    auth_accepted_add(accepted, &first);
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct auth_acceptance wanted =
            acceptance_of(rows[i].token, rows[i].project_id, rows[i].generation);
        assert_int_equal(auth_accepted_find(accepted, &wanted, rows[i].now), rows[i].found);
        assert_string_equal(wanted.user.external_id, rows[i].found ? "u1" : "");
        assert_int_equal(wanted.user.expires_at, rows[i].found ? NOW + 5000 : 0);
    }
    auth_accepted_free(&accepted);
}

static void test_a_new_one_takes_the_place(void **state)
{
    struct auth_accepted *accepted = auth_accepted_new();
    struct auth_acceptance first = known();
    struct auth_acceptance second = known();
    struct auth_acceptance wanted = acceptance_of(1, 10, 1);
    (void)state;
    second.token[CRYPTO_SHA256_SIZE - 1] = 2;
    auth_accepted_add(accepted, &first);
    auth_accepted_add(accepted, &second);
    assert_false(auth_accepted_find(accepted, &wanted, NOW));
    wanted = acceptance_of(2, 10, 1);
    assert_true(auth_accepted_find(accepted, &wanted, NOW));
    auth_accepted_free(&accepted);
}

static void test_how_long_a_user_id_may_be(void **state)
{
    static char id[51] = "";
    struct auth_accepted *accepted = auth_accepted_new();
    (void)state;
    memset(id, 'x', sizeof(id));
    for (size_t length = 50; length <= 51; length++) {
        struct auth_acceptance long_one = known();
        struct auth_acceptance wanted = acceptance_of((uint8_t)length, 10, 1);
        long_one.token[CRYPTO_SHA256_SIZE - 1] = (uint8_t)length;
        long_one.user.user_external_id = str_make(id, length);
        auth_accepted_add(accepted, &long_one);
        assert_int_equal(auth_accepted_find(accepted, &wanted, NOW), length == 50);
        assert_int_equal(wanted.user.user_external_id.len, length == 50 ? 50 : 0);
    }
    auth_accepted_free(&accepted);
}

/* A set that was never fetched is at no version. */
static void test_keys_that_are_gone(void **state)
{
    struct auth_keys_source source = {.project_id = 10};
    struct auth_remote *remote = auth_remote_new(NULL, &source);
    struct auth_accepted *accepted = auth_accepted_new();
    struct auth_acceptance first = known();
    struct auth_acceptance wanted = acceptance_of(1, 10, 1);
    (void)state;
    first.remote = remote;
    auth_accepted_add(accepted, &first);
    assert_false(auth_accepted_find(accepted, &wanted, NOW));
    auth_accepted_free(&accepted);
    auth_remote_free(&remote);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_it_holds_for),
        cmocka_unit_test(test_a_new_one_takes_the_place),
        cmocka_unit_test(test_how_long_a_user_id_may_be),
        cmocka_unit_test(test_keys_that_are_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
