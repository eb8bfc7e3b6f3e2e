/* SPDX-License-Identifier: Apache-2.0 */
/* A table with one place for each token, by its hash: who comes later takes it. */
#include "auth/auth_accepted.h"

#include "auth/auth_remote.h"
#include "base/mem.h"

#include <string.h>

/* Longer ones are not remembered: e-mail addresses and UUIDs are shorter. */
enum { USER_ID_MAX = 50 };

/* Small, because each client that ever came takes one. */
struct slot {
    uint8_t token[CRYPTO_SHA256_SIZE];
    uint64_t generation; /* 0: never used */
    struct auth_remote *remote;
    uint64_t remote_version;
    int64_t from;
    int64_t until;
    int64_t expires_at;
    int64_t issued_at;
    int32_t project_id;
    uint8_t length;
    char external_id[USER_ID_MAX + 1];
};

struct auth_accepted {
    struct slot slots[LIMIT_ACCEPTED_TOKENS];
};

size_t auth_accepted_size(void)
{
    return sizeof(struct auth_accepted);
}

struct auth_accepted *auth_accepted_new(void)
{
    return mem_zalloc(sizeof(struct auth_accepted));
}

void auth_accepted_free(struct auth_accepted **owner)
{
    mem_free(*owner);
    *owner = NULL;
}

static size_t place_of(const uint8_t token[CRYPTO_SHA256_SIZE])
{
    uint64_t number;
    memcpy(&number, token, sizeof(number));
    return (size_t)(number % LIMIT_ACCEPTED_TOKENS);
}

static bool is_of(const struct slot *slot, const struct auth_acceptance *wanted)
{
    return slot->generation == wanted->generation && slot->project_id == wanted->project_id &&
           crypto_equal(slot->token, wanted->token, sizeof(slot->token));
}

static bool holds(const struct slot *slot, int64_t now_wall)
{
    if (now_wall < slot->from || now_wall >= slot->until)
        return false;
    return slot->remote == NULL || auth_remote_is_current(slot->remote, slot->remote_version);
}

bool auth_accepted_find(const struct auth_accepted *accepted, struct auth_acceptance *wanted,
                        int64_t now_wall)
{
    const struct slot *slot = &accepted->slots[place_of(wanted->token)];
    struct auth_user *user = &wanted->user;
    if (!is_of(slot, wanted) || !holds(slot, now_wall))
        return false;
    memcpy(user->external_id, slot->external_id, sizeof(slot->external_id));
    user->user_external_id = str_make(user->external_id, slot->length);
    user->expires_at = slot->expires_at;
    user->issued_at = slot->issued_at;
    return true;
}

void auth_accepted_add(struct auth_accepted *accepted, const struct auth_acceptance *acceptance)
{
    struct slot *slot = &accepted->slots[place_of(acceptance->token)];
    struct str id = acceptance->user.user_external_id;
    if (id.len > USER_ID_MAX)
        return;
    *slot = (struct slot){
        .generation = acceptance->generation,
        .remote = acceptance->remote,
        .remote_version = acceptance->remote_version,
        .from = acceptance->from,
        .until = acceptance->until,
        .expires_at = acceptance->user.expires_at,
        .issued_at = acceptance->user.issued_at,
        .project_id = acceptance->project_id,
        .length = (uint8_t)id.len,
    };
    memcpy(slot->token, acceptance->token, sizeof(slot->token));
    memcpy(slot->external_id, id.ptr, id.len);
}
