/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asks for the order again and again. An entity tag keeps the answers short while nothing changes.
 * What the server refuses with a reason will not get better by asking; everything else may.
 */
#include "base/clock.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/mem.h"
#include "client/tracker_internal.h"
#include "http/http_client.h"

#include <poll.h>
#include <stdio.h>

struct question {
    char *url;
    char *authorization;
    char if_none_match[120]; /* "" before the first answer */
};

static struct question make_question(const struct tracker *tracker)
{
    struct question question = {0};
    struct buf text;
    buf_init(&text, LIMIT_HTTP_URL);
    buf_append_str(&text, tracker->base);
    buf_printf(&text, "/api/v2/project/%d/order/%d", tracker->options.project_id,
               tracker->options.order_id);
    question.url = buf_detach_text(&text);
    buf_append_text(&text, "Authorization: Bearer ");
    buf_append_text(&text, tracker->options.token);
    question.authorization = buf_detach_text(&text);
    return question;
}

static enum tracker_progress take_body(struct tracker *tracker, struct str body)
{
    struct str status = STR_LIT("");
    struct json *order = json_parse(body, NULL);
    enum tracker_progress progress = TRACKER_GOES_ON;
    if (json_as_string(json_get(order, "status"), &status))
        progress = tracker_tell(tracker, status, "poll");
    json_free(&order);
    return progress;
}

static enum tracker_progress take_refusal(struct tracker *tracker, int http_status, struct str body)
{
    struct str words;
    struct json *answer = json_parse(body, NULL);
    if (json_as_string(json_get(answer, "errorMessage"), &words) && !str_has_control(words))
        tracker_trouble(tracker, "%.*s", (int)(words.len < 200 ? words.len : 200), words.ptr);
    else
        tracker_trouble(tracker, "the server answered with HTTP status %d", http_status);
    json_free(&answer);
    return TRACKER_REFUSED;
}

static void note_answer(struct tracker *tracker, bool is_answer, const char *problem)
{
    if (!is_answer && !tracker->is_unanswered && tracker->handlers->unanswered != NULL)
        tracker->handlers->unanswered(tracker->argument, problem);
    tracker->is_unanswered = !is_answer;
}

static bool is_refusal(int http_status)
{
    return http_status >= 400 && http_status < 500 && http_status != 408 && http_status != 429;
}

static enum tracker_progress ask(struct tracker *tracker, struct question *question)
{
    char problem[HTTP_CLIENT_ERROR_SIZE];
    struct http_client_response response;
    const char *headers[] = {question->authorization,
                             question->if_none_match[0] != '\0' ? question->if_none_match : NULL,
                             NULL};
    int64_t patience = tracker_patience(tracker, tracker->options.answer_timeout);
    const struct http_client_request request = {
        .method = "GET",
        .url = question->url,
        .headers = headers,
        .unix_socket = tracker->options.unix_socket,
        .timeout = patience > 0 ? patience : 1, /* 0 would be no limit at all */
        .trust = tracker->options.trust,
    };
    int error = http_client_call(&request, &response, problem);
    if (error == ERR_DENIED) {
        tracker_trouble(tracker, "%.250s", problem);
        return TRACKER_REFUSED;
    }
    int status = error == 0 ? response.status : 0;
    if (status != 0)
        snprintf(problem, sizeof(problem), "the server answered with HTTP status %d", status);
    note_answer(tracker, status == 200 || status == 304 || is_refusal(status), problem);
    if (error != 0)
        return TRACKER_GOES_ON;
    enum tracker_progress progress = TRACKER_GOES_ON;
    if (response.status == 200) {
        progress = take_body(tracker, buf_view(&response.body));
        if (response.etag[0] != '\0')
            snprintf(question->if_none_match, sizeof(question->if_none_match), "If-None-Match: %s",
                     response.etag);
    } else if (is_refusal(response.status)) {
        progress = take_refusal(tracker, response.status, buf_view(&response.body));
    }
    buf_fini(&response.body);
    return progress;
}

enum tracker_progress tracker_follow_polling(struct tracker *tracker)
{
    struct question question = make_question(tracker);
    enum tracker_progress progress = TRACKER_GOES_ON;
    while (progress == TRACKER_GOES_ON) {
        if (tracker_patience(tracker, 1) > 0)
            progress = ask(tracker, &question);
        else
            progress = tracker_out_of_time(tracker);
        if (progress == TRACKER_GOES_ON)
            poll(NULL, 0, (int)tracker_patience(tracker, tracker->options.poll_interval));
    }
    mem_free(question.url);
    mem_wipe(question.authorization, str_from(question.authorization).len);
    mem_free(question.authorization);
    return progress;
}
