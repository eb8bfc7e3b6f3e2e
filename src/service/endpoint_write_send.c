/* SPDX-License-Identifier: Apache-2.0 */
/* Deliveries that a merchant asks for: an example, one again, all that failed since a time. */
#include "base/err.h"
#include "base/limits.h"
#include "codec/json.h"
#include "service/endpoint_write_internal.h"
#include "webhook/webhook_message.h"

static void answer_id(struct endpoint_step *step, const char *name, int64_t id)
{
    struct buf *answer = &step->write->answer;
    buf_append_byte(answer, '{');
    json_write_int(answer, name, id);
    buf_append_byte(answer, '}');
}

/* Whether the preset has a message for the status, whatever the endpoint asks for. */
static bool has_message(const struct webhook_endpoint *endpoint, enum order_status status)
{
    struct webhook_endpoint any = *endpoint;
    any.statuses = ~0U;
    return webhook_endpoint_wants(&any, status);
}

static int add_example(struct endpoint_step *step, enum webhook_preset preset)
{
    struct writer_transaction *transaction = step->transaction;
    struct buf body;
    int64_t delivery_id;
    buf_init(&body, LIMIT_WEBHOOK_BODY);
    webhook_message_example(preset, step->write->status, transaction->now_wall, &body);
    int rc = store_delivery_add_body(transaction->connection, step->endpoint.endpoint_id,
                                     step->write->project_id, STR_LIT("example"), buf_view(&body),
                                     transaction->now_wall, &delivery_id);
    buf_fini(&body);
    if (rc < 0)
        return rc;
    writer_poke(transaction, step->endpoint.endpoint_id);
    answer_id(step, "delivery_id", delivery_id);
    return 0;
}

int endpoint_write_example(struct endpoint_step *step)
{
    struct webhook_endpoint endpoint;
    char sentence[WEBHOOK_ERROR_SIZE];
    int rc = 0;
    if (webhook_endpoint_read(&step->endpoint, NULL, &endpoint, sentence) < 0)
        return endpoint_step_refuse(step, API_ERROR_INTERNAL, sentence);
    if (has_message(&endpoint, step->write->status))
        rc = add_example(step, endpoint.preset);
    else
        endpoint_step_refuse(step, API_ERROR_INVALID_FIELD,
                             "status: this preset has messages for paid and canceled alone");
    webhook_endpoint_fini(&endpoint);
    return rc;
}

int endpoint_write_retry(struct endpoint_step *step)
{
    struct writer_transaction *transaction = step->transaction;
    struct store_delivery delivery;
    int rc = store_delivery_get(transaction->connection, step->write->delivery_id, &delivery);
    if (rc == ERR_NOT_FOUND || (rc == 0 && delivery.project_id != step->write->project_id))
        return endpoint_step_refuse(step, API_ERROR_DELIVERY_NOT_FOUND, "");
    if (rc == 0)
        rc = endpoint_step_find(step, delivery.endpoint_id);
    if (rc < 0 || step->write->error != API_ERROR_NONE)
        return rc;
    rc = store_delivery_retry(transaction->connection, delivery.delivery_id, transaction->now_wall);
    if (rc == ERR_NOT_FOUND)
        return endpoint_step_refuse(step, API_ERROR_DELIVERY_NOT_FINISHED, "");
    if (rc < 0)
        return rc;
    writer_poke(transaction, delivery.endpoint_id);
    answer_id(step, "delivery_id", delivery.delivery_id);
    return 0;
}

int endpoint_write_replay(struct endpoint_step *step)
{
    struct writer_transaction *transaction = step->transaction;
    struct store_replay replay = {
        .project_id = step->write->project_id,
        .endpoint_id = step->endpoint.endpoint_id,
        .since = step->write->since,
        .until = transaction->now_wall,
        .created_at = transaction->now_wall,
    };
    int rc = store_replay_add(transaction->connection, &replay);
    if (rc < 0)
        return rc;
    writer_poke_replays(transaction);
    answer_id(step, "replay_id", replay.replay_id);
    return 0;
}
