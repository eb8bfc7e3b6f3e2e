/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whole conversations. The input is what a client says, and between its messages what happens
 * meanwhile (`happenings` below): events that the hub brings, loses, delays or repeats, timers, a
 * store that fails. An input that begins with 'P' is a conversation in Protobuf, messages between
 * bytes 0xf6; any other is in JSON, messages between NUL bytes, in which $T is a valid token.
 *
 * Whatever is said: each command is answered once and nothing else is; offsets rise by one, and tell
 * the truth; one close, and nothing after it; and at the end nothing is missing.
 */
#include "fuzz.h"

#include "realtime/session_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TOP_MAX = 700, HELD_MAX = 8, ASKED_MAX = 2 * LIMIT_REALTIME_COMMANDS };

#define MUST(condition) must((condition), #condition, __LINE__)

static void must(bool holds, const char *what, int line)
{
    if (holds)
        return;
    fprintf(stderr, "fuzz_session.c:%d: %s does not hold\n", line, what);
    abort();
}

/* One input's world. */
static struct fixture fixture;
static struct client client;
static const struct centrifuge_encoding *real;
static int (*handle_command)(void *argument, const struct centrifuge_command *command);
static uint32_t asked[ASKED_MAX]; /* ids of commands that are not answered yet */
static size_t asked_count;
static size_t written;
static bool is_told;     /* the client has its connect reply */
static int32_t position; /* the client's */
static int32_t tops[2];  /* of the streams of u1 and u2 */
static struct hub_event held[HELD_MAX];
static size_t held_count;
static struct hub_event last;
static bool store_is_broken;

/* The truth: each order goes through all statuses, one order after the other. */

static int32_t order_at(size_t user, int32_t offset)
{
    return 1 + (int32_t)user + 2 * ((offset - 1) / ORDER_STATUS_COUNT);
}

static enum order_status status_at(int32_t offset)
{
    return (enum order_status)((offset - 1) % ORDER_STATUS_COUNT);
}

/* The client's user; 2 in a project without orders. */
static size_t client_user(void)
{
    if (client.session.project_id != 1)
        return 2;
    return str_equal_text(session_user(&client.session), "u1") ? 0 : 1;
}

static int32_t client_top(void)
{
    size_t user = client_user();
    return user < 2 ? tops[user] : 0;
}

static void check_truth(const struct centrifuge_publication *publication)
{
    MUST(publication->offset >= 1 && publication->offset <= client_top());
    MUST(publication->order_id == order_at(client_user(), publication->offset));
    MUST(strcmp(publication->status, order_status_word(status_at(publication->offset))) == 0);
}

static void take(const struct centrifuge_publication *publication)
{
    check_truth(publication);
    MUST(publication->offset == position + 1);
    position++;
}

/* Where an order stands, told without an offset. */
static void check_latest(const struct centrifuge_publication *publication)
{
    int32_t index = (publication->order_id - 1 - (int32_t)client_user()) / 2;
    int32_t offset = (index + 1) * ORDER_STATUS_COUNT;
    if (offset > client_top())
        offset = client_top();
    MUST(publication->order_id == order_at(client_user(), offset));
    MUST(strcmp(publication->status, order_status_word(status_at(offset))) == 0);
}

/* The encoding that is tested, with an ear at its functions. */

static int note_command(void *argument, const struct centrifuge_command *command)
{
    if (command->id > 0) {
        MUST(asked_count < ASKED_MAX);
        asked[asked_count++] = command->id;
    }
    return handle_command(argument, command);
}

static int next_command(struct str *rest,
                        int (*handle)(void *argument, const struct centrifuge_command *command),
                        void *argument)
{
    handle_command = handle;
    return real->next_command(rest, note_command, argument);
}

static void note_answer(uint32_t id)
{
    size_t i = 0;
    while (i < asked_count && asked[i] != id)
        i++;
    MUST(i < asked_count);
    asked[i] = asked[--asked_count];
    written++;
}

static void write_connect(struct buf *out, uint32_t id,
                          const struct centrifuge_connect_reply *reply)
{
    note_answer(id);
    MUST(!is_told && reply->offset <= client_top());
    MUST(reply->recovered || (reply->publication_count == 0 && reply->offset == client_top()));
    is_told = true;
    position = reply->offset;
    for (size_t i = 0; i < reply->publication_count; i++)
        take(&reply->publications[i]);
    MUST(position == client_top());
    real->write_connect(out, id, reply);
}

static void write_history(struct buf *out, uint32_t id,
                          const struct centrifuge_history_reply *reply)
{
    note_answer(id);
    MUST(is_told && reply->offset == client_top());
    const struct centrifuge_publication *publications = reply->publications;
    for (size_t i = 0; i < reply->publication_count; i++) {
        check_truth(&publications[i]);
        if (i >= 1)
            MUST(abs(publications[i].offset - publications[i - 1].offset) == 1);
        if (i >= 2)
            MUST(publications[i].offset != publications[i - 2].offset);
    }
    real->write_history(out, id, reply);
}

static void write_unsubscribe(struct buf *out, uint32_t id)
{
    note_answer(id);
    real->write_unsubscribe(out, id);
}

static void write_error(struct buf *out, uint32_t id, enum client_error error)
{
    note_answer(id);
    real->write_error(out, id, error);
}

static void write_publication(struct buf *out, struct str channel,
                              const struct centrifuge_publication *publication)
{
    MUST(is_told && session_has_channel(&client.session, channel));
    if (publication->offset == 0)
        check_latest(publication);
    else
        take(publication);
    written++;
    real->write_publication(out, channel, publication);
}

/* What happens. */

static void commit(size_t user)
{
    static const char *const names[] = {"u1", "u2"};
    if (tops[user] == TOP_MAX)
        return;
    int32_t offset = ++tops[user];
    fixture_break_store(false);
    last = fixture_commit(&fixture, names[user], order_at(user, offset), status_at(offset));
    fixture_break_store(store_is_broken);
    MUST(last.offset == offset);
}

static void publish(void)
{
    if (last.offset > 0)
        hub_publish(fixture.hub, &last);
}

static void event(void)
{
    commit(0);
    publish();
}

static void event_of_another(void)
{
    commit(1);
    publish();
}

static void event_lost(void)
{
    commit(0);
}

static void many_events_lost(void)
{
    for (int i = 0; i <= LIMIT_HISTORY_PAGE; i++)
        commit(0);
}

static void event_held(void)
{
    if (held_count == HELD_MAX || tops[0] == TOP_MAX)
        return;
    commit(0);
    held[held_count++] = last;
}

static void held_comes(void)
{
    if (held_count > 0)
        hub_publish(fixture.hub, &held[--held_count]);
}

static void content_changes(void)
{
    struct hub_event content = last;
    content.offset = 0;
    if (last.offset > 0)
        hub_publish(fixture.hub, &content);
}

static void resync(void)
{
    hub_resync(fixture.hub);
}

static void prune(void)
{
    fixture.store_options.history_max_events = 2;
    fixture_prune(&fixture);
    fixture.store_options.history_max_events = LIMIT_HISTORY_PAGE;
}

static void break_or_mend(void)
{
    store_is_broken = !store_is_broken;
    fixture_break_store(store_is_broken);
}

static void reach(int64_t *deadline)
{
    struct loop_timer *timer = &client.session.timer;
    if (*deadline == INT64_MAX || !loop_timer_is_set(timer))
        return;
    *deadline = loop_now(fixture.loop);
    loop_timer_cancel(timer);
    timer->expired(timer);
}

static void ping_due(void)
{
    size_t messages = client.messages;
    reach(&client.session.ping_mono);
    written += client.messages > messages;
}

static void check_due(void)
{
    reach(&client.session.check_mono);
}

static void pong_too_late(void)
{
    reach(&client.session.pong_mono);
}

static void life_over(void)
{
    reach(&client.session.ends_mono);
}

static void drain(void)
{
    realtime_drain(fixture.realtime, 0);
    reach(&client.session.drain_mono);
}

/* A good connect command, which the fuzzer would hardly find in Protobuf. */

static void put_varint(struct buf *out, uint64_t number)
{
    for (; number >= 0x80; number >>= 7)
        buf_append_byte(out, (char)(number | 0x80));
    buf_append_byte(out, (char)number);
}

static void put_number(struct buf *out, uint32_t field, uint64_t number)
{
    put_varint(out, field << 3);
    put_varint(out, number);
}

static void put_bytes(struct buf *out, uint32_t field, struct str bytes)
{
    put_varint(out, field << 3 | 2);
    put_varint(out, bytes.len);
    buf_append_str(out, bytes);
}

/* Puts what `inner` holds into `out` as one field, and empties it. */
static void put_nested(struct buf *out, uint32_t field, struct buf *inner)
{
    put_bytes(out, field, buf_view(inner));
    buf_clear(inner);
}

static void say_connect_protobuf(int32_t offset)
{
    struct buf all[4];
    struct buf *message = &all[0], *command = &all[1], *connect = &all[2], *inner = &all[3];
    for (size_t i = 0; i < ARRAY_LENGTH(all); i++)
        buf_init(&all[i], LIMIT_REALTIME_COMMAND);
    fixture_expand(&fixture, "{\"auth\":\"$T\",\"project_id\":1}", inner);
    put_nested(connect, 2, inner);
    if (offset >= 0) {
        put_number(command, 3, 1);
        put_number(command, 7, (uint64_t)offset);
        put_bytes(inner, 1, STR_LIT("orders:1#u1"));
        put_nested(inner, 2, command);
        put_nested(connect, 3, inner);
    }
    put_number(command, 1, 1);
    put_nested(command, 4, connect);
    put_varint(message, command->len);
    buf_append_str(message, buf_view(command));
    session_message(&client.session, buf_view(message));
    for (size_t i = 0; i < ARRAY_LENGTH(all); i++)
        buf_fini(&all[i]);
}

/* A negative offset: without a position. */
static void say_connect(int32_t offset)
{
    char message[256];
    if (real->binary) {
        say_connect_protobuf(offset);
        return;
    }
    int length = snprintf(message, sizeof(message),
                          "{\"id\":1,\"connect\":{\"data\":{\"auth\":\"$T\",\"project_id\":1}");
    if (offset >= 0)
        length += snprintf(message + length, sizeof(message) - (size_t)length,
                           ",\"subs\":{\"orders:1#u1\":{\"recover\":true,\"offset\":%d}}", offset);
    snprintf(message + length, sizeof(message) - (size_t)length, "}}");
    client_say(&client, message);
}

static void connect(void)
{
    say_connect(-1);
}

static void reconnect(void)
{
    say_connect(tops[0] / 2);
}

/* A message of one of these bytes alone makes something happen instead of being said. */
static void (*const happenings[])(void) = {
    [1] = event,           [2] = event_lost,     [3] = event_of_another,
    [4] = event_held,      [5] = held_comes,     [6] = publish,
    [7] = content_changes, [8] = resync,         [9] = many_events_lost,
    [11] = prune,          [12] = break_or_mend, [14] = check_due,
    [15] = ping_due,       [16] = pong_too_late, [17] = life_over,
    [18] = drain,          [19] = connect,       [20] = reconnect,
};

static void say(struct str message)
{
    if (real->binary) {
        session_message(&client.session, message);
        return;
    }
    struct buf text;
    buf_init(&text, message.len + 1);
    buf_append_str(&text, message);
    buf_append_byte(&text, '\0');
    client_say(&client, text.ptr);
    buf_fini(&text);
}

static void play(struct str message)
{
    size_t first = message.len == 1 ? (uint8_t)message.ptr[0] : 0;
    if (first < ARRAY_LENGTH(happenings) && happenings[first] != NULL)
        happenings[first]();
    else
        say(message);
    bool is_over = client.session.state == SESSION_CLOSING;
    MUST(client.closes == is_over);
    MUST(client.messages == written);
    MUST(is_over || asked_count == 0);
    MUST(client.session.state != SESSION_CONNECTED || client.session.position == position);
}

/* What the hub has lost is in the store, and a session that lasts has been told of it. */
static void check_end(void)
{
    if (store_is_broken)
        break_or_mend();
    check_due();
    if (client.session.state == SESSION_CONNECTED)
        MUST(position == client_top());
}

static void reset(void)
{
    asked_count = 0;
    written = 0;
    is_told = false;
    position = 0;
    memset(tops, 0, sizeof(tops));
    held_count = 0;
    last = (struct hub_event){0};
    store_is_broken = false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct centrifuge_encoding encoding;
    struct str rest = str_make((const char *)data, size);
    struct str message;
    bool is_protobuf = size > 0 && data[0] == 'P';
    if (is_protobuf)
        rest = str_make(rest.ptr + 1, rest.len - 1);
    reset();
    real = is_protobuf ? &centrifuge_protobuf : &centrifuge_json;
    encoding = *real;
    encoding.next_command = next_command;
    encoding.write_connect = write_connect;
    encoding.write_history = write_history;
    encoding.write_unsubscribe = write_unsubscribe;
    encoding.write_error = write_error;
    encoding.write_publication = write_publication;
    fixture_init(&fixture);
    client_open_with(&client, &fixture, &encoding);
    while (size > 0 && str_split(&rest, is_protobuf ? '\xf6' : '\0', &message))
        play(message);
    check_end();
    client_fini(&client);
    fixture_fini(&fixture);
    return 0;
}
