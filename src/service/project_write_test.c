/* SPDX-License-Identifier: Apache-2.0 */
/* Projects and keys: made, changed, shown without secrets, and known to auth at once. */
#include "service/project_write.h"

#include "auth/auth_settings.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/limits.h"
#include "codec/base64.h"
#include "codec/json.h"
#include "service/service_fixture.h"

#include <stdio.h>
#include <string.h>

#define PROJECT SERVICE_FIXTURE_PROJECT

static void project_done(struct project_write *write)
{
    loop_stop(write->service->loop);
}

/* Runs the write, which stays the caller's. */
static void run(struct project_write *write)
{
    write->done = project_done;
    assert_int_equal(project_write_submit(write), 0);
    loop_run(write->service->loop);
}

static struct project_write *run_kind(struct service_fixture *fixture, enum project_write_kind kind,
                                      int32_t project_id, const char *settings)
{
    struct project_write *write = project_write_new(&fixture->service, kind, project_id);
    buf_append_text(&write->settings, settings);
    run(write);
    return write;
}

/* A text of a JSON object, copied. */
static void copy_member(const struct buf *text, const char *name, char *out, size_t size)
{
    struct str value;
    struct json *document = json_parse(buf_view(text), NULL);
    assert_true(json_as_string(json_get(document, name), &value));
    snprintf(out, size, "%.*s", STR_ARG(value));
    json_free(&document);
}

static int call_with(struct service_fixture *fixture, int32_t project_id, const char *api_key)
{
    char caller[AUTH_CALLER_SIZE];
    const struct auth_project *project;
    struct buf plain;
    struct buf header;
    buf_init(&plain, 1000);
    buf_init(&header, 1000);
    buf_printf(&plain, "%d:%s", project_id, api_key);
    buf_append_text(&header, "Basic ");
    base64_encode(buf_view(&plain), &header);
    int rc = auth_merchant(fixture->service.auth, project_id, buf_view(&header), &project, caller);
    buf_fini(&plain);
    buf_fini(&header);
    return rc;
}

static void expect(const struct buf *out, const char *text)
{
    if (!str_equal_text(buf_view(out), text))
        fail_msg("%.*s", (int)out->len, out->ptr);
}

static void a_new_project_tells_its_secrets_once(void **state)
{
    struct service_fixture *fixture = *state;
    char expected[400];
    char api_key[100];
    char user_token_secret[100];
    char webhook_secret[100];
    struct buf shown;
    struct project_write *write = run_kind(fixture, PROJECT_CREATE, PROJECT, "{\"name\":\"Shop\"}");
    assert_int_equal(write->error, API_ERROR_NONE);
    copy_member(&write->answer, "api_key", api_key, sizeof(api_key));
    copy_member(&write->answer, "user_token_secret", user_token_secret, sizeof(user_token_secret));
    copy_member(&write->answer, "webhook_secret", webhook_secret, sizeof(webhook_secret));
    snprintf(expected, sizeof(expected),
             "{\"project_id\":77640,\"merchant_id\":77640,\"api_key\":\"%s\","
             "\"user_token_secret\":\"%s\",\"webhook_secret\":\"%s\"}",
             api_key, user_token_secret, webhook_secret);
    expect(&write->answer, expected);
    assert_int_equal(strlen(user_token_secret), 40);
    assert_int_equal(strlen(webhook_secret), strlen("whsec_") + 44);
    assert_memory_equal(webhook_secret, "whsec_", 6);
    project_write_free(&write);
    assert_null(write);

    assert_int_equal(call_with(fixture, PROJECT, api_key), 0);
    buf_init(&shown, 4000);
    assert_int_equal(project_read(&fixture->service, PROJECT, &shown), 0);
    assert_int_equal(project_read_list(&fixture->service, 0, &shown), 0);
    assert_int_equal(project_read_keys(&fixture->service, PROJECT, &shown), 0);
    buf_append_byte(&shown, '\0');
    assert_non_null(strstr(shown.ptr, "\"name\":\"Shop\""));
    assert_non_null(strstr(shown.ptr, "\"label\":\"first\""));
    assert_null(strstr(shown.ptr, api_key));
    assert_null(strstr(shown.ptr, user_token_secret));
    assert_null(strstr(shown.ptr, webhook_secret));
    buf_fini(&shown);
}

static void rotate(struct service_fixture *fixture, int64_t overlap, char secret[100])
{
    struct project_write *write = project_write_new(&fixture->service, PROJECT_ROTATE, PROJECT);
    write->overlap = overlap;
    run(write);
    assert_int_equal(write->error, API_ERROR_NONE);
    copy_member(&write->answer, "user_token_secret", secret, 100);
    project_write_free(&write);
}

static void read_stored(struct service_fixture *fixture, struct auth_settings *settings)
{
    struct store_project project;
    assert_int_equal(store_project_get(fixture->service.reader, PROJECT, &project), 0);
    assert_int_equal(auth_settings_read_stored(project.settings, settings), 0);
}

/* Who did not see the answer rotates again; those who sign still have the first secret. */
static void each_secret_serves_until_its_own_end(void **state)
{
    struct service_fixture *fixture = *state;
    struct auth_settings settings;
    char secrets[AUTH_PREVIOUS_MAX + 3][100];
    struct project_write *write = run_kind(fixture, PROJECT_CREATE, PROJECT, "");
    copy_member(&write->answer, "user_token_secret", secrets[0], sizeof(secrets[0]));
    project_write_free(&write);
    for (int i = 1; i <= AUTH_PREVIOUS_MAX + 2; i++) {
        rotate(fixture, (int64_t)(100 - i) * CLOCK_MINUTE, secrets[i]);
        read_stored(fixture, &settings);
        assert_true(str_equal_text(settings.user_token_secret, secrets[i]));
        int kept = i < AUTH_PREVIOUS_MAX ? i : AUTH_PREVIOUS_MAX;
        assert_int_equal(settings.previous_count, kept);
        for (int j = 0; j < kept; j++) {
            assert_true(str_equal_text(settings.previous[j].secret, secrets[i - 1 - j]));
            assert_true(j == 0 || settings.previous[j].until > settings.previous[j - 1].until);
        }
        auth_settings_fini(&settings);
    }
    rotate(fixture, 0, secrets[0]);
    read_stored(fixture, &settings);
    assert_int_equal(settings.previous_count, 0);
    auth_settings_fini(&settings);
}

/* One whose end has come is not carried on. */
static void what_is_over_is_forgotten(void **state)
{
    struct service_fixture *fixture = *state;
    struct auth_settings settings;
    char secret[100];
    struct project_write *write =
        run_kind(fixture, PROJECT_CREATE, PROJECT,
                 "{\"previous_user_token_secret\":\"0123456789abcdef\","
                 "\"previous_user_token_secret_until\":\"2026-01-01T00:00:00Z\"}");
    assert_int_equal(write->error, API_ERROR_NONE);
    project_write_free(&write);
    rotate(fixture, CLOCK_MINUTE, secret);
    read_stored(fixture, &settings);
    assert_int_equal(settings.previous_count, 1);
    auth_settings_fini(&settings);
}

static void what_a_creation_refuses(void **state)
{
    static const struct {
        const char *settings;
        enum api_error error;
        const char *detail;
    } rows[] = {
        {"{\"nmae\":\"x\"}", API_ERROR_INVALID_FIELD, "nmae: unknown field, did you mean name?"},
        {"{\"name\"", API_ERROR_BAD_JSON, "line 1, column 7: the JSON ends too early"},
        {"{\"user_token_secret\":\"short\"}", API_ERROR_INVALID_FIELD,
         "user_token_secret: must have 16 to 512 bytes"},
        {"", API_ERROR_NONE, ""},
        {"", API_ERROR_PROJECT_EXISTS, ""},
    };
    struct service_fixture *fixture = *state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct project_write *write = run_kind(fixture, PROJECT_CREATE, PROJECT, rows[i].settings);
        assert_int_equal(write->error, rows[i].error);
        assert_string_equal(write->detail, rows[i].detail);
        assert_int_equal(write->answer.len == 0, rows[i].error != API_ERROR_NONE);
        project_write_free(&write);
    }
}

static void given_secrets_win(void **state)
{
    char secret[100];
    struct project_write *write =
        project_write_new(&((struct service_fixture *)*state)->service, PROJECT_CREATE, PROJECT);
    write->merchant_id = 12;
    buf_append_text(&write->settings, "{\"user_token_secret\":\"a secret of ours\"}");
    run(write);
    copy_member(&write->answer, "user_token_secret", secret, sizeof(secret));
    assert_string_equal(secret, "a secret of ours");
    assert_true(str_starts_with(buf_view(&write->answer),
                                STR_LIT("{\"project_id\":77640,\"merchant_id\":12,")));
    project_write_free(&write);
}

static void changes_are_known_at_once(void **state)
{
    struct service_fixture *fixture = *state;
    const struct auth_project *project;
    struct project_write *write = run_kind(fixture, PROJECT_CHANGE, PROJECT, "{\"strict\":true}");
    assert_int_equal(write->error, API_ERROR_PROJECT_NOT_FOUND);
    project_write_free(&write);
    write = run_kind(fixture, PROJECT_CREATE, PROJECT, "");
    project_write_free(&write);
    assert_int_equal(auth_project(fixture->service.auth, PROJECT, &project), 0);
    assert_false(project->settings.strict);

    write = run_kind(fixture, PROJECT_CHANGE, PROJECT, "{\"strict\":true,\"name\":\"N\"}");
    assert_int_equal(write->error, API_ERROR_NONE);
    assert_true(str_starts_with(
        buf_view(&write->answer),
        STR_LIT("{\"project_id\":77640,\"merchant_id\":77640,\"settings\":{\"name\":\"N\","
                "\"strict\":true,\"legacy_socket\":false,\"allowed_origins\":null,\"webhook_allow_"
                "cidrs\":[],\"verifiers\":["
                "]},\"created_at\":\"")));
    project_write_free(&write);
    assert_int_equal(auth_project(fixture->service.auth, PROJECT, &project), 0);
    assert_true(project->settings.strict);
    assert_int_equal(project->settings.user_token_secret.len, 40);

    write = run_kind(fixture, PROJECT_CHANGE, PROJECT, "{\"strict\":\"no\"}");
    assert_int_equal(write->error, API_ERROR_INVALID_FIELD);
    assert_string_equal(write->detail, "strict: expected a boolean, got a string");
    project_write_free(&write);
}

static struct project_write *add_key(struct service_fixture *fixture, int32_t project_id,
                                     bool merchant_wide)
{
    struct project_write *write = project_write_new(&fixture->service, PROJECT_ADD_KEY, project_id);
    write->merchant_wide = merchant_wide;
    snprintf(write->label, sizeof(write->label), "backend \"2\"");
    run(write);
    return write;
}

static enum api_error delete_key(struct service_fixture *fixture, int32_t project_id,
                                 const char *key_id)
{
    struct project_write *write =
        project_write_new(&fixture->service, PROJECT_DELETE_KEY, project_id);
    assert_true(strlen(key_id) < sizeof(write->key_id));
    memcpy(write->key_id, key_id, strlen(key_id) + 1);
    run(write);
    enum api_error error = write->error;
    project_write_free(&write);
    return error;
}

static void create_for_merchant(struct service_fixture *fixture, int32_t project_id)
{
    struct project_write *write = project_write_new(&fixture->service, PROJECT_CREATE, project_id);
    write->merchant_id = 12;
    run(write);
    assert_int_equal(write->error, API_ERROR_NONE);
    project_write_free(&write);
}

static void keys_come_and_go(void **state)
{
    struct service_fixture *fixture = *state;
    char own[100];
    char wide[100];
    char own_id[100];
    create_for_merchant(fixture, 1);
    create_for_merchant(fixture, 2);
    struct project_write *write = add_key(fixture, 3, false);
    assert_int_equal(write->error, API_ERROR_PROJECT_NOT_FOUND);
    project_write_free(&write);
    write = add_key(fixture, 1, false);
    assert_int_equal(write->error, API_ERROR_NONE);
    copy_member(&write->answer, "api_key", own, sizeof(own));
    copy_member(&write->answer, "key_id", own_id, sizeof(own_id));
    project_write_free(&write);
    write = add_key(fixture, 1, true);
    copy_member(&write->answer, "api_key", wide, sizeof(wide));
    project_write_free(&write);

    assert_int_equal(call_with(fixture, 1, own), 0);
    assert_int_equal(call_with(fixture, 2, own), ERR_DENIED);
    assert_int_equal(call_with(fixture, 1, wide), 0);
    assert_int_equal(call_with(fixture, 2, wide), 0);

    assert_int_equal(delete_key(fixture, 1, "nosuchkey"), API_ERROR_KEY_NOT_FOUND);
    assert_int_equal(delete_key(fixture, 2, own_id), API_ERROR_KEY_NOT_FOUND);
    assert_int_equal(delete_key(fixture, 3, own_id), API_ERROR_PROJECT_NOT_FOUND);
    assert_int_equal(call_with(fixture, 1, own), 0);
    assert_int_equal(delete_key(fixture, 1, own_id), API_ERROR_NONE);
    assert_int_equal(call_with(fixture, 1, own), ERR_DENIED);
    assert_int_equal(call_with(fixture, 1, wide), 0);
}

static void keys_are_bounded(void **state)
{
    struct service_fixture *fixture = *state;
    create_for_merchant(fixture, 1);
    for (int i = 1; i <= LIMIT_API_KEYS; i++) {
        struct project_write *write = add_key(fixture, 1, false);
        assert_int_equal(write->error,
                         i < LIMIT_API_KEYS ? API_ERROR_NONE : API_ERROR_INVALID_FIELD);
        project_write_free(&write);
    }
}

static void lists_have_pages(void **state)
{
    struct service_fixture *fixture = *state;
    struct buf out;
    int64_t after = 0;
    size_t seen = 0;
    for (int32_t id = 1; id <= 101; id++)
        create_for_merchant(fixture, id);
    buf_init(&out, LIMIT_HTTP_RESPONSE);
    do {
        buf_clear(&out);
        assert_int_equal(project_read_list(&fixture->service, (int32_t)after, &out), 0);
        struct json *document = json_parse(buf_view(&out), NULL);
        assert_non_null(document);
        seen += json_length(json_get(document, "projects"));
        if (!json_as_int(json_get(document, "next_after"), &after))
            after = 0;
        json_free(&document);
    } while (after != 0);
    assert_int_equal(seen, 101);
    assert_int_equal(project_read(&fixture->service, 102, &out), ERR_NOT_FOUND);
    assert_int_equal(project_read_keys(&fixture->service, 102, &out), ERR_NOT_FOUND);
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_new_project_tells_its_secrets_once, service_fixture_setup,
                                        service_fixture_teardown),
        cmocka_unit_test_setup_teardown(each_secret_serves_until_its_own_end, service_fixture_setup,
                                        service_fixture_teardown),
        cmocka_unit_test_setup_teardown(what_is_over_is_forgotten, service_fixture_setup,
                                        service_fixture_teardown),
        cmocka_unit_test_setup_teardown(what_a_creation_refuses, service_fixture_setup,
                                        service_fixture_teardown),
        cmocka_unit_test_setup_teardown(given_secrets_win, service_fixture_setup,
                                        service_fixture_teardown),
        cmocka_unit_test_setup_teardown(changes_are_known_at_once, service_fixture_setup,
                                        service_fixture_teardown),
        cmocka_unit_test_setup_teardown(keys_come_and_go, service_fixture_setup,
                                        service_fixture_teardown),
        cmocka_unit_test_setup_teardown(keys_are_bounded, service_fixture_setup,
                                        service_fixture_teardown),
        cmocka_unit_test_setup_teardown(lists_have_pages, service_fixture_setup,
                                        service_fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
