/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The next step is made when all channels have shown the one before: nothing rests on sleeping long
 * enough. A channel that fails or is late does not stop the others.
 */
#include "cli/demo_walk.h"

#include "base/clock.h"
#include "cli/demo_receiver.h"
#include "client/tracker.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define STEP_DEADLINE_MS 10000
#define WALK_LIMIT_MS 40000
#define POLL_INTERVAL_MS 100
#define TICK_MS 5
#define CELL_SIZE 24
#define CELL_WIDTH 12
#define POLL_TITLE "Get order (poll 0.1 s)"

/* The places of the channels: those with a tracker come first. */
enum { WEBSOCKET, GET_ORDER, WEBHOOK, CHANNELS };
#define TRACKERS WEBHOOK

static const char *const statuses[] = {"new", "paid", "done"};
#define STEPS ARRAY_LENGTH(statuses)

struct channel {
    const char *title;
    const char *heading; /* of the column */
    struct tracker_options options;
    pthread_t thread;
    bool started;
    pthread_mutex_t mutex; /* over all below */
    size_t count;
    char shown[STEPS][12];
    int64_t shown_us[STEPS];
    int64_t order_id; /* webhooks: of the first; another's are not this order's */
    bool ended;
    char error[TRACKER_ERROR_SIZE]; /* once ended; "" when it ended well */
};

struct walk {
    struct demo *demo;
    int32_t order_id;
    struct channel channels[CHANNELS];
    bool late[CHANNELS];
};

bool demo_pause(struct demo *demo, int64_t ms)
{
    struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    if (!demo->interrupted && sigtimedwait(&demo->signals, NULL, &time) > 0)
        demo->interrupted = true;
    return !demo->interrupted;
}

static void note(struct channel *channel, struct str status)
{
    if (channel->count == STEPS)
        return;
    channel->shown_us[channel->count] = clock_mono_us();
    snprintf(channel->shown[channel->count], sizeof(channel->shown[0]), "%.*s", STR_ARG(status));
    channel->count++;
}

static void note_status(void *argument, const char *status, const char *source)
{
    struct channel *channel = argument;
    (void)source;
    pthread_mutex_lock(&channel->mutex);
    note(channel, str_from(status));
    pthread_mutex_unlock(&channel->mutex);
}

/* The first comes perhaps before the answer that tells the order's id. */
static void note_webhook(void *argument, int64_t order_id, struct str status)
{
    struct channel *channel = argument;
    pthread_mutex_lock(&channel->mutex);
    if (channel->order_id == 0)
        channel->order_id = order_id;
    if (channel->order_id == order_id)
        note(channel, status);
    pthread_mutex_unlock(&channel->mutex);
}

static void *follow(void *argument)
{
    static const struct tracker_handlers handlers = {.status = note_status};
    struct channel *channel = argument;
    char error[TRACKER_ERROR_SIZE];
    enum tracker_result result = tracker_run(&channel->options, &handlers, channel, error);
    pthread_mutex_lock(&channel->mutex);
    channel->ended = true;
    if (result == TRACKER_FAILED)
        snprintf(channel->error, sizeof(channel->error), "%s", error);
    pthread_mutex_unlock(&channel->mutex);
    return NULL;
}

static int start_trackers(struct walk *walk)
{
    struct demo *demo = walk->demo;
    for (size_t i = 0; i < TRACKERS; i++) {
        struct channel *channel = &walk->channels[i];
        channel->options.server_url = demo->client.server;
        channel->options.trust = &demo->client.trust;
        channel->options.project_id = demo->orders.project_id;
        channel->options.order_id = walk->order_id;
        channel->options.token = demo->token;
        channel->options.user_external_id = demo->orders.user;
        channel->options.poll_interval = POLL_INTERVAL_MS;
        channel->options.time_limit = WALK_LIMIT_MS;
        if (pthread_create(&channel->thread, NULL, follow, channel) != 0)
            return cli_fail("a thread cannot be started");
        channel->started = true;
    }
    return CLI_OK;
}

static bool has_shown(struct channel *channel, size_t step)
{
    pthread_mutex_lock(&channel->mutex);
    bool result = channel->count > step;
    pthread_mutex_unlock(&channel->mutex);
    return result;
}

static bool has_ended(struct channel *channel)
{
    pthread_mutex_lock(&channel->mutex);
    bool result = channel->ended;
    pthread_mutex_unlock(&channel->mutex);
    return result;
}

/* Until each channel that is alive has shown the step, or the deadline. */
static void wait_for_channels(struct walk *walk, size_t step)
{
    int64_t deadline = clock_mono_ms() + STEP_DEADLINE_MS;
    for (size_t i = 0; i < CHANNELS; i++) {
        struct channel *channel = &walk->channels[i];
        while (!walk->late[i] && !has_shown(channel, step) && !has_ended(channel)) {
            if (clock_mono_ms() >= deadline)
                walk->late[i] = true;
            if (!demo_pause(walk->demo, TICK_MS))
                return;
        }
    }
}

static int width_of(const struct channel *channel)
{
    int width = (int)strlen(channel->heading);
    return width > CELL_WIDTH ? width : CELL_WIDTH;
}

static void print_step(struct walk *walk, size_t step, int64_t posted_us, int64_t posted_wall)
{
    char time[CLOCK_TEXT_SIZE];
    clock_format(posted_wall, time);
    printf("  %-8s  %-12.12s", statuses[step], time + 11);
    for (size_t i = 0; i < CHANNELS; i++) {
        struct channel *channel = &walk->channels[i];
        char cell[CELL_SIZE] = "not shown";
        pthread_mutex_lock(&channel->mutex);
        if (channel->count > step)
            snprintf(cell, sizeof(cell), "+%.1f ms",
                     (double)(channel->shown_us[step] - posted_us) / 1000.0);
        pthread_mutex_unlock(&channel->mutex);
        printf("  %*s", width_of(channel), cell);
    }
    printf("\n");
}

static int make_step(struct walk *walk, size_t step)
{
    int64_t posted_us = clock_mono_us();
    int64_t posted_wall = clock_wall_ms();
    int result = step == 0 ? cli_order_create(&walk->demo->orders, 0, &walk->order_id)
                           : cli_order_set(&walk->demo->orders, walk->order_id, statuses[step]);
    if (result == CLI_OK && step == 0)
        result = start_trackers(walk);
    if (result != CLI_OK)
        return result;
    wait_for_channels(walk, step);
    if (walk->demo->interrupted)
        return cli_fail("interrupted");
    print_step(walk, step, posted_us, posted_wall);
    return CLI_OK;
}

static int make_steps(struct walk *walk, int64_t pace)
{
    printf("  %-8s  %-12s", "status", "posted (UTC)");
    for (size_t i = 0; i < CHANNELS; i++)
        printf("  %*s", width_of(&walk->channels[i]), walk->channels[i].heading);
    printf("\n");
    for (size_t step = 0; step < STEPS; step++) {
        if (step > 0 && pace > 0 && !demo_pause(walk->demo, pace))
            return cli_fail("interrupted");
        int result = make_step(walk, step);
        if (result != CLI_OK)
            return result;
    }
    return CLI_OK;
}

/* The channels of an order that will not be done wait for its end: cancelling is one. */
static void end_channels(struct walk *walk, bool done)
{
    if (!done && walk->channels[0].started &&
        cli_order_set(&walk->demo->orders, walk->order_id, "canceled") != 0)
        printf("  Waiting for the channels to end.\n");
    demo_receiver_watch(walk->demo->receiver, NULL, NULL);
    for (size_t i = 0; i < CHANNELS; i++) {
        if (walk->channels[i].started)
            pthread_join(walk->channels[i].thread, NULL);
        pthread_mutex_destroy(&walk->channels[i].mutex);
    }
}

/* After the threads have ended. */
static int judge(const struct walk *walk)
{
    int result = CLI_OK;
    int64_t told = walk->channels[WEBHOOK].order_id;
    if (told != 0 && told != walk->order_id)
        result = cli_fail("the webhooks were about another order");
    for (size_t i = 0; i < CHANNELS; i++) {
        const struct channel *channel = &walk->channels[i];
        for (size_t step = 0; step < STEPS; step++) {
            if (step < channel->count && strcmp(channel->shown[step], statuses[step]) == 0 &&
                !walk->late[i])
                continue;
            result = cli_fail("%s did not show %s%s%s", channel->title, statuses[step],
                              channel->error[0] != '\0' ? ": " : " in time", channel->error);
            break;
        }
    }
    return result;
}

int demo_walk(struct demo *demo, int64_t pace)
{
    struct walk walk = {
        .demo = demo,
        .channels = {[WEBSOCKET] = {.title = "WebSocket",
                                    .heading = "WebSocket",
                                    .options.transport = TRACKER_WEBSOCKET},
                     [GET_ORDER] = {.title = "Get order",
                                    .heading = POLL_TITLE,
                                    .options.transport = TRACKER_POLL},
                     [WEBHOOK] = {.title = "Webhook", .heading = "Webhook"}},
    };
    for (size_t i = 0; i < CHANNELS; i++)
        pthread_mutex_init(&walk.channels[i].mutex, NULL);
    demo_receiver_watch(demo->receiver, note_webhook, &walk.channels[WEBHOOK]);
    int result = make_steps(&walk, pace);
    end_channels(&walk, result == CLI_OK);
    return result == CLI_OK ? judge(&walk) : result;
}
