/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Endpoints made, changed and deleted. A secret is told in the answer that sets it and never again;
 * the store keeps it sealed. Each change makes the store thread read the project's endpoints anew,
 * and is told to the webhook thread once it is durable.
 */
#include "base/clock.h"
#include "base/err.h"
#include "base/limits.h"
#include "codec/json.h"
#include "service/delivery.h"
#include "service/endpoint_write_internal.h"
#include "service/service.h"
#include "webhook/webhook_endpoint.h"

static void changed(struct endpoint_step *step)
{
    delivery_targets_forget(step->transaction->targets, step->write->project_id);
    writer_poke(step->transaction, step->endpoint.endpoint_id);
}

static int update(struct endpoint_step *step)
{
    step->endpoint.updated_at = step->transaction->now_wall;
    changed(step);
    return store_endpoint_update(step->transaction->connection, &step->endpoint);
}

/* The secret that was given, or a new one, into `out`. Refuses one that is not good. */
static void choose_secret(struct endpoint_step *step, enum webhook_preset preset, struct buf *out)
{
    struct str given = buf_view(&step->write->secret);
    if (given.len == 0) {
        webhook_endpoint_make_secret(preset, out);
        return;
    }
    char sentence[WEBHOOK_ERROR_SIZE];
    if (webhook_endpoint_check_secret(preset, given, sentence) < 0)
        endpoint_step_refuse(step, API_ERROR_INVALID_FIELD, sentence);
    buf_append_str(out, given);
}

/*
 * The settings of the endpoint with the request's changes become the endpoint's. `*client_key` is a
 * view of `changes`.
 */
static int merge(struct endpoint_step *step, const struct json *changes, struct str *client_key)
{
    struct address_network networks[WEBHOOK_NETWORKS_MAX];
    char sentence[WEBHOOK_ERROR_SIZE];
    struct store_project project;
    struct buf merged;
    int rc = store_project_get(step->transaction->connection, step->write->project_id, &project);
    if (rc == ERR_NOT_FOUND)
        return endpoint_step_refuse(step, API_ERROR_PROJECT_NOT_FOUND, "");
    if (rc < 0)
        return rc;
    size_t count = webhook_allowed_networks(project.settings, networks, WEBHOOK_NETWORKS_MAX);
    buf_init(&merged, LIMIT_WEBHOOK_SETTINGS);
    if (webhook_endpoint_merge(step->endpoint.settings, changes, networks, count, &merged,
                               client_key, sentence) < 0)
        endpoint_step_refuse(step, API_ERROR_INVALID_FIELD, sentence);
    else
        step->endpoint.settings = arena_copy(&step->texts, buf_view(&merged));
    buf_fini(&merged);
    return 0;
}

/* The request's settings as a document; NULL when it was refused. */
static struct json *read_changes(struct endpoint_step *step)
{
    char sentence[JSON_ERROR_SIZE];
    struct str text = buf_view(&step->write->settings);
    struct json *changes = json_parse(text.len > 0 ? text : STR_LIT("{}"), sentence);
    if (changes == NULL)
        endpoint_step_refuse(step, API_ERROR_BAD_JSON, sentence);
    return changes;
}

/* Reads step->endpoint with its secrets. Refuses when the key file is another. */
static bool read_endpoint(struct endpoint_step *step, struct webhook_endpoint *endpoint)
{
    const uint8_t *key = step->write->service->webhook_key;
    char sentence[WEBHOOK_ERROR_SIZE];
    bool is_read = webhook_endpoint_read(&step->endpoint, key, endpoint, sentence) == 0;
    if (!is_read)
        endpoint_step_refuse(step, API_ERROR_INTERNAL, sentence);
    return is_read;
}

/* The sealed form of the secrets becomes the endpoint's. */
static void seal(struct endpoint_step *step, struct str secret, struct str previous,
                 int64_t previous_until, struct str client_key)
{
    struct buf sealed;
    buf_init(&sealed, 2 * (size_t)LIMIT_WEBHOOK_SETTINGS);
    webhook_endpoint_seal(secret, previous, previous_until, client_key,
                          step->write->service->webhook_key, &sealed);
    step->endpoint.secrets = arena_copy(&step->texts, buf_view(&sealed));
    buf_fini(&sealed);
}

static void count_row(void *argument, const struct store_endpoint *endpoint)
{
    (void)endpoint;
    ++*(int *)argument;
}

static int add(struct endpoint_step *step, struct str client_key)
{
    struct buf secret;
    struct buf *answer = &step->write->answer;
    int rc = 0;
    buf_init(&secret, LIMIT_WEBHOOK_SETTINGS);
    choose_secret(step, webhook_endpoint_preset(step->endpoint.settings), &secret);
    if (step->write->error == API_ERROR_NONE) {
        seal(step, buf_view(&secret), STR_LIT(""), 0, client_key);
        rc = store_endpoint_add(step->transaction->connection, &step->endpoint);
        step->write->endpoint_id = step->endpoint.endpoint_id;
        changed(step);
        webhook_endpoint_show(&step->endpoint, answer);
        answer->len--; /* the brace: the secret is told this once */
        json_write_text(answer, "secret", buf_view(&secret));
        buf_append_byte(answer, '}');
    }
    buf_wipe(&secret);
    return rc;
}

int endpoint_write_create(struct endpoint_step *step)
{
    struct str client_key = STR_LIT("");
    int count = 0;
    int rc = store_endpoint_list(step->transaction->connection, step->write->project_id, 0,
                                 LIMIT_WEBHOOK_ENDPOINTS, count_row, &count);
    if (rc < 0)
        return rc;
    if (count >= LIMIT_WEBHOOK_ENDPOINTS)
        return endpoint_step_refuse(step, API_ERROR_INVALID_FIELD,
                                    "the project has as many webhooks as it may have");
    struct json *changes = read_changes(step);
    if (changes == NULL)
        return 0;
    step->endpoint = (struct store_endpoint){
        .project_id = step->write->project_id,
        .state = STORE_ENDPOINT_ACTIVE,
        .created_at = step->transaction->now_wall,
        .updated_at = step->transaction->now_wall,
    };
    rc = merge(step, changes, &client_key);
    if (rc == 0 && step->write->error == API_ERROR_NONE)
        rc = add(step, client_key);
    json_free(&changes);
    return rc;
}

/* A new client_key is sealed with the secrets that stand; null takes the old one away. */
static void change_client_key(struct endpoint_step *step, struct str client_key)
{
    struct webhook_endpoint endpoint;
    if (!read_endpoint(step, &endpoint))
        return;
    seal(step, endpoint.secret, endpoint.previous_secrets, endpoint.previous_until, client_key);
    webhook_endpoint_fini(&endpoint);
}

/* A preset cannot sign with a secret that was made for another form of signature. */
static void check_preset(struct endpoint_step *step)
{
    struct webhook_endpoint endpoint;
    char sentence[WEBHOOK_ERROR_SIZE];
    if (!read_endpoint(step, &endpoint))
        return;
    if (webhook_endpoint_check_secret(endpoint.preset, endpoint.secret, sentence) < 0)
        endpoint_step_refuse(step, API_ERROR_INVALID_FIELD,
                             "preset: the secret does not fit it; make a new webhook");
    webhook_endpoint_fini(&endpoint);
}

int endpoint_write_change(struct endpoint_step *step)
{
    struct str client_key = STR_LIT("");
    struct json *changes = read_changes(step);
    if (changes == NULL)
        return 0;
    int rc = merge(step, changes, &client_key);
    if (rc == 0 && step->write->error == API_ERROR_NONE && json_get(changes, "client_key") != NULL)
        change_client_key(step, client_key);
    if (rc == 0 && step->write->error == API_ERROR_NONE && json_get(changes, "preset") != NULL)
        check_preset(step);
    if (rc == 0 && step->write->error == API_ERROR_NONE) {
        rc = update(step);
        webhook_endpoint_show(&step->endpoint, &step->write->answer);
    }
    json_free(&changes);
    return rc;
}

int endpoint_write_delete(struct endpoint_step *step)
{
    changed(step);
    return store_endpoint_delete(step->transaction->connection, step->endpoint.endpoint_id);
}

static int set_state(struct endpoint_step *step, enum store_endpoint_state state, struct str reason)
{
    int rc = 0;
    if (step->endpoint.state != state) {
        step->endpoint.state = state;
        step->endpoint.state_reason = reason;
        rc = update(step);
    }
    webhook_endpoint_show(&step->endpoint, &step->write->answer);
    return rc;
}

int endpoint_write_pause(struct endpoint_step *step)
{
    return set_state(step, STORE_ENDPOINT_PAUSED, STR_LIT("It was paused by request"));
}

int endpoint_write_resume(struct endpoint_step *step)
{
    return set_state(step, STORE_ENDPOINT_ACTIVE, STR_LIT(""));
}

/*
 * The secret that goes, and those of before that still sign: nobody knows which of them the receiver
 * has, when rotating is repeated because its answer was lost.
 */
static int64_t write_previous(const struct endpoint_step *step,
                              const struct webhook_endpoint *endpoint, struct buf *out)
{
    int64_t now = step->transaction->now_wall;
    struct str older = now < endpoint->previous_until ? endpoint->previous_secrets : STR_LIT("");
    struct str one;
    if (step->write->overlap == 0)
        return 0;
    buf_append_str(out, endpoint->secret);
    for (int i = 1; i < WEBHOOK_PREVIOUS_MAX && older.len > 0; i++) {
        (void)str_split(&older, ' ', &one);
        buf_append_byte(out, ' ');
        buf_append_str(out, one);
    }
    return clock_later(now + step->write->overlap, endpoint->previous_until);
}

static int replace_secret(struct endpoint_step *step, const struct webhook_endpoint *endpoint,
                          struct str secret)
{
    struct buf previous;
    struct buf *answer = &step->write->answer;
    buf_init(&previous, LIMIT_WEBHOOK_SETTINGS);
    int64_t until = write_previous(step, endpoint, &previous);
    seal(step, secret, buf_view(&previous), until, endpoint->client_key);
    buf_wipe(&previous);
    buf_append_byte(answer, '{');
    json_write_int(answer, "id", step->endpoint.endpoint_id);
    json_write_text(answer, "secret", secret);
    buf_append_byte(answer, '}');
    return update(step);
}

int endpoint_write_rotate(struct endpoint_step *step)
{
    struct webhook_endpoint endpoint;
    struct buf secret;
    int rc = 0;
    if (!read_endpoint(step, &endpoint))
        return 0;
    buf_init(&secret, LIMIT_WEBHOOK_SETTINGS);
    choose_secret(step, endpoint.preset, &secret);
    if (step->write->error == API_ERROR_NONE)
        rc = replace_secret(step, &endpoint, buf_view(&secret));
    buf_wipe(&secret);
    webhook_endpoint_fini(&endpoint);
    return rc;
}
