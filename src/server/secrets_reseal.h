/* SPDX-License-Identifier: Apache-2.0 */
/* Seals the secrets of webhooks anew when their key was replaced. */
#ifndef ORDERWIRE_SERVER_SECRETS_RESEAL_H
#define ORDERWIRE_SERVER_SECRETS_RESEAL_H

#include "server/secrets_key.h"
#include "store/store.h"

struct secrets_resealed {
    int64_t done;   /* are sealed by the new key now */
    int64_t closed; /* neither key opens them: they stay as they are */
};

/*
 * All in one transaction: when this returns 0 nothing that the previous key opens is left in the
 * store. Legal to repeat. An error of the store otherwise, and nothing has changed. Nobody else
 * writes meanwhile.
 */
NODISCARD int secrets_reseal(struct store *store, const struct secrets_key *key,
                             struct secrets_resealed *resealed);

#endif
