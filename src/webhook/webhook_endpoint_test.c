/* SPDX-License-Identifier: Apache-2.0 */
/* Settings merged, checked, read back with their defaults, and shown; secrets sealed and opened. */
#include "webhook/webhook_endpoint.h"

#include "base/clock.h"
#include "base/err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define PEM "-----BEGIN CERTIFICATE-----\\nMIIB\\n-----END CERTIFICATE-----\\n"
#define KEY_PEM "-----BEGIN PRIVATE KEY-----\\nMIIB\\n-----END PRIVATE KEY-----\\n"
#define GOOD_URL "\"url\":\"https://example.com/hook\""

static const uint8_t key[WEBHOOK_KEY_SIZE] = "the key file of these tests, 31b";

/* What merge gives; `out` is cleared. */
static int merge(const char *old, const char *changes, struct buf *out, struct str *client_key,
                 char *error)
{
    struct json *document = json_parse(str_from(changes), NULL);
    assert_non_null(document);
    buf_clear(out);
    int rc = webhook_endpoint_merge(str_from(old), document, NULL, 0, out, client_key, error);
    /* Only whether it is there matters below. */
    json_free(&document);
    return rc;
}

static void test_merged(void **state)
{
    (void)state;
    static const struct {
        const char *old;
        const char *changes;
        const char *merged;
    } rows[] = {
        {"", "{" GOOD_URL "}", "{" GOOD_URL "}"},
        {"", "{" GOOD_URL ",\"rate\":5,\"mode\":null}", "{" GOOD_URL ",\"rate\":5}"},
        {"{" GOOD_URL ",\"rate\":5}", "{\"rate\":6}", "{" GOOD_URL ",\"rate\":6}"},
        {"{" GOOD_URL ",\"rate\":5}", "{\"rate\":null}", "{" GOOD_URL "}"},
        {"{" GOOD_URL ",\"rate\":5}", "{}", "{" GOOD_URL ",\"rate\":5}"},
        {"{" GOOD_URL "}", "{\"url\":\"https://b.example/\"}", "{\"url\":\"https://b.example/\"}"},
        {"{" GOOD_URL "}", "{\"client_key\":\"" KEY_PEM "\"}", "{" GOOD_URL "}"},
        {"", "{" GOOD_URL ",\"ca\":\"" PEM "\"}", "{" GOOD_URL ",\"ca\":\"" PEM "\"}"},
    };
    struct buf out;
    struct str client_key;
    char error[WEBHOOK_ERROR_SIZE];
    buf_init(&out, LIMIT_WEBHOOK_SETTINGS);
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        if (merge(rows[i].old, rows[i].changes, &out, &client_key, error) != 0)
            fail_msg("row %zu: %s", i, error);
        if (!str_equal_text(buf_view(&out), rows[i].merged))
            fail_msg("row %zu: %.*s", i, STR_ARG(buf_view(&out)));
    }
    buf_fini(&out);
}

static const struct {
    const char *changes;
    const char *error;
} refused[] = {
    {"{}", "url: required"},
    {"{\"url\":null}", "url: required"},
    {"{\"url\":5}", "url: expected a string, got a number"},
    {"{\"url\":\"http://127.0.0.1/\"}",
     "url: 127.0.0.1 is not an address of the public internet; allow its network for the project "
     "first: webhook_allow_cidrs, or `orderwire project set P --webhook-allow CIDR`"},
    {"{" GOOD_URL ",\"statusses\":[]}", "statusses: unknown field, did you mean statuses?"},
    {"{" GOOD_URL ",\"secret\":\"x\"}", "secret: unknown field"},
    {"{" GOOD_URL ",\"preset\":\"xsola\"}", "preset: expected standard or xsolla"},
    {"{" GOOD_URL ",\"mode\":\"newest\"}", "mode: expected all or latest"},
    {"{" GOOD_URL ",\"statuses\":\"paid\"}", "statuses: expected an array, got a string"},
    {"{" GOOD_URL ",\"statuses\":[]}", "statuses: must name one status at least"},
    {"{" GOOD_URL ",\"statuses\":[\"paid\",\"Paid\"]}",
     "statuses[1]: expected new, paid, done or canceled"},
    {"{" GOOD_URL ",\"statuses\":[1]}", "statuses[0]: expected new, paid, done or canceled"},
    {"{" GOOD_URL ",\"preset\":\"xsolla\",\"statuses\":[\"done\"]}",
     "statuses: the xsolla preset has webhooks for paid and canceled only"},
    {"{" GOOD_URL ",\"concurrency\":0}", "concurrency: must be between 1 and 100"},
    {"{" GOOD_URL ",\"concurrency\":101}", "concurrency: must be between 1 and 100"},
    {"{" GOOD_URL ",\"rate\":-1}", "rate: must be between 0 and 100000"},
    {"{" GOOD_URL ",\"schedule\":5}", "schedule: expected an array, got a number"},
    {"{" GOOD_URL ",\"schedule\":[5,0]}",
     "schedule[1]: expected a number of seconds from 0.01 to 604800"},
    {"{" GOOD_URL ",\"schedule\":[604801]}",
     "schedule[0]: expected a number of seconds from 0.01 to 604800"},
    {"{" GOOD_URL ",\"schedule\":[\"5\"]}",
     "schedule[0]: expected a number of seconds from 0.01 to 604800"},
    {"{" GOOD_URL
     ",\"schedule\":[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]}",
     "schedule: more than 32 waits"},
    {"{" GOOD_URL ",\"max_age\":-1}", "max_age: must be between 0 and 31536000 seconds"},
    {"{" GOOD_URL ",\"timeout\":0}", "timeout: must be between 0.05 and 60 seconds"},
    {"{" GOOD_URL ",\"timeout\":61}", "timeout: must be between 0.05 and 60 seconds"},
    {"{" GOOD_URL ",\"timeout\":\"1s\"}", "timeout: expected a number of seconds, got a string"},
    {"{" GOOD_URL ",\"ca\":\"MIIB\"}", "ca: expected certificates in PEM form"},
    {"{" GOOD_URL ",\"client_cert\":\"x\"}", "client_cert: expected a certificate in PEM form"},
    {"{" GOOD_URL ",\"client_key\":\"x\"}", "client_key: expected a private key in PEM form"},
    {"{" GOOD_URL ",\"description\":\"a\\u0007\"}",
     "description: must not contain control characters"},
};

static void test_refused(void **state)
{
    (void)state;
    struct buf out;
    struct str client_key;
    buf_init(&out, LIMIT_WEBHOOK_SETTINGS);
    for (size_t i = 0; i < ARRAY_LENGTH(refused); i++) {
        char error[WEBHOOK_ERROR_SIZE] = "";
        int rc = merge("", refused[i].changes, &out, &client_key, error);
        if (rc != ERR_INVALID || strcmp(error, refused[i].error) != 0)
            fail_msg("row %zu: %d %s", i, rc, error);
        assert_int_equal(out.len, 0);
    }
    char error[WEBHOOK_ERROR_SIZE];
    assert_int_equal(merge("{" GOOD_URL "}", "{\"url\":null}", &out, &client_key, error),
                     ERR_INVALID);
    assert_int_equal(merge("{" GOOD_URL ",\"statuses\":[\"done\"]}", "{\"preset\":\"xsolla\"}",
                           &out, &client_key, error),
                     ERR_INVALID);
    buf_fini(&out);
}

static void test_too_large(void **state)
{
    (void)state;
    char error[WEBHOOK_ERROR_SIZE];
    struct str client_key;
    struct buf out, text;
    buf_init(&out, LIMIT_WEBHOOK_SETTINGS);
    buf_init(&text, 2 * LIMIT_WEBHOOK_SETTINGS);
    buf_append_text(&text, "{" GOOD_URL ",\"ca\":\"-----BEGIN ");
    while (text.len < LIMIT_WEBHOOK_SETTINGS)
        buf_append_text(&text, "0123456789");
    buf_append_text(&text, "\"}");
    struct json *changes = json_parse(buf_view(&text), NULL);
    assert_int_equal(
        webhook_endpoint_merge(STR_LIT(""), changes, NULL, 0, &out, &client_key, error),
        ERR_TOO_LARGE);
    assert_string_equal(error, "the settings are larger than 65536 bytes");
    json_free(&changes);
    buf_fini(&out);
    buf_fini(&text);
}

/* `length` bytes, of which most take two in JSON. */
static void write_client_key(struct buf *out, size_t length)
{
    const struct str head = STR_LIT("-----BEGIN ");
    buf_append_text(out, "{" GOOD_URL ",\"client_key\":\"-----BEGIN ");
    for (size_t i = head.len; i < length; i++)
        buf_append_text(out, "\\n");
    buf_append(out, "\"}", sizeof("\"}"));
}

static void test_the_largest_client_key(void **state)
{
    enum { MAX = 16 * 1024 };
    char error[WEBHOOK_ERROR_SIZE];
    char bytes[MAX];
    struct buf changes, out;
    struct str client_key;
    (void)state;
    buf_init(&changes, 4 * MAX);
    buf_init(&out, 2 * LIMIT_WEBHOOK_SETTINGS);
    write_client_key(&changes, MAX);
    assert_int_equal(merge("", changes.ptr, &out, &client_key, error), 0);
    buf_clear(&changes);
    write_client_key(&changes, MAX + 1);
    assert_int_equal(merge("", changes.ptr, &out, &client_key, error), ERR_INVALID);
    assert_string_equal(error, "client_key: must have 0 to 16384 bytes");
    /* It can be sealed with two secrets. */
    memset(bytes, '"', sizeof(bytes));
    struct str secret = str_make(bytes, 128);
    webhook_endpoint_seal(secret, secret, INT64_MAX, str_make(bytes, MAX), key, &out);
    assert_false(out.overflow);
    buf_fini(&changes);
    buf_fini(&out);
}

static void test_client_keys(void **state)
{
    (void)state;
    char error[WEBHOOK_ERROR_SIZE];
    struct buf out;
    struct str client_key = STR_LIT("x");
    buf_init(&out, LIMIT_WEBHOOK_SETTINGS);
    assert_int_equal(merge("", "{" GOOD_URL "}", &out, &client_key, error), 0);
    assert_null(client_key.ptr);
    assert_int_equal(merge("", "{" GOOD_URL ",\"client_key\":null}", &out, &client_key, error), 0);
    assert_non_null(client_key.ptr);
    assert_int_equal(client_key.len, 0);
    assert_int_equal(
        merge("", "{" GOOD_URL ",\"client_key\":\"" KEY_PEM "\"}", &out, &client_key, error), 0);
    assert_int_equal(client_key.len, 59);
    buf_fini(&out);
}

/* Stored as these settings with a secret, and read again. */
static int read_back(const char *settings, struct webhook_endpoint *endpoint, char *error)
{
    struct buf sealed;
    buf_init(&sealed, LIMIT_WEBHOOK_SETTINGS);
    webhook_endpoint_seal(STR_LIT("whsec_abc"), STR_LIT("old"), 12345, STR_LIT("a\nkey"), key,
                          &sealed);
    struct store_endpoint stored = {
        .endpoint_id = 7,
        .project_id = 5,
        .state = STORE_ENDPOINT_PAUSED,
        .settings = str_from(settings),
        .secrets = buf_view(&sealed),
    };
    int rc = webhook_endpoint_read(&stored, key, endpoint, error);
    buf_fini(&sealed);
    return rc;
}

static void test_read_with_defaults(void **state)
{
    (void)state;
    struct webhook_endpoint endpoint;
    char error[WEBHOOK_ERROR_SIZE];
    assert_int_equal(read_back("{" GOOD_URL "}", &endpoint, error), 0);
    assert_int_equal(endpoint.endpoint_id, 7);
    assert_int_equal(endpoint.project_id, 5);
    assert_int_equal(endpoint.state, STORE_ENDPOINT_PAUSED);
    assert_true(str_equal_text(endpoint.url, "https://example.com/hook"));
    assert_int_equal(endpoint.preset, WEBHOOK_STANDARD);
    assert_int_equal(endpoint.mode, WEBHOOK_ALL);
    assert_int_equal(endpoint.statuses, 15);
    assert_int_equal(endpoint.concurrency, 10);
    assert_int_equal(endpoint.rate, 0);
    assert_int_equal(endpoint.schedule_length, 9);
    assert_int_equal(endpoint.max_age, 7 * CLOCK_DAY);
    assert_int_equal(endpoint.timeout, 15 * CLOCK_SECOND);
    assert_int_equal(endpoint.ca.len + endpoint.client_cert.len, 0);
    assert_true(str_equal_text(endpoint.secret, "whsec_abc"));
    assert_true(str_equal_text(endpoint.previous_secrets, "old"));
    assert_true(str_equal_text(endpoint.client_key, "a\nkey"));
    assert_int_equal(endpoint.previous_until, 12345);
    webhook_endpoint_fini(&endpoint);
    webhook_endpoint_fini(&endpoint);
}

static void test_read_in_full(void **state)
{
    (void)state;
    struct webhook_endpoint endpoint;
    char error[WEBHOOK_ERROR_SIZE];
    assert_int_equal(
        read_back("{" GOOD_URL ",\"preset\":\"xsolla\",\"statuses\":[\"paid\"],\"mode\":\"latest\","
                  "\"concurrency\":3,\"rate\":50,\"schedule\":[0.05,1,300],\"max_age\":0,"
                  "\"timeout\":2.5,\"ca\":\"" PEM "\",\"client_cert\":\"" PEM
                  "\",\"description\":\"d\"}",
                  &endpoint, error),
        0);
    assert_int_equal(endpoint.preset, WEBHOOK_XSOLLA);
    assert_int_equal(endpoint.mode, WEBHOOK_LATEST);
    assert_int_equal(endpoint.statuses, 1 << ORDER_PAID);
    assert_int_equal(endpoint.concurrency, 3);
    assert_int_equal(endpoint.rate, 50);
    assert_int_equal(endpoint.schedule_length, 3);
    assert_int_equal(endpoint.schedule[0], 50);
    assert_int_equal(endpoint.schedule[2], 300000);
    assert_int_equal(endpoint.max_age, 0);
    assert_int_equal(endpoint.timeout, 2500);
    assert_true(endpoint.ca.len > 0 && endpoint.client_cert.len > 0);
    webhook_endpoint_fini(&endpoint);
    assert_int_equal(read_back("{" GOOD_URL ",\"schedule\":[]}", &endpoint, error), 0);
    assert_int_equal(endpoint.schedule_length, 0);
    webhook_endpoint_fini(&endpoint);
    assert_int_equal(read_back("{" GOOD_URL ",\"preset\":\"xsolla\"}", &endpoint, error), 0);
    assert_int_equal(endpoint.statuses, 1 << ORDER_PAID | 1 << ORDER_CANCELED);
    assert_int_equal(endpoint.schedule_length, 19);
    webhook_endpoint_fini(&endpoint);
}

static void test_not_readable(void **state)
{
    (void)state;
    struct webhook_endpoint endpoint;
    char error[WEBHOOK_ERROR_SIZE] = "";
    assert_int_equal(read_back("{", &endpoint, error), ERR_INVALID);
    assert_int_equal(read_back("{}", &endpoint, error), ERR_INVALID);
    struct store_endpoint stored = {.settings = STR_LIT("{" GOOD_URL "}"),
                                    .secrets = STR_LIT("no")};
    assert_int_equal(webhook_endpoint_read(&stored, key, &endpoint, error), ERR_INVALID);
    assert_int_equal(webhook_endpoint_read(&stored, NULL, &endpoint, error), 0);
    assert_int_equal(endpoint.secret.len, 0);
    webhook_endpoint_fini(&endpoint);
    struct buf sealed;
    buf_init(&sealed, 1000);
    webhook_endpoint_seal(STR_LIT("whsec_abc"), STR_LIT(""), 0, STR_LIT(""), key, &sealed);
    stored.secrets = buf_view(&sealed);
    assert_int_equal(webhook_endpoint_read(&stored, key, &endpoint, error), 0);
    assert_int_equal(endpoint.previous_secrets.len + endpoint.client_key.len, 0);
    webhook_endpoint_fini(&endpoint);
    static const uint8_t other[WEBHOOK_KEY_SIZE] = "another";
    assert_int_equal(webhook_endpoint_read(&stored, other, &endpoint, error), ERR_DENIED);
    assert_string_equal(error,
                        "the secrets were sealed with another key file, or are damaged: put "
                        "its secrets.key back, or make the webhook anew");
    assert_null(memmem(sealed.ptr, sealed.len, "whsec", 5));
    buf_fini(&sealed);
}

static void test_secrets(void **state)
{
    (void)state;
    static const struct {
        enum webhook_preset preset;
        const char *secret;
        bool good;
    } rows[] = {
        {WEBHOOK_STANDARD, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", true},
        {WEBHOOK_STANDARD, "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", false},
        {WEBHOOK_STANDARD, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS", false},
        {WEBHOOK_STANDARD, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLQ==", false},
        {WEBHOOK_STANDARD, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLa!!", false},
        {WEBHOOK_STANDARD, "whsec_", false},
        {WEBHOOK_STANDARD, "", false},
        {WEBHOOK_STANDARD,
         "whsec_"
         "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
         "==",
         true},
        {WEBHOOK_STANDARD,
         "whsec_"
         "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
         "=",
         false},
        {WEBHOOK_XSOLLA, "PROJECT_SECRET_KEY", true},
        {WEBHOOK_XSOLLA, "12345678", true},
        {WEBHOOK_XSOLLA, "1234567", false},
        {WEBHOOK_XSOLLA, "1234 5678", false},
        {WEBHOOK_XSOLLA, "12345678\u00e9", false},
    };
    char error[WEBHOOK_ERROR_SIZE];
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        int rc = webhook_endpoint_check_secret(rows[i].preset, str_from(rows[i].secret), error);
        if ((rc == 0) != rows[i].good)
            fail_msg("row %zu", i);
    }
    for (int preset = WEBHOOK_STANDARD; preset <= WEBHOOK_XSOLLA; preset++) {
        struct buf a, b;
        buf_init(&a, 100);
        buf_init(&b, 100);
        webhook_endpoint_make_secret((enum webhook_preset)preset, &a);
        webhook_endpoint_make_secret((enum webhook_preset)preset, &b);
        assert_false(str_equal(buf_view(&a), buf_view(&b)));
        assert_int_equal(a.len, preset == WEBHOOK_XSOLLA ? 40 : 6 + 44);
        assert_int_equal(
            webhook_endpoint_check_secret((enum webhook_preset)preset, buf_view(&a), error), 0);
        buf_fini(&a);
        buf_fini(&b);
    }
}

static void test_shown(void **state)
{
    (void)state;
    struct buf out;
    struct store_endpoint stored = {
        .endpoint_id = 7,
        .project_id = 5,
        .state = STORE_ENDPOINT_DISABLED,
        .state_reason = STR_LIT("the receiver answered 410 Gone"),
        .settings =
            STR_LIT("{" GOOD_URL ",\"schedule\":[0.05,300],\"statuses\":[\"done\",\"paid\"]}"),
        .created_at = 1795347084000,
        .updated_at = 1795347085000,
    };
    buf_init(&out, 4096);
    webhook_endpoint_show(&stored, &out);
    assert_true(str_equal_text(
        buf_view(&out),
        "{\"id\":7,\"url\":\"https://example.com/"
        "hook\",\"description\":\"\",\"preset\":\"standard\","
        "\"mode\":\"all\",\"statuses\":[\"paid\",\"done\"],\"schedule\":[0.050,300],"
        "\"concurrency\":10,\"rate\":0,\"max_age\":604800,\"timeout\":15,\"state\":\"disabled\","
        "\"state_reason\":\"the receiver answered 410 Gone\","
        "\"created_at\":\"2026-11-22T11:31:24.000Z\",\"updated_at\":\"2026-11-22T11:31:25."
        "000Z\"}"));
    buf_clear(&out);
    stored.settings = STR_LIT("");
    webhook_endpoint_show(&stored, &out);
    struct json *document = json_parse(buf_view(&out), NULL);
    assert_non_null(document);
    json_free(&document);
    buf_fini(&out);
}

static void test_wants(void **state)
{
    (void)state;
    struct webhook_endpoint endpoint = {.statuses = 1 << ORDER_NEW | 1 << ORDER_PAID};
    assert_true(webhook_endpoint_wants(&endpoint, ORDER_NEW));
    assert_true(webhook_endpoint_wants(&endpoint, ORDER_PAID));
    assert_false(webhook_endpoint_wants(&endpoint, ORDER_DONE));
    endpoint.preset = WEBHOOK_XSOLLA;
    assert_false(webhook_endpoint_wants(&endpoint, ORDER_NEW));
    assert_true(webhook_endpoint_wants(&endpoint, ORDER_PAID));
    assert_int_equal(webhook_endpoint_preset(STR_LIT("{\"preset\":\"xsolla\"}")), WEBHOOK_XSOLLA);
    assert_int_equal(webhook_endpoint_preset(STR_LIT("{}")), WEBHOOK_STANDARD);
    assert_int_equal(webhook_endpoint_preset(STR_LIT("")), WEBHOOK_STANDARD);
}

static void test_networks(void **state)
{
    (void)state;
    struct address_network networks[2];
    struct address loopback;
    assert_true(address_parse(STR_LIT("127.0.0.1"), &loopback));
    assert_int_equal(webhook_allowed_networks(STR_LIT(""), networks, 2), 0);
    assert_int_equal(webhook_allowed_networks(STR_LIT("{}"), networks, 2), 0);
    assert_int_equal(
        webhook_allowed_networks(STR_LIT("{\"webhook_allow_cidrs\":\"::/0\"}"), networks, 2), 0);
    assert_int_equal(
        webhook_allowed_networks(
            STR_LIT("{\"name\":\"x\",\"webhook_allow_cidrs\":[5,\"nonsense\",\"127.0.0.0/8\"]}"),
            networks, 2),
        1);
    assert_true(address_network_contains(&networks[0], &loopback));
    assert_int_equal(
        webhook_allowed_networks(
            STR_LIT("{\"webhook_allow_cidrs\":[\"10.0.0.0/8\",\"11.0.0.0/8\",\"12.0.0.0/8\"]}"),
            networks, 2),
        2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_merged),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_too_large),
        cmocka_unit_test(test_client_keys),
        cmocka_unit_test(test_the_largest_client_key),
        cmocka_unit_test(test_read_in_full),
        cmocka_unit_test(test_read_with_defaults),
        cmocka_unit_test(test_not_readable),
        cmocka_unit_test(test_secrets),
        cmocka_unit_test(test_shown),
        cmocka_unit_test(test_wants),
        cmocka_unit_test(test_networks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
