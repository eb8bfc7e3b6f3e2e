/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Projects and keys. Secrets are made here and told once; of an API key only the hash is kept.
 */
#include "service/project_write.h"

#include "auth/auth.h"
#include "base/crypto.h"
#include "base/err.h"
#include "base/mem.h"
#include "service/service.h"
#include "webhook/webhook_endpoint.h"

#include <stdio.h>
#include <string.h>

enum {
    USER_TOKEN_SECRET_LENGTH = 40,
    ANSWER_MAX = LIMIT_SETTINGS + 4096,
    PROJECTS_PAGE = 100,
};

_Static_assert(sizeof(((struct project_write *)NULL)->detail) >= AUTH_SETTINGS_ERROR_SIZE,
               "a sentence about settings fits");
_Static_assert(sizeof(((struct project_write *)NULL)->key_id) > STORE_KEY_ID_LENGTH,
               "a key's id fits");

struct project_write *project_write_new(struct service *service, enum project_write_kind kind,
                                        int32_t project_id)
{
    struct project_write *write = mem_zalloc(sizeof(*write));
    write->service = service;
    write->kind = kind;
    write->project_id = project_id;
    buf_init(&write->settings, LIMIT_SETTINGS);
    buf_init(&write->answer, ANSWER_MAX);
    return write;
}

void project_write_free(struct project_write **write)
{
    if (*write == NULL)
        return;
    buf_wipe(&(*write)->settings);
    buf_wipe(&(*write)->answer);
    mem_free(*write);
    *write = NULL;
}

static int refuse(struct project_write *write, enum api_error error, const char *detail)
{
    write->error = error;
    snprintf(write->detail, sizeof(write->detail), "%s", detail);
    return 0;
}

/* A key that exists nowhere yet is put into the store; its text goes into `text`. */
static int add_key(struct writer_transaction *transaction, const struct store_project *project,
                   bool merchant_wide, struct str label, struct store_key *key,
                   char text[AUTH_KEY_SIZE])
{
    *key = (struct store_key){
        .merchant_id = project->merchant_id,
        .project_id = merchant_wide ? 0 : project->project_id,
        .label = label,
        .created_at = transaction->now_wall,
    };
    crypto_random_text(key->key_id, STORE_KEY_ID_LENGTH);
    auth_make_key(text, key->hash);
    return store_key_put(transaction->connection, key);
}

/* `stored` with the members of the request's settings, into `merged`. False: refused. */
static bool merge_settings(struct project_write *write, struct str stored, struct buf *merged)
{
    struct str text = write->settings.len > 0 ? buf_view(&write->settings) : STR_LIT("{}");
    char sentence[AUTH_SETTINGS_ERROR_SIZE];
    struct json *changes = json_parse(text, sentence);
    if (changes == NULL) {
        refuse(write, API_ERROR_BAD_JSON, sentence);
        return false;
    }
    int rc = auth_settings_merge(stored, changes, merged, sentence);
    json_free(&changes);
    if (rc < 0)
        refuse(write, API_ERROR_INVALID_FIELD, sentence);
    return rc == 0;
}

static void make_user_token_secret(struct buf *out)
{
    char secret[USER_TOKEN_SECRET_LENGTH + 1];
    crypto_random_text(secret, USER_TOKEN_SECRET_LENGTH);
    json_write_text(out, "user_token_secret", str_from(secret));
    mem_wipe(secret, sizeof(secret));
}

static void make_settings(struct buf *out)
{
    buf_append_byte(out, '{');
    make_user_token_secret(out);
    json_write_key(out, "webhook_secret");
    buf_append_byte(out, '"');
    webhook_endpoint_make_secret(WEBHOOK_STANDARD, out);
    buf_append_text(out, "\"}");
}

/* The only time that secrets are told. */
static int write_created(struct buf *out, const struct store_project *project, const char *api_key)
{
    struct auth_settings settings;
    int rc = auth_settings_read_stored(project->settings, &settings);
    if (rc < 0)
        return rc;
    buf_append_byte(out, '{');
    json_write_int(out, "project_id", project->project_id);
    json_write_int(out, "merchant_id", project->merchant_id);
    json_write_text(out, "api_key", str_from(api_key));
    json_write_text(out, "user_token_secret", settings.user_token_secret);
    json_write_text(out, "webhook_secret", settings.webhook_secret);
    buf_append_byte(out, '}');
    auth_settings_fini(&settings);
    return 0;
}

static int store_created(struct project_write *write, struct writer_transaction *transaction,
                         struct str settings)
{
    char api_key[AUTH_KEY_SIZE];
    struct store_key key;
    struct store_project project = {
        .project_id = write->project_id,
        .merchant_id = write->merchant_id != 0 ? write->merchant_id : write->project_id,
        .settings = settings,
        .created_at = transaction->now_wall,
    };
    int rc = store_project_put(transaction->connection, &project);
    if (rc == 0)
        rc = add_key(transaction, &project, false, STR_LIT("first"), &key, api_key);
    if (rc == 0)
        rc = write_created(&write->answer, &project, api_key);
    mem_wipe(api_key, sizeof(api_key));
    writer_project_changed(transaction);
    return rc;
}

static int create(struct project_write *write, struct writer_transaction *transaction)
{
    struct store_project project;
    struct buf made;
    struct buf merged;
    int rc = store_project_get(transaction->connection, write->project_id, &project);
    if (rc == 0)
        return refuse(write, API_ERROR_PROJECT_EXISTS, "");
    if (rc != ERR_NOT_FOUND)
        return rc;
    buf_init(&made, LIMIT_SETTINGS);
    buf_init(&merged, LIMIT_SETTINGS);
    make_settings(&made);
    rc = 0;
    if (merge_settings(write, buf_view(&made), &merged))
        rc = store_created(write, transaction, buf_view(&merged));
    buf_wipe(&made);
    buf_wipe(&merged);
    return rc;
}

static int write_project(struct buf *out, const struct store_project *project,
                         const struct auth_settings *settings)
{
    buf_append_byte(out, '{');
    json_write_int(out, "project_id", project->project_id);
    json_write_int(out, "merchant_id", project->merchant_id);
    json_write_key(out, "settings");
    auth_settings_show(settings, out);
    json_write_time(out, "created_at", project->created_at);
    buf_append_byte(out, '}');
    return out->overflow ? ERR_TOO_LARGE : 0;
}

static int write_changed(struct buf *out, const struct store_project *project)
{
    struct auth_settings settings;
    int rc = auth_settings_read_stored(project->settings, &settings);
    if (rc < 0)
        return rc;
    rc = write_project(out, project, &settings);
    auth_settings_fini(&settings);
    return rc;
}

static void poke_endpoint(void *argument, const struct store_endpoint *endpoint)
{
    writer_poke(argument, endpoint->endpoint_id);
}

/* Another list of allowed networks counts at once. */
static int poke_endpoints(struct writer_transaction *transaction, int32_t project_id)
{
    return store_endpoint_list(transaction->connection, project_id, 0, LIMIT_WEBHOOK_ENDPOINTS,
                               poke_endpoint, transaction);
}

static int store_changed(struct writer_transaction *transaction, struct store_project *project,
                         struct str settings)
{
    project->settings = settings;
    writer_project_changed(transaction);
    return store_project_put(transaction->connection, project);
}

static int change(struct project_write *write, struct writer_transaction *transaction)
{
    struct store_project project;
    struct buf merged;
    int rc = store_project_get(transaction->connection, write->project_id, &project);
    if (rc == ERR_NOT_FOUND)
        return refuse(write, API_ERROR_PROJECT_NOT_FOUND, "");
    if (rc < 0)
        return rc;
    buf_init(&merged, LIMIT_SETTINGS);
    if (merge_settings(write, project.settings, &merged)) {
        rc = store_changed(transaction, &project, buf_view(&merged));
        if (rc == 0)
            rc = write_changed(&write->answer, &project);
        if (rc == 0)
            rc = poke_endpoints(transaction, write->project_id);
    }
    buf_wipe(&merged);
    return rc;
}

/*
 * Those of before that are not over yet: nobody knows which of them who signs has, when rotating is
 * repeated because its answer was lost.
 */
static void write_earlier(struct buf *out, const struct auth_settings *settings, int64_t now)
{
    int count = 0;
    json_write_key(out, "earlier_user_token_secrets");
    buf_append_byte(out, '[');
    for (size_t i = 0; i < settings->previous_count && count < AUTH_PREVIOUS_MAX - 1; i++) {
        if (settings->previous[i].until <= now)
            continue;
        buf_append_text(out, count++ > 0 ? ",{" : "{");
        json_write_text(out, "secret", settings->previous[i].secret);
        json_write_time(out, "until", settings->previous[i].until);
        buf_append_byte(out, '}');
    }
    buf_append_byte(out, ']');
}

/* What rotating changes in the settings; the request has none of its own. */
static void write_rotation(struct project_write *write, const struct auth_settings *settings,
                           int64_t now)
{
    struct buf *out = &write->settings;
    buf_clear(out);
    buf_append_byte(out, '{');
    make_user_token_secret(out);
    if (settings->user_token_secret.len > 0 && write->overlap > 0) {
        json_write_text(out, "previous_user_token_secret", settings->user_token_secret);
        json_write_time(out, "previous_user_token_secret_until", now + write->overlap);
        write_earlier(out, settings, now);
    } else {
        buf_append_text(out,
                        ",\"previous_user_token_secret\":null"
                        ",\"previous_user_token_secret_until\":null"
                        ",\"earlier_user_token_secrets\":null");
    }
    buf_append_byte(out, '}');
}

/* The only time that the new secret is told. */
static void write_rotated(struct buf *out, const struct auth_settings *settings)
{
    buf_append_byte(out, '{');
    json_write_text(out, "user_token_secret", settings->user_token_secret);
    if (settings->previous_count > 0)
        json_write_time(out, "previous_user_token_secret_until", settings->previous[0].until);
    buf_append_byte(out, '}');
}

static int store_rotated(struct project_write *write, struct writer_transaction *transaction,
                         struct store_project *project)
{
    struct auth_settings settings;
    struct buf merged;
    int rc = 0;
    buf_init(&merged, LIMIT_SETTINGS);
    if (merge_settings(write, project->settings, &merged)) {
        rc = store_changed(transaction, project, buf_view(&merged));
        if (rc == 0)
            rc = auth_settings_read_stored(buf_view(&merged), &settings);
        if (rc == 0) {
            write_rotated(&write->answer, &settings);
            auth_settings_fini(&settings);
        }
    }
    buf_wipe(&merged);
    return rc;
}

static int rotate(struct project_write *write, struct writer_transaction *transaction)
{
    struct store_project project;
    struct auth_settings settings;
    int rc = store_project_get(transaction->connection, write->project_id, &project);
    if (rc == ERR_NOT_FOUND)
        return refuse(write, API_ERROR_PROJECT_NOT_FOUND, "");
    if (rc == 0)
        rc = auth_settings_read_stored(project.settings, &settings);
    if (rc != 0)
        return rc;
    write_rotation(write, &settings, transaction->now_wall);
    auth_settings_fini(&settings);
    return store_rotated(write, transaction, &project);
}

static void count_key(void *argument, const struct store_key *key)
{
    (void)key;
    ++*(int *)argument;
}

static void write_key(struct buf *out, const struct store_key *key, const char *api_key)
{
    buf_append_byte(out, '{');
    json_write_text(out, "key_id", str_from(key->key_id));
    if (api_key != NULL)
        json_write_text(out, "api_key", str_from(api_key));
    json_write_text(out, "label", key->label);
    json_write_bool(out, "merchant_wide", key->project_id == 0);
    json_write_time(out, "created_at", key->created_at);
    buf_append_byte(out, '}');
}

static int store_new_key(struct project_write *write, struct writer_transaction *transaction,
                         const struct store_project *project)
{
    char api_key[AUTH_KEY_SIZE];
    struct store_key key;
    int rc =
        add_key(transaction, project, write->merchant_wide, str_from(write->label), &key, api_key);
    if (rc == 0)
        write_key(&write->answer, &key, api_key);
    memcpy(write->key_id, key.key_id, sizeof(key.key_id));
    mem_wipe(api_key, sizeof(api_key));
    writer_project_changed(transaction);
    return rc;
}

static int make_key(struct project_write *write, struct writer_transaction *transaction)
{
    struct store_project project;
    int keys = 0;
    int rc = store_project_get(transaction->connection, write->project_id, &project);
    if (rc == ERR_NOT_FOUND)
        return refuse(write, API_ERROR_PROJECT_NOT_FOUND, "");
    if (rc == 0)
        rc = store_key_list(transaction->connection, project.project_id, project.merchant_id,
                            count_key, &keys);
    if (rc < 0)
        return rc;
    if (keys >= LIMIT_API_KEYS)
        return refuse(write, API_ERROR_INVALID_FIELD,
                      "the project has as many keys as it may have");
    return store_new_key(write, transaction, &project);
}

struct key_search {
    const char *key_id;
    bool found;
};

static void search_key(void *argument, const struct store_key *key)
{
    struct key_search *search = argument;
    search->found |= strcmp(key->key_id, search->key_id) == 0;
}

static int delete_key(struct project_write *write, struct writer_transaction *transaction)
{
    struct store_project project;
    struct key_search search = {.key_id = write->key_id};
    int rc = store_project_get(transaction->connection, write->project_id, &project);
    if (rc == ERR_NOT_FOUND)
        return refuse(write, API_ERROR_PROJECT_NOT_FOUND, "");
    if (rc == 0)
        rc = store_key_list(transaction->connection, project.project_id, project.merchant_id,
                            search_key, &search);
    if (rc < 0)
        return rc;
    if (!search.found)
        return refuse(write, API_ERROR_KEY_NOT_FOUND, "");
    writer_project_changed(transaction);
    return store_key_delete(transaction->connection, write->key_id);
}

static int run(struct writer_job *job, struct writer_transaction *transaction)
{
    static int (*const kinds[])(struct project_write *, struct writer_transaction *) = {
        [PROJECT_CREATE] = create,    [PROJECT_CHANGE] = change,         [PROJECT_ROTATE] = rotate,
        [PROJECT_ADD_KEY] = make_key, [PROJECT_DELETE_KEY] = delete_key,
    };
    struct project_write *write = CONTAINER_OF(job, struct project_write, job);
    refuse(write, API_ERROR_NONE, "");
    buf_clear(&write->answer);
    return kinds[write->kind](write, transaction);
}

static void done(struct writer_job *job)
{
    struct project_write *write = CONTAINER_OF(job, struct project_write, job);
    if (job->result < 0)
        refuse(write, API_ERROR_STORE_UNAVAILABLE, "");
    write->done(write);
}

int project_write_submit(struct project_write *write)
{
    struct writer_job *job = &write->job;
    job->loop = write->service->loop;
    job->bytes = sizeof(*write) + write->settings.capacity;
    job->run = run;
    job->done = done;
    return writer_submit(write->service->writer, job);
}

int project_read(struct service *service, int32_t project_id, struct buf *out)
{
    const struct auth_project *live;
    struct store_project project;
    int rc = auth_project(service->auth, project_id, &live);
    if (rc == 0)
        rc = store_project_get(service->reader, project_id, &project);
    return rc != 0 ? rc : write_project(out, &project, &live->settings);
}

struct project_page {
    struct buf *out;
    int rows;
    int32_t last;
};

/* The name is taken from the text, so that a list reads no key files. */
static void write_name(struct buf *out, struct str settings)
{
    struct str name = STR_LIT("");
    struct json *document = json_parse(settings, NULL);
    if (!json_as_string(json_get(document, "name"), &name))
        name = STR_LIT("");
    json_write_text(out, "name", name);
    json_free(&document);
}

static void write_project_row(void *argument, const struct store_project *project)
{
    struct project_page *page = argument;
    if (page->rows++ > 0)
        buf_append_byte(page->out, ',');
    page->last = project->project_id;
    buf_append_byte(page->out, '{');
    json_write_int(page->out, "project_id", project->project_id);
    json_write_int(page->out, "merchant_id", project->merchant_id);
    write_name(page->out, project->settings);
    json_write_time(page->out, "created_at", project->created_at);
    buf_append_byte(page->out, '}');
}

int project_read_list(struct service *service, int32_t after, struct buf *out)
{
    struct project_page page = {.out = out};
    buf_append_byte(out, '{');
    json_write_key(out, "projects");
    buf_append_byte(out, '[');
    int rc = store_project_list(service->reader, after, PROJECTS_PAGE, write_project_row, &page);
    buf_append_byte(out, ']');
    json_write_key(out, "next_after");
    if (page.rows == PROJECTS_PAGE)
        buf_append_int(out, page.last);
    else
        buf_append_text(out, "null");
    buf_append_byte(out, '}');
    return rc == 0 && out->overflow ? ERR_TOO_LARGE : rc;
}

static void write_key_row(void *argument, const struct store_key *key)
{
    struct buf *out = argument;
    if (out->len > 0 && out->ptr[out->len - 1] != '[')
        buf_append_byte(out, ',');
    write_key(out, key, NULL);
}

int project_read_keys(struct service *service, int32_t project_id, struct buf *out)
{
    struct store_project project;
    int rc = store_project_get(service->reader, project_id, &project);
    if (rc < 0)
        return rc;
    buf_append_byte(out, '{');
    json_write_key(out, "keys");
    buf_append_byte(out, '[');
    rc = store_key_list(service->reader, project.project_id, project.merchant_id, write_key_row,
                        out);
    buf_append_text(out, "]}");
    return rc == 0 && out->overflow ? ERR_TOO_LARGE : rc;
}
