/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Webhooks as a stream. A listener hears the hub for its whole project and builds each message from
 * the store, as the sender would. When events may have been lost, or it does not read, it is closed
 * with a code that says so: a stream with silent holes would be worse than none.
 */
#include "api/listen.h"

#include "api/merchant.h"
#include "api/query.h"
#include "base/err.h"
#include "base/mem.h"
#include "codec/json.h"
#include "hub/hub.h"
#include "loop/loop.h"
#include "service/delivery.h"
#include "service/service.h"
#include "webhook/webhook_message.h"
#include "websocket/websocket.h"

#include <stdio.h>
#include <string.h>

enum {
    PING_INTERVAL = 25 * 1000, /* ms; keeps the ways through gateways open */
    PING_OPCODE = 9,
    MESSAGE_MAX = 1024, /* bytes that a listener may send; nothing is expected */
    CLOSE_GOING_AWAY = 1001,
    CLOSE_POLICY = 1008,
    CLOSE_INTERNAL = 1011,
    CLOSE_TRY_AGAIN = 1013,
};

#define KEY_ENDED "the key is not valid any more"

struct listen {
    struct service *service;
    struct list listeners;
    size_t count;
};

struct listener {
    struct list node;
    struct listen *listen;
    struct websocket *websocket;
    struct hub_subscriber subscriber;
    struct loop_timer ping;
    int32_t project_id;
    enum webhook_preset preset;
    char *authorization; /* the request's: asked again before each message, for keys end */
};

struct listen *listen_new(struct service *service)
{
    struct listen *listen = mem_zalloc(sizeof(*listen));
    listen->service = service;
    list_init(&listen->listeners);
    return listen;
}

void listen_free(struct listen **listen)
{
    mem_free(*listen);
    *listen = NULL;
}

/* It hears no more. */
static void silence(struct listener *listener)
{
    hub_unsubscribe(listener->listen->service->hub, &listener->subscriber);
    loop_timer_cancel(&listener->ping);
}

static void listener_free(struct listener *listener)
{
    silence(listener);
    list_remove(&listener->node);
    listener->listen->count--;
    mem_wipe(listener->authorization, strlen(listener->authorization));
    mem_free(listener->authorization);
    mem_free(listener);
}

static void end(struct listener *listener, uint16_t code, const char *reason)
{
    silence(listener);
    if (!websocket_is_closing(listener->websocket))
        websocket_close(listener->websocket, code, reason, code != CLOSE_POLICY);
}

void listen_drain(struct listen *listen)
{
    LIST_EACH (&listen->listeners, node)
        end(LIST_ENTRY(node, struct listener, node), CLOSE_GOING_AWAY, "the server stops");
}

void listen_abort(struct listen *listen)
{
    LIST_EACH (&listen->listeners, node) {
        struct listener *listener = LIST_ENTRY(node, struct listener, node);
        websocket_abort(&listener->websocket);
        listener_free(listener);
    }
}

size_t listen_count(const struct listen *listen)
{
    return listen->count;
}

static void write_headers(const struct webhook_headers *headers, struct buf *out)
{
    char name[64];
    json_write_key(out, "headers");
    buf_append_byte(out, '{');
    for (int i = 0; i < headers->count; i++) {
        struct str value = str_from(headers->list[i]);
        struct str head;
        if (!str_split(&value, ':', &head) || head.len >= sizeof(name))
            continue;
        snprintf(name, sizeof(name), "%.*s", STR_ARG(head));
        json_write_text(out, name, str_trim(value));
    }
    buf_append_byte(out, '}');
}

static void write_message(const struct listener *listener, struct str secret,
                          const struct hub_event *event, struct str body, struct buf *out)
{
    struct webhook_headers headers;
    char id[WEBHOOK_ID_SIZE];
    char type[32];
    snprintf(id, sizeof(id), "evt_%d_%d_%d", event->project_id, event->order_id, event->seq);
    snprintf(type, sizeof(type), listener->preset == WEBHOOK_XSOLLA ? "order_%s" : "order.%s",
             order_status_word(event->status));
    webhook_message_headers(listener->preset, secret, STR_LIT(""), id, body,
                            loop_wall(listener->listen->service->loop), &headers);
    buf_append_byte(out, '{');
    json_write_text(out, "id", str_from(id));
    json_write_text(out, "type", str_from(type));
    write_headers(&headers, out);
    json_write_text(out, "body", body);
    buf_append_byte(out, '}');
}

/* ERR_NOT_FOUND: the preset has no message for the event. */
static int read_body(const struct listener *listener, const struct hub_event *event,
                     struct buf *body)
{
    struct store_delivery_payload payload;
    int rc = delivery_read_event(listener->listen->service, listener->project_id, event->order_id,
                                 event->seq, &payload);
    if (rc == 0)
        rc = webhook_message_body(listener->preset, &payload, body);
    return rc;
}

/* ERR_DENIED: the key was deleted or replaced since. */
static int check_key(const struct listener *listener, const struct auth_project **project)
{
    char caller[AUTH_CALLER_SIZE];
    int rc = auth_merchant(listener->listen->service->auth, listener->project_id,
                           str_from(listener->authorization), project, caller);
    return rc == ERR_NOT_FOUND ? ERR_DENIED : rc;
}

static int send_event(const struct listener *listener, const struct hub_event *event)
{
    const struct auth_project *project;
    struct buf body;
    struct buf message;
    buf_init(&body, LIMIT_WEBHOOK_BODY);
    buf_init(&message, LIMIT_WEBHOOK_LISTEN_QUEUE);
    int rc = check_key(listener, &project);
    if (rc == 0)
        rc = read_body(listener, event, &body);
    if (rc == 0) {
        write_message(listener, project->settings.webhook_secret, event, buf_view(&body), &message);
        rc = websocket_send(listener->websocket, false, buf_view(&message));
    }
    buf_fini(&message);
    buf_fini(&body);
    return rc;
}

static void on_event(struct hub_subscriber *subscriber, const struct hub_event *event)
{
    struct listener *listener = CONTAINER_OF(subscriber, struct listener, subscriber);
    /* A change of content alone is no webhook. */
    int rc = event->offset != 0 ? send_event(listener, event) : 0;
    if (rc == ERR_TOO_LARGE)
        end(listener, CLOSE_POLICY, "you read too slowly");
    else if (rc == ERR_DENIED)
        end(listener, CLOSE_POLICY, KEY_ENDED);
    else if (rc < 0 && rc != ERR_NOT_FOUND && rc != ERR_CLOSED)
        end(listener, CLOSE_INTERNAL, "the store cannot be read");
}

static void on_resync(struct hub_subscriber *subscriber)
{
    struct listener *listener = CONTAINER_OF(subscriber, struct listener, subscriber);
    end(listener, CLOSE_TRY_AGAIN, "events were lost: connect again");
}

static const struct hub_subscriber_ops subscriber_ops = {on_event, on_resync};

static void on_message(void *owner, struct str message)
{
    (void)owner;
    (void)message;
}

static void on_closed(void *owner)
{
    listener_free(owner);
}

static const struct websocket_handlers handlers = {.message = on_message, .closed = on_closed};

static void on_ping(struct loop_timer *timer)
{
    struct listener *listener = CONTAINER_OF(timer, struct listener, ping);
    struct loop *loop = listener->listen->service->loop;
    const struct auth_project *project;
    struct buf frame;
    if (check_key(listener, &project) == ERR_DENIED) {
        end(listener, CLOSE_POLICY, KEY_ENDED);
        return;
    }
    buf_init(&frame, 16);
    websocket_frame_write(&frame, PING_OPCODE, STR_LIT(""));
    int rc = websocket_send_frame(listener->websocket, buf_view(&frame));
    buf_fini(&frame);
    if (rc == 0)
        loop_timer_set(timer, loop_now(loop) + PING_INTERVAL);
    else
        end(listener, CLOSE_POLICY, "you read too slowly");
}

static void take_over(struct listen *listen, int32_t project_id, enum webhook_preset preset,
                      char *authorization, struct stream *stream, struct str early)
{
    struct listener *listener = mem_zalloc(sizeof(*listener));
    struct service *service = listen->service;
    listener->listen = listen;
    listener->project_id = project_id;
    listener->preset = preset;
    listener->authorization = authorization;
    listener->websocket =
        websocket_new(stream, MESSAGE_MAX, LIMIT_WEBHOOK_LISTEN_QUEUE, early, &handlers, listener);
    list_append(&listen->listeners, &listener->node);
    listen->count++;
    loop_timer_init(&listener->ping, service->loop, on_ping);
    loop_timer_set(&listener->ping, loop_now(service->loop) + PING_INTERVAL);
    hub_subscribe(service->hub, project_id, STR_LIT(""), &listener->subscriber, &subscriber_ops);
}

static void upgrade(struct http_request *http, struct listen *listen, int32_t project_id,
                    enum webhook_preset preset)
{
    struct str given = http_request_header(http, "authorization");
    char *authorization = mem_strndup(given.ptr, given.len);
    struct buf early;
    struct stream *stream = websocket_upgrade(http, STR_LIT(""), &early);
    if (stream != NULL)
        take_over(listen, project_id, preset, authorization, stream, buf_view(&early));
    else
        mem_free(authorization);
    buf_fini(&early);
}

static const char *const preset_words[] = {
    [WEBHOOK_STANDARD] = "standard",
    [WEBHOOK_XSOLLA] = "xsolla",
    NULL,
};

static const struct query_field query_fields[] = {
    {"preset", QUERY_WORD, 0, 0, 0, "standard or xsolla", preset_words},
    {NULL},
};

static void route_listen(struct http_request *http)
{
    struct listen *listen = http->context;
    int64_t preset = WEBHOOK_STANDARD;
    char error[QUERY_ERROR_SIZE];
    /* As the merchant's routes expect it. */
    http->context = listen->service;
    const struct auth_project *project = merchant_project(http);
    if (project == NULL)
        return;
    if (query_read(http->query, query_fields, &preset, NULL, error) != 0)
        http_respond_error(http, API_ERROR_INVALID_FIELD, error);
    else if (project->settings.webhook_secret.len == 0)
        http_respond_error(http, API_ERROR_INVALID_FIELD,
                           "webhook_secret: the project has none to sign with");
    else if (listen->count >= LIMIT_WEBHOOK_LISTENERS)
        http_respond_error(http, API_ERROR_BUSY, "Too many listeners are connected");
    else
        upgrade(http, listen, project->project_id, (enum webhook_preset)preset);
}

const struct http_route listen_routes[] = {
    {"GET", "/server/v1/project/{project}/webhooks/listen", HTTP_MERCHANT, route_listen, 0, 0},
    {NULL},
};
