/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The webhook thread's world. The receiver is our own HTTP server on a loop of its own; the recorder
 * writes at once, on the webhook thread, and gives its answer back as a message, as the store
 * thread does.
 */
#include "webhook/webhook_fixture.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/mem.h"
#include "codec/json.h"
#include "http/http_server.h"
#include "net/listener.h"
#include "store/store_driver.h"
#include "webhook/webhook_endpoint.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { PATIENCE = 10000, PACE = 2 };

static const uint8_t key[WEBHOOK_KEY_SIZE] = "the key file of these tests, 31b";
static struct store_driver driver;
static _Atomic int store_failures;

/* The store. */

static int failing_next(struct store_connection *connection, int64_t endpoint_id, int limit,
                        void (*row)(void *argument, const struct store_delivery *delivery),
                        void *argument)
{
    if (atomic_load(&store_failures) > 0) {
        atomic_fetch_sub(&store_failures, 1);
        return ERR_IO;
    }
    return store_memory.delivery_next(connection, endpoint_id, limit, row, argument);
}

void world_break_store(int failures)
{
    atomic_store(&store_failures, failures);
}

static void begin(struct world *world)
{
    pthread_mutex_lock(&world->store_lock);
    assert_int_equal(store_begin(world->writer), 0);
}

static void commit(struct world *world)
{
    assert_int_equal(store_commit(world->writer), 0);
    pthread_mutex_unlock(&world->store_lock);
}

void world_allow(struct world *world, const char *networks)
{
    char settings[200];
    snprintf(settings, sizeof(settings), "{\"webhook_allow_cidrs\":%s}", networks);
    struct store_project project = {.project_id = WORLD_PROJECT, .settings = str_from(settings)};
    begin(world);
    assert_int_equal(store_project_put(world->writer, &project), 0);
    commit(world);
}

static void open_store(struct world *world)
{
    char error[STORE_ERROR_SIZE];
    struct store_user user;
    driver = store_memory;
    driver.delivery_next = failing_next;
    atomic_store(&store_failures, 0);
    world->store_options = (struct store_options){
        .directory = "", .history_max_age = INT64_MAX, .history_max_events = 300};
    assert_int_equal(store_open(&driver, &world->store_options, &world->store, error), 0);
    assert_int_equal(store_connect(world->store, STORE_WRITER, &world->writer), 0);
    assert_int_equal(store_connect(world->store, STORE_READER, &world->reader), 0);
    world_allow(world, "[\"127.0.0.0/8\"]");
    begin(world);
    assert_int_equal(store_user_add(world->writer, WORLD_PROJECT, STR_LIT("user"), &user), 0);
    world->user_id = user.user_id;
    commit(world);
}

/* The receiver. */

struct held {
    struct list node;
    struct loop_timer timer;
    struct world *world;
    struct http_request *request;
};

static void respond(struct world *world, struct http_request *request, int status,
                    const char *headers)
{
    pthread_mutex_lock(&world->lock);
    world->active--;
    pthread_mutex_unlock(&world->lock);
    struct http_answer answer = {
        .status = status, .body = STR_LIT("{}"), .headers = str_from(headers)};
    http_respond(request, &answer);
}

static void let_go(struct held *held)
{
    list_remove(&held->node);
    loop_timer_cancel(&held->timer);
    int status = held->world->held_status;
    respond(held->world, held->request, status != 0 ? status : 200, NULL);
    mem_free(held);
}

static void pace_is_over(struct loop_timer *timer)
{
    let_go(CONTAINER_OF(timer, struct held, timer));
}

static void hold(struct world *world, struct http_request *request, bool is_paced)
{
    struct held *held = mem_zalloc(sizeof(*held));
    held->world = world;
    held->request = request;
    loop_timer_init(&held->timer, world->loop, pace_is_over);
    list_append(&world->held, &held->node);
    if (is_paced)
        loop_timer_set(&held->timer, loop_now(world->loop) + PACE);
}

static int32_t number_in(const struct json *body, const char *name)
{
    int64_t number = 0;
    (void)!json_as_int(json_get(json_get(body, "data"), name), &number);
    return (int32_t)number;
}

/* Under the lock. */
static void note(struct world *world, const struct http_request *request)
{
    struct json *body = json_parse(request->body, NULL);
    struct str id = http_request_header(request, "webhook-id");
    assert_true(world->received_count < WORLD_RECEIVED_MAX);
    struct received *received = &world->received[world->received_count++];
    snprintf(received->path, sizeof(received->path), "%.*s", STR_ARG(request->path));
    snprintf(received->id, sizeof(received->id), "%.*s", STR_ARG(id));
    received->order_id = number_in(body, "order_id");
    received->seq = number_in(body, "seq");
    json_free(&body);
    if (++world->active > world->active_max)
        world->active_max = world->active;
    pthread_cond_broadcast(&world->changed);
}

static int next_of_script(struct world *world)
{
    int status = 200;
    if (world->script != NULL && *world->script != 0)
        status = *world->script++;
    return status;
}

static void handle(struct http_request *request)
{
    struct world *world = request->context;
    struct str path = request->path;
    pthread_mutex_lock(&world->lock);
    note(world, request);
    int scripted = str_equal_text(path, "/script") ? next_of_script(world) : 200;
    pthread_mutex_unlock(&world->lock);
    if (str_equal_text(path, "/hold") || str_equal_text(path, "/pace"))
        hold(world, request, str_equal_text(path, "/pace"));
    else if (str_equal_text(path, "/fail"))
        respond(world, request, 500, NULL);
    else if (str_equal_text(path, "/gone"))
        respond(world, request, 410, NULL);
    else if (str_equal_text(path, "/abort"))
        respond(world, request, 500, "webhook-delivery: abort-message\r\n");
    else
        respond(world, request, scripted, NULL);
}

static const struct http_route routes[] = {
    {"POST", "/{what}", HTTP_ANYONE, handle, LIMIT_WEBHOOK_BODY, 0},
    {NULL},
};

static const struct http_options http_options = {60000, 60000, 60000,
                                                 .header_bytes = LIMIT_HTTP_HEADERS};

static void let_all_go(struct world *world)
{
    LIST_EACH (&world->held, node)
        let_go(LIST_ENTRY(node, struct held, node));
}

static void release(struct loop_message *message)
{
    let_all_go(CONTAINER_OF(message, struct world, release));
}

static void stop_serving(struct loop_message *message)
{
    struct world *world = CONTAINER_OF(message, struct world, stop);
    listener_free(&world->listener);
    let_all_go(world);
    if (http_server_connections(world->server) == 0) {
        loop_stop(world->loop);
        return;
    }
    http_server_abort(world->server);
    loop_defer(world->loop, &world->stop);
}

static void accepted(void *argument, int descriptor, const struct address *peer)
{
    http_server_accept(((struct world *)argument)->server, descriptor, peer,
                       &(struct http_port){0});
}

static void *serve(void *argument)
{
    loop_run(((struct world *)argument)->loop);
    return NULL;
}

static void open_receiver(struct world *world)
{
    char address[LISTENER_ADDRESS_SIZE];
    char error[LISTENER_ERROR_SIZE];
    int descriptor;
    int64_t port = 0;
    const struct http_route_table tables[] = {{routes, world}, {NULL, NULL}};
    list_init(&world->held);
    world->release.run = release;
    world->stop.run = stop_serving;
    world->loop = loop_new();
    world->server = http_server_new(world->loop, tables, &http_options);
    assert_int_equal(listener_bind("127.0.0.1:0", 1, &descriptor, address, error), 0);
    world->listener = listener_new(world->loop, descriptor, accepted, world);
    struct str rest = str_from(address);
    struct str host;
    assert_true(str_split(&rest, ':', &host) && str_to_int64(rest, 1, UINT16_MAX, &port));
    world->port = (int)port;
    assert_int_equal(pthread_create(&world->thread, NULL, serve, world), 0);
}

static void close_receiver(struct world *world)
{
    loop_post_always(world->loop, &world->stop);
    pthread_join(world->thread, NULL);
    http_server_free(&world->server);
    loop_free(&world->loop);
}

void world_release(struct world *world)
{
    loop_post_always(world->loop, &world->release);
}

/* The recorder. */

struct recording {
    struct loop_message message;
    struct webhook_result *result;
    void (*recorded)(struct webhook_result *result, int error);
    int error;
};

struct stepping {
    struct loop_message message;
    void (*stepped)(void *argument, int error);
    void *argument;
};

static void give_back(struct loop_message *message)
{
    struct recording *recording = CONTAINER_OF(message, struct recording, message);
    recording->recorded(recording->result, recording->error);
    mem_free(recording);
}

static int disable(struct store_connection *writer, const struct webhook_result *result)
{
    struct store_endpoint endpoint;
    int rc = store_endpoint_get(writer, result->endpoint_id, &endpoint);
    endpoint.state = STORE_ENDPOINT_DISABLED;
    endpoint.state_reason = str_from(result->disable_reason);
    return rc == 0 ? store_endpoint_update(writer, &endpoint) : rc;
}

static int apply(struct world *world, const struct webhook_result *result)
{
    static const enum store_delivery_state states[] = {
        [WEBHOOK_DELIVERED] = STORE_DELIVERY_DELIVERED,
        [WEBHOOK_DEAD] = STORE_DELIVERY_DEAD,
        [WEBHOOK_SUPERSEDED] = STORE_DELIVERY_SUPERSEDED,
    };
    struct store_connection *writer = world->writer;
    int rc = result->has_attempt ? store_attempt_add(writer, &result->attempt) : 0;
    if (rc == 0 && result->verdict == WEBHOOK_RETRY)
        rc = store_delivery_postpone(writer, result->delivery_id, result->step, result->next_at);
    else if (rc == 0)
        rc = store_delivery_finish(writer, result->delivery_id, states[result->verdict],
                                   clock_wall_ms());
    if (rc == 0 && result->disable_reason != NULL)
        rc = disable(writer, result);
    return rc;
}

static void record(void *context, struct webhook_result *result,
                   void (*recorded)(struct webhook_result *result, int error))
{
    struct world *world = context;
    struct recording *recording = mem_zalloc(sizeof(*recording));
    *recording = (struct recording){
        .message = {.run = give_back}, .result = result, .recorded = recorded, .error = ERR_IO};
    pthread_mutex_lock(&world->lock);
    bool fails = world->fail_records > 0;
    world->fail_records -= fails;
    world->record_calls++;
    pthread_mutex_unlock(&world->lock);
    if (!fails) {
        begin(world);
        recording->error = apply(world, result);
        commit(world);
    }
    pthread_mutex_lock(&world->lock);
    world->records += !fails;
    pthread_cond_broadcast(&world->changed);
    pthread_mutex_unlock(&world->lock);
    loop_post_always(webhook_loop(world->webhook), &recording->message);
}

static void give_step_back(struct loop_message *message)
{
    struct stepping *stepping = CONTAINER_OF(message, struct stepping, message);
    stepping->stepped(stepping->argument, 0);
    mem_free(stepping);
}

static void replay(void *context, int64_t replay_id, void (*stepped)(void *argument, int error),
                   void *argument)
{
    struct world *world = context;
    struct store_replay row;
    struct stepping *stepping = mem_zalloc(sizeof(*stepping));
    *stepping = (struct stepping){
        .message = {.run = give_step_back}, .stepped = stepped, .argument = argument};
    begin(world);
    assert_int_equal(store_replay_step(world->writer, replay_id, 2, clock_wall_ms(), &row), 0);
    commit(world);
    webhook_poke(world->webhook, row.endpoint_id);
    pthread_mutex_lock(&world->lock);
    world->replay_steps++;
    pthread_mutex_unlock(&world->lock);
    loop_post_always(webhook_loop(world->webhook), &stepping->message);
}

static const struct webhook_recorder recorder = {record, replay};

/* The world. */

struct world *world_new(void)
{
    struct world *world = mem_zalloc(sizeof(*world));
    pthread_condattr_t attributes;
    pthread_mutex_init(&world->store_lock, NULL);
    pthread_mutex_init(&world->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&world->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    world->options = (struct webhook_options){
        .breaker_after = 1000,
        .breaker_pause = 20,
        .breaker_pause_max = 40,
        .store_pause = 10,
    };
    open_store(world);
    open_receiver(world);
    return world;
}

void world_start(struct world *world)
{
    world->webhook = webhook_start(world->store, key, &world->options);
    assert_non_null(world->webhook);
    webhook_run(world->webhook, &recorder, world);
}

void world_stop(struct world *world)
{
    if (world->webhook != NULL)
        webhook_drain(world->webhook, 0);
    webhook_stop(&world->webhook);
}

void world_free(struct world **owner)
{
    struct world *world = *owner;
    world_stop(world);
    close_receiver(world);
    store_disconnect(&world->reader);
    store_disconnect(&world->writer);
    store_close(&world->store);
    pthread_cond_destroy(&world->changed);
    pthread_mutex_destroy(&world->lock);
    pthread_mutex_destroy(&world->store_lock);
    mem_free(world);
    *owner = NULL;
}

static void poke(struct world *world, int64_t endpoint_id)
{
    if (world->webhook != NULL)
        webhook_poke(world->webhook, endpoint_id);
}

static void write_endpoint(struct world *world, struct store_endpoint *endpoint, const char *path,
                           const char *more)
{
    char settings[1000];
    struct buf secrets;
    snprintf(settings, sizeof(settings), "{\"url\":\"http://127.0.0.1:%d%s\"%s}", world->port, path,
             more);
    buf_init(&secrets, 1000);
    webhook_endpoint_seal(STR_LIT("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), STR_LIT(""), 0,
                          STR_LIT(""), key, &secrets);
    endpoint->project_id = WORLD_PROJECT;
    endpoint->settings = str_from(settings);
    endpoint->secrets = buf_view(&secrets);
    begin(world);
    int rc = endpoint->endpoint_id == 0 ? store_endpoint_add(world->writer, endpoint)
                                        : store_endpoint_update(world->writer, endpoint);
    assert_int_equal(rc, 0);
    commit(world);
    buf_fini(&secrets);
    poke(world, endpoint->endpoint_id);
}

int64_t world_add_endpoint(struct world *world, const char *path, const char *more)
{
    struct store_endpoint endpoint = {.created_at = clock_wall_ms()};
    write_endpoint(world, &endpoint, path, more);
    return endpoint.endpoint_id;
}

void world_change_endpoint(struct world *world, int64_t endpoint_id,
                           enum store_endpoint_state state, const char *path, const char *more)
{
    struct store_endpoint endpoint = {.endpoint_id = endpoint_id, .state = state};
    write_endpoint(world, &endpoint, path, more);
}

void world_delete_endpoint(struct world *world, int64_t endpoint_id)
{
    begin(world);
    assert_int_equal(store_endpoint_delete(world->writer, endpoint_id), 0);
    commit(world);
    poke(world, endpoint_id);
}

static void add_order_event(struct world *world, struct store_order *order)
{
    enum order_status previous = order->seq > 1 ? order->status - 1 : order->status;
    struct store_event event = {.seq = order->seq,
                                .status = order->status,
                                .previous = previous,
                                .occurred_at = order->updated_at};
    int rc = order->seq == 1 ? store_order_insert(world->writer, order)
                             : store_order_update(world->writer, order);
    assert_int_equal(rc, 0);
    assert_int_equal(store_event_append(world->writer, order, &event), 0);
}

int64_t world_add_silently(struct world *world, int64_t endpoint_id, int32_t order_id, int32_t seq)
{
    int64_t now = clock_wall_ms();
    int64_t delivery_id;
    bool waiting;
    struct store_order order = {
        .project_id = WORLD_PROJECT,
        .order_id = order_id,
        .user_id = world->user_id,
        .user_external_id = STR_LIT("user"),
        .status = (enum order_status)(seq - 1),
        .seq = seq,
        .created_at = now,
        .updated_at = now,
    };
    begin(world);
    add_order_event(world, &order);
    assert_int_equal(
        store_delivery_add(world->writer, endpoint_id, &order, seq, now, &delivery_id, &waiting),
        0);
    commit(world);
    return delivery_id;
}

int64_t world_add_event(struct world *world, int64_t endpoint_id, int32_t order_id, int32_t seq)
{
    int64_t delivery_id = world_add_silently(world, endpoint_id, order_id, seq);
    poke(world, endpoint_id);
    return delivery_id;
}

int64_t world_add_body(struct world *world, int64_t endpoint_id, size_t length)
{
    int64_t delivery_id;
    char *body = mem_alloc(length);
    memset(body, ' ', length);
    body[0] = '{';
    body[1] = '}';
    begin(world);
    assert_int_equal(store_delivery_add_body(world->writer, endpoint_id, WORLD_PROJECT,
                                             STR_LIT("example"), str_make(body, length),
                                             clock_wall_ms(), &delivery_id),
                     0);
    commit(world);
    mem_free(body);
    poke(world, endpoint_id);
    return delivery_id;
}

static void await(struct world *world, const int *number, int count, const char *what)
{
    int64_t end = clock_mono_ms() + PATIENCE;
    struct timespec deadline = {.tv_sec = end / CLOCK_SECOND,
                                .tv_nsec = end % CLOCK_SECOND * 1000000};
    int waited = 0;
    pthread_mutex_lock(&world->lock);
    while (*number < count && waited == 0)
        waited = pthread_cond_timedwait(&world->changed, &world->lock, &deadline);
    int reached = *number;
    pthread_mutex_unlock(&world->lock);
    if (reached < count)
        fail_msg("%d of %d %s", reached, count, what);
}

void world_await_received(struct world *world, int count)
{
    await(world, &world->received_count, count, "received");
}

void world_await_records(struct world *world, int count)
{
    await(world, &world->records, count, "recorded");
}

void world_await_calls(struct world *world, int count)
{
    await(world, &world->record_calls, count, "calls of the recorder");
}

struct store_delivery world_delivery(struct world *world, int64_t delivery_id)
{
    struct store_delivery delivery;
    assert_int_equal(store_delivery_get(world->reader, delivery_id, &delivery), 0);
    return delivery;
}

struct wanted_attempt {
    int32_t number;
    struct kept_attempt kept;
};

static void take_attempt(void *argument, const struct store_attempt *attempt)
{
    struct wanted_attempt *wanted = argument;
    struct kept_attempt *kept = &wanted->kept;
    if (attempt->number != wanted->number)
        return;
    kept->started_at = attempt->started_at;
    kept->status = attempt->status;
    snprintf(kept->error, sizeof(kept->error), "%.*s", STR_ARG(attempt->error));
}

struct kept_attempt world_attempt(struct world *world, int64_t delivery_id, int32_t number)
{
    struct wanted_attempt wanted = {.number = number};
    assert_int_equal(store_attempt_list(world->reader, delivery_id, take_attempt, &wanted), 0);
    assert_int_not_equal(wanted.kept.started_at, 0);
    return wanted.kept;
}

int world_count(struct world *world, const char *path)
{
    int count = 0;
    pthread_mutex_lock(&world->lock);
    for (int i = 0; i < world->received_count; i++)
        count += strcmp(world->received[i].path, path) == 0;
    pthread_mutex_unlock(&world->lock);
    return count;
}
