/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The thread that fetches key sets, against a login service that answers by a table: what is there
 * when, who shares it, and what a file of an earlier run is worth.
 */
#include "auth/auth_keys.h"

#include "auth/auth_fixture.h"
#include "auth/auth_keys_file.h"
#include "auth/auth_remote.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/limits.h"
#include "codec/jwt.h"
#include "http/http_sender_receiver.h"
#include "store/store_driver.h"

#include <dirent.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define PATIENCE 10000
#define INTERVAL INT64_C(3600000) /* one request, and no second one */

#define KEY(n, id) "{\"kty\":\"RSA\",\"e\":\"AQAB\",\"kid\":\"" id "\",\"n\":\"" n "\"}"
#define ANSWER(body) "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" body

static const struct receiver_row rows[] = {
    {"/one", STR_LIT(ANSWER("{\"keys\":[" KEY(MODULUS_1, "k1") "]}")), THEN_CLOSE},
    {"/two", STR_LIT(ANSWER("[" KEY(MODULUS_1, "k1") "," KEY(MODULUS_2, "k2") "]")), THEN_CLOSE},
    {"/none", STR_LIT("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"), THEN_KEEP},
    {"/silent", STR_LIT(""), THEN_HANG},
};

static struct receiver *receiver;
static char directory[] = "/tmp/auth_keys_XXXXXX";
static struct address_network loopback;

static int start(void **state)
{
    (void)state;
    receiver = receiver_start(rows, ARRAY_LENGTH(rows));
    return mkdtemp(directory) != NULL &&
                   address_network_parse(STR_LIT("127.0.0.0/8"), &loopback) == 0
               ? 0
               : -1;
}

/* Calls `visit` with the path of each file that is kept. */
static int each_file(void (*visit)(const char *path))
{
    char path[600];
    struct dirent *entry;
    int count = 0;
    snprintf(path, sizeof(path), "%s/jwks", directory);
    DIR *folder = opendir(path);
    while (folder != NULL && (entry = readdir(folder)) != NULL) {
        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof(path), "%s/jwks/%s", directory, entry->d_name);
        visit(path);
        count++;
    }
    if (folder != NULL)
        closedir(folder);
    return count;
}

static void remove_file(const char *path)
{
    unlink(path);
}

static void damage_file(const char *path)
{
    assert_int_equal(truncate(path, 40), 0);
}

static void check_file(const char *path)
{
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
}

static int stop(void **state)
{
    char path[60];
    (void)state;
    each_file(remove_file);
    snprintf(path, sizeof(path), "%s/jwks", directory);
    rmdir(path);
    rmdir(directory);
    if (receiver != NULL)
        receiver_stop(&receiver);
    return 0;
}

static struct auth_keys_source source_of(int32_t project_id, const char *path, char url[60])
{
    snprintf(url, 60, "http://127.0.0.1:%d%s", receiver_port(receiver), path);
    return (struct auth_keys_source){
        .project_id = project_id,
        .url = str_from(url),
        .networks = &loopback,
        .network_count = 1,
        .refresh = CLOCK_DAY,
    };
}

/* One that began after `before`. */
static void await_later_fetch(const struct auth_keys_set *set, int64_t before)
{
    int64_t deadline = clock_mono_ms() + PATIENCE;
    while (auth_keys_fetched_at(set) <= before) {
        assert_true(clock_mono_ms() < deadline);
        usleep(1000);
    }
}

static void await_fetch(const struct auth_keys_set *set)
{
    await_later_fetch(set, 0);
}

static void each_project_has_its_own(void **state)
{
    char url[60];
    struct auth_keys *keys = auth_keys_start(directory, INTERVAL, NULL);
    struct auth_keys_source source = source_of(1, "/one", url);
    struct auth_keys_set *first = auth_keys_hold(keys, &source);
    struct auth_keys_set *same = auth_keys_hold(keys, &source);
    (void)state;
    source.project_id = 2;
    struct auth_keys_set *other = auth_keys_hold(keys, &source);
    assert_ptr_equal(first, same);
    assert_ptr_not_equal(first, other);
    await_fetch(first);
    await_fetch(other);
    assert_int_equal(auth_keys_version(first), 1);
    /* However many ask, the interval holds. */
    for (int i = 0; i < 1000; i++)
        auth_keys_ask(first);
    auth_keys_ask_all(keys);
    assert_int_equal(receiver_counts(receiver).requests, 2);
    assert_int_equal(each_file(check_file), 2);
    auth_keys_release(&first);
    auth_keys_release(&same);
    auth_keys_release(&other);
    auth_keys_stop(&keys);
}

enum { WORKERS = 4 };

struct holder {
    pthread_t thread;
    pthread_barrier_t *start;
    struct auth_keys *keys;
    struct auth_keys_source source;
    struct auth_keys_set *set;
};

static void *hold_at_once(void *argument)
{
    struct holder *holder = argument;
    pthread_barrier_wait(holder->start);
    holder->set = auth_keys_hold(holder->keys, &holder->source);
    return NULL;
}

static void workers_that_come_at_once_share_it(void **state)
{
    char url[60];
    struct auth_keys *keys = auth_keys_start(directory, INTERVAL, NULL);
    (void)state;
    for (int32_t project_id = 100; project_id < 120; project_id++) {
        pthread_barrier_t start;
        struct holder holders[WORKERS];
        pthread_barrier_init(&start, NULL, WORKERS);
        for (int i = 0; i < WORKERS; i++) {
            holders[i] = (struct holder){
                .start = &start, .keys = keys, .source = source_of(project_id, "/one", url)};
            assert_int_equal(pthread_create(&holders[i].thread, NULL, hold_at_once, &holders[i]),
                             0);
        }
        for (int i = 0; i < WORKERS; i++)
            pthread_join(holders[i].thread, NULL);
        for (int i = 1; i < WORKERS; i++)
            assert_ptr_equal(holders[i].set, holders[0].set);
        for (int i = 0; i < WORKERS; i++)
            auth_keys_release(&holders[i].set);
        pthread_barrier_destroy(&start);
    }
    auth_keys_stop(&keys);
}

static void a_worker_parses_them_once(void **state)
{
    char url[60];
    struct auth_keys *keys = auth_keys_start(directory, INTERVAL, NULL);
    struct auth_keys_source source = source_of(3, "/two", url);
    struct auth_keys_set *set = auth_keys_hold(keys, &source);
    struct auth_remote *remote = auth_remote_new(keys, &source);
    (void)state;
    await_fetch(set);
    const struct jwks *parsed = auth_remote_keys(remote);
    assert_int_equal(parsed->count, 2);
    const struct crypto_key *key = parsed->keys[0].key;
    assert_ptr_equal(auth_remote_keys(remote)->keys[0].key, key);

    int64_t fetched_at = auth_remote_fetched_at(remote);
    int64_t old = fetched_at - 6000;
    int64_t now = fetched_at + 10;
    assert_int_equal(auth_remote_miss(remote, old, now), ERR_DENIED);
    assert_int_equal(auth_remote_miss(remote, fetched_at, now), ERR_BUSY);
    assert_int_equal(auth_remote_miss(remote, INT64_MIN, now), ERR_DENIED);
    assert_int_equal(auth_remote_miss(remote, now + CLOCK_DAY, now), ERR_DENIED);
    /* The key of one that does not say when it was made may be newer than the fetch. */
    assert_int_equal(auth_remote_miss(remote, INT64_MIN, fetched_at + 4999), ERR_DENIED);
    assert_int_equal(auth_remote_miss(remote, INT64_MIN, fetched_at + 5000), ERR_BUSY);
    assert_int_equal(auth_remote_miss(remote, INT64_MIN, now + INTERVAL), ERR_BUSY);
    /* A clock that was set back since: nobody knows what was first. */
    assert_int_equal(auth_remote_miss(remote, old, fetched_at - 1), ERR_BUSY);
    auth_remote_free(&remote);
    auth_keys_release(&set);
    auth_keys_stop(&keys);
}

static _Atomic int listings_that_fail;

static int list_or_fail(struct store_connection *connection, int32_t after, int limit,
                        void (*row)(void *argument, const struct store_project *project),
                        void *argument)
{
    if (after > 0 && atomic_fetch_sub(&listings_that_fail, 1) > 0)
        return ERR_IO;
    return store_memory.project_list(connection, after, limit, row, argument);
}

static struct store *open_store(struct store_connection **writer)
{
    static struct store_driver driver;
    static const struct store_options options = {.directory = directory};
    char error[STORE_ERROR_SIZE];
    struct store *store;
    driver = store_memory;
    driver.project_list = list_or_fail;
    assert_int_equal(store_open(&driver, &options, &store, error), 0);
    assert_int_equal(store_connect(store, STORE_WRITER, writer), 0);
    return store;
}

static void put_project(struct store_connection *writer, int32_t project_id, const char *url)
{
    char settings[300] = "{}";
    if (url != NULL)
        snprintf(settings, sizeof(settings),
                 "{\"webhook_allow_cidrs\":[\"127.0.0.0/8\"],\"verifiers\":["
                 "{\"type\":\"jwks_url\",\"url\":\"%s\"}]}",
                 url);
    struct store_project project = {.project_id = project_id, .settings = str_from(settings)};
    assert_int_equal(store_begin(writer), 0);
    assert_int_equal(store_project_put(writer, &project), 0);
    assert_int_equal(store_commit(writer), 0);
}

static void await_requests(int count)
{
    int64_t deadline = clock_mono_ms() + PATIENCE;
    while (receiver_counts(receiver).requests < count) {
        assert_true(clock_mono_ms() < deadline);
        usleep(1000);
    }
}

static void fetch_again(struct auth_keys_set *set)
{
    int64_t before = auth_keys_fetched_at(set);
    auth_keys_ask(set);
    await_later_fetch(set, before);
}

/* Also of projects that no token is shown for, and when the store fails in the middle of their list. */
static void all_are_fetched_from_the_start(void **state)
{
    enum { PROJECTS = 120 };
    char url[60];
    struct store_connection *writer;
    struct store *store = open_store(&writer);
    (void)state;
    source_of(0, "/one", url);
    for (int32_t project_id = 1; project_id <= PROJECTS; project_id++)
        put_project(writer, project_id, url);
    receiver_reset_counts(receiver);
    atomic_store(&listings_that_fail, 2);
    struct auth_keys *keys = auth_keys_start(directory, 10, store);
    await_requests(PROJECTS);
    auth_keys_stop(&keys);
    store_disconnect(&writer);
    store_close(&store);
}

/*
 * Somebody holds it on, as a worker without requests does; nobody holds the other one, as it is with a project
 * that is quiet.
 */
static void what_no_project_names_is_not_fetched(void **state)
{
    char url[60];
    struct store_connection *writer;
    struct store *store = open_store(&writer);
    (void)state;
    struct auth_keys *keys = auth_keys_start(directory, 2, store);
    struct auth_keys_source source = source_of(5, "/one", url);
    struct auth_keys_source other_source = source_of(6, "/one", url);
    put_project(writer, 5, url);
    put_project(writer, 6, url);
    struct auth_keys_set *set = auth_keys_hold(keys, &source);
    struct auth_keys_set *other = auth_keys_hold(keys, &other_source);
    await_fetch(set);
    await_fetch(other);
    fetch_again(set);

    struct auth_keys_set *quiet = other;
    auth_keys_release(&quiet);
    put_project(writer, 5, NULL);
    fetch_again(other);
    fetch_again(other);
    int64_t last = auth_keys_fetched_at(set);
    for (int i = 0; i < 5; i++) {
        auth_keys_ask(set);
        fetch_again(other);
    }
    assert_int_equal(auth_keys_fetched_at(set), last);

    put_project(writer, 5, url);
    struct auth_keys_set *again = auth_keys_hold(keys, &source);
    assert_ptr_equal(again, set);
    await_later_fetch(set, last);
    auth_keys_release(&again);
    auth_keys_release(&set);
    auth_keys_stop(&keys);
    store_disconnect(&writer);
    store_close(&store);
}

/* A fetch that ends between the look at the keys and the answer may have brought the very key. */
static void a_fetch_in_between_refuses_nothing(void **state)
{
    char url[60];
    struct auth_keys *keys = auth_keys_start(directory, 10, NULL);
    struct auth_keys_source source = source_of(4, "/one", url);
    struct auth_keys_set *set = auth_keys_hold(keys, &source);
    struct auth_remote *remote = auth_remote_new(keys, &source);
    (void)state;
    await_fetch(set);
    assert_int_equal(auth_remote_keys(remote)->count, 1);
    int64_t first = auth_remote_fetched_at(remote);
    auth_keys_ask(set);
    await_later_fetch(set, first);
    int64_t now = auth_keys_fetched_at(set) + PATIENCE;
    /* Made so long before the first fetch that it just does not count, and the later one does. */
    assert_int_equal(auth_remote_miss(remote, first - 5000, now), ERR_BUSY);
    assert_int_equal(auth_remote_keys(remote)->count, 1);
    assert_int_equal(auth_remote_miss(remote, first - 5000, now), ERR_DENIED);
    auth_remote_free(&remote);
    auth_keys_release(&set);
    auth_keys_stop(&keys);
}

/* Those that never said anything leave room for one that did, be it in an earlier run. */
static void the_silent_leave_room(void **state)
{
    enum { HALF = LIMIT_JWKS_FETCHES / 2 };
    char url[60];
    struct auth_keys *keys = auth_keys_start(directory, INTERVAL, NULL);
    struct auth_keys_set *silent[LIMIT_JWKS_FETCHES];
    int requests = receiver_counts(receiver).requests;
    (void)state;
    for (int32_t i = 0; i < LIMIT_JWKS_FETCHES; i++) {
        struct auth_keys_source source = source_of(200 + i, "/silent", url);
        silent[i] = auth_keys_hold(keys, &source);
    }
    await_requests(requests + HALF);
    struct auth_keys_source source = source_of(3, "/two", url);
    struct auth_keys_set *known = auth_keys_hold(keys, &source);
    assert_int_equal(auth_keys_version(known), 1);
    await_fetch(known);
    assert_int_equal(receiver_counts(receiver).requests, requests + HALF + 1);
    auth_keys_release(&known);
    for (int i = 0; i < LIMIT_JWKS_FETCHES; i++)
        auth_keys_release(&silent[i]);
    auth_keys_stop(&keys);
}

/*
 * The next run finds what the last one fetched, unless the file is damaged. The login service is gone.
 */
static void files_of_an_earlier_run(void **state)
{
    char url[60];
    struct auth_keys_source source = source_of(3, "/two", url);
    (void)state;
    receiver_stop(&receiver);
    for (int run = 0; run < 2; run++) {
        struct auth_keys *keys = auth_keys_start(directory, INTERVAL, NULL);
        struct auth_keys_set *set = auth_keys_hold(keys, &source);
        struct buf document;
        uint64_t version = 9;
        buf_init(&document, LIMIT_JWKS_DOCUMENT);
        auth_keys_read(set, &document, &version);
        assert_int_equal(version, run == 0 ? 1 : 0);
        assert_int_equal(document.len > 0, run == 0);
        assert_int_equal(auth_keys_fetched_at(set), 0);
        buf_fini(&document);
        auth_keys_release(&set);
        auth_keys_stop(&keys);
        assert_true(each_file(damage_file) > 0);
    }
}

static void old_files_are_cleared(void **state)
{
    (void)state;
    assert_true(each_file(check_file) > 0);
    auth_keys_file_clear(directory, clock_wall_ms() - CLOCK_HOUR);
    assert_true(each_file(check_file) > 0);
    auth_keys_file_clear(directory, clock_wall_ms() + CLOCK_HOUR);
    assert_int_equal(each_file(check_file), 0);
}

static void what_is_no_key_set_is_not_kept(void **state)
{
    char url[60];
    struct auth_keys *keys = auth_keys_start(directory, INTERVAL, NULL);
    struct auth_keys_source source = source_of(1, "/none", url);
    int requests = receiver_counts(receiver).requests;
    int files = each_file(check_file);
    struct auth_keys_set *set = auth_keys_hold(keys, &source);
    (void)state;
    await_requests(requests + 1);
    auth_keys_release(&set);
    auth_keys_stop(&keys);
    assert_int_equal(each_file(check_file), files);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_project_has_its_own),
        cmocka_unit_test(workers_that_come_at_once_share_it),
        cmocka_unit_test(a_worker_parses_them_once),
        cmocka_unit_test(all_are_fetched_from_the_start),
        cmocka_unit_test(what_no_project_names_is_not_fetched),
        cmocka_unit_test(a_fetch_in_between_refuses_nothing),
        cmocka_unit_test(what_is_no_key_set_is_not_kept),
        cmocka_unit_test(the_silent_leave_room),
        cmocka_unit_test(files_of_an_earlier_run),
        cmocka_unit_test(old_files_are_cleared),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
