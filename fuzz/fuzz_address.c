/* SPDX-License-Identifier: Apache-2.0 */
/* Every reader of codec/address.h over the same bytes; what was read is written and read again. */
#include "fuzz.h"

#include "codec/address.h"

#include <string.h>

static void try_address(const struct address *address)
{
    char text[ADDRESS_TEXT_SIZE];
    struct address again;
    struct address_network alone;
    address_format(address, text);
    expect(address_parse(str_from(text), &again));
    expect(memcmp(&again, address, sizeof(again)) == 0);
    expect(!address_looks_numeric(str_from(text)));
    expect(address_network_parse(str_from(text), &alone) == 0 && alone.prefix == 128);
    expect(address_network_contains(&alone, address));
    if (!address_may_be_called(address, NULL, 0))
        (void)address_may_be_called(address, &alone, 1);
    else
        expect(address_may_be_called(address, &alone, 1));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = str_make((const char *)data, size);
    struct address address;
    struct address_network network;
    (void)address_looks_numeric(text);
    if (address_parse(text, &address))
        try_address(&address);
    if (address_network_parse(text, &network) == 0) {
        expect(network.prefix >= 0 && network.prefix <= 128);
        try_address(&network.address);
    }
    if (size >= 4) {
        address = address_from_ipv4(data);
        try_address(&address);
    }
    if (size >= 16) {
        address = address_from_ipv6(data);
        try_address(&address);
    }
    return 0;
}
