/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Orders created and changed, on the store thread. Each input goes through order_apply against what
 * the transaction sees, so two lines for one order in one batch, or two requests in one group,
 * apply one after another.
 */
#include "service/order_write.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "codec/payment_token.h"
#include "hub/hub.h"
#include "service/delivery.h"
#include "service/order_answers.h"
#include "service/service.h"
#include "store/store.h"

#include <string.h>

/* What the applying of one input works with. */
struct step {
    const struct order_write *write;
    struct writer_transaction *transaction;
    const struct order_input *input;
    struct order_answer *answer;
    bool exists;
    bool keeps_content;
    struct store_order order; /* as it stands, then as it will be */
    struct buf texts; /* what its texts point to; the store's are gone after the next call */
};

struct order_write *order_write_new(struct service *service, int32_t project_id, size_t count)
{
    struct order_write *write = mem_zalloc(sizeof(*write));
    write->service = service;
    write->project_id = project_id;
    write->count = count;
    write->inputs = mem_zalloc((count + 1) * sizeof(struct order_input));
    write->answers = mem_zalloc((count + 1) * sizeof(struct order_answer));
    for (size_t i = 0; i < count; i++)
        write->inputs[i].expected_seq = -1;
    return write;
}

void order_write_free(struct order_write **write)
{
    if (*write == NULL)
        return;
    mem_free((*write)->inputs);
    mem_free((*write)->answers);
    mem_free(*write);
    *write = NULL;
}

/* Room for the four texts of the order, whose views must not move any more. */
static void keep_texts(struct step *step)
{
    struct store_order *order = &step->order;
    struct str *texts[] = {&order->user_external_id, &order->content, &order->custom_parameters,
                           &order->cancel_reason};
    size_t total = 0;
    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++)
        total += texts[i]->len;
    buf_init(&step->texts, total + 1);
    char *room = buf_reserve(&step->texts, total + 1);
    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++) {
        if (texts[i]->len > 0)
            memcpy(room, texts[i]->ptr, texts[i]->len);
        texts[i]->ptr = room;
        room += texts[i]->len;
    }
}

static int find_order(struct step *step)
{
    const struct order_input *input = step->input;
    if (input->order_id == 0)
        return 0;
    int rc = store_order_get(step->transaction->connection, step->write->project_id,
                             input->order_id, &step->order);
    if (rc == ERR_NOT_FOUND) {
        step->order = (struct store_order){0};
        return 0;
    }
    if (rc == 0) {
        step->exists = true;
        keep_texts(step);
    }
    return rc;
}

/* What forbids the input before the rules are asked. */
static enum api_error check(const struct step *step)
{
    const struct order_input *input = step->input;
    const struct store_order *order = &step->order;
    if (!step->exists && input->mode == ORDER_WRITE_PATCH)
        return API_ERROR_ORDER_NOT_FOUND;
    if (!step->exists && input->user_external_id.len == 0)
        return API_ERROR_INVALID_FIELD;
    if (step->exists && input->user_external_id.len > 0 &&
        !str_equal(input->user_external_id, order->user_external_id))
        return API_ERROR_ORDER_OTHER_USER;
    if (input->expected_seq >= 0 && input->expected_seq != order->seq)
        return API_ERROR_PRECONDITION_FAILED;
    /* A status always finds room: there are no more of them than rows in order/status.def. */
    if (!input->has_status && order->seq >= LIMIT_ORDER_EVENTS)
        return API_ERROR_ORDER_EVENTS_USED_UP;
    return API_ERROR_NONE;
}

static bool replaces(struct str given, struct str stored)
{
    return given.len > 0 && !str_equal(given, stored);
}

static struct order_effects judge(const struct step *step)
{
    const struct order_input *input = step->input;
    const struct store_order *order = &step->order;
    struct order_state now = {
        .exists = step->exists,
        .status = order->status,
        .seq = order->seq,
        .is_free = order->is_free,
    };
    struct order_update update = {
        .has_status = input->has_status,
        .status = input->status,
        .changes_content = replaces(input->content, order->content) ||
                           replaces(input->custom_parameters, order->custom_parameters) ||
                           replaces(input->cancel_reason, order->cancel_reason),
        .is_free = input->content.len > 0 ? input->content_is_free : order->is_free,
        .strict = step->write->strict,
    };
    return order_apply(&now, &update);
}

static void take_given(struct str *text, struct str given)
{
    if (given.len > 0)
        *text = given;
}

static void change_order(struct step *step, const struct order_effects *effects)
{
    const struct order_input *input = step->input;
    struct store_order *order = &step->order;
    order->project_id = step->write->project_id;
    order->status = effects->after.status;
    order->seq = effects->after.seq;
    order->is_free = effects->after.is_free;
    order->updated_at = step->transaction->now_wall;
    step->keeps_content = !replaces(input->content, order->content) &&
                          !replaces(input->custom_parameters, order->custom_parameters);
    take_given(&order->user_external_id, input->user_external_id);
    take_given(&order->content, input->content);
    take_given(&order->custom_parameters, input->custom_parameters);
    take_given(&order->cancel_reason, input->cancel_reason);
}

static int find_user(struct step *step, struct store_user *user)
{
    struct store_connection *connection = step->transaction->connection;
    int32_t project_id = step->write->project_id;
    if (step->exists) {
        *user = (struct store_user){step->order.user_id, step->order.user_top};
        return 0;
    }
    int rc = store_user_get(connection, project_id, step->order.user_external_id, user);
    if (rc == ERR_NOT_FOUND)
        rc = store_user_add(connection, project_id, step->order.user_external_id, user);
    return rc;
}

static int put_order(struct step *step, const struct order_effects *effects)
{
    struct store_connection *connection = step->transaction->connection;
    struct store_order *order = &step->order;
    if (!effects->created)
        return step->keeps_content ? store_order_advance(connection, order)
                                   : store_order_update(connection, order);
    order->created_at = step->transaction->now_wall;
    order->order_id = step->answer->order_id;
    return store_order_insert(connection, order);
}

static void publish(const struct step *step, const struct store_event *event)
{
    struct hub_event news = {
        .project_id = step->order.project_id,
        .user_external_id = step->order.user_external_id,
        .order_id = step->order.order_id,
        .status = event->status,
        .seq = event->seq,
        .offset = event->offset,
    };
    writer_publish(step->transaction, &news);
}

static int append_events(struct step *step, const struct order_effects *effects, int32_t top)
{
    int rc = 0;
    for (size_t i = 0; i < effects->event_count && rc == 0; i++) {
        const struct order_event *source = &effects->events[i];
        struct store_event event = {
            .seq = source->seq,
            .status = source->status,
            .previous = source->previous,
            .synthetic = source->synthetic,
            .offset = source->is_publication ? ++top : 0,
            .occurred_at = step->transaction->now_wall,
        };
        rc = store_event_append(step->transaction->connection, &step->order, &event);
        if (rc == 0 && source->is_publication)
            rc = delivery_add(step->transaction, &step->order, &event);
        if (rc == 0)
            publish(step, &event);
    }
    return rc;
}

/* Offsets are 32 bits wide at the clients too. */
static bool is_full(const struct store_user *user, const struct order_effects *effects)
{
    return user->top > INT32_MAX - (int32_t)effects->event_count;
}

static int store_effects(struct step *step, const struct order_effects *effects)
{
    struct store_user user;
    change_order(step, effects);
    int rc = find_user(step, &user);
    if (rc < 0)
        return rc;
    if (is_full(&user, effects)) {
        *step->answer = (struct order_answer){.error = API_ERROR_STREAM_USED_UP,
                                              .order_id = step->input->order_id};
        return 0;
    }
    step->order.user_id = user.user_id;
    rc = put_order(step, effects);
    return rc < 0 ? rc : append_events(step, effects, user.top);
}

static int assign_id(struct step *step)
{
    struct order_answer *answer = step->answer;
    if (answer->order_id != 0)
        return 0;
    return store_order_next_id(step->transaction->connection, step->write->project_id,
                               &answer->order_id);
}

static void describe(struct order_answer *answer, const struct order_effects *effects)
{
    answer->verdict = effects->verdict;
    answer->status = effects->after.status;
    answer->seq = effects->after.seq;
    answer->created = effects->created;
    if (effects->verdict == ORDER_CONFLICT)
        answer->error = API_ERROR_ORDER_CONFLICT;
    if (effects->verdict == ORDER_SKIPPED)
        answer->error = API_ERROR_ORDER_SKIPPED;
}

static int64_t token_end(const struct step *step)
{
    int64_t end = step->transaction->now_wall + step->write->service->options->payment_token_ttl;
    return end - end % CLOCK_SECOND;
}

static int apply_rules(struct step *step)
{
    struct order_answer *answer = step->answer;
    struct order_effects effects = judge(step);
    describe(answer, &effects);
    if (effects.verdict != ORDER_APPLIED)
        return 0;
    int rc = assign_id(step);
    if (rc == ERR_NOT_FOUND) {
        *answer = (struct order_answer){.error = API_ERROR_ORDER_IDS_USED_UP};
        return 0;
    }
    if (rc < 0)
        return rc;
    if (effects.created)
        answer->token_expires_at = token_end(step);
    return store_effects(step, &effects);
}

static int apply_input(struct step *step)
{
    const struct order_input *input = step->input;
    *step->answer = (struct order_answer){.error = input->error, .order_id = input->order_id};
    if (input->error != API_ERROR_NONE)
        return 0;
    int rc = find_order(step);
    if (rc < 0)
        return rc;
    step->answer->status = step->order.status;
    step->answer->seq = step->order.seq;
    step->answer->error = check(step);
    if (step->answer->error == API_ERROR_NONE)
        rc = apply_rules(step);
    buf_fini(&step->texts);
    return rc;
}

static int apply_all(struct order_write *write, struct writer_transaction *transaction)
{
    int rc = 0;
    for (size_t i = 0; i < write->count && rc == 0; i++) {
        struct step step = {
            .write = write,
            .transaction = transaction,
            .input = &write->inputs[i],
            .answer = &write->answers[i],
        };
        rc = apply_input(&step);
    }
    return rc;
}

/* ERR_NOT_FOUND: there is no answer yet. 0: the request is answered. */
static int replay(struct order_write *write, const struct writer_transaction *transaction)
{
    struct str answer;
    int rc = idempotency_find(transaction, write->project_id, &write->idempotency, &answer);
    if (rc == 0 && order_answers_decode(answer, write->answers, write->count))
        write->replayed = true;
    else if (rc == 0 || rc == ERR_EXISTS)
        write->error = API_ERROR_IDEMPOTENCY_OTHER;
    return rc == ERR_EXISTS ? 0 : rc;
}

static int keep_answers(const struct order_write *write,
                        const struct writer_transaction *transaction)
{
    struct buf text;
    buf_init(&text, order_answers_size(write->count));
    order_answers_encode(write->answers, write->count, &text);
    int rc = idempotency_keep(transaction, write->project_id, &write->idempotency, buf_view(&text),
                              write->service->options->idempotency_ttl);
    buf_fini(&text);
    return rc;
}

/*
 * Refusals alone are not kept: they have changed nothing, and the next time may find what they
 * missed, an order that was not there yet or another If-Match.
 */
static bool is_all_refused(const struct order_write *write)
{
    size_t refused = 0;
    while (refused < write->count && write->answers[refused].error != API_ERROR_NONE)
        refused++;
    return refused == write->count;
}

static int run(struct writer_job *job, struct writer_transaction *transaction)
{
    struct order_write *write = CONTAINER_OF(job, struct order_write, job);
    write->error = API_ERROR_NONE;
    write->replayed = false;
    int rc = replay(write, transaction);
    if (rc != ERR_NOT_FOUND)
        return rc;
    rc = apply_all(write, transaction);
    return rc == 0 && !is_all_refused(write) ? keep_answers(write, transaction) : rc;
}

static enum metric metric_of(const struct order_answer *answer)
{
    static const enum metric metrics[] = {
        [ORDER_APPLIED] = METRIC_UPDATES__APPLIED,  [ORDER_DUPLICATE] = METRIC_UPDATES__DUPLICATE,
        [ORDER_STALE] = METRIC_UPDATES__STALE,      [ORDER_CONFLICT] = METRIC_UPDATES__CONFLICT,
        [ORDER_SKIPPED] = METRIC_UPDATES__CONFLICT,
    };
    /* Refused by the rules, or before they were asked. */
    if (answer->error != API_ERROR_NONE && answer->verdict == ORDER_APPLIED)
        return METRIC_UPDATES__REFUSED;
    return metrics[answer->verdict];
}

static void done(struct writer_job *job)
{
    struct order_write *write = CONTAINER_OF(job, struct order_write, job);
    int64_t waited = loop_now(job->loop) - write->submitted_mono;
    if (job->result < 0)
        write->error = API_ERROR_STORE_UNAVAILABLE;
    if (write->error == API_ERROR_NONE && !write->replayed) {
        for (size_t i = 0; i < write->count; i++)
            metrics_add(metric_of(&write->answers[i]), 1);
    }
    metrics_observe(METRIC_UPDATE_SECONDS, waited * 1000);
    write->done(write);
}

int order_write_submit(struct order_write *write)
{
    struct writer_job *job = &write->job;
    size_t lines = write->count * (sizeof(struct order_input) + sizeof(struct order_answer));
    job->loop = write->service->loop;
    job->bytes += sizeof(*write) + lines;
    job->run = run;
    job->done = done;
    write->submitted_mono = loop_now(job->loop);
    return writer_submit(write->service->writer, job);
}

void order_write_token(const struct order_write *write, const struct order_answer *answer,
                       struct buf *out)
{
    if (answer->token_expires_at == 0)
        return;
    struct payment_token token = {
        .project_id = write->project_id,
        .order_id = answer->order_id,
        .expires_at = answer->token_expires_at,
    };
    payment_token_encode(&token, store_identity(write->service->store)->token_key, out);
}
