/* SPDX-License-Identifier: Apache-2.0 */
/* Pages of every origin against projects with and without a list. */
#include "auth/auth.h"

#include "base/err.h"
#include "store/store.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void pages_of_listed_origins_may_ask(void **state)
{
    static const struct {
        int32_t project_id;
        const char *origin;
        int result;
        bool is_listed;
    } rows[] = {
        {10, "https://evil.example", 0, false}, /* it has no list */
        {99, "https://evil.example", ERR_NOT_FOUND, false},
        {30, "", 0, false},
        {30, "wss://orders.example", 0, false},
        {30, "https://shop.example", 0, true},
        {30, "https://a.b.game.example", 0, true},
        {30, "https://game.example", ERR_DENIED, false},
        {30, "null", ERR_DENIED, false},
        {31, "null", 0, true},
        {32, "https://shop.example", ERR_DENIED, false}, /* its list is empty */
        {32, "", 0, false},
    };
    static const struct {
        int32_t project_id;
        const char *settings;
    } projects[] = {
        {10, "{}"},
        {30, "{\"allowed_origins\":[\"https://shop.example\",\"https://*.game.example\"]}"},
        {31, "{\"allowed_origins\":[\"null\"]}"},
        {32, "{\"allowed_origins\":[]}"},
    };
    const struct store_options options = {.directory = "."};
    char error[STORE_ERROR_SIZE];
    struct auth_shared shared = {0};
    struct store *store;
    struct store_connection *writer, *reader;
    (void)state;
    assert_int_equal(store_open(&store_memory, &options, &store, error), 0);
    assert_int_equal(store_connect(store, STORE_WRITER, &writer), 0);
    assert_int_equal(store_connect(store, STORE_READER, &reader), 0);
    assert_int_equal(store_begin(writer), 0);
    for (size_t i = 0; i < ARRAY_LENGTH(projects); i++) {
        const struct store_project project = {.project_id = projects[i].project_id,
                                              .merchant_id = 1,
                                              .settings = str_from(projects[i].settings)};
        assert_int_equal(store_project_put(writer, &project), 0);
    }
    assert_int_equal(store_commit(writer), 0);
    struct auth *auth = auth_new(store, reader, &shared);
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        bool is_listed = !rows[i].is_listed;
        int result = auth_origin(auth, rows[i].project_id, str_from(rows[i].origin), &is_listed);
        if (result != rows[i].result || is_listed != rows[i].is_listed)
            fail_msg("row %zu: %d %d", i, result, is_listed);
    }
    auth_free(&auth);
    store_disconnect(&reader);
    store_disconnect(&writer);
    store_close(&store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(pages_of_listed_origins_may_ask)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
