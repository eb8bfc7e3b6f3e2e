/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One delivery: body, headers, request, verdict, record. It stays in flight until its result is
 * durable, because a result that is only known here would be forgotten by a crash and the delivery
 * sent twice. While the store refuses, what was learnt waits and is recorded later; nothing is sent
 * again for it.
 */
#include "webhook/webhook_internal.h"

#include "base/err.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "codec/url.h"
#include "http/http_sender.h"
#include "webhook/webhook_message.h"

static void record(struct webhook_sending *sending);

static void record_again(struct loop_timer *timer)
{
    record(CONTAINER_OF(timer, struct webhook_sending, again));
}

static struct webhook_sending *sending_new(struct webhook_target *target,
                                           const struct store_delivery *delivery)
{
    struct webhook_sending *sending = mem_zalloc(sizeof(*sending));
    sending->target = target;
    sending->config = webhook_queue_hold(target->config);
    sending->step = delivery->step;
    sending->created_at = delivery->created_at;
    sending->is_first = delivery->attempts == 0;
    sending->is_by_hand = delivery->step == STORE_STEP_BY_HAND;
    sending->result.delivery_id = delivery->delivery_id;
    sending->result.endpoint_id = delivery->endpoint_id;
    sending->result.step = delivery->step;
    sending->result.attempt = (struct store_attempt){
        .delivery_id = delivery->delivery_id,
        .number = delivery->attempts + 1,
        .started_at = loop_wall(target->webhook->loop),
    };
    arena_init(&sending->texts);
    loop_timer_init(&sending->again, target->webhook->loop, record_again);
    list_append(&target->sendings, &sending->node);
    target->in_flight++;
    metrics_set(METRIC_WEBHOOK_IN_FLIGHT, ++target->webhook->in_flight);
    return sending;
}

static void sending_free(struct webhook_sending *sending)
{
    struct webhook_target *target = sending->target;
    list_remove(&sending->node);
    target->in_flight--;
    if (sending->result.disable_reason != NULL)
        target->disabling--;
    metrics_set(METRIC_WEBHOOK_IN_FLIGHT, --target->webhook->in_flight);
    loop_timer_cancel(&sending->again);
    webhook_queue_release(&sending->config);
    arena_fini(&sending->texts);
    mem_free(sending);
}

static void count_result(const struct webhook_sending *sending)
{
    static const enum metric finished[] = {
        [WEBHOOK_DELIVERED] = METRIC_WEBHOOK_DELIVERIES__DELIVERED,
        [WEBHOOK_DEAD] = METRIC_WEBHOOK_DELIVERIES__DEAD,
        [WEBHOOK_SUPERSEDED] = METRIC_WEBHOOK_DELIVERIES__SUPERSEDED,
    };
    enum webhook_verdict verdict = sending->result.verdict;
    if (verdict != WEBHOOK_RETRY)
        metrics_add(finished[verdict], 1);
    if (verdict == WEBHOOK_DELIVERED && !sending->is_by_hand) {
        int64_t age = loop_wall(sending->target->webhook->loop) - sending->created_at;
        metrics_observe(METRIC_WEBHOOK_SUCCESS_SECONDS, age > 0 ? age * 1000 : 0);
    }
}

static void wait_to_record(struct webhook_sending *sending)
{
    int64_t again_mono = webhook_ask_again(sending->target->webhook, sending->record_failures);
    sending->record_failures++;
    loop_timer_set(&sending->again, again_mono);
}

static void recorded(struct webhook_result *result, int error)
{
    struct webhook_sending *sending = CONTAINER_OF(result, struct webhook_sending, result);
    struct webhook_target *target = sending->target;
    bool is_lost = error == ERR_NOT_FOUND;
    target->webhook->records_fail = error < 0 && !is_lost;
    if (error < 0 && !is_lost && target->webhook->phase != WEBHOOK_HALTED) {
        wait_to_record(sending);
        return;
    }
    if (error == 0)
        count_result(sending);
    if (result->disable_reason != NULL)
        target->is_stale = true;
    sending_free(sending);
    webhook_queue_released(target, is_lost);
}

static void record(struct webhook_sending *sending)
{
    struct webhook *webhook = sending->target->webhook;
    fault_point("webhook_before_record");
    webhook->recorder->record(webhook->recorder_context, &sending->result, recorded);
}

/* Ends without a request; `words` are for the record, NULL leaves none. */
static void finish(struct webhook_sending *sending, enum webhook_verdict verdict, const char *words)
{
    sending->result.verdict = verdict;
    sending->result.has_attempt = words != NULL;
    sending->result.attempt.error = str_from(words);
    record(sending);
}

void webhook_send_expire(struct webhook_target *target, const struct store_delivery *delivery)
{
    finish(sending_new(target, delivery), WEBHOOK_DEAD,
           "not sent: it was held longer than the endpoint's max_age");
}

static void count_attempt(const struct webhook_sending *sending,
                          const struct http_sender_result *result, bool is_good)
{
    enum metric metric = METRIC_WEBHOOK_ATTEMPTS__NETWORK;
    if (result->outcome == HTTP_SENDER_ANSWERED)
        metric = is_good ? METRIC_WEBHOOK_ATTEMPTS__OK : METRIC_WEBHOOK_ATTEMPTS__REFUSED;
    else if (result->outcome == HTTP_SENDER_TIMEOUT)
        metric = METRIC_WEBHOOK_ATTEMPTS__TIMEOUT;
    else if (result->outcome == HTTP_SENDER_BLOCKED)
        metric = METRIC_WEBHOOK_ATTEMPTS__BLOCKED;
    metrics_add(metric, 1);
    int64_t wait = sending->result.attempt.started_at - sending->created_at;
    if (sending->is_first)
        metrics_observe(METRIC_WEBHOOK_FIRST_ATTEMPT_SECONDS, wait > 0 ? wait * 1000 : 0);
}

static void keep_attempt(struct webhook_sending *sending, const struct http_sender_result *result,
                         const struct webhook_decision *decision)
{
    struct store_attempt *attempt = &sending->result.attempt;
    struct str error = str_from(result->error);
    sending->result.has_attempt = true;
    attempt->duration_us = result->duration_us;
    attempt->status = result->status;
    attempt->error = arena_copy(&sending->texts, error.len > 0 ? error : str_from(decision->words));
    attempt->address = arena_copy(&sending->texts, str_from(result->address));
    attempt->headers = arena_copy(&sending->texts, result->headers);
    attempt->body = arena_copy(&sending->texts, result->body);
}

static void disable(struct webhook_sending *sending, const char *reason)
{
    struct webhook_target *target = sending->target;
    struct url url = {0};
    sending->result.disable_reason = reason;
    if (target->disabling++ > 0)
        return;
    (void)!url_parse(sending->config->endpoint.url, &url);
    log_warning("webhook endpoint disabled",
                LOG_INT("project_id", sending->config->endpoint.project_id),
                LOG_INT("endpoint_id", target->endpoint_id), LOG_STR("host", url.host),
                LOG_TEXT("reason", reason));
}

/* What was sent under settings of before says nothing of the endpoint of now. */
static void judge_endpoint(struct webhook_sending *sending, const struct webhook_decision *decision)
{
    struct webhook_target *target = sending->target;
    if (target->config != NULL && target->config != sending->config)
        return;
    if (decision->disable_reason != NULL)
        disable(sending, decision->disable_reason);
    webhook_queue_note(target, sending->config, decision->health);
}

static void take_answer(void *argument, const struct http_sender_result *result)
{
    struct webhook_sending *sending = argument;
    const struct webhook_endpoint *endpoint = &sending->config->endpoint;
    struct webhook_decision decision;
    struct webhook_answer answer = {.status = result->status};
    if (result->outcome == HTTP_SENDER_ANSWERED) {
        answer.retry_after = http_sender_header(result, "Retry-After");
        answer.control = http_sender_header(result, "webhook-delivery");
    }
    fault_point("webhook_after_send");
    sending->http = NULL;
    sending->target->requests--;
    webhook_policy_decide(endpoint, &answer, sending->step,
                          webhook_queue_wall(sending->target->webhook),
                          crypto_random_below(UINT32_MAX), &decision);
    count_attempt(sending, result, decision.verdict == WEBHOOK_DELIVERED);
    keep_attempt(sending, result, &decision);
    sending->result.verdict = decision.verdict;
    sending->result.step = decision.step;
    sending->result.next_at = decision.next_at;
    sending->result.gives_way = endpoint->mode == WEBHOOK_LATEST;
    judge_endpoint(sending, &decision);
    webhook_queue_ready(sending->target);
    record(sending);
}

static void send_request(struct webhook_sending *sending, struct str body)
{
    struct webhook_target *target = sending->target;
    struct webhook *webhook = target->webhook;
    const struct webhook_endpoint *endpoint = &sending->config->endpoint;
    struct webhook_headers headers;
    char id[WEBHOOK_ID_SIZE];
    int64_t now_wall = loop_wall(webhook->loop);
    bool has_previous = now_wall < endpoint->previous_until;
    char *url = mem_strndup(endpoint->url.ptr, endpoint->url.len);
    webhook_message_id(store_identity(webhook->store)->epoch, sending->result.delivery_id, id);
    webhook_message_headers(endpoint->preset, endpoint->secret,
                            has_previous ? endpoint->previous_secrets : STR_LIT(""), id, body,
                            now_wall, &headers);
    struct http_sender_request request = {
        .url = url,
        .headers = headers.list,
        .body = body,
        .timeout = endpoint->timeout,
        .allowed = sending->config->networks,
        .allowed_count = sending->config->network_count,
        .ca = endpoint->ca,
        .client_cert = endpoint->client_cert,
        .client_key = endpoint->client_key,
    };
    webhook_breaker_take(&target->breaker, endpoint);
    target->requests++;
    sending->http = http_sender_send(webhook->sender, &request, take_answer, sending);
    mem_free(url);
    if (sending->http == NULL) {
        struct http_sender_result refused = {
            .outcome = HTTP_SENDER_CONNECT,
            .error = "the request could not be made",
        };
        take_answer(sending, &refused);
    }
}

static void begin(struct webhook_sending *sending, const struct store_delivery_payload *payload)
{
    const struct webhook_endpoint *endpoint = &sending->config->endpoint;
    bool has_newer = payload->delivery.order_id != 0 && payload->newest_seq > payload->delivery.seq;
    struct buf body;
    if (endpoint->mode == WEBHOOK_LATEST && has_newer) {
        finish(sending, WEBHOOK_SUPERSEDED, NULL);
        return;
    }
    buf_init(&body, LIMIT_WEBHOOK_BODY);
    int rc = webhook_message_body(endpoint->preset, payload, &body);
    if (rc == 0)
        send_request(sending, buf_view(&body));
    else if (rc == ERR_TOO_LARGE)
        finish(sending, WEBHOOK_DEAD, "not sent: the body is larger than 80 KiB");
    else
        finish(sending, WEBHOOK_DEAD, "not sent: the preset has no webhook for this status");
    buf_fini(&body);
}

int webhook_send_start(struct webhook_target *target, int64_t delivery_id)
{
    struct store_delivery_payload payload;
    int rc = store_delivery_payload(target->webhook->reader, delivery_id, &payload);
    /* What was found a while ago may have ended meanwhile. */
    if (rc == 0 && payload.delivery.state == STORE_DELIVERY_WAITING)
        begin(sending_new(target, &payload.delivery), &payload);
    return rc == ERR_NOT_FOUND ? ERR_CORRUPT : rc;
}

void webhook_send_abandon(struct webhook_target *target, bool all)
{
    LIST_EACH (&target->sendings, node) {
        struct webhook_sending *sending = LIST_ENTRY(node, struct webhook_sending, node);
        bool is_recording = sending->http == NULL && !loop_timer_is_set(&sending->again);
        if (is_recording && !all)
            continue;
        target->requests -= sending->http != NULL;
        http_sender_cancel(&sending->http);
        sending_free(sending);
    }
}
