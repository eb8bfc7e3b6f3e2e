/* SPDX-License-Identifier: Apache-2.0 */
/* The life of connections and requests: kept, shared, bounded, cancelled. */
#include "http/http_sender_fixture.h"

#include "loop/loop.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static void test_connections_are_kept(void **state)
{
    for (int i = 0; i < 5; i++) {
        call_expect_answer(*state, "/ok", 200, "ok");
        call_expect_answer(*state, "/204", 204, "");
        call_expect_answer(*state, "/10k", 200, NULL);
        call_expect_answer(*state, "/chunked", 500, "abcdefg");
    }
    struct receiver_counts counts = receiver_counts(receiver);
    assert_int_equal(counts.requests, 20);
    assert_int_equal(counts.accepted, 1);
    call_expect_answer(*state, "/connection-close", 200, "ok");
    call_expect_answer(*state, "/ok", 200, "ok");
    assert_int_equal(receiver_counts(receiver).accepted, 2);
}

static bool later_happened(void *argument)
{
    (void)argument;
    return receiver_counts(receiver).later > 0;
}

static bool nobody_is_connected(void *argument)
{
    (void)argument;
    return receiver_counts(receiver).open == 0;
}

static void test_a_kept_connection_that_is_no_good_is_not_used(void **state)
{
    static const char *const paths[] = {"/leave", "/204-junk-later"};
    for (size_t i = 0; i < ARRAY_LENGTH(paths); i++) {
        receiver_reset_counts(receiver);
        call_expect_answer(*state, paths[i], i == 0 ? 200 : 204, NULL);
        world_run_until(*state, later_happened, NULL);
        call_expect_answer(*state, "/ok", 200, "ok");
        call_expect_answer(*state, "/ok", 200, "ok");
        struct receiver_counts counts = receiver_counts(receiver);
        assert_int_equal(counts.requests, 3);
        /* On a slow machine the junk comes with the answer, and then nothing is left of it. */
        assert_in_range(counts.accepted, i == 0 ? 2 : 0, i == 0 ? 2 : 1);
    }
    for (int i = 0; i < 3; i++)
        call_expect_answer(*state, "/204-with-body", 204, "");
    call_expect_answer(*state, "/endless-204", 204, "");
    world_run_until(*state, nobody_is_connected, NULL);
    call_expect_answer(*state, "/ok", 200, "ok");
}

static void test_a_kept_connection_is_not_for_everyone(void **state)
{
    call_expect_answer(*state, "/ok", 200, "ok");
    receiver_reset_counts(receiver);
    struct call call = {.path = "/ok", .nothing_allowed = true};
    call_expect(*state, &call, HTTP_SENDER_BLOCKED, 0, "");
    assert_int_equal(receiver_counts(receiver).accepted, 0);
    assert_int_equal(receiver_counts(receiver).requests, 0);
    call_expect_answer(*state, "/ok", 200, "ok");
}

/* Many requests, some at a time, each `done` sending the next. */
struct load {
    struct world *world;
    int left, answered, under_way;
};

static void send_next(struct load *load);

static void on_load_done(void *argument, const struct http_sender_result *result)
{
    struct load *load = argument;
    load->under_way--;
    if (result->outcome == HTTP_SENDER_ANSWERED && result->status == 200)
        load->answered++;
    send_next(load);
}

static void send_next(struct load *load)
{
    static const char *const paths[] = {"/ok", "/10k", "/connection-close", "/pieces", "/ok"};
    if (load->left == 0)
        return;
    struct call call = {.path = paths[load->left % 500 < 5 ? load->left % 5 : 0]};
    struct http_sender_request request = call_request(&call);
    load->left--;
    load->under_way++;
    assert_non_null(http_sender_send(load->world->sender, &request, on_load_done, load));
}

static bool load_is_done(void *argument)
{
    struct load *load = argument;
    return load->under_way == 0;
}

static void run_load(struct world *world, int count, int concurrency)
{
    struct load load = {.world = world, .left = count};
    for (int i = 0; i < concurrency; i++)
        send_next(&load);
    world_run_until(world, load_is_done, &load);
    assert_int_equal(load.answered, count);
}

static void keep_two_connections(struct world *world)
{
    struct outcome got[2] = {0};
    struct call call = {.path = "/ok"};
    struct http_sender_request request = call_request(&call);
    for (size_t i = 0; i < ARRAY_LENGTH(got); i++)
        assert_non_null(http_sender_send(world->sender, &request, world_keep_outcome, &got[i]));
    for (size_t i = 0; i < ARRAY_LENGTH(got); i++) {
        world_await(world, &got[i]);
        assert_int_equal(got[i].result.status, 200);
        outcome_fini(&got[i]);
    }
    assert_int_equal(receiver_counts(receiver).open, 2);
}

/* libcurl would go from one kept connection to the other, and then to a new one. */
static void test_nothing_is_sent_twice(void **state)
{
    static const char *const paths[] = {"/reset", "/close"};
    for (size_t i = 0; i < ARRAY_LENGTH(paths); i++) {
        struct world *world = world_new(8);
        keep_two_connections(world);
        receiver_reset_counts(receiver);
        call_expect(world, &(struct call){.path = paths[i]}, HTTP_SENDER_BROKEN, 0, "");
        assert_int_equal(receiver_counts(receiver).requests, 1);
        assert_int_equal(receiver_counts(receiver).accepted, 0);
        world_free(&world);
    }
    (void)state;
}

static void test_two_thousand_requests(void **state)
{
    run_load(*state, 2000, 50);
    struct receiver_counts counts = receiver_counts(receiver);
    assert_int_equal(counts.requests, 2000);
    assert_in_range(counts.accepted, 2, 50 + 4);
}

static bool few_are_open(void *argument)
{
    (void)argument;
    return receiver_counts(receiver).open <= 4;
}

static void test_connections_are_bounded(void **state)
{
    (void)state;
    struct world *world = world_new(4);
    run_load(world, 200, 50);
    world_run_until(world, few_are_open, NULL);
    assert_in_range(receiver_counts(receiver).accepted, 1, 4 + 1);
    world_free(&world);
}

/* Those that wait for a connection have their deadline too. */
static void test_the_deadline_of_those_that_wait_for_a_connection(void **state)
{
    (void)state;
    struct world *world = world_new(1);
    struct outcome got[3] = {0};
    for (size_t i = 0; i < ARRAY_LENGTH(got); i++) {
        struct call call = {.path = "/hang", .timeout = SHORT};
        struct http_sender_request request = call_request(&call);
        assert_non_null(http_sender_send(world->sender, &request, world_keep_outcome, &got[i]));
    }
    for (size_t i = 0; i < ARRAY_LENGTH(got); i++) {
        world_await(world, &got[i]);
        assert_int_equal(got[i].result.outcome, HTTP_SENDER_TIMEOUT);
        outcome_fini(&got[i]);
    }
    call_expect_answer(world, "/ok", 200, "ok");
    world_free(&world);
}

static void never(void *argument, const struct http_sender_result *result)
{
    (void)argument;
    fail_msg("a cancelled request ended: %d", result->outcome);
}

struct phase {
    const char *url; /* NULL: that of the receiver */
    const char *path;
    bool (*reached)(void *argument);
    int wanted;
};

static bool at_once(void *argument)
{
    (void)argument;
    return true;
}

static bool connected(void *argument)
{
    (void)argument;
    return receiver_counts(receiver).accepted > 0;
}

static bool requested(void *argument)
{
    (void)argument;
    return receiver_counts(receiver).requests > 0;
}

static bool greeted(void *argument)
{
    (void)argument;
    return receiver_counts(receiver).bytes > 0;
}

static const struct phase phases[] = {
    {NULL, "/hang", NULL}, /* before the loop ran */
    {NULL, "/hang", at_once},
    {NULL, "/hang", connected},
    {NULL, "/hang", requested},
    {NULL, "/hang-in-head", requested},
    {NULL, "/hang-in-body", requested},
    {NULL, "/dripped-body", requested},
    {"https", "/", connected},
    {"https", "/", greeted},
};

static struct http_sending *begin(struct world *world, const struct phase *phase)
{
    char url[100];
    snprintf(url, sizeof(url), "https://127.0.0.1:%d/", receiver_port(receiver));
    struct call call = {.url = phase->url, .path = phase->path};
    if (phase->url != NULL && strcmp(phase->url, "https") == 0)
        call.url = url;
    struct http_sender_request request = call_request(&call);
    receiver_reset_counts(receiver);
    struct http_sending *sending = http_sender_send(world->sender, &request, never, NULL);
    assert_non_null(sending);
    if (phase->reached != NULL)
        world_run_until(world, phase->reached, NULL);
    return sending;
}

static void test_cancel_in_every_phase(void **state)
{
    for (size_t i = 0; i < ARRAY_LENGTH(phases); i++) {
        struct http_sending *sending = begin(*state, &phases[i]);
        http_sender_cancel(&sending);
        assert_null(sending);
        http_sender_cancel(&sending);
        world_run_until(*state, nobody_is_connected, NULL);
    }
    call_expect_answer(*state, "/ok", 200, "ok");
}

static void test_free_in_every_phase(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(phases); i++) {
        struct world *world = world_new(2);
        char url[100];
        snprintf(url, sizeof(url), "http://localhost:%d/ok", receiver_port(receiver));
        call_expect(world, &(struct call){.url = url}, HTTP_SENDER_ANSWERED, 200, "ok");
        begin(world, &phases[i]);
        http_sender_free(&world->sender);
        http_sender_free(&world->sender);
        world_run_until(world, nobody_is_connected, NULL);
        world_free(&world);
    }
}

/* `done` cancels itself and another one whose end may wait behind it. */
struct pair {
    struct http_sending *sendings[2];
    int calls;
};

static void cancel_both(void *argument, const struct http_sender_result *result)
{
    struct pair *pair = argument;
    assert_int_equal(result->outcome, HTTP_SENDER_ANSWERED);
    pair->calls++;
    http_sender_cancel(&pair->sendings[0]);
    http_sender_cancel(&pair->sendings[1]);
}

static bool pair_was_called(void *argument)
{
    return ((struct pair *)argument)->calls > 0;
}

static void test_cancel_inside_done(void **state)
{
    struct pair pair = {0};
    struct call call = {.path = "/ok"};
    struct http_sender_request request = call_request(&call);
    for (size_t i = 0; i < 2; i++) {
        pair.sendings[i] =
            http_sender_send(((struct world *)*state)->sender, &request, cancel_both, &pair);
        assert_non_null(pair.sendings[i]);
    }
    world_run_until(*state, pair_was_called, &pair);
    call_expect_answer(*state, "/ok", 200, "ok");
    assert_int_equal(pair.calls, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_connections_are_kept),
        WORLD_TEST(test_a_kept_connection_that_is_no_good_is_not_used),
        WORLD_TEST(test_nothing_is_sent_twice),
        WORLD_TEST(test_a_kept_connection_is_not_for_everyone),
        WORLD_TEST(test_two_thousand_requests),
        WORLD_TEST(test_connections_are_bounded),
        WORLD_TEST(test_the_deadline_of_those_that_wait_for_a_connection),
        WORLD_TEST(test_cancel_in_every_phase),
        WORLD_TEST(test_free_in_every_phase),
        WORLD_TEST(test_cancel_inside_done),
    };
    return cmocka_run_group_tests(tests, world_start_receiver, world_stop_receiver);
}
