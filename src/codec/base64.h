/* SPDX-License-Identifier: Apache-2.0 */
/* Base64 and base64url (RFC 4648 sections 4 and 5) and hexadecimal. */
#ifndef ORDERWIRE_CODEC_BASE64_H
#define ORDERWIRE_CODEC_BASE64_H

#include "base/buf.h"

/* With padding. */
void base64_encode(struct str bytes, struct buf *out);
/* Without padding. */
void base64_encode_url(struct str bytes, struct buf *out);
/* Padding required, no white space or stray bits. ERR_INVALID; ERR_TOO_LARGE: `out` is full. */
NODISCARD int base64_decode(struct str text, struct buf *out);
/* Padding refused. */
NODISCARD int base64_decode_url(struct str text, struct buf *out);

/* Lower case. */
void base64_encode_hex(struct str bytes, struct buf *out);
/* Either case; an even number of digits. */
NODISCARD int base64_decode_hex(struct str text, struct buf *out);

#endif
