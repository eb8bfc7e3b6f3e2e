/* SPDX-License-Identifier: Apache-2.0 */
/* What auth_user.c needs of auth.c. */
#ifndef ORDERWIRE_AUTH_AUTH_INTERNAL_H
#define ORDERWIRE_AUTH_AUTH_INTERNAL_H

#include "auth/auth.h"
#include "base/crypto.h"
#include "store/store.h"

struct store *auth_store(struct auth *auth);
struct store_connection *auth_reader(struct auth *auth);

#endif
