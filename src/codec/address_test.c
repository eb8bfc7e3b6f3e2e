/* SPDX-License-Identifier: Apache-2.0 */
/* Texts of addresses and networks, every row of the block list at its edges, and numeric hosts. */
#include "codec/address.h"

#include "base/err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct address address_of(const char *text)
{
    struct address address;
    if (!address_parse(str_from(text), &address))
        fail_msg("\"%s\" was not read", text);
    return address;
}

static struct address_network network_of(const char *text)
{
    struct address_network network;
    if (address_network_parse(str_from(text), &network) != 0)
        fail_msg("\"%s\" was not read", text);
    return network;
}

static bool contains(const char *network_text, const char *address_text)
{
    struct address_network network = network_of(network_text);
    struct address address = address_of(address_text);
    return address_network_contains(&network, &address);
}

static bool may_be_called(const char *text, const char *allowed_text)
{
    struct address address = address_of(text);
    if (allowed_text == NULL)
        return address_may_be_called(&address, NULL, 0);
    struct address_network allowed[] = {network_of("203.0.113.7"), network_of(allowed_text)};
    return address_may_be_called(&address, allowed, ARRAY_LENGTH(allowed));
}

static void test_texts_that_are_read(void **state)
{
    (void)state;
    static const char *const texts[][2] = {
        {"1.2.3.4", "1.2.3.4"},
        {"0.0.0.0", "0.0.0.0"},
        {"255.255.255.255", "255.255.255.255"},
        {"::", "::"},
        {"::1", "::1"},
        {"2001:DB8:0:0:0:0:0:1", "2001:db8::1"},
        {"1:22:333:4444:5:6:7:8", "1:22:333:4444:5:6:7:8"},
        {"::ffff:1.2.3.4", "1.2.3.4"},
        {"::ffff:102:304", "1.2.3.4"},
        {"0:0:0:0:0:ffff:1.2.3.4", "1.2.3.4"},
        {"64:ff9b::1.2.3.4", "64:ff9b::102:304"},
        {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
        {"ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255",
         "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++) {
        char out[ADDRESS_TEXT_SIZE];
        struct address address = address_of(texts[i][0]);
        address_format(&address, out);
        assert_string_equal(out, texts[i][1]);
        struct address again = address_of(out);
        assert_memory_equal(&again, &address, sizeof(address));
    }
}

static void test_texts_that_are_refused(void **state)
{
    (void)state;
    static const struct str texts[] = {
        STR_LIT(""),
        STR_LIT("1.2.3"),
        STR_LIT("1.2.3.4.5"),
        STR_LIT("1.2.3.256"),
        STR_LIT("01.2.3.4"),
        STR_LIT("0x1.2.3.4"),
        STR_LIT("1.2.3.4 "),
        STR_LIT(" 1.2.3.4"),
        STR_LIT("1.2.3.4."),
        STR_LIT("1.2..4"),
        STR_LIT("16909060"),
        STR_LIT("+1.2.3.4"),
        STR_LIT("[::1]"),
        STR_LIT("::1%lo"),
        STR_LIT("fe80::1%1"),
        STR_LIT(":::"),
        STR_LIT("1::2::3"),
        STR_LIT("12345::"),
        STR_LIT("1:2:3:4:5"),
        STR_LIT("::1.2.3"),
        STR_LIT("::1.2.3.04"),
        STR_LIT("::1/128"),
        STR_LIT("g::"),
        STR_LIT("1.2.3.4\0"),
        STR_LIT("1.2.3.4\0x"),
        STR_LIT("1.2.3.4:80"),
        STR_LIT("1:2:3:4:5:6:7:8:9"),
        STR_LIT("host"),
        STR_LIT("\xef\xbc\x91.2.3.4"),
        STR_LIT("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255x"),
        STR_LIT("1:2:3:4:5:6:7:8xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"),
        STR_LIT("1:2:3:4:5:6:7:8xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"),
        STR_LIT("00000000000000000000000000000000000000000000000000001::"),
    };
    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++) {
        struct address address;
        struct address_network network;
        memset(&address, 0x55, sizeof(address));
        struct address before = address;
        if (address_parse(texts[i], &address))
            fail_msg("\"%.*s\" was read", STR_ARG(texts[i]));
        assert_memory_equal(&address, &before, sizeof(address));
        if (!str_equal_text(texts[i], "::1/128"))
            assert_int_equal(address_network_parse(texts[i], &network), ERR_INVALID);
    }
}

static void test_addresses_from_bytes(void **state)
{
    (void)state;
    static const uint8_t ipv4[] = {192, 0, 2, 1};
    static const uint8_t ipv6[16] = {0x20, 0x01, [15] = 7};
    char out[ADDRESS_TEXT_SIZE];
    struct address address = address_from_ipv4(ipv4);
    address_format(&address, out);
    assert_string_equal(out, "192.0.2.1");
    address = address_from_ipv6(ipv6);
    address_format(&address, out);
    assert_string_equal(out, "2001::7");
}

static void test_networks_that_are_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "/",
        "/8",
        "10.0.0.0/",
        "10.0.0.0/33",
        "::/129",
        "10.0.0.0/-1",
        "10.0.0.0/+8",
        "10.0.0.0/08",
        "10.0.0.0/8/8",
        "10.0.0.0 /8",
        "10.0.0.1/8",
        "0.0.0.1/0",
        "::1/127",
        "::1/0",
        "10.0.0.0/8 ",
        "10/8",
        "[::1]/128",
        "10.0.0.0/255.0.0.0",
        "::ffff:10.0.0.0/8",
    };
    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++) {
        struct address_network network;
        if (address_network_parse(str_from(texts[i]), &network) == 0)
            fail_msg("\"%s\" was read", texts[i]);
    }
}

static void test_networks(void **state)
{
    (void)state;
    static const struct {
        const char *network;
        const char *inside[2];
        const char *outside[2];
    } rows[] = {
        {"1.2.3.4", {"1.2.3.4", "::ffff:1.2.3.4"}, {"1.2.3.3", "1.2.3.5"}},
        {"1.2.3.4/32", {"1.2.3.4", "1.2.3.4"}, {"1.2.3.5", "::102:304"}},
        {"1.2.3.4/31", {"1.2.3.4", "1.2.3.5"}, {"1.2.3.3", "1.2.3.6"}},
        {"10.0.0.0/8", {"10.0.0.0", "10.255.255.255"}, {"9.255.255.255", "11.0.0.0"}},
        {"::ffff:10.0.0.0/104", {"10.0.0.0", "10.255.255.255"}, {"9.255.255.255", "11.0.0.0"}},
        {"0.0.0.0/0", {"0.0.0.0", "255.255.255.255"}, {"::1", "2001:db8::1"}},
        {"::/0", {"::", "ffff::1"}, {"1.2.3.4", "0.0.0.0"}},
        {"::/80", {"::1", "::fffe:1.2.3.4"}, {"1.2.3.4", "::1:0:0:1"}},
        {"::1/128", {"::1", "::1"}, {"::", "::2"}},
        {"fc00::/7", {"fc00::", "fdff:ffff::1"}, {"fbff::", "fe00::"}},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        for (size_t k = 0; k < 2; k++) {
            if (!contains(rows[i].network, rows[i].inside[k]) ||
                contains(rows[i].network, rows[i].outside[k]))
                fail_msg("%s, column %zu", rows[i].network, k);
        }
    }
}

/* Adds one; false when it wrapped round. */
static bool step_up(struct address *address)
{
    for (int i = 15; i >= 0; i--) {
        if (++address->bytes[i] != 0)
            return true;
    }
    return false;
}

static bool step_down(struct address *address)
{
    for (int i = 15; i >= 0; i--) {
        if (address->bytes[i]-- != 0)
            return true;
    }
    return false;
}

static struct address last_of(const struct address_network *network)
{
    struct address last = network->address;
    for (int bit = network->prefix; bit < 128; bit++)
        last.bytes[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
    return last;
}

static bool is_called(const struct address *address)
{
    return address_may_be_called(address, NULL, 0);
}

/* The block list as it must be, written apart from the table, and in its order. */
static const struct {
    const char *first, *last;
    bool free_below, free_above; /* whether the neighbour outside may be called */
} blocks[] = {
    {"0.0.0.0", "0.255.255.255", false, true},
    {"10.0.0.0", "10.255.255.255", true, true},
    {"100.64.0.0", "100.127.255.255", true, true},
    {"127.0.0.0", "127.255.255.255", true, true},
    {"169.254.0.0", "169.254.255.255", true, true},
    {"172.16.0.0", "172.31.255.255", true, true},
    {"192.0.0.0", "192.0.0.255", true, true},
    {"192.0.2.0", "192.0.2.255", true, true},
    {"192.88.99.0", "192.88.99.255", true, true},
    {"192.168.0.0", "192.168.255.255", true, true},
    {"198.18.0.0", "198.19.255.255", true, true},
    {"198.51.100.0", "198.51.100.255", true, true},
    {"203.0.113.0", "203.0.113.255", true, true},
    {"224.0.0.0", "239.255.255.255", true, false},
    {"240.0.0.0", "255.255.255.255", false, false},
    {"::", "ff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", false, false},
    {"100::", "100::ffff:ffff:ffff:ffff", false, true},
    {"2001::", "2001:0:ffff:ffff:ffff:ffff:ffff:ffff", true, true},
    {"2001:2::", "2001:2:0:ffff:ffff:ffff:ffff:ffff", true, true},
    {"2001:10::", "2001:1f:ffff:ffff:ffff:ffff:ffff:ffff", true, true},
    {"2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", true, true},
    {"2002::", "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff", true, true},
    {"3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff", true, true},
    {"5f00::", "5f00:ffff:ffff:ffff:ffff:ffff:ffff:ffff", true, true},
    {"fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", true, true},
    {"fe80::", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff", true, false},
    {"fec0::", "feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", false, false},
    {"ff00::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", false, false},
};

static const char *const table[] = {
#define ADDRESS_BLOCK(text, reason) text,
#include "codec/address_block.def"
};

static void test_every_row_of_the_block_list(void **state)
{
    (void)state;
    assert_int_equal(ARRAY_LENGTH(table), ARRAY_LENGTH(blocks));
    for (size_t i = 0; i < ARRAY_LENGTH(blocks); i++) {
        struct address_network network = network_of(table[i]);
        struct address first = address_of(blocks[i].first);
        struct address last = address_of(blocks[i].last);
        struct address end = last_of(&network);
        assert_memory_equal(&network.address, &first, sizeof(first));
        assert_memory_equal(&end, &last, sizeof(last));
        assert_false(is_called(&first));
        assert_false(is_called(&last));
        assert_true(address_may_be_called(&first, &network, 1));
        assert_true(address_may_be_called(&last, &network, 1));
        bool is_lowest = !step_down(&first);
        bool is_highest = !step_up(&last);
        if ((!is_lowest && is_called(&first) != blocks[i].free_below) ||
            (!is_highest && is_called(&last) != blocks[i].free_above))
            fail_msg("a neighbour of %s", table[i]);
    }
}

static void test_who_may_be_called(void **state)
{
    (void)state;
    static const struct {
        const char *address;
        const char *allowed;
        bool may;
    } rows[] = {
        {"8.8.8.8", NULL, true},
        {"2606:4700:4700::1111", NULL, true},
        {"127.0.0.1", NULL, false},
        {"127.0.0.1", "127.0.0.0/8", true},
        {"127.0.0.1", "127.0.0.2", false},
        {"127.0.0.1", "::/0", false},
        {"169.254.169.254", "127.0.0.0/8", false},
        {"8.8.8.8", "127.0.0.0/8", true},
        /* Mapped. */
        {"::ffff:127.0.0.1", NULL, false},
        {"::ffff:127.0.0.1", "127.0.0.0/8", true},
        {"::ffff:8.8.8.8", NULL, true},
        /* NAT64. */
        {"64:ff9b::127.0.0.1", NULL, false},
        {"64:ff9b::169.254.169.254", NULL, false},
        {"64:ff9b::127.0.0.1", "127.0.0.0/8", true},
        {"64:ff9b::127.0.0.1", "::/0", false},
        {"64:ff9b::8.8.8.8", NULL, true},
        {"64:ff9b:0:0:0:1::", NULL, false},
        {"64:ff9b:1::8.8.8.8", NULL, false},
        /* Compatible, translated. */
        {"::127.0.0.1", NULL, false},
        {"::8.8.8.8", NULL, false},
        {"::ffff:0:127.0.0.1", NULL, false},
        {"fd00:ec2::254", NULL, false},
        {"fd00:ec2::254", "fd00:ec2::/32", true},
        {"::1", "::1", true},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        if (may_be_called(rows[i].address, rows[i].allowed) != rows[i].may)
            fail_msg("row %zu: %s", i, rows[i].address);
    }
}

static void test_numeric_hosts(void **state)
{
    (void)state;
    static const char *const numeric[] = {
        "2130706433", "0x7f000001", "0X7F000001",  "0x7f.1",       "0177.0.0.1", "127.1",
        "127.0.1",    "0",          "0x",          "017700000001", "1.2.3.4.5",  "256.1.1.1",
        "1.2.3.4.",   "127.0.0.01", "127.0.0.0x1", "999999999999", "example.1",  "example.0x7f",
        "1.2.3.",     "127.0.0.1.", "0xabc",       "00",           "10.0.0.08",  "::0x7f.1",
    };
    static const char *const names[] = {
        "127.0.0.1",
        "8.8.8.8",
        "::1",
        "::ffff:127.0.0.1",
        "example.com",
        "1.example.com",
        "0x7f.com",
        "1.2.3.4.a",
        "127.0.0.x",
        "",
        ".",
        "..",
        "localhost",
        "0xg",
        "1e3",
        "a1",
        "1a",
        "0x7fz",
        "example.com.",
        "xn--1",
        "0b1",
        "-1",
        "1-1",
    };
    for (size_t i = 0; i < ARRAY_LENGTH(numeric); i++) {
        if (!address_looks_numeric(str_from(numeric[i])))
            fail_msg("\"%s\" does not look numeric", numeric[i]);
    }
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        if (address_looks_numeric(str_from(names[i])))
            fail_msg("\"%s\" looks numeric", names[i]);
    }
}

static void test_holder(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        struct str holder;
    } rows[] = {
        {"192.0.2.7", {"\xc0\0\x02\x07", 4}},
        {"::ffff:192.0.2.7", {"\xc0\0\x02\x07", 4}},
        {"2001:db8:1:2::1", {"\x20\x01\x0d\xb8\0\x01\0\x02", 8}},
        {"2001:db8:1:2:ffff::9", {"\x20\x01\x0d\xb8\0\x01\0\x02", 8}},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct address address;
        assert_true(address_parse(str_from(rows[i].text), &address));
        assert_true(str_equal(address_holder(&address), rows[i].holder));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_holder),
        cmocka_unit_test(test_texts_that_are_read),
        cmocka_unit_test(test_texts_that_are_refused),
        cmocka_unit_test(test_addresses_from_bytes),
        cmocka_unit_test(test_networks_that_are_refused),
        cmocka_unit_test(test_networks),
        cmocka_unit_test(test_every_row_of_the_block_list),
        cmocka_unit_test(test_who_may_be_called),
        cmocka_unit_test(test_numeric_hosts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
