/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Addresses as 16 bytes, so that one comparison of bits serves both families, and the question
 * whether a webhook may go there. What reads text is inet_pton, which knows one form of each
 * address; the many others that resolvers take are named here only to refuse them.
 */
#include "codec/address.h"

#include "base/err.h"

#include <arpa/inet.h>
#include <string.h>

enum { IPV4_PREFIX = 96, ADDRESS_BITS = 128 };

static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
static const uint8_t nat64[12] = {0x00, 0x64, 0xff, 0x9b};

const struct address address_unix;

struct address address_from_ipv4(const uint8_t bytes[4])
{
    struct address address;
    memcpy(address.bytes, mapped, sizeof(mapped));
    memcpy(address.bytes + sizeof(mapped), bytes, 4);
    return address;
}

struct address address_from_ipv6(const uint8_t bytes[16])
{
    struct address address;
    memcpy(address.bytes, bytes, sizeof(address.bytes));
    return address;
}

static bool is_ipv4(const struct address *address)
{
    return memcmp(address->bytes, mapped, sizeof(mapped)) == 0;
}

bool address_parse(struct str text, struct address *address)
{
    char copy[ADDRESS_TEXT_SIZE];
    uint8_t ipv4[4];
    struct address parsed;
    if (text.len == 0 || text.len >= sizeof(copy) || memchr(text.ptr, '\0', text.len) != NULL)
        return false;
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    if (inet_pton(AF_INET, copy, ipv4) == 1)
        parsed = address_from_ipv4(ipv4);
    else if (inet_pton(AF_INET6, copy, parsed.bytes) != 1)
        return false;
    *address = parsed;
    return true;
}

void address_format(const struct address *address, char out[ADDRESS_TEXT_SIZE])
{
    bool ipv4 = is_ipv4(address);
    inet_ntop(ipv4 ? AF_INET : AF_INET6, address->bytes + (ipv4 ? sizeof(mapped) : 0), out,
              ADDRESS_TEXT_SIZE);
}

const char *address_text(const struct address *address, char out[ADDRESS_TEXT_SIZE])
{
    if (address == NULL)
        out[0] = '\0';
    else if (address_equal(address, &address_unix))
        memcpy(out, "unix", sizeof("unix"));
    else
        address_format(address, out);
    return out;
}

struct str address_holder(const struct address *address)
{
    const char *bytes = (const char *)address->bytes;
    return is_ipv4(address) ? str_make(bytes + sizeof(mapped), 4) : str_make(bytes, 8);
}

bool address_equal(const struct address *a, const struct address *b)
{
    return memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

/* A byte with the first `bits` bits set; `bits` may be outside 0 to 8. */
static uint8_t mask_byte(int bits)
{
    if (bits <= 0)
        return 0;
    return bits >= 8 ? 0xff : (uint8_t)(0xff << (8 - bits));
}

int address_network_parse(struct str text, struct address_network *network)
{
    struct address_network parsed;
    struct str rest = text;
    struct str head;
    if (!str_split(&rest, '/', &head) || !address_parse(head, &parsed.address))
        return ERR_INVALID;
    int first = memchr(head.ptr, ':', head.len) == NULL ? IPV4_PREFIX : 0;
    int64_t bits = ADDRESS_BITS - first;
    if (rest.ptr != NULL && !str_to_int64(rest, 0, ADDRESS_BITS - first, &bits))
        return ERR_INVALID;
    parsed.prefix = first + (int)bits;
    for (int i = 0; i < 16; i++) {
        if (parsed.address.bytes[i] & ~mask_byte(parsed.prefix - 8 * i))
            return ERR_UNSUPPORTED;
    }
    *network = parsed;
    return 0;
}

bool address_network_contains(const struct address_network *network, const struct address *address)
{
    /* "::/0" means the addresses of IPv6, though by its bits it would hold those of IPv4 too. */
    if (network->prefix < IPV4_PREFIX && is_ipv4(address))
        return false;
    for (int i = 0; i < 16; i++) {
        uint8_t differs = network->address.bytes[i] ^ address->bytes[i];
        if (differs & mask_byte(network->prefix - 8 * i))
            return false;
    }
    return true;
}

static bool is_blocked(const struct address *address)
{
    static const char *const networks[] = {
#define ADDRESS_BLOCK(text, reason) text,
#include "codec/address_block.def"
    };
    for (size_t i = 0; i < ARRAY_LENGTH(networks); i++) {
        struct address_network network;
        /* A row that cannot be read blocks everything, which no test overlooks. */
        if (address_network_parse(str_from(networks[i]), &network) != 0 ||
            address_network_contains(&network, address))
            return true;
    }
    return false;
}

/* A NAT64 address leads to the IPv4 address inside. */
static struct address target_of(const struct address *address)
{
    struct address target = *address;
    if (memcmp(target.bytes, nat64, sizeof(nat64)) == 0)
        memcpy(target.bytes, mapped, sizeof(mapped));
    return target;
}

bool address_is_in(const struct address *address, const struct address_network *networks,
                   size_t count)
{
    struct address target = target_of(address);
    for (size_t i = 0; i < count; i++) {
        if (address_network_contains(&networks[i], &target))
            return true;
    }
    return false;
}

bool address_may_be_called(const struct address *address, const struct address_network *allowed,
                           size_t allowed_count)
{
    struct address target = target_of(address);
    return address_is_in(address, allowed, allowed_count) || !is_blocked(&target);
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_hex_digit(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* Decimal, octal, or hexadecimal with 0x; "0x" alone counts as zero. */
static bool is_number(struct str label)
{
    bool hex = label.len >= 2 && label.ptr[0] == '0' && (label.ptr[1] | 0x20) == 'x';
    for (size_t i = hex ? 2 : 0; i < label.len; i++) {
        if (hex ? !is_hex_digit(label.ptr[i]) : !is_digit(label.ptr[i]))
            return false;
    }
    return label.len > 0;
}

bool address_looks_numeric(struct str host)
{
    struct address address;
    if (address_parse(host, &address))
        return false;
    /* No top-level domain is a number, so one at the end is a host that means an address. */
    if (host.len > 0 && host.ptr[host.len - 1] == '.')
        host.len--;
    size_t start = host.len;
    while (start > 0 && host.ptr[start - 1] != '.')
        start--;
    return is_number(str_make(host.ptr + start, host.len - start));
}
