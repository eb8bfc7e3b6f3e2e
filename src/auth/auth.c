/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Projects kept with parsed keys, and who may act for a merchant or as operator. Parsing an RSA key
 * costs more than verifying with it, so it is done once for each change of a project. What is
 * dropped is kept for one more round, because a caller may still hold it.
 */
#include "auth/auth_internal.h"

#include "auth/auth_accepted.h"
#include "auth/auth_remote.h"
#include "base/err.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "codec/url.h"

#include <stdio.h>
#include <string.h>

enum {
    KEPT_PROJECTS = 1024,
    CREDENTIALS_MAX = 1024,
    KEY_TEXT_LENGTH = 40,
};

struct api_key {
    char key_id[STORE_KEY_ID_LENGTH + 1];
    uint8_t hash[STORE_KEY_HASH_SIZE];
};

struct entry {
    struct auth_project project; /* first: what callers see */
    struct api_key *keys;
    size_t key_count;
};

struct auth {
    struct store *store;
    struct store_connection *reader;
    struct auth_shared *shared;
    uint8_t admin_key_hash[CRYPTO_SHA256_SIZE];
    uint64_t generation;
    uint64_t round;      /* how often projects were dropped */
    struct map projects; /* entries by id */
    struct map dropped;  /* the ones before */
    struct auth_accepted *accepted;
};

void auth_use_admin_key(struct auth *auth, const uint8_t hash[CRYPTO_SHA256_SIZE])
{
    memcpy(auth->admin_key_hash, hash, sizeof(auth->admin_key_hash));
}

struct auth *auth_new(struct store *store, struct store_connection *reader,
                      struct auth_shared *shared)
{
    struct auth *auth = mem_zalloc(sizeof(*auth));
    auth->store = store;
    auth->reader = reader;
    auth->shared = shared;
    auth_use_admin_key(auth, shared->admin_key_hash);
    map_init(&auth->projects);
    map_init(&auth->dropped);
    auth->round = 1;
    auth->accepted = auth_accepted_new();
    return auth;
}

static void entry_free(struct entry *entry)
{
    struct auth_settings *settings = &entry->project.settings;
    for (size_t i = 0; i < settings->verifier_count; i++)
        auth_remote_free(&settings->verifiers[i].remote);
    auth_settings_fini(&entry->project.settings);
    mem_free(entry->keys);
    mem_free(entry);
}

static void free_one(void *argument, struct str key, void *value)
{
    (void)argument;
    (void)key;
    entry_free(value);
}

static void drop_all(struct auth *auth)
{
    map_each(&auth->dropped, free_one, NULL);
    map_fini(&auth->dropped);
    auth->dropped = auth->projects;
    map_init(&auth->projects);
    auth->round++;
}

void auth_free(struct auth **owner)
{
    struct auth *auth = *owner;
    if (auth == NULL)
        return;
    drop_all(auth);
    drop_all(auth);
    auth_accepted_free(&auth->accepted);
    mem_free(auth);
    *owner = NULL;
}

static void add_key(void *argument, const struct store_key *key)
{
    struct entry *entry = argument;
    size_t count = entry->key_count + 1;
    entry->keys = mem_realloc(entry->keys, count * sizeof(struct api_key));
    struct api_key *added = &entry->keys[entry->key_count];
    memcpy(added->key_id, key->key_id, sizeof(added->key_id));
    memcpy(added->hash, key->hash, STORE_KEY_HASH_SIZE);
    entry->key_count = count;
}

static int load_keys(struct auth *auth, struct entry *entry)
{
    return store_key_list(auth->reader, entry->project.project_id, entry->project.merchant_id,
                          add_key, entry);
}

static void hold_remotes(struct auth *auth, struct entry *entry)
{
    struct auth_settings *settings = &entry->project.settings;
    for (size_t i = 0; i < settings->verifier_count; i++) {
        struct auth_verifier *verifier = &settings->verifiers[i];
        struct auth_keys_source source =
            auth_keys_source_of(entry->project.project_id, settings, verifier);
        if (verifier->url.len > 0)
            verifier->remote = auth_remote_new(auth->shared->keys, &source);
    }
}

static int load(struct auth *auth, int32_t project_id, struct entry **loaded)
{
    struct store_project project;
    int rc = store_project_get(auth->reader, project_id, &project);
    if (rc < 0)
        return rc;
    struct entry *entry = mem_zalloc(sizeof(*entry));
    entry->project.project_id = project.project_id;
    entry->project.merchant_id = project.merchant_id;
    rc = auth_settings_read_stored(project.settings, &entry->project.settings);
    if (rc == 0)
        rc = load_keys(auth, entry);
    if (rc == 0)
        rc = store_revocation_any(auth->reader, project_id, &entry->project.has_revocations);
    if (rc < 0) {
        entry_free(entry);
        return rc;
    }
    hold_remotes(auth, entry);
    *loaded = entry;
    return 0;
}

static int find(struct auth *auth, int32_t project_id, struct entry **found)
{
    struct str key = str_make((const char *)&project_id, sizeof(project_id));
    /* Read before the project: a change between the two makes us read it once more, not less. */
    uint64_t generation = atomic_load(&auth->shared->generation);
    if (generation != auth->generation || auth->projects.count >= KEPT_PROJECTS)
        drop_all(auth);
    auth->generation = generation;
    *found = map_get(&auth->projects, key);
    if (*found != NULL)
        return 0;
    int rc = load(auth, project_id, found);
    if (rc == 0)
        map_put(&auth->projects, key, *found);
    return rc;
}

int auth_project(struct auth *auth, int32_t project_id, const struct auth_project **project)
{
    struct entry *entry;
    int rc = find(auth, project_id, &entry);
    if (rc == 0)
        *project = &entry->project;
    return rc;
}

static bool is_name_of(struct str name, const struct auth_project *project)
{
    int64_t number;
    if (!str_to_int64(name, 1, INT32_MAX, &number))
        return false;
    return number == project->project_id || number == project->merchant_id;
}

/* The key that has this text, or NULL. */
static const struct api_key *find_key(const struct entry *entry, struct str text)
{
    uint8_t hash[STORE_KEY_HASH_SIZE];
    const struct api_key *found = NULL;
    auth_hash_key(text, hash);
    for (size_t i = 0; i < entry->key_count; i++) {
        if (crypto_equal(entry->keys[i].hash, hash, sizeof(hash)))
            found = &entry->keys[i];
    }
    return found;
}

/* For the operator's log: never a part of what the caller sent. */
static int refuse(const char **reason, int rc, const char *text)
{
    *reason = text;
    return rc;
}

static int check_merchant(struct auth *auth, int32_t project_id, struct str name,
                          struct str password, const struct auth_project **project, char *caller,
                          const char **reason)
{
    struct entry *entry;
    const struct api_key *key;
    int rc = find(auth, project_id, &entry);
    if (rc < 0)
        return refuse(reason, rc, "no such project");
    if (!is_name_of(name, &entry->project))
        return refuse(reason, ERR_DENIED, "the name is neither the project nor its merchant");
    key = find_key(entry, password);
    if (key == NULL)
        return refuse(reason, ERR_DENIED, "unknown key");
    snprintf(caller, AUTH_CALLER_SIZE, "key %s", key->key_id);
    *project = &entry->project;
    return 0;
}

static int check_admin(const struct auth *auth, struct str authorization, const char **reason)
{
    struct str key;
    uint8_t hash[CRYPTO_SHA256_SIZE];
    if (authorization.len == 0)
        return refuse(reason, ERR_DENIED, "no authorization");
    if (url_bearer_token(authorization, &key) < 0)
        return refuse(reason, ERR_DENIED, "malformed authorization");
    auth_hash_key(key, hash);
    if (!crypto_equal(hash, auth->admin_key_hash, sizeof(hash)))
        return refuse(reason, ERR_DENIED, "not the admin key");
    return 0;
}

int auth_admin(struct auth *auth, struct str authorization)
{
    const char *reason;
    int rc = check_admin(auth, authorization, &reason);
    if (rc < 0)
        log_debug("admin key refused", LOG_TEXT("reason", reason));
    return rc;
}

static int check_basic(struct auth *auth, int32_t project_id, struct str authorization,
                       const struct auth_project **project, char *caller, const char **reason)
{
    struct str name;
    struct str password;
    struct buf credentials;
    int rc = ERR_DENIED;
    buf_init(&credentials, CREDENTIALS_MAX);
    /* What is not Basic keeps the reason that it is no admin key either. */
    if (url_basic_credentials(authorization, &credentials, &name, &password) == 0)
        rc = check_merchant(auth, project_id, name, password, project, caller, reason);
    buf_wipe(&credentials);
    return rc;
}

int auth_merchant(struct auth *auth, int32_t project_id, struct str authorization,
                  const struct auth_project **project, char caller[AUTH_CALLER_SIZE])
{
    const char *reason = "no such project";
    bool is_admin = check_admin(auth, authorization, &reason) == 0;
    snprintf(caller, AUTH_CALLER_SIZE, "%s", is_admin ? AUTH_ADMIN : "");
    int rc = is_admin ? auth_project(auth, project_id, project)
                      : check_basic(auth, project_id, authorization, project, caller, &reason);
    if (rc == ERR_DENIED || rc == ERR_NOT_FOUND)
        log_debug("key refused", LOG_INT("project_id", project_id), LOG_TEXT("reason", reason));
    return rc;
}

void auth_hash_key(struct str key, uint8_t hash[32])
{
    crypto_sha256(key, hash);
}

void auth_make_key(char key[AUTH_KEY_SIZE], uint8_t hash[32])
{
    static const struct str prefix = STR_LIT("owk_");
    memcpy(key, prefix.ptr, prefix.len);
    crypto_random_text(key + prefix.len, KEY_TEXT_LENGTH);
    auth_hash_key(str_from(key), hash);
}

struct store *auth_store(struct auth *auth)
{
    return auth->store;
}

struct store_connection *auth_reader(struct auth *auth)
{
    return auth->reader;
}

struct auth_accepted *auth_accepted(struct auth *auth)
{
    return auth->accepted;
}

uint64_t auth_round(const struct auth *auth)
{
    return auth->round;
}
