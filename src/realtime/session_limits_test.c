/* SPDX-License-Identifier: Apache-2.0 */
/* How much one client, and one user, may ask of the server. */
#include "realtime/session_fixture.h"

#include "base/quota.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define CONNECT "{\"id\":1,\"connect\":{\"data\":{\"auth\":\"$T\",\"project_id\":1}}}"
#define NOT_AVAILABLE(id)                                                                          \
    "{\"id\":" #id ",\"error\":{\"code\":108,\"message\":\"not available\"}}\n"
#define TOO_MANY "close 3013 too many requests\n"

static int set_up(void **state)
{
    static struct fixture fixture;
    fixture_init(&fixture);
    fixture.service.quota = quota_new();
    *state = &fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    quota_free(&fixture->service.quota);
    fixture_fini(fixture);
    return 0;
}

static void test_too_many_commands_a_second(void **state)
{
    struct fixture *fixture = *state;
    struct client client;
    fixture->options.commands_per_second = 3;
    client_connect(&client, fixture);
    client_say(&client, "{}\n{}\n{}");
    client_say(&client, "{\"id\":2,\"rpc\":{}}\n{\"id\":3,\"rpc\":{}}");
    assert_string_equal(client_log(&client), NOT_AVAILABLE(2) NOT_AVAILABLE(3));
    client_say(&client, "{\"id\":4,\"rpc\":{}}");
    assert_string_equal(client_log(&client), NOT_AVAILABLE(2) NOT_AVAILABLE(3) TOO_MANY);
    client_fini(&client);
}

static void test_too_many_connections_of_a_user(void **state)
{
    struct fixture *fixture = *state;
    struct client first;
    struct client second;
    fixture->options.connections_per_user = 1;
    client_connect(&first, fixture);
    for (int i = 0; i < 2; i++) {
        /* One that is refused takes no place, and gives none back. */
        client_open(&second, fixture);
        client_say(&second, CONNECT);
        assert_string_equal(client_log(&second), TOO_MANY);
        client_fini(&second);
    }
    client_fini(&first);
    client_connect(&second, fixture);
    client_fini(&second);
}

/* Of all connections of a user together; it is no reason to close. */
static void test_too_many_histories_of_a_user(void **state)
{
    static const char history[] =
        "{\"id\":2,\"history\":{\"channel\":\"orders:1#u1\",\"limit\":1}}";
    struct fixture *fixture = *state;
    struct client clients[2];
    fixture->service_options.requests_per_user = 2;
    for (int i = 0; i < 2; i++)
        client_connect(&clients[i], fixture);
    for (int i = 0; i < 5; i++) {
        struct client *client = &clients[i % 2];
        client_say(client, history);
        bool is_refused = strstr(client_log(client), "{\"id\":2,\"error\":{\"code\":111,") != NULL;
        assert_int_equal(is_refused, i == 4);
    }
    for (int i = 0; i < 2; i++)
        client_fini(&clients[i]);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_too_many_commands_a_second),
        TEST(test_too_many_connections_of_a_user),
        TEST(test_too_many_histories_of_a_user),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
