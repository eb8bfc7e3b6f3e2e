/* SPDX-License-Identifier: Apache-2.0 */
/* Callers of every kind against a small store: who is let in, who is not, and as whom. */
#include "auth/auth.h"

#include "auth/auth_fixture.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "codec/base64.h"
#include "codec/payment_token.h"
#include "store/store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define NOW INT64_C(1800000000000)
#define SECRET_10 "secret of project ten"
#define SECRET_10_OLD "an older secret of ten"
#define SECRET_11 "secret of project eleven"

#define KEY_10 "owk_0000000000000000000000000000000000000010"
#define KEY_MERCHANT_1 "owk_00000000000000000000000000000000000000m1"
#define KEY_20 "owk_0000000000000000000000000000000000000020"
#define ADMIN_KEY "owa_admin"

static const struct {
    int32_t project_id;
    int32_t merchant_id;
    const char *settings;
} projects[] = {
    {10, 1,
     "{\"user_token_secret\":\"" SECRET_10 "\",\"verifiers\":["
     "{\"type\":\"hs256\",\"secret\":\"" SECRET_10_OLD "\",\"user_claim\":\"account\","
     "\"require\":{\"iss\":\"https://login.example\",\"level\":3,\"aud\":\"shop\"}}]}"},
    {11, 1, "{\"user_token_secret\":\"" SECRET_11 "\"}"},
    {20, 2,
     "{\"verifiers\":[{\"type\":\"jwks\",\"keys\":["
     "{\"kty\":\"RSA\",\"kid\":\"k1\",\"e\":\"AQAB\",\"n\":\"" MODULUS_1 "\"},"
     "{\"kty\":\"RSA\",\"kid\":\"k2\",\"e\":\"AQAB\",\"n\":\"" MODULUS_2 "\"}]}]}"},
    {21, 2,
     "{\"verifiers\":[{\"type\":\"jwks_file\",\"path\":\"/nonexistent/keys.json\"},"
     "{\"type\":\"jwks\",\"keys\":["
     "{\"kty\":\"RSA\",\"e\":\"AQAB\",\"n\":\"" MODULUS_1 "\"}]}]}"},
    {22, 2,
     "{\"user_token_secret\":\"" SECRET_11 "\",\"verifiers\":["
     "{\"type\":\"jwks_url\",\"url\":\"https://login.example/\"}]}"},
    /* Until NOW + 1000. */
    {23, 2,
     "{\"user_token_secret\":\"" SECRET_11 "\",\"previous_user_token_secret\":\"" SECRET_10
     "\",\"previous_user_token_secret_until\":\"2027-01-15T08:00:01Z\"}"},
};

static const struct {
    int32_t project_id;
    int32_t merchant_id;
    const char *key;
} keys[] = {{10, 1, KEY_10}, {0, 1, KEY_MERCHANT_1}, {20, 2, KEY_20}};

struct world {
    struct store_options options;
    struct store *store;
    struct store_connection *writer;
    struct store_connection *reader;
    struct auth_shared shared;
    struct auth *auth;
};

static void put_project(struct world *world, int32_t project_id, int32_t merchant_id,
                        const char *settings)
{
    struct store_project project = {
        .project_id = project_id,
        .merchant_id = merchant_id,
        .settings = str_from(settings),
    };
    assert_int_equal(store_project_put(world->writer, &project), 0);
}

static void put_key(struct world *world, size_t index)
{
    struct store_key key = {
        .merchant_id = keys[index].merchant_id,
        .project_id = keys[index].project_id,
        .label = STR_LIT("test"),
    };
    snprintf(key.key_id, sizeof(key.key_id), "key%zu", index);
    auth_hash_key(str_from(keys[index].key), key.hash);
    assert_int_equal(store_key_put(world->writer, &key), 0);
}

static void put_order(struct world *world, int32_t project_id, int32_t order_id, const char *user)
{
    struct store_user found;
    assert_int_equal(store_user_add(world->writer, project_id, str_from(user), &found), 0);
    struct store_order order = {
        .project_id = project_id,
        .order_id = order_id,
        .user_id = found.user_id,
        .user_external_id = str_from(user),
        .seq = 1,
    };
    assert_int_equal(store_order_insert(world->writer, &order), 0);
}

static int setup(void **state)
{
    struct world *world = mem_zalloc(sizeof(*world));
    char error[STORE_ERROR_SIZE];
    world->options = (struct store_options){.directory = "."};
    assert_int_equal(store_open(&store_memory, &world->options, &world->store, error), 0);
    assert_int_equal(store_connect(world->store, STORE_WRITER, &world->writer), 0);
    assert_int_equal(store_connect(world->store, STORE_READER, &world->reader), 0);
    assert_int_equal(store_begin(world->writer), 0);
    for (size_t i = 0; i < ARRAY_LENGTH(projects); i++)
        put_project(world, projects[i].project_id, projects[i].merchant_id, projects[i].settings);
    for (size_t i = 0; i < ARRAY_LENGTH(keys); i++)
        put_key(world, i);
    put_order(world, 10, 5, "payer");
    put_order(world, 11, 5, "payer");
    assert_int_equal(store_commit(world->writer), 0);
    auth_hash_key(STR_LIT(ADMIN_KEY), world->shared.admin_key_hash);
    world->auth = auth_new(world->store, world->reader, &world->shared);
    *state = world;
    return 0;
}

static int teardown(void **state)
{
    struct world *world = *state;
    auth_free(&world->auth);
    store_disconnect(&world->reader);
    store_disconnect(&world->writer);
    store_close(&world->store);
    mem_free(world);
    return 0;
}

static int call_as(struct world *world, int32_t project_id, const char *name, const char *password)
{
    char caller[AUTH_CALLER_SIZE];
    const struct auth_project *project = NULL;
    struct buf plain;
    struct buf header;
    buf_init(&plain, 1000);
    buf_init(&header, 2000);
    buf_printf(&plain, "%s:%s", name, password);
    buf_append_text(&header, "Basic ");
    base64_encode(buf_view(&plain), &header);
    int rc = auth_merchant(world->auth, project_id, buf_view(&header), &project, caller);
    if (rc == 0) {
        assert_int_equal(project->project_id, project_id);
        assert_memory_equal(caller, "key key", 7);
    } else {
        assert_string_equal(caller, "");
    }
    buf_fini(&plain);
    buf_fini(&header);
    return rc;
}

static void merchants(void **state)
{
    static const struct {
        int32_t project_id;
        const char *name;
        const char *password;
        int expected;
    } rows[] = {
        {10, "10", KEY_10, 0},
        {10, "1", KEY_10, 0},
        {10, "10", KEY_MERCHANT_1, 0},
        {10, "1", KEY_MERCHANT_1, 0},
        {11, "11", KEY_MERCHANT_1, 0},
        {11, "1", KEY_MERCHANT_1, 0},
        {20, "2", KEY_20, 0},
        {11, "11", KEY_10, ERR_DENIED},
        {11, "1", KEY_10, ERR_DENIED},
        {11, "10", KEY_MERCHANT_1, ERR_DENIED},
        {20, "20", KEY_10, ERR_DENIED},
        {20, "1", KEY_MERCHANT_1, ERR_DENIED},
        {20, "2", KEY_MERCHANT_1, ERR_DENIED},
        {10, "", KEY_10, ERR_DENIED},
        {10, "010", KEY_10, ERR_DENIED},
        {10, "shop", KEY_10, ERR_DENIED},
        {10, "10", "", ERR_DENIED},
        {10, "10", "owk_", ERR_DENIED},
        {10, "10", KEY_10 "x", ERR_DENIED},
        {99, "99", KEY_10, ERR_NOT_FOUND},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        int rc = call_as(*state, rows[i].project_id, rows[i].name, rows[i].password);
        if (rc != rows[i].expected)
            print_error("row %zu: %d\n", i, rc);
        assert_int_equal(rc, rows[i].expected);
    }
}

static void malformed_authorization_is_denied(void **state)
{
    char caller[AUTH_CALLER_SIZE];
    static const char *const rows[] = {"",          "Basic",      "Basic ",
                                       "Basic !!!", "Basic MTA=", "Bearer x"};
    struct world *world = *state;
    const struct auth_project *project;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        assert_int_equal(auth_merchant(world->auth, 10, str_from(rows[i]), &project, caller),
                         ERR_DENIED);
        assert_int_equal(auth_admin(world->auth, str_from(rows[i])), ERR_DENIED);
    }
    assert_int_equal(auth_merchant(world->auth, 10, str_from(NULL), &project, caller), ERR_DENIED);
}

static void the_operator_has_one_key(void **state)
{
    struct world *world = *state;
    assert_int_equal(auth_admin(world->auth, STR_LIT("Bearer " ADMIN_KEY)), 0);
    assert_int_equal(auth_admin(world->auth, STR_LIT("Bearer " ADMIN_KEY "x")), ERR_DENIED);
    assert_int_equal(auth_admin(world->auth, STR_LIT("Bearer " KEY_10)), ERR_DENIED);
}

static void the_operator_acts_for_any_merchant(void **state)
{
    char caller[AUTH_CALLER_SIZE];
    struct world *world = *state;
    const struct auth_project *project;
    struct str right = STR_LIT("Bearer " ADMIN_KEY);
    assert_int_equal(auth_merchant(world->auth, 20, right, &project, caller), 0);
    assert_int_equal(project->project_id, 20);
    assert_string_equal(caller, "admin");
    assert_int_equal(auth_merchant(world->auth, 99, right, &project, caller), ERR_NOT_FOUND);
    assert_int_equal(auth_merchant(world->auth, 20, STR_LIT("Bearer " KEY_20), &project, caller),
                     ERR_DENIED);
}

static void changes_are_seen_with_the_next_generation(void **state)
{
    struct world *world = *state;
    const struct auth_project *before;
    const struct auth_project *after;
    assert_int_equal(auth_project(world->auth, 11, &before), 0);
    assert_false(before->settings.strict);
    assert_int_equal(store_begin(world->writer), 0);
    put_project(world, 11, 1, "{\"strict\":true}");
    assert_int_equal(store_commit(world->writer), 0);
    assert_int_equal(auth_project(world->auth, 11, &after), 0);
    assert_ptr_equal(before, after);

    atomic_fetch_add(&world->shared.generation, 1);
    assert_int_equal(auth_project(world->auth, 11, &after), 0);
    assert_true(after->settings.strict);
    /* Still whole for whoever holds it. */
    assert_false(before->settings.strict);
    assert_true(str_equal_text(before->settings.user_token_secret, SECRET_11));
}

static void the_memory_of_projects_is_bounded(void **state)
{
    struct world *world = *state;
    const struct auth_project *project;
    assert_int_equal(store_begin(world->writer), 0);
    for (int32_t id = 1000; id < 3200; id++)
        put_project(world, id, 3, "{}");
    assert_int_equal(store_commit(world->writer), 0);
    for (int32_t id = 1000; id < 3200; id++) {
        assert_int_equal(auth_project(world->auth, id, &project), 0);
        assert_int_equal(project->project_id, id);
    }
}

static int check_token(struct world *world, int32_t project_id, struct str token,
                       const char *expected_user)
{
    struct auth_user user;
    int rc = auth_user(world->auth, project_id, token, NOW, &user);
    if (rc == 0) {
        assert_non_null(expected_user);
        assert_string_equal(user.external_id, expected_user);
        assert_true(str_equal_text(user.user_external_id, expected_user));
        assert_true(user.expires_at > NOW);
    }
    return rc;
}

static void make_token(const char *claims, const char *secret, struct buf *out)
{
    buf_init(out, 16000);
    jwt_encode_hs256(str_from(claims), str_from(secret), out);
}

#define LATER "\"exp\":1900000000"
#define OLD_CLAIMS "\"iss\":\"https://login.example\",\"level\":3," LATER

static void tokens_by_shared_secret(void **state)
{
    static const struct {
        int32_t project_id;
        const char *secret;
        const char *claims;
        int expected;
        const char *user;
    } rows[] = {
        {10, SECRET_10, "{\"sub\":\"u1\",\"exp\":1800000001}", 0, "u1"},
        {10, SECRET_10, "{\"user_external_id\":\"u2\"," LATER "}", 0, "u2"},
        {10, SECRET_10, "{\"sub\":null,\"user_external_id\":\"u2\"," LATER "}", 0, "u2"},
        {10, SECRET_10, "{\"sub\":12345678901," LATER "}", 0, "12345678901"},
        {11, SECRET_11, "{\"sub\":\"u1\"," LATER "}", 0, "u1"},
        /* Keys are the project's own. */
        {11, SECRET_10, "{\"sub\":\"u1\"," LATER "}", ERR_DENIED, NULL},
        {20, SECRET_10, "{\"sub\":\"u1\"," LATER "}", ERR_DENIED, NULL},
        {99, SECRET_10, "{\"sub\":\"u1\"," LATER "}", ERR_NOT_FOUND, NULL},
        {10, "", "{\"sub\":\"u1\"," LATER "}", ERR_DENIED, NULL},
        /* A public key is no secret. */
        {20, MODULUS_1, "{\"sub\":\"u1\"," LATER "}", ERR_DENIED, NULL},
        /* Times. */
        {10, SECRET_10, "{\"sub\":\"u1\"}", ERR_DENIED, NULL},
        {10, SECRET_10, "{\"sub\":\"u1\",\"exp\":\"1900000000\"}", ERR_DENIED, NULL},
        {10, SECRET_10, "{\"sub\":\"u1\",\"exp\":1800000000}", ERR_EXPIRED, NULL},
        {11, SECRET_10, "{\"sub\":\"u1\",\"exp\":1800000000}", ERR_DENIED, NULL},
        {10, SECRET_10, "{\"sub\":\"u1\",\"nbf\":1800000005," LATER "}", 0, "u1"},
        {10, SECRET_10, "{\"sub\":\"u1\",\"nbf\":1800000006," LATER "}", ERR_DENIED, NULL},
        {10, SECRET_10, "{\"sub\":\"u1\",\"nbf\":\"\"," LATER "}", ERR_DENIED, NULL},
        {10, SECRET_10, "{\"sub\":\"u1\",\"iat\":1800000006," LATER "}", ERR_DENIED, NULL},
        /* The user. */
        {10, SECRET_10, "{" LATER "}", ERR_DENIED, NULL},
        {10, SECRET_10, "{\"sub\":\"\"," LATER "}", ERR_DENIED, NULL},
        {10, SECRET_10, "{\"sub\":\"a\\nb\"," LATER "}", ERR_DENIED, NULL},
        {10, SECRET_10, "{\"sub\":[\"u1\"]," LATER "}", ERR_DENIED, NULL},
        {10, SECRET_10, "{\"sub\":1.5," LATER "}", ERR_DENIED, NULL},
        /* Another verifier: its claims are required, its claim is the user. */
        {10, SECRET_10_OLD, "{\"account\":\"a1\",\"aud\":\"shop\"," OLD_CLAIMS "}", 0, "a1"},
        {10, SECRET_10_OLD, "{\"account\":\"a1\",\"aud\":[\"x\",\"shop\"]," OLD_CLAIMS "}", 0,
         "a1"},
        {10, SECRET_10_OLD, "{\"account\":\"a1\",\"aud\":[\"x\"]," OLD_CLAIMS "}", ERR_DENIED,
         NULL},
        {10, SECRET_10_OLD, "{\"account\":\"a1\"," OLD_CLAIMS "}", ERR_DENIED, NULL},
        {10, SECRET_10_OLD, "{\"sub\":\"a1\",\"aud\":\"shop\"," OLD_CLAIMS "}", ERR_DENIED, NULL},
        {10, SECRET_10_OLD,
         "{\"account\":\"a1\",\"aud\":\"shop\",\"iss\":\"https://login.example\","
         "\"level\":\"3\"," LATER "}",
         ERR_DENIED, NULL},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct buf token;
        make_token(rows[i].claims, rows[i].secret, &token);
        int rc = check_token(*state, rows[i].project_id, buf_view(&token), rows[i].user);
        if (rc != rows[i].expected)
            print_error("row %zu: %d\n", i, rc);
        assert_int_equal(rc, rows[i].expected);
        buf_fini(&token);
    }
}

static void tokens_by_public_key(void **state)
{
    static const struct {
        int32_t project_id;
        const char *token;
        int expected;
    } rows[] = {
        {20, TOKEN_KEY_1, 0},
        {20, TOKEN_KEY_2, 0},
        {20, TOKEN_KEY_1_UNNAMED, 0},
        {20, TOKEN_KEY_2_SAYS_K1, ERR_DENIED},
        {20, TOKEN_KEY_1_SAYS_K9, ERR_DENIED},
        {10, TOKEN_KEY_1, ERR_DENIED},
        /* The set of 21 has no names. Its file is missing, so a key that is in no set may be in there. */
        {21, TOKEN_KEY_1, 0},
        {21, TOKEN_KEY_1_SAYS_K9, 0},
        {21, TOKEN_KEY_1_UNNAMED, 0},
        {21, TOKEN_KEY_2, ERR_BUSY},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        int rc = check_token(*state, rows[i].project_id, str_from(rows[i].token), "rsa-user");
        if (rc != rows[i].expected)
            print_error("row %zu: %d\n", i, rc);
        assert_int_equal(rc, rows[i].expected);
    }
}

static void tokens_that_are_none(void **state)
{
    char long_token[LIMIT_TOKEN + 2];
    memset(long_token, 'a', sizeof(long_token) - 1);
    long_token[sizeof(long_token) - 1] = '\0';
    const char *const rows[] = {
        "",
        "x",
        "..",
        "owp_",
        long_token,
        /* {"alg":"none"} with {"sub":"u1","exp":1900000000} */
        "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ1MSIsImV4cCI6MTkwMDAwMDAwMH0.",
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        assert_int_equal(check_token(*state, 10, str_from(rows[i]), NULL), ERR_DENIED);
}

/* What the log said at debug level since log_to, which is closed. */
static void read_log(int descriptor, char *text, size_t size)
{
    log_set_fd(-1);
    log_set_level(LOG_LEVEL_INFO);
    ssize_t length = pread(descriptor, text, size - 1, 0);
    assert_true(length >= 0);
    text[length] = '\0';
    close(descriptor);
}

static int log_to(FILE **file)
{
    *file = tmpfile();
    assert_non_null(*file);
    int descriptor = dup(fileno(*file));
    log_set_fd(descriptor);
    log_set_level(LOG_LEVEL_DEBUG);
    return descriptor;
}

static void expect_reason(struct world *world, int32_t project_id, struct str token,
                          const char *reason)
{
    char text[1000];
    struct auth_user user;
    FILE *file;
    int descriptor = log_to(&file);
    int rc = auth_user(world->auth, project_id, token, NOW, &user);
    read_log(descriptor, text, sizeof(text));
    fclose(file);
    assert_true(rc < 0);
    if (strstr(text, reason) == NULL)
        print_error("expected \"%s\" in: %s\n", reason, text);
    assert_non_null(strstr(text, "token refused"));
    assert_non_null(strstr(text, reason));
    assert_null(strstr(text, "seen-by-nobody"));
}

static void payment_tokens(void **state)
{
    static const struct {
        struct payment_token token;
        int32_t asked; /* project */
        int expected;
    } rows[] = {
        {{10, 5, NOW + 1000}, 10, 0},          {{10, 5, NOW}, 10, ERR_EXPIRED},
        {{10, 5, NOW + 1000}, 11, ERR_DENIED}, {{10, 6, NOW + 1000}, 10, ERR_DENIED},
        {{11, 5, NOW + 1000}, 11, 0},          {{99, 5, NOW + 1000}, 99, ERR_NOT_FOUND},
    };
    struct world *world = *state;
    const uint8_t *key = store_identity(world->store)->token_key;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct buf text;
        buf_init(&text, 200);
        payment_token_encode(&rows[i].token, key, &text);
        int rc = check_token(world, rows[i].asked, buf_view(&text), "payer");
        if (rc != rows[i].expected)
            print_error("row %zu: %d\n", i, rc);
        assert_int_equal(rc, rows[i].expected);
        if (rows[i].asked == 11 && rc == ERR_DENIED)
            expect_reason(world, 11, buf_view(&text), "of another project");
        text.ptr[10] = text.ptr[10] == 'A' ? 'E' : 'A';
        if (rc != ERR_NOT_FOUND)
            assert_int_equal(check_token(world, rows[i].asked, buf_view(&text), NULL), ERR_DENIED);
        buf_fini(&text);
    }
}

static void the_log_says_why_a_token_is_refused(void **state)
{
    static const struct {
        int32_t project_id;
        const char *secret;
        const char *claims;
        const char *reason;
    } rows[] = {
        {10, SECRET_10, "{\"sub\":\"seen-by-nobody\"}", "no exp"},
        {10, SECRET_10, "{\"sub\":\"seen-by-nobody\",\"exp\":1}", "expired"},
        {10, SECRET_10, "{\"sub\":\"u1\",\"nbf\":1900000000," LATER "}", "nbf"},
        {10, SECRET_10, "{" LATER "}", "no user claim"},
        {10, "another", "{\"sub\":\"u1\"," LATER "}", "signature"},
        {10, SECRET_10_OLD, "{\"iss\":\"seen-by-nobody\"," LATER "}", "claim iss differs"},
        {10, SECRET_10_OLD, "{\"account\":\"a1\"," OLD_CLAIMS "}", "claim aud is missing"},
        {20, SECRET_10, "{\"sub\":\"u1\"," LATER "}", "no key of its algorithm"},
        {21, SECRET_10, "{\"sub\":\"u1\"," LATER "}", "no key of its algorithm"},
        {99, SECRET_10, "{\"sub\":\"u1\"," LATER "}", "no such project"},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct buf token;
        make_token(rows[i].claims, rows[i].secret, &token);
        expect_reason(*state, rows[i].project_id, buf_view(&token), rows[i].reason);
        buf_fini(&token);
    }
    expect_reason(*state, 20, STR_LIT(TOKEN_KEY_1_SAYS_K9), "no key with that kid");
    expect_reason(*state, 21, STR_LIT(TOKEN_KEY_2), "the file of its key cannot be read");
    expect_reason(*state, 20, STR_LIT(TOKEN_KEY_2_SAYS_K1), "signature");
    expect_reason(*state, 10, STR_LIT("seen-by-nobody"), "malformed");
    expect_reason(*state, 10, STR_LIT(""), "no token");
}

static void the_log_says_why_a_key_is_refused(void **state)
{
    char caller[AUTH_CALLER_SIZE];
    struct world *world = *state;
    const struct auth_project *project;
    char text[2000];
    FILE *file;
    int descriptor = log_to(&file);
    assert_int_equal(call_as(world, 10, "10", "seen-by-nobody"), ERR_DENIED);
    assert_int_equal(call_as(world, 10, "999", KEY_10), ERR_DENIED);
    assert_int_equal(auth_merchant(world->auth, 10, STR_LIT("x"), &project, caller), ERR_DENIED);
    assert_int_equal(auth_admin(world->auth, STR_LIT("Bearer seen-by-nobody")), ERR_DENIED);
    read_log(descriptor, text, sizeof(text));
    fclose(file);
    assert_non_null(strstr(text, "unknown key"));
    assert_non_null(strstr(text, "neither the project nor its merchant"));
    assert_non_null(strstr(text, "malformed authorization"));
    assert_non_null(strstr(text, "not the admin key"));
    assert_null(strstr(text, "seen-by-nobody"));
}

static int check_claims(struct world *world, int32_t project_id, const char *claims,
                        const char *secret, int64_t now)
{
    struct auth_user user;
    struct buf token;
    make_token(claims, secret, &token);
    int rc = auth_user(world->auth, project_id, buf_view(&token), now, &user);
    assert_true(rc < 0 || strstr(claims, user.external_id) != NULL);
    buf_fini(&token);
    return rc;
}

/* Without a thread that fetches, keys are never there: nobody is refused for that. */
static void tokens_of_keys_that_are_not_there_yet(void **state)
{
    static const struct {
        const char *claims;
        const char *secret;
        int expected;
    } rows[] = {
        {"{\"sub\":\"u1\"," LATER "}", SECRET_11, 0},
        {"{\"sub\":\"u1\"," LATER "}", SECRET_10, ERR_DENIED},
        {"{\"sub\":\"u1\",\"exp\":1}", SECRET_11, ERR_EXPIRED},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        assert_int_equal(check_claims(*state, 22, rows[i].claims, rows[i].secret, NOW),
                         rows[i].expected);
    assert_int_equal(check_token(*state, 22, STR_LIT(TOKEN_KEY_1_UNNAMED), NULL), ERR_BUSY);
    assert_int_equal(check_token(*state, 22, STR_LIT(TOKEN_KEY_1), NULL), ERR_BUSY);
    expect_reason(*state, 22, STR_LIT(TOKEN_KEY_1), "its key has not been fetched yet");
}

static void put_revocation(struct world *world, int32_t project_id, const char *user,
                           int64_t before)
{
    assert_int_equal(store_revocation_put(world->writer, project_id, str_from(user), before), 0);
}

/* The first of a project is seen with the next generation, later ones at once. */
static void revoked_tokens_are_denied(void **state)
{
    static const struct {
        const char *claims;
        int after_one; /* u1, before 1799999500 */
        int after_all; /* before 1799999600 */
    } rows[] = {
        {"{\"sub\":\"u1\",\"iat\":1799999000," LATER "}", ERR_DENIED, ERR_DENIED},
        {"{\"sub\":\"u1\",\"iat\":1799999499," LATER "}", ERR_DENIED, ERR_DENIED},
        {"{\"sub\":\"u1\",\"iat\":1799999500," LATER "}", 0, ERR_DENIED},
        {"{\"sub\":\"u1\"," LATER "}", ERR_DENIED, ERR_DENIED},
        {"{\"sub\":\"u2\"," LATER "}", 0, ERR_DENIED},
        {"{\"sub\":\"u2\",\"iat\":1799999600," LATER "}", 0, 0},
        {"{\"sub\":\"u1\",\"iat\":1800000004," LATER "}", 0, 0}, /* by a clock that is ahead */
    };
    struct world *world = *state;
    assert_int_equal(check_claims(world, 10, rows[0].claims, SECRET_10, NOW), 0);
    put_revocation(world, 10, "u1", NOW - 500000);
    assert_int_equal(check_claims(world, 10, rows[0].claims, SECRET_10, NOW), 0);
    atomic_fetch_add(&world->shared.generation, 1);
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        assert_int_equal(check_claims(world, 10, rows[i].claims, SECRET_10, NOW),
                         rows[i].after_one);
    assert_int_equal(auth_check_revoked(world->auth, 10, STR_LIT("u1"), INT64_MAX), 0);
    assert_int_equal(auth_check_revoked(world->auth, 20, STR_LIT("u1"), INT64_MIN), 0);
    put_revocation(world, 10, "", NOW - 400000);
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        assert_int_equal(check_claims(world, 10, rows[i].claims, SECRET_10, NOW),
                         rows[i].after_all);
    put_revocation(world, 10, "", NOW + 1);
    assert_int_equal(check_claims(world, 10, rows[6].claims, SECRET_10, NOW), ERR_DENIED);
    assert_int_equal(check_claims(world, 10, rows[6].claims, SECRET_10, NOW + 4000), 0);
}

/* An order's token is as old as the order. */
static void revoked_payment_tokens_are_denied(void **state)
{
    struct world *world = *state;
    struct payment_token token = {.project_id = 11, .order_id = 5, .expires_at = NOW + 60000};
    struct buf text;
    buf_init(&text, 200);
    payment_token_encode(&token, store_identity(world->store)->token_key, &text);
    assert_int_equal(check_token(world, 11, buf_view(&text), "payer"), 0);
    put_revocation(world, 11, "payer", 1);
    atomic_fetch_add(&world->shared.generation, 1);
    assert_int_equal(check_token(world, 11, buf_view(&text), NULL), ERR_DENIED);
    buf_fini(&text);
}

static void a_replaced_secret_serves_for_a_time(void **state)
{
    static const char claims[] = "{\"sub\":\"u1\"," LATER "}";
    struct world *world = *state;
    assert_int_equal(check_claims(world, 23, claims, SECRET_10, NOW + 999), 0);
    assert_int_equal(check_claims(world, 23, claims, SECRET_10, NOW + 1000), ERR_DENIED);
    assert_int_equal(check_claims(world, 23, claims, SECRET_11, NOW + 1000), 0);
    put_project(world, 23, 2, "{}");
    atomic_fetch_add(&world->shared.generation, 1);
    assert_int_equal(check_claims(world, 23, claims, SECRET_11, NOW + 1000), ERR_DENIED);
}

static void another_admin_key(void **state)
{
    struct world *world = *state;
    uint8_t hash[32];
    auth_hash_key(STR_LIT("owa_another"), hash);
    auth_use_admin_key(world->auth, hash);
    assert_int_equal(auth_admin(world->auth, STR_LIT("Bearer " ADMIN_KEY)), ERR_DENIED);
    assert_int_equal(auth_admin(world->auth, STR_LIT("Bearer owa_another")), 0);
    auth_use_admin_key(world->auth, world->shared.admin_key_hash);
    assert_int_equal(auth_admin(world->auth, STR_LIT("Bearer " ADMIN_KEY)), 0);
}

static void made_tokens_are_accepted(void **state)
{
    struct world *world = *state;
    const struct auth_project *project;
    struct json *claims = json_parse(STR_LIT("{\"role\":\"tester\",\"exp\":1}"), NULL);
    struct buf token;
    buf_init(&token, LIMIT_TOKEN);
    assert_int_equal(auth_project(world->auth, 10, &project), 0);
    assert_int_equal(auth_make_user_token(project, STR_LIT("u\"1"), NOW, 1000, NULL, &token), 0);
    assert_int_equal(check_token(world, 10, buf_view(&token), "u\"1"), 0);
    buf_clear(&token);
    assert_int_equal(auth_make_user_token(project, STR_LIT("u1"), NOW, 1000, claims, &token), 0);
    assert_int_equal(check_token(world, 10, buf_view(&token), NULL), ERR_EXPIRED);
    assert_int_equal(auth_project(world->auth, 20, &project), 0);
    assert_int_equal(auth_make_user_token(project, STR_LIT("u1"), NOW, 1000, NULL, &token),
                     ERR_UNSUPPORTED);
    buf_fini(&token);
    json_free(&claims);
}

static void keys_are_random_and_hashed(void **state)
{
    char first[AUTH_KEY_SIZE];
    char second[AUTH_KEY_SIZE];
    uint8_t hash[32];
    uint8_t same[32];
    (void)state;
    auth_make_key(first, hash);
    auth_hash_key(str_from(first), same);
    assert_memory_equal(hash, same, sizeof(hash));
    auth_make_key(second, hash);
    assert_int_equal(strlen(first), 44);
    assert_memory_equal(first, "owk_", 4);
    assert_string_not_equal(first, second);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(merchants),
        cmocka_unit_test(malformed_authorization_is_denied),
        cmocka_unit_test(the_operator_has_one_key),
        cmocka_unit_test(the_operator_acts_for_any_merchant),
        cmocka_unit_test(tokens_by_shared_secret),
        cmocka_unit_test(tokens_by_public_key),
        cmocka_unit_test(tokens_that_are_none),
        cmocka_unit_test(payment_tokens),
        cmocka_unit_test(the_log_says_why_a_token_is_refused),
        cmocka_unit_test(the_log_says_why_a_key_is_refused),
        cmocka_unit_test(tokens_of_keys_that_are_not_there_yet),
        cmocka_unit_test(a_replaced_secret_serves_for_a_time),
        cmocka_unit_test(another_admin_key),
        cmocka_unit_test(made_tokens_are_accepted),
        cmocka_unit_test(keys_are_random_and_hashed),
        cmocka_unit_test(changes_are_seen_with_the_next_generation),
        cmocka_unit_test(revoked_tokens_are_denied),
        cmocka_unit_test(revoked_payment_tokens_are_denied),
        cmocka_unit_test(the_memory_of_projects_is_bounded),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
