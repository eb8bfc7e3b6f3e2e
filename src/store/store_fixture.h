/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The world of the contract tests: a store of the driver under test in a directory of its own, and
 * what its lists gave. Each test program uses its share of it.
 */
#ifndef ORDERWIRE_STORE_STORE_FIXTURE_H
#define ORDERWIRE_STORE_STORE_FIXTURE_H

#include "base/err.h"
#include "base/mem.h"
#include "store/store.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define DAY INT64_C(86400000)
#define NOW INT64_C(1800000000000)

enum { PROJECT = 77640, MERCHANT = 4, LIST_MAX = 400 };

struct fixture {
    const struct store_driver *driver;
    char directory[64];
    struct store_options options;
    struct store *store;
    struct store_connection *writer;
    struct store_connection *reader;
    size_t count; /* rows that a callback got */
    int32_t numbers[LIST_MAX];
    char texts[LIST_MAX][16];
    struct store_event events[LIST_MAX];
};

static inline void open_fixture(struct fixture *f)
{
    char error[STORE_ERROR_SIZE];
    if (store_open(f->driver, &f->options, &f->store, error))
        fail_msg("%s", error);
    assert_int_equal(store_connect(f->store, STORE_WRITER, &f->writer), 0);
    assert_int_equal(store_connect(f->store, STORE_READER, &f->reader), 0);
}

static inline void close_fixture(struct fixture *f)
{
    store_disconnect(&f->reader);
    store_disconnect(&f->writer);
    store_close(&f->store);
    assert_null(f->reader);
    assert_null(f->writer);
    assert_null(f->store);
}

static inline int setup(void **state)
{
    struct fixture *f = mem_zalloc(sizeof(*f));
    f->driver = *state;
    snprintf(f->directory, sizeof(f->directory), "%s/orderwire-store-XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    assert_non_null(mkdtemp(f->directory));
    f->options = (struct store_options){
        .directory = f->directory, .history_max_age = 7 * DAY, .history_max_events = 100};
    open_fixture(f);
    *state = f;
    return 0;
}

static inline void remove_directory(const char *name)
{
    DIR *directory = opendir(name);
    for (struct dirent *entry; (entry = readdir(directory));) {
        char path[512];
        snprintf(path, sizeof(path), "%s/%s", name, entry->d_name);
        unlink(path);
    }
    closedir(directory);
    rmdir(name);
}

static inline int teardown(void **state)
{
    struct fixture *f = *state;
    close_fixture(f);
    remove_directory(f->directory);
    mem_free(f);
    return 0;
}

/* What the callbacks of all lists collect. */
static struct fixture *got;

static inline void collect(int32_t number, struct str text)
{
    assert_true(got->count < LIST_MAX);
    got->numbers[got->count] = number;
    snprintf(got->texts[got->count], sizeof(got->texts[0]), "%.*s", STR_ARG(text));
    got->count++;
}

static inline void on_project(void *argument, const struct store_project *project)
{
    got = argument;
    collect(project->project_id, project->settings);
}

static inline void on_key(void *argument, const struct store_key *key)
{
    got = argument;
    collect(key->hash[0], str_from(key->key_id));
}

static inline void on_order(void *argument, const struct store_order *order)
{
    got = argument;
    collect(order->order_id, order->user_external_id);
}

static inline void on_open_order(void *argument, int32_t order_id, enum order_status status)
{
    got = argument;
    collect(order_id, str_from(order_status_word(status)));
}

static inline void on_event(void *argument, const struct store_event *event)
{
    got = argument;
    got->events[got->count] = *event;
    collect(event->seq, str_from(order_status_word(event->status)));
}

static inline void on_publication(void *argument, const struct store_publication *publication)
{
    got = argument;
    collect(publication->offset, str_from(order_status_word(publication->status)));
}

/* `expected` ends with 0. */
static inline void assert_numbers(const struct fixture *f, const int32_t *expected)
{
    size_t i = 0;
    for (; expected[i]; i++) {
        assert_true(i < f->count);
        assert_int_equal(f->numbers[i], expected[i]);
    }
    assert_int_equal(f->count, i);
}

#define assert_got(f, ...) assert_numbers(f, (const int32_t[]){__VA_ARGS__, 0})

static inline void assert_str(struct str actual, const char *expected)
{
    assert_int_equal(actual.len, strlen(expected));
    assert_memory_equal(actual.ptr, expected, actual.len);
}

static inline struct store_order make_order(int32_t order_id, int64_t user_id,
                                            enum order_status status)
{
    return (struct store_order){
        .project_id = PROJECT,
        .order_id = order_id,
        .user_id = user_id,
        .status = status,
        .seq = 1,
        .created_at = NOW + order_id,
        .updated_at = NOW + order_id,
    };
}

static inline int64_t add_user(struct fixture *f, const char *external_id)
{
    struct store_user user;
    assert_int_equal(store_user_add(f->writer, PROJECT, str_from(external_id), &user), 0);
    return user.user_id;
}

static inline void add_order(struct fixture *f, int32_t order_id, int64_t user_id,
                             enum order_status status)
{
    struct store_order order = make_order(order_id, user_id, status);
    assert_int_equal(store_order_insert(f->writer, &order), 0);
}

/* Events 1..count of one order, each a publication: event N at NOW + N. */
static inline void add_events(struct fixture *f, int32_t order_id, int64_t user_id, int first,
                              int count)
{
    struct store_order order = make_order(order_id, user_id, ORDER_PAID);
    for (int32_t n = first; n < first + count; n++) {
        struct store_event event = {
            .seq = n, .status = ORDER_PAID, .offset = n, .occurred_at = NOW + n};
        assert_int_equal(store_event_append(f->writer, &order, &event), 0);
    }
}

static inline void begin(struct fixture *f)
{
    assert_int_equal(store_begin(f->writer), 0);
}

static inline void commit(struct fixture *f)
{
    assert_int_equal(store_commit(f->writer), 0);
}

static inline size_t stream(struct fixture *f, struct store_connection *connection, int64_t user_id,
                            int32_t after, int32_t before, bool reverse, int limit)
{
    f->count = 0;
    assert_int_equal(
        store_stream_read(connection, user_id, after, before, reverse, limit, on_publication, f),
        0);
    return f->count;
}

#define ON(driver, test)                                                                           \
    {                                                                                              \
#driver ": " #test, test, setup, teardown, (void *)(uintptr_t)&store_##driver              \
    }
#define ON_EVERY_DRIVER(test) ON(sqlite, test), ON(memory, test)

#endif
