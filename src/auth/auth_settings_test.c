/* SPDX-License-Identifier: Apache-2.0 */
/* Settings read, merged and shown; each mistake is refused with a sentence that names it. */
#include "auth/auth_settings.h"

#include "base/err.h"
#include "base/limits.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* A modulus of 2048 bits: no prime factors are known, none are needed. */
#define MODULUS                                                                                    \
    "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt"     \
    "0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSX"     \
    "ndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5"     \
    "IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"
#define KEY "{\"kty\":\"RSA\",\"kid\":\"k1\",\"e\":\"AQAB\",\"n\":\"" MODULUS "\"}"
#define SECRET "0123456789abcdef"

static void whole_settings_are_read(void **state)
{
    static const char text[] =
        "{\"name\":\"My "
        "shop\",\"strict\":true,\"legacy_socket\":true,\"allowed_origins\":[\"https://"
        "a.example\"],\"user_token_secret\":\"" SECRET
        "\","
        "\"webhook_secret\":\"whsec_" SECRET
        "\",\"webhook_allow_cidrs\":[\"127.0.0.0/8\"],"
        "\"verifiers\":[{\"type\":\"hs512\",\"secret\":\"" SECRET
        "2\",\"user_claim\":\"uid\"},"
        "{\"type\":\"jwks\",\"keys\":[" KEY "," KEY "],\"require\":{\"iss\":\"x\"}}]}";
    struct auth_settings settings;
    char error[AUTH_SETTINGS_ERROR_SIZE];
    (void)state;
    assert_int_equal(auth_settings_read(str_from(text), &settings, error), 0);
    assert_true(str_equal_text(settings.name, "My shop"));
    assert_true(settings.strict);
    assert_true(settings.legacy_socket);
    assert_int_equal(json_length(settings.allowed_origins), 1);
    assert_true(str_equal_text(settings.user_token_secret, SECRET));
    assert_true(str_equal_text(settings.webhook_secret, "whsec_" SECRET));
    assert_int_equal(settings.verifier_count, 3);
    assert_int_equal(settings.verifiers[0].keys.count, 1);
    assert_int_equal(settings.verifiers[0].keys.keys[0].algorithm, JWT_HS256);
    assert_int_equal(settings.verifiers[1].keys.keys[0].algorithm, JWT_HS512);
    assert_true(str_equal_text(settings.verifiers[1].user_claim, "uid"));
    assert_int_equal(settings.verifiers[2].keys.count, 2);
    assert_non_null(settings.verifiers[2].require);
    auth_settings_fini(&settings);
    assert_int_equal(settings.verifier_count, 0);
}

#define PREVIOUS                                                                                   \
    "\"previous_user_token_secret\":\"" SECRET                                                     \
    "\",\"previous_user_token_secret_until\":\"2026-01-01T00:00:00Z\""
#define EARLIER "{\"secret\":\"" SECRET "\",\"until\":\"2026-01-02T00:00:00Z\"}"

struct text_row {
    const char *text;
    const char *sentence; /* a part of it; NULL: accepted */
};

static void check_texts(const struct text_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct auth_settings settings;
        char error[AUTH_SETTINGS_ERROR_SIZE] = "";
        int rc = auth_settings_read(str_from(rows[i].text), &settings, error);
        if (rc == 0)
            auth_settings_fini(&settings);
        if ((rc == 0) != (rows[i].sentence == NULL))
            print_error("row %zu: %d %s\n", i, rc, error);
        assert_int_equal(rc, rows[i].sentence == NULL ? 0 : ERR_INVALID);
        if (rc < 0 && strstr(error, rows[i].sentence) == NULL)
            fail_msg("row %zu: %s", i, error);
    }
}

static void mistakes_about_published_keys_are_named(void **state)
{
    static const struct text_row rows[] = {
        {"{\"verifiers\":[{\"type\":\"jwks_url\"}]}", "verifiers[0]: url: required"},
        {"{\"verifiers\":[{\"type\":\"jwks_url\",\"url\":\"https://login.example/"
         "k?a=b\",\"refresh\":1}]}",
         NULL},
        {"{\"verifiers\":[{\"type\":\"jwks_url\",\"url\":\"https://"
         "login.example\",\"refresh\":0.5}]}",
         "verifiers[0]: refresh: "},
        {"{\"verifiers\":[{\"type\":\"jwks_url\",\"url\":\"https://login.example\",\"keys\":[]}]}",
         "verifiers[0]: keys: not a member of type jwks_url"},
        {"{\"verifiers\":[{\"type\":\"hs256\",\"secret\":\"" SECRET "\",\"ca\":\"x\"}]}",
         "verifiers[0]: ca: not a member of type hs256"},
        {"{\"verifiers\":[{\"type\":\"jwks_url\",\"url\":\"http://login.example\"}]}",
         "verifiers[0]: url: must begin with https://"},
        {"{\"webhook_allow_cidrs\":[\"10.0.0.0/8\"],"
         "\"verifiers\":[{\"type\":\"jwks_url\",\"url\":\"http://login.example\"}]}",
         NULL},
        {"{\"verifiers\":[{\"type\":\"jwks_url\",\"url\":\"https://10.0.0.1/\"}]}",
         "verifiers[0]: url: 10.0.0.1 is not an address of the public internet"},
    };
    (void)state;
    check_texts(rows, ARRAY_LENGTH(rows));
}

static void mistakes_are_named(void **state)
{
    static const struct text_row rows[] = {
        {"{}", NULL},
        {"{\"name\":null,\"verifiers\":null}", NULL},
        {"", "line 1"},
        {"[]", "expected an object"},
        {"{\"stict\":true}", "did you mean strict?"},
        {"{\"strict\":1}", "strict: expected a boolean"},
        {"{\"user_token_secret\":\"short\"}", "user_token_secret: must have 16"},
        {"{\"previous_user_token_secret\":\"" SECRET "\"}", "both or none"},
        {"{\"previous_user_token_secret_until\":\"2026-01-01T00:00:00Z\"}", "both or none"},
        {"{\"previous_user_token_secret\":\"" SECRET
         "\",\"previous_user_token_secret_until\":\"2026-01-01T00:00:00Z\"}",
         NULL},
        {"{" PREVIOUS ",\"earlier_user_token_secrets\":[" EARLIER "," EARLIER "," EARLIER "]}",
         NULL},
        {"{" PREVIOUS ",\"earlier_user_token_secrets\":[" EARLIER "," EARLIER "," EARLIER
         "," EARLIER "]}",
         "earlier_user_token_secrets: more than 3"},
        {"{" PREVIOUS ",\"earlier_user_token_secrets\":[" EARLIER ",{\"secret\":\"" SECRET "\"}]}",
         "earlier_user_token_secrets[1]: until: required"},
        {"{" PREVIOUS ",\"earlier_user_token_secrets\":[3]}",
         "earlier_user_token_secrets[0]: expected an object"},
        {"{\"earlier_user_token_secrets\":[" EARLIER "]}",
         "not without previous_user_token_secret"},
        {"{\"verifiers\":{}}", "verifiers: expected an array"},
        {"{\"verifiers\":[3]}", "verifiers[0]: expected an object"},
        {"{\"verifiers\":[{}]}", "verifiers[0]: type: required"},
        {"{\"verifiers\":[{\"type\":\"rs256\"}]}", "verifiers[0]: type: must be"},
        {"{\"verifiers\":[{\"type\":\"hs256\"}]}", "verifiers[0]: secret: required"},
        {"{\"verifiers\":[{\"type\":\"hs256\",\"secret\":\"0123456789abcde\"}]}",
         "verifiers[0]: secret: must have 16"},
        {"{\"verifiers\":[{\"type\":\"hs256\",\"secret\":\"" SECRET "\",\"keys\":[]}]}",
         "verifiers[0]: keys: not a member of type hs256"},
        {"{\"verifiers\":[{\"type\":\"hs256\",\"secret\":\"" SECRET "\"},"
         "{\"type\":\"hs256\",\"secert\":\"" SECRET "\"}]}",
         "verifiers[1]: secert: unknown field, did you mean secret?"},
        {"{\"verifiers\":[{\"type\":\"jwks\"}]}", "verifiers[0]: keys: required"},
        {"{\"verifiers\":[{\"type\":\"jwks\",\"keys\":[]}]}", "verifiers[0]: "},
        {"{\"verifiers\":[{\"type\":\"jwks\",\"keys\":[" KEY "],\"path\":\"x\"}]}",
         "verifiers[0]: path: not a member"},
        {"{\"verifiers\":[{\"type\":\"jwks_file\"}]}", "verifiers[0]: path: required"},
        {"{\"verifiers\":[{\"type\":\"jwks_file\",\"path\":\"/nonexistent/x\"}]}",
         "cannot be opened: No such file"},
        {"{\"verifiers\":[{\"type\":\"jwks_file\",\"path\":\"/\"}]}", "cannot be read"},
        {"{\"verifiers\":[{\"type\":\"hs256\",\"secret\":\"" SECRET "\",\"require\":{\"a\":[1]}}]}",
         "verifiers[0]: require: each value"},
        {"{\"webhook_allow_cidrs\":[\"10.0.0.0/8\",\"fd00::/8\",\"::1/128\",\"0.0.0.0/0\"]}", NULL},
        {"{\"webhook_allow_cidrs\":[\"10.0.0.0/8\",\"10.0.0.0\"]}", "webhook_allow_cidrs[1]:"},
        {"{\"webhook_allow_cidrs\":[\"10.0.0.0/33\"]}", "webhook_allow_cidrs[0]:"},
        {"{\"webhook_allow_cidrs\":[\"10.0.0.1/8\"]}", "webhook_allow_cidrs[0]:"},
        {"{\"webhook_allow_cidrs\":[\"fd00::/129\"]}", "webhook_allow_cidrs[0]:"},
        {"{\"webhook_allow_cidrs\":[\"10.0.0/8\"]}", "webhook_allow_cidrs[0]:"},
        {"{\"webhook_allow_cidrs\":[\"example.com/8\"]}", "webhook_allow_cidrs[0]:"},
        {"{\"webhook_allow_cidrs\":[8]}", "webhook_allow_cidrs[0]:"},
    };
    (void)state;
    check_texts(rows, ARRAY_LENGTH(rows));
}

static void origins_are_read(void **state)
{
    static const struct text_row rows[] = {
        {"{\"allowed_origins\":[]}", NULL},
        {"{\"allowed_origins\":null}", NULL},
        {"{\"allowed_origins\":[\"null\",\"https://*.shop.example:8443\"]}", NULL},
        {"{\"allowed_origins\":\"https://shop.example\"}", "allowed_origins: expected an array"},
        {"{\"allowed_origins\":[\"null\",\"https://shop.example/\"]}",
         "allowed_origins[1]: expected an origin"},
        {"{\"allowed_origins\":[1]}", "allowed_origins[0]: expected an origin"},
    };
    (void)state;
    check_texts(rows, ARRAY_LENGTH(rows));
}

static void verifiers_are_bounded(void **state)
{
    struct buf text;
    struct auth_settings settings;
    char error[AUTH_SETTINGS_ERROR_SIZE];
    (void)state;
    buf_init(&text, 4000);
    buf_append_text(&text, "{\"user_token_secret\":\"" SECRET "\",\"verifiers\":[");
    for (int i = 0; i < LIMIT_VERIFIERS; i++) {
        buf_append_text(&text, i > 0 ? "," : "");
        buf_append_text(&text, "{\"type\":\"hs256\",\"secret\":\"" SECRET "\"}");
    }
    buf_append_text(&text, "]}");
    assert_false(text.overflow);
    assert_int_equal(auth_settings_read(buf_view(&text), &settings, error), ERR_INVALID);
    assert_string_equal(error, "verifiers: more than 16");
    buf_fini(&text);
}

static void write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static void key_files_are_read(void **state)
{
    char folder[] = "/tmp/auth_settings_XXXXXX";
    char path[64];
    char text[200];
    char error[AUTH_SETTINGS_ERROR_SIZE];
    struct auth_settings settings;
    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/keys.json", folder);
    snprintf(text, sizeof(text), "{\"verifiers\":[{\"type\":\"jwks_file\",\"path\":\"%s\"}]}",
             path);

    write_file(path, "{\"keys\":[" KEY "]}");
    assert_int_equal(auth_settings_read(str_from(text), &settings, error), 0);
    assert_int_equal(settings.verifiers[0].keys.count, 1);
    auth_settings_fini(&settings);

    write_file(path, "{\"keys\":[");
    assert_int_equal(auth_settings_read(str_from(text), &settings, error), ERR_INVALID);
    assert_non_null(strstr(error, "verifiers[0]: the file in \"path\": line 1"));

    unlink(path);
    rmdir(folder);
}

static void changes_are_merged(void **state)
{
    static const struct {
        const char *stored;
        const char *changes;
        int expected;
        const char *result; /* or the sentence */
    } rows[] = {
        {"{}", "{}", 0, "{}"},
        {"{\"name\":\"a\"}", "{\"strict\":true}", 0, "{\"name\":\"a\",\"strict\":true}"},
        {"{\"name\":\"a\",\"strict\":true}", "{\"name\":\"b\"}", 0,
         "{\"strict\":true,\"name\":\"b\"}"},
        {"{\"name\":\"a\",\"strict\":true}", "{\"name\":null}", 0, "{\"strict\":true}"},
        {"{\"name\":\"a\"}", "{\"name\":null,\"strict\":null}", 0, "{}"},
        {"{\"name\":\"a\"}", "{\"nmae\":null}", ERR_INVALID,
         "nmae: unknown field, did you mean name?"},
        {"{\"name\":\"a\"}", "[]", ERR_INVALID, "expected an object, got an array"},
        {"{\"name\":\"a\"}", "{\"user_token_secret\":\"x\"}", ERR_INVALID,
         "user_token_secret: must have 16 to 512 bytes"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        char error[AUTH_SETTINGS_ERROR_SIZE] = "";
        struct json *changes = json_parse(str_from(rows[i].changes), NULL);
        struct buf out;
        buf_init(&out, 1000);
        assert_int_equal(auth_settings_merge(str_from(rows[i].stored), changes, &out, error),
                         rows[i].expected);
        if (rows[i].expected == 0) {
            assert_int_equal(out.len, strlen(rows[i].result));
            assert_memory_equal(out.ptr, rows[i].result, out.len);
        } else {
            assert_int_equal(out.len, 0);
            assert_string_equal(error, rows[i].result);
        }
        buf_fini(&out);
        json_free(&changes);
    }
}

static void settings_are_bounded(void **state)
{
    struct buf text;
    struct buf out;
    char error[AUTH_SETTINGS_ERROR_SIZE];
    (void)state;
    buf_init(&text, 2 * LIMIT_SETTINGS);
    buf_init(&out, 2 * LIMIT_SETTINGS);
    buf_append_text(&text, "{\"webhook_allow_cidrs\":[\"");
    while (text.len < LIMIT_SETTINGS)
        buf_append_text(&text, "0123456789");
    buf_append_text(&text, "\"]}");
    struct json *changes = json_parse(buf_view(&text), NULL);
    assert_non_null(changes);
    assert_int_equal(auth_settings_merge(STR_LIT("{}"), changes, &out, error), ERR_TOO_LARGE);
    assert_string_equal(error, "the settings are larger than 262144 bytes");
    json_free(&changes);
    buf_fini(&text);
    buf_fini(&out);
}

static void secrets_are_not_shown(void **state)
{
    static const char text[] =
        "{\"name\":\"My shop\"," PREVIOUS ",\"earlier_user_token_secrets\":[" EARLIER "," EARLIER
        "],\"user_token_secret\":\"" SECRET "\",\"webhook_secret\":\"" SECRET
        "\",\"verifiers\":[{\"type\":\"hs256\",\"secret\":\"" SECRET
        "\"},{\"type\":\"jwks\","
        "\"keys\":[" KEY
        "],\"user_claim\":\"uid\",\"require\":{\"iss\":\"x\"}},"
        "{\"type\":\"jwks_url\",\"url\":\"https://login.example/\",\"ca\":\"-----BEGIN\"}]}";
    static const char shown[] =
        "{\"name\":\"My shop\",\"strict\":false,\"legacy_socket\":false,"
        "\"allowed_origins\":null,"
        "\"previous_user_token_secret_until\":\"2026-01-01T00:00:00.000Z\","
        "\"earlier_user_token_secrets\":[{\"until\":\"2026-01-02T00:00:00.000Z\"},"
        "{\"until\":\"2026-01-02T00:00:00.000Z\"}],\"webhook_allow_cidrs\":[],\"verifiers\":["
        "{\"type\":\"hs256\"},{\"type\":\"jwks\",\"user_claim\":\"uid\",\"require\":{\"iss\":\"x\"}"
        ","
        "\"key_count\":1},{\"type\":\"jwks_url\",\"url\":\"https://login.example/"
        "\",\"refresh\":600}]}";
    struct auth_settings settings;
    char error[AUTH_SETTINGS_ERROR_SIZE];
    struct buf out;
    (void)state;
    buf_init(&out, 2000);
    assert_int_equal(auth_settings_read(str_from(text), &settings, error), 0);
    auth_settings_show(&settings, &out);
    assert_int_equal(out.len, strlen(shown));
    assert_memory_equal(out.ptr, shown, out.len);
    auth_settings_fini(&settings);
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_settings_are_read),
        cmocka_unit_test(mistakes_are_named),
        cmocka_unit_test(mistakes_about_published_keys_are_named),
        cmocka_unit_test(origins_are_read),
        cmocka_unit_test(verifiers_are_bounded),
        cmocka_unit_test(key_files_are_read),
        cmocka_unit_test(changes_are_merged),
        cmocka_unit_test(settings_are_bounded),
        cmocka_unit_test(secrets_are_not_shown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
