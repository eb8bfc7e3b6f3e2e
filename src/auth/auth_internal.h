/* SPDX-License-Identifier: Apache-2.0 */
/* What auth_user.c needs of auth.c. */
#ifndef ORDERWIRE_AUTH_AUTH_INTERNAL_H
#define ORDERWIRE_AUTH_AUTH_INTERNAL_H

#include "auth/auth.h"
#include "base/crypto.h"
#include "store/store.h"

struct store *auth_store(struct auth *auth);
struct store_connection *auth_reader(struct auth *auth);
struct auth_accepted *auth_accepted(struct auth *auth);
/* Another number, never 0, after projects were dropped or have changed. */
uint64_t auth_round(const struct auth *auth);

#endif
