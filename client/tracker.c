/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tracker's memory: which status it told last. Publications, history and polling overlap and
 * come in any order, so only a status above the last one is news.
 */
#include "client/tracker.h"

#include "base/clock.h"
#include "base/limits.h"
#include "client/tracker_internal.h"
#include "codec/url.h"
#include "order/order.h"

#include <stdarg.h>
#include <stdio.h>

enum { POLL_INTERVAL_MS = 3000, ANSWER_TIMEOUT_MS = 5000 };

enum tracker_progress tracker_tell(struct tracker *tracker, struct str word, const char *source)
{
    enum order_status status;
    if (!order_status_parse(word, &status) || (int)status <= tracker->rank)
        return TRACKER_GOES_ON;
    tracker->rank = (int)status;
    tracker->handlers->status(tracker->argument, order_status_word(status), source);
    return order_status_is_final(status) ? TRACKER_ENDED : TRACKER_GOES_ON;
}

enum tracker_progress tracker_tell_publication(struct tracker *tracker, const struct json *data)
{
    int64_t order_id;
    struct str status;
    if (!json_as_int(json_get(data, "order_id"), &order_id) ||
        order_id != tracker->options.order_id || !json_as_string(json_get(data, "status"), &status))
        return TRACKER_GOES_ON;
    return tracker_tell(tracker, status, "websocket");
}

enum tracker_progress tracker_trouble(struct tracker *tracker, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(tracker->error, TRACKER_ERROR_SIZE, format, arguments);
    va_end(arguments);
    return TRACKER_TROUBLE;
}

int64_t tracker_patience(const struct tracker *tracker, int64_t wanted)
{
    int64_t left = tracker->deadline_mono - clock_mono_ms();
    return left < 0 ? 0 : left < wanted ? left : wanted;
}

enum tracker_progress tracker_out_of_time(struct tracker *tracker)
{
    const char *last =
        tracker->rank < 0 ? "unknown" : order_status_word((enum order_status)tracker->rank);
    tracker_trouble(tracker, "the time limit of %lld ms is over; the last status is %s",
                    (long long)tracker->options.time_limit, last);
    return TRACKER_REFUSED;
}

static enum tracker_progress follow(struct tracker *tracker)
{
    if (tracker->options.transport != TRACKER_POLL) {
        enum tracker_progress progress = tracker_follow_websocket(tracker);
        if (progress != TRACKER_TROUBLE || tracker->options.transport == TRACKER_WEBSOCKET)
            return progress;
        if (tracker->handlers->fallback != NULL)
            tracker->handlers->fallback(tracker->argument, tracker->error);
    }
    return tracker_follow_polling(tracker);
}

/* What would break a request's lines or a command's JSON. */
static bool may_be_sent(const char *text)
{
    struct str view = str_from(text);
    return view.len <= LIMIT_TOKEN && !str_has_control(view) && str_is_utf8(view);
}

static bool options_are_good(const struct tracker_options *options)
{
    struct url url;
    return may_be_sent(options->server_url) &&
           url_parse(str_from(options->server_url), &url) == 0 && may_be_sent(options->token) &&
           may_be_sent(options->user_external_id);
}

static void fill_in(struct tracker *tracker)
{
    struct tracker_options *options = &tracker->options;
    tracker->base = str_from(options->server_url);
    while (tracker->base.len > 0 && tracker->base.ptr[tracker->base.len - 1] == '/')
        tracker->base.len--;
    if (options->poll_interval <= 0)
        options->poll_interval = POLL_INTERVAL_MS;
    if (options->answer_timeout <= 0)
        options->answer_timeout = ANSWER_TIMEOUT_MS;
    tracker->deadline_mono =
        options->time_limit > 0 ? clock_mono_ms() + options->time_limit : INT64_MAX;
}

enum tracker_result tracker_run(const struct tracker_options *options,
                                const struct tracker_handlers *handlers, void *argument,
                                char error[TRACKER_ERROR_SIZE])
{
    struct tracker tracker = {
        .options = *options,
        .handlers = handlers,
        .argument = argument,
        .rank = -1,
        .error = error,
    };
    error[0] = '\0';
    if (!options_are_good(options)) {
        tracker_trouble(&tracker, "the server's address, the token or the user's id is malformed");
        return TRACKER_FAILED;
    }
    fill_in(&tracker);
    if (follow(&tracker) != TRACKER_ENDED)
        return TRACKER_FAILED;
    error[0] = '\0';
    return tracker.rank == (int)ORDER_DONE ? TRACKER_DONE : TRACKER_CANCELED;
}
