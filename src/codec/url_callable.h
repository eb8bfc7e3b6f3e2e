/* SPDX-License-Identifier: Apache-2.0 */
/* Which URLs of others may be called, as far as the text alone tells. Pure. */
#ifndef ORDERWIRE_CODEC_URL_CALLABLE_H
#define ORDERWIRE_CODEC_URL_CALLABLE_H

#include "codec/address.h"

#define URL_CALLABLE_ERROR_SIZE 240

/*
 * ERR_INVALID with a sentence for: other schemes than http and https, credentials, a fragment,
 * characters that are not ASCII or must be escaped, hosts that are neither a name nor an address as
 * it is usually written, and addresses (localhost too) that may not be called.
 */
NODISCARD int url_callable_check(struct str url, const struct address_network *allowed,
                                 size_t allowed_count, char error[URL_CALLABLE_ERROR_SIZE]);

#endif
