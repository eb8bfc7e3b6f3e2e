/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys of a published set. A refusal for good ends a client for good, so it takes proof: a set that
 * was fetched after the token was made and has no such key. Until then the client is asked to come
 * back.
 */
#include "auth/auth_remote.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "codec/jwt.h"

enum {
    LEEWAY = 5 * CLOCK_SECOND, /* clocks differ, and iat is cut to seconds */
    USUAL_AGE = 2 * LEEWAY,    /* of a token that does not say when it was made */
};

struct auth_remote {
    struct auth_keys_set *set;
    uint64_t version;
    int64_t fetched_at; /* of what `keys` was compared with last */
    struct jwks keys;
};

struct auth_remote *auth_remote_new(struct auth_keys *keys, const struct auth_keys_source *source)
{
    struct auth_remote *remote = mem_zalloc(sizeof(*remote));
    if (keys != NULL)
        remote->set = auth_keys_hold(keys, source);
    return remote;
}

void auth_remote_free(struct auth_remote **owner)
{
    struct auth_remote *remote = *owner;
    *owner = NULL;
    if (remote == NULL)
        return;
    jwks_fini(&remote->keys);
    auth_keys_release(&remote->set);
    mem_free(remote);
}

static void read_keys(struct auth_remote *remote)
{
    char error[JSON_ERROR_SIZE];
    struct buf text;
    buf_init(&text, LIMIT_JWKS_DOCUMENT);
    jwks_fini(&remote->keys);
    auth_keys_read(remote->set, &text, &remote->version);
    struct json *document = json_parse(buf_view(&text), error);
    if (document == NULL || jwks_read(document, false, &remote->keys, error) < 0)
        log_error("a key set that was good is not", LOG_TEXT("reason", error));
    json_free(&document);
    buf_fini(&text);
}

const struct jwks *auth_remote_keys(struct auth_remote *remote)
{
    if (remote->set == NULL)
        return &remote->keys;
    /* The time first: a set that is fetched in between must not speak against a key that it has. */
    remote->fetched_at = auth_keys_fetched_at(remote->set);
    if (auth_keys_version(remote->set) != remote->version)
        read_keys(remote);
    return &remote->keys;
}

uint64_t auth_remote_version(const struct auth_remote *remote)
{
    return remote->version;
}

bool auth_remote_is_current(const struct auth_remote *remote, uint64_t version)
{
    return remote->set != NULL && auth_keys_version(remote->set) == version;
}

int64_t auth_remote_fetched_at(const struct auth_remote *remote)
{
    return remote->fetched_at;
}

int auth_remote_miss(struct auth_remote *remote, int64_t issued_at, int64_t now_wall)
{
    if (remote->set == NULL)
        return ERR_BUSY;
    auth_keys_ask(remote->set);
    /*
     * One that does not say when it was made, or says the future, is believed to be a little old. So it is
     * refused shortly after a fetch alone: a client that comes back meets such a moment, while one whose key
     * was published since the fetch hardly does.
     */
    if (issued_at == INT64_MIN || issued_at > now_wall + LEEWAY)
        issued_at = now_wall - clock_earlier(USUAL_AGE, auth_keys_interval(remote->set));
    bool is_proof = remote->fetched_at > issued_at + LEEWAY && remote->fetched_at <= now_wall;
    return is_proof ? ERR_DENIED : ERR_BUSY;
}
