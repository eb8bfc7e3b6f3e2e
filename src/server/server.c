/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Start: store, the thread for key sets, workers' insides, webhook thread, store thread, workers'
 * threads. Stop, the other way round: the workers first lose their connections but keep running, so
 * that the store thread can send back the answers it still owes; webhooks in flight are finished and
 * recorded; then the store thread ends; then the webhook thread and the workers, whom nobody tells
 * anything any more.
 */
#include "server/server.h"

#include "auth/auth.h"
#include "auth/auth_keys.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/quota.h"
#include "net/listener.h"
#include "net/tls.h"
#include "realtime/realtime.h"
#include "server/admin_key.h"
#include "server/private_path.h"
#include "server/process.h"
#include "server/secrets_key.h"
#include "server/secrets_reseal.h"
#include "server/worker.h"
#include "service/delivery.h"
#include "service/writer.h"
#include "webhook/webhook.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define WORKERS_MAX 256
#define AUDIT_PATH_SIZE 4200
/* Fewer connections than this leave little behind. */
#define MANY_CONNECTIONS 1000
#define GIVING_BACK_INTERVAL (10 * CLOCK_SECOND)

struct server {
    const struct config *config;
    struct store *store;
    struct auth_shared auth;
    uint8_t admin_key_hash[32]; /* as the workers were told last */
    struct secrets_key secrets_key;
    struct webhook *webhook;
    struct delivery_recorder *recorder;
    struct writer *writer;
    struct realtime_peers *peers;
    struct quota *quota;
    struct tls_tickets *tickets;
    struct tls_settings *tls; /* NULL: plain HTTP */
    struct worker *workers[WORKERS_MAX];
    struct hub_feed *feeds[WORKERS_MAX];
    int worker_count;
    char urls[SERVER_PORTS][LISTENER_ADDRESS_SIZE + sizeof("https://")];
    char tls_complaint[SERVER_ERROR_SIZE]; /* said already */
    int64_t most_connections;              /* at once, since memory was given back */
    int64_t gave_back_mono;
    /* Counts the workers that have drained. */
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    int drained;
};

int server_worker_count(const struct config *config)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    int64_t count = config->workers != 0 ? config->workers : cores;
    return count < 1 ? 1 : count > WORKERS_MAX ? WORKERS_MAX : (int)count;
}

static void note_endpoint(void *argument, const struct store_endpoint *endpoint)
{
    (void)endpoint;
    *(bool *)argument = true;
}

/* The key for secrets, which must be the one of before when the store has any. */
static int read_secrets_key(struct server *server, char *error)
{
    struct store_connection *reader;
    bool sealed = false;
    int result = store_connect(server->store, STORE_READER, &reader);
    if (result == 0) {
        result = store_endpoint_list(reader, 0, 0, 1, note_endpoint, &sealed);
        store_disconnect(&reader);
    }
    if (result != 0) {
        snprintf(error, KEY_FILE_ERROR_SIZE, "the database cannot be read: %s", err_text(result));
        return result;
    }
    return secrets_key_read_or_make(server->config->data, sealed, &server->secrets_key, error);
}

static int open_store(struct server *server, char *error)
{
    char key[ADMIN_KEY_SIZE];
    char cause[STORE_ERROR_SIZE];
    char blame[PRIVATE_PATH_ERROR_SIZE];
    const char *directory = server->config->data;
    int result = private_path_directory(directory, cause);
    if (result == 0)
        result = store_open(&store_sqlite, &server->config->store, &server->store, cause);
    if (result == 0)
        result = admin_key_read_or_make(directory, key, cause);
    if (result == 0)
        result = read_secrets_key(server, cause);
    if (result != 0) {
        private_path_blame(directory, blame);
        snprintf(error, SERVER_ERROR_SIZE, "%s%s", cause, result != ERR_DENIED ? blame : "");
        return result;
    }
    auth_hash_key(str_from(key), server->auth.admin_key_hash);
    memcpy(server->admin_key_hash, server->auth.admin_key_hash, sizeof(server->admin_key_hash));
    mem_wipe(key, sizeof(key));
    return 0;
}

static int open_audit(const struct server *server, bool alone, char *error)
{
    char path[AUDIT_PATH_SIZE];
    char blame[PRIVATE_PATH_ERROR_SIZE];
    snprintf(path, sizeof(path), "%s/audit.log", server->config->data);
    if (log_audit_open(path, alone) == 0)
        return 0;
    int number = errno;
    private_path_blame(server->config->data, blame);
    snprintf(error, SERVER_ERROR_SIZE, "%.180s: %s%s", path, strerror(number), blame);
    return ERR_IO;
}

/* What the previous key sealed is sealed anew before anyone reads it. */
static int replace_secrets_key(struct server *server, char *error)
{
    struct secrets_resealed resealed;
    char cause[KEY_FILE_ERROR_SIZE];
    if (!server->secrets_key.is_replaced)
        return 0;
    int result = secrets_reseal(server->store, &server->secrets_key, &resealed);
    if (result != 0) {
        snprintf(error, SERVER_ERROR_SIZE, "the webhooks' secrets cannot be sealed anew: %s",
                 err_text(result));
        return result;
    }
    /* First the record: a start that dies between both does it again. */
    log_audit("secrets_key.replace", LOG_TEXT("who", "start"), LOG_INT("webhooks", resealed.done));
    if (resealed.closed > 0)
        log_error("webhooks' secrets that neither the new key nor the previous one opens",
                  LOG_INT("webhooks", resealed.closed));
    result = secrets_key_forget_previous(server->config->data, &server->secrets_key, cause);
    if (result != 0)
        snprintf(error, SERVER_ERROR_SIZE, "%s", cause);
    return result;
}

static int start_keys(struct server *server, char *error)
{
    server->auth.keys =
        auth_keys_start(server->config->data, server->config->service.jwks_interval, server->store);
    if (server->auth.keys != NULL)
        return 0;
    snprintf(error, SERVER_ERROR_SIZE, "the thread for key sets cannot start; the log says why");
    return ERR_IO;
}

/* The others of several names may be good still, so it is served. */
static void look_at_the_end(const struct tls_settings *settings)
{
    char text[CLOCK_TEXT_SIZE];
    metrics_set(METRIC_TLS_NOT_AFTER_SECONDS, tls_settings_not_after(settings));
    if (tls_settings_have_ended(settings, clock_wall_ms(), text))
        log_warning("a certificate has ended; clients will refuse it", LOG_TEXT("not_after", text));
}

static int read_certificates(struct server *server, char *error)
{
    char cause[TLS_ERROR_SIZE];
    const struct tls_options *options = &server->config->tls;
    if (options->cert_file[0] == '\0')
        return 0;
    server->tls = tls_settings_new(options, server->tickets, cause);
    if (server->tls == NULL) {
        snprintf(error, SERVER_ERROR_SIZE, "%s", cause);
        return ERR_INVALID;
    }
    look_at_the_end(server->tls);
    return 0;
}

static int make_workers(struct server *server, char *error)
{
    int count = server_worker_count(server->config);
    const struct worker_shared shared = {
        .store = server->store,
        .auth = &server->auth,
        .secrets_key = server->secrets_key.key,
        .peers = server->peers,
        .quota = server->quota,
        .tls = server->tls,
    };
    for (int i = 0; i < count; i++) {
        server->workers[i] = worker_new(server->config, &shared);
        if (server->workers[i] == NULL) {
            snprintf(error, SERVER_ERROR_SIZE, "a worker cannot be made; the log says why");
            return ERR_IO;
        }
        server->feeds[i] = worker_feed(server->workers[i]);
        server->worker_count++;
    }
    return 0;
}

/* The store thread pokes the webhook thread, and that one's results go to the store thread. */
static int start_threads(struct server *server, char *error)
{
    const struct config *config = server->config;
    server->webhook = webhook_start(server->store, server->secrets_key.key, &config->webhook);
    if (server->webhook == NULL) {
        snprintf(error, SERVER_ERROR_SIZE, "the webhook thread cannot start; the log says why");
        return ERR_IO;
    }
    server->writer = writer_start(server->store, server->feeds, server->worker_count, &server->auth,
                                  &config->service);
    if (server->writer == NULL) {
        snprintf(error, SERVER_ERROR_SIZE, "the store thread cannot start; the log says why");
        return ERR_IO;
    }
    writer_use_webhook(server->writer, server->webhook);
    server->recorder = delivery_recorder_new(server->writer, server->webhook);
    webhook_run(server->webhook, &delivery_webhook_recorder, server->recorder);
    return 0;
}

int server_check_address(const struct config *config, const char *host_port,
                         char error[SERVER_ERROR_SIZE])
{
    if (config->realtime.insecure_user[0] == '\0' || listener_is_loopback(host_port))
        return 0;
    snprintf(
        error, SERVER_ERROR_SIZE,
        "realtime.insecure_user lets in whoever connects, so listen must be a loopback address "
        "such as 127.0.0.1:8000; it is %.80s",
        host_port);
    return ERR_INVALID;
}

struct descriptors {
    int of[WORKERS_MAX][SERVER_PORTS]; /* -1: none, or given away */
};

static void close_all(const struct descriptors *descriptors)
{
    for (int i = 0; i < WORKERS_MAX; i++)
        for (int port = 0; port < SERVER_PORTS; port++)
            if (descriptors->of[i][port] >= 0)
                close(descriptors->of[i][port]);
}

/* The address that was bound is checked, for a name may change its meaning. */
static int bind_port(struct server *server, enum server_port port, const char *wanted,
                     struct descriptors *descriptors, char *error)
{
    int opened[WORKERS_MAX];
    char cause[LISTENER_ERROR_SIZE];
    char address[LISTENER_ADDRESS_SIZE];
    bool is_tls = port == SERVER_LISTEN && server->tls != NULL;
    if (wanted[0] == '\0')
        return 0;
    int result = listener_bind(wanted, server->worker_count, opened, address, cause);
    if (result != 0) {
        snprintf(error, SERVER_ERROR_SIZE, "%s", cause);
        return result;
    }
    for (int i = 0; i < server->worker_count; i++)
        descriptors->of[i][port] = opened[i];
    bool is_unix = str_starts_with(str_from(address), STR_LIT("unix:"));
    snprintf(server->urls[port], sizeof(server->urls[port]), "%s%s",
             is_unix  ? ""
             : is_tls ? "https://"
                      : "http://",
             address);
    return server_check_address(server->config, address, error);
}

static int bind_ports(struct server *server, struct descriptors *descriptors, char *error)
{
    const struct config *config = server->config;
    const char *const wanted[SERVER_PORTS] = {config->listen, config->listen_private,
                                              config->listen_redirect};
    memset(descriptors, -1, sizeof(*descriptors));
    for (int port = 0; port < SERVER_PORTS; port++) {
        int result = bind_port(server, (enum server_port)port, wanted[port], descriptors, error);
        if (result != 0) {
            close_all(descriptors);
            return result;
        }
    }
    return 0;
}

static int start_workers(struct server *server, const struct server_extras *extras, char *error)
{
    struct descriptors descriptors;
    int result = bind_ports(server, &descriptors, error);
    if (result != 0)
        return result;
    for (int i = 0; i < server->worker_count; i++) {
        result = worker_start(server->workers[i], server->writer, descriptors.of[i], extras);
        memset(descriptors.of[i], -1, sizeof(descriptors.of[i]));
        if (result != 0) {
            close_all(&descriptors);
            snprintf(error, SERVER_ERROR_SIZE, "a worker cannot start: %s", err_text(result));
            return result;
        }
    }
    return 0;
}

struct server *server_start(const struct config *config, const struct server_extras *extras,
                            char error[SERVER_ERROR_SIZE])
{
    struct server *server = mem_zalloc(sizeof(*server));
    process_confine(config->core_dumps);
    server->config = config;
    server->peers = realtime_peers_new();
    server->quota = quota_new();
    server->tickets = tls_tickets_new();
    pthread_mutex_init(&server->mutex, NULL);
    pthread_cond_init(&server->changed, NULL);
    if (read_certificates(server, error) != 0 || open_store(server, error) != 0 ||
        open_audit(server, extras->audit_alone, error) != 0 ||
        replace_secrets_key(server, error) != 0 || start_keys(server, error) != 0 ||
        make_workers(server, error) != 0 || start_threads(server, error) != 0 ||
        start_workers(server, extras, error) != 0) {
        server_stop(&server, 0);
        return NULL;
    }
    if (config->realtime.insecure_user[0] != '\0')
        log_warning("who connects without credentials is let in: realtime.insecure_user is set",
                    LOG_TEXT("user", config->realtime.insecure_user));
    return server;
}

const char *server_url(const struct server *server, enum server_port port)
{
    return server->urls[port];
}

/* A key file that was removed is made anew, with another key. */
static void read_admin_key(struct server *server)
{
    char key[ADMIN_KEY_SIZE];
    char error[ADMIN_KEY_ERROR_SIZE];
    uint8_t hash[sizeof(server->admin_key_hash)];
    if (admin_key_read_or_make(server->config->data, key, error) != 0) {
        log_error("the admin key stays as it is", LOG_TEXT("reason", error));
        return;
    }
    auth_hash_key(str_from(key), hash);
    mem_wipe(key, sizeof(key));
    if (memcmp(hash, server->admin_key_hash, sizeof(hash)) == 0)
        return;
    memcpy(server->admin_key_hash, hash, sizeof(hash));
    log_audit("admin_key.replace", LOG_TEXT("who", "signal"));
}

void server_reload(struct server *server, const struct config *fresh)
{
    char error[SERVER_ERROR_SIZE];
    if (open_audit(server, false, error) != 0)
        log_error("the audit file cannot be opened anew", LOG_TEXT("reason", error));
    read_admin_key(server);
    for (int i = 0; i < server->worker_count; i++)
        worker_reload(server->workers[i], fresh, server->admin_key_hash);
    atomic_fetch_add(&server->auth.generation, 1);
    auth_keys_ask_all(server->auth.keys);
}

void server_renew_certificates(struct server *server)
{
    struct tls_settings *old = server->tls;
    char error[SERVER_ERROR_SIZE];
    if (old == NULL || !tls_settings_are_stale(old))
        return;
    if (read_certificates(server, error) != 0) {
        server->tls = old;
        metrics_add(METRIC_TLS_RENEWALS__REFUSED, 1);
        if (strcmp(error, server->tls_complaint) != 0)
            log_error("the new certificates cannot be used; the old ones stay",
                      LOG_TEXT("cause", error));
        memcpy(server->tls_complaint, error, sizeof(error));
        return;
    }
    server->tls_complaint[0] = '\0';
    for (int i = 0; i < server->worker_count; i++)
        worker_use_tls(server->workers[i], server->tls);
    tls_settings_release(&old);
    metrics_add(METRIC_TLS_RENEWALS__DONE, 1);
    log_info("certificates renewed");
}

/* It lies between what others hold, in pages that malloc would keep for the next storm. */
void server_give_back_memory(struct server *server, int64_t now_mono)
{
    int64_t now = metrics_value(METRIC_CONNECTIONS);
    if (now > server->most_connections)
        server->most_connections = now;
    if (server->most_connections < MANY_CONNECTIONS || now > server->most_connections / 2 ||
        now_mono - server->gave_back_mono < GIVING_BACK_INTERVAL)
        return;
    server->most_connections = now;
    server->gave_back_mono = now_mono;
    mem_give_back();
}

static void count_drained(void *argument)
{
    struct server *server = argument;
    pthread_mutex_lock(&server->mutex);
    server->drained++;
    pthread_cond_signal(&server->changed);
    pthread_mutex_unlock(&server->mutex);
}

static void drain(struct server *server, int64_t drain_time)
{
    int started = 0;
    for (int i = 0; i < server->worker_count; i++) {
        if (worker_is_started(server->workers[i])) {
            worker_drain(server->workers[i], drain_time, count_drained, server);
            started++;
        }
    }
    pthread_mutex_lock(&server->mutex);
    while (server->drained < started)
        pthread_cond_wait(&server->changed, &server->mutex);
    pthread_mutex_unlock(&server->mutex);
}

struct webhook_end {
    struct server *server;
    int64_t drain_time;
};

static void *drain_webhooks(void *argument)
{
    const struct webhook_end *end = argument;
    webhook_drain(end->server->webhook, end->drain_time);
    return NULL;
}

/* Connections and webhooks end in the same time, not one after the other. */
static void drain_all(struct server *server, int64_t drain_time)
{
    struct webhook_end end = {server, drain_time};
    pthread_t thread;
    if (server->recorder == NULL) {
        drain(server, drain_time);
        return;
    }
    bool is_beside = pthread_create(&thread, NULL, drain_webhooks, &end) == 0;
    drain(server, drain_time);
    if (is_beside)
        pthread_join(thread, NULL);
    else
        drain_webhooks(&end);
    delivery_recorder_close(server->recorder);
}

void server_stop(struct server **owner, int64_t drain_time)
{
    struct server *server = *owner;
    *owner = NULL;
    if (server == NULL)
        return;
    drain_all(server, drain_time);
    for (int port = 0; port < SERVER_PORTS; port++)
        listener_remove(server->urls[port]);
    writer_stop(&server->writer);
    webhook_stop(&server->webhook);
    delivery_recorder_free(&server->recorder);
    for (int i = 0; i < server->worker_count; i++)
        worker_free(&server->workers[i]);
    auth_keys_stop(&server->auth.keys);
    realtime_peers_free(&server->peers);
    quota_free(&server->quota);
    tls_settings_release(&server->tls);
    tls_tickets_free(&server->tickets);
    store_close(&server->store);
    pthread_cond_destroy(&server->changed);
    pthread_mutex_destroy(&server->mutex);
    mem_wipe(&server->secrets_key, sizeof(server->secrets_key));
    log_audit_close();
    mem_free(server);
}
