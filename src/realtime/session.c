/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One conversation: which command is allowed when, the pushes, and the deadlines. A push goes out
 * only when it is the one after the session's position; whatever else comes through the hub is
 * skipped or read from the store, so that no client can miss an event or see one twice.
 */
#include "realtime/realtime_internal.h"

#include "auth/auth.h"
#include "base/clock.h"
#include "base/crypto.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/quota.h"
#include "codec/address.h"
#include "service/buyer_stream.h"
#include "service/service.h"

enum { CHANNEL_MAX = sizeof("order:2147483647:orders:2147483647#") + LIMIT_USER_EXTERNAL_ID };

static enum metric close_metric(enum close_code code)
{
    switch (code) {
#define CLOSE_CODE(name, number, reason, flush, metric)                                            \
    case CLOSE_##name:                                                                             \
        return METRIC_##metric;
#include "codec/close_codes.def"
    case CLOSE_NONE:
        break;
    }
    return METRIC_CLOSES__OTHER;
}

static void session_set_state(struct session *session, enum session_state state)
{
    metrics_add(METRIC_SESSIONS,
                (state == SESSION_CONNECTED) - (session->state == SESSION_CONNECTED));
    session->state = state;
    if (state != SESSION_CLOSING)
        return;
    hub_unsubscribe(session->realtime->service->hub, &session->subscriber);
    loop_timer_cancel(&session->timer);
}

void session_close(struct session *session, enum close_code code)
{
    if (session->state == SESSION_CLOSING)
        return;
    log_debug("session closed", LOG_INT("code", code),
              LOG_TEXT("reason", centrifuge_close_reason(code)),
              LOG_TEXT("peer", address_text(session->transport->peer(session),
                                            (char[ADDRESS_TEXT_SIZE]){0})));
    metrics_add(close_metric(code), 1);
    session_set_state(session, SESSION_CLOSING);
    session->transport->close(session, code);
}

/* Sending. */

/* A client that is going by itself is left in peace; the transport tells when it has gone. */
static void note_sent(struct session *session, int result)
{
    if (result == ERR_TOO_LARGE)
        session_close(session, CLOSE_SLOW);
    else if (result < 0 && session->state != SESSION_CLOSING)
        session_set_state(session, SESSION_CLOSING);
}

struct buf *session_begin(struct session *session)
{
    struct buf *out = &session->realtime->out;
    buf_clear(out);
    return out;
}

void session_send(struct session *session)
{
    const struct buf *out = &session->realtime->out;
    int result = out->overflow ? ERR_TOO_LARGE : session->transport->send(session, buf_view(out));
    note_sent(session, result);
}

void session_send_error(struct session *session, uint32_t id, enum client_error error)
{
    session->encoding->write_error(session_begin(session), id, error);
    session_send(session);
}

static struct centrifuge_publication publication_of(const struct store_publication *publication)
{
    return (struct centrifuge_publication){
        .order_id = publication->order_id,
        .status = order_status_word(publication->status),
        .offset = publication->offset,
    };
}

struct centrifuge_publication *session_publications(const struct store_publication *publications,
                                                    size_t count)
{
    struct centrifuge_publication *wire = NULL;
    if (count > 0)
        wire = mem_alloc(count * sizeof(*wire));
    for (size_t i = 0; i < count; i++)
        wire[i] = publication_of(&publications[i]);
    return wire;
}

static void push(struct session *session, const struct store_publication *stored)
{
    struct centrifuge_publication publication = publication_of(stored);
    session->encoding->write_publication(session_begin(session), session_channel(session),
                                         &publication);
    session_send(session);
    if (session->state == SESSION_CONNECTED)
        metrics_add(METRIC_PUBLICATIONS, 1);
}

void session_push(struct session *session, const struct store_publication *publications,
                  size_t count)
{
    for (size_t i = 0; i < count && session->state == SESSION_CONNECTED; i++) {
        const struct store_publication *publication = &publications[i];
        if (session->order_id == 0 || session->order_id == publication->order_id)
            push(session, publication);
        if (publication->offset > 0)
            session->position = publication->offset;
    }
}

/* The stream. */

/* ERR_NOT_FOUND: the store cannot fill the gap, or never was that far; the session is closed. */
static int compare_with_store(struct session *session)
{
    struct buyer_stream_view view = {0};
    int result = buyer_stream_missed(session->realtime->service, session->project_id,
                                     session_user(session), session->position, &view);
    if (result == ERR_NOT_FOUND)
        session_close(session, CLOSE_INSUFFICIENT_STATE);
    if (view.publication_count > 0)
        metrics_add(METRIC_CATCH_UPS, 1);
    session_push(session, view.publications, view.publication_count);
    buyer_stream_view_fini(&view);
    return result;
}

static void catch_up(struct session *session)
{
    if (compare_with_store(session) < 0)
        session_close(session, CLOSE_SERVER_ERROR);
}

static void on_event(struct hub_subscriber *subscriber, const struct hub_event *event)
{
    struct session *session = CONTAINER_OF(subscriber, struct session, subscriber);
    /* Offset 0 (only content changed) is among those skipped. */
    if (event->offset <= session->position)
        return;
    if (event->offset > session->position + 1) {
        catch_up(session);
        return;
    }
    const struct store_publication publication = {
        .offset = event->offset, .order_id = event->order_id, .status = event->status};
    session_push(session, &publication, 1);
}

/* What each encoding's SDKs make of it: xsolla-sdks.md 1.10. */
enum close_code session_refusal(const struct session *session)
{
    const struct realtime_options *options = session->realtime->options;
    bool is_terminal = session->encoding->binary ? options->terminal_refusal_protobuf
                                                 : options->terminal_refusal_json;
    return is_terminal ? CLOSE_INVALID_TOKEN : CLOSE_INVALID_TOKEN_RETRY;
}

static void on_revoked(struct hub_subscriber *subscriber, int64_t before)
{
    struct session *session = CONTAINER_OF(subscriber, struct session, subscriber);
    if (session->issued_at < before)
        session_close(session, session_refusal(session));
}

/* Revocations may have been lost too. */
static void on_resync(struct hub_subscriber *subscriber)
{
    struct session *session = CONTAINER_OF(subscriber, struct session, subscriber);
    int result = auth_check_revoked(session->realtime->service->auth, session->project_id,
                                    session_user(session), session->issued_at);
    if (result == 0)
        catch_up(session);
    else
        session_close(session,
                      result == ERR_DENIED ? session_refusal(session) : CLOSE_SERVER_ERROR);
}

int session_subscribe(struct session *session, int32_t project_id, struct str user_external_id)
{
    static const struct hub_subscriber_ops ops = {
        .event = on_event, .resync = on_resync, .revoked = on_revoked};
    struct buf channel;
    buf_init(&channel, CHANNEL_MAX);
    /* Strangers who follow an order are counted by themselves: they must not shut its user out. */
    if (session->order_id != 0)
        buf_printf(&channel, "order:%d:", session->order_id);
    buf_printf(&channel, "orders:%d#", project_id);
    session->project_id = project_id;
    session->user_start = (uint32_t)channel.len;
    buf_append_str(&channel, user_external_id);
    session->channel_length = (uint32_t)channel.len;
    session->channel = mem_dup(channel.ptr, channel.len);
    buf_fini(&channel);
    session->counted =
        quota_enter(session->realtime->service->quota, QUOTA_SESSIONS, session_channel(session),
                    session->realtime->options->connections_per_user);
    if (!session->counted)
        return ERR_BUSY;
    hub_subscribe(session->realtime->service->hub, project_id, session_user(session),
                  &session->subscriber, &ops);
    return 0;
}

struct str session_channel(const struct session *session)
{
    return str_make(session->channel, session->channel_length);
}

struct str session_user(const struct session *session)
{
    return str_make(session->channel + session->user_start,
                    session->channel_length - session->user_start);
}

bool session_has_channel(const struct session *session, struct str channel)
{
    return str_equal(channel, session_channel(session));
}

/* Deadlines. */

static void set_timer(struct session *session)
{
    int64_t nearest = clock_earlier(clock_earlier(session->ends_mono, session->ping_mono),
                                    clock_earlier(session->pong_mono, session->drain_mono));
    nearest = clock_earlier(nearest, session->check_mono);
    if (nearest == INT64_MAX)
        loop_timer_cancel(&session->timer);
    else
        loop_timer_set(&session->timer, nearest);
}

static enum close_code due_close(const struct session *session, int64_t now)
{
    if (now >= session->drain_mono)
        return CLOSE_SHUTDOWN;
    if (now >= session->ends_mono)
        return session->state == SESSION_CONNECTED ? CLOSE_EXPIRED : CLOSE_STALE;
    if (now >= session->pong_mono)
        return CLOSE_NO_PONG;
    return CLOSE_NONE;
}

static void send_ping(struct session *session, int64_t now)
{
    const struct realtime_options *options = session->realtime->options;
    session->ping_mono = session_deadline(now, options->ping_interval);
    if (session->pong_mono == INT64_MAX && !session->encoding->one_way)
        session->pong_mono = session_deadline(now, options->pong_timeout);
    note_sent(session, session->transport->ping(session));
}

/*
 * Nothing says that an event is missing; so a store that does not answer now is asked again later,
 * and no healthy session ends for it.
 */
static void check_position(struct session *session, int64_t now)
{
    session->check_mono = session_deadline(now, session->realtime->options->position_interval);
    (void)compare_with_store(session);
}

static void on_timer(struct loop_timer *timer)
{
    struct session *session = CONTAINER_OF(timer, struct session, timer);
    int64_t now = loop_now(session->realtime->service->loop);
    enum close_code code = due_close(session, now);
    if (code != CLOSE_NONE)
        session_close(session, code);
    if (session->state != SESSION_CLOSING && now >= session->ping_mono)
        send_ping(session, now);
    if (session->state != SESSION_CLOSING && now >= session->check_mono)
        check_position(session, now);
    if (session->state != SESSION_CLOSING)
        set_timer(session);
}

void session_drain(struct session *session, int64_t drain_mono)
{
    if (session->state == SESSION_CLOSING)
        return;
    session->drain_mono = drain_mono;
    set_timer(session);
}

/* Commands. */

/*
 * `duration` less a random part of up to `share`, both in ms, so that what begins in one burst does
 * not come back in one.
 */
static int64_t spread(int64_t duration, int64_t share)
{
    return duration - crypto_random_below((uint32_t)clock_earlier(share, UINT32_MAX - 1) + 1);
}

static int64_t end_of_life(const struct session *session)
{
    int64_t lifetime = session->realtime->options->max_lifetime;
    if (lifetime == 0)
        return INT64_MAX;
    return session_deadline(session->opened_mono, spread(lifetime, lifetime / 10));
}

void session_connect(struct session *session, int32_t position, int64_t ends_mono)
{
    const struct realtime_options *options = session->realtime->options;
    int64_t now = loop_now(session->realtime->service->loop);
    int64_t ping = spread(options->ping_interval, options->ping_interval / 2);
    int64_t check = spread(options->position_interval, options->position_interval / 2);
    session->position = position;
    session->ends_mono = clock_earlier(end_of_life(session), ends_mono);
    session->ping_mono = session_deadline(now, ping);
    session->check_mono = session_deadline(now, check);
    session_set_state(session, SESSION_CONNECTED);
    mem_free(session->origin);
    session->origin = NULL;
    set_timer(session);
}

/* The Cocos and Unreal trackers send one every 25 s unasked; the reference would end them. */
static void take_pong(struct session *session)
{
    if (session->pong_mono == INT64_MAX) {
        metrics_add(METRIC_PONGS_UNSOLICITED, 1);
        return;
    }
    session->pong_mono = INT64_MAX;
    set_timer(session);
}

static command_fn *const commands[CENTRIFUGE_METHOD_COUNT] = {
    [CENTRIFUGE_SUBSCRIBE] = command_other,
    [CENTRIFUGE_UNSUBSCRIBE] = command_other,
    [CENTRIFUGE_PUBLISH] = command_other,
    [CENTRIFUGE_PRESENCE] = command_other,
    [CENTRIFUGE_PRESENCE_STATS] = command_other,
    [CENTRIFUGE_HISTORY] = command_history,
    [CENTRIFUGE_RPC] = command_other,
    [CENTRIFUGE_SEND] = command_other,
    [CENTRIFUGE_REFRESH] = command_other,
    [CENTRIFUGE_SUB_REFRESH] = command_other,
};

/* What may be done in which state: centrifuge-protocol.md A.5. NULL: 3501. */
static command_fn *find_command(const struct session *session,
                                const struct centrifuge_command *command)
{
    /*
     * Only `send` goes without an id. A Cocos tracker draws id 0 for its connect command once in
     * 10^8 times; refused, it polls.
     */
    if (command->method >= CENTRIFUGE_METHOD_COUNT ||
        (command->id == 0 && command->method != CENTRIFUGE_SEND))
        return NULL;
    if (session->state == SESSION_OPEN)
        return command->method == CENTRIFUGE_CONNECT ? command_connect : NULL;
    return commands[command->method];
}

/* Pongs count as well: answering nothing, they still cost. */
static bool is_too_fast(struct session *session)
{
    const struct realtime *realtime = session->realtime;
    return quota_rate_take(&session->commands_earned_us, realtime->options->commands_per_second,
                           loop_now(realtime->service->loop)) != 0;
}

/* ERR_CLOSED once the session is over, so that the rest of the message is not looked at. */
static int take_command(void *argument, const struct centrifuge_command *command)
{
    struct session *session = argument;
    command_fn *run = find_command(session, command);
    if (is_too_fast(session))
        session_close(session, CLOSE_TOO_MANY_REQUESTS);
    else if (run)
        run(session, command);
    else if (session->state == SESSION_CONNECTED && command->method == CENTRIFUGE_PONG)
        take_pong(session);
    else
        session_close(session, CLOSE_BAD_REQUEST);
    return session->state == SESSION_CLOSING ? ERR_CLOSED : 0;
}

void session_message(struct session *session, struct str message)
{
    int result = message.len > 0 ? 0 : ERR_INVALID;
    if (session->state == SESSION_CLOSING)
        return;
    for (size_t count = 0; result == 0 && count < LIMIT_REALTIME_COMMANDS; count++)
        result = session->encoding->next_command(&message, take_command, session);
    bool is_complete = result == ERR_NOT_FOUND || (result == 0 && message.ptr == NULL);
    if (!is_complete)
        session_close(session, CLOSE_BAD_REQUEST);
}

void session_init(struct session *session, struct realtime *realtime,
                  const struct session_transport *transport,
                  const struct centrifuge_encoding *encoding)
{
    int64_t now = loop_now(realtime->service->loop);
    session->realtime = realtime;
    session->transport = transport;
    session->encoding = encoding;
    session->state = SESSION_OPEN;
    session->opened_mono = now;
    session->ends_mono = session_deadline(now, realtime->options->connect_timeout);
    session->ping_mono = INT64_MAX;
    session->pong_mono = INT64_MAX;
    session->drain_mono = INT64_MAX;
    session->check_mono = INT64_MAX;
    list_append(&realtime->sessions, &session->node);
    realtime->session_count++;
    loop_timer_init(&session->timer, realtime->service->loop, on_timer);
    set_timer(session);
}

char *session_origin_of(const struct http_request *request)
{
    struct str origin = http_request_header(request, "origin");
    return origin.len > 0 ? mem_strndup(origin.ptr, origin.len) : NULL;
}

void session_fini(struct session *session)
{
    session_set_state(session, SESSION_CLOSING);
    list_remove(&session->node);
    session->realtime->session_count--;
    if (session->counted)
        quota_leave(session->realtime->service->quota, QUOTA_SESSIONS, session_channel(session));
    mem_free(session->origin);
    session->origin = NULL;
    mem_free(session->channel);
    session->channel = NULL;
}
