/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IP addresses and networks, and which of them a webhook may go to. Pure: the caller resolves and
 * connects. IPv4-mapped (::ffff:0:0/96) and NAT64 (64:ff9b::/96) addresses are judged by the IPv4
 * address inside.
 */
#ifndef ORDERWIRE_CODEC_ADDRESS_H
#define ORDERWIRE_CODEC_ADDRESS_H

#include "base/str.h"

struct address {
    uint8_t bytes[16]; /* IPv4 in the mapped form */
};

/* Stands for what has no address: the peer of a Unix socket. Its bytes are zero, which nobody has. */
extern const struct address address_unix;

struct address_network {
    struct address address;
    int prefix; /* bits of the 128 */
};

#define ADDRESS_TEXT_SIZE 48

/*
 * Reads dotted decimal with four parts or IPv6 text, without brackets, port or zone. No octal, no
 * hexadecimal, no short forms.
 */
NODISCARD bool address_parse(struct str text, struct address *address);
struct address address_from_ipv4(const uint8_t bytes[4]);
struct address address_from_ipv6(const uint8_t bytes[16]);
/* Dotted decimal for mapped addresses. */
void address_format(const struct address *address, char out[ADDRESS_TEXT_SIZE]);

/* For people: "unix" for address_unix, "" for NULL. Returns `out`. */
const char *address_text(const struct address *address, char out[ADDRESS_TEXT_SIZE]);
/*
 * What stands for whoever has the address when limits are counted: an IPv4 address, or the first 64
 * bits of an IPv6 address, all of which one subscriber has. A view of `address`.
 */
struct str address_holder(const struct address *address);
bool address_equal(const struct address *a, const struct address *b);

/* "10.0.0.0/8", "::1/128", or a single address. ERR_UNSUPPORTED: bits behind the prefix are not zero. ERR_INVALID. */
NODISCARD int address_network_parse(struct str text, struct address_network *network);
bool address_network_contains(const struct address_network *network, const struct address *address);

bool address_is_in(const struct address *address, const struct address_network *networks,
                   size_t count);

/*
 * Whether a webhook may go there: in one of `allowed`, or in no row of address_block.def.
 */
bool address_may_be_called(const struct address *address, const struct address_network *allowed,
                           size_t allowed_count);

/*
 * Whether a URL's host is written as a number in a form that some resolvers take for an address
 * ("2130706433", "0x7f.1", "0177.0.0.1", "127.1"): such a host is refused, whatever it means.
 */
bool address_looks_numeric(struct str host);

#endif
