/* SPDX-License-Identifier: Apache-2.0 */
/* The first line is a list of trusted proxies, the rest are fields of one request, a line each. */
#include "fuzz.h"

#include "codec/forwarded.h"

static void try_field(struct forwarded_trust *trust, const char *field, struct str lines)
{
    struct address peer = address_unix;
    struct address stranger = address_from_ipv4((const uint8_t[]){198, 51, 100, 7});
    struct forwarded_list forwarded;
    struct str line;
    trust->field = field;
    forwarded_begin(&forwarded, trust, &peer);
    while (str_split(&lines, '\n', &line))
        forwarded_add(&forwarded, line);
    struct address client = forwarded_client(&forwarded);
    expect(forwarded.found != address_equal(&client, &address_unix));
    /* Whatever stands before it, what our own proxy appends is what counts. */
    forwarded_add(&forwarded,
                  field[0] == 'f' ? STR_LIT("for=198.51.100.7") : STR_LIT("198.51.100.7"));
    client = forwarded_client(&forwarded);
    expect(address_equal(&client, &stranger) || forwarded_trusts(trust, &stranger));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str rest = str_make((const char *)data, size);
    struct forwarded_trust trust;
    struct str list, word;
    if (!str_split(&rest, '\n', &list) || forwarded_trust_parse(list, &trust, &word) != 0)
        return 0;
    expect(trust.count <= LIMIT_PROXY_NETWORKS);
    try_field(&trust, "forwarded", rest);
    try_field(&trust, "x-forwarded-for", rest);
    return 0;
}
