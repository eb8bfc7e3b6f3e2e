/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Published key sets. The trouble is who makes us fetch: anybody can send tokens with key ids that do
 * not exist, so whoever asks raises a flag, and one request follows when the interval is over, however
 * many ask. When a fetch fails, the last good set stays: a login service that is down for an hour
 * must not lock its users out.
 */
#include "auth/auth_keys.h"

#include "auth/auth_keys_file.h"
#include "auth/auth_keys_turn.h"
#include "auth/auth_settings.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "codec/jwt.h"
#include "http/http_sender.h"
#include "loop/loop.h"
#include "store/store.h"

#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

enum {
    FETCH_TIMEOUT = 10 * CLOCK_SECOND,
    FILES_KEPT_DAYS = 30,
    PROJECTS_AT_ONCE = 100, /* of a listing */
};

struct auth_keys {
    char *directory;
    int64_t interval;
    struct loop *loop;
    struct http_sender *sender;
    struct store_connection *reader; /* NULL: all sets are fetched */
    struct auth_keys_turns turns;
    pthread_t thread;
    struct loop_message stop_message;
    struct loop_timer listing; /* the next look at the projects, when one failed */
    int32_t listed;            /* the last project that was looked at */
    pthread_mutex_t lock;      /* of `sets`, and of what the sets say is under it */
    struct map sets;           /* by id; what was once in it is freed by the thread alone */
};

struct auth_keys_set {
    struct auth_keys *keys;
    uint8_t id[CRYPTO_SHA256_SIZE];
    /* Without the networks, where TLS tells who answered: other ones make the keys no worse. */
    uint8_t file_id[CRYPTO_SHA256_SIZE];
    /* Never changed. */
    int32_t project_id;
    char *url;
    char *ca;
    struct address_network *networks;
    size_t network_count;

    _Atomic int64_t refresh;
    int references;      /* under the lock */
    struct buf document; /* under the lock, and changed by the thread alone */
    _Atomic uint64_t version;
    _Atomic int64_t fetched_at;
    atomic_bool asked; /* raised by whoever asks, who then posts the message */
    struct loop_message ask_message;

    /* The thread's own. */
    bool heard; /* the message has arrived: `asked` may be lowered */
    struct loop_timer timer;
    struct auth_keys_turn turn;
    struct http_sending *sending;
    int64_t allowed_mono; /* the next request, not before */
    int64_t started_wall;
    int failures;                              /* in a row */
    uint8_t settings_hash[CRYPTO_SHA256_SIZE]; /* those that were looked through for it */
    bool is_named;
};

static struct str id_of(const struct auth_keys_set *set)
{
    return str_make((const char *)set->id, sizeof(set->id));
}

static void set_free(struct auth_keys_set *set)
{
    auth_keys_turn_end(&set->keys->turns, &set->turn);
    loop_timer_cancel(&set->timer);
    http_sender_cancel(&set->sending);
    buf_fini(&set->document);
    mem_free(set->networks);
    mem_free(set->ca);
    mem_free(set->url);
    mem_free(set);
}

/* Sources. */

static void hash_source(const struct auth_keys_source *source, bool with_networks,
                        uint8_t id[CRYPTO_SHA256_SIZE])
{
    struct buf text;
    size_t network_count = with_networks ? source->network_count : 0;
    buf_init(&text, LIMIT_SETTINGS + LIMIT_WEBHOOK_URL);
    buf_printf(&text, "%d\n%zu\n", source->project_id, network_count);
    for (size_t i = 0; i < network_count; i++) {
        buf_append(&text, source->networks[i].address.bytes,
                   sizeof(source->networks[i].address.bytes));
        buf_printf(&text, "/%d\n", source->networks[i].prefix);
    }
    buf_append_str(&text, source->url);
    buf_append_byte(&text, '\n');
    buf_append_str(&text, source->ca);
    crypto_sha256(buf_view(&text), id);
    buf_fini(&text);
}

struct auth_keys_source auth_keys_source_of(int32_t project_id,
                                            const struct auth_settings *settings,
                                            const struct auth_verifier *verifier)
{
    return (struct auth_keys_source){
        .project_id = project_id,
        .url = verifier->url,
        .ca = verifier->ca,
        .networks = settings->networks,
        .network_count = settings->network_count,
        .refresh = verifier->refresh,
    };
}

static bool settings_name(struct str text, const struct auth_keys_set *set)
{
    struct auth_settings settings;
    uint8_t id[CRYPTO_SHA256_SIZE];
    bool found = false;
    if (auth_settings_read_stored(text, &settings) < 0)
        return true;
    for (size_t i = 0; i < settings.verifier_count && !found; i++) {
        const struct auth_verifier *verifier = &settings.verifiers[i];
        struct auth_keys_source source = auth_keys_source_of(set->project_id, &settings, verifier);
        hash_source(&source, true, id);
        found = verifier->url.len > 0 && memcmp(id, set->id, sizeof(id)) == 0;
    }
    auth_settings_fini(&settings);
    return found;
}

/* Documents. */

/* A sentence when the text is no key set that a token could be checked with. */
static bool is_key_set(struct str text, char error[JSON_ERROR_SIZE])
{
    struct jwks set;
    struct json *document = json_parse(text, error);
    bool good = document != NULL && jwks_read(document, false, &set, error) == 0;
    if (good)
        jwks_fini(&set);
    json_free(&document);
    return good;
}

static void publish(struct auth_keys_set *set, struct str document)
{
    pthread_mutex_lock(&set->keys->lock);
    bool is_same = str_equal(buf_view(&set->document), document);
    if (!is_same) {
        buf_clear(&set->document);
        buf_append_str(&set->document, document);
        atomic_fetch_add(&set->version, 1);
    }
    pthread_mutex_unlock(&set->keys->lock);
}

uint64_t auth_keys_version(const struct auth_keys_set *set)
{
    return atomic_load_explicit(&set->version, memory_order_acquire);
}

void auth_keys_read(struct auth_keys_set *set, struct buf *out, uint64_t *version)
{
    pthread_mutex_lock(&set->keys->lock);
    buf_append_str(out, buf_view(&set->document));
    *version = atomic_load(&set->version);
    pthread_mutex_unlock(&set->keys->lock);
}

int64_t auth_keys_interval(const struct auth_keys_set *set)
{
    return set->keys->interval;
}

int64_t auth_keys_fetched_at(const struct auth_keys_set *set)
{
    return atomic_load_explicit(&set->fetched_at, memory_order_acquire);
}

/* Fetching. */

/* The next request; those of many projects are spread a little. */
static void wait_for_next(struct auth_keys_set *set)
{
    int64_t now = loop_now(set->keys->loop);
    int64_t pause =
        auth_keys_turn_pause(set->keys->interval, atomic_load(&set->refresh), set->failures);
    pause -= crypto_random_below((uint32_t)(pause / 10) + 1);
    loop_timer_set(&set->timer,
                   set->heard ? set->allowed_mono : clock_later(now + pause, set->allowed_mono));
}

static void note_failure(struct auth_keys_set *set, const char *reason)
{
    metrics_add(METRIC_JWKS_FETCHES__FAILED, 1);
    if (set->failures == 0)
        log_warning("a key set cannot be fetched", LOG_INT("project_id", set->project_id),
                    LOG_TEXT("reason", reason),
                    LOG_TEXT("keys", auth_keys_version(set) > 0 ? "those of before" : "none"));
    set->failures += set->failures < INT_MAX;
}

static void note_success(struct auth_keys_set *set, struct str document)
{
    metrics_add(METRIC_JWKS_FETCHES__OK, 1);
    if (set->failures > 0)
        log_info("a key set is fetched again", LOG_INT("project_id", set->project_id));
    set->failures = 0;
    publish(set, document);
    atomic_store_explicit(&set->fetched_at, set->started_wall, memory_order_release);
    auth_keys_file_write(set->keys->directory, set->file_id, document);
}

/* False with a sentence in `error`. */
static bool brought_keys(const struct http_sender_result *result, char error[JSON_ERROR_SIZE])
{
    if (result->outcome != HTTP_SENDER_ANSWERED)
        snprintf(error, JSON_ERROR_SIZE, "%s", result->error);
    else if (result->status != 200)
        snprintf(error, JSON_ERROR_SIZE, "the answer was %d", result->status);
    else if (!result->body_is_whole)
        snprintf(error, JSON_ERROR_SIZE, "the answer is larger than %d bytes", LIMIT_JWKS_DOCUMENT);
    else
        return is_key_set(result->body, error);
    return false;
}

static void end_turn(struct auth_keys_set *set)
{
    auth_keys_turn_end(&set->keys->turns, &set->turn);
    wait_for_next(set);
}

static void begin_turns(struct auth_keys *keys);

static void fetched(void *argument, const struct http_sender_result *result)
{
    struct auth_keys_set *set = argument;
    char error[JSON_ERROR_SIZE];
    set->sending = NULL;
    if (brought_keys(result, error))
        note_success(set, result->body);
    else
        note_failure(set, error);
    end_turn(set);
    begin_turns(set->keys);
}

static bool comes_by_tls(struct str url)
{
    return str_starts_with(url, STR_LIT("https:"));
}

static void lower_flag(struct auth_keys_set *set)
{
    if (!set->heard)
        return;
    set->heard = false;
    atomic_store(&set->asked, false);
}

static void fetch(struct auth_keys_set *set)
{
    static const char *const headers[] = {"Accept: application/json", "User-Agent: Orderwire",
                                          NULL};
    struct http_sender_request request = {
        .url = set->url,
        .headers = headers,
        .get = true,
        .timeout = FETCH_TIMEOUT,
        .allowed = set->networks,
        .allowed_count = set->network_count,
        .allowed_only = !comes_by_tls(str_from(set->url)),
        .body_max = LIMIT_JWKS_DOCUMENT,
        .ca = str_from(set->ca),
    };
    lower_flag(set);
    set->allowed_mono = loop_now(set->keys->loop) + set->keys->interval;
    set->started_wall = loop_wall(set->keys->loop);
    set->sending = http_sender_send(set->keys->sender, &request, fetched, set);
    if (set->sending != NULL)
        return;
    note_failure(set, "the request could not be made");
    end_turn(set);
}

/* Nobody holds it, so nobody asks either but under the lock, and no message is on its way. */
static bool is_forgotten(struct auth_keys_set *set)
{
    pthread_mutex_lock(&set->keys->lock);
    bool on_its_way = atomic_load(&set->asked) && !set->heard;
    bool forgotten = set->references == 0 && !on_its_way;
    if (forgotten)
        map_remove(&set->keys->sets, id_of(set));
    pthread_mutex_unlock(&set->keys->lock);
    return forgotten;
}

/*
 * The settings as they stand: a worker that has nothing to do holds those of before, and none may hold
 * those of a project that is quiet. Looked through again when they have changed; when nobody can say, it is
 * fetched.
 */
static bool is_named(struct auth_keys_set *set)
{
    uint8_t hash[CRYPTO_SHA256_SIZE];
    struct store_project project;
    if (set->keys->reader == NULL)
        return true;
    int rc = store_project_get(set->keys->reader, set->project_id, &project);
    if (rc < 0)
        return rc != ERR_NOT_FOUND;
    crypto_sha256(project.settings, hash);
    if (memcmp(set->settings_hash, hash, sizeof(hash)) != 0) {
        memcpy(set->settings_hash, hash, sizeof(hash));
        set->is_named = settings_name(project.settings, set);
    }
    return set->is_named;
}

/* Looks again later, for the settings may come to name it again, or nobody may hold it any more. */
static void rest(struct auth_keys_set *set)
{
    lower_flag(set);
    auth_keys_turn_end(&set->keys->turns, &set->turn);
    set->allowed_mono = loop_now(set->keys->loop) + set->keys->interval;
    loop_timer_set(&set->timer, set->allowed_mono);
}

static void begin_turns(struct auth_keys *keys)
{
    struct auth_keys_turn *turn;
    while ((turn = auth_keys_turn_next(&keys->turns)) != NULL) {
        struct auth_keys_set *set = CONTAINER_OF(turn, struct auth_keys_set, turn);
        if (is_named(set))
            fetch(set);
        else if (is_forgotten(set))
            set_free(set);
        else
            rest(set);
    }
}

/* Whoever never brought keys, in no earlier run either, is not believed to be well. */
static bool is_failing(const struct auth_keys_set *set)
{
    return set->failures > 0 || auth_keys_version(set) == 0;
}

static void on_timer(struct loop_timer *timer)
{
    struct auth_keys_set *set = CONTAINER_OF(timer, struct auth_keys_set, timer);
    auth_keys_turn_wait(&set->keys->turns, &set->turn, is_failing(set));
    begin_turns(set->keys);
}

static void hear(struct loop_message *message)
{
    struct auth_keys_set *set = CONTAINER_OF(message, struct auth_keys_set, ask_message);
    set->heard = true;
    if (set->turn.state == AUTH_KEYS_IDLE)
        wait_for_next(set);
}

void auth_keys_ask(struct auth_keys_set *set)
{
    if (!atomic_load_explicit(&set->asked, memory_order_relaxed) &&
        !atomic_exchange(&set->asked, true))
        loop_post_always(set->keys->loop, &set->ask_message);
}

static void ask_one(void *argument, struct str key, void *value)
{
    (void)argument;
    (void)key;
    auth_keys_ask(value);
}

void auth_keys_ask_all(struct auth_keys *keys)
{
    pthread_mutex_lock(&keys->lock);
    map_each(&keys->sets, ask_one, NULL);
    pthread_mutex_unlock(&keys->lock);
}

/* Who holds what. */

static struct auth_keys_set *set_new(struct auth_keys *keys, const struct auth_keys_source *source,
                                     const uint8_t id[CRYPTO_SHA256_SIZE])
{
    struct auth_keys_set *set = mem_zalloc(sizeof(*set));
    char error[JSON_ERROR_SIZE];
    set->keys = keys;
    set->project_id = source->project_id;
    set->url = mem_strndup(source->url.ptr, source->url.len);
    set->ca = mem_strndup(source->ca.len > 0 ? source->ca.ptr : "", source->ca.len);
    set->network_count = source->network_count;
    if (source->network_count > 0)
        set->networks =
            mem_dup(source->networks, source->network_count * sizeof(*source->networks));
    set->ask_message.run = hear;
    auth_keys_turn_init(&set->turn);
    loop_timer_init(&set->timer, keys->loop, on_timer);
    memcpy(set->id, id, sizeof(set->id));
    hash_source(source, !comes_by_tls(source->url), set->file_id);
    atomic_init(&set->refresh, INT64_MAX);
    buf_init(&set->document, LIMIT_JWKS_DOCUMENT);
    auth_keys_file_read(keys->directory, set->file_id, &set->document);
    if (is_key_set(buf_view(&set->document), error))
        atomic_init(&set->version, 1);
    else
        buf_clear(&set->document);
    return set;
}

/* The set of this id, made if need be; the lock is held, though not while the file is read. */
static struct auth_keys_set *find_or_add(struct auth_keys *keys,
                                         const struct auth_keys_source *source)
{
    uint8_t id[CRYPTO_SHA256_SIZE];
    hash_source(source, true, id);
    struct str key = str_make((const char *)id, sizeof(id));
    struct auth_keys_set *set = map_get(&keys->sets, key);
    if (set != NULL)
        return set;
    pthread_mutex_unlock(&keys->lock);
    struct auth_keys_set *made = set_new(keys, source, id);
    pthread_mutex_lock(&keys->lock);
    set = map_get(&keys->sets, key);
    if (set != NULL) {
        /* Another worker was faster. */
        set_free(made);
        return set;
    }
    map_put(&keys->sets, key, made);
    return made;
}

struct auth_keys_set *auth_keys_hold(struct auth_keys *keys, const struct auth_keys_source *source)
{
    pthread_mutex_lock(&keys->lock);
    struct auth_keys_set *set = find_or_add(keys, source);
    set->references++;
    /* A new set, or one that is to be fresher than it was, does not wait for its time. */
    bool is_urgent = source->refresh < atomic_exchange(&set->refresh, source->refresh);
    pthread_mutex_unlock(&keys->lock);
    if (is_urgent)
        auth_keys_ask(set);
    return set;
}

void auth_keys_release(struct auth_keys_set **owner)
{
    struct auth_keys_set *set = *owner;
    *owner = NULL;
    if (set == NULL)
        return;
    pthread_mutex_lock(&set->keys->lock);
    set->references--;
    pthread_mutex_unlock(&set->keys->lock);
}

/* The thread. */

static void stop(struct loop_message *message)
{
    loop_stop(CONTAINER_OF(message, struct auth_keys, stop_message)->loop);
}

static void begin_project(void *argument, const struct store_project *project)
{
    struct auth_keys *keys = argument;
    struct auth_settings settings;
    keys->listed = project->project_id;
    if (auth_settings_read_stored(project->settings, &settings) < 0)
        return;
    for (size_t i = 0; i < settings.verifier_count; i++) {
        const struct auth_verifier *verifier = &settings.verifiers[i];
        struct auth_keys_source source =
            auth_keys_source_of(project->project_id, &settings, verifier);
        struct auth_keys_set *set = verifier->url.len > 0 ? auth_keys_hold(keys, &source) : NULL;
        auth_keys_release(&set);
    }
    auth_settings_fini(&settings);
}

/*
 * All that projects name, before anybody asks: the first token to come must not be looked at by a file that is
 * weeks old.
 */
static void begin_all(struct loop_timer *timer)
{
    struct auth_keys *keys = CONTAINER_OF(timer, struct auth_keys, listing);
    int32_t after;
    int rc;
    do {
        after = keys->listed;
        rc = store_project_list(keys->reader, after, PROJECTS_AT_ONCE, begin_project, keys);
    } while (rc == 0 && keys->listed != after);
    if (rc == 0)
        return;
    log_warning("the projects cannot be listed: not all key sets are fetched yet",
                LOG_TEXT("reason", err_text(rc)), LOG_INT("after", keys->listed));
    loop_timer_set(timer, loop_now(keys->loop) + keys->interval);
}

static void *run_thread(void *argument)
{
    struct auth_keys *keys = argument;
    auth_keys_file_clear(keys->directory, loop_wall(keys->loop) - FILES_KEPT_DAYS * CLOCK_DAY);
    if (keys->reader != NULL)
        begin_all(&keys->listing);
    loop_run(keys->loop);
    return NULL;
}

static void free_one(void *argument, struct str key, void *value)
{
    (void)argument;
    (void)key;
    set_free(value);
}

static void keys_free(struct auth_keys *keys)
{
    map_each(&keys->sets, free_one, NULL);
    map_fini(&keys->sets);
    loop_timer_cancel(&keys->listing);
    http_sender_free(&keys->sender);
    loop_free(&keys->loop);
    store_disconnect(&keys->reader);
    pthread_mutex_destroy(&keys->lock);
    mem_free(keys->directory);
    mem_free(keys);
}

struct auth_keys *auth_keys_start(const char *directory, int64_t interval, struct store *store)
{
    struct auth_keys *keys = mem_zalloc(sizeof(*keys));
    keys->directory = mem_strndup(directory, strlen(directory));
    keys->interval = interval;
    keys->stop_message.run = stop;
    map_init(&keys->sets);
    auth_keys_turn_init_all(&keys->turns, LIMIT_JWKS_FETCHES);
    pthread_mutex_init(&keys->lock, NULL);
    keys->loop = loop_new();
    loop_timer_init(&keys->listing, keys->loop, begin_all);
    if (keys->loop != NULL)
        keys->sender = http_sender_new(keys->loop, LIMIT_JWKS_FETCHES);
    bool is_ready = keys->sender != NULL;
    if (is_ready && store != NULL)
        is_ready = store_connect(store, STORE_READER, &keys->reader) == 0;
    if (is_ready && pthread_create(&keys->thread, NULL, run_thread, keys) == 0)
        return keys;
    log_error("no thread for key sets");
    keys_free(keys);
    return NULL;
}

void auth_keys_stop(struct auth_keys **owner)
{
    struct auth_keys *keys = *owner;
    *owner = NULL;
    if (keys == NULL)
        return;
    loop_post_always(keys->loop, &keys->stop_message);
    pthread_join(keys->thread, NULL);
    keys_free(keys);
}
