/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages as the official SDKs and the five store SDKs send them, byte for byte, what has to be
 * refused, and each reply as they expect it.
 */
#include "codec/centrifuge.h"

#include "base/err.h"
#include "base/mem.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define OUT_MAX (64 * 1024)
#define BYTES(literal)                                                                             \
    {                                                                                              \
        literal, sizeof(literal) - 1                                                               \
    }

static const char *const method_names[] = {
    [CENTRIFUGE_CONNECT] = "connect",
    [CENTRIFUGE_SUBSCRIBE] = "subscribe",
    [CENTRIFUGE_UNSUBSCRIBE] = "unsubscribe",
    [CENTRIFUGE_PUBLISH] = "publish",
    [CENTRIFUGE_PRESENCE] = "presence",
    [CENTRIFUGE_PRESENCE_STATS] = "presence_stats",
    [CENTRIFUGE_HISTORY] = "history",
    [CENTRIFUGE_RPC] = "rpc",
    [CENTRIFUGE_SEND] = "send",
    [CENTRIFUGE_REFRESH] = "refresh",
    [CENTRIFUGE_SUB_REFRESH] = "sub_refresh",
    [CENTRIFUGE_PONG] = "pong",
    [CENTRIFUGE_NO_METHOD] = "none",
};

static void describe_text(struct buf *out, const char *name, struct str value)
{
    if (value.len > 0)
        buf_printf(out, " %s=%.*s", name, STR_ARG(value));
}

static void describe_int(struct buf *out, const char *name, int64_t value)
{
    if (value != 0)
        buf_printf(out, " %s=%" PRId64, name, value);
}

/* One line for a command, with what differs from nothing. */
static int describe(void *argument, const struct centrifuge_command *command)
{
    struct buf *out = argument;
    buf_printf(out, "%s#%" PRIu32, method_names[command->method], command->id);
    describe_text(out, "channel", command->channel);
    describe_text(out, "token", command->token);
    describe_text(out, "auth", command->credentials.auth);
    describe_text(out, "user", command->credentials.user_external_id);
    describe_int(out, "project", command->credentials.project_id);
    describe_int(out, "malformed", command->credentials.malformed);
    for (size_t i = 0; i < command->position_count; i++) {
        const struct centrifuge_position *position = &command->positions[i];
        buf_printf(out, " [%.*s", STR_ARG(position->channel));
        describe_int(out, "recover", position->recover);
        describe_int(out, "offset", position->offset);
        describe_text(out, "epoch", position->epoch);
        buf_append_byte(out, ']');
    }
    describe_int(out, "limit", command->limit);
    describe_int(out, "since", command->has_since);
    describe_int(out, "offset", command->since_offset);
    describe_text(out, "epoch", command->since_epoch);
    describe_int(out, "reverse", command->reverse);
    buf_append_byte(out, ';');
    return 0;
}

/*
 * All commands of a message, which is copied to its exact size for the sanitizer's sake; then
 * "invalid" or "large" unless it was read to its end.
 */
static void read_message(struct str message, struct buf *out)
{
    char *copy = mem_dup(message.ptr, message.len + (message.len == 0));
    struct str rest = str_make(copy, message.len);
    int rc = 0;
    while (rc == 0)
        rc = centrifuge_json.next_command(&rest, describe, out);
    if (rc != ERR_NOT_FOUND)
        buf_append_text(out, rc == ERR_TOO_LARGE ? "large" : "invalid");
    mem_free(copy);
}

static const struct message {
    struct str text;
    const char *expected;
} messages[] = {
    /* centrifuge-js */
    {BYTES("{\"connect\":{\"data\":{\"user_external_id\":\"u1\",\"auth\":\"JWT\","
           "\"project_id\":42},\"name\":\"js\"},\"id\":1}"),
     "connect#1 auth=JWT user=u1 project=42;"},
    {BYTES("{\"connect\":{\"data\":{\"user_external_id\":\"U\",\"auth\":\"JWT\","
           "\"project_id\":77640},\"name\":\"js\"},\"id\":1}\n{\"history\":{\"channel\":\"CH\","
           "\"since\":{\"offset\":0},\"limit\":-1},\"id\":2}"),
     "connect#1 auth=JWT user=U project=77640;history#2 channel=CH limit=-1 since=1;"},
    {BYTES("{\"connect\":{\"data\":{\"auth\":\"J\"},\"name\":\"js\",\"subs\":{\"order:1\":{"
           "\"recover\":true,\"offset\":3,\"epoch\":\"abcdEFGH\"}}},\"id\":3}"),
     "connect#3 auth=J [order:1 recover=1 offset=3 epoch=abcdEFGH];"},
    {BYTES("{\"history\":{\"channel\":\"order:1\",\"since\":{\"offset\":0},\"limit\":-1},"
           "\"id\":2}"),
     "history#2 channel=order:1 limit=-1 since=1;"},
    {BYTES("{\"connect\":{\"subs\":{\"a\":{\"recover\":true,\"epoch\":\"e\"},\"b\":{},"
           "\"c\":null}},\"id\":3}"),
     "connect#3 [a recover=1 epoch=e] [b] [c];"},
    {BYTES("{}"), "pong#0;"},
    {BYTES("{}\n"), "pong#0;"},
    {BYTES("{\"connect\":{\"token\":\"T\"},\"id\":1}\r\n{}\n"), "connect#1 token=T;pong#0;"},
    /* Cocos, Unity (auth may be null), Unreal (tabs) */
    {BYTES("{\"connect\":{\"data\":{\"auth\":\"TOKEN\",\"project_id\":77640}},\"id\":48273645}"),
     "connect#48273645 auth=TOKEN project=77640;"},
    {BYTES("{\"connect\":{\"data\":{\"auth\":null,\"project_id\":77640}},\"id\":2147483647}"),
     "connect#2147483647 project=77640;"},
    {BYTES("{\t\"connect\":\t{\t\t\"data\":\t\t{\t\t\t\"auth\":\"TOKEN\",\t\t\t\"project_id\":77640"
           "\t\t}\t},\t\"id\":1234567}"),
     "connect#1234567 auth=TOKEN project=77640;"},
    {BYTES("{\"connect\":{\"data\":{\"auth\":\"T\",\"project_id\":1}},\"id\":0}"),
     "connect#0 auth=T project=1;"},
    {BYTES("{\"connect\":{\"data\":{\"auth\":\"a\\u003d\",\"project_id\":\"77640\"}},\"id\":1}"),
     "connect#1 auth=a= project=77640;"},
    /* lenient as the reference: case, null, unknown members, bytes after the value */
    {BYTES("{\"CONNECT\":{\"Data\":{\"auth\":\"T\"},\"Token\":\"t\"},\"ID\":4294967295}"),
     "connect#4294967295 token=t auth=T;"},
    {BYTES("{\"connect\":{\"token\":null,\"data\":null,\"subs\":null,\"x\":[]},\"id\":1,\"y\":2}"),
     "connect#1;"},
    {BYTES("{\"connect\":null,\"history\":{\"channel\":null,\"limit\":null,\"since\":null,"
           "\"reverse\":null},\"id\":7}"),
     "history#7;"},
    {BYTES("{\"id\":null}"), "pong#0;"},
    {BYTES("{} trailing\n{\"id\":5,\"send\":{}}]\xff"), "pong#0;send#5;"},
    /* which request is meant */
    {BYTES("{\"history\":{\"channel\":\"h\"},\"subscribe\":{\"channel\":\"s\"},\"id\":1}"),
     "subscribe#1 channel=s;"},
    {BYTES("{\"id\":1}"), "none#1;"},
    {BYTES("{\"id\":1,\"ping\":{}}"), "none#1;"},
    {BYTES("{\"send\":{\"data\":{}}}"), "send#0;"},
    {BYTES("{\"id\":9,\"unsubscribe\":{\"channel\":\"c\"}}"), "unsubscribe#9 channel=c;"},
    {BYTES("{\"id\":9,\"publish\":{\"channel\":\"c\",\"data\":1}}"), "publish#9 channel=c;"},
    {BYTES("{\"id\":9,\"presence\":{\"channel\":\"c\"}}"), "presence#9 channel=c;"},
    {BYTES("{\"id\":9,\"presence_stats\":{\"channel\":\"c\"}}"), "presence_stats#9 channel=c;"},
    {BYTES("{\"id\":9,\"rpc\":{\"method\":\"m\"}}"), "rpc#9;"},
    {BYTES("{\"id\":9,\"refresh\":{\"token\":\"t\"}}"), "refresh#9;"},
    {BYTES("{\"id\":9,\"sub_refresh\":{\"channel\":\"c\"}}"), "sub_refresh#9 channel=c;"},
    /* history */
    {BYTES("{\"id\":2,\"history\":{\"channel\":\"c\",\"limit\":10,\"since\":{\"offset\":5,"
           "\"epoch\":\"e\"},\"reverse\":true}}"),
     "history#2 channel=c limit=10 since=1 offset=5 epoch=e reverse=1;"},
    {BYTES("{\"id\":2,\"history\":{\"since\":{}}}"), "history#2 since=1;"},
    /* credentials that are wrong, in a frame that is right */
    {BYTES("{\"id\":1,\"connect\":{\"data\":[]}}"), "connect#1 malformed=1;"},
    {BYTES("{\"id\":1,\"connect\":{\"data\":\"x\"}}"), "connect#1 malformed=1;"},
    {BYTES("{\"id\":1,\"connect\":{\"data\":{\"auth\":5}}}"), "connect#1 malformed=1;"},
    {BYTES("{\"id\":1,\"connect\":{\"data\":{\"user_external_id\":5,\"auth\":\"a\"}}}"),
     "connect#1 auth=a malformed=1;"},
    {BYTES("{\"id\":1,\"connect\":{\"data\":{\"project_id\":1.5}}}"), "connect#1 malformed=1;"},
    {BYTES("{\"id\":1,\"connect\":{\"data\":{\"project_id\":\"1x\"}}}"), "connect#1 malformed=1;"},
    {BYTES("{\"id\":1,\"connect\":{\"data\":{\"project_id\":\"-1\"}}}"), "connect#1 malformed=1;"},
    {BYTES("{\"id\":1,\"connect\":{\"data\":{\"project_id\":\"\"}}}"), "connect#1 malformed=1;"},
    {BYTES("{\"id\":1,\"connect\":{\"data\":{}}}"), "connect#1;"},
    /* malformed */
    {BYTES(""), "invalid"},
    {BYTES("\n"), "invalid"},
    {BYTES(" "), "invalid"},
    {BYTES("{}\n\n{}"), "pong#0;invalid"},
    {BYTES("{}\n\n"), "pong#0;invalid"},
    {BYTES("{\n\"id\":1}"), "invalid"},
    {BYTES("[]"), "invalid"},
    {BYTES("null"), "invalid"},
    {BYTES("1"), "invalid"},
    {BYTES("\"connect\""), "invalid"},
    {BYTES("{\"id\":\"1\"}"), "invalid"},
    {BYTES("{\"id\":1.0}"), "invalid"},
    {BYTES("{\"id\":-1}"), "invalid"},
    {BYTES("{\"id\":4294967296}"), "invalid"},
    {BYTES("{\"id\":1,\"id\":2}"), "invalid"},
    {BYTES("{\"id\":1,\"connect\":5}"), "invalid"},
    {BYTES("{\"id\":1,\"connect\":[]}"), "invalid"},
    {BYTES("{\"id\":1,\"connect\":{},\"rpc\":5}"), "invalid"},
    {BYTES("{\"id\":1,\"connect\":{\"token\":5}}"), "invalid"},
    {BYTES("{\"id\":1,\"connect\":{\"subs\":[]}}"), "invalid"},
    {BYTES("{\"id\":1,\"connect\":{\"subs\":{\"c\":5}}}"), "invalid"},
    {BYTES("{\"id\":1,\"connect\":{\"subs\":{\"c\":{\"recover\":1}}}}"), "invalid"},
    {BYTES("{\"id\":1,\"connect\":{\"subs\":{\"c\":{\"offset\":-1}}}}"), "invalid"},
    {BYTES("{\"id\":1,\"connect\":{\"subs\":{\"c\":{\"offset\":18446744073709551615}}}}"),
     "invalid"},
    {BYTES("{\"id\":1,\"connect\":{\"subs\":{\"c\":{\"epoch\":1}}}}"), "invalid"},
    {BYTES("{\"id\":1,\"history\":{\"channel\":5}}"), "invalid"},
    {BYTES("{\"id\":1,\"history\":{\"limit\":\"5\"}}"), "invalid"},
    {BYTES("{\"id\":1,\"history\":{\"limit\":2147483648}}"), "invalid"},
    {BYTES("{\"id\":1,\"history\":{\"since\":1}}"), "invalid"},
    {BYTES("{\"id\":1,\"history\":{\"since\":{\"offset\":\"1\"}}}"), "invalid"},
    {BYTES("{\"id\":1,\"history\":{\"reverse\":1}}"), "invalid"},
    {BYTES("{\"id\":1,\"subscribe\":{\"channel\":{}}}"), "invalid"},
    {BYTES("{\"id\":1,\"connect\":{\"token\":\"\xff\"}}"), "invalid"},
    {BYTES("\xff"), "invalid"},
    {BYTES("\0"), "invalid"},
};

static void test_messages(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(messages); i++) {
        struct buf out;
        buf_init(&out, OUT_MAX);
        read_message(messages[i].text, &out);
        if (!str_equal_text(buf_view(&out), messages[i].expected))
            fail_msg("row %zu: %.*s", i, STR_ARG(buf_view(&out)));
        buf_fini(&out);
    }
}

/* Cut anywhere, a message gives no command that its whole lines do not give. */
static void test_every_prefix(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(messages); i++) {
        for (size_t length = 0; length < messages[i].text.len; length++) {
            struct buf out;
            buf_init(&out, OUT_MAX);
            read_message(str_make(messages[i].text.ptr, length), &out);
            struct str result = buf_view(&out);
            size_t end = result.len;
            while (end > 0 && result.ptr[end - 1] != ';')
                end--;
            assert_true(str_starts_with(str_from(messages[i].expected), str_make(result.ptr, end)));
            buf_fini(&out);
        }
    }
}

static int refuse(void *argument, const struct centrifuge_command *command)
{
    (void)argument;
    (void)command;
    return ERR_DENIED;
}

static void test_handler_decides(void **state)
{
    (void)state;
    struct buf out;
    struct str rest = STR_LIT("{\"id\":1}\n{\"id\":2}");
    buf_init(&out, OUT_MAX);
    assert_int_equal(centrifuge_json.next_command(&rest, refuse, NULL), ERR_DENIED);
    assert_int_equal(centrifuge_json.next_command(&rest, describe, &out), 0);
    assert_null(rest.ptr);
    assert_true(str_equal_text(buf_view(&out), "none#2;"));
    assert_int_equal(centrifuge_json.next_command(&rest, describe, &out), ERR_NOT_FOUND);
    buf_fini(&out);
}

static void test_limits(void **state)
{
    (void)state;
    for (int extra = 0; extra <= 1; extra++) {
        struct buf message;
        struct buf out;
        buf_init(&message, OUT_MAX);
        buf_init(&out, OUT_MAX);
        buf_append_text(&message, "{}");
        while (message.len < (size_t)(LIMIT_REALTIME_COMMAND + extra))
            buf_append_byte(&message, ' ');
        read_message(buf_view(&message), &out);
        assert_true(str_equal_text(buf_view(&out), extra ? "large" : "pong#0;"));
        buf_clear(&message);
        buf_clear(&out);
        buf_append_text(&message, "{\"id\":1,\"connect\":{\"subs\":{\"c\":null");
        for (int i = 1; i < LIMIT_REALTIME_SUBS + extra; i++)
            buf_printf(&message, ",\"c%d\":{}", i);
        buf_append_text(&message, "}}}");
        read_message(buf_view(&message), &out);
        assert_int_equal(str_equal_text(buf_view(&out), "large"), extra);
        buf_fini(&message);
        buf_fini(&out);
    }
}

static const struct centrifuge_publication publications[] = {
    {.order_id = 1, .status = "new", .offset = 1},
    {.order_id = 59614241, .status = "paid", .offset = 4},
    {.order_id = 2147483647, .status = "done", .offset = 0},
    {.order_id = 59614241, .status = "new", .offset = 1},
    {.order_id = 1, .status = "paid", .offset = 4},
};

static struct centrifuge_connect_reply connect_reply(void)
{
    return (struct centrifuge_connect_reply){
        .client = STR_LIT("c-1"),
        .version = STR_LIT("0.1"),
        .channel = STR_LIT("order:1"),
        .epoch = STR_LIT("abcdEFGH"),
        .offset = 3,
        .publications = publications,
        .publication_count = 2,
        .ping_seconds = 25,
    };
}

static void check_connect(const struct centrifuge_connect_reply *reply, const char *expected)
{
    struct buf out;
    buf_init(&out, OUT_MAX);
    centrifuge_json.write_connect(&out, 1, reply);
    if (!str_equal_text(buf_view(&out), expected))
        fail_msg("%.*s", STR_ARG(buf_view(&out)));
    buf_fini(&out);
}

static void test_write_connect(void **state)
{
    (void)state;
    struct centrifuge_connect_reply reply = connect_reply();
    check_connect(&reply,
                  "{\"id\":1,\"connect\":{\"client\":\"c-1\",\"version\":\"0.1\",\"subs\":{"
                  "\"order:1\":{\"recoverable\":true,\"positioned\":true,\"epoch\":\"abcdEFGH\","
                  "\"offset\":3}},\"ping\":25,\"pong\":true}}");
    reply.was_recovering = true;
    reply.offset = 0;
    reply.ping_seconds = 0;
    check_connect(&reply,
                  "{\"id\":1,\"connect\":{\"client\":\"c-1\",\"version\":\"0.1\",\"subs\":{"
                  "\"order:1\":{\"recoverable\":true,\"positioned\":true,\"epoch\":\"abcdEFGH\","
                  "\"was_recovering\":true}}}}");
    reply.recovered = true;
    reply.offset = 1;
    reply.channel = STR_LIT("a\"b");
    check_connect(&reply,
                  "{\"id\":1,\"connect\":{\"client\":\"c-1\",\"version\":\"0.1\",\"subs\":{"
                  "\"a\\\"b\":{\"recoverable\":true,\"positioned\":true,\"epoch\":\"abcdEFGH\","
                  "\"offset\":1,\"was_recovering\":true,\"recovered\":true,\"publications\":["
                  "{\"data\":{\"order_id\":1,\"status\":\"new\"},\"offset\":1},"
                  "{\"data\":{\"order_id\":59614241,\"status\":\"paid\"},\"offset\":4}]}}}}");
}

static void test_write_others(void **state)
{
    (void)state;
    struct centrifuge_history_reply history = {
        .publications = publications, .publication_count = 1, .offset = 3, .epoch = STR_LIT("E")};
    struct buf out;
    buf_init(&out, OUT_MAX);
    centrifuge_json.write_history(&out, 2, &history);
    buf_append_byte(&out, '\n');
    history = (struct centrifuge_history_reply){.epoch = STR_LIT("E")};
    centrifuge_json.write_history(&out, 4294967295, &history);
    buf_append_byte(&out, '\n');
    centrifuge_json.write_unsubscribe(&out, 3);
    buf_append_byte(&out, '\n');
    centrifuge_json.write_error(&out, 1, CLIENT_ERROR_PERMISSION_DENIED);
    buf_append_byte(&out, '\n');
    centrifuge_json.write_error(&out, 1, CLIENT_ERROR_INTERNAL);
    buf_append_byte(&out, '\n');
    centrifuge_json.write_publication(&out, STR_LIT("CH"), &publications[1]);
    buf_append_byte(&out, '\n');
    centrifuge_json.write_publication(&out, STR_LIT("CH"), &publications[2]);
    buf_append_byte(&out, '\n');
    centrifuge_json.write_ping(&out);
    static const char expected[] =
        "{\"id\":2,\"history\":{\"publications\":[{\"data\":{\"order_id\":1,\"status\":\"new\"},"
        "\"offset\":1}],\"epoch\":\"E\",\"offset\":3}}\n"
        "{\"id\":4294967295,\"history\":{\"publications\":[],\"epoch\":\"E\",\"offset\":0}}\n"
        "{\"id\":3,\"unsubscribe\":{}}\n"
        "{\"id\":1,\"error\":{\"code\":103,\"message\":\"permission denied\"}}\n"
        "{\"id\":1,\"error\":{\"code\":100,\"message\":\"internal server error\","
        "\"temporary\":true}}\n"
        "{\"push\":{\"channel\":\"CH\",\"pub\":{\"data\":{\"order_id\":59614241,"
        "\"status\":\"paid\"},\"offset\":4}}}\n"
        "{\"push\":{\"channel\":\"CH\",\"pub\":{\"data\":{\"order_id\":2147483647,"
        "\"status\":\"done\"}}}}\n"
        "{}";
    if (!str_equal_text(buf_view(&out), expected))
        fail_msg("%.*s", STR_ARG(buf_view(&out)));
    buf_fini(&out);
}

/* The frames of centrifuge-protocol.md A.4 and xsolla-sdks.md 1.8 and 1.9. */
static void test_write_what_was_captured(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, OUT_MAX);
    struct centrifuge_history_reply history = {.publications = &publications[0],
                                               .publication_count = 1,
                                               .offset = 3,
                                               .epoch = STR_LIT("abcdEFGH")};
    centrifuge_json.write_history(&out, 2, &history);
    buf_append_byte(&out, '\n');
    history = (struct centrifuge_history_reply){.publications = &publications[3],
                                                .publication_count = 1,
                                                .offset = 1,
                                                .epoch = STR_LIT("E")};
    centrifuge_json.write_history(&out, 2, &history);
    buf_append_byte(&out, '\n');
    centrifuge_json.write_publication(&out, STR_LIT("order:1"), &publications[4]);
    static const char expected[] =
        "{\"id\":2,\"history\":{\"publications\":[{\"data\":{\"order_id\":1,\"status\":\"new\"},"
        "\"offset\":1}],\"epoch\":\"abcdEFGH\",\"offset\":3}}\n"
        "{\"id\":2,\"history\":{\"publications\":[{\"data\":{\"order_id\":59614241,"
        "\"status\":\"new\"},\"offset\":1}],\"epoch\":\"E\",\"offset\":1}}\n"
        "{\"push\":{\"channel\":\"order:1\",\"pub\":{\"data\":{\"order_id\":1,"
        "\"status\":\"paid\"},\"offset\":4}}}";
    if (!str_equal_text(buf_view(&out), expected))
        fail_msg("%.*s", STR_ARG(buf_view(&out)));
    buf_fini(&out);
}

static void append_lines(struct buf *out, const struct centrifuge_encoding *encoding,
                         const struct centrifuge_connect_reply *reply)
{
    encoding->write_connect(out, 1, reply);
    buf_append_byte(out, '\n');
    encoding->write_publication(out, STR_LIT("CH"), &publications[1]);
    buf_append_byte(out, '\n');
    encoding->write_ping(out);
    buf_append_byte(out, '\n');
    encoding->write_disconnect(out, CLOSE_SHUTDOWN);
    buf_append_byte(out, '\n');
}

/* What the transports without frames need, and the same one-way. */
static void test_write_for_streams(void **state)
{
    (void)state;
    struct centrifuge_connect_reply reply = connect_reply();
    struct buf out;
    buf_init(&out, OUT_MAX);
    reply.session = STR_LIT("0-s");
    reply.node = STR_LIT("n");
    append_lines(&out, &centrifuge_json, &reply);
    reply.session = reply.node = STR_LIT("");
    append_lines(&out, &centrifuge_json_one_way, &reply);
    static const char expected[] =
        "{\"id\":1,\"connect\":{\"client\":\"c-1\",\"version\":\"0.1\",\"subs\":{"
        "\"order:1\":{\"recoverable\":true,\"positioned\":true,\"epoch\":\"abcdEFGH\",\"offset\":3}"
        "},"
        "\"ping\":25,\"pong\":true,\"session\":\"0-s\",\"node\":\"n\"}}\n"
        "{\"push\":{\"channel\":\"CH\",\"pub\":{\"data\":{\"order_id\":59614241,"
        "\"status\":\"paid\"},\"offset\":4}}}\n"
        "{}\n"
        "{\"push\":{\"disconnect\":{\"code\":3001,\"reason\":\"shutdown\"}}}\n"
        "{\"connect\":{\"client\":\"c-1\",\"version\":\"0.1\",\"subs\":{"
        "\"order:1\":{\"recoverable\":true,\"positioned\":true,\"epoch\":\"abcdEFGH\",\"offset\":3}"
        "},"
        "\"ping\":25}}\n"
        "{\"channel\":\"CH\",\"pub\":{\"data\":{\"order_id\":59614241,"
        "\"status\":\"paid\"},\"offset\":4}}\n"
        "{}\n"
        "{\"disconnect\":{\"code\":3001,\"reason\":\"shutdown\"}}\n";
    if (!str_equal_text(buf_view(&out), expected))
        fail_msg("%.*s", STR_ARG(buf_view(&out)));
    buf_fini(&out);
}

static void test_write_status(void **state)
{
    (void)state;
    static const struct centrifuge_publication publication = {59614241, "paid", 4};
    struct buf out;
    buf_init(&out, OUT_MAX);
    centrifuge_status.write_publication(&out, STR_LIT("CH"), &publication);
    assert_true(str_equal_text(buf_view(&out), "{\"order_id\":59614241,\"status\":\"paid\"}"));
    buf_fini(&out);
}

static int describe_emulation(void *argument, const struct centrifuge_emulation *request)
{
    struct buf *out = argument;
    buf_printf(out, "[%.*s][%.*s][%.*s]", STR_ARG(request->session), STR_ARG(request->node),
               STR_ARG(request->data));
    return 7;
}

static void test_read_emulation(void **state)
{
    (void)state;
    static const struct {
        const char *body, *expected;
    } rows[] = {
        {"{\"session\":\"s\",\"node\":\"n\",\"data\":\"{\\\"id\\\":1}\\n{}\"}",
         "[s][n][{\"id\":1}\n{}]"},
        {" {\"Data\":\"{}\",\"new\":[1],\"node\":null} ", "[][][{}]"},
        {"{}", "[][][]"},
        {"{\"session\":1}", NULL},
        {"{\"data\":{}}", NULL},
        {"[]", NULL},
        {"{\"data\":\"\\u0000\"}", NULL},
        {"{} {}", NULL},
        {"", NULL},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct buf out;
        buf_init(&out, OUT_MAX);
        int result =
            centrifuge_json.read_emulation(str_from(rows[i].body), describe_emulation, &out);
        const char *expected = rows[i].expected ? rows[i].expected : "";
        if (result != (rows[i].expected ? 7 : ERR_INVALID) ||
            !str_equal_text(buf_view(&out), expected))
            fail_msg("row %zu: %d %.*s", i, result, STR_ARG(buf_view(&out)));
        buf_fini(&out);
    }
}

static int describe_connect(void *argument, const struct centrifuge_command *command)
{
    struct buf *out = argument;
    assert_int_equal(command->method, CENTRIFUGE_CONNECT);
    assert_int_not_equal(command->id, 0);
    buf_printf(out, "%.*s %.*s %lld", STR_ARG(command->token), STR_ARG(command->credentials.auth),
               (long long)command->credentials.project_id);
    for (size_t i = 0; i < command->position_count; i++)
        buf_printf(out, " %.*s:%lld", STR_ARG(command->positions[i].channel),
                   (long long)command->positions[i].offset);
    return 0;
}

static void test_one_way_command(void **state)
{
    (void)state;
    static const struct {
        const char *text, *expected;
    } rows[] = {
        {"{\"token\":\"t\",\"data\":{\"auth\":\"a\",\"project_id\":\"7\"}}", "t a 7"},
        {"{\"subs\":{\"c\":{\"recover\":true,\"offset\":2}}}\n", "  0 c:2"},
        {"{}", "  0"},
        {"{}\n{}", NULL},
        {"[]", NULL},
        {"{\"token\":1}", NULL},
        {"", NULL},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct buf out;
        struct str rest = str_from(rows[i].text);
        buf_init(&out, OUT_MAX);
        int result = centrifuge_json_one_way.next_command(&rest, describe_connect, &out);
        const char *expected = rows[i].expected ? rows[i].expected : "";
        if (result != (rows[i].expected ? 0 : ERR_INVALID) ||
            !str_equal_text(buf_view(&out), expected))
            fail_msg("row %zu: %d %.*s", i, result, STR_ARG(buf_view(&out)));
        assert_null(rest.ptr);
        assert_int_equal(centrifuge_json_one_way.next_command(&rest, describe_connect, &out),
                         ERR_NOT_FOUND);
        buf_fini(&out);
    }
}

static void test_vocabularies(void **state)
{
    (void)state;
    static const enum close_code codes[] = {
#define CLOSE_CODE(name, code, reason, flush, metric) CLOSE_##name,
#include "codec/close_codes.def"
    };
    for (size_t i = 0; i < ARRAY_LENGTH(codes); i++) {
        const char *reason = centrifuge_close_reason(codes[i]);
        assert_true(strlen(reason) > 0 && strlen(reason) <= 123);
    }
    assert_string_equal(centrifuge_close_reason(CLOSE_SLOW), "slow");
    assert_false(centrifuge_close_flushes(CLOSE_SLOW));
    assert_true(centrifuge_close_flushes(CLOSE_EXPIRED));
    assert_string_equal(centrifuge_close_reason(CLOSE_NONE), "connection closed");
    assert_string_equal(centrifuge_error_message(CLIENT_ERROR_UNRECOVERABLE_POSITION),
                        "unrecoverable position");
    assert_true(centrifuge_error_is_temporary(CLIENT_ERROR_TOO_MANY_REQUESTS));
    assert_false(centrifuge_error_is_temporary(CLIENT_ERROR_BAD_REQUEST));
    assert_string_equal(centrifuge_json.name, "json");
    assert_false(centrifuge_json.binary);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_messages),
        cmocka_unit_test(test_every_prefix),
        cmocka_unit_test(test_handler_decides),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_write_connect),
        cmocka_unit_test(test_write_others),
        cmocka_unit_test(test_write_for_streams),
        cmocka_unit_test(test_read_emulation),
        cmocka_unit_test(test_write_what_was_captured),
        cmocka_unit_test(test_write_status),
        cmocka_unit_test(test_one_way_command),
        cmocka_unit_test(test_vocabularies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
