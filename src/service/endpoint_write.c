/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes about webhooks, as jobs of the store thread. An answer may hold a secret, so what is kept
 * for its Idempotency-Key is sealed like the secrets themselves. Refusals are not kept: they have
 * changed nothing, and the next time may find what they missed.
 */
#include "service/endpoint_write.h"

#include "base/crypto.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/mem.h"
#include "service/endpoint_write_internal.h"
#include "service/service.h"
#include "webhook/webhook_endpoint.h"

#include <stdio.h>

enum { ANSWER_MAX = LIMIT_WEBHOOK_SETTINGS + 4096 };

_Static_assert(sizeof(((struct endpoint_write *)NULL)->detail) >= WEBHOOK_ERROR_SIZE,
               "a sentence about settings fits");

struct endpoint_write *endpoint_write_new(struct service *service, enum endpoint_write_kind kind,
                                          int32_t project_id)
{
    struct endpoint_write *write = mem_zalloc(sizeof(*write));
    write->service = service;
    write->kind = kind;
    write->project_id = project_id;
    buf_init(&write->settings, LIMIT_WEBHOOK_SETTINGS);
    buf_init(&write->secret, LIMIT_WEBHOOK_SETTINGS);
    buf_init(&write->answer, ANSWER_MAX);
    return write;
}

void endpoint_write_free(struct endpoint_write **write)
{
    if (*write == NULL)
        return;
    buf_wipe(&(*write)->settings);
    buf_wipe(&(*write)->secret);
    buf_wipe(&(*write)->answer);
    mem_free(*write);
    *write = NULL;
}

int endpoint_step_refuse(struct endpoint_step *step, enum api_error error, const char *detail)
{
    step->write->error = error;
    snprintf(step->write->detail, sizeof(step->write->detail), "%s", detail);
    return 0;
}

int endpoint_step_find(struct endpoint_step *step, int64_t endpoint_id)
{
    struct store_endpoint *endpoint = &step->endpoint;
    int rc = store_endpoint_get(step->transaction->connection, endpoint_id, endpoint);
    if (rc == ERR_NOT_FOUND || (rc == 0 && endpoint->project_id != step->write->project_id))
        return endpoint_step_refuse(step, API_ERROR_WEBHOOK_NOT_FOUND, "");
    if (rc < 0)
        return rc;
    endpoint->state_reason = arena_copy(&step->texts, endpoint->state_reason);
    endpoint->settings = arena_copy(&step->texts, endpoint->settings);
    endpoint->secrets = arena_copy(&step->texts, endpoint->secrets);
    return 0;
}

static int run_kind(struct endpoint_write *write, struct writer_transaction *transaction)
{
    static const struct {
        int (*run)(struct endpoint_step *step);
        bool is_about_endpoint;
    } kinds[] = {
        [ENDPOINT_CREATE] = {endpoint_write_create, false},
        [ENDPOINT_CHANGE] = {endpoint_write_change, true},
        [ENDPOINT_DELETE] = {endpoint_write_delete, true},
        [ENDPOINT_PAUSE] = {endpoint_write_pause, true},
        [ENDPOINT_RESUME] = {endpoint_write_resume, true},
        [ENDPOINT_ROTATE] = {endpoint_write_rotate, true},
        [ENDPOINT_EXAMPLE] = {endpoint_write_example, true},
        [ENDPOINT_RETRY] = {endpoint_write_retry, false},
        [ENDPOINT_REPLAY] = {endpoint_write_replay, true},
    };
    struct endpoint_step step = {.write = write, .transaction = transaction};
    int rc = 0;
    arena_init(&step.texts);
    if (kinds[write->kind].is_about_endpoint)
        rc = endpoint_step_find(&step, write->endpoint_id);
    if (rc == 0 && write->error == API_ERROR_NONE)
        rc = kinds[write->kind].run(&step);
    arena_fini(&step.texts);
    return rc;
}

/* ERR_NOT_FOUND: there is no answer yet. 0: the request is answered. */
static int replay_answer(struct endpoint_write *write, const struct writer_transaction *transaction)
{
    struct str sealed;
    int rc = idempotency_find(transaction, write->project_id, &write->idempotency, &sealed);
    if (rc == 0 && crypto_open(write->service->webhook_key, sealed, &write->answer) == 0)
        write->replayed = true;
    else if (rc == 0 || rc == ERR_EXISTS)
        write->error = API_ERROR_IDEMPOTENCY_OTHER;
    return rc == ERR_EXISTS ? 0 : rc;
}

static int keep_answer(const struct endpoint_write *write,
                       const struct writer_transaction *transaction)
{
    struct buf sealed;
    if (write->idempotency.key.len == 0)
        return 0;
    buf_init(&sealed, ANSWER_MAX + CRYPTO_SEAL_SIZE);
    crypto_seal(write->service->webhook_key, buf_view(&write->answer), &sealed);
    int rc = idempotency_keep(transaction, write->project_id, &write->idempotency,
                              buf_view(&sealed), write->service->options->idempotency_ttl);
    buf_fini(&sealed);
    return rc;
}

static int run(struct writer_job *job, struct writer_transaction *transaction)
{
    struct endpoint_write *write = CONTAINER_OF(job, struct endpoint_write, job);
    write->error = API_ERROR_NONE;
    write->detail[0] = '\0';
    write->replayed = false;
    buf_clear(&write->answer);
    int rc = replay_answer(write, transaction);
    if (rc != ERR_NOT_FOUND)
        return rc;
    rc = run_kind(write, transaction);
    if (rc == 0 && write->error == API_ERROR_NONE)
        rc = keep_answer(write, transaction);
    return rc;
}

static void done(struct writer_job *job)
{
    struct endpoint_write *write = CONTAINER_OF(job, struct endpoint_write, job);
    if (job->result < 0) {
        write->error = API_ERROR_STORE_UNAVAILABLE;
        write->detail[0] = '\0';
    }
    write->done(write);
}

int endpoint_write_submit(struct endpoint_write *write)
{
    struct writer_job *job = &write->job;
    job->loop = write->service->loop;
    job->bytes = sizeof(*write) + write->settings.capacity + write->secret.capacity;
    job->run = run;
    job->done = done;
    return writer_submit(write->service->writer, job);
}
