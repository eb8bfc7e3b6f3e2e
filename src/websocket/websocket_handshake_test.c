/* SPDX-License-Identifier: Apache-2.0 */
/* Handshakes that are accepted, and those that are not. */
#include "base/err.h"
#include "websocket/websocket.h"
#include "websocket/websocket_internal.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* The key and the answer of RFC 6455 section 1.3. */
#define KEY "dGhlIHNhbXBsZSBub25jZQ=="
#define ACCEPTED                                                                                   \
    "Upgrade: websocket\r\nConnection: Upgrade\r\n"                                                \
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"

static const struct row {
    const char *connection, *upgrade, *version, *key;
    int result;
} rows[] = {
    {"Upgrade", "websocket", "13", KEY, 0},
    {"keep-alive, Upgrade", "websocket", "13", KEY, 0},
    {"keep-alive ,\tupgrade , x", "WebSocket", "13", KEY, 0},
    {"Upgrade", "h2c, websocket", "13", KEY, 0},
    {"", "websocket", "13", KEY, ERR_UNSUPPORTED},
    {"keep-alive", "websocket", "13", KEY, ERR_UNSUPPORTED},
    {"Upgraded", "websocket", "13", KEY, ERR_UNSUPPORTED},
    {"Upgrade", "", "13", KEY, ERR_UNSUPPORTED},
    {"Upgrade", "h2c", "13", KEY, ERR_UNSUPPORTED},
    {"Upgrade", "websocket", "", KEY, ERR_UNSUPPORTED},
    {"Upgrade", "websocket", "8", KEY, ERR_UNSUPPORTED},
    {"Upgrade", "websocket", "13, 8", KEY, ERR_UNSUPPORTED},
    {"Upgrade", "websocket", "013", KEY, ERR_UNSUPPORTED},
    {"Upgrade", "websocket", "13", "", ERR_INVALID},
    {"Upgrade", "websocket", "13", "dGhlIHNhbXBsZSBub25jZQ", ERR_INVALID},
    {"Upgrade", "websocket", "13", "dGhlIHNhbXBsZSBub25jZQ= ", ERR_INVALID},
    {"Upgrade", "websocket", "13", "dGhlIHNhbXBsZSBub25j", ERR_INVALID},
    {"Upgrade", "websocket", "13", "dGhlIHNhbXBsZSBub25jZSE=", ERR_INVALID},
    {"Upgrade", "websocket", "13", "dGhlIHNhbXBsZSBub25jZSEh", ERR_INVALID},
    {"Upgrade", "websocket", "13", "ÄÖÜ", ERR_INVALID},
};

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct websocket_handshake handshake = {
            .connection = str_from(rows[i].connection),
            .upgrade = str_from(rows[i].upgrade),
            .version = str_from(rows[i].version),
            .key = str_from(rows[i].key),
        };
        struct buf headers;
        buf_init(&headers, 1000);
        int result = websocket_accept(&handshake, str_make(NULL, 0), &headers);
        if (result != rows[i].result)
            fail_msg("row %zu: %d", i, result);
        const char *expected = result == 0 ? ACCEPTED : "";
        assert_true(str_equal_text(buf_view(&headers), expected));
        buf_fini(&headers);
    }
}

static void test_subprotocol_and_room(void **state)
{
    (void)state;
    struct websocket_handshake handshake = {STR_LIT("upgrade"), STR_LIT("websocket"), STR_LIT("13"),
                                            STR_LIT(KEY)};
    struct buf headers;
    buf_init(&headers, 1000);
    assert_int_equal(websocket_accept(&handshake, STR_LIT("centrifuge-protobuf"), &headers), 0);
    assert_true(str_equal(buf_view(&headers),
                          STR_LIT(ACCEPTED "Sec-WebSocket-Protocol: centrifuge-protobuf\r\n")));
    buf_fini(&headers);
    buf_init(&headers, 20);
    assert_int_equal(websocket_accept(&handshake, str_make(NULL, 0), &headers), ERR_TOO_LARGE);
    buf_fini(&headers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_subprotocol_and_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
