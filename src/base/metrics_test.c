/* SPDX-License-Identifier: Apache-2.0 */
#include "base/metrics.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static char *render(struct buf *out)
{
    buf_init(out, 64 * 1024);
    metrics_render(out);
    assert_false(out->overflow);
    buf_append_byte(out, '\0');
    return out->ptr;
}

static size_t occurrences(const char *text, const char *part)
{
    size_t count = 0;
    while ((text = strstr(text, part)) != NULL) {
        count++;
        text += strlen(part);
    }
    return count;
}

static void test_counters_and_gauges(void **state)
{
    (void)state;
    assert_int_equal(metrics_value(METRIC_EVENTS), 0);
    metrics_add(METRIC_EVENTS, 1);
    metrics_add(METRIC_EVENTS, 41);
    assert_int_equal(metrics_value(METRIC_EVENTS), 42);
    metrics_add(METRIC_SESSIONS, 3);
    metrics_add(METRIC_SESSIONS, -1);
    assert_int_equal(metrics_value(METRIC_SESSIONS), 2);
    metrics_set(METRIC_STORE_READY, 5);
    metrics_set(METRIC_STORE_READY, 1);
    assert_int_equal(metrics_value(METRIC_STORE_READY), 1);
    metrics_add(METRIC_UPDATES__STALE, 7);

    struct buf out;
    const char *text = render(&out);
    assert_non_null(strstr(text,
                           "# HELP orderwire_events_total Order events made durable\n"
                           "# TYPE orderwire_events_total counter\n"
                           "orderwire_events_total 42\n"));
    assert_non_null(strstr(text, "# TYPE orderwire_sessions gauge\norderwire_sessions 2\n"));
    assert_non_null(strstr(text, "\norderwire_store_ready 1\n"));
    assert_non_null(strstr(text, "\norderwire_updates_total{result=\"stale\"} 7\n"));
    assert_non_null(strstr(text, "\norderwire_updates_total{result=\"applied\"} 0\n"));
    assert_int_equal(occurrences(text, "# TYPE orderwire_updates_total counter\n"), 1);
    assert_int_equal(occurrences(text, "# HELP orderwire_updates_total "), 1);
    assert_null(strstr(text, "__"));
    buf_fini(&out);
}

/* Prometheus refuses a page where a family's lines stand apart or a type comes twice. */
static void test_each_family_has_one_head(void **state)
{
    (void)state;
    struct buf out;
    const char *text = render(&out);
    struct str rest = str_from(text);
    struct str line;
    size_t heads = 0;
    while (str_split(&rest, '\n', &line)) {
        if (!str_starts_with(line, STR_LIT("# TYPE ")))
            continue;
        char head[128];
        snprintf(head, sizeof(head), "%.*s\n", STR_ARG(line));
        assert_int_equal(occurrences(text, head), 1);
        heads++;
    }
    assert_true(heads > 10);
    assert_int_equal(text[strlen(text) - 1], '\n');
    buf_fini(&out);
}

static void test_histogram(void **state)
{
    (void)state;
    /* On a bound, just above one, above all. */
    static const int64_t observed[] = {0, 50, 51, 2500, 2501, 10000000, 10000001};
    for (size_t i = 0; i < ARRAY_LENGTH(observed); i++)
        metrics_observe(METRIC_COMMIT_SECONDS, observed[i]);
    struct buf out;
    const char *text = render(&out);
    assert_non_null(strstr(text,
                           "# TYPE orderwire_commit_seconds histogram\n"
                           "orderwire_commit_seconds_bucket{le=\"0.00005\"} 2\n"
                           "orderwire_commit_seconds_bucket{le=\"0.0001\"} 3\n"));
    assert_non_null(strstr(text,
                           "orderwire_commit_seconds_bucket{le=\"0.001\"} 3\n"
                           "orderwire_commit_seconds_bucket{le=\"0.0025\"} 4\n"
                           "orderwire_commit_seconds_bucket{le=\"0.005\"} 5\n"));
    assert_non_null(strstr(text,
                           "orderwire_commit_seconds_bucket{le=\"5\"} 5\n"
                           "orderwire_commit_seconds_bucket{le=\"10\"} 6\n"
                           "orderwire_commit_seconds_bucket{le=\"+Inf\"} 7\n"
                           "orderwire_commit_seconds_sum 20.005103\n"
                           "orderwire_commit_seconds_count 7\n"));
    assert_non_null(strstr(text, "orderwire_update_seconds_count 0\n"));
    buf_fini(&out);
}

enum { THREADS = 100, ROUNDS = 2000 };

static pthread_barrier_t start;

static void *count(void *argument)
{
    (void)argument;
    pthread_barrier_wait(&start);
    for (int i = 0; i < ROUNDS; i++) {
        metrics_add(METRIC_PUBLICATIONS, 1);
        metrics_observe(METRIC_UPDATE_SECONDS, 100);
    }
    return NULL;
}

/* More threads than there are slots: those that share one lose nothing either. */
static void test_many_threads(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    pthread_barrier_init(&start, NULL, THREADS);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, count, NULL), 0);
    for (int i = 0; i < 20; i++)
        assert_in_range(metrics_value(METRIC_PUBLICATIONS), 0, THREADS * ROUNDS);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    pthread_barrier_destroy(&start);
    assert_int_equal(metrics_value(METRIC_PUBLICATIONS), THREADS * ROUNDS);
    struct buf out;
    const char *text = render(&out);
    assert_non_null(strstr(text, "orderwire_update_seconds_count 200000\n"));
    assert_non_null(strstr(text, "orderwire_update_seconds_sum 20.000000\n"));
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counters_and_gauges),
        cmocka_unit_test(test_each_family_has_one_head),
        cmocka_unit_test(test_histogram),
        cmocka_unit_test(test_many_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
