/* SPDX-License-Identifier: Apache-2.0 */
/* One endpoint after the other, so that memory does not grow with their number. */
#include "server/secrets_reseal.h"

#include "base/arena.h"
#include "base/crypto.h"
#include "base/err.h"
#include "base/limits.h"
#include "store/store_webhooks.h"

_Static_assert(SECRETS_KEY_SIZE == CRYPTO_KEY_SIZE, "a key of the file seals");

struct found {
    struct arena texts;
    struct store_endpoint endpoint;
    bool is_there;
};

/* Texts of a row end with the next call. */
static void keep(void *argument, const struct store_endpoint *endpoint)
{
    struct found *found = argument;
    found->is_there = true;
    found->endpoint = *endpoint;
    found->endpoint.state_reason = arena_copy(&found->texts, endpoint->state_reason);
    found->endpoint.settings = arena_copy(&found->texts, endpoint->settings);
    found->endpoint.secrets = arena_copy(&found->texts, endpoint->secrets);
}

static int reseal(struct store_connection *writer, const struct secrets_key *key,
                  struct store_endpoint *endpoint, struct secrets_resealed *resealed)
{
    struct buf plain;
    struct buf sealed;
    int rc = 0;
    buf_init(&plain, 2 * (size_t)LIMIT_WEBHOOK_SETTINGS);
    buf_init(&sealed, 2 * (size_t)LIMIT_WEBHOOK_SETTINGS + CRYPTO_SEAL_SIZE);
    bool is_open = crypto_open(key->previous, endpoint->secrets, &plain) == 0;
    if (is_open) {
        crypto_seal(key->key, buf_view(&plain), &sealed);
        endpoint->secrets = buf_view(&sealed);
        rc = store_endpoint_update(writer, endpoint);
    } else {
        is_open = crypto_open(key->key, endpoint->secrets, &plain) == 0;
    }
    if (is_open)
        resealed->done++;
    else
        resealed->closed++;
    buf_wipe(&plain);
    buf_fini(&sealed);
    return rc;
}

/* `*after`: the endpoint of before, then this one. ERR_NOT_FOUND: it was the last. */
static int reseal_next(struct store_connection *writer, const struct secrets_key *key,
                       int64_t *after, struct secrets_resealed *resealed)
{
    struct found found = {.is_there = false};
    arena_init(&found.texts);
    int rc = store_endpoint_list(writer, 0, *after, 1, keep, &found);
    if (rc == 0 && !found.is_there)
        rc = ERR_NOT_FOUND;
    if (rc == 0) {
        *after = found.endpoint.endpoint_id;
        rc = reseal(writer, key, &found.endpoint, resealed);
    }
    arena_fini(&found.texts);
    return rc;
}

int secrets_reseal(struct store *store, const struct secrets_key *key,
                   struct secrets_resealed *resealed)
{
    struct store_connection *writer;
    int64_t after = 0;
    *resealed = (struct secrets_resealed){0};
    int rc = store_connect(store, STORE_WRITER, &writer);
    if (rc != 0)
        return rc;
    rc = store_begin(writer);
    while (rc == 0)
        rc = reseal_next(writer, key, &after, resealed);
    rc = store_end(writer, rc == ERR_NOT_FOUND ? 0 : rc);
    store_disconnect(&writer);
    return rc;
}
