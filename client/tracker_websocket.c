/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One Centrifuge conversation: connect, history, then publications until the order ends. The history
 * closes the gap in which the order changed before the socket was there. Nothing is repaired here:
 * whatever goes wrong, polling is right.
 */
#include "base/clock.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/mem.h"
#include "client/tracker_internal.h"
#include "websocket/websocket_client.h"

enum { CONNECT_ID = 1, HISTORY_ID = 2 };

struct conversation {
    struct tracker *tracker;
    struct websocket_client *client;
    int64_t awaited;   /* the id of the reply that is awaited; 0 for none */
    int64_t answer_by; /* while one is */
    int64_t ping_ms;   /* how long the server may be silent; 0: for ever */
    int64_t ping_by;
    bool pong;
};

static enum tracker_progress send_command(struct conversation *talk, struct buf *command,
                                          int64_t id)
{
    int error =
        command->overflow ? ERR_TOO_LARGE : websocket_client_send(talk->client, buf_view(command));
    buf_fini(command);
    talk->awaited = id;
    talk->answer_by = clock_mono_ms() + talk->tracker->options.answer_timeout;
    if (error != 0)
        return tracker_trouble(talk->tracker, "cannot send a command: %s", err_text(error));
    return TRACKER_GOES_ON;
}

static enum tracker_progress send_connect(struct conversation *talk)
{
    const struct tracker_options *options = &talk->tracker->options;
    struct buf command;
    buf_init(&command, LIMIT_REALTIME_COMMAND);
    buf_printf(&command, "{\"id\":%d,\"connect\":{\"data\":{", CONNECT_ID);
    json_write_text(&command, "auth", str_from(options->token));
    json_write_int(&command, "project_id", options->project_id);
    if (options->user_external_id != NULL)
        json_write_text(&command, "user_external_id", str_from(options->user_external_id));
    buf_append_text(&command, "},\"name\":\"orderwire-track\"}}");
    return send_command(talk, &command, CONNECT_ID);
}

static enum tracker_progress send_history(struct conversation *talk, struct str channel)
{
    struct buf command;
    buf_init(&command, LIMIT_REALTIME_COMMAND);
    buf_printf(&command, "{\"id\":%d,\"history\":{", HISTORY_ID);
    json_write_text(&command, "channel", channel);
    buf_append_text(&command, ",\"limit\":-1,\"since\":{\"offset\":0},\"reverse\":false}}");
    return send_command(talk, &command, HISTORY_ID);
}

static enum tracker_progress take_connected(struct conversation *talk, const struct json *connect)
{
    void *iterator = NULL;
    struct str channel;
    const struct json *subscription;
    int64_t ping = 0;
    if (json_as_int(json_get(connect, "ping"), &ping) && ping > 0 && ping <= INT32_MAX) {
        talk->ping_ms = ping * CLOCK_SECOND + 2 * talk->tracker->options.answer_timeout;
        talk->ping_by = clock_mono_ms() + talk->ping_ms;
    }
    if (!json_as_bool(json_get(connect, "pong"), &talk->pong))
        talk->pong = false;
    const struct json *channels = json_get(connect, "subs");
    if (json_length(channels) == 0 || !json_next(channels, &iterator, &channel, &subscription))
        return tracker_trouble(talk->tracker, "the server subscribed this client to nothing");
    return send_history(talk, channel);
}

static enum tracker_progress take_history(struct conversation *talk, const struct json *history)
{
    const struct json *publications = json_get(history, "publications");
    enum tracker_progress progress = TRACKER_GOES_ON;
    talk->awaited = 0;
    for (size_t i = 0; i < json_length(publications) && progress == TRACKER_GOES_ON; i++)
        progress =
            tracker_tell_publication(talk->tracker, json_get(json_at(publications, i), "data"));
    return progress;
}

static enum tracker_progress take_ping(struct conversation *talk)
{
    if (talk->ping_ms > 0)
        talk->ping_by = clock_mono_ms() + talk->ping_ms;
    if (!talk->pong)
        return TRACKER_GOES_ON;
    int error = websocket_client_send(talk->client, STR_LIT("{}"));
    if (error != 0)
        return tracker_trouble(talk->tracker, "cannot answer a ping: %s", err_text(error));
    return TRACKER_GOES_ON;
}

static enum tracker_progress take_reply(struct conversation *talk, const struct json *reply)
{
    int64_t id = 0;
    struct str words;
    const struct json *push = json_get(reply, "push");
    const struct json *error = json_get(reply, "error");
    if (json_kind(reply) != JSON_KIND_OBJECT)
        return tracker_trouble(talk->tracker, "the server's reply is no JSON object");
    if (json_length(reply) == 0)
        return take_ping(talk);
    if (json_get(push, "disconnect") != NULL)
        return tracker_trouble(talk->tracker, "the server disconnected this client");
    if (push != NULL)
        return tracker_tell_publication(talk->tracker, json_get(json_get(push, "pub"), "data"));
    if (!json_as_int(json_get(reply, "id"), &id) || id != talk->awaited)
        return TRACKER_GOES_ON;
    if (error != NULL) {
        if (!json_as_string(json_get(error, "message"), &words) || str_has_control(words))
            words = STR_LIT("without a reason");
        return tracker_trouble(talk->tracker, "the server refused: %.*s", STR_ARG(words));
    }
    return id == CONNECT_ID ? take_connected(talk, json_get(reply, "connect"))
                            : take_history(talk, json_get(reply, "history"));
}

/* Objects one after another, with newlines between them (Centrifuge allows that in one frame). */
static enum tracker_progress take_message(struct conversation *talk, struct str text)
{
    char problem[JSON_ERROR_SIZE];
    struct str rest = text;
    do {
        size_t used;
        struct json *reply = json_parse_first(rest, &used, problem);
        if (reply == NULL)
            return tracker_trouble(talk->tracker, "the server's reply is malformed: %s", problem);
        enum tracker_progress progress = take_reply(talk, reply);
        json_free(&reply);
        if (progress != TRACKER_GOES_ON)
            return progress;
        rest = str_make(rest.ptr + used, rest.len - used);
        while (rest.len > 0 && (rest.ptr[0] == '\n' || rest.ptr[0] == '\r'))
            rest = str_make(rest.ptr + 1, rest.len - 1);
    } while (rest.len > 0);
    return TRACKER_GOES_ON;
}

static int64_t next_deadline(const struct conversation *talk)
{
    int64_t deadline_mono = talk->tracker->deadline_mono;
    if (talk->awaited != 0 && talk->answer_by < deadline_mono)
        deadline_mono = talk->answer_by;
    if (talk->ping_ms > 0 && talk->ping_by < deadline_mono)
        deadline_mono = talk->ping_by;
    return deadline_mono;
}

static enum tracker_progress explain_end(struct conversation *talk, int error)
{
    struct str reason;
    uint16_t code = websocket_client_close_code(talk->client, &reason);
    if (error == ERR_CLOSED)
        return tracker_trouble(talk->tracker, "the server closed it with %u %.*s", code,
                               STR_ARG(reason));
    if (error != ERR_TIMEOUT)
        return tracker_trouble(talk->tracker, "%s", err_text(error));
    if (clock_mono_ms() >= talk->tracker->deadline_mono)
        return tracker_out_of_time(talk->tracker);
    return tracker_trouble(talk->tracker, talk->awaited != 0 ? "the server did not answer in time"
                                                             : "the server has fallen silent");
}

static enum tracker_progress converse(struct conversation *talk)
{
    struct buf message;
    buf_init(&message, LIMIT_HTTP_RESPONSE);
    enum tracker_progress progress = send_connect(talk);
    while (progress == TRACKER_GOES_ON) {
        int64_t patience = next_deadline(talk) - clock_mono_ms();
        int error = websocket_client_receive(talk->client, patience, &message);
        progress = error == 0 ? take_message(talk, buf_view(&message)) : explain_end(talk, error);
    }
    buf_fini(&message);
    return progress;
}

enum tracker_progress tracker_follow_websocket(struct tracker *tracker)
{
    char problem[WEBSOCKET_CLIENT_ERROR_SIZE];
    struct conversation talk = {.tracker = tracker};
    struct buf url;
    buf_init(&url, LIMIT_HTTP_URL);
    buf_append_str(&url, tracker->base);
    buf_append_text(&url, "/connection/websocket");
    char *text = buf_detach_text(&url);
    talk.client = websocket_client_connect(
        &(struct websocket_client_request){
            .url = text,
            .unix_socket = tracker->options.unix_socket,
            .trust = tracker->options.trust,
            .timeout = tracker_patience(tracker, tracker->options.answer_timeout)},
        problem);
    mem_free(text);
    if (talk.client == NULL)
        return tracker_trouble(tracker, "%s", problem);
    enum tracker_progress progress = converse(&talk);
    websocket_client_free(&talk.client);
    return progress;
}
