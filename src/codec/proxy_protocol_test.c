/* SPDX-License-Identifier: Apache-2.0 */
/* Headers of both versions, whole, one byte at a time, and with the client's bytes behind them. */
#include "codec/proxy_protocol.h"

#include "base/err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define LINE(text) "PROXY " text "\r\n"
#define HEAD "\r\n\r\n\0\r\nQUIT\n"
#define V4 "\xc6\x33\x64\x07\xc0\x00\x02\x01\x12\x34\x01\xbb"
#define V6 "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x07"
#define PORTS "\x12\x34\x01\xbb"
#define NINES "9999999999"
#define STR(literal)                                                                               \
    {                                                                                              \
        literal, sizeof(literal) - 1                                                               \
    }

static const struct {
    struct str bytes;
    const char *source; /* NULL: ERR_INVALID; "": none */
} rows[] = {
    {STR(LINE("TCP4 198.51.100.7 192.0.2.1 4660 443")), "198.51.100.7"},
    {STR(LINE("TCP4 255.255.255.255 255.255.255.255 65535 65535")), "255.255.255.255"},
    {STR(LINE("TCP4 198.51.100.7 192.0.2.1 0 0")), "198.51.100.7"},
    {STR(LINE("TCP6 2001:db8::7 2001:db8::1 4660 443")), "2001:db8::7"},
    {STR(LINE(
         "TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
         "65535 65535")),
     "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
    {STR(LINE("TCP6 ::ffff:198.51.100.7 ::1 1 2")), "198.51.100.7"},
    {STR(LINE("UNKNOWN")), ""},
    {STR(LINE("UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
              "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535")),
     ""},
    {STR(HEAD "\x21\x11\0\x0c" V4), "198.51.100.7"},
    {STR(HEAD "\x21\x21\0\x24" V6 V6 PORTS), "2001:db8::7"},
    {STR(HEAD "\x21\x11\0\x13" V4 "\x04\0\x04text"), "198.51.100.7"},
    {STR(HEAD "\x20\0\0\0"), ""},
    {STR(HEAD "\x20\x11\0\x0c" V4), ""},
    {STR(HEAD "\x21\0\0\0"), ""},
    {STR(HEAD "\x21\0\0\x03xyz"), ""},
    {STR(HEAD "\x21\x12\0\x0c" V4), "198.51.100.7"},
    /* Version 1 that is none. */
    {STR("GET / HTTP/1.1\r\n"), NULL},
    {STR("\x16\x03\x01"), NULL},
    {STR("PROXY\r\n"), NULL},
    {STR("proxy TCP4 198.51.100.7 192.0.2.1 1 2\r\n"), NULL},
    {STR(LINE("")), NULL},
    {STR(LINE("TCP5 198.51.100.7 192.0.2.1 1 2")), NULL},
    {STR(LINE("TCP4")), NULL},
    {STR(LINE("TCP4 198.51.100.7 192.0.2.1 1")), NULL},
    {STR(LINE("TCP4 198.51.100.7 192.0.2.1 1 2 3")), NULL},
    {STR(LINE("TCP4 198.51.100.7  192.0.2.1 1 2")), NULL},
    {STR(LINE("TCP4 198.51.100.7 192.0.2.1 1 65536")), NULL},
    {STR(LINE("TCP4 198.51.100.7 192.0.2.1 -1 2")), NULL},
    {STR(LINE("TCP4 198.51.100.256 192.0.2.1 1 2")), NULL},
    {STR(LINE("TCP4 2001:db8::7 2001:db8::1 1 2")), NULL},
    {STR(LINE("TCP6 198.51.100.7 192.0.2.1 1 2")), NULL},
    {STR(LINE("TCP4 198.51.100.7 2001:db8::1 1 2")), NULL},
    {STR(LINE("TCP6 :: ::1 1 2")), NULL},
    {STR("PROXY TCP4 198.51.100.7 192.0.2.1 1 2\n"), NULL},
    {STR("PROXY UNKNOWN " NINES NINES NINES NINES NINES NINES NINES NINES NINES "99\r\n"), NULL},
    /* Version 2 that is none. */
    {STR(HEAD "\x11\x11\0\x0c" V4), NULL},
    {STR(HEAD "\x22\x11\0\x0c" V4), NULL},
    {STR(HEAD "\x21\x13\0\x0c" V4), NULL},
    {STR(HEAD "\x21\x41\0\x0c" V4), NULL},
    {STR(HEAD "\x21\x11\0\x0b" V4), NULL},
    {STR(HEAD "\x21\x21\0\x0c" V4), NULL},
    {STR(HEAD "\x21\x31\0\x0c" V4), NULL},
    {STR(HEAD "\x21\x11\x02\x09" V4), NULL},
    {STR(HEAD "\x21\x21\0\x24\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0" V6 PORTS), NULL},
    {STR("\r\n\r\n\0\r\nQUIX"), NULL},
};

static void check(size_t i, int result, const struct proxy_protocol *header, size_t length)
{
    char text[ADDRESS_TEXT_SIZE];
    if (rows[i].source == NULL) {
        if (result != ERR_INVALID)
            fail_msg("row %zu is read: %d", i, result);
        return;
    }
    if (result != 0 || header->length != length)
        fail_msg("row %zu: %d, %zu bytes", i, result, header->length);
    if (header->has_source != (rows[i].source[0] != '\0'))
        fail_msg("row %zu: a source or none", i);
    if (header->has_source)
        assert_string_equal(address_text(&header->source, text), rows[i].source);
}

static void test_whole(void **state)
{
    struct proxy_protocol header;
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        check(i, proxy_protocol_read(rows[i].bytes, &header), &header, rows[i].bytes.len);
}

static void test_byte_by_byte(void **state)
{
    struct proxy_protocol header;
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        int result = ERR_MORE;
        size_t length = 0;
        while (result == ERR_MORE && length < rows[i].bytes.len)
            result = proxy_protocol_read(str_make(rows[i].bytes.ptr, ++length), &header);
        check(i, result, &header, length);
        if (result == 0)
            assert_int_equal(length, rows[i].bytes.len);
    }
}

static void test_bytes_behind_it(void **state)
{
    struct proxy_protocol header;
    char bytes[400];
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        size_t length = rows[i].bytes.len;
        memcpy(bytes, rows[i].bytes.ptr, length);
        memcpy(bytes + length, "GET / HTTP/1.1\r\n\r\n", 18);
        if (rows[i].source != NULL)
            check(i, proxy_protocol_read(str_make(bytes, length + 18), &header), &header, length);
    }
}

static void test_longest(void **state)
{
    struct proxy_protocol header;
    char bytes[PROXY_PROTOCOL_MAX] = HEAD "\x21\x11\x02\x08" V4;
    (void)state;
    assert_int_equal(proxy_protocol_read(str_make(bytes, sizeof(bytes) - 1), &header), ERR_MORE);
    assert_int_equal(proxy_protocol_read(str_make(bytes, sizeof(bytes)), &header), 0);
    assert_int_equal(header.length, sizeof(bytes));
    assert_true(header.has_source);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole),
        cmocka_unit_test(test_byte_by_byte),
        cmocka_unit_test(test_bytes_behind_it),
        cmocka_unit_test(test_longest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
