/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What became of deliveries, as jobs of the store thread: one job a result, so that results share
 * commits with each other and with orders. A result that cannot be submitted comes back at once and
 * the webhook thread brings it again; a row that has gone meanwhile is no failure of the store.
 */
#include "base/err.h"
#include "base/limits.h"
#include "base/mem.h"
#include "service/delivery.h"
#include "service/writer.h"
#include "webhook/webhook.h"
#include "webhook/webhook_message.h"

#include <pthread.h>

enum { REPLAY_ROWS = 100 };

struct delivery_recorder {
    struct webhook *webhook;
    pthread_mutex_t lock;
    struct writer *writer; /* NULL once closed */
};

struct record {
    struct writer_job job;
    struct webhook_result *result;
    void (*recorded)(struct webhook_result *result, int error);
};

struct replay {
    struct writer_job job;
    int64_t replay_id;
    void (*stepped)(void *argument, int error);
    void *argument;
};

struct delivery_recorder *delivery_recorder_new(struct writer *writer, struct webhook *webhook)
{
    struct delivery_recorder *recorder = mem_zalloc(sizeof(*recorder));
    recorder->writer = writer;
    recorder->webhook = webhook;
    pthread_mutex_init(&recorder->lock, NULL);
    return recorder;
}

void delivery_recorder_close(struct delivery_recorder *recorder)
{
    pthread_mutex_lock(&recorder->lock);
    recorder->writer = NULL;
    pthread_mutex_unlock(&recorder->lock);
}

void delivery_recorder_free(struct delivery_recorder **owner)
{
    if (*owner == NULL)
        return;
    pthread_mutex_destroy(&(*owner)->lock);
    mem_free(*owner);
    *owner = NULL;
}

static void send_back(struct loop_message *message)
{
    struct writer_job *job = CONTAINER_OF(message, struct writer_job, message);
    job->done(job);
}

static void submit(struct delivery_recorder *recorder, struct writer_job *job)
{
    int rc = ERR_CLOSED;
    job->loop = webhook_loop(recorder->webhook);
    pthread_mutex_lock(&recorder->lock);
    if (recorder->writer != NULL)
        rc = writer_submit(recorder->writer, job);
    pthread_mutex_unlock(&recorder->lock);
    if (rc == 0)
        return;
    job->result = rc;
    job->message.run = send_back;
    loop_post_always(job->loop, &job->message);
}

/* The endpoints that hear of a disabled one. */
struct audience {
    size_t count;
    int64_t endpoints[LIMIT_WEBHOOK_ENDPOINTS];
};

static void add_listener(void *argument, const struct store_endpoint *stored)
{
    struct audience *audience = argument;
    if (stored->state == STORE_ENDPOINT_ACTIVE &&
        webhook_endpoint_preset(stored->settings) == WEBHOOK_STANDARD)
        audience->endpoints[audience->count++] = stored->endpoint_id;
}

/* To the active ones, of which the disabled one is none any more. */
static int announce(struct writer_transaction *transaction, int32_t project_id, struct str body)
{
    struct audience audience = {0};
    int rc = store_endpoint_list(transaction->connection, project_id, 0, LIMIT_WEBHOOK_ENDPOINTS,
                                 add_listener, &audience);
    for (size_t i = 0; i < audience.count && rc == 0; i++) {
        int64_t delivery_id;
        rc = store_delivery_add_body(transaction->connection, audience.endpoints[i], project_id,
                                     STR_LIT("endpoint.disabled"), body, transaction->now_wall,
                                     &delivery_id);
        writer_poke(transaction, audience.endpoints[i]);
    }
    return rc;
}

static void write_disabled(const struct store_endpoint *stored, int64_t now_wall, struct buf *out)
{
    struct webhook_endpoint endpoint;
    char error[WEBHOOK_ERROR_SIZE];
    bool is_read = webhook_endpoint_read(stored, NULL, &endpoint, error) == 0;
    webhook_message_disabled(stored->endpoint_id, is_read ? endpoint.url : STR_LIT(""),
                             stored->state_reason, now_wall, out);
    if (is_read)
        webhook_endpoint_fini(&endpoint);
}

static int disable(struct writer_transaction *transaction, const struct webhook_result *result)
{
    struct store_endpoint endpoint;
    struct buf body;
    int rc = store_endpoint_get(transaction->connection, result->endpoint_id, &endpoint);
    if (rc < 0 || endpoint.state == STORE_ENDPOINT_DISABLED)
        return rc;
    endpoint.state = STORE_ENDPOINT_DISABLED;
    endpoint.state_reason = str_from(result->disable_reason);
    endpoint.updated_at = transaction->now_wall;
    buf_init(&body, LIMIT_WEBHOOK_BODY);
    write_disabled(&endpoint, transaction->now_wall, &body);
    rc = store_endpoint_update(transaction->connection, &endpoint);
    if (rc == 0)
        rc = announce(transaction, endpoint.project_id, buf_view(&body));
    buf_fini(&body);
    writer_poke(transaction, result->endpoint_id);
    return rc;
}

static int finish(struct writer_transaction *transaction, const struct webhook_result *result)
{
    static const enum store_delivery_state states[] = {
        [WEBHOOK_DELIVERED] = STORE_DELIVERY_DELIVERED,
        [WEBHOOK_DEAD] = STORE_DELIVERY_DEAD,
        [WEBHOOK_SUPERSEDED] = STORE_DELIVERY_SUPERSEDED,
    };
    if (result->verdict == WEBHOOK_RETRY)
        return store_delivery_postpone(transaction->connection, result->delivery_id, result->step,
                                       result->next_at);
    return store_delivery_finish(transaction->connection, result->delivery_id,
                                 states[result->verdict], transaction->now_wall);
}

/* Of a lane, the one whose turn it is, and the newest behind it. */
struct lane {
    struct store_delivery first;
    int32_t newest_seq;
};

static void look_at_lane(void *argument, const struct store_delivery *delivery)
{
    struct lane *lane = argument;
    if (delivery->state == STORE_DELIVERY_WAITING)
        lane->first = *delivery;
    else if (delivery->state == STORE_DELIVERY_BLOCKED && delivery->seq > lane->newest_seq)
        lane->newest_seq = delivery->seq;
}

int delivery_give_way(struct writer_transaction *transaction, int64_t delivery_id)
{
    struct store_connection *connection = transaction->connection;
    struct store_delivery delivery;
    struct lane lane = {.newest_seq = 0};
    int64_t next;
    int rc = store_delivery_get(connection, delivery_id, &delivery);
    if (rc < 0 || delivery.order_id == 0)
        return rc;
    const struct store_delivery_filter filter = {
        .project_id = delivery.project_id,
        .endpoint_id = delivery.endpoint_id,
        .order_id = delivery.order_id,
        .state = -1,
        .limit = LIMIT_LIST_PAGE,
    };
    rc = store_delivery_list(connection, &filter, look_at_lane, &lane, &next);
    if (rc < 0 || lane.newest_seq <= lane.first.seq || lane.first.next_at <= transaction->now_wall)
        return rc;
    writer_poke(transaction, delivery.endpoint_id);
    return store_delivery_postpone(connection, lane.first.delivery_id, lane.first.step,
                                   transaction->now_wall);
}

static int unless_gone(int rc)
{
    return rc == ERR_NOT_FOUND ? 0 : rc;
}

static int run_record(struct writer_job *job, struct writer_transaction *transaction)
{
    const struct webhook_result *result = CONTAINER_OF(job, struct record, job)->result;
    int rc = 0;
    if (result->has_attempt) {
        struct store_attempt attempt = result->attempt;
        attempt.delivery_id = result->delivery_id;
        rc = unless_gone(store_attempt_add(transaction->connection, &attempt));
    }
    if (rc == 0)
        rc = unless_gone(finish(transaction, result));
    if (rc == 0 && result->verdict == WEBHOOK_RETRY && result->gives_way)
        rc = unless_gone(delivery_give_way(transaction, result->delivery_id));
    if (rc == 0 && result->disable_reason != NULL)
        rc = unless_gone(disable(transaction, result));
    return rc;
}

static void record_done(struct writer_job *job)
{
    struct record *record = CONTAINER_OF(job, struct record, job);
    record->recorded(record->result, job->result);
    mem_free(record);
}

static void record_result(void *context, struct webhook_result *result,
                          void (*recorded)(struct webhook_result *result, int error))
{
    struct record *record = mem_zalloc(sizeof(*record));
    const struct store_attempt *attempt = &result->attempt;
    record->result = result;
    record->recorded = recorded;
    record->job.run = run_record;
    record->job.done = record_done;
    record->job.bytes = sizeof(*record) + attempt->headers.len + attempt->body.len;
    submit(context, &record->job);
}

static int run_replay(struct writer_job *job, struct writer_transaction *transaction)
{
    struct replay *replay = CONTAINER_OF(job, struct replay, job);
    struct store_replay row;
    int rc = store_replay_step(transaction->connection, replay->replay_id, REPLAY_ROWS,
                               transaction->now_wall, &row);
    if (rc < 0)
        return unless_gone(rc);
    writer_poke(transaction, row.endpoint_id);
    return 0;
}

static void replay_done(struct writer_job *job)
{
    struct replay *replay = CONTAINER_OF(job, struct replay, job);
    replay->stepped(replay->argument, job->result);
    mem_free(replay);
}

static void step_replay(void *context, int64_t replay_id,
                        void (*stepped)(void *argument, int error), void *argument)
{
    struct replay *replay = mem_zalloc(sizeof(*replay));
    replay->replay_id = replay_id;
    replay->stepped = stepped;
    replay->argument = argument;
    replay->job.run = run_replay;
    replay->job.done = replay_done;
    replay->job.bytes = sizeof(*replay);
    submit(context, &replay->job);
}

const struct webhook_recorder delivery_webhook_recorder = {
    .record = record_result,
    .replay = step_replay,
};
