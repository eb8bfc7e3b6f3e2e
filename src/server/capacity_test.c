/* SPDX-License-Identifier: Apache-2.0 */
#include "server/capacity.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static int64_t sum_for(const char *connections, const char *certificate, int workers)
{
    struct capacity_row rows[CAPACITY_ROWS];
    struct config config;
    char error[CONFIG_ERROR_SIZE];
    config_init(&config);
    assert_int_equal(
        config_set(&config, STR_LIT("limits.connections"), str_from(connections), error), 0);
    assert_int_equal(config_set(&config, STR_LIT("tls.cert_file"), str_from(certificate), error),
                     0);
    int64_t sum = capacity_of(&config, workers, rows);
    int64_t added = 0;
    for (size_t i = 0; i < CAPACITY_ROWS; i++) {
        assert_true(rows[i].count > 0 && rows[i].bytes > 0);
        added += rows[i].count * rows[i].bytes;
    }
    assert_int_equal(sum, added);
    config_fini(&config);
    return sum;
}

static void test_what_it_grows_with(void **state)
{
    (void)state;
    int64_t one = sum_for("1000", "", 1);
    int64_t two = sum_for("2000", "", 1);
    /* A connection is worth all of its buffers: between 200 and 300 KiB. */
    assert_in_range((two - one) / 1000, 200 * 1024, 300 * 1024);
    assert_true(sum_for("1000", "cert.pem", 1) > one);
    assert_true(sum_for("1000", "", 4) > one);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_what_it_grows_with)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
