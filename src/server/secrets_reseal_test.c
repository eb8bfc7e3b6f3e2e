/* SPDX-License-Identifier: Apache-2.0 */
#include "server/secrets_reseal.h"

#include "base/crypto.h"
#include "store/store_fixture.h"
#include "store/store_webhooks.h"

static const struct secrets_key keys = {.key = "new", .previous = "previous", .is_replaced = true};
static const uint8_t lost[SECRETS_KEY_SIZE] = "lost";

static int64_t add_sealed(struct fixture *f, const uint8_t *key, struct str secret)
{
    struct buf sealed;
    buf_init(&sealed, 100);
    crypto_seal(key, secret, &sealed);
    struct store_endpoint endpoint = {.project_id = PROJECT,
                                      .state = STORE_ENDPOINT_PAUSED,
                                      .state_reason = STR_LIT("a reason"),
                                      .settings = STR_LIT("{}"),
                                      .secrets = buf_view(&sealed),
                                      .created_at = NOW,
                                      .updated_at = NOW + 1};
    assert_int_equal(store_endpoint_add(f->writer, &endpoint), 0);
    buf_fini(&sealed);
    return endpoint.endpoint_id;
}

static void assert_sealed(struct fixture *f, int64_t id, const uint8_t *key, struct str secret)
{
    struct store_endpoint endpoint;
    struct buf plain;
    buf_init(&plain, 100);
    assert_int_equal(store_endpoint_get(f->reader, id, &endpoint), 0);
    assert_int_equal(crypto_open(key, endpoint.secrets, &plain), 0);
    assert_true(str_equal(buf_view(&plain), secret));
    assert_int_equal(endpoint.state, STORE_ENDPOINT_PAUSED);
    assert_true(str_equal(endpoint.state_reason, STR_LIT("a reason")));
    assert_true(endpoint.created_at == NOW && endpoint.updated_at == NOW + 1);
    buf_fini(&plain);
}

static void test_what_the_previous_key_sealed(void **state)
{
    struct fixture *f = *state;
    struct secrets_resealed resealed;
    int64_t a = add_sealed(f, keys.previous, STR_LIT("a"));
    int64_t b = add_sealed(f, keys.previous, STR_LIT(""));
    int64_t c = add_sealed(f, keys.key, STR_LIT("c"));
    int64_t d = add_sealed(f, lost, STR_LIT("d"));
    int64_t e = add_sealed(f, keys.previous, STR_LIT("e"));
    store_disconnect(&f->writer);
    assert_int_equal(secrets_reseal(f->store, &keys, &resealed), 0);
    assert_true(resealed.done == 4 && resealed.closed == 1);
    assert_sealed(f, a, keys.key, STR_LIT("a"));
    assert_sealed(f, b, keys.key, STR_LIT(""));
    assert_sealed(f, c, keys.key, STR_LIT("c"));
    assert_sealed(f, d, lost, STR_LIT("d"));
    assert_sealed(f, e, keys.key, STR_LIT("e"));
    /* Cut short before the file was written, and done again. */
    assert_int_equal(secrets_reseal(f->store, &keys, &resealed), 0);
    assert_true(resealed.done == 4 && resealed.closed == 1);
    assert_int_equal(store_connect(f->store, STORE_WRITER, &f->writer), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate_setup_teardown(test_what_the_previous_key_sealed, setup, teardown,
                                                 (void *)&store_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
