/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who guesses a key must not learn from the time of the answer how far the guess was right. Times are
 * of no use to a test; so this runs under valgrind's memcheck, is told that the secret's bytes are
 * undefined, and counts what is decided by them: each branch and each address. A comparison decides
 * the same number of times wherever the guess goes wrong: it says no, and that is all.
 */
#include "auth/auth.h"

#include "base/crypto_key.h"
#include "base/err.h"
#include "codec/base64.h"
#include "codec/payment_token.h"
#include "store/store.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <valgrind/memcheck.h>

#define KEY "owk_0000000000000000000000000000000000000010"
#define SECRET "a secret of a project"

/* A word or two for the answer; as many for each byte would be the fault that is looked for. */
enum { DECISIONS_MAX = 4 };

static unsigned decisions(void)
{
    return VALGRIND_COUNT_ERRORS;
}

static void hide(void *secret, size_t length)
{
    (void)VALGRIND_MAKE_MEM_UNDEFINED(secret, length);
}

/* What is known to whoever asks: from here on it may be decided by. */
static int reveal(int result)
{
    (void)VALGRIND_MAKE_MEM_DEFINED(&result, sizeof(result));
    return result;
}

/* The hash of KEY with one bit of the byte at `wrong` turned over; nobody may look at it. */
static void hide_hash(uint8_t hash[CRYPTO_SHA256_SIZE], size_t wrong)
{
    auth_hash_key(STR_LIT(KEY), hash);
    hash[wrong] ^= 1;
    hide(hash, CRYPTO_SHA256_SIZE);
}

static unsigned compare(size_t wrong)
{
    uint8_t secret[CRYPTO_SHA256_SIZE];
    uint8_t given[CRYPTO_SHA256_SIZE];
    hide_hash(secret, wrong);
    auth_hash_key(STR_LIT(KEY), given);
    unsigned before = decisions();
    int is_equal = crypto_equal(secret, given, sizeof(secret));
    unsigned after = decisions();
    assert_false(reveal(is_equal));
    return after - before;
}

struct world {
    struct store_options options;
    struct store *store;
    struct store_connection *connection;
    struct auth_shared shared;
    struct auth *auth;
};

/* Project 10 has a key, and the operator one, which both are KEY but for one bit. */
static void open_world(struct world *world, size_t wrong)
{
    char error[STORE_ERROR_SIZE];
    const struct store_project project = {
        .project_id = 10, .merchant_id = 1, .settings = STR_LIT("{}")};
    struct store_key key = {.key_id = "key", .merchant_id = 1, .project_id = 10};
    *world = (struct world){.options = {.directory = "."}};
    assert_int_equal(store_open(&store_memory, &world->options, &world->store, error), 0);
    assert_int_equal(store_connect(world->store, STORE_WRITER, &world->connection), 0);
    assert_int_equal(store_project_put(world->connection, &project), 0);
    hide_hash(key.hash, wrong);
    assert_int_equal(store_key_put(world->connection, &key), 0);
    hide_hash(world->shared.admin_key_hash, wrong);
    world->auth = auth_new(world->store, world->connection, &world->shared);
}

static void close_world(struct world *world)
{
    auth_free(&world->auth);
    store_disconnect(&world->connection);
    store_close(&world->store);
}

static unsigned ask_as_merchant(size_t wrong)
{
    struct world world;
    struct buf authorization;
    const struct auth_project *project;
    char caller[AUTH_CALLER_SIZE];
    buf_init(&authorization, 200);
    buf_append_text(&authorization, "Basic ");
    base64_encode(STR_LIT("10:" KEY), &authorization);
    open_world(&world, wrong);
    /* Read and kept before anything is counted. */
    assert_int_equal(auth_project(world.auth, 10, &project), 0);
    unsigned before = decisions();
    int result = auth_merchant(world.auth, 10, buf_view(&authorization), &project, caller);
    unsigned after = decisions();
    assert_int_equal(reveal(result), ERR_DENIED);
    close_world(&world);
    buf_fini(&authorization);
    return after - before;
}

static unsigned ask_as_operator(size_t wrong)
{
    struct world world;
    open_world(&world, wrong);
    unsigned before = decisions();
    int result = auth_admin(world.auth, STR_LIT("Bearer " KEY));
    unsigned after = decisions();
    assert_int_equal(reveal(result), ERR_DENIED);
    close_world(&world);
    return after - before;
}

static unsigned ask_with_signature(size_t wrong)
{
    char secret[] = SECRET;
    struct str data = STR_LIT("header.claims");
    uint8_t signature[CRYPTO_SHA256_SIZE];
    crypto_hmac_sha256(STR_LIT(SECRET), data, signature);
    signature[wrong] ^= 1;
    hide(secret, sizeof(secret) - 1);
    struct crypto_key *key =
        crypto_key_new_hmac(str_make(secret, sizeof(secret) - 1), CRYPTO_SHA256);
    unsigned before = decisions();
    int is_valid = crypto_key_verify(key, CRYPTO_SHA256, data,
                                     str_make((const char *)signature, sizeof(signature)));
    unsigned after = decisions();
    assert_false(reveal(is_valid));
    crypto_key_free(&key);
    return after - before;
}

static unsigned ask_with_payment_token(size_t wrong)
{
    static const struct str prefix = STR_LIT("owp_");
    struct payment_token token = {.project_id = 10, .order_id = 5, .expires_at = 1800000000000};
    uint8_t key[PAYMENT_TOKEN_KEY_SIZE] = {1, 2, 3};
    struct buf text;
    struct buf bytes;
    buf_init(&text, 200);
    buf_init(&bytes, 200);
    payment_token_encode(&token, key, &text);
    assert_int_equal(
        base64_decode_url(str_make(text.ptr + prefix.len, text.len - prefix.len), &bytes), 0);
    /* The MAC is the last 16 bytes. */
    bytes.ptr[bytes.len - 16 + wrong % 16] ^= 1;
    buf_clear(&text);
    buf_append_str(&text, prefix);
    base64_encode_url(buf_view(&bytes), &text);
    hide(key, sizeof(key));
    unsigned before = decisions();
    int result = payment_token_decode(buf_view(&text), key, &token);
    unsigned after = decisions();
    assert_int_equal(reveal(result), ERR_INVALID);
    buf_fini(&bytes);
    buf_fini(&text);
    return after - before;
}

static void the_place_of_the_wrong_byte_decides_nothing(void **state)
{
    unsigned (*const ways[])(size_t) = {compare, ask_as_merchant, ask_as_operator,
                                        ask_with_signature, ask_with_payment_token};
    static const size_t places[] = {1, 7, 8, 15, 16, CRYPTO_SHA256_SIZE - 1};
    (void)state;
    if (RUNNING_ON_VALGRIND == 0)
        fail_msg("run it under valgrind");
    for (size_t i = 0; i < ARRAY_LENGTH(ways); i++) {
        unsigned first = ways[i](0);
        assert_in_range(first, 0, DECISIONS_MAX);
        for (size_t j = 0; j < ARRAY_LENGTH(places); j++)
            assert_int_equal(ways[i](places[j]), first);
    }
}

/* Else the one above would see nothing whatever there was. */
static void a_comparison_that_stops_early_is_seen(void **state)
{
    unsigned counts[2];
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(counts); i++) {
        volatile uint8_t secret[4] = {0};
        size_t same = 0;
        secret[i == 0 ? 0 : 3] = 1;
        hide((void *)secret, sizeof(secret));
        unsigned before = decisions();
        while (same < sizeof(secret) && secret[same] == 0)
            same++;
        counts[i] = decisions() - before;
    }
    assert_true(counts[1] > counts[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_comparison_that_stops_early_is_seen),
        cmocka_unit_test(the_place_of_the_wrong_byte_decides_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
