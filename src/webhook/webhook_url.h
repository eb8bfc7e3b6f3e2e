/* SPDX-License-Identifier: Apache-2.0 */
/* Which URLs a webhook may be sent to, as far as the text alone tells. Pure. */
#ifndef ORDERWIRE_WEBHOOK_WEBHOOK_URL_H
#define ORDERWIRE_WEBHOOK_WEBHOOK_URL_H

#include "codec/address.h"

#define WEBHOOK_URL_ERROR_SIZE 240

/*
 * ERR_INVALID with a sentence for: other schemes than http and https, credentials, a fragment,
 * characters that are not ASCII or must be escaped, hosts that are neither a name nor an address as
 * it is usually written, and addresses (localhost too) that may not be called.
 */
NODISCARD int webhook_url_check(struct str url, const struct address_network *allowed,
                                size_t allowed_count, char error[WEBHOOK_URL_ERROR_SIZE]);

#endif
