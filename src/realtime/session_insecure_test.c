/* SPDX-License-Identifier: Apache-2.0 */
/* Clients without credentials, where realtime.insecure_user says who they are. */
#include "realtime/session_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static int set_up(void **state)
{
    static struct fixture fixture;
    fixture_init(&fixture);
    *state = &fixture;
    return 0;
}

static int tear_down(void **state)
{
    fixture_fini(*state);
    return 0;
}

/* What became of a connect command: the channel, or the close. */
static void check(struct fixture *fixture, const char *insecure_user, const char *connect,
                  const char *expected)
{
    char user[32] = "";
    struct client client;
    memcpy(user, insecure_user, strlen(insecure_user));
    fixture->options.insecure_user = user;
    client_open(&client, fixture);
    client_say(&client, connect);
    if (strstr(client_log(&client), expected) == NULL)
        fail_msg("%s, %s: %s", insecure_user, connect, client_log(&client));
    client_fini(&client);
    fixture->options.insecure_user = NULL;
}

#define CONNECT(fields) "{\"id\":1,\"connect\":{" fields "}}"
#define DATA(fields) CONNECT("\"data\":{" fields "}")
#define INVALID_TOKEN "close 3500 invalid token\n"

static void test_who_is_let_in(void **state)
{
    static const char *const rows[][2] = {
        {CONNECT(""), "\"orders:1#dev/1\""},
        {CONNECT("\"data\":null"), "\"orders:1#dev/1\""},
        {DATA(""), "\"orders:1#dev/1\""},
        {DATA("\"auth\":null,\"more\":1"), "\"orders:1#dev/1\""},
        {CONNECT("\"token\":\"of nobody knows what\""), "\"orders:1#dev/1\""},
        {DATA("\"auth\":\"$T\",\"project_id\":1"), "\"orders:1#u1\""},
        {DATA("\"auth\":\"$X\",\"project_id\":1"), INVALID_TOKEN},
        {DATA("\"auth\":\"$T\""), INVALID_TOKEN},
        {DATA("\"project_id\":1"), INVALID_TOKEN},
        {DATA("\"user_external_id\":\"u1\""), INVALID_TOKEN},
        {CONNECT("\"data\":[]"), "close 3501 bad request\n"},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        check(*state, "1/dev/1", rows[i][0], rows[i][1]);
}

static void test_who_is_not(void **state)
{
    check(*state, "", CONNECT(""), INVALID_TOKEN);
    check(*state, "3/u1", CONNECT(""), INVALID_TOKEN);
    fixture_break_store(true);
    check(*state, "1/u1", CONNECT(""), "close 3004 internal server error\n");
    fixture_break_store(false);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(test_who_is_let_in), TEST(test_who_is_not)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
