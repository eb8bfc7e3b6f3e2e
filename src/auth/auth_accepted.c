/* SPDX-License-Identifier: Apache-2.0 */
/* A table with one place for each token, by its hash: who comes later takes it. */
#include "auth/auth_accepted.h"

#include "auth/auth_remote.h"
#include "base/mem.h"

#include <string.h>

struct auth_accepted {
    struct auth_acceptance slots[LIMIT_ACCEPTED_TOKENS]; /* generation 0: never used */
};

struct auth_accepted *auth_accepted_new(void)
{
    return mem_zalloc(sizeof(struct auth_accepted));
}

void auth_accepted_free(struct auth_accepted **owner)
{
    mem_free(*owner);
    *owner = NULL;
}

static size_t slot_of(const uint8_t token[CRYPTO_SHA256_SIZE])
{
    uint64_t number;
    memcpy(&number, token, sizeof(number));
    return (size_t)(number % LIMIT_ACCEPTED_TOKENS);
}

static bool is_of(const struct auth_acceptance *known, const struct auth_acceptance *wanted)
{
    return known->generation == wanted->generation && known->project_id == wanted->project_id &&
           crypto_equal(known->token, wanted->token, sizeof(known->token));
}

static bool holds(const struct auth_acceptance *known, int64_t now_wall)
{
    if (now_wall < known->from || now_wall >= known->until)
        return false;
    return known->remote == NULL || auth_remote_is_current(known->remote, known->remote_version);
}

bool auth_accepted_find(const struct auth_accepted *accepted, struct auth_acceptance *wanted,
                        int64_t now_wall)
{
    const struct auth_acceptance *known = &accepted->slots[slot_of(wanted->token)];
    if (!is_of(known, wanted) || !holds(known, now_wall))
        return false;
    *wanted = *known;
    return true;
}

void auth_accepted_add(struct auth_accepted *accepted, const struct auth_acceptance *acceptance)
{
    accepted->slots[slot_of(acceptance->token)] = *acceptance;
}
