/* SPDX-License-Identifier: Apache-2.0 */
#include "server/capacity.h"

#include "base/limits.h"
#include "order/order.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define KIB 1024

/* With these options; the rest is as usual. */
#define SUM_FOR(workers, ...) sum_for(workers, (const char *const[]){__VA_ARGS__, NULL})

static int64_t sum_for(int workers, const char *const pairs[])
{
    struct capacity_row rows[CAPACITY_ROWS];
    struct config config;
    char error[CONFIG_ERROR_SIZE];
    config_init(&config);
    for (; *pairs != NULL; pairs++)
        assert_int_equal(config_set_pair(&config, *pairs, error), 0);
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
    int64_t one = SUM_FOR(1, "limits.connections=1000");
    int64_t two = SUM_FOR(1, "limits.connections=2000");
    /* A connection is worth all of its buffers: between 200 and 300 KiB. */
    assert_in_range((two - one) / 1000, 200 * KIB, 300 * KIB);
    assert_true(SUM_FOR(1, "limits.connections=1000", "tls.cert_file=cert.pem") > one);
    assert_true(SUM_FOR(4, "limits.connections=1000") > one);
}

static void test_the_sizes_of_the_options(void **state)
{
    (void)state;
    int64_t usual = SUM_FOR(1, "limits.connections=1");
    assert_int_equal(SUM_FOR(1, "limits.connections=1", "limits.header_bytes=20KiB"),
                     usual + 2 * 4 * KIB);
    /* Bodies that are larger come out of the stock. */
    assert_int_equal(SUM_FOR(1, "limits.connections=1", "limits.body_bytes=256KiB"), usual);
    assert_int_equal(SUM_FOR(1, "limits.connections=1", "limits.batch_bytes=16MiB"), usual);
    assert_int_equal(SUM_FOR(1, "limits.connections=1", "store.cache=1MiB"),
                     usual - 63 * 1024 * KIB);
    /* A realtime connection holds less than another one, until it is given more. */
    assert_int_equal(SUM_FOR(1, "limits.connections=1", "limits.queue_bytes=32KiB"), usual);
    int64_t queue = SUM_FOR(1, "limits.connections=1", "limits.queue_bytes=1MiB");
    assert_in_range(queue - usual, 800 * KIB, 1024 * KIB);
    assert_int_equal(SUM_FOR(1, "limits.connections=1", "limits.queue_bytes=1MiB",
                             "limits.message_bytes=100KiB"),
                     queue + 36 * KIB);
}

/* As many full batches as one commit takes. */
static void test_the_events_of_a_commit(void **state)
{
    struct capacity_row rows[CAPACITY_ROWS];
    struct config config;
    int64_t most = 0;
    (void)state;
    config_init(&config);
    capacity_of(&config, 1, rows);
    for (size_t i = 0; i < CAPACITY_ROWS; i++) {
        if (strncmp(rows[i].what, "events", 6) == 0 && rows[i].count > most)
            most = rows[i].count;
    }
    assert_true(most >= LIMIT_GROUP_JOBS * LIMIT_BATCH_LINES * ORDER_EVENTS_MAX);
    config_fini(&config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_what_it_grows_with),
                                       cmocka_unit_test(test_the_sizes_of_the_options),
                                       cmocka_unit_test(test_the_events_of_a_commit)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
