/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connection over a stream and a loop made of variables: the test is the peer, the kernel and the
 * clock, so nothing waits and every order of events can be played.
 */
#include "base/err.h"
#include "base/metrics.h"
#include "net/stream.h"
#include "websocket/websocket.h"
#include "websocket/websocket_internal.h"

#include <dlfcn.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <wslay/wslay.h>

#include <cmocka.h>

enum { QUEUE_MAX = 1000, MESSAGE_MAX = 500, START = 1000000, CLOSE_WAIT = 5000 };

/* The fakes. */

struct stream {
    const struct stream_handlers *handlers;
    void *owner;
    size_t output_max;
    struct buf written; /* all that was accepted, in order */
    size_t queued;      /* how much of it the kernel has not taken */
    int runs;           /* of an owner, as a handler */
    bool stalled;       /* the kernel takes nothing */
    bool dead, aborted;
    int64_t closed_by; /* the deadline given to stream_close; 0 before */
};

static struct {
    struct stream stream;
    struct loop_message *deferred;
    struct loop_timer *timer;
    int64_t deadline;
    int64_t now;
    int contexts; /* of wslay, alive */
} fake;

void stream_set_owner(struct stream *stream, size_t output_max,
                      const struct stream_handlers *handlers, void *owner)
{
    stream->output_max = output_max;
    stream->handlers = handlers;
    stream->owner = owner;
}

int stream_write(struct stream *stream, struct str bytes)
{
    assert_false(stream->aborted);
    if (stream->dead || stream->closed_by > 0)
        return ERR_CLOSED;
    if (stream->queued + bytes.len > stream->output_max)
        return ERR_TOO_LARGE;
    buf_append_str(&stream->written, bytes);
    if (stream->stalled)
        stream->queued += bytes.len;
    return 0;
}

void stream_run(struct stream *stream, void (*run)(void *owner))
{
    stream->runs++;
    run(stream->owner);
}

size_t stream_queued(const struct stream *stream)
{
    assert_false(stream->aborted);
    return stream->queued;
}

void stream_close(struct stream *stream, int64_t deadline_mono)
{
    assert_false(stream->aborted);
    stream->closed_by = deadline_mono;
}

void stream_abort(struct stream **stream)
{
    assert_false((*stream)->aborted);
    (*stream)->aborted = true;
    *stream = NULL;
}

const struct address *stream_peer(const struct stream *stream)
{
    (void)stream;
    return &address_unix;
}

struct loop *stream_loop(const struct stream *stream)
{
    assert_false(stream->aborted);
    return NULL;
}

int64_t loop_now(const struct loop *loop)
{
    (void)loop;
    return fake.now;
}

void loop_defer(struct loop *loop, struct loop_message *message)
{
    (void)loop;
    assert_null(fake.deferred);
    fake.deferred = message;
}

void loop_timer_init(struct loop_timer *timer, struct loop *loop,
                     void (*expired)(struct loop_timer *timer))
{
    *timer = (struct loop_timer){.loop = loop, .expired = expired};
}

void loop_timer_set(struct loop_timer *timer, int64_t deadline_mono)
{
    fake.timer = timer;
    fake.deadline = deadline_mono;
}

void loop_timer_cancel(struct loop_timer *timer)
{
    if (fake.timer == timer)
        fake.timer = NULL;
}

typedef int context_init_fn(wslay_frame_context_ptr *, const struct wslay_frame_callbacks *,
                            void *);
typedef void context_free_fn(wslay_frame_context_ptr);

int wslay_frame_context_init(wslay_frame_context_ptr *context,
                             const struct wslay_frame_callbacks *callbacks, void *user_data)
{
    context_init_fn *real;
    *(void **)&real = dlsym(RTLD_NEXT, "wslay_frame_context_init");
    fake.contexts++;
    return real(context, callbacks, user_data);
}

void wslay_frame_context_free(wslay_frame_context_ptr context)
{
    context_free_fn *real;
    *(void **)&real = dlsym(RTLD_NEXT, "wslay_frame_context_free");
    fake.contexts--;
    real(context);
}

/* The owner, which may act from inside its handlers. */

enum act { ACT_NOTHING, ACT_SEND, ACT_CLOSE, ACT_CUT, ACT_ABORT };

static struct {
    struct websocket *websocket;
    struct buf heard;
    int closed;
    enum act on_message;
    enum act on_closed;
} owner;

static void act(enum act what)
{
    if (what == ACT_SEND)
        assert_int_equal(websocket_send(owner.websocket, false, STR_LIT("re")), 0);
    if (what == ACT_CLOSE)
        websocket_close(owner.websocket, 3501, "bad request", true);
    if (what == ACT_CUT)
        websocket_close(owner.websocket, 3008, "slow", false);
    if (what == ACT_ABORT)
        websocket_abort(&owner.websocket);
}

static void on_message(void *argument, struct str message)
{
    assert_ptr_equal(argument, &owner);
    assert_int_equal(owner.closed, 0);
    buf_append_str(&owner.heard, message);
    buf_append_byte(&owner.heard, '|');
    act(owner.on_message);
}

static void on_closed(void *argument)
{
    assert_ptr_equal(argument, &owner);
    owner.closed++;
    act(owner.on_closed);
}

static const struct websocket_handlers handlers = {.message = on_message, .closed = on_closed};

static int start(void **state)
{
    (void)state;
    memset(&fake, 0, sizeof(fake));
    memset(&owner, 0, sizeof(owner));
    fake.now = START;
    buf_init(&fake.stream.written, 100000);
    buf_init(&owner.heard, 100000);
    return 0;
}

static void open_with(struct str early)
{
    owner.websocket = websocket_new(&fake.stream, MESSAGE_MAX, QUEUE_MAX, early, &handlers, &owner);
    assert_int_equal(metrics_value(METRIC_WEBSOCKETS), 1);
    assert_int_equal(owner.heard.len, 0);
}

static void open_plain(void)
{
    open_with(str_make(NULL, 0));
}

static int finish(void **state)
{
    (void)state;
    buf_fini(&fake.stream.written);
    buf_fini(&owner.heard);
    return fake.contexts != 0 || fake.deferred != NULL || fake.timer != NULL ||
           metrics_value(METRIC_WEBSOCKETS) != 0;
}

static void receive(struct str bytes)
{
    fake.stream.handlers->received(fake.stream.owner, bytes);
}

static void run_deferred(void)
{
    struct loop_message *message = fake.deferred;
    fake.deferred = NULL;
    message->run(message);
}

static void stream_ends(void)
{
    fake.stream.dead = true;
    fake.stream.handlers->closed(fake.stream.owner);
}

static void expect_written(struct str expected)
{
    struct str written = buf_view(&fake.stream.written);
    if (!str_equal(written, expected))
        fail_msg("%zu bytes written instead of %zu", written.len, expected.len);
}

static void expect_heard(const char *expected)
{
    if (!str_equal_text(buf_view(&owner.heard), expected))
        fail_msg("heard \"%.*s\"", STR_ARG(buf_view(&owner.heard)));
}

#define ZERO_MASK "\0\0\0\0"
#define HELLO STR_LIT("\x81\x85" ZERO_MASK "Hello")
#define PEER_CLOSE STR_LIT("\x88\x82" ZERO_MASK "\x03\xe9")

static void test_messages(void **state)
{
    (void)state;
    open_plain();
    assert_ptr_equal(websocket_peer(owner.websocket), &address_unix);
    receive(STR_LIT("\x81\x85" ZERO_MASK "Hello\x82\x81" ZERO_MASK "!\x81\x83" ZERO_MASK "Wor"));
    expect_heard("Hello|!|Wor|");
    assert_int_equal(websocket_send(owner.websocket, false, STR_LIT("{}")), 0);
    assert_int_equal(websocket_send(owner.websocket, true, STR_LIT("\0")), 0);
    assert_int_equal(websocket_send_frame(owner.websocket, STR_LIT("\x81\x01x")), 0);
    expect_written(STR_LIT("\x81\x02{}\x82\x01\0\x81\x01x"));
    stream_ends();
    assert_int_equal(owner.closed, 1);
}

static void test_ping_and_pong(void **state)
{
    (void)state;
    open_plain();
    receive(STR_LIT("\x89\x82" ZERO_MASK "hi\x8a\x81" ZERO_MASK "x\x89\x80" ZERO_MASK));
    expect_written(STR_LIT("\x8a\x02hi\x8a\x00"));
    expect_heard("");
    stream_ends();
}

/* An idle connection holds no wslay context; one in the middle of a message does. */
static void test_context_only_while_needed(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t length;
        int contexts;
    } steps[] = {
        {"\x81", 1, 1},
        {"\x85" ZERO_MASK "Hell", 9, 1},
        {"o", 1, 0},
        {"\x81\x80" ZERO_MASK, 6, 0},
        {"\x01\x81" ZERO_MASK "a", 7, 1},
        {"\x89\x80" ZERO_MASK, 6, 1},
        {"\x00\x80" ZERO_MASK, 6, 1},
        {"\x80\x80" ZERO_MASK, 6, 0},
        {"\x81\x81" ZERO_MASK "a\x81", 8, 1},
        {"\x81" ZERO_MASK "b", 6, 0},
        {"\x8a\x80" ZERO_MASK, 6, 0},
    };
    open_plain();
    assert_int_equal(fake.contexts, 0);
    for (size_t i = 0; i < ARRAY_LENGTH(steps); i++) {
        receive(str_make(steps[i].bytes, steps[i].length));
        assert_int_equal(fake.contexts, steps[i].contexts);
    }
    expect_heard("Hello||a|a|b|");
    receive(STR_LIT("\x81"));
    websocket_abort(&owner.websocket);
}

static void test_peer_closes(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t length;
        const char *answer;
        size_t answer_length;
    } rows[] = {
        {"\x88\x82" ZERO_MASK "\x03\xe9", 8, "\x88\x02\x03\xe9", 4},
        {"\x88\x85" ZERO_MASK "\x0f\xa0"
         "bye",
         11, "\x88\x02\x0f\xa0", 4},
        {"\x88\x80" ZERO_MASK, 6, "\x88\x00", 2},
        {"\x81\x01x", 3, "\x88\x02\x03\xea", 4},
        {"\x81\x81" ZERO_MASK "\xff", 7, "\x88\x02\x03\xef", 4},
        {"\x81\xfe\x01\xf5" ZERO_MASK "x", 9, "\x88\x02\x03\xf1", 4},
        {"\x88\x81" ZERO_MASK "\x03", 7, "\x88\x02\x03\xea", 4},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        start(NULL);
        open_plain();
        receive(str_make(rows[i].bytes, rows[i].length));
        expect_written(str_make(rows[i].answer, rows[i].answer_length));
        assert_int_equal(fake.stream.closed_by, START + CLOSE_WAIT);
        assert_true(websocket_is_closing(owner.websocket));
        assert_int_equal(websocket_send(owner.websocket, false, STR_LIT("x")), ERR_CLOSED);
        receive(HELLO);
        expect_heard("");
        assert_int_equal(owner.closed, 0);
        stream_ends();
        assert_int_equal(owner.closed, 1);
        assert_int_equal(finish(NULL), 0);
    }
    start(NULL);
}

/* Our Close, then the peer's: messages on their way are not heard any more, pings not answered. */
static void test_close_and_answer(void **state)
{
    (void)state;
    open_plain();
    websocket_close(owner.websocket, 3005, "connection expired", true);
    expect_written(
        STR_LIT("\x88\x14\x0b\xbd"
                "connection expired"));
    fake.now++;
    websocket_close(owner.websocket, 3001, "again", true);
    assert_int_equal(fake.deadline, START + CLOSE_WAIT);
    fake.now--;
    receive(STR_LIT("\x81\x85" ZERO_MASK "Hello\x89\x80" ZERO_MASK));
    assert_int_equal(fake.stream.closed_by, 0);
    receive(PEER_CLOSE);
    expect_written(
        STR_LIT("\x88\x14\x0b\xbd"
                "connection expired"));
    assert_int_equal(fake.stream.closed_by, START + CLOSE_WAIT);
    assert_null(fake.timer);
    assert_int_equal(owner.closed, 0);
    stream_ends();
    assert_int_equal(owner.closed, 1);
    expect_heard("");
}

static void test_close_without_answer(void **state)
{
    (void)state;
    open_plain();
    websocket_close(owner.websocket, 3005, "connection expired", true);
    fake.now = fake.deadline;
    fake.timer->expired(fake.timer);
    assert_true(fake.stream.aborted);
    assert_int_equal(owner.closed, 1);
}

static void test_close_without_flush(void **state)
{
    (void)state;
    open_plain();
    websocket_close(owner.websocket, 3008, "slow", false);
    websocket_close(owner.websocket, 3008, "slow", false);
    expect_written(STR_LIT("\x88\x06\x0b\xc0slow"));
    receive(HELLO);
    assert_int_equal(owner.closed, 0);
    assert_false(fake.stream.aborted);
    run_deferred();
    assert_true(fake.stream.aborted);
    assert_int_equal(owner.closed, 1);
    expect_heard("");
}

static void test_close_without_flush_drops_the_queue(void **state)
{
    (void)state;
    open_plain();
    fake.stream.stalled = true;
    assert_int_equal(websocket_send(owner.websocket, false, STR_LIT("{}")), 0);
    websocket_close(owner.websocket, 3008, "slow", false);
    expect_written(STR_LIT("\x81\x02{}"));
    run_deferred();
    assert_int_equal(owner.closed, 1);
}

/* The stream may end in the same pass, before the deferred call. */
static void test_stream_ends_before_the_cut(void **state)
{
    (void)state;
    open_plain();
    websocket_close(owner.websocket, 3008, "slow", false);
    stream_ends();
    assert_int_equal(owner.closed, 1);
    run_deferred();
    assert_int_equal(owner.closed, 1);
}

/* A second close without patience overrules the first. */
static void test_close_then_cut(void **state)
{
    (void)state;
    open_plain();
    websocket_close(owner.websocket, 3001, "shutdown", true);
    websocket_close(owner.websocket, 3000, "connection closed", false);
    expect_written(STR_LIT("\x88\x0a\x0b\xb9shutdown"));
    run_deferred();
    assert_int_equal(owner.closed, 1);
}

/* A client that never reads: refused at the maximum, and the Close frame still finds room. */
static void test_never_reading_client(void **state)
{
    (void)state;
    open_plain();
    fake.stream.stalled = true;
    char message[98];
    memset(message, 'm', sizeof(message));
    int sent = 0;
    while (websocket_send(owner.websocket, false, str_make(message, sizeof(message))) == 0)
        sent++;
    assert_int_equal(sent, QUEUE_MAX / 100);
    assert_int_equal(websocket_send(owner.websocket, false, str_make(message, sizeof(message))),
                     ERR_TOO_LARGE);
    assert_int_equal(fake.stream.written.len, QUEUE_MAX);
    websocket_close(owner.websocket, 3008, "slow", true);
    assert_int_equal(fake.stream.written.len, QUEUE_MAX + 8);
    websocket_close(owner.websocket, 3008, "slow", false);
    assert_int_equal(fake.stream.written.len, QUEUE_MAX + 8);
    run_deferred();
    assert_int_equal(owner.closed, 1);
}

static void test_message_over_the_queue(void **state)
{
    (void)state;
    char message[QUEUE_MAX + 1] = {0};
    open_plain();
    assert_int_equal(websocket_send(owner.websocket, true, str_make(message, QUEUE_MAX + 1)),
                     ERR_TOO_LARGE);
    assert_int_equal(websocket_send(owner.websocket, true, str_make(message, QUEUE_MAX - 4)), 0);
    websocket_abort(&owner.websocket);
}

/* Pings from a client that reads no pongs end it too; what is queued already is not waited for. */
static void test_ping_flood(void **state)
{
    (void)state;
    open_plain();
    fake.stream.stalled = true;
    for (int i = 0; i < QUEUE_MAX && fake.deferred == NULL; i++)
        receive(STR_LIT("\x89\x82" ZERO_MASK "hi\x89\x82" ZERO_MASK "hi"));
    assert_int_equal(fake.stream.written.len, QUEUE_MAX);
    assert_true(websocket_is_closing(owner.websocket));
    run_deferred();
    assert_int_equal(owner.closed, 1);
}

/* Each is answered, and before what comes behind it. */
static void test_pings_that_come_together(void **state)
{
    (void)state;
    open_plain();
    receive(STR_LIT("\x89\x82" ZERO_MASK "hi\x89\x80" ZERO_MASK "\x89\x81" ZERO_MASK "x"));
    owner.on_message = ACT_SEND;
    receive(STR_LIT("\x89\x80\0\0\0\0\x81\x80\0\0\0\0\x89\x80\0\0\0\0\x88\x80\0\0\0\0"));
    expect_written(STR_LIT("\x8a\x02hi\x8a\0\x8a\x01x\x8a\0\x81\x02re\x8a\0\x88\0"));
    stream_ends();
}

/* Behind pings for whose pongs there is no room, a Close changes nothing. */
static void test_ping_flood_with_a_close(void **state)
{
    (void)state;
    open_plain();
    fake.stream.queued = QUEUE_MAX;
    receive(STR_LIT("\x89\x80" ZERO_MASK "\x88\x82" ZERO_MASK "\x03\xe9"));
    run_deferred();
    assert_int_equal(owner.closed, 1);
}

static void test_acts_inside_a_message(void **state)
{
    (void)state;
    static const struct {
        enum act act;
        const char *heard;
        const char *written;
        size_t length;
    } rows[] = {
        {ACT_SEND, "a|b|", "\x81\x02re\x81\x02re", 8},
        {ACT_CLOSE, "a|",
         "\x88\x0d\x0d\xad"
         "bad request",
         15},
        {ACT_CUT, "a|", "\x88\x06\x0b\xc0slow", 8},
        {ACT_ABORT, "a|", "", 0},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        start(NULL);
        open_plain();
        owner.on_message = rows[i].act;
        owner.on_closed = ACT_ABORT;
        receive(STR_LIT("\x81\x81" ZERO_MASK "a\x81\x81" ZERO_MASK "b\x81"));
        expect_heard(rows[i].heard);
        expect_written(str_make(rows[i].written, rows[i].length));
        assert_int_equal(owner.closed, 0);
        if (fake.deferred != NULL)
            run_deferred();
        else if (rows[i].act != ACT_ABORT)
            stream_ends();
        assert_int_equal(owner.closed, rows[i].act == ACT_ABORT ? 0 : 1);
        assert_null(owner.websocket);
        assert_int_equal(finish(NULL), 0);
    }
    start(NULL);
}

/* The peer's Close in the same bytes as the message that made us close. */
static void test_close_inside_a_message_and_answer(void **state)
{
    (void)state;
    open_plain();
    owner.on_message = ACT_CLOSE;
    receive(STR_LIT("\x81\x81" ZERO_MASK "a\x88\x80" ZERO_MASK));
    assert_int_equal(fake.stream.closed_by, START + CLOSE_WAIT);
    stream_ends();
    assert_int_equal(owner.closed, 1);
}

/* The cut is decided: the peer's Close changes nothing. */
static void test_cut_inside_a_message_and_answer(void **state)
{
    (void)state;
    open_plain();
    owner.on_message = ACT_CUT;
    receive(STR_LIT("\x81\x81" ZERO_MASK "a\x88\x80" ZERO_MASK));
    assert_int_equal(fake.stream.closed_by, 0);
    run_deferred();
    assert_int_equal(owner.closed, 1);
}

static void test_early_input(void **state)
{
    (void)state;
    open_with(HELLO);
    run_deferred();
    expect_heard("Hello|");
    assert_int_equal(fake.stream.runs, 1); /* else each pong would be a call to the kernel */
    websocket_abort(&owner.websocket);
}

/* Input of the stream that comes first still comes second; the two make one conversation. */
static void test_early_input_keeps_its_place(void **state)
{
    (void)state;
    open_with(STR_LIT("\x81\x83" ZERO_MASK "a"));
    receive(STR_LIT("bc\x81\x81" ZERO_MASK "d"));
    expect_heard("abc|d|");
    run_deferred();
    expect_heard("abc|d|");
    websocket_abort(&owner.websocket);
    assert_int_equal(owner.closed, 0);
}

static void test_abort_before_early_input(void **state)
{
    (void)state;
    open_with(HELLO);
    websocket_abort(&owner.websocket);
    assert_null(owner.websocket);
    websocket_abort(&owner.websocket);
    run_deferred();
    expect_heard("");
}

static void test_cut_before_early_input(void **state)
{
    (void)state;
    open_with(HELLO);
    websocket_close(owner.websocket, 3001, "shutdown", false);
    run_deferred();
    expect_heard("");
    assert_int_equal(owner.closed, 1);
}

/* Writing to a peer that is gone says so; `closed` comes from the stream. */
static void test_dead_peer(void **state)
{
    (void)state;
    open_plain();
    fake.stream.dead = true;
    assert_int_equal(websocket_send(owner.websocket, false, STR_LIT("x")), ERR_CLOSED);
    websocket_close(owner.websocket, 3000, "connection closed", true);
    assert_int_equal(owner.closed, 0);
    stream_ends();
    assert_int_equal(owner.closed, 1);
}

/* A whole conversation, cut in two at every point, then in pieces of every size. */
static void test_split_points(void **state)
{
    (void)state;
    static const char bytes[] = "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58\x89\x82" ZERO_MASK
                                "hi\x01\x83" ZERO_MASK "Hel\x8a\x80" ZERO_MASK "\x00\x80" ZERO_MASK
                                "\x80\x82" ZERO_MASK "lo\x82\xfe\x00\x7e" ZERO_MASK
                                "123456789012345678901234567890123456789012345678901234567890123"
                                "123456789012345678901234567890123456789012345678901234567890123"
                                "\x89\x80" ZERO_MASK "\x88\x87" ZERO_MASK "\x0b\xb8h\xc3\xa9!!";
    size_t length = sizeof(bytes) - 1;
    for (size_t i = 0; i < 2 * length; i++) {
        start(NULL);
        open_plain();
        size_t first = i % length + 1;
        size_t rest = i < length ? length : first;
        for (size_t at = 0, size = first; at < length; at += size, size = rest) {
            size = size < length - at ? size : length - at;
            receive(str_make(bytes + at, size));
        }
        expect_heard(
            "Hello|Hello|"
            "123456789012345678901234567890123456789012345678901234567890123"
            "123456789012345678901234567890123456789012345678901234567890123|");
        expect_written(STR_LIT("\x8a\x02hi\x8a\x00\x88\x02\x0b\xb8"));
        stream_ends();
        assert_int_equal(owner.closed, 1);
        assert_int_equal(finish(NULL), 0);
    }
    start(NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_messages),
        TEST(test_ping_and_pong),
        TEST(test_context_only_while_needed),
        TEST(test_peer_closes),
        TEST(test_close_and_answer),
        TEST(test_close_without_answer),
        TEST(test_close_without_flush),
        TEST(test_close_without_flush_drops_the_queue),
        TEST(test_stream_ends_before_the_cut),
        TEST(test_close_then_cut),
        TEST(test_never_reading_client),
        TEST(test_message_over_the_queue),
        TEST(test_ping_flood),
        TEST(test_pings_that_come_together),
        TEST(test_ping_flood_with_a_close),
        TEST(test_acts_inside_a_message),
        TEST(test_close_inside_a_message_and_answer),
        TEST(test_cut_inside_a_message_and_answer),
        TEST(test_early_input),
        TEST(test_early_input_keeps_its_place),
        TEST(test_abort_before_early_input),
        TEST(test_cut_before_early_input),
        TEST(test_dead_peer),
        TEST(test_split_points),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
