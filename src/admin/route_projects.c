/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /admin/v1/projects…: projects, their keys, and tokens for their users. The operator's key opens
 * all of it. Secrets are shown in the answer that makes them, and never again.
 */
#include "admin/admin_internal.h"
#include "auth/auth.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "codec/json_fields.h"
#include "codec/url.h"
#include "service/project_write.h"
#include "service/service.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#define OVERLAP_DEFAULT CLOCK_DAY
#define OVERLAP_MAX (30 * CLOCK_DAY)
#define TTL_DEFAULT (INT64_C(24) * 3600)
#define TTL_MAX (INT64_C(10) * 366 * 24 * 3600)

static bool is_operator(struct http_request *http)
{
    struct service *service = http->context;
    if (auth_admin(service->auth, http_request_header(http, "authorization")) == 0) {
        http_request_set_caller(http, AUTH_ADMIN);
        return true;
    }
    http_respond_error(http, API_ERROR_UNAUTHORIZED,
                       "Error in Authentication method occurred: expected Authorization: Bearer "
                       "with this server's admin key");
    return false;
}

/* The project of the path; 0 after an error answer. */
static int32_t project_of(struct http_request *http)
{
    int64_t id;
    if (!is_operator(http))
        return 0;
    if (str_to_int64(http->params[0], 1, INT32_MAX, &id))
        return (int32_t)id;
    http_respond_error(http, API_ERROR_PROJECT_NOT_FOUND, NULL);
    return 0;
}

/* The body as an object; NULL after an error answer. No body at all is an empty object. */
static struct json *object_of(struct http_request *http)
{
    char error[JSON_ERROR_SIZE];
    struct json *document = json_parse(http->body.len > 0 ? http->body : STR_LIT("{}"), error);
    if (document == NULL) {
        http_respond_error(http, API_ERROR_BAD_JSON, error);
    } else if (json_kind(document) != JSON_KIND_OBJECT) {
        json_free(&document);
        http_respond_error(http, API_ERROR_INVALID_FIELD, "The body: expected an object");
    }
    return document;
}

static void respond_failure(struct http_request *http, int result)
{
    if (result == ERR_NOT_FOUND)
        http_respond_error(http, API_ERROR_PROJECT_NOT_FOUND, NULL);
    else if (result == ERR_TOO_LARGE)
        http_respond_error(http, API_ERROR_INTERNAL, "The answer is too large");
    else
        http_respond_error(http, API_ERROR_STORE_UNAVAILABLE, NULL);
}

static void respond_read(struct http_request *http, int result, const struct buf *body)
{
    if (result == 0)
        http_respond_json(http, 200, buf_view(body));
    else
        respond_failure(http, result);
}

/* Writes. */

static int status_of(enum project_write_kind kind)
{
    switch (kind) {
    case PROJECT_CREATE:
    case PROJECT_ADD_KEY:
        return 201;
    case PROJECT_DELETE_KEY:
        return 204;
    case PROJECT_CHANGE:
    case PROJECT_ROTATE:
        break;
    }
    return 200;
}

/* Reads the project now, so that published keys are fetched before the first token comes. */
static void look_at(const struct project_write *write)
{
    const struct auth_project *project;
    if (auth_project(write->service->auth, write->project_id, &project) < 0)
        log_debug("a changed project cannot be read", LOG_INT("project_id", write->project_id));
}

/* Which settings changed, for the record: once they are known to be names of settings. */
static void set_names_as_object(struct http_request *http, struct str settings)
{
    void *iterator = NULL;
    struct str key;
    const struct json *value;
    struct buf names;
    struct json *object = json_parse(settings, NULL);
    buf_init(&names, LIMIT_SETTINGS);
    while (json_next(object, &iterator, &key, &value)) {
        buf_append_text(&names, names.len > 0 ? "," : "");
        buf_append_str(&names, key);
    }
    http_request_set_object(http, buf_view(&names));
    buf_fini(&names);
    json_free(&object);
}

static void set_object(struct http_request *http, const struct project_write *write)
{
    if (write->kind == PROJECT_ADD_KEY)
        http_request_set_object(http, str_from(write->key_id));
    else if (write->kind == PROJECT_CHANGE)
        set_names_as_object(http, buf_view(&write->settings));
}

static void written(struct project_write *write)
{
    struct http_request *http = write->argument;
    if (write->error == API_ERROR_NONE) {
        look_at(write);
        set_object(http, write);
    }
    if (write->error != API_ERROR_NONE)
        http_respond_error(http, write->error, write->detail[0] != '\0' ? write->detail : NULL);
    else
        http_respond_json(http, status_of(write->kind),
                          write->kind == PROJECT_DELETE_KEY ? STR_LIT("")
                                                            : buf_view(&write->answer));
    project_write_free(&write);
}

static void submit(struct http_request *http, struct project_write *write)
{
    write->done = written;
    write->argument = http;
    if (project_write_submit(write) != 0) {
        http_respond_error(http, API_ERROR_BUSY, NULL);
        project_write_free(&write);
    }
}

struct ids {
    int32_t project_id;
    int32_t merchant_id;
};

static const struct json_field id_fields[] = {
    {"project_id", JSON_FIELD_INT32, offsetof(struct ids, project_id), 1, INT32_MAX, true},
    {"merchant_id", JSON_FIELD_INT32, offsetof(struct ids, merchant_id), 1, INT32_MAX, false},
    {NULL},
};

/* Members that id_fields names go to `ids`, the others are settings. */
static void split_members(const struct json *object, struct buf *ids, struct buf *settings)
{
    void *iterator = NULL;
    struct str key;
    const struct json *value;
    buf_append_byte(ids, '{');
    buf_append_byte(settings, '{');
    while (json_next(object, &iterator, &key, &value)) {
        bool is_id = str_equal_text(key, "project_id") || str_equal_text(key, "merchant_id");
        json_write_member(is_id ? ids : settings, key, value);
    }
    buf_append_byte(ids, '}');
    buf_append_byte(settings, '}');
}

static int read_ids(struct str text, struct ids *ids, char *error)
{
    struct json *document = json_parse(text, error);
    if (document == NULL)
        return ERR_INVALID;
    int result = json_fields_read(document, id_fields, ids, error);
    json_free(&document);
    return result;
}

static void set_project_as_object(struct http_request *http, int32_t project_id)
{
    char text[32];
    snprintf(text, sizeof(text), "project %d", project_id);
    http_request_set_object(http, str_from(text));
}

void route_projects_create(struct http_request *http)
{
    char error[JSON_FIELDS_ERROR_SIZE];
    struct ids ids = {0};
    struct buf id_text;
    struct json *object = is_operator(http) ? object_of(http) : NULL;
    if (object == NULL)
        return;
    struct project_write *write = project_write_new(http->context, PROJECT_CREATE, 0);
    buf_init(&id_text, LIMIT_SETTINGS);
    split_members(object, &id_text, &write->settings);
    if (write->settings.overflow || id_text.overflow) {
        http_respond_error(http, API_ERROR_BODY_TOO_LARGE, NULL);
        project_write_free(&write);
    } else if (read_ids(buf_view(&id_text), &ids, error) != 0) {
        http_respond_error(http, API_ERROR_INVALID_FIELD, error);
        project_write_free(&write);
    } else {
        write->project_id = ids.project_id;
        write->merchant_id = ids.merchant_id;
        set_project_as_object(http, ids.project_id);
        submit(http, write);
    }
    buf_fini(&id_text);
    json_free(&object);
}

void route_projects_change(struct http_request *http)
{
    int32_t project_id = project_of(http);
    struct json *object = project_id != 0 ? object_of(http) : NULL;
    if (object == NULL)
        return;
    struct project_write *write = project_write_new(http->context, PROJECT_CHANGE, project_id);
    json_dump(object, &write->settings);
    json_free(&object);
    if (!write->settings.overflow) {
        submit(http, write);
        return;
    }
    http_respond_error(http, API_ERROR_BODY_TOO_LARGE, NULL);
    project_write_free(&write);
}

struct rotate_body {
    int64_t overlap;
};

static const struct json_field rotate_fields[] = {
    {"overlap", JSON_FIELD_SECONDS, offsetof(struct rotate_body, overlap), 0, OVERLAP_MAX, false},
    {NULL},
};

void route_projects_rotate(struct http_request *http)
{
    char error[JSON_FIELDS_ERROR_SIZE];
    struct rotate_body body = {.overlap = OVERLAP_DEFAULT};
    int32_t project_id = project_of(http);
    struct json *object = project_id != 0 ? object_of(http) : NULL;
    if (object == NULL)
        return;
    if (json_fields_read(object, rotate_fields, &body, error) != 0) {
        http_respond_error(http, API_ERROR_INVALID_FIELD, error);
    } else {
        struct project_write *write = project_write_new(http->context, PROJECT_ROTATE, project_id);
        write->overlap = body.overlap;
        submit(http, write);
    }
    json_free(&object);
}

struct key_body {
    struct str label;
    bool merchant_wide;
};

static const struct json_field key_fields[] = {
    {"label", JSON_FIELD_TEXT, offsetof(struct key_body, label), 0,
     sizeof(((struct project_write *)NULL)->label) - 1, false},
    {"merchant_wide", JSON_FIELD_BOOL, offsetof(struct key_body, merchant_wide), 0, 0, false},
    {NULL},
};

void route_keys_create(struct http_request *http)
{
    char error[JSON_FIELDS_ERROR_SIZE];
    struct key_body body = {.label = STR_LIT("")};
    int32_t project_id = project_of(http);
    struct json *object = project_id != 0 ? object_of(http) : NULL;
    if (object == NULL)
        return;
    if (json_fields_read(object, key_fields, &body, error) != 0) {
        http_respond_error(http, API_ERROR_INVALID_FIELD, error);
    } else {
        struct project_write *write = project_write_new(http->context, PROJECT_ADD_KEY, project_id);
        write->merchant_wide = body.merchant_wide;
        memcpy(write->label, body.label.ptr, body.label.len);
        submit(http, write);
    }
    json_free(&object);
}

void route_keys_delete(struct http_request *http)
{
    struct str key_id = http->params[1];
    int32_t project_id = project_of(http);
    if (project_id == 0)
        return;
    struct project_write *write = project_write_new(http->context, PROJECT_DELETE_KEY, project_id);
    if (key_id.len >= sizeof(write->key_id)) {
        http_respond_error(http, API_ERROR_KEY_NOT_FOUND, NULL);
        project_write_free(&write);
        return;
    }
    memcpy(write->key_id, key_id.ptr, key_id.len);
    submit(http, write);
}

/* Look-ups. */

/* False when ?after= is no project_id; absent is 0. */
static bool read_after(struct str query, int64_t *after)
{
    struct buf value;
    *after = 0;
    buf_init(&value, LIMIT_HTTP_URL);
    int result = url_query_get(query, "after", &value);
    bool good = result == ERR_NOT_FOUND ||
                (result == 0 && str_to_int64(buf_view(&value), 0, INT32_MAX, after));
    buf_fini(&value);
    return good;
}

void route_projects_list(struct http_request *http)
{
    int64_t after;
    struct buf body;
    if (!is_operator(http))
        return;
    if (!read_after(http->query, &after)) {
        http_respond_error(http, API_ERROR_INVALID_FIELD, "after: expected a project_id");
        return;
    }
    buf_init(&body, LIMIT_HTTP_RESPONSE);
    respond_read(http, project_read_list(http->context, (int32_t)after, &body), &body);
    buf_fini(&body);
}

void route_projects_show(struct http_request *http)
{
    int32_t project_id = project_of(http);
    struct buf body;
    if (project_id == 0)
        return;
    buf_init(&body, LIMIT_HTTP_RESPONSE);
    respond_read(http, project_read(http->context, project_id, &body), &body);
    buf_fini(&body);
}

void route_keys_list(struct http_request *http)
{
    int32_t project_id = project_of(http);
    struct buf body;
    if (project_id == 0)
        return;
    buf_init(&body, LIMIT_HTTP_RESPONSE);
    respond_read(http, project_read_keys(http->context, project_id, &body), &body);
    buf_fini(&body);
}

/* Tokens. */

struct token_body {
    struct str user_external_id;
    int64_t ttl;
    const struct json *claims;
};

static const struct json_field token_fields[] = {
    {"user_external_id", JSON_FIELD_TEXT, offsetof(struct token_body, user_external_id), 1,
     LIMIT_USER_EXTERNAL_ID, true},
    {"ttl", JSON_FIELD_INT64, offsetof(struct token_body, ttl), 1, TTL_MAX, false},
    {"claims", JSON_FIELD_OBJECT, offsetof(struct token_body, claims), 0, 0, false},
    {NULL},
};

/* A claim `exp` wins over the time to live, in the token and so here. */
static int64_t expiry_of(const struct token_body *body, int64_t now)
{
    const int64_t year_9999 = INT64_C(253402300799);
    int64_t exp;
    if (!json_as_int(json_get(body->claims, "exp"), &exp) || exp < 0 || exp > year_9999)
        return now + body->ttl * 1000;
    return exp * 1000;
}

static void respond_token(struct http_request *http, const struct auth_project *project,
                          const struct token_body *body)
{
    struct service *service = http->context;
    int64_t now = loop_wall(service->loop);
    http_request_set_object(http, body->user_external_id);
    struct buf token;
    struct buf answer;
    buf_init(&token, LIMIT_TOKEN);
    buf_init(&answer, LIMIT_TOKEN + 100);
    int result = auth_make_user_token(project, body->user_external_id, now, body->ttl * 1000,
                                      body->claims, &token);
    if (result == 0) {
        buf_append_byte(&answer, '{');
        json_write_text(&answer, "token", buf_view(&token));
        json_write_time(&answer, "expires_at", expiry_of(body, now));
        buf_append_byte(&answer, '}');
        http_respond_json(http, 201, buf_view(&answer));
    } else if (result == ERR_UNSUPPORTED) {
        http_respond_error(http, API_ERROR_INVALID_FIELD,
                           "The project has no user_token_secret to sign with");
    } else if (result == ERR_TOO_LARGE) {
        http_respond_error(http, API_ERROR_INVALID_FIELD, "claims: too large for one token");
    } else {
        http_respond_error(http, API_ERROR_INTERNAL, NULL);
    }
    buf_fini(&answer);
    buf_fini(&token);
}

void route_tokens_create(struct http_request *http)
{
    struct service *service = http->context;
    char error[JSON_FIELDS_ERROR_SIZE];
    struct token_body body = {.ttl = TTL_DEFAULT};
    const struct auth_project *project;
    int32_t project_id = project_of(http);
    struct json *object = project_id != 0 ? object_of(http) : NULL;
    if (object == NULL)
        return;
    int result = auth_project(service->auth, project_id, &project);
    if (result != 0)
        respond_failure(http, result);
    else if (json_fields_read(object, token_fields, &body, error) != 0)
        http_respond_error(http, API_ERROR_INVALID_FIELD, error);
    else
        respond_token(http, project, &body);
    json_free(&object);
}
