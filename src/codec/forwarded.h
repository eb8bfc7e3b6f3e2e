/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who a request comes from when proxies stand before us: X-Forwarded-For, or Forwarded (RFC 7239).
 * Each proxy appends whom it heard, so the list is true only as far back, from its right end, as
 * proxies that we trust have written it. The client is the rightmost address that is not a trusted
 * proxy; what stands left of it, and of anything that is no address, was written by strangers.
 */
#ifndef ORDERWIRE_CODEC_FORWARDED_H
#define ORDERWIRE_CODEC_FORWARDED_H

#include "base/limits.h"
#include "codec/address.h"

/* Proxies that are believed, and the field that they write. A field of another name is the client's. */
struct forwarded_trust {
    struct address_network networks[LIMIT_PROXY_NETWORKS];
    size_t count;
    bool unix_sockets;
    const char *field; /* "forwarded"; another name: a list like that of X-Forwarded-For */
};

/*
 * Reads "10.0.0.0/8, ::1, unix" into all members but `field`. `*word` is the one at fault: ERR_INVALID, ERR_UNSUPPORTED
 * when its bits behind the prefix are not zero, ERR_TOO_LARGE when it is one network too many.
 */
NODISCARD int forwarded_trust_parse(struct str list, struct forwarded_trust *trust,
                                    struct str *word);
bool forwarded_trusts(const struct forwarded_trust *trust, const struct address *address);

/* One request. Its fields are added in their order; a list may be spread over several. */
struct forwarded_list {
    const struct forwarded_trust *trust;
    struct address peer;
    struct address client;
    bool found;
};

/* `peer` is trusted. */
void forwarded_begin(struct forwarded_list *forwarded, const struct forwarded_trust *trust,
                     const struct address *peer);
void forwarded_add(struct forwarded_list *forwarded, struct str value);
/* The peer when the fields name nobody; the first proxy when they name only trusted ones. */
struct address forwarded_client(const struct forwarded_list *forwarded);

#endif
