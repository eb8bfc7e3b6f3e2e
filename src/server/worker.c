/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything that one thread owns, made and unmade in order. Other threads reach it by messages to
 * its loop alone.
 */
#include "server/worker.h"

#include "admin/admin.h"
#include "api/api.h"
#include "api/listen.h"
#include "auth/auth.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "hub/hub.h"
#include "net/listener.h"
#include "net/tls.h"

#include <pthread.h>
#include <string.h>

#define DRAIN_POLL_MS 20
/* Closing handshakes may take this much longer than the drain time. */
#define DRAIN_GRACE_MS 1000

struct worker_port {
    struct worker *worker;
    struct listener *listener; /* NULL: none */
    struct http_port http;
};

struct worker {
    pthread_t thread;
    bool started;
    struct service service;
    struct hub_feed *feed;
    struct realtime *realtime;
    struct listen *listen;
    struct http_server *http;
    struct worker_port ports[SERVER_PORTS];
    struct tls_settings *tls; /* of SERVER_LISTEN; NULL: none */
    struct forwarded_trust trust;
    struct http_options http_options;
    struct realtime_options realtime_options;
    struct loop_message stop;
    struct loop_message end_reading; /* after the pass */
    /* While draining. */
    struct loop_timer drain_timer;
    int64_t drain_ends_mono;
    void (*drained)(void *argument);
    void *drained_argument;
};

static void end_reading(struct loop_message *message)
{
    struct worker *worker = CONTAINER_OF(message, struct worker, end_reading);
    if (worker->service.reader != NULL)
        store_end_reading(worker->service.reader);
}

static void reading_began(void *argument)
{
    struct worker *worker = argument;
    loop_defer(worker->service.loop, &worker->end_reading);
}

struct worker *worker_new(const struct config *config, const struct worker_shared *shared)
{
    struct worker *worker = mem_zalloc(sizeof(*worker));
    struct service *service = &worker->service;
    worker->http_options = config->http;
    worker->realtime_options = config->realtime;
    service->options = &config->service;
    service->store = shared->store;
    service->webhook_key = shared->secrets_key;
    service->quota = shared->quota;
    worker->trust = config->proxies;
    worker->ports[SERVER_LISTEN].http.proxy_protocol = config->proxy_protocol;
    worker->ports[SERVER_REDIRECT].http.redirect_port = config->redirect_port;
    if (shared->tls != NULL)
        worker->tls = tls_settings_hold(shared->tls);
    service->loop = loop_new();
    if (service->loop == NULL ||
        store_connect(shared->store, STORE_READER, &service->reader) != 0) {
        worker_free(&worker);
        return NULL;
    }
    worker->end_reading.run = end_reading;
    store_share_reading(service->reader, reading_began, worker);
    service->hub = hub_new();
    service->auth = auth_new(shared->store, service->reader, shared->auth);
    worker->feed = hub_feed_new(service->hub, service->loop);
    worker->realtime = realtime_new(service, &worker->realtime_options, shared->peers);
    worker->listen = listen_new(service);
    return worker;
}

struct hub_feed *worker_feed(const struct worker *worker)
{
    return worker->feed;
}

/* In the order of `contexts` below. */
const struct http_route *const server_routes[] = {
    listen_routes, api_routes, realtime_routes, admin_routes, NULL,
};

static void accept_connection(void *argument, int descriptor, const struct address *peer)
{
    const struct worker_port *port = argument;
    http_server_accept(port->worker->http, descriptor, peer, &port->http);
}

/* With an address for the rest, the first one is for buyers alone. */
static int open_ports(struct worker *worker, const int descriptors[SERVER_PORTS])
{
    int result = 0;
    worker->ports[SERVER_LISTEN].http.tls = worker->tls;
    worker->ports[SERVER_LISTEN].http.public_alone = descriptors[SERVER_PRIVATE] >= 0;
    for (int i = 0; i < SERVER_PORTS; i++) {
        struct worker_port *port = &worker->ports[i];
        port->worker = worker;
        if (descriptors[i] < 0)
            continue;
        port->listener =
            listener_new(worker->service.loop, descriptors[i], accept_connection, port);
        if (port->listener == NULL)
            result = ERR_IO;
    }
    return result;
}

static void close_ports(struct worker *worker)
{
    for (int i = 0; i < SERVER_PORTS; i++)
        listener_free(&worker->ports[i].listener);
}

static void *run(void *argument)
{
    struct worker *worker = argument;
    loop_run(worker->service.loop);
    return NULL;
}

int worker_start(struct worker *worker, struct writer *writer, const int descriptors[SERVER_PORTS],
                 const struct server_extras *extras)
{
    void *const contexts[] = {worker->listen, &worker->service, worker->realtime, &worker->service};
    struct http_route_table tables[ARRAY_LENGTH(server_routes) + 1] = {0};
    for (size_t i = 0; server_routes[i] != NULL; i++)
        tables[i] = (struct http_route_table){server_routes[i], contexts[i]};
    if (extras->page)
        tables[ARRAY_LENGTH(contexts)].routes = admin_page_routes;
    worker->service.writer = writer;
    worker->http = http_server_new(worker->service.loop, tables, &worker->http_options);
    http_server_use_quota(worker->http, worker->service.quota);
    http_server_trust_proxies(worker->http, &worker->trust);
    if (open_ports(worker, descriptors) != 0)
        return ERR_IO;
    if (pthread_create(&worker->thread, NULL, run, worker) != 0)
        return ERR_IO;
    worker->started = true;
    return 0;
}

bool worker_is_started(const struct worker *worker)
{
    return worker->started;
}

struct reload {
    struct loop_message message;
    struct worker *worker;
    struct http_options http;
    struct realtime_options realtime;
    struct forwarded_trust trust;
    bool proxy_protocol;
    uint8_t admin_key_hash[32];
};

static void apply_reload(struct loop_message *message)
{
    struct reload *reload = CONTAINER_OF(message, struct reload, message);
    struct worker *worker = reload->worker;
    worker->http_options = reload->http;
    worker->realtime_options = reload->realtime;
    worker->trust = reload->trust;
    worker->ports[SERVER_LISTEN].http.proxy_protocol = reload->proxy_protocol;
    auth_use_admin_key(worker->service.auth, reload->admin_key_hash);
    mem_free(reload);
}

void worker_reload(struct worker *worker, const struct config *fresh,
                   const uint8_t admin_key_hash[32])
{
    struct reload *reload = mem_zalloc(sizeof(*reload));
    reload->message.run = apply_reload;
    reload->worker = worker;
    reload->http = fresh->http;
    reload->realtime = fresh->realtime;
    reload->trust = fresh->proxies;
    reload->proxy_protocol = fresh->proxy_protocol;
    memcpy(reload->admin_key_hash, admin_key_hash, sizeof(reload->admin_key_hash));
    loop_post_always(worker->service.loop, &reload->message);
}

struct renewal {
    struct loop_message message;
    struct worker *worker;
    struct tls_settings *tls;
};

static void apply_renewal(struct loop_message *message)
{
    struct renewal *renewal = CONTAINER_OF(message, struct renewal, message);
    tls_settings_release(&renewal->worker->tls);
    renewal->worker->tls = renewal->tls;
    renewal->worker->ports[SERVER_LISTEN].http.tls = renewal->tls;
    mem_free(renewal);
}

void worker_use_tls(struct worker *worker, struct tls_settings *tls)
{
    struct renewal *renewal = mem_zalloc(sizeof(*renewal));
    renewal->message.run = apply_renewal;
    renewal->worker = worker;
    renewal->tls = tls_settings_hold(tls);
    loop_post_always(worker->service.loop, &renewal->message);
}

static bool is_drained(const struct worker *worker)
{
    return http_server_connections(worker->http) == 0 && realtime_sessions(worker->realtime) == 0 &&
           listen_count(worker->listen) == 0;
}

static void check_drained(struct loop_timer *timer)
{
    struct worker *worker = CONTAINER_OF(timer, struct worker, drain_timer);
    int64_t now = loop_now(worker->service.loop);
    bool late = now >= worker->drain_ends_mono;
    if (!late && !is_drained(worker)) {
        loop_timer_set(timer, now + DRAIN_POLL_MS);
        return;
    }
    if (late && !is_drained(worker))
        log_warning("connections ended at the end of the drain time",
                    LOG_INT("http", (int64_t)http_server_connections(worker->http)),
                    LOG_INT("realtime", (int64_t)realtime_sessions(worker->realtime)),
                    LOG_INT("listeners", (int64_t)listen_count(worker->listen)));
    close_ports(worker);
    realtime_abort(worker->realtime);
    listen_abort(worker->listen);
    http_server_abort(worker->http);
    worker->drained(worker->drained_argument);
}

struct drain {
    struct loop_message message;
    struct worker *worker;
    int64_t duration;
};

static void begin_drain(struct loop_message *message)
{
    struct drain *drain = CONTAINER_OF(message, struct drain, message);
    struct worker *worker = drain->worker;
    http_server_drain(worker->http);
    realtime_drain(worker->realtime, drain->duration);
    listen_drain(worker->listen);
    /* Held requests look again, see that the server drains, and answer. */
    hub_resync(worker->service.hub);
    worker->drain_ends_mono = loop_now(worker->service.loop) + drain->duration + DRAIN_GRACE_MS;
    loop_timer_init(&worker->drain_timer, worker->service.loop, check_drained);
    loop_timer_set(&worker->drain_timer, loop_now(worker->service.loop));
    mem_free(drain);
}

void worker_drain(struct worker *worker, int64_t duration, void (*drained)(void *argument),
                  void *argument)
{
    struct drain *drain = mem_zalloc(sizeof(*drain));
    drain->message.run = begin_drain;
    drain->worker = worker;
    drain->duration = duration;
    worker->drained = drained;
    worker->drained_argument = argument;
    loop_post_always(worker->service.loop, &drain->message);
}

static void stop_loop(struct loop_message *message)
{
    struct worker *worker = CONTAINER_OF(message, struct worker, stop);
    loop_stop(worker->service.loop);
}

void worker_free(struct worker **owner)
{
    struct worker *worker = *owner;
    *owner = NULL;
    if (worker == NULL)
        return;
    if (worker->started) {
        worker->stop.run = stop_loop;
        loop_post_always(worker->service.loop, &worker->stop);
        pthread_join(worker->thread, NULL);
    }
    close_ports(worker);
    realtime_free(&worker->realtime);
    listen_free(&worker->listen);
    http_server_free(&worker->http);
    tls_settings_release(&worker->tls);
    hub_feed_free(&worker->feed);
    auth_free(&worker->service.auth);
    hub_free(&worker->service.hub);
    store_disconnect(&worker->service.reader);
    loop_free(&worker->service.loop);
    mem_free(worker);
}
