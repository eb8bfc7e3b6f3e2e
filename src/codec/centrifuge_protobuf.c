/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Centrifuge protocol in Protobuf, on protobuf-c and centrifuge.proto. Messages stand in a frame
 * one after another, each behind its length as a varint; an empty one is a ping or a pong
 * (centrifuge-protocol.md A.2).
 */
#include "codec/centrifuge.h"

#include "base/err.h"
#include "base/mem.h"
#include "codec/centrifuge_data.h"
#include "codec/json.h"

#include <centrifuge.pb-c.h>

/* How a field's value is written on the wire. */
enum { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2, WIRE_FIXED32 = 5 };

enum {
    DATA_MAX = 64,   /* {"order_id":2147483647,"status":"canceled"} */
    VARINT_MAX = 10, /* bytes of 64 bits */
    VARINT_BITS = 7,
};

/* Takes a varint off the front of `*rest`. */
static bool take_varint(struct str *rest, uint64_t *value)
{
    *value = 0;
    for (size_t i = 0; i < rest->len && i < VARINT_MAX; i++) {
        uint8_t byte = (uint8_t)rest->ptr[i];
        *value |= (uint64_t)(byte & 0x7f) << (VARINT_BITS * i);
        if ((byte & 0x80) == 0) {
            *rest = str_make(rest->ptr + i + 1, rest->len - i - 1);
            return true;
        }
    }
    return false;
}

/* Takes the length of a message off the front of `*rest`, which holds all of it. */
static int take_length(struct str *rest, size_t *length)
{
    uint64_t value;
    if (!take_varint(rest, &value))
        return ERR_INVALID;
    if (value > LIMIT_REALTIME_COMMAND)
        return ERR_TOO_LARGE;
    *length = (size_t)value;
    return *length <= rest->len ? 0 : ERR_INVALID;
}

static bool skip(struct str *rest, uint64_t length)
{
    if (length > rest->len)
        return false;
    *rest = str_make(rest->ptr + length, rest->len - (size_t)length);
    return true;
}

static bool skip_value(struct str *rest, unsigned wire_type)
{
    uint64_t value;
    switch (wire_type) {
    case WIRE_VARINT:
        return take_varint(rest, &value);
    case WIRE_FIXED64:
        return skip(rest, sizeof(uint64_t));
    case WIRE_BYTES:
        return take_varint(rest, &value) && skip(rest, value);
    case WIRE_FIXED32:
        return skip(rest, sizeof(uint32_t));
    default:
        return false;
    }
}

/*
 * Whether a command names each request at most once, as every encoder does. A decoder merges those
 * that come again, at a cost that grows with the square of their number.
 */
static bool is_singular(struct str message)
{
    uint64_t seen = 0;
    uint64_t tag;
    while (message.len > 0) {
        if (!take_varint(&message, &tag) || !skip_value(&message, (unsigned)(tag & 7)))
            return false;
        uint64_t field = tag >> 3;
        uint64_t bit = field < 64 ? UINT64_C(1) << field : 0;
        if ((seen & bit) != 0)
            return false;
        seen |= bit;
    }
    return true;
}

static int take_offset(uint64_t given, int64_t *offset)
{
    if (given > INT64_MAX)
        return ERR_INVALID;
    *offset = (int64_t)given;
    return 0;
}

static int read_positions(const Wire__ConnectRequest *request, struct centrifuge_command *command)
{
    for (size_t i = 0; i < request->n_subs; i++) {
        const Wire__PositionEntry *entry = request->subs[i];
        if (command->position_count == LIMIT_REALTIME_SUBS)
            return ERR_TOO_LARGE;
        struct centrifuge_position *position = &command->positions[command->position_count++];
        position->channel = str_from(entry->key);
        if (entry->value == NULL)
            continue;
        position->recover = entry->value->recover;
        position->epoch = str_from(entry->value->epoch);
        int rc = take_offset(entry->value->offset, &position->offset);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int read_history(const Wire__HistoryRequest *request, struct centrifuge_command *command)
{
    command->channel = str_from(request->channel);
    command->limit = request->limit;
    command->reverse = request->reverse;
    command->has_since = request->since != NULL;
    if (request->since == NULL)
        return 0;
    command->since_epoch = str_from(request->since->epoch);
    return take_offset(request->since->offset, &command->since_offset);
}

/* The requests that bring a channel and nothing else of use. */
static const Wire__ChannelRequest *channel_request(const Wire__Command *wire,
                                                   enum centrifuge_method method)
{
    switch (method) {
    case CENTRIFUGE_SUBSCRIBE:
        return wire->subscribe;
    case CENTRIFUGE_UNSUBSCRIBE:
        return wire->unsubscribe;
    case CENTRIFUGE_PUBLISH:
        return wire->publish;
    case CENTRIFUGE_PRESENCE:
        return wire->presence;
    case CENTRIFUGE_PRESENCE_STATS:
        return wire->presence_stats;
    case CENTRIFUGE_SUB_REFRESH:
        return wire->sub_refresh;
    default:
        return NULL;
    }
}

static enum centrifuge_method method_of(const Wire__Command *wire)
{
    const void *requests[CENTRIFUGE_METHOD_COUNT] = {
        [CENTRIFUGE_CONNECT] = wire->connect,
        [CENTRIFUGE_SUBSCRIBE] = wire->subscribe,
        [CENTRIFUGE_UNSUBSCRIBE] = wire->unsubscribe,
        [CENTRIFUGE_PUBLISH] = wire->publish,
        [CENTRIFUGE_PRESENCE] = wire->presence,
        [CENTRIFUGE_PRESENCE_STATS] = wire->presence_stats,
        [CENTRIFUGE_HISTORY] = wire->history,
        [CENTRIFUGE_RPC] = wire->rpc,
        [CENTRIFUGE_SEND] = wire->send,
        [CENTRIFUGE_REFRESH] = wire->refresh,
        [CENTRIFUGE_SUB_REFRESH] = wire->sub_refresh,
    };
    for (int method = 0; method < CENTRIFUGE_METHOD_COUNT; method++)
        if (requests[method] != NULL)
            return (enum centrifuge_method)method;
    return wire->id == 0 ? CENTRIFUGE_PONG : CENTRIFUGE_NO_METHOD;
}

static int read_command(const Wire__Command *wire, struct centrifuge_command *command)
{
    command->id = wire->id;
    command->method = method_of(wire);
    const Wire__ChannelRequest *request = channel_request(wire, command->method);
    if (request != NULL)
        command->channel = str_from(request->channel);
    if (command->method == CENTRIFUGE_HISTORY)
        return read_history(wire->history, command);
    if (command->method != CENTRIFUGE_CONNECT)
        return 0;
    command->token = str_from(wire->connect->token);
    return read_positions(wire->connect, command);
}

/* The document that the credentials' texts point into; NULL when there is none. */
static struct json *read_data(const Wire__Command *wire, struct centrifuge_command *command)
{
    if (wire->connect == NULL || wire->connect->data.len == 0)
        return NULL;
    struct json *document =
        json_parse(str_make((const char *)wire->connect->data.data, wire->connect->data.len), NULL);
    if (document != NULL)
        centrifuge_data_read(document, &command->credentials);
    else
        command->credentials.malformed = true;
    return document;
}

static int next_command(struct str *rest,
                        int (*handle)(void *argument, const struct centrifuge_command *command),
                        void *argument)
{
    struct centrifuge_command command = {0};
    size_t length;
    if (rest->ptr == NULL)
        return ERR_NOT_FOUND;
    int rc = take_length(rest, &length);
    if (rc < 0)
        return rc;
    if (!is_singular(str_make(rest->ptr, length)))
        return ERR_INVALID;
    Wire__Command *wire = wire__command__unpack(NULL, length, (const uint8_t *)rest->ptr);
    if (wire == NULL)
        return ERR_INVALID;
    *rest =
        rest->len > length ? str_make(rest->ptr + length, rest->len - length) : str_make(NULL, 0);
    struct json *document = read_data(wire, &command);
    rc = read_command(wire, &command);
    if (rc == 0)
        rc = handle(argument, &command);
    json_free(&document);
    wire__command__free_unpacked(wire, NULL);
    return rc;
}

static void write_reply(struct buf *out, const Wire__Reply *reply)
{
    size_t size = wire__reply__get_packed_size(reply);
    for (size_t left = size;; left >>= VARINT_BITS) {
        buf_append_byte(out, (char)((left & 0x7f) | (left > 0x7f ? 0x80 : 0)));
        if (left <= 0x7f)
            break;
    }
    char *room = buf_reserve(out, size);
    if (room != NULL)
        buf_wrote(out, wire__reply__pack(reply, (uint8_t *)room));
}

/* A publication with room for its data. */
struct publication {
    Wire__Publication wire;
    struct buf data;
};

static void publication_init(struct publication *publication,
                             const struct centrifuge_publication *source)
{
    wire__publication__init(&publication->wire);
    buf_init(&publication->data, DATA_MAX);
    centrifuge_data_write(&publication->data, source);
    publication->wire.data.data = (uint8_t *)publication->data.ptr;
    publication->wire.data.len = publication->data.len;
    publication->wire.offset = (uint64_t)source->offset;
}

static void publication_fini(struct publication *publication)
{
    buf_fini(&publication->data);
}

/* Publications as protobuf-c wants them: an array of pointers. */
struct publications {
    struct publication *items;
    Wire__Publication **pointers;
    size_t count;
};

static void publications_init(struct publications *all, const struct centrifuge_publication *source,
                              size_t count)
{
    all->items = mem_zalloc((count + 1) * sizeof(*all->items));
    all->pointers = mem_zalloc((count + 1) * sizeof(Wire__Publication *));
    all->count = count;
    for (size_t i = 0; i < count; i++) {
        publication_init(&all->items[i], &source[i]);
        all->pointers[i] = &all->items[i].wire;
    }
}

static void publications_fini(struct publications *all)
{
    for (size_t i = 0; i < all->count; i++)
        publication_fini(&all->items[i]);
    mem_free(all->items);
    mem_free(all->pointers);
}

static void fill_subscription(Wire__SubscribeResult *result,
                              const struct centrifuge_connect_reply *reply, char *epoch,
                              const struct publications *missed)
{
    result->recoverable = true;
    result->positioned = true;
    result->epoch = epoch;
    result->offset = (uint64_t)reply->offset;
    result->was_recovering = reply->was_recovering;
    result->recovered = reply->recovered;
    result->n_publications = missed->count;
    result->publications = missed->pointers;
}

/* The texts of a connect reply with a NUL at their ends, which protobuf-c asks for. */
struct connect_texts {
    char *client, *version, *channel, *epoch, *session, *node;
};

static void connect_texts_init(struct connect_texts *texts,
                               const struct centrifuge_connect_reply *reply)
{
    texts->client = mem_strndup(reply->client.ptr, reply->client.len);
    texts->version = mem_strndup(reply->version.ptr, reply->version.len);
    texts->channel = mem_strndup(reply->channel.ptr, reply->channel.len);
    texts->epoch = mem_strndup(reply->epoch.ptr, reply->epoch.len);
    texts->session = mem_strndup(reply->session.ptr, reply->session.len);
    texts->node = mem_strndup(reply->node.ptr, reply->node.len);
}

static void connect_texts_fini(struct connect_texts *texts)
{
    mem_free(texts->client);
    mem_free(texts->version);
    mem_free(texts->channel);
    mem_free(texts->epoch);
    mem_free(texts->session);
    mem_free(texts->node);
}

static void write_connect(struct buf *out, uint32_t id,
                          const struct centrifuge_connect_reply *reply)
{
    Wire__Reply wire = WIRE__REPLY__INIT;
    Wire__ConnectResult connect = WIRE__CONNECT_RESULT__INIT;
    Wire__SubscriptionEntry entry = WIRE__SUBSCRIPTION_ENTRY__INIT;
    Wire__SubscribeResult subscription = WIRE__SUBSCRIBE_RESULT__INIT;
    Wire__SubscriptionEntry *entries[] = {&entry};
    struct publications missed;
    struct connect_texts texts;
    connect_texts_init(&texts, reply);
    publications_init(&missed, reply->publications,
                      reply->recovered ? reply->publication_count : 0);
    fill_subscription(&subscription, reply, texts.epoch, &missed);
    entry.key = texts.channel;
    entry.value = &subscription;
    connect.client = texts.client;
    connect.version = texts.version;
    connect.n_subs = ARRAY_LENGTH(entries);
    connect.subs = entries;
    connect.ping = (uint32_t)reply->ping_seconds;
    connect.pong = reply->ping_seconds > 0;
    connect.session = texts.session;
    connect.node = texts.node;
    wire.id = id;
    wire.connect = &connect;
    write_reply(out, &wire);
    publications_fini(&missed);
    connect_texts_fini(&texts);
}

static void write_history(struct buf *out, uint32_t id,
                          const struct centrifuge_history_reply *reply)
{
    Wire__Reply wire = WIRE__REPLY__INIT;
    Wire__HistoryResult history = WIRE__HISTORY_RESULT__INIT;
    struct publications page;
    char *epoch = mem_strndup(reply->epoch.ptr, reply->epoch.len);
    publications_init(&page, reply->publications, reply->publication_count);
    history.n_publications = page.count;
    history.publications = page.pointers;
    history.epoch = epoch;
    history.offset = (uint64_t)reply->offset;
    wire.id = id;
    wire.history = &history;
    write_reply(out, &wire);
    publications_fini(&page);
    mem_free(epoch);
}

static void write_unsubscribe(struct buf *out, uint32_t id)
{
    Wire__Reply wire = WIRE__REPLY__INIT;
    Wire__Nothing nothing = WIRE__NOTHING__INIT;
    wire.id = id;
    wire.unsubscribe = &nothing;
    write_reply(out, &wire);
}

static void write_error(struct buf *out, uint32_t id, enum client_error error)
{
    Wire__Reply wire = WIRE__REPLY__INIT;
    Wire__Error result = WIRE__ERROR__INIT;
    char *message = mem_strdup(centrifuge_error_message(error));
    result.code = (uint32_t)error;
    result.message = message;
    result.temporary = centrifuge_error_is_temporary(error);
    wire.id = id;
    wire.error = &result;
    write_reply(out, &wire);
    mem_free(message);
}

static void write_publication(struct buf *out, struct str channel,
                              const struct centrifuge_publication *publication)
{
    Wire__Reply wire = WIRE__REPLY__INIT;
    Wire__Push push = WIRE__PUSH__INIT;
    struct publication item;
    char *name = mem_strndup(channel.ptr, channel.len);
    publication_init(&item, publication);
    push.channel = name;
    push.pub = &item.wire;
    wire.push = &push;
    write_reply(out, &wire);
    publication_fini(&item);
    mem_free(name);
}

static void write_ping(struct buf *out)
{
    buf_append_byte(out, '\0');
}

static void write_disconnect(struct buf *out, enum close_code code)
{
    Wire__Reply wire = WIRE__REPLY__INIT;
    Wire__Push push = WIRE__PUSH__INIT;
    Wire__Disconnect disconnect = WIRE__DISCONNECT__INIT;
    char *reason = mem_strdup(centrifuge_close_reason(code));
    disconnect.code = (uint32_t)code;
    disconnect.reason = reason;
    push.disconnect = &disconnect;
    wire.push = &push;
    write_reply(out, &wire);
    mem_free(reason);
}

static int read_emulation(struct str body,
                          int (*handle)(void *argument, const struct centrifuge_emulation *request),
                          void *argument)
{
    Wire__EmulationRequest *wire =
        wire__emulation_request__unpack(NULL, body.len, (const uint8_t *)body.ptr);
    if (wire == NULL)
        return ERR_INVALID;
    const struct centrifuge_emulation request = {
        .session = str_from(wire->session),
        .node = str_from(wire->node),
        .data = str_make((const char *)wire->data.data, wire->data.len),
    };
    int rc = handle(argument, &request);
    wire__emulation_request__free_unpacked(wire, NULL);
    return rc;
}

const struct centrifuge_encoding centrifuge_protobuf = {
    .name = "protobuf",
    .binary = true,
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
