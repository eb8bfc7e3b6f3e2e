/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loop's promises: what wakes it, in which order callbacks come, and that what was cancelled
 * or freed stays silent. Each test runs a loop of its own until a callback stops it.
 */
#include "loop/loop.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/mem.h"

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static int set_up(void **state)
{
    *state = loop_new();
    return *state != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
    struct loop *loop = *state;
    loop_free(&loop);
    assert_null(loop);
    loop_free(&loop);
    return 0;
}

/* A message that appends its name to a text and perhaps stops the loop. */
struct note {
    struct loop_message message;
    struct loop *loop;
    char name;
    bool stop;
};

static char noted[32];
static size_t noted_count;

static void forget_notes(void)
{
    noted_count = 0;
    memset(noted, 0, sizeof(noted));
}

static void note_char(char name)
{
    assert_true(noted_count < sizeof(noted) - 1);
    noted[noted_count++] = name;
}

static void run_note(struct loop_message *message)
{
    struct note *note = CONTAINER_OF(message, struct note, message);
    note_char(note->name);
    if (note->stop)
        loop_stop(note->loop);
}

static struct note make_note(struct loop *loop, char name, bool stop)
{
    return (struct note){.message = {.run = run_note}, .loop = loop, .name = name, .stop = stop};
}

static void test_messages_run_in_order_and_never_inside_post(void **state)
{
    struct loop *loop = *state;
    struct note notes[] = {make_note(loop, 'a', false), make_note(loop, 'b', false),
                           make_note(loop, 'c', true)};
    forget_notes();
    for (size_t i = 0; i < ARRAY_LENGTH(notes); i++)
        assert_int_equal(loop_post(loop, &notes[i].message), 0);
    assert_string_equal(noted, "");
    loop_run(loop);
    assert_string_equal(noted, "abc");
}

static void test_stop_leaves_later_messages_for_the_next_run(void **state)
{
    struct loop *loop = *state;
    struct note notes[] = {make_note(loop, 'a', true), make_note(loop, 'b', false),
                           make_note(loop, 'c', true)};
    forget_notes();
    for (size_t i = 0; i < ARRAY_LENGTH(notes); i++)
        loop_post_always(loop, &notes[i].message);
    loop_run(loop);
    assert_string_equal(noted, "a");
    loop_run(loop);
    assert_string_equal(noted, "abc");
}

struct chain {
    struct loop_message message;
    struct loop *loop;
    int left;
};

static void run_chain(struct loop_message *message)
{
    struct chain *chain = CONTAINER_OF(message, struct chain, message);
    if (--chain->left == 0)
        loop_stop(chain->loop);
    else
        assert_int_equal(loop_post(chain->loop, message), 0);
}

static void test_a_message_may_post_itself_again(void **state)
{
    struct chain chain = {.message = {.run = run_chain}, .loop = *state, .left = 100};
    assert_int_equal(loop_post(*state, &chain.message), 0);
    loop_run(*state);
    assert_int_equal(chain.left, 0);
}

/* One of many messages; the last that runs stops the loop. */
struct share {
    struct loop_message message;
    struct loop *loop;
    size_t *left;
};

static void run_share(struct loop_message *message)
{
    struct share *share = CONTAINER_OF(message, struct share, message);
    if (--*share->left == 0)
        loop_stop(share->loop);
}

static void test_post_is_refused_at_the_limit(void **state)
{
    struct loop *loop = *state;
    size_t left = LIMIT_LOOP_MESSAGES + 1;
    struct share *shares = mem_zalloc(left * sizeof(*shares));
    for (size_t i = 0; i < LIMIT_LOOP_MESSAGES; i++) {
        shares[i] = (struct share){.message = {.run = run_share}, .loop = loop, .left = &left};
        assert_int_equal(loop_post(loop, &shares[i].message), 0);
    }
    struct share *last = &shares[LIMIT_LOOP_MESSAGES];
    *last = shares[0];
    assert_int_equal(loop_post(loop, &last->message), ERR_BUSY);
    loop_post_always(loop, &last->message);
    loop_run(loop);
    assert_int_equal(left, 0);

    left = 1;
    assert_int_equal(loop_post(loop, &last->message), 0);
    loop_run(loop);
    mem_free(shares);
}

enum { POSTERS = 4, POSTS = 2000 };

struct count {
    struct loop_message message;
    struct loop *loop;
    int thread;
    int number;
};

static int counts_seen[POSTERS];
static int counts_left;

static void run_count(struct loop_message *message)
{
    struct count *count = CONTAINER_OF(message, struct count, message);
    assert_int_equal(count->number, counts_seen[count->thread]++);
    if (--counts_left == 0)
        loop_stop(count->loop);
    mem_free(count);
}

struct poster {
    pthread_t thread;
    struct loop *loop;
    int number;
};

static void *post_counts(void *argument)
{
    struct poster *poster = argument;
    for (int i = 0; i < POSTS; i++) {
        struct count *count = mem_zalloc(sizeof(*count));
        *count = (struct count){{.run = run_count}, poster->loop, poster->number, i};
        loop_post_always(poster->loop, &count->message);
    }
    return NULL;
}

static void test_threads_post_each_in_its_order(void **state)
{
    struct poster posters[POSTERS];
    counts_left = POSTERS * POSTS;
    for (int i = 0; i < POSTERS; i++) {
        counts_seen[i] = 0;
        posters[i] = (struct poster){.loop = *state, .number = i};
        assert_int_equal(pthread_create(&posters[i].thread, NULL, post_counts, &posters[i]), 0);
    }
    loop_run(*state);
    for (int i = 0; i < POSTERS; i++) {
        pthread_join(posters[i].thread, NULL);
        assert_int_equal(counts_seen[i], POSTS);
    }
}

struct alarm {
    struct loop_timer timer;
    char name;
    bool stop;
    int64_t set_again_at; /* 0: no */
    struct alarm *cancels;
    struct note *posts;
};

static void run_alarm(struct loop_timer *timer)
{
    struct alarm *alarm = CONTAINER_OF(timer, struct alarm, timer);
    assert_false(loop_timer_is_set(timer));
    note_char(alarm->name);
    if (alarm->cancels != NULL)
        loop_timer_cancel(&alarm->cancels->timer);
    if (alarm->posts != NULL)
        loop_post_always(timer->loop, &alarm->posts->message);
    alarm->posts = NULL;
    if (alarm->set_again_at != 0)
        loop_timer_set(timer, alarm->set_again_at);
    if (alarm->stop)
        loop_stop(timer->loop);
}

static void make_alarm(struct alarm *alarm, struct loop *loop, char name, bool stop)
{
    *alarm = (struct alarm){.name = name, .stop = stop};
    loop_timer_init(&alarm->timer, loop, run_alarm);
}

static void test_timers_expire_in_order_and_not_early(void **state)
{
    struct loop *loop = *state;
    struct alarm alarms[4];
    const int64_t delays[] = {6, 2, -5, 4};
    int64_t start = clock_mono_ms();
    forget_notes();
    for (size_t i = 0; i < ARRAY_LENGTH(alarms); i++) {
        make_alarm(&alarms[i], loop, (char)('0' + i), i == 0);
        assert_false(loop_timer_is_set(&alarms[i].timer));
        loop_timer_set(&alarms[i].timer, start + delays[i]);
        assert_true(loop_timer_is_set(&alarms[i].timer));
    }
    assert_string_equal(noted, "");
    loop_run(loop);
    assert_string_equal(noted, "2130");
    assert_true(clock_mono_ms() >= start + 6);
    assert_true(loop_now(loop) >= start + 6);
}

static void test_a_cancelled_timer_is_silent(void **state)
{
    struct loop *loop = *state;
    struct alarm first;
    struct alarm second;
    struct alarm last;
    make_alarm(&first, loop, 'a', false);
    make_alarm(&second, loop, 'b', false);
    make_alarm(&last, loop, 'c', true);
    first.cancels = &second;
    forget_notes();
    /* All three are due in the same pass. */
    loop_timer_set(&first.timer, 1);
    loop_timer_set(&second.timer, 2);
    loop_timer_set(&last.timer, 3);
    loop_run(loop);
    assert_string_equal(noted, "ac");
    loop_timer_cancel(&second.timer);
}

static void test_setting_a_timer_replaces_its_deadline(void **state)
{
    struct loop *loop = *state;
    struct alarm moved;
    struct alarm last;
    make_alarm(&moved, loop, 'a', false);
    make_alarm(&last, loop, 'b', true);
    forget_notes();
    loop_timer_set(&moved.timer, 1);
    loop_timer_set(&moved.timer, 3);
    loop_timer_set(&last.timer, 2);
    loop_run(loop);
    assert_string_equal(noted, "b");
    loop_timer_cancel(&moved.timer);
}

static void test_a_timer_in_the_past_does_not_starve_messages(void **state)
{
    struct loop *loop = *state;
    struct alarm greedy;
    struct note note = make_note(loop, 'm', true);
    make_alarm(&greedy, loop, 't', false);
    greedy.set_again_at = 1;
    greedy.posts = &note;
    forget_notes();
    loop_timer_set(&greedy.timer, 1);
    loop_run(loop);
    assert_string_equal(noted, "tm");
    loop_timer_cancel(&greedy.timer);
}

struct end {
    struct loop *loop;
    struct loop_watch *watch;
    int fd;
    int calls;
    int events;
    bool stop;
    struct end *frees; /* the watch of this one is freed by the first call */
};

static void end_ready(void *argument, int events)
{
    struct end *end = argument;
    end->calls++;
    end->events = events;
    if (end->frees != NULL) {
        loop_watch_free(&end->frees->watch);
        close(end->frees->fd);
        end->frees->frees = NULL;
        end->frees = NULL;
    }
    if (end->stop)
        loop_stop(end->loop);
}

static void make_pair(struct end ends[2], struct loop *loop)
{
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    for (int i = 0; i < 2; i++)
        ends[i] = (struct end){.loop = loop, .fd = fds[i], .stop = true};
}

static void watch_end(struct end *end, int events)
{
    end->watch = loop_watch_new(end->loop, end->fd, events, end_ready, end);
    assert_non_null(end->watch);
    assert_int_equal(end->calls, 0);
}

static void drop_end(struct end *end)
{
    loop_watch_free(&end->watch);
    assert_null(end->watch);
    close(end->fd);
}

static void test_a_descriptor_becomes_readable_and_writable(void **state)
{
    struct end ends[2];
    make_pair(ends, *state);
    watch_end(&ends[0], LOOP_READABLE);
    assert_int_equal(write(ends[1].fd, "x", 1), 1);
    loop_run(*state);
    assert_int_equal(ends[0].events, LOOP_READABLE);

    loop_watch_set(ends[0].watch, LOOP_READABLE | LOOP_WRITABLE);
    loop_run(*state);
    assert_int_equal(ends[0].events, LOOP_READABLE | LOOP_WRITABLE);

    char byte;
    assert_int_equal(read(ends[0].fd, &byte, 1), 1);
    loop_run(*state);
    assert_int_equal(ends[0].events, LOOP_WRITABLE);
    assert_int_equal(ends[0].calls, 3);
    drop_end(&ends[0]);
    close(ends[1].fd);
}

static void test_a_watch_for_nothing_is_silent(void **state)
{
    struct loop *loop = *state;
    struct end ends[2];
    struct alarm alarm;
    make_pair(ends, loop);
    watch_end(&ends[0], 0);
    watch_end(&ends[1], LOOP_WRITABLE);
    loop_watch_set(ends[1].watch, 0);
    assert_int_equal(write(ends[1].fd, "x", 1), 1);
    make_alarm(&alarm, loop, 'a', true);
    forget_notes();
    loop_timer_set(&alarm.timer, clock_mono_ms() + 3);
    loop_run(loop);
    assert_int_equal(ends[0].calls, 0);
    assert_int_equal(ends[1].calls, 0);
    loop_watch_set(ends[0].watch, LOOP_READABLE);
    loop_run(loop);
    assert_int_equal(ends[0].calls, 1);
    drop_end(&ends[0]);
    drop_end(&ends[1]);
}

static void test_hang_up_and_error_are_reported(void **state)
{
    struct end ends[2];
    make_pair(ends, *state);
    watch_end(&ends[0], LOOP_READABLE);
    close(ends[1].fd);
    loop_run(*state);
    assert_true(ends[0].events & LOOP_READABLE);
    drop_end(&ends[0]);

    /* A pipe's end to write, when nobody reads any more, has an error. */
    int fds[2];
    assert_int_equal(pipe2(fds, O_NONBLOCK), 0);
    struct end writer = {.loop = *state, .fd = fds[1], .stop = true};
    watch_end(&writer, LOOP_WRITABLE);
    close(fds[0]);
    loop_run(*state);
    assert_int_equal(writer.events, LOOP_READABLE | LOOP_WRITABLE);
    loop_run(*state);
    assert_int_equal(writer.calls, 2);
    drop_end(&writer);
}

static void test_a_watch_freed_by_another_is_silent(void **state)
{
    struct end ends[2];
    make_pair(ends, *state);
    /* Both are ready in the same pass; whoever comes first frees the other. */
    watch_end(&ends[0], LOOP_WRITABLE);
    watch_end(&ends[1], LOOP_WRITABLE);
    ends[0].stop = false;
    ends[1].stop = false;
    ends[0].frees = &ends[1];
    ends[1].frees = &ends[0];
    struct alarm alarm;
    make_alarm(&alarm, *state, 'a', true);
    forget_notes();
    loop_timer_set(&alarm.timer, clock_mono_ms() + 3);
    loop_run(*state);
    struct end *survivor = ends[0].watch != NULL ? &ends[0] : &ends[1];
    struct end *freed = survivor == &ends[0] ? &ends[1] : &ends[0];
    assert_null(freed->watch);
    assert_int_equal(freed->calls, 0);
    assert_true(survivor->calls > 0);
    drop_end(survivor);
}

static void test_stop_leaves_ready_descriptors_for_the_next_run(void **state)
{
    struct end ends[2];
    make_pair(ends, *state);
    watch_end(&ends[0], LOOP_WRITABLE);
    watch_end(&ends[1], LOOP_WRITABLE);
    loop_run(*state);
    assert_int_equal(ends[0].calls + ends[1].calls, 1);
    struct end *called = ends[0].calls == 1 ? &ends[0] : &ends[1];
    struct end *waiting = called == &ends[0] ? &ends[1] : &ends[0];
    loop_watch_set(called->watch, 0);
    loop_run(*state);
    assert_int_equal(waiting->calls, 1);
    assert_int_equal(called->calls, 1);
    drop_end(&ends[0]);
    drop_end(&ends[1]);
}

static void test_a_bad_descriptor_is_refused(void **state)
{
    struct loop_watch *watch = loop_watch_new(*state, -1, LOOP_READABLE, end_ready, NULL);
    assert_null(watch);
    loop_watch_free(&watch);
}

struct deferring {
    struct loop_message message;
    struct loop_message deferred;
    struct loop *loop;
};

static void run_deferred_note(struct loop_message *message)
{
    struct deferring *deferring = CONTAINER_OF(message, struct deferring, deferred);
    note_char('d');
    mem_free(deferring);
}

static void run_deferring(struct loop_message *message)
{
    struct deferring *deferring = CONTAINER_OF(message, struct deferring, message);
    deferring->deferred.run = run_deferred_note;
    loop_defer(deferring->loop, &deferring->deferred);
    note_char('m');
}

static void test_deferred_work_comes_after_the_pass(void **state)
{
    struct loop *loop = *state;
    struct deferring *deferring = mem_zalloc(sizeof(*deferring));
    *deferring = (struct deferring){.message = {.run = run_deferring}, .loop = loop};
    struct note note = make_note(loop, 'n', false);
    struct alarm alarm;
    make_alarm(&alarm, loop, 't', true);
    forget_notes();
    loop_timer_set(&alarm.timer, 1);
    loop_post_always(loop, &deferring->message);
    loop_post_always(loop, &note.message);
    loop_run(loop);
    /* The timer ends the run, and yet the pass it ends is finished. */
    assert_string_equal(noted, "mntd");
}

static void test_deferred_before_the_run_or_left_at_the_end_is_run(void **state)
{
    struct loop *loop = *state;
    struct note before = make_note(loop, 'b', true);
    struct note left = make_note(loop, 'l', false);
    forget_notes();
    loop_defer(loop, &before.message);
    assert_string_equal(noted, "");
    loop_run(loop);
    assert_string_equal(noted, "b");
    loop_defer(loop, &left.message);
    loop_free(&loop);
    assert_string_equal(noted, "bl");
    *state = NULL;
}

static void test_time_stands_still_within_a_pass(void **state)
{
    struct loop *loop = *state;
    struct alarm alarm;
    make_alarm(&alarm, loop, 'a', true);
    forget_notes();
    int64_t start = clock_mono_ms();
    int64_t wall = clock_wall_ms();
    loop_timer_set(&alarm.timer, start + 3);
    loop_run(loop);
    int64_t now = loop_now(loop);
    assert_in_range(now, start + 3, clock_mono_ms());
    assert_in_range(loop_wall(loop), wall, clock_wall_ms());
    while (clock_mono_ms() == now)
        continue;
    assert_int_equal(loop_now(loop), now);
}

static void test_stop_before_run(void **state)
{
    loop_stop(*state);
    loop_run(*state);
}

#define LOOP_TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        LOOP_TEST(test_messages_run_in_order_and_never_inside_post),
        LOOP_TEST(test_stop_leaves_later_messages_for_the_next_run),
        LOOP_TEST(test_a_message_may_post_itself_again),
        LOOP_TEST(test_post_is_refused_at_the_limit),
        LOOP_TEST(test_threads_post_each_in_its_order),
        LOOP_TEST(test_timers_expire_in_order_and_not_early),
        LOOP_TEST(test_a_cancelled_timer_is_silent),
        LOOP_TEST(test_setting_a_timer_replaces_its_deadline),
        LOOP_TEST(test_a_timer_in_the_past_does_not_starve_messages),
        LOOP_TEST(test_a_descriptor_becomes_readable_and_writable),
        LOOP_TEST(test_a_watch_for_nothing_is_silent),
        LOOP_TEST(test_hang_up_and_error_are_reported),
        LOOP_TEST(test_a_watch_freed_by_another_is_silent),
        LOOP_TEST(test_stop_leaves_ready_descriptors_for_the_next_run),
        LOOP_TEST(test_a_bad_descriptor_is_refused),
        LOOP_TEST(test_deferred_work_comes_after_the_pass),
        LOOP_TEST(test_deferred_before_the_run_or_left_at_the_end_is_run),
        LOOP_TEST(test_time_stands_still_within_a_pass),
        LOOP_TEST(test_stop_before_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
