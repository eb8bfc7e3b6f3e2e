/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Conversations: what a client says, and all that it is told. The transport writes down what it is
 * given; the store, the hub, the tokens and the loop are real.
 */
#include "realtime/session_fixture.h"

#include "base/err.h"
#include "base/metrics.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define CHANNEL "orders:1#u1"
#define CONNECT_WITH(rest)                                                                         \
    "{\"id\":1,\"connect\":{\"data\":{\"auth\":\"$T\",\"project_id\":1}" rest "}}"
#define CONNECT CONNECT_WITH("")
#define SUBSCRIPTION(rest)                                                                         \
    "{\"" CHANNEL "\":{\"recoverable\":true,\"positioned\":true,\"epoch\":\"E\"" rest "}}"
#define REPLY_WITH(rest)                                                                           \
    "{\"id\":1,\"connect\":{\"client\":\"C\",\"version\":\"V\",\"subs\":" SUBSCRIPTION(            \
        rest) ",\"ping\":25,\"pong\":true}}\n"
#define REPLY REPLY_WITH("")
#define DATA(order, status) "{\"data\":{\"order_id\":" #order ",\"status\":\"" status "\"}"
#define PUBLICATION(order, status, offset) DATA(order, status) ",\"offset\":" #offset "}"
#define PUSH_OF(publication) "{\"push\":{\"channel\":\"" CHANNEL "\",\"pub\":" publication "}}\n"
#define PUSH(order, status, offset) PUSH_OF(PUBLICATION(order, status, offset))
#define LATEST(order, status) PUSH_OF(DATA(order, status) "}")
#define ERROR(id, code, message)                                                                   \
    "{\"id\":" #id ",\"error\":{\"code\":" #code ",\"message\":\"" message "\"}}\n"
#define BAD_REQUEST "close 3501 bad request\n"
#define INVALID_TOKEN "close 3500 invalid token\n"
#define NOT_AVAILABLE(id) ERROR(id, 108, "not available")
#define DENIED(id) ERROR(id, 103, "permission denied")

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
    assert_int_equal(metrics_value(METRIC_SESSIONS), 0);
    return 0;
}

struct conversation {
    const char *messages[6];
    const char *expected;
};

static void check_conversations(struct fixture *fixture, const struct conversation *rows,
                                size_t count, bool connected)
{
    for (size_t i = 0; i < count; i++) {
        struct client client;
        if (connected)
            client_connect(&client, fixture);
        else
            client_open(&client, fixture);
        for (size_t m = 0; m < ARRAY_LENGTH(rows[i].messages) && rows[i].messages[m]; m++)
            client_say(&client, rows[i].messages[m]);
        if (strcmp(client_log(&client), rows[i].expected) != 0)
            fail_msg("row %zu, %s\nexpected: %s\n     got: %s", i, rows[i].messages[0],
                     rows[i].expected, client_log(&client));
        client_fini(&client);
    }
}

static void test_connect(void **state)
{
    static const struct conversation rows[] = {
        {{CONNECT}, REPLY},
        {{"{\"connect\":{\"data\":{\"user_external_id\":\"u1\",\"auth\":\"$T\",\"project_id\":"
          "\"1\"},\"name\":\"js\"},\"id\":1}"},
         REPLY},
        {{"{\"id\":1,\"connect\":{\"token\":\"$T\",\"data\":{\"project_id\":1}}}"}, REPLY},
        /* Unreal's tabs, and the newline at the end that is legal. */
        {{"{\t\"connect\":\t{\t\t\"data\":\t\t{\t\t\t\"auth\":\"$T\",\t\t\t\"project_id\":1\t\t}"
          "\t},\t\"id\":1}\n"},
         REPLY},
        {{CONNECT "\n{\"id\":2,\"rpc\":{}}"}, REPLY NOT_AVAILABLE(2)},
        {{CONNECT, CONNECT, CONNECT}, REPLY BAD_REQUEST},
        /* Positions of other channels, and one that is not to be recovered. */
        {{CONNECT_WITH(",\"subs\":{\"orders:1#u2\":{\"recover\":true,\"epoch\":\"other\"}}")},
         REPLY},
        {{CONNECT_WITH(",\"subs\":{\"" CHANNEL "\":{\"recover\":false,\"epoch\":\"other\"}}")},
         REPLY},
    };
    check_conversations(*state, rows, ARRAY_LENGTH(rows), false);
}

static void test_connect_refused(void **state)
{
    static const struct conversation rows[] = {
        {{"{}"}, BAD_REQUEST},
        {{""}, BAD_REQUEST},
        {{"\n"}, BAD_REQUEST},
        {{"hello"}, BAD_REQUEST},
        {{"[]"}, BAD_REQUEST},
        {{"{\"id\":1}"}, BAD_REQUEST},
        {{"{\"id\":1,\"ping\":{}}"}, BAD_REQUEST},
        {{"{\"id\":1,\"history\":{\"channel\":\"" CHANNEL "\"}}"}, BAD_REQUEST},
        {{"{\"send\":{\"data\":1}}"}, BAD_REQUEST},
        {{"{\"id\":1,\"connect\":7}"}, BAD_REQUEST},
        {{"{\"connect\":{\"data\":{\"auth\":\"$T\",\"project_id\":1}}}"}, BAD_REQUEST},
        {{"{\"id\":1,\"connect\":{\"data\":[]}}", CONNECT}, BAD_REQUEST},
        {{"{\"id\":1,\"connect\":{\"data\":{\"auth\":7,\"project_id\":1}}}"}, BAD_REQUEST},
        {{"{\"id\":1,\"connect\":{}}"}, INVALID_TOKEN},
        {{"{\"id\":1,\"connect\":{\"token\":\"$T\"}}"}, INVALID_TOKEN},
        {{"{\"id\":1,\"connect\":{\"data\":{\"auth\":null,\"project_id\":1}}}"}, INVALID_TOKEN},
        {{"{\"id\":1,\"connect\":{\"data\":{\"auth\":\"a.b.c\",\"project_id\":1}}}", CONNECT},
         INVALID_TOKEN},
        {{"{\"id\":1,\"connect\":{\"data\":{\"auth\":\"$X\",\"project_id\":1}}}"}, INVALID_TOKEN},
        {{"{\"id\":1,\"connect\":{\"data\":{\"auth\":\"$O\",\"project_id\":1}}}"}, INVALID_TOKEN},
        {{"{\"id\":1,\"connect\":{\"data\":{\"auth\":\"$T\",\"project_id\":2}}}"}, INVALID_TOKEN},
        {{"{\"id\":1,\"connect\":{\"data\":{\"auth\":\"$T\",\"project_id\":3}}}"}, INVALID_TOKEN},
        {{"{\"id\":1,\"connect\":{\"data\":{\"auth\":\"$T\",\"project_id\":-1}}}"}, INVALID_TOKEN},
        {{"{\"id\":1,\"connect\":{\"data\":{\"auth\":\"$T\",\"project_id\":4294967297}}}"},
         INVALID_TOKEN},
        {{"{\"id\":1,\"connect\":{\"data\":{\"auth\":\"$T\",\"project_id\":-4294967295}}}"},
         INVALID_TOKEN},
        {{"{\"id\":1,\"connect\":{\"data\":{\"user_external_id\":\"u2\",\"auth\":\"$T\","
          "\"project_id\":1}}}"},
         INVALID_TOKEN},
    };
    int64_t refused = metrics_value(METRIC_CONNECTS__REFUSED);
    check_conversations(*state, rows, ARRAY_LENGTH(rows), false);
    assert_int_equal(metrics_value(METRIC_CONNECTS__REFUSED) - refused, 14);
}

static void test_commands(void **state)
{
    static const struct conversation rows[] = {
        {{"{}", "{}", "{}\n{}"}, ""},
        {{"{\"id\":2}"}, BAD_REQUEST},
        {{"{\"id\":2,\"ping\":{}}"}, BAD_REQUEST},
        {{"{\"id\":2,\"juggle\":{}}"}, BAD_REQUEST},
        {{"{\"rpc\":{}}"}, BAD_REQUEST},
        {{"{\"id\":2,\"rpc\":{}}\nhello", "{\"id\":3,\"rpc\":{}}"}, NOT_AVAILABLE(2) BAD_REQUEST},
        {{"{\"id\":2,\"rpc\":{}}\n\n{\"id\":3,\"rpc\":{}}"}, NOT_AVAILABLE(2) BAD_REQUEST},
        {{"{\"id\":2,\"subscribe\":{\"channel\":\"" CHANNEL "\"}}"},
         ERROR(2, 105, "already subscribed")},
        {{"{\"id\":2,\"subscribe\":{\"channel\":\"orders:1#u2\"}}"}, DENIED(2)},
        {{"{\"id\":2,\"subscribe\":{}}"}, BAD_REQUEST},
        {{"{\"id\":2,\"unsubscribe\":{\"channel\":\"" CHANNEL "\"}}"},
         "{\"id\":2,\"unsubscribe\":{}}\n"},
        {{"{\"id\":2,\"unsubscribe\":{\"channel\":\"x\"}}"}, "{\"id\":2,\"unsubscribe\":{}}\n"},
        {{"{\"id\":2,\"unsubscribe\":{}}"}, BAD_REQUEST},
        {{"{\"id\":2,\"publish\":{\"channel\":\"" CHANNEL "\",\"data\":{}}}"}, DENIED(2)},
        {{"{\"id\":2,\"publish\":{\"data\":{}}}"}, BAD_REQUEST},
        {{"{\"id\":2,\"presence\":{\"channel\":\"" CHANNEL "\"}}"}, NOT_AVAILABLE(2)},
        {{"{\"id\":2,\"presence_stats\":{\"channel\":\"x\"}}"}, NOT_AVAILABLE(2)},
        {{"{\"id\":2,\"refresh\":{\"token\":\"$T\"}}"}, BAD_REQUEST},
        {{"{\"id\":2,\"sub_refresh\":{\"channel\":\"" CHANNEL "\",\"token\":\"t\"}}"},
         NOT_AVAILABLE(2)},
        {{"{\"id\":2,\"sub_refresh\":{\"channel\":\"x\",\"token\":\"t\"}}"}, DENIED(2)},
        {{"{\"send\":{\"data\":1}}\n{\"id\":2,\"rpc\":{}}", "{}"}, "close 3508 not available\n"},
        {{"{\"id\":2,\"send\":{\"data\":1}}"}, "close 3508 not available\n"},
        {{"{\"id\":2,\"history\":{}}"}, BAD_REQUEST},
        {{"{\"id\":2,\"history\":{\"channel\":\"orders:1#u2\"}}"}, DENIED(2)},
    };
    check_conversations(*state, rows, ARRAY_LENGTH(rows), true);
}

static void test_too_many_commands_in_one_message(void **state)
{
    struct client client;
    struct buf message;
    buf_init(&message, 4096);
    client_connect(&client, *state);
    for (int i = 0; i < LIMIT_REALTIME_COMMANDS; i++)
        buf_append_text(&message, "{}\n");
    session_message(&client.session, buf_view(&message));
    assert_string_equal(client_log(&client), "");
    buf_append_text(&message, "{}");
    session_message(&client.session, buf_view(&message));
    assert_string_equal(client_log(&client), BAD_REQUEST);
    client_fini(&client);
    buf_fini(&message);
}

static void test_command_over_its_limit(void **state)
{
    struct client client;
    struct buf message;
    buf_init(&message, 2 * LIMIT_REALTIME_COMMAND);
    buf_append_text(&message, "{\"id\":2,\"rpc\":{\"data\":\"");
    while (message.len < LIMIT_REALTIME_COMMAND)
        buf_append_byte(&message, 'x');
    buf_append_text(&message, "\"}}");
    client_connect(&client, *state);
    session_message(&client.session, buf_view(&message));
    assert_string_equal(client_log(&client), BAD_REQUEST);
    client_fini(&client);
    buf_fini(&message);
}

/* Three events of u1's orders, all final, long enough ago that nobody is told of them. */
static void commit_three(struct fixture *fixture)
{
    fixture_commit(fixture, "u1", 7, ORDER_PAID);
    fixture_commit(fixture, "u1", 7, ORDER_DONE);
    fixture_commit(fixture, "u1", 8, ORDER_CANCELED);
    fixture->service_options.latest_window = -1;
}

#define FIRST PUBLICATION(7, "paid", 1)
#define SECOND PUBLICATION(7, "done", 2)
#define THIRD PUBLICATION(8, "canceled", 3)
#define HISTORY(id, publications, top)                                                             \
    "{\"id\":" #id ",\"history\":{\"publications\":[" publications                                 \
    "],\"epoch\":\"E\",\"offset\":" #top "}}\n"
#define ASK(id, rest) "{\"id\":" #id ",\"history\":{\"channel\":\"" CHANNEL "\"" rest "}}"

static void test_history(void **state)
{
    static const struct conversation rows[] = {
        {{ASK(2, "")}, HISTORY(2, "", 3)},
        {{ASK(2, ",\"limit\":-1")}, HISTORY(2, FIRST "," SECOND "," THIRD, 3)},
        {{ASK(2, ",\"since\":{\"offset\":0},\"limit\":-1")},
         HISTORY(2, FIRST "," SECOND "," THIRD, 3)},
        {{ASK(2, ",\"limit\":2"), ASK(3, ",\"limit\":2,\"since\":{\"offset\":2,\"epoch\":\"$E\"}")},
         HISTORY(2, FIRST "," SECOND, 3) HISTORY(3, THIRD, 3)},
        {{ASK(2, ",\"limit\":2,\"reverse\":true")}, HISTORY(2, THIRD "," SECOND, 3)},
        {{ASK(2, ",\"limit\":9,\"reverse\":true,\"since\":{\"offset\":2}")}, HISTORY(2, FIRST, 3)},
        {{ASK(2, ",\"limit\":9,\"reverse\":true,\"since\":{\"offset\":0}")},
         ERROR(2, 107, "bad request")},
        {{ASK(2, ",\"limit\":9,\"since\":{\"offset\":3}")}, HISTORY(2, "", 3)},
        {{ASK(2, ",\"limit\":9,\"since\":{\"offset\":99}")}, HISTORY(2, "", 3)},
        {{ASK(2, ",\"limit\":9,\"since\":{\"offset\":1,\"epoch\":\"other\"}")},
         ERROR(2, 112, "unrecoverable position")},
    };
    commit_three(*state);
    check_conversations(*state, rows, ARRAY_LENGTH(rows), true);
}

#define RECOVER(rest) CONNECT_WITH(",\"subs\":{\"" CHANNEL "\":{\"recover\":true" rest "}}")
#define RECOVERED ",\"was_recovering\":true,\"recovered\":true"
#define LOST ",\"offset\":3,\"was_recovering\":true"

static void test_recovery(void **state)
{
    static const struct conversation rows[] = {
        {{RECOVER(",\"offset\":1,\"epoch\":\"$E\"")},
         REPLY_WITH(",\"offset\":1" RECOVERED ",\"publications\":[" SECOND "," THIRD "]")},
        {{RECOVER(",\"epoch\":\"$E\"")},
         REPLY_WITH(RECOVERED ",\"publications\":[" FIRST "," SECOND "," THIRD "]")},
        {{RECOVER(",\"offset\":3,\"epoch\":\"$E\"")}, REPLY_WITH(",\"offset\":3" RECOVERED)},
        {{RECOVER(",\"offset\":2")},
         REPLY_WITH(",\"offset\":2" RECOVERED ",\"publications\":[" THIRD "]")},
        {{RECOVER(",\"offset\":1,\"epoch\":\"other\"")}, REPLY_WITH(LOST)},
        {{RECOVER(",\"offset\":4,\"epoch\":\"$E\"")}, REPLY_WITH(LOST)},
        {{RECOVER(",\"offset\":4294967297,\"epoch\":\"$E\"")}, REPLY_WITH(LOST)},
    };
    int64_t ok = metrics_value(METRIC_RECOVERIES__OK);
    int64_t failed = metrics_value(METRIC_RECOVERIES__FAILED);
    commit_three(*state);
    check_conversations(*state, rows, ARRAY_LENGTH(rows), false);
    assert_int_equal(metrics_value(METRIC_RECOVERIES__OK) - ok, 4);
    assert_int_equal(metrics_value(METRIC_RECOVERIES__FAILED) - failed, 3);
}

static void test_pushes_go_on_after_recovery(void **state)
{
    struct fixture *fixture = *state;
    struct client client;
    commit_three(fixture);
    client_open(&client, fixture);
    client_say(&client, RECOVER(",\"offset\":2"));
    buf_clear(&client.log);
    fixture_publish(fixture, "u1", 9, ORDER_NEW);
    assert_string_equal(client_log(&client), PUSH(9, "new", 4));
    client_fini(&client);
}

static void test_latest_statuses(void **state)
{
    struct fixture *fixture = *state;
    struct client client;
    fixture_commit(fixture, "u1", 7, ORDER_NEW);
    fixture_commit(fixture, "u1", 8, ORDER_NEW);
    fixture_commit(fixture, "u1", 7, ORDER_DONE);
    fixture_commit(fixture, "u2", 9, ORDER_NEW);

    client_open(&client, fixture);
    client_say(&client, CONNECT);
    fixture_publish(fixture, "u1", 8, ORDER_PAID);
    assert_string_equal(client_log(&client), REPLY_WITH(",\"offset\":3") LATEST(8, "new")
                                                 LATEST(7, "done") PUSH(8, "paid", 4));
    client_fini(&client);

    fixture->options.latest_on_connect = false;
    client_open(&client, fixture);
    client_say(&client, CONNECT);
    assert_string_equal(client_log(&client), REPLY_WITH(",\"offset\":4"));
    client_fini(&client);
}

static void test_event_between_subscription_and_look_up(void **state)
{
    struct fixture *fixture = *state;
    struct client client;
    fixture->options.latest_on_connect = false;
    /* Committed, in the look-up of the connect command, and only then through the hub. */
    struct hub_event first = fixture_commit(fixture, "u1", 7, ORDER_NEW);
    client_open(&client, fixture);
    client_say(&client, CONNECT);
    hub_publish(fixture->hub, &first);
    fixture_publish(fixture, "u1", 7, ORDER_PAID);
    assert_string_equal(client_log(&client), REPLY_WITH(",\"offset\":1") PUSH(7, "paid", 2));
    client_fini(&client);
}

static void test_pushes(void **state)
{
    struct fixture *fixture = *state;
    struct client client, other;
    int64_t catch_ups = metrics_value(METRIC_CATCH_UPS);
    client_connect(&client, fixture);
    client_connect(&other, fixture);

    struct hub_event first = fixture_commit(fixture, "u1", 7, ORDER_NEW);
    hub_publish(fixture->hub, &first);
    hub_publish(fixture->hub, &first);
    struct hub_event content = first;
    content.offset = 0;
    hub_publish(fixture->hub, &content);
    fixture_publish(fixture, "u2", 9, ORDER_NEW);
    assert_string_equal(client_log(&client), PUSH(7, "new", 1));
    assert_int_equal(metrics_value(METRIC_CATCH_UPS), catch_ups);

    /* Two that the hub never hears of, and then one that shows the gap. */
    fixture_commit(fixture, "u1", 7, ORDER_PAID);
    fixture_commit(fixture, "u1", 8, ORDER_NEW);
    fixture_publish(fixture, "u1", 7, ORDER_DONE);
#define ALL PUSH(7, "new", 1) PUSH(7, "paid", 2) PUSH(8, "new", 3) PUSH(7, "done", 4)
    assert_string_equal(client_log(&client), ALL);
    assert_string_equal(client_log(&other), ALL);
    assert_int_equal(metrics_value(METRIC_CATCH_UPS), catch_ups + 2);
    client_fini(&other);
    client_fini(&client);
}

static void test_resync(void **state)
{
    struct fixture *fixture = *state;
    struct client client;
    client_connect(&client, fixture);
    hub_resync(fixture->hub);
    assert_string_equal(client_log(&client), "");
    struct hub_event late = fixture_commit(fixture, "u1", 7, ORDER_NEW);
    hub_resync(fixture->hub);
    hub_publish(fixture->hub, &late);
    assert_string_equal(client_log(&client), PUSH(7, "new", 1));
    client_fini(&client);
}

static void test_revoked_token(void **state)
{
    struct fixture *fixture = *state;
    struct client clients[2];
    int64_t now = loop_wall(fixture->service.loop);
    for (size_t i = 0; i < ARRAY_LENGTH(clients); i++)
        client_connect(&clients[i], fixture);
    hub_revoke(fixture->hub, clients[0].session.project_id, STR_LIT("u2"), now + 1000);
    hub_revoke(fixture->hub, clients[0].session.project_id, STR_LIT("u1"), 1000);
    clients[1].session.issued_at = now + 2000;
    hub_revoke(fixture->hub, clients[0].session.project_id, STR_LIT("u1"), now + 1000);
    assert_string_equal(client_log(&clients[0]), "close 3500 invalid token\n");
    assert_string_equal(client_log(&clients[1]), "");
    for (size_t i = 0; i < ARRAY_LENGTH(clients); i++)
        client_fini(&clients[i]);
}

/* The hub has lost it on the way. */
static void test_revocation_that_the_hub_lost(void **state)
{
    struct fixture *fixture = *state;
    struct client client;
    client_connect(&client, fixture);
    assert_int_equal(store_revocation_put(fixture->writer, client.session.project_id, STR_LIT("u1"),
                                          client.session.issued_at),
                     0);
    hub_resync(fixture->hub);
    assert_string_equal(client_log(&client), "");
    assert_int_equal(store_revocation_put(fixture->writer, client.session.project_id, STR_LIT("u1"),
                                          loop_wall(fixture->service.loop) + 1000),
                     0);
    hub_resync(fixture->hub);
    assert_string_equal(client_log(&client), "close 3500 invalid token\n");
    client_fini(&client);
}

static void test_gap_that_the_store_cannot_fill(void **state)
{
    struct fixture *fixture = *state;
    struct client client;
    client_connect(&client, fixture);
    fixture->store_options.history_max_events = 1;
    fixture_commit(fixture, "u1", 7, ORDER_NEW);
    fixture_commit(fixture, "u1", 7, ORDER_PAID);
    struct hub_event last = fixture_commit(fixture, "u1", 7, ORDER_DONE);
    fixture_prune(fixture);
    hub_publish(fixture->hub, &last);
    assert_string_equal(client_log(&client), "close 3010 insufficient state\n");
    hub_publish(fixture->hub, &last);
    assert_int_equal(client.closes, 1);
    client_fini(&client);
}

static void test_event_that_the_hub_lost(void **state)
{
    struct fixture *fixture = *state;
    struct client client;
    int64_t catch_ups = metrics_value(METRIC_CATCH_UPS);
    fixture->options.position_interval = 2;
    client_connect(&client, fixture);
    (void)fixture_commit(fixture, "u1", 7, ORDER_NEW);
    client_await(&client, PUSH(7, "new", 1));
    struct hub_event late = fixture_commit(fixture, "u1", 7, ORDER_PAID);
    client_await(&client, PUSH(7, "paid", 2));
    hub_publish(fixture->hub, &late);
    assert_string_equal(client_log(&client), PUSH(7, "new", 1) PUSH(7, "paid", 2));
    assert_int_equal(metrics_value(METRIC_CATCH_UPS), catch_ups + 2);
    client_fini(&client);
}

static void test_position_that_the_store_does_not_know(void **state)
{
    struct fixture *fixture = *state;
    struct client behind, ahead;
    fixture->options.position_interval = 2;
    fixture->store_options.history_max_events = 1;
    client_connect(&behind, fixture);
    (void)fixture_commit(fixture, "u1", 7, ORDER_PAID);
    (void)fixture_commit(fixture, "u1", 7, ORDER_DONE);
    fixture_prune(fixture);
    client_await(&behind, "close 3010 insufficient state\n");
    client_fini(&behind);

    client_connect(&ahead, fixture);
    ahead.session.position = 3;
    client_await(&ahead, "close 3010 insufficient state\n");
    client_fini(&ahead);
}

static void test_check_while_the_store_fails(void **state)
{
    struct fixture *fixture = *state;
    struct client client;
    fixture->options.position_interval = 1;
    fixture->options.ping_interval = 20;
    client_connect(&client, fixture);
    (void)fixture_commit(fixture, "u1", 7, ORDER_NEW);
    fixture_break_store(true);
    client_await(&client, "{}\n");
    fixture_break_store(false);
    client_await(&client, PUSH(7, "new", 1));
    assert_int_equal(client.closes, 0);
    client_fini(&client);
}

static void test_store_that_fails(void **state)
{
    struct fixture *fixture = *state;
    struct client client, newcomer;
    client_connect(&client, fixture);
    fixture_commit(fixture, "u1", 7, ORDER_NEW);
    struct hub_event last = fixture_commit(fixture, "u1", 7, ORDER_PAID);
    fixture_break_store(true);

    client_open(&newcomer, fixture);
    client_say(&newcomer, CONNECT);
#define TEMPORARY(id)                                                                              \
    "{\"id\":" #id                                                                                 \
    ",\"error\":{\"code\":100,\"message\":\"internal server error\",\"temporary\":true}}\n"
    assert_string_equal(client_log(&newcomer), TEMPORARY(1) "close 3004 internal server error\n");
    client_say(&client, ASK(2, ""));
    hub_publish(fixture->hub, &last);
    assert_string_equal(client_log(&client), TEMPORARY(2) "close 3004 internal server error\n");
    client_fini(&newcomer);
    client_fini(&client);
}

static void test_slow_client(void **state)
{
    struct fixture *fixture = *state;
    struct client client;
    int64_t slow = metrics_value(METRIC_CLOSES__SLOW);
    client_connect(&client, fixture);
    client.send_result = ERR_TOO_LARGE;
    fixture_publish(fixture, "u1", 7, ORDER_NEW);
    fixture_publish(fixture, "u1", 7, ORDER_PAID);
    assert_string_equal(client_log(&client), "close 3008 slow\n");
    assert_false(loop_timer_is_set(&client.session.timer));
    assert_int_equal(metrics_value(METRIC_CLOSES__SLOW), slow + 1);
    client_fini(&client);
}

static void test_client_that_goes_by_itself(void **state)
{
    struct fixture *fixture = *state;
    struct client client;
    client_connect(&client, fixture);
    client.send_result = ERR_CLOSED;
    fixture_publish(fixture, "u1", 7, ORDER_NEW);
    client_say(&client, "hello");
    assert_string_equal(client_log(&client), "");
    assert_int_equal(hub_subscriber_count(fixture->hub), 0);
    client_fini(&client);
}

static void test_pings(void **state)
{
    struct fixture *fixture = *state;
    struct client client;
    int64_t unsolicited = metrics_value(METRIC_PONGS_UNSOLICITED);
    fixture->options.ping_interval = 4;
    fixture->options.pong_timeout = 2000;
    client_connect(&client, fixture);
    client_say(&client, "{}");
    assert_int_equal(metrics_value(METRIC_PONGS_UNSOLICITED), unsolicited + 1);
    client_await(&client, "{}\n");
    client_say(&client, "{}");
    client_await(&client, "{}\n{}\n");
    client_say(&client, "{}\n{}");
    assert_int_equal(metrics_value(METRIC_PONGS_UNSOLICITED), unsolicited + 2);
    assert_int_equal(client.session.pong_mono, INT64_MAX);

    /* Traffic of another kind is no pong. */
    fixture->options.pong_timeout = 2;
    client_await(&client, "{}\n{}\n{}\n");
    client_say(&client, "{\"id\":2,\"rpc\":{}}");
    client_await(&client, "close 3012 no pong\n");
    client_fini(&client);
}

/* Where the times of many sessions lie. */
struct range {
    int64_t lowest, highest;
};

static void widen(struct range *range, int64_t deadline)
{
    range->lowest = deadline < range->lowest ? deadline : range->lowest;
    range->highest = deadline > range->highest ? deadline : range->highest;
}

static void assert_spread(const struct range *range, int64_t from, int64_t to)
{
    assert_in_range(range->lowest, from, from + (to - from) / 4);
    assert_in_range(range->highest, to - (to - from) / 4, to);
}

static void test_deadlines_of_a_burst_are_spread(void **state)
{
    struct fixture *fixture = *state;
    const struct realtime_options *options = &fixture->options;
    int64_t now = loop_now(fixture->loop);
    struct range pings = {INT64_MAX, 0}, checks = {INT64_MAX, 0}, ends = {INT64_MAX, 0};
    for (int i = 0; i < 100; i++) {
        struct client client;
        client_connect(&client, fixture);
        widen(&pings, client.session.ping_mono - now);
        widen(&checks, client.session.check_mono - now);
        widen(&ends, client.session.ends_mono - now);
        client_fini(&client);
    }
    assert_spread(&pings, options->ping_interval / 2, options->ping_interval);
    assert_spread(&checks, options->position_interval / 2, options->position_interval);
    assert_spread(&ends, options->max_lifetime / 10 * 9, options->max_lifetime);
}

static void test_stale_session(void **state)
{
    struct fixture *fixture = *state;
    struct client client;
    int64_t stale = metrics_value(METRIC_CLOSES__STALE);
    fixture->options.connect_timeout = 2;
    client_open(&client, fixture);
    client_await(&client, "close 3502 stale\n");
    assert_int_equal(client.messages, 0);
    assert_int_equal(metrics_value(METRIC_CLOSES__STALE), stale + 1);
    client_fini(&client);
}

static void test_lifetime(void **state)
{
    struct fixture *fixture = *state;
    struct client client;
    fixture->options.max_lifetime = 200;
    client_open(&client, fixture);
    /* As if the connect command came late. */
    client.session.opened_mono -= 198;
    client_say(&client, CONNECT);
    assert_in_range(client.session.ends_mono - client.session.opened_mono, 180, 200);
    client_await(&client, "close 3005 connection expired\n");
    client_fini(&client);
}

static void test_token_that_ends_ends_the_session(void **state)
{
    struct fixture *fixture = *state;
    struct client client;
    client_open(&client, fixture);
    client_say(&client, "{\"id\":1,\"connect\":{\"data\":{\"auth\":\"$L\",\"project_id\":1}}}");
    assert_string_equal(client_log(&client), REPLY);
    /* Whole seconds stand in a token, so the end comes up to one earlier. */
    assert_in_range(client.session.ends_mono - loop_now(fixture->loop), 1000, 2000);
    client_fini(&client);

    fixture->options.max_lifetime = 0;
    client_connect(&client, fixture);
    assert_in_range(client.session.ends_mono - loop_now(fixture->loop), 3599000, 3600000);
    client_fini(&client);
}

static void test_drain(void **state)
{
    struct fixture *fixture = *state;
    struct client clients[5];
    for (size_t i = 0; i < ARRAY_LENGTH(clients); i++) {
        if (i == 0)
            client_open(&clients[i], fixture);
        else
            client_connect(&clients[i], fixture);
    }
    assert_int_equal(realtime_sessions(fixture->realtime), 5);
    realtime_drain(fixture->realtime, 10000);
    for (size_t i = 0; i < ARRAY_LENGTH(clients); i++)
        assert_int_equal(clients[i].session.drain_mono, loop_now(fixture->loop) + 20 * (int)i);
    realtime_drain(fixture->realtime, 10);
    for (size_t i = 0; i < ARRAY_LENGTH(clients); i++)
        assert_int_equal(clients[i].session.drain_mono, loop_now(fixture->loop) + 2 * (int)i);
    client_await(&clients[4], "close");
    for (size_t i = 0; i < ARRAY_LENGTH(clients); i++) {
        assert_string_equal(client_log(&clients[i]), "close 3001 shutdown\n");
        client_fini(&clients[i]);
    }
    assert_int_equal(realtime_sessions(fixture->realtime), 0);
}

static void test_abort(void **state)
{
    struct fixture *fixture = *state;
    struct client clients[3];
    for (size_t i = 0; i < ARRAY_LENGTH(clients); i++)
        client_connect(&clients[i], fixture);
    realtime_abort(fixture->realtime);
    assert_int_equal(realtime_sessions(fixture->realtime), 0);
    for (size_t i = 0; i < ARRAY_LENGTH(clients); i++) {
        assert_true(clients[i].aborted);
        client_fini(&clients[i]);
    }
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_connect),
        TEST(test_connect_refused),
        TEST(test_commands),
        TEST(test_too_many_commands_in_one_message),
        TEST(test_command_over_its_limit),
        TEST(test_history),
        TEST(test_recovery),
        TEST(test_pushes_go_on_after_recovery),
        TEST(test_latest_statuses),
        TEST(test_event_between_subscription_and_look_up),
        TEST(test_pushes),
        TEST(test_resync),
        TEST(test_revoked_token),
        TEST(test_revocation_that_the_hub_lost),
        TEST(test_gap_that_the_store_cannot_fill),
        TEST(test_event_that_the_hub_lost),
        TEST(test_position_that_the_store_does_not_know),
        TEST(test_check_while_the_store_fails),
        TEST(test_store_that_fails),
        TEST(test_slow_client),
        TEST(test_client_that_goes_by_itself),
        TEST(test_pings),
        TEST(test_deadlines_of_a_burst_are_spread),
        TEST(test_stale_session),
        TEST(test_lifetime),
        TEST(test_token_that_ends_ends_the_session),
        TEST(test_drain),
        TEST(test_abort),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
