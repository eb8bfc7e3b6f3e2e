/* SPDX-License-Identifier: Apache-2.0 */
/* Endpoints made, changed, paused, rotated; what is refused; and answers that hold a secret. */
#include "service/endpoint_write.h"

#include "base/err.h"
#include "base/mem.h"
#include "service/delivery.h"
#include "service/endpoint_fixture.h"
#include "webhook/webhook_endpoint.h"

#include <stdio.h>
#include <string.h>

#define PROJECT SERVICE_FIXTURE_PROJECT
#define URL ENDPOINT_FIXTURE_URL
#define GIVEN "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

static int setup(void **state)
{
    struct service_fixture *fixture = mem_zalloc(sizeof(*fixture));
    fixture->options.idempotency_ttl = 1000000;
    service_fixture_open(fixture, &store_memory, ".");
    endpoint_fixture_project(fixture, PROJECT);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct service_fixture *fixture = *state;
    service_fixture_close(fixture);
    mem_free(fixture);
    return 0;
}

static int64_t add(struct service_fixture *fixture, const char *settings)
{
    return endpoint_fixture_add(fixture, settings);
}

/* The stored endpoint with its secrets; the caller ends it by webhook_endpoint_fini. */
static struct webhook_endpoint read_stored(struct service_fixture *fixture, int64_t id)
{
    struct store_endpoint stored;
    struct webhook_endpoint endpoint;
    char error[WEBHOOK_ERROR_SIZE];
    assert_int_equal(store_endpoint_get(fixture->service.reader, id, &stored), 0);
    assert_int_equal(webhook_endpoint_read(&stored, service_fixture_key, &endpoint, error), 0);
    return endpoint;
}

/* A text member of an answer, copied. */
static void member(const struct endpoint_write *write, const char *name, char out[200])
{
    struct str text = STR_LIT("");
    struct json *document = json_parse(buf_view(&write->answer), NULL);
    assert_non_null(document);
    if (!json_as_string(json_get(document, name), &text))
        text = STR_LIT("(none)");
    snprintf(out, 200, "%.*s", STR_ARG(text));
    json_free(&document);
}

static void expect_member(const struct endpoint_write *write, const char *name, const char *text)
{
    char found[200];
    member(write, name, found);
    assert_string_equal(found, text);
}

static void the_secret_is_told_once(void **state)
{
    struct service_fixture *fixture = *state;
    char secret[200];
    struct buf shown;
    struct endpoint_write *write = endpoint_fixture_new(fixture, ENDPOINT_CREATE, 0, URL "}");
    endpoint_fixture_run(write);
    assert_int_equal(write->error, API_ERROR_NONE);
    expect_member(write, "url", "http://127.0.0.1:1/hook");
    expect_member(write, "preset", "standard");
    expect_member(write, "state", "active");
    member(write, "secret", secret);
    assert_memory_equal(secret, "whsec_", 6);
    int64_t id = endpoint_fixture_id(write, "id");
    endpoint_write_free(&write);

    struct webhook_endpoint endpoint = read_stored(fixture, id);
    assert_true(str_equal_text(endpoint.secret, secret));
    webhook_endpoint_fini(&endpoint);
    buf_init(&shown, 10000);
    assert_int_equal(delivery_read_endpoint(&fixture->service, PROJECT, id, &shown), 0);
    assert_int_equal(delivery_read_endpoints(&fixture->service, PROJECT, 0, &shown), 0);
    buf_append_byte(&shown, '\0');
    assert_null(strstr(shown.ptr, secret));
    assert_null(strstr(shown.ptr, "\"secret\""));
    buf_clear(&shown);
    assert_int_equal(delivery_read_endpoint(&fixture->service, PROJECT + 1, id, &shown),
                     ERR_NOT_FOUND);
    buf_fini(&shown);
}

static void a_given_secret_is_kept(void **state)
{
    struct service_fixture *fixture = *state;
    static const struct {
        const char *preset;
        const char *secret;
        bool is_good;
    } rows[] = {
        {"standard", GIVEN, true},     {"standard", "whsec_c2hvcnQ=", false},
        {"standard", "plain", false},  {"xsolla", "a secret", false},
        {"xsolla", "PROJECT_1", true}, {"xsolla", "short", false},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        char settings[200];
        snprintf(settings, sizeof(settings), URL ",\"preset\":\"%s\"}", rows[i].preset);
        struct endpoint_write *write = endpoint_fixture_new(fixture, ENDPOINT_CREATE, 0, settings);
        buf_append_text(&write->secret, rows[i].secret);
        if (!rows[i].is_good) {
            endpoint_fixture_refused(write, API_ERROR_INVALID_FIELD, "secret:");
            continue;
        }
        endpoint_fixture_run(write);
        assert_int_equal(write->error, API_ERROR_NONE);
        expect_member(write, "secret", rows[i].secret);
        endpoint_write_free(&write);
    }
}

static void bad_settings_are_refused_with_a_sentence(void **state)
{
    struct service_fixture *fixture = *state;
    static const struct {
        const char *settings;
        enum api_error error;
        const char *sentence;
    } rows[] = {
        {"{}", API_ERROR_INVALID_FIELD, "url"},
        {"", API_ERROR_INVALID_FIELD, "url"},
        {"{", API_ERROR_BAD_JSON, ""},
        {"[]", API_ERROR_INVALID_FIELD, "object"},
        {"{\"url\":\"http://10.0.0.1/\"}", API_ERROR_INVALID_FIELD, "url:"},
        {"{\"url\":\"ftp://example.com/\"}", API_ERROR_INVALID_FIELD, "url:"},
        {"{\"url\":\"http://a:b@127.0.0.1/\"}", API_ERROR_INVALID_FIELD, "url:"},
        {URL ",\"unknown\":1}", API_ERROR_INVALID_FIELD, "unknown"},
        {URL ",\"preset\":\"other\"}", API_ERROR_INVALID_FIELD, "preset:"},
        {URL ",\"statuses\":[\"expired\"]}", API_ERROR_INVALID_FIELD, "statuses"},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        endpoint_fixture_refused(
            endpoint_fixture_new(fixture, ENDPOINT_CREATE, 0, rows[i].settings), rows[i].error,
            rows[i].sentence);
    int64_t id = add(fixture, URL "}");
    for (size_t i = 4; i < ARRAY_LENGTH(rows); i++)
        endpoint_fixture_refused(
            endpoint_fixture_new(fixture, ENDPOINT_CHANGE, id, rows[i].settings), rows[i].error,
            rows[i].sentence);
}

static void a_project_has_so_many_at_most(void **state)
{
    struct service_fixture *fixture = *state;
    for (int i = 0; i < LIMIT_WEBHOOK_ENDPOINTS; i++)
        add(fixture, URL "}");
    endpoint_fixture_refused(endpoint_fixture_new(fixture, ENDPOINT_CREATE, 0, URL "}"),
                             API_ERROR_INVALID_FIELD, "as many webhooks");
}

static void what_others_have_is_not_found(void **state)
{
    struct service_fixture *fixture = *state;
    int64_t id = add(fixture, URL "}");
    int64_t delivery = endpoint_fixture_do(fixture, ENDPOINT_EXAMPLE, id, "", "delivery_id");
    for (int kind = ENDPOINT_CHANGE; kind <= ENDPOINT_REPLAY; kind++) {
        struct endpoint_write *write =
            endpoint_write_new(&fixture->service, (enum endpoint_write_kind)kind, PROJECT + 1);
        write->endpoint_id = id;
        write->delivery_id = delivery;
        endpoint_fixture_refused(write,
                                 kind == ENDPOINT_RETRY ? API_ERROR_DELIVERY_NOT_FOUND
                                                        : API_ERROR_WEBHOOK_NOT_FOUND,
                                 "");
    }
    endpoint_fixture_refused(endpoint_write_new(&fixture->service, ENDPOINT_CREATE, PROJECT + 1),
                             API_ERROR_PROJECT_NOT_FOUND, "");
}

static void a_change_keeps_the_rest(void **state)
{
    struct service_fixture *fixture = *state;
    int64_t id = add(fixture, URL ",\"description\":\"mine\",\"concurrency\":3}");
    struct webhook_endpoint before = read_stored(fixture, id);
    struct endpoint_write *write = endpoint_fixture_new(
        fixture, ENDPOINT_CHANGE, id, "{\"statuses\":[\"done\"],\"concurrency\":null}");
    endpoint_fixture_run(write);
    assert_int_equal(write->error, API_ERROR_NONE);
    expect_member(write, "description", "mine");
    expect_member(write, "secret", "(none)");
    endpoint_write_free(&write);
    struct webhook_endpoint after = read_stored(fixture, id);
    assert_true(str_equal(after.secret, before.secret));
    assert_int_equal(after.statuses, 1U << ORDER_DONE);
    assert_int_equal(before.concurrency, 3);
    assert_int_not_equal(after.concurrency, 3);
    webhook_endpoint_fini(&before);
    webhook_endpoint_fini(&after);
}

static void a_preset_needs_a_secret_that_fits(void **state)
{
    struct service_fixture *fixture = *state;
    int64_t xsolla = add(fixture, URL ",\"preset\":\"xsolla\"}");
    endpoint_fixture_refused(
        endpoint_fixture_new(fixture, ENDPOINT_CHANGE, xsolla, "{\"preset\":\"standard\"}"),
        API_ERROR_INVALID_FIELD, "preset:");
    int64_t standard = add(fixture, URL "}");
    endpoint_fixture_do(fixture, ENDPOINT_CHANGE, standard, "{\"preset\":\"xsolla\"}", "id");
}

#define PEM "-----BEGIN PRIVATE KEY-----\\nAA==\\n-----END PRIVATE KEY-----\\n"

static void the_clients_key_is_sealed_too(void **state)
{
    struct service_fixture *fixture = *state;
    struct store_endpoint stored;
    int64_t id = add(fixture, URL ",\"client_key\":\"" PEM "\"}");
    assert_int_equal(store_endpoint_get(fixture->service.reader, id, &stored), 0);
    struct json *settings = json_parse(stored.settings, NULL);
    assert_null(json_get(settings, "client_key"));
    json_free(&settings);
    struct webhook_endpoint before = read_stored(fixture, id);
    assert_true(str_starts_with(before.client_key, STR_LIT("-----BEGIN")));

    endpoint_fixture_do(fixture, ENDPOINT_CHANGE, id, "{\"description\":\"x\"}", "id");
    struct webhook_endpoint after = read_stored(fixture, id);
    assert_true(str_equal(after.client_key, before.client_key));
    webhook_endpoint_fini(&after);
    endpoint_fixture_do(fixture, ENDPOINT_ROTATE, id, "", "id");
    after = read_stored(fixture, id);
    assert_true(str_equal(after.client_key, before.client_key));
    webhook_endpoint_fini(&after);
    endpoint_fixture_do(fixture, ENDPOINT_CHANGE, id, "{\"client_key\":null}", "id");
    after = read_stored(fixture, id);
    assert_int_equal(after.client_key.len, 0);
    assert_true(after.secret.len > 0);
    webhook_endpoint_fini(&after);
    webhook_endpoint_fini(&before);
}

static void states_change_and_say_why(void **state)
{
    static const struct {
        enum endpoint_write_kind kind;
        const char *state;
    } rows[] = {
        {ENDPOINT_PAUSE, "paused"},  {ENDPOINT_PAUSE, "paused"}, {ENDPOINT_RESUME, "active"},
        {ENDPOINT_RESUME, "active"}, {ENDPOINT_PAUSE, "paused"},
    };
    struct service_fixture *fixture = *state;
    int64_t id = add(fixture, URL "}");
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        char reason[200];
        struct endpoint_write *write = endpoint_fixture_new(fixture, rows[i].kind, id, "");
        endpoint_fixture_run(write);
        expect_member(write, "state", rows[i].state);
        member(write, "state_reason", reason);
        assert_int_equal(reason[0] != '\0', rows[i].kind == ENDPOINT_PAUSE);
        endpoint_write_free(&write);
    }
    endpoint_fixture_do(fixture, ENDPOINT_DELETE, id, "", NULL);
    endpoint_fixture_refused(endpoint_fixture_new(fixture, ENDPOINT_RESUME, id, ""),
                             API_ERROR_WEBHOOK_NOT_FOUND, "");
}

static void rotate(struct service_fixture *fixture, int64_t id, const char *secret, int64_t overlap,
                   char told[200])
{
    struct endpoint_write *write = endpoint_fixture_new(fixture, ENDPOINT_ROTATE, id, "");
    buf_append_text(&write->secret, secret);
    write->overlap = overlap;
    endpoint_fixture_run(write);
    assert_int_equal(write->error, API_ERROR_NONE);
    assert_int_equal(endpoint_fixture_id(write, "id"), id);
    member(write, "secret", told);
    endpoint_write_free(&write);
}

/* Who did not see the answer rotates again; the receiver still has the first secret. */
static void rotating_again_keeps_those_that_still_sign(void **state)
{
    struct service_fixture *fixture = *state;
    char secrets[WEBHOOK_PREVIOUS_MAX + 3][200];
    char expected[WEBHOOK_PREVIOUS_MAX * 200];
    int64_t id = add(fixture, URL "}");
    struct webhook_endpoint stored = read_stored(fixture, id);
    int64_t until = 0;
    snprintf(secrets[0], sizeof(secrets[0]), "%.*s", STR_ARG(stored.secret));
    for (int i = 1; i <= WEBHOOK_PREVIOUS_MAX + 2; i++) {
        webhook_endpoint_fini(&stored);
        rotate(fixture, id, "", i == 2 ? 1000 : 60000, secrets[i]);
        stored = read_stored(fixture, id);
        int length = 0;
        for (int j = i - 1; j >= 0 && j >= i - WEBHOOK_PREVIOUS_MAX; j--)
            length += snprintf(expected + length, sizeof(expected) - (size_t)length, "%s%s",
                               length > 0 ? " " : "", secrets[j]);
        assert_true(str_equal_text(stored.secret, secrets[i]));
        assert_true(str_equal_text(stored.previous_secrets, expected));
        assert_true(stored.previous_until >= until);
        until = stored.previous_until;
    }
    webhook_endpoint_fini(&stored);
    rotate(fixture, id, "", 0, secrets[0]);
    stored = read_stored(fixture, id);
    assert_int_equal(stored.previous_secrets.len, 0);
    webhook_endpoint_fini(&stored);
}

static void the_old_secret_signs_for_a_while(void **state)
{
    struct service_fixture *fixture = *state;
    char told[200];
    int64_t id = add(fixture, URL "}");
    struct webhook_endpoint first = read_stored(fixture, id);
    rotate(fixture, id, "", 60000, told);
    struct webhook_endpoint second = read_stored(fixture, id);
    assert_true(str_equal_text(second.secret, told));
    assert_false(str_equal(second.secret, first.secret));
    assert_true(str_equal(second.previous_secrets, first.secret));
    assert_true(second.previous_until > 60000);
    rotate(fixture, id, GIVEN, 0, told);
    assert_string_equal(told, GIVEN);
    struct webhook_endpoint third = read_stored(fixture, id);
    assert_true(str_equal_text(third.secret, GIVEN));
    assert_int_equal(third.previous_secrets.len, 0);
    webhook_endpoint_fini(&first);
    webhook_endpoint_fini(&second);
    webhook_endpoint_fini(&third);

    struct endpoint_write *write = endpoint_fixture_new(fixture, ENDPOINT_ROTATE, id, "");
    buf_append_text(&write->secret, "whsec_");
    endpoint_fixture_refused(write, API_ERROR_INVALID_FIELD, "secret:");
}

static struct endpoint_write *create_with_key(struct service_fixture *fixture, uint8_t hash)
{
    struct endpoint_write *write = endpoint_fixture_new(fixture, ENDPOINT_CREATE, 0, URL "}");
    write->idempotency.key = STR_LIT("key-1");
    write->idempotency.hash[0] = hash;
    endpoint_fixture_run(write);
    return write;
}

static void a_repeated_key_tells_the_secret_again(void **state)
{
    struct service_fixture *fixture = *state;
    char secret[200];
    struct store_idempotency kept;
    struct endpoint_write *first = create_with_key(fixture, 1);
    struct endpoint_write *again = create_with_key(fixture, 1);
    assert_int_equal(first->error, API_ERROR_NONE);
    assert_false(first->replayed);
    assert_int_equal(again->error, API_ERROR_NONE);
    assert_true(again->replayed);
    assert_true(str_equal(buf_view(&again->answer), buf_view(&first->answer)));
    member(first, "secret", secret);
    endpoint_write_free(&first);
    endpoint_write_free(&again);

    /* In the store it is sealed. */
    assert_int_equal(
        store_idempotency_get(fixture->service.reader, PROJECT, STR_LIT("key-1"), &kept), 0);
    for (size_t i = 0; i + strlen(secret) <= kept.answer.len; i++)
        assert_memory_not_equal(kept.answer.ptr + i, secret, strlen(secret));

    struct endpoint_write *other = create_with_key(fixture, 2);
    assert_int_equal(other->error, API_ERROR_IDEMPOTENCY_OTHER);
    endpoint_write_free(&other);
    endpoint_fixture_refused(endpoint_fixture_new(fixture, ENDPOINT_PAUSE, 2, ""),
                             API_ERROR_WEBHOOK_NOT_FOUND, "");
}

static void an_order_and_a_webhook_share_keys(void **state)
{
    struct service_fixture *fixture = *state;
    struct endpoint_write *first = create_with_key(fixture, 1);
    struct order_write *order = order_write_new(&fixture->service, PROJECT, 1);
    order->inputs[0].user_external_id = STR_LIT("u1");
    order->idempotency.key = STR_LIT("key-1");
    service_fixture_run(order);
    assert_int_equal(order->error, API_ERROR_IDEMPOTENCY_OTHER);
    order_write_free(&order);
    endpoint_write_free(&first);
}

static void a_refusal_is_not_kept(void **state)
{
    struct service_fixture *fixture = *state;
    struct endpoint_write *write = endpoint_fixture_new(fixture, ENDPOINT_PAUSE, 1, "");
    write->idempotency.key = STR_LIT("key-2");
    endpoint_fixture_refused(write, API_ERROR_WEBHOOK_NOT_FOUND, "");
    assert_int_equal(add(fixture, URL "}"), 1);
    write = endpoint_fixture_new(fixture, ENDPOINT_PAUSE, 1, "");
    write->idempotency.key = STR_LIT("key-2");
    endpoint_fixture_run(write);
    assert_int_equal(write->error, API_ERROR_NONE);
    assert_false(write->replayed);
    endpoint_write_free(&write);
}

static void examples_are_deliveries_of_no_order(void **state)
{
    struct service_fixture *fixture = *state;
    struct store_delivery_payload payload;
    int64_t id = add(fixture, URL ",\"preset\":\"xsolla\"}");
    int64_t delivery = endpoint_fixture_do(fixture, ENDPOINT_EXAMPLE, id, "", "delivery_id");
    assert_int_equal(store_delivery_payload(fixture->service.reader, delivery, &payload), 0);
    assert_int_equal(payload.delivery.order_id, 0);
    assert_true(str_equal_text(payload.delivery.type, "example"));
    assert_true(payload.body.len > 10);
    struct endpoint_write *write = endpoint_fixture_new(fixture, ENDPOINT_EXAMPLE, id, "");
    write->status = ORDER_NEW;
    endpoint_fixture_refused(write, API_ERROR_INVALID_FIELD, "status:");
}

static void a_finished_delivery_can_be_retried(void **state)
{
    struct service_fixture *fixture = *state;
    int64_t id = add(fixture, URL "}");
    int64_t delivery = endpoint_fixture_do(fixture, ENDPOINT_EXAMPLE, id, "", "delivery_id");
    struct endpoint_write *write = endpoint_fixture_new(fixture, ENDPOINT_RETRY, 0, "");
    write->delivery_id = delivery;
    endpoint_fixture_refused(write, API_ERROR_DELIVERY_NOT_FINISHED, "");
    endpoint_fixture_do(fixture, ENDPOINT_DELETE, id, "", NULL);
    write = endpoint_fixture_new(fixture, ENDPOINT_RETRY, 0, "");
    write->delivery_id = delivery;
    endpoint_fixture_refused(write, API_ERROR_WEBHOOK_NOT_FOUND, "");
    write = endpoint_fixture_new(fixture, ENDPOINT_RETRY, 0, "");
    write->delivery_id = delivery + 1;
    endpoint_fixture_refused(write, API_ERROR_DELIVERY_NOT_FOUND, "");
}

static void a_replay_is_a_row(void **state)
{
    struct service_fixture *fixture = *state;
    struct store_replay replay;
    int64_t id = add(fixture, URL "}");
    struct endpoint_write *write = endpoint_fixture_new(fixture, ENDPOINT_REPLAY, id, "");
    write->since = 5000;
    endpoint_fixture_run(write);
    assert_int_equal(
        store_replay_get(fixture->service.reader, endpoint_fixture_id(write, "replay_id"), &replay),
        0);
    endpoint_write_free(&write);
    assert_int_equal(replay.project_id, PROJECT);
    assert_int_equal(replay.endpoint_id, id);
    assert_int_equal(replay.since, 5000);
    assert_true(replay.until >= replay.created_at);
    assert_int_equal(replay.finished_at, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_secret_is_told_once),
        TEST(a_given_secret_is_kept),
        TEST(bad_settings_are_refused_with_a_sentence),
        TEST(a_project_has_so_many_at_most),
        TEST(what_others_have_is_not_found),
        TEST(a_change_keeps_the_rest),
        TEST(a_preset_needs_a_secret_that_fits),
        TEST(the_clients_key_is_sealed_too),
        TEST(states_change_and_say_why),
        TEST(the_old_secret_signs_for_a_while),
        TEST(rotating_again_keeps_those_that_still_sign),
        TEST(a_repeated_key_tells_the_secret_again),
        TEST(an_order_and_a_webhook_share_keys),
        TEST(a_refusal_is_not_kept),
        TEST(examples_are_deliveries_of_no_order),
        TEST(a_finished_delivery_can_be_retried),
        TEST(a_replay_is_a_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
