/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Centrifuge protocol in JSON. The store SDKs compare a ping with the bytes {} and parse a
 * whole message as one value, so each function here writes exactly one object and nothing after it.
 */
#include "codec/centrifuge.h"

#include "base/err.h"
#include "codec/centrifuge_data.h"
#include "codec/json.h"

/* Absent and null members leave `*out` untouched; false is a member of the wrong type. */
static bool read_text(const struct json *object, const char *key, struct str *out)
{
    const struct json *value = json_get_ignoring_case(object, key);
    return !value || json_as_string(value, out);
}

static bool read_bool(const struct json *object, const char *key, bool *out)
{
    const struct json *value = json_get_ignoring_case(object, key);
    return !value || json_as_bool(value, out);
}

static bool read_int(const struct json *object, const char *key, int64_t min, int64_t max,
                     int64_t *out)
{
    const struct json *value = json_get_ignoring_case(object, key);
    int64_t number;
    if (!value)
        return true;
    if (!json_as_int(value, &number) || number < min || number > max)
        return false;
    *out = number;
    return true;
}

/* `*object` is NULL when the member is absent or null. */
static bool read_object(const struct json *parent, const char *key, const struct json **object)
{
    *object = json_get_ignoring_case(parent, key);
    return !*object || json_kind(*object) == JSON_KIND_OBJECT;
}

static int read_position(const struct json *request, struct centrifuge_position *position)
{
    if (json_kind(request) == JSON_KIND_NULL)
        return 0;
    bool is_fine = json_kind(request) == JSON_KIND_OBJECT &&
                   read_bool(request, "recover", &position->recover) &&
                   read_int(request, "offset", 0, INT64_MAX, &position->offset) &&
                   read_text(request, "epoch", &position->epoch);
    return is_fine ? 0 : ERR_INVALID;
}

static int read_positions(const struct json *subs, struct centrifuge_command *command)
{
    const struct json *request;
    void *iterator = NULL;
    struct str channel;
    while (json_next(subs, &iterator, &channel, &request)) {
        if (command->position_count == LIMIT_REALTIME_SUBS)
            return ERR_TOO_LARGE;
        struct centrifuge_position *position = &command->positions[command->position_count++];
        position->channel = channel;
        int rc = read_position(request, position);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int read_connect(const struct json *request, struct centrifuge_command *command)
{
    const struct json *data = json_get_ignoring_case(request, "data");
    const struct json *subs;
    if (!read_text(request, "token", &command->token) || !read_object(request, "subs", &subs))
        return ERR_INVALID;
    if (data)
        centrifuge_data_read(data, &command->credentials);
    return subs ? read_positions(subs, command) : 0;
}

static int read_channel(const struct json *request, struct centrifuge_command *command)
{
    return read_text(request, "channel", &command->channel) ? 0 : ERR_INVALID;
}

static int read_history(const struct json *request, struct centrifuge_command *command)
{
    const struct json *since;
    if (!read_text(request, "channel", &command->channel) ||
        !read_int(request, "limit", INT32_MIN, INT32_MAX, &command->limit) ||
        !read_bool(request, "reverse", &command->reverse) || !read_object(request, "since", &since))
        return ERR_INVALID;
    command->has_since = since != NULL;
    if (since && (!read_int(since, "offset", 0, INT64_MAX, &command->since_offset) ||
                  !read_text(since, "epoch", &command->since_epoch)))
        return ERR_INVALID;
    return 0;
}

static int read_nothing(const struct json *request, struct centrifuge_command *command)
{
    (void)request;
    (void)command;
    return 0;
}

static const struct request {
    const char *key;
    int (*read)(const struct json *request, struct centrifuge_command *command);
} requests[CENTRIFUGE_METHOD_COUNT] = {
    [CENTRIFUGE_CONNECT] = {"connect", read_connect},
    [CENTRIFUGE_SUBSCRIBE] = {"subscribe", read_channel},
    [CENTRIFUGE_UNSUBSCRIBE] = {"unsubscribe", read_channel},
    [CENTRIFUGE_PUBLISH] = {"publish", read_channel},
    [CENTRIFUGE_PRESENCE] = {"presence", read_channel},
    [CENTRIFUGE_PRESENCE_STATS] = {"presence_stats", read_channel},
    [CENTRIFUGE_HISTORY] = {"history", read_history},
    [CENTRIFUGE_RPC] = {"rpc", read_nothing},
    [CENTRIFUGE_SEND] = {"send", read_nothing},
    [CENTRIFUGE_REFRESH] = {"refresh", read_nothing},
    [CENTRIFUGE_SUB_REFRESH] = {"sub_refresh", read_channel},
};

static int read_command(const struct json *document, struct centrifuge_command *command)
{
    const struct json *picked = NULL;
    int64_t id = 0;
    if (json_kind(document) != JSON_KIND_OBJECT || !read_int(document, "id", 0, UINT32_MAX, &id))
        return ERR_INVALID;
    command->id = (uint32_t)id;
    command->method = id == 0 ? CENTRIFUGE_PONG : CENTRIFUGE_NO_METHOD;
    for (int method = 0; method < CENTRIFUGE_METHOD_COUNT; method++) {
        const struct json *request;
        if (!read_object(document, requests[method].key, &request))
            return ERR_INVALID;
        if (request && !picked) {
            picked = request;
            command->method = (enum centrifuge_method)method;
        }
    }
    return picked ? requests[command->method].read(picked, command) : 0;
}

static int next_command(struct str *rest,
                        int (*handle)(void *argument, const struct centrifuge_command *command),
                        void *argument)
{
    struct centrifuge_command command = {0};
    struct str line;
    size_t used;
    if (!str_split(rest, '\n', &line))
        return ERR_NOT_FOUND;
    if (rest->len == 0)
        *rest = (struct str){0};
    if (line.len > LIMIT_REALTIME_COMMAND)
        return ERR_TOO_LARGE;
    struct json *document = json_parse_first(line, &used, NULL);
    if (!document)
        return ERR_INVALID;
    int rc = read_command(document, &command);
    if (rc == 0)
        rc = handle(argument, &command);
    json_free(&document);
    return rc;
}

static void open_reply(struct buf *out, uint32_t id, const char *key)
{
    buf_append_byte(out, '{');
    json_write_int(out, "id", id);
    json_write_key(out, key);
    buf_append_byte(out, '{');
}

static void write_publication_body(struct buf *out,
                                   const struct centrifuge_publication *publication)
{
    buf_append_text(out, "{\"data\":");
    centrifuge_data_write(out, publication);
    if (publication->offset > 0)
        json_write_int(out, "offset", publication->offset);
    buf_append_byte(out, '}');
}

static void write_publications(struct buf *out, const struct centrifuge_publication *publications,
                               size_t count)
{
    json_write_key(out, "publications");
    buf_append_byte(out, '[');
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            buf_append_byte(out, ',');
        write_publication_body(out, &publications[i]);
    }
    buf_append_byte(out, ']');
}

static void write_subscription(struct buf *out, const struct centrifuge_connect_reply *reply)
{
    json_write_key(out, "subs");
    buf_append_byte(out, '{');
    json_write_string(out, reply->channel);
    buf_append_text(out, ":{\"recoverable\":true,\"positioned\":true");
    json_write_text(out, "epoch", reply->epoch);
    if (reply->offset > 0)
        json_write_int(out, "offset", reply->offset);
    if (reply->was_recovering)
        json_write_bool(out, "was_recovering", true);
    if (reply->recovered)
        json_write_bool(out, "recovered", true);
    if (reply->recovered && reply->publication_count > 0)
        write_publications(out, reply->publications, reply->publication_count);
    buf_append_text(out, "}}");
}

/* The members of a connect reply, in an object that is open. */
static void write_connection(struct buf *out, const struct centrifuge_connect_reply *reply,
                             bool pong)
{
    json_write_text(out, "client", reply->client);
    json_write_text(out, "version", reply->version);
    write_subscription(out, reply);
    if (reply->ping_seconds > 0)
        json_write_int(out, "ping", reply->ping_seconds);
    if (reply->ping_seconds > 0 && pong)
        json_write_bool(out, "pong", true);
    if (reply->session.len > 0)
        json_write_text(out, "session", reply->session);
    if (reply->node.len > 0)
        json_write_text(out, "node", reply->node);
}

static void write_connect(struct buf *out, uint32_t id,
                          const struct centrifuge_connect_reply *reply)
{
    open_reply(out, id, "connect");
    write_connection(out, reply, true);
    buf_append_text(out, "}}");
}

static void write_history(struct buf *out, uint32_t id,
                          const struct centrifuge_history_reply *reply)
{
    open_reply(out, id, "history");
    write_publications(out, reply->publications, reply->publication_count);
    json_write_text(out, "epoch", reply->epoch);
    json_write_int(out, "offset", reply->offset);
    buf_append_text(out, "}}");
}

static void write_unsubscribe(struct buf *out, uint32_t id)
{
    open_reply(out, id, "unsubscribe");
    buf_append_text(out, "}}");
}

static void write_error(struct buf *out, uint32_t id, enum client_error error)
{
    open_reply(out, id, "error");
    json_write_int(out, "code", error);
    json_write_text(out, "message", str_from(centrifuge_error_message(error)));
    if (centrifuge_error_is_temporary(error))
        json_write_bool(out, "temporary", true);
    buf_append_text(out, "}}");
}

/* A push as it stands in a reply, and alone when the conversation is one-way. */
static void write_bare_publication(struct buf *out, struct str channel,
                                   const struct centrifuge_publication *publication)
{
    buf_append_byte(out, '{');
    json_write_text(out, "channel", channel);
    json_write_key(out, "pub");
    write_publication_body(out, publication);
    buf_append_byte(out, '}');
}

static void write_publication(struct buf *out, struct str channel,
                              const struct centrifuge_publication *publication)
{
    buf_append_text(out, "{\"push\":");
    write_bare_publication(out, channel, publication);
    buf_append_byte(out, '}');
}

static void write_bare_disconnect(struct buf *out, enum close_code code)
{
    buf_append_text(out, "{\"disconnect\":{");
    json_write_int(out, "code", code);
    json_write_text(out, "reason", str_from(centrifuge_close_reason(code)));
    buf_append_text(out, "}}");
}

static void write_disconnect(struct buf *out, enum close_code code)
{
    buf_append_text(out, "{\"push\":");
    write_bare_disconnect(out, code);
    buf_append_byte(out, '}');
}

static void write_ping(struct buf *out)
{
    buf_append_text(out, "{}");
}

static int read_emulation(struct str body,
                          int (*handle)(void *argument, const struct centrifuge_emulation *request),
                          void *argument)
{
    struct centrifuge_emulation request = {0};
    struct json *document = json_parse(body, NULL);
    bool is_fine = document != NULL && json_kind(document) == JSON_KIND_OBJECT &&
                   read_text(document, "session", &request.session) &&
                   read_text(document, "node", &request.node) &&
                   read_text(document, "data", &request.data);
    int rc = is_fine ? handle(argument, &request) : ERR_INVALID;
    json_free(&document);
    return rc;
}

const struct centrifuge_encoding centrifuge_json = {
    .name = "json",
    .binary = false,
    .next_command = next_command,
    .write_connect = write_connect,
    .write_history = write_history,
    .write_unsubscribe = write_unsubscribe,
    .write_error = write_error,
    .write_publication = write_publication,
    .write_ping = write_ping,
    .write_disconnect = write_disconnect,
    .read_emulation = read_emulation,
};

/* Who it is, which is all that a one-way client says. */
static int next_one_way(struct str *rest,
                        int (*handle)(void *argument, const struct centrifuge_command *command),
                        void *argument)
{
    struct centrifuge_command command = {.id = 1, .method = CENTRIFUGE_CONNECT};
    if (rest->ptr == NULL)
        return ERR_NOT_FOUND;
    if (rest->len > LIMIT_REALTIME_COMMAND)
        return ERR_TOO_LARGE;
    struct json *document = json_parse(*rest, NULL);
    int rc = ERR_INVALID;
    *rest = (struct str){0};
    if (document != NULL && json_kind(document) == JSON_KIND_OBJECT)
        rc = read_connect(document, &command);
    if (rc == 0)
        rc = handle(argument, &command);
    json_free(&document);
    return rc;
}

static void write_one_way_connect(struct buf *out, uint32_t id,
                                  const struct centrifuge_connect_reply *reply)
{
    (void)id;
    buf_append_text(out, "{\"connect\":{");
    write_connection(out, reply, false);
    buf_append_text(out, "}}");
}

const struct centrifuge_encoding centrifuge_json_one_way = {
    .name = "json, one-way",
    .binary = false,
    .one_way = true,
    .next_command = next_one_way,
    .write_connect = write_one_way_connect,
    .write_publication = write_bare_publication,
    .write_ping = write_ping,
    .write_disconnect = write_bare_disconnect,
};

static void write_status(struct buf *out, struct str channel,
                         const struct centrifuge_publication *publication)
{
    (void)channel;
    centrifuge_data_write(out, publication);
}

const struct centrifuge_encoding centrifuge_status = {
    .name = "status",
    .one_way = true,
    .write_publication = write_status,
};
