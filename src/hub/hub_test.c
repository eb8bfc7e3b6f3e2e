/* SPDX-License-Identifier: Apache-2.0 */
/* The hub under ops that change the list they are called from, and the feed's two ways. */
#include "hub/hub.h"

#include "base/limits.h"
#include "base/mem.h"
#include "loop/loop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define USER STR_LIT("u1")

struct world;

/* A subscriber that notes what it hears, and may do something then. */
struct listener {
    struct hub_subscriber subscriber;
    struct world *world;
    int32_t heard[8]; /* offsets */
    size_t count;
    int resyncs;
    void (*act)(struct listener *listener);
    struct listener *target; /* of the act */
};

struct world {
    struct hub *hub;
    struct listener listeners[4];
};

static void on_event(struct hub_subscriber *subscriber, const struct hub_event *event)
{
    struct listener *listener = CONTAINER_OF(subscriber, struct listener, subscriber);
    assert_true(listener->count < ARRAY_LENGTH(listener->heard));
    assert_true(str_equal(event->user_external_id, USER));
    listener->heard[listener->count++] = event->offset;
    if (listener->act != NULL)
        listener->act(listener);
}

static void on_resync(struct hub_subscriber *subscriber)
{
    struct listener *listener = CONTAINER_OF(subscriber, struct listener, subscriber);
    listener->resyncs++;
    if (listener->act != NULL)
        listener->act(listener);
}

static const struct hub_subscriber_ops ops = {.event = on_event, .resync = on_resync};

static void subscribe(struct listener *listener, int32_t project_id, struct str user)
{
    hub_subscribe(listener->world->hub, project_id, user, &listener->subscriber, &ops);
}

static struct hub_event event_at(int32_t offset)
{
    return (struct hub_event){
        .project_id = 7,
        .user_external_id = USER,
        .order_id = 1,
        .status = ORDER_PAID,
        .seq = offset,
        .offset = offset,
    };
}

static void publish(struct world *world, int32_t offset)
{
    struct hub_event event = event_at(offset);
    hub_publish(world->hub, &event);
}

static int setup(void **state)
{
    struct world *world = mem_zalloc(sizeof(*world));
    world->hub = hub_new();
    for (size_t i = 0; i < ARRAY_LENGTH(world->listeners); i++)
        world->listeners[i].world = world;
    *state = world;
    return 0;
}

static int teardown(void **state)
{
    struct world *world = *state;
    for (size_t i = 0; i < ARRAY_LENGTH(world->listeners); i++)
        hub_unsubscribe(world->hub, &world->listeners[i].subscriber);
    assert_int_equal(hub_subscriber_count(world->hub), 0);
    hub_free(&world->hub);
    assert_null(world->hub);
    mem_free(world);
    return 0;
}

static void events_reach_the_user_alone(void **state)
{
    struct world *world = *state;
    struct listener *l = world->listeners;
    subscribe(&l[0], 7, USER);
    subscribe(&l[1], 7, USER);
    subscribe(&l[2], 7, STR_LIT("u2"));
    subscribe(&l[3], 8, USER);
    assert_int_equal(hub_subscriber_count(world->hub), 4);
    publish(world, 1);
    publish(world, 2);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(l[i].count, 2);
        assert_int_equal(l[i].heard[0], 1);
        assert_int_equal(l[i].heard[1], 2);
    }
    assert_int_equal(l[2].count, 0);
    assert_int_equal(l[3].count, 0);
    hub_unsubscribe(world->hub, &l[0].subscriber);
    hub_unsubscribe(world->hub, &l[0].subscriber);
    publish(world, 3);
    assert_int_equal(l[0].count, 2);
    assert_int_equal(l[1].count, 3);
}

static void a_project_is_heard_whole(void **state)
{
    struct world *world = *state;
    struct listener *l = world->listeners;
    struct hub_event event = event_at(3);
    subscribe(&l[0], 7, USER);
    subscribe(&l[1], 7, STR_LIT(""));
    subscribe(&l[2], 8, STR_LIT(""));
    publish(world, 1);
    assert_int_equal(l[0].count, 1);
    assert_int_equal(l[1].count, 1);
    assert_int_equal(l[2].count, 0);
    hub_unsubscribe(world->hub, &l[0].subscriber);
    publish(world, 2);
    assert_int_equal(l[1].count, 2);
    event.project_id = 8;
    hub_publish(world->hub, &event);
    assert_int_equal(l[1].count, 2);
    assert_int_equal(l[2].count, 1);
    hub_unsubscribe(world->hub, &l[1].subscriber);
    publish(world, 4);
    assert_int_equal(l[1].count, 2);
    hub_publish(world->hub, &event);
    assert_int_equal(l[2].count, 2);
}

static void unsubscribe_target(struct listener *listener)
{
    hub_unsubscribe(listener->world->hub, &listener->target->subscriber);
    /* As if its memory were gone. */
    memset(&listener->target->subscriber, 0, sizeof(listener->target->subscriber));
}

/* Row: who acts on whom, and how many events each has heard after two of them. */
static void an_op_may_end_any_subscription(void **state)
{
    static const struct {
        int actor;
        int target;
        size_t heard[3];
    } rows[] = {
        {0, 0, {1, 2, 2}}, {0, 1, {2, 0, 2}}, {0, 2, {2, 2, 0}}, {1, 0, {1, 2, 2}},
        {1, 1, {2, 1, 2}}, {1, 2, {2, 2, 0}}, {2, 0, {1, 2, 2}}, {2, 2, {2, 2, 1}},
    };
    struct world *world = *state;
    for (size_t row = 0; row < ARRAY_LENGTH(rows); row++) {
        struct listener *l = world->listeners;
        for (size_t i = 0; i < 3; i++) {
            l[i] = (struct listener){.world = world};
            subscribe(&l[i], 7, USER);
        }
        l[rows[row].actor].target = &l[rows[row].target];
        l[rows[row].actor].act = unsubscribe_target;
        publish(world, 1);
        publish(world, 2);
        for (size_t i = 0; i < 3; i++) {
            if (l[i].count != rows[row].heard[i])
                print_error("row %zu, listener %zu\n", row, i);
            assert_int_equal(l[i].count, rows[row].heard[i]);
            hub_unsubscribe(world->hub, &l[i].subscriber);
        }
    }
}

static void unsubscribe_all(struct listener *listener)
{
    for (size_t i = 0; i < ARRAY_LENGTH(listener->world->listeners); i++)
        hub_unsubscribe(listener->world->hub, &listener->world->listeners[i].subscriber);
}

static void an_op_may_end_all_subscriptions(void **state)
{
    struct world *world = *state;
    for (size_t i = 0; i < 3; i++)
        subscribe(&world->listeners[i], 7, USER);
    world->listeners[1].act = unsubscribe_all;
    publish(world, 1);
    publish(world, 2);
    assert_int_equal(world->listeners[0].count, 1);
    assert_int_equal(world->listeners[1].count, 1);
    assert_int_equal(world->listeners[2].count, 0);
}

static void subscribe_target(struct listener *listener)
{
    if (listener->target->subscriber.user == NULL)
        subscribe(listener->target, 7, USER);
}

static void a_newcomer_gets_the_next_event(void **state)
{
    struct world *world = *state;
    struct listener *l = world->listeners;
    subscribe(&l[0], 7, USER);
    l[0].act = subscribe_target;
    l[0].target = &l[1];
    publish(world, 1);
    assert_int_equal(l[1].count, 0);
    publish(world, 2);
    assert_int_equal(l[1].count, 1);
    assert_int_equal(l[1].heard[0], 2);
}

/* The last subscriber goes and comes back in one op: the user's entry must last. */
static void resubscribe(struct listener *listener)
{
    hub_unsubscribe(listener->world->hub, &listener->subscriber);
    subscribe(listener, 7, USER);
}

static void an_op_may_subscribe_anew(void **state)
{
    struct world *world = *state;
    subscribe(&world->listeners[0], 7, USER);
    world->listeners[0].act = resubscribe;
    publish(world, 1);
    publish(world, 2);
    assert_int_equal(world->listeners[0].count, 2);
    assert_int_equal(hub_subscriber_count(world->hub), 1);
}

static void resync_reaches_all(void **state)
{
    struct world *world = *state;
    struct listener *l = world->listeners;
    subscribe(&l[0], 7, USER);
    subscribe(&l[1], 7, STR_LIT("u2"));
    subscribe(&l[2], 8, USER);
    subscribe(&l[3], 7, STR_LIT("u3"));
    hub_resync(world->hub);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(l[i].resyncs, 1);
    /* The first to be asked ends all others. */
    for (size_t i = 0; i < 4; i++)
        l[i].act = unsubscribe_all;
    hub_resync(world->hub);
    assert_int_equal(l[0].resyncs + l[1].resyncs + l[2].resyncs + l[3].resyncs, 5);
    assert_int_equal(hub_subscriber_count(world->hub), 0);
}

static void stop_loop(struct loop_message *message);

struct stop {
    struct loop_message message;
    struct loop *loop;
};

static void stop_loop(struct loop_message *message)
{
    loop_stop(CONTAINER_OF(message, struct stop, message)->loop);
}

/* Runs the loop until everything posted so far has been served. */
static void run_posted(struct loop *loop)
{
    struct stop stop = {.message.run = stop_loop, .loop = loop};
    loop_post_always(loop, &stop.message);
    loop_run(loop);
}

static void a_batch_goes_to_all_feeds(void **state)
{
    struct world *world = *state;
    struct loop *loop = loop_new();
    struct hub *other = hub_new();
    struct listener far = {.world = world};
    struct hub_feed *feeds[] = {hub_feed_new(world->hub, loop), hub_feed_new(other, loop)};
    subscribe(&world->listeners[0], 7, USER);
    hub_subscribe(other, 7, USER, &far.subscriber, &ops);

    char user[] = "u1";
    struct hub_batch *batch = hub_batch_new();
    for (int32_t offset = 1; offset <= 3; offset++) {
        struct hub_event event = event_at(offset);
        event.user_external_id = str_from(user);
        hub_batch_add(batch, &event);
        struct hub_event stranger = event;
        stranger.user_external_id = STR_LIT("nobody listens to this one");
        hub_batch_add(batch, &stranger);
    }
    memset(user, 'x', sizeof(user));
    for (size_t i = 0; i < ARRAY_LENGTH(feeds); i++)
        hub_feed_post(feeds[i], batch);
    hub_batch_release(&batch);
    assert_null(batch);
    assert_int_equal(far.count, 0);
    run_posted(loop);
    assert_int_equal(far.count, 3);
    assert_int_equal(far.heard[2], 3);
    assert_int_equal(world->listeners[0].count, 3);

    hub_unsubscribe(other, &far.subscriber);
    hub_free(&other);
    hub_feed_free(&feeds[0]);
    hub_feed_free(&feeds[1]);
    loop_free(&loop);
}

static size_t fillers_run;

static void count_filler(struct loop_message *message)
{
    (void)message;
    fillers_run++;
}

static void a_full_worker_is_told_to_resync_once(void **state)
{
    struct world *world = *state;
    struct loop *loop = loop_new();
    struct hub_feed *feed = hub_feed_new(world->hub, loop);
    struct loop_message *fillers = mem_zalloc((LIMIT_LOOP_MESSAGES + 1) * sizeof(*fillers));
    struct hub_event event = event_at(1);
    struct hub_batch *batch = hub_batch_new();
    subscribe(&world->listeners[0], 7, USER);
    hub_batch_add(batch, &event);
    for (int round = 1; round <= 2; round++) {
        fillers_run = 0;
        for (size_t i = 0; i <= LIMIT_LOOP_MESSAGES; i++)
            fillers[i].run = count_filler;
        for (size_t i = 0; i < LIMIT_LOOP_MESSAGES; i++)
            assert_int_equal(loop_post(loop, &fillers[i]), 0);
        hub_feed_post(feed, batch);
        loop_post_always(loop, &fillers[LIMIT_LOOP_MESSAGES]);
        hub_feed_post(feed, batch);
        run_posted(loop);
        assert_int_equal(fillers_run, LIMIT_LOOP_MESSAGES + 1);
        assert_int_equal(world->listeners[0].count, 0);
        assert_int_equal(world->listeners[0].resyncs, round);
    }

    hub_feed_post(feed, batch);
    run_posted(loop);
    assert_int_equal(world->listeners[0].count, 1);
    assert_int_equal(world->listeners[0].resyncs, 2);
    hub_batch_release(&batch);
    hub_feed_free(&feed);
    loop_free(&loop);
    mem_free(fillers);
}

static void events_of_few_batches_are_bounded_too(void **state)
{
    struct world *world = *state;
    struct loop *loop = loop_new();
    struct hub_feed *feed = hub_feed_new(world->hub, loop);
    struct hub_event event = event_at(1);
    struct hub_batch *large = hub_batch_new();
    struct hub_batch *small = hub_batch_new();
    subscribe(&world->listeners[0], 7, USER);
    event.project_id = 8;
    for (int i = 0; i < LIMIT_FEED_EVENTS; i++)
        hub_batch_add(large, &event);
    event.project_id = 7;
    hub_batch_add(small, &event);
    hub_feed_post(feed, large);
    hub_feed_post(feed, small);
    run_posted(loop);
    assert_int_equal(world->listeners[0].count, 0);
    assert_int_equal(world->listeners[0].resyncs, 1);

    hub_feed_post(feed, small);
    run_posted(loop);
    assert_int_equal(world->listeners[0].count, 1);
    assert_int_equal(world->listeners[0].resyncs, 1);
    hub_batch_release(&large);
    hub_batch_release(&small);
    hub_feed_free(&feed);
    loop_free(&loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(events_reach_the_user_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(a_project_is_heard_whole, setup, teardown),
        cmocka_unit_test_setup_teardown(an_op_may_end_any_subscription, setup, teardown),
        cmocka_unit_test_setup_teardown(an_op_may_end_all_subscriptions, setup, teardown),
        cmocka_unit_test_setup_teardown(a_newcomer_gets_the_next_event, setup, teardown),
        cmocka_unit_test_setup_teardown(an_op_may_subscribe_anew, setup, teardown),
        cmocka_unit_test_setup_teardown(resync_reaches_all, setup, teardown),
        cmocka_unit_test_setup_teardown(a_batch_goes_to_all_feeds, setup, teardown),
        cmocka_unit_test_setup_teardown(a_full_worker_is_told_to_resync_once, setup, teardown),
        cmocka_unit_test_setup_teardown(events_of_few_batches_are_bounded_too, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
