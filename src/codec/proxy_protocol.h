/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The PROXY protocol, versions 1 and 2: what a proxy says, before the first byte of a connection, of
 * whom it was made for (haproxy.org, proxy-protocol.txt). It does not begin like TLS or HTTP, so it
 * cannot be mistaken for them. Pure: the caller judges whom to believe.
 */
#ifndef ORDERWIRE_CODEC_PROXY_PROTOCOL_H
#define ORDERWIRE_CODEC_PROXY_PROTOCOL_H

#include "codec/address.h"

/* The longest header that is read: addresses of any kind, and a few further fields, which are skipped. */
#define PROXY_PROTOCOL_MAX 536

struct proxy_protocol {
    size_t length; /* of the header; what follows is the client's */
    /* False for the proxy's own connections (LOCAL), UNKNOWN, and kinds of addresses that are no IP. */
    bool has_source;
    struct address source;
};

/*
 * `bytes`: what has come so far. ERR_MORE: all of it is the beginning of a header. ERR_INVALID: it is
 * none, or is longer than PROXY_PROTOCOL_MAX (107 bytes in version 1).
 */
NODISCARD int proxy_protocol_read(struct str bytes, struct proxy_protocol *header);

#endif
