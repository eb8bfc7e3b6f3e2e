/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a browser's page comes from, as its Origin field says it ("https://shop.example:8443", or
 * "null"; RFC 6454 section 6), and lists of those that are allowed.
 */
#ifndef ORDERWIRE_CODEC_ORIGIN_H
#define ORDERWIRE_CODEC_ORIGIN_H

#include "base/str.h"

/*
 * An entry of a list: an origin as browsers write it (lower case, no path, no port that the scheme
 * implies), "null", or one with a star for one label or more before the host's name:
 * *.shop.example after its scheme.
 */
NODISCARD bool origin_entry_is_valid(struct str entry);
/* Whether a valid entry means the origin, which may be any bytes. */
bool origin_matches(struct str entry, struct str origin);
/*
 * Browsers have no page at ws: and wss:. Native libraries (Starscream) send the address that they
 * call as their origin.
 */
bool origin_is_native(struct str origin);

#endif
