/* SPDX-License-Identifier: Apache-2.0 */
/* A header is found at the same place, and says the same, whether it comes whole or in bytes. */
#include "fuzz.h"

#include "codec/proxy_protocol.h"

#include "base/err.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct proxy_protocol whole, part;
    int result = proxy_protocol_read(str_make((const char *)data, size), &whole);
    int partial = ERR_MORE;
    size_t length = 0;
    while (partial == ERR_MORE && length < size)
        partial = proxy_protocol_read(str_make((const char *)data, ++length), &part);
    expect(result == partial || size == 0);
    expect(result != ERR_MORE || size < PROXY_PROTOCOL_MAX);
    if (result != 0)
        return 0;
    expect(length == whole.length && whole.length <= PROXY_PROTOCOL_MAX);
    expect(whole.has_source == part.has_source);
    expect(memcmp(&whole.source, &part.source, sizeof(whole.source)) == 0);
    return 0;
}
