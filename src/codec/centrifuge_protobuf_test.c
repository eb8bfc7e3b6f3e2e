/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/centrifuge.h"

#include "base/err.h"
#include "codec/base64.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* Bytes from hexadecimal; spaces are for the eye. */
static void bytes_of(const char *hex, struct buf *out)
{
    struct buf digits;
    buf_init(&digits, 4096);
    for (; *hex != '\0'; hex++)
        if (*hex != ' ')
            buf_append_byte(&digits, *hex);
    buf_init(out, 4096);
    assert_int_equal(base64_decode_hex(buf_view(&digits), out), 0);
    buf_fini(&digits);
}

static void append_text(struct buf *out, struct str text)
{
    buf_append_byte(out, '[');
    buf_append_str(out, text);
    buf_append_byte(out, ']');
}

/* A command in words, so that a row of a table can say what is expected. */
static int describe(void *argument, const struct centrifuge_command *command)
{
    struct buf *out = argument;
    buf_printf(out, "id=%u method=%d", command->id, (int)command->method);
    if (command->channel.len > 0)
        append_text(out, command->channel);
    if (command->method == CENTRIFUGE_CONNECT) {
        buf_printf(out, " project=%lld", (long long)command->credentials.project_id);
        append_text(out, command->credentials.auth);
        append_text(out, command->credentials.user_external_id);
        buf_append_text(out, command->credentials.malformed ? "malformed" : "");
        for (size_t i = 0; i < command->position_count; i++) {
            const struct centrifuge_position *position = &command->positions[i];
            append_text(out, position->channel);
            buf_printf(out, "%d %lld", position->recover, (long long)position->offset);
            append_text(out, position->epoch);
        }
    }
    if (command->method == CENTRIFUGE_HISTORY)
        buf_printf(out, " limit=%lld since=%d %lld reverse=%d", (long long)command->limit,
                   command->has_since, (long long)command->since_offset, command->reverse);
    buf_append_byte(out, ';');
    return 0;
}

static int read_all(struct str message, struct buf *out)
{
    for (;;) {
        int rc = centrifuge_protobuf.next_command(&message, describe, out);
        if (rc < 0)
            return rc == ERR_NOT_FOUND ? 0 : rc;
    }
}

struct row {
    const char *hex;
    int result;
    const char *text;
};

/* The first rows are what the SDKs send, byte for byte (centrifuge-protocol.md A.4, xsolla-sdks.md 1.6, 1.7). */
static const struct row rows[] = {
    {"2b 0801 2227 121f 7b2261757468223a2254222c2270726f6a6563745f6964223a37373634307d 2204"
     "6a617661",
     0, "id=1 method=0 project=77640[T][];"},
    {"40 0801 223c 1236 "
     "7b22757365725f65787465726e616c5f6964223a227531222c2261757468223a224a5754222c2270726f"
     "6a6563745f6964223a34327d"
     " 2202 6a73",
     0, "id=1 method=0 project=42[JWT][u1];"},
    {"37 0801 2233 122a "
     "7b0a2020226175746822203a202254222c0a20202270726f6a6563745f696422203a2037373634300a7d"
     " 2205 7377696674",
     0, "id=1 method=0 project=77640[T][];"},
    /* No token at all, as Gson writes it. */
    {"2e0801222a12227b2261757468223a226e756c6c222c2270726f6a6563745f6964223a37373634307d22"
     "046a617661",
     0, "id=1 method=0 project=77640[null][];"},
    /* Android comes back. */
    {"45 0802 2241 121f "
     "7b2261757468223a2254222c2270726f6a6563745f6964223a37373634307d"
     " 1a18 0a0a6f3a37373634303a7531 120a 1801 320465703031 3801 2204 6a617661",
     0, "id=2 method=0 project=77640[T][][o:77640:u1]1 1[ep01];"},
    {"1c 0802 5218 0a07 6f726465723a31 38ffffffffffffffffff01 4202 0800", 0,
     "id=2 method=6[order:1] limit=-1 since=1 0 reverse=0;"},
    {"1a 0802 5216 0a07 6f726465723a31 38ffffffffffffffffff01 4200", 0,
     "id=2 method=6[order:1] limit=-1 since=1 0 reverse=0;"},
    {"00", 0, "id=0 method=11;"},
    {"00 00", 0, "id=0 method=11;id=0 method=11;"},
    {"1f 0803 221b 1a19 0a07 6f726465723a31 120e 1801 3208 6162636445464748 4803", 0,
     "id=3 method=0 project=0[][][order:1]1 0[abcdEFGH];"},
    {"1f 0803 221b 1a19 0a07 6f726465723a31 120e 1801 3208 6162636445464748 3803", 0,
     "id=3 method=0 project=0[][][order:1]1 3[abcdEFGH];"},
    {"02 0805", 0, "id=5 method=12;"},
    {"04 0805 5a00", 0, "id=5 method=12;"},
    {"04 0805 6a00 04 0806 6200", 0, "id=5 method=7;id=6 method=8;"},
    {"09 0801 2205 1203 7b7d78", 0, "id=1 method=0 project=0[][]malformed;"},
    {"08 0801 2204 1202 5b5d", 0, "id=1 method=0 project=0[][]malformed;"},
    {"", ERR_INVALID, ""},
    {"05 0801", ERR_INVALID, ""},
    {"80", ERR_INVALID, ""},
    {"ffffffffffffffffff01", ERR_TOO_LARGE, ""},
    {"ffffffffffffffffffff01", ERR_INVALID, ""},
    {"8180 04", ERR_TOO_LARGE, ""},
    {"02 08ff", ERR_INVALID, ""},
    {"02 2205", ERR_INVALID, ""},
    {"06 0801 2200 2200", ERR_INVALID, ""}, /* connect twice */
    {"04 0801 0801", ERR_INVALID, ""},
    {"08 0801 9a0601 78 2200", 0, "id=1 method=0 project=0[][];"}, /* field 99 is not ours */
    {"12 0802 520e 420c 08ffffffffffffffffff01 1200", ERR_INVALID, ""},
};

static void test_commands(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct buf bytes;
        struct buf text;
        bytes_of(rows[i].hex, &bytes);
        buf_init(&text, 4096);
        struct str message = bytes.len > 0 ? buf_view(&bytes) : STR_LIT("");
        int result = read_all(message, &text);
        buf_append_byte(&text, '\0');
        if (result != rows[i].result || strcmp(text.ptr, rows[i].text) != 0)
            fail_msg("row %zu: %d \"%s\"", i, result, text.ptr);
        /* Cut at every byte: refused or shorter, never a crash. */
        for (size_t length = 1; length < bytes.len; length++) {
            buf_clear(&text);
            (void)read_all(str_make(bytes.ptr, length), &text);
        }
        buf_fini(&text);
        buf_fini(&bytes);
    }
}

static void assert_bytes(const struct buf *out, const char *hex)
{
    struct buf expected;
    bytes_of(hex, &expected);
    assert_int_equal(out->len, expected.len);
    assert_memory_equal(out->ptr, expected.ptr, expected.len);
    buf_fini(&expected);
}

static const struct centrifuge_publication new_order = {59614241, "new", 1};

static void test_connect_reply(void **state)
{
    struct buf out;
    struct centrifuge_connect_reply reply = {
        .client = STR_LIT("c-1"),
        .version = STR_LIT("1"),
        .channel = STR_LIT("o:77640:u1"),
        .epoch = STR_LIT("ep01"),
        .ping_seconds = 25,
    };
    (void)state;
    buf_init(&out, 4096);
    centrifuge_protobuf.write_connect(&out, 1, &reply);
    assert_bytes(&out,
                 "2a 0801 2a26 0a03632d31 120131 3218 0a0a6f3a37373634303a7531 120a 1801 "
                 "320465703031 5001 3819 4001");
    buf_clear(&out);
    reply.session = STR_LIT("0-s");
    reply.node = STR_LIT("n");
    centrifuge_protobuf.write_connect(&out, 1, &reply);
    assert_bytes(&out,
                 "32 0801 2a2e 0a03632d31 120131 3218 0a0a6f3a37373634303a7531 120a 1801 "
                 "320465703031 5001 3819 4001 4a03302d73 52016e");
    buf_clear(&out);
    reply.session = reply.node = STR_LIT("");
    reply.recovered = true;
    reply.was_recovering = true;
    reply.publications = &new_order;
    reply.publication_count = 1;
    centrifuge_protobuf.write_connect(&out, 1, &reply);
    assert_bytes(&out,
                 "58 0801 2a54 0a03632d31 120131 3246 0a0a6f3a37373634303a7531 1238 1801 "
                 "320465703031 3a28 2224 "
                 "7b226f726465725f6964223a35393631343234312c22737461747573223a226e6577227d "
                 "3001 4001 5001 6001 3819 4001");
    buf_fini(&out);
}

static void test_other_messages(void **state)
{
    struct buf out;
    (void)state;
    buf_init(&out, 4096);
    centrifuge_protobuf.write_publication(&out, STR_LIT("o:77640:u1"), &new_order);
    assert_bytes(&out,
                 "38 2236 120a6f3a37373634303a7531 2228 2224 "
                 "7b226f726465725f6964223a35393631343234312c22737461747573223a226e6577227d "
                 "3001");
    buf_clear(&out);
    centrifuge_protobuf.write_ping(&out);
    assert_bytes(&out, "00");
    buf_clear(&out);
    centrifuge_protobuf.write_disconnect(&out, CLOSE_SHUTDOWN);
    assert_bytes(&out, "11 220f 5a0d 08b917 1208 73687574646f776e");
    buf_clear(&out);
    centrifuge_protobuf.write_unsubscribe(&out, 7);
    assert_bytes(&out, "04 0807 3a00");
    buf_clear(&out);
    centrifuge_protobuf.write_error(&out, 7, CLIENT_ERROR_INTERNAL);
    assert_bytes(&out, "1f 0807 121b 0864 1215 696e7465726e616c20736572766572206572726f72 1801");
    buf_clear(&out);
    struct centrifuge_history_reply history = {
        .publications = &new_order, .publication_count = 1, .offset = 1, .epoch = STR_LIT("E")};
    centrifuge_protobuf.write_history(&out, 2, &history);
    assert_bytes(&out,
                 "33 0802 5a2f 0a28 2224 "
                 "7b226f726465725f6964223a35393631343234312c22737461747573223a226e6577227d "
                 "3001 120145 1801");
    buf_fini(&out);
}

static int describe_emulation(void *argument, const struct centrifuge_emulation *request)
{
    append_text(argument, request->session);
    append_text(argument, request->node);
    append_text(argument, request->data);
    return 7;
}

static void test_read_emulation(void **state)
{
    static const struct {
        const char *hex, *expected;
    } bodies[] = {
        {"0a016e 120173 1a0100", "[s][n][\0]"},
        {"1a0100 2205abcdef0102 120173", "[s][][\0]"},
        {"", "[][][]"},
        {"0a056e", NULL},
        {"ff", NULL},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(bodies); i++) {
        struct buf bytes, out;
        bytes_of(bodies[i].hex, &bytes);
        buf_init(&out, 100);
        int result = centrifuge_protobuf.read_emulation(buf_view(&bytes), describe_emulation, &out);
        assert_int_equal(result, bodies[i].expected ? 7 : ERR_INVALID);
        if (bodies[i].expected)
            assert_memory_equal(out.ptr, bodies[i].expected, out.len);
        buf_fini(&bytes);
        buf_fini(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_commands),
        cmocka_unit_test(test_connect_reply),
        cmocka_unit_test(test_other_messages),
        cmocka_unit_test(test_read_emulation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
