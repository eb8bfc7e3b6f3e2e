/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A project's settings, from JSON to parsed keys. They come from an operator who types them, so
 * each refusal names the member and what was wrong with it.
 */
#include "auth/auth_settings.h"

#include "auth/auth_remote.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "codec/json_fields.h"
#include "codec/origin.h"
#include "codec/url_callable.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
    SECRET_MIN = 16, /* 128 bits; RFC 7518 section 3.2 asks for more, real projects have this */
    SECRET_MAX = 512,
    NAME_MAX_BYTES = 100,
    CLAIM_MAX = 100,
    PATH_MAX_BYTES = 1024,
    CA_MAX = 32 * 1024,
    CIDRS_MAX = 64,
};

/* ms */
#define REFRESH_DEFAULT (10 * CLOCK_MINUTE)
#define REFRESH_MIN CLOCK_SECOND
#define REFRESH_MAX CLOCK_DAY

struct settings_input {
    struct str name;
    bool strict;
    bool legacy_socket;
    const struct json *allowed_origins;
    struct str user_token_secret;
    struct str previous_user_token_secret;
    int64_t previous_user_token_secret_until;
    const struct json *earlier_user_token_secrets;
    struct str webhook_secret;
    const struct json *webhook_allow_cidrs;
    const struct json *verifiers;
};

struct verifier_input {
    struct str type;
    struct str secret;
    const struct json *keys;
    struct str path;
    struct str url;
    struct str ca;
    int64_t refresh;
    struct str user_claim;
    const struct json *require;
};

#define SETTING(member, field_type, least, most)                                                   \
    {                                                                                              \
        .name = #member, .type = (field_type), .offset = offsetof(struct settings_input, member),  \
        .min = (least), .max = (most)                                                              \
    }

static const struct json_field settings_fields[] = {
    SETTING(name, JSON_FIELD_TEXT, 0, NAME_MAX_BYTES),
    SETTING(strict, JSON_FIELD_BOOL, 0, 0),
    SETTING(legacy_socket, JSON_FIELD_BOOL, 0, 0),
    SETTING(allowed_origins, JSON_FIELD_ARRAY, 0, 0),
    SETTING(user_token_secret, JSON_FIELD_TEXT, SECRET_MIN, SECRET_MAX),
    SETTING(previous_user_token_secret, JSON_FIELD_TEXT, SECRET_MIN, SECRET_MAX),
    SETTING(previous_user_token_secret_until, JSON_FIELD_TIME, 0, 0),
    SETTING(earlier_user_token_secrets, JSON_FIELD_ARRAY, 0, 0),
    SETTING(webhook_secret, JSON_FIELD_TEXT, SECRET_MIN, SECRET_MAX),
    SETTING(webhook_allow_cidrs, JSON_FIELD_ARRAY, 0, 0),
    SETTING(verifiers, JSON_FIELD_ARRAY, 0, 0),
    {0},
};

static const struct json_field previous_fields[] = {
    {.name = "secret",
     .type = JSON_FIELD_TEXT,
     .offset = offsetof(struct auth_previous_secret, secret),
     .min = SECRET_MIN,
     .max = SECRET_MAX,
     .required = true},
    {.name = "until",
     .type = JSON_FIELD_TIME,
     .offset = offsetof(struct auth_previous_secret, until),
     .required = true},
    {0},
};

#define VERIFIER(member, field_type, least, most, needed)                                          \
    {                                                                                              \
        .name = #member, .type = (field_type), .offset = offsetof(struct verifier_input, member),  \
        .min = (least), .max = (most), .required = (needed)                                        \
    }

static const struct json_field verifier_fields[] = {
    VERIFIER(type, JSON_FIELD_TEXT, 1, 20, true),
    VERIFIER(secret, JSON_FIELD_TEXT, SECRET_MIN, SECRET_MAX, false),
    VERIFIER(keys, JSON_FIELD_ARRAY, 0, 0, false),
    VERIFIER(path, JSON_FIELD_TEXT, 1, PATH_MAX_BYTES, false),
    VERIFIER(url, JSON_FIELD_TEXT, 1, LIMIT_WEBHOOK_URL, false),
    VERIFIER(ca, JSON_FIELD_LINES, 1, CA_MAX, false),
    VERIFIER(refresh, JSON_FIELD_SECONDS, REFRESH_MIN, REFRESH_MAX, false),
    VERIFIER(user_claim, JSON_FIELD_TEXT, 1, CLAIM_MAX, false),
    VERIFIER(require, JSON_FIELD_OBJECT, 0, 0, false),
    {0},
};

/* What the reader of one verifier needs to know. */
struct context {
    const struct auth_settings *settings;
    const struct verifier_type *type; /* NULL until it is known */
    bool lenient; /* a file that cannot be read leaves the verifier without keys */
    size_t index; /* in "verifiers" */
    char *error;
};

struct verifier_type {
    const char *word;
    const char *members; /* that belong to this type, each with a space before and after */
    int (*read)(const struct verifier_input *input, const struct context *context,
                struct auth_verifier *verifier);
    enum jwt_algorithm algorithm; /* of a secret */
};

static int refuse(char *error, const char *format, ...) PRINTF_LIKE(2, 3);

static int refuse(char *error, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error, AUTH_SETTINGS_ERROR_SIZE, format, arguments);
    va_end(arguments);
    return ERR_INVALID;
}

static int refuse_verifier(const struct context *context, const char *sentence)
{
    return refuse(context->error, "verifiers[%zu]: %s", context->index, sentence);
}

static int read_secret(const struct verifier_input *input, const struct context *context,
                       struct auth_verifier *verifier)
{
    if (input->secret.len == 0)
        return refuse_verifier(context, "secret: required");
    jwks_init_secret(&verifier->keys, input->secret, context->type->algorithm);
    return 0;
}

static int read_key_set(const struct json *document, const struct context *context,
                        struct auth_verifier *verifier)
{
    char sentence[JSON_ERROR_SIZE] = "";
    int rc = jwks_read(document, true, &verifier->keys, sentence);
    if (rc == ERR_TOO_LARGE)
        refuse(context->error, "verifiers[%zu]: more than %d keys", context->index,
               LIMIT_JWKS_KEYS);
    else if (rc < 0)
        refuse_verifier(context, sentence);
    return rc < 0 ? ERR_INVALID : 0;
}

static int read_jwks(const struct verifier_input *input, const struct context *context,
                     struct auth_verifier *verifier)
{
    if (input->keys == NULL)
        return refuse_verifier(context, "keys: required");
    return read_key_set(input->keys, context, verifier);
}

/* A short read is no error: the JSON is then incomplete and refused. */
static int read_file(const char *path, struct buf *out, char *error)
{
    int rc = ERR_IO;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        snprintf(error, JSON_ERROR_SIZE, "cannot be opened: %s", strerror(errno));
        return ERR_IO;
    }
    char *room = buf_reserve(out, LIMIT_SETTINGS + 1);
    ssize_t length = read(fd, room, LIMIT_SETTINGS + 1);
    if (length < 0) {
        snprintf(error, JSON_ERROR_SIZE, "cannot be read: %s", strerror(errno));
    } else if (length > LIMIT_SETTINGS) {
        snprintf(error, JSON_ERROR_SIZE, "is larger than %d bytes", LIMIT_SETTINGS);
    } else {
        buf_wrote(out, (size_t)length);
        rc = 0;
    }
    close(fd);
    return rc;
}

static struct json *read_json_file(struct str path, char error[JSON_ERROR_SIZE])
{
    struct json *document = NULL;
    char *name = mem_strndup(path.ptr, path.len);
    struct buf text;
    buf_init(&text, LIMIT_SETTINGS + 1);
    if (read_file(name, &text, error) == 0)
        document = json_parse(buf_view(&text), error);
    buf_fini(&text);
    mem_free(name);
    return document;
}

static int read_jwks_file(const struct verifier_input *input, const struct context *context,
                          struct auth_verifier *verifier)
{
    char sentence[JSON_ERROR_SIZE];
    int rc = ERR_INVALID;
    if (input->path.len == 0)
        return refuse_verifier(context, "path: required");
    struct json *document = read_json_file(input->path, sentence);
    if (document == NULL)
        refuse(context->error, "verifiers[%zu]: the file in \"path\": %s", context->index,
               sentence);
    else
        rc = read_key_set(document, context, verifier);
    json_free(&document);
    if (rc < 0 && context->lenient) {
        log_error("a verifier has no keys", LOG_STR("path", input->path),
                  LOG_TEXT("reason", context->error));
        verifier->is_unread = true;
        return 0;
    }
    return rc;
}

/*
 * Who can change what comes from there can sign for every user, so it comes by TLS, or from a network
 * that the operator has allowed.
 */
static int read_jwks_url(const struct verifier_input *input, const struct context *context,
                         struct auth_verifier *verifier)
{
    const struct auth_settings *settings = context->settings;
    char sentence[URL_CALLABLE_ERROR_SIZE];
    if (input->url.len == 0)
        return refuse_verifier(context, "url: required");
    if (url_callable_check(input->url, settings->networks, settings->network_count, sentence) < 0)
        return refuse_verifier(context, sentence);
    bool secure = str_starts_with(input->url, STR_LIT("https://"));
    if (!secure && settings->network_count == 0)
        return refuse_verifier(context,
                               "url: must begin with https://; http:// serves for networks of "
                               "webhook_allow_cidrs alone");
    verifier->url = input->url;
    verifier->ca = input->ca;
    verifier->refresh = input->refresh;
    return 0;
}

static const struct verifier_type verifier_types[] = {
    {"hs256", " secret ", read_secret, JWT_HS256},
    {"hs384", " secret ", read_secret, JWT_HS384},
    {"hs512", " secret ", read_secret, JWT_HS512},
    {"jwks", " keys ", read_jwks, JWT_ALGORITHM_COUNT},
    {"jwks_file", " path ", read_jwks_file, JWT_ALGORITHM_COUNT},
    {"jwks_url", " url ca refresh ", read_jwks_url, JWT_ALGORITHM_COUNT},
};

static const struct verifier_type *find_type(struct str word)
{
    for (size_t i = 0; i < ARRAY_LENGTH(verifier_types); i++) {
        if (str_equal_text(word, verifier_types[i].word))
            return &verifier_types[i];
    }
    return NULL;
}

/* A member of another type is a mistake that would leave a door open or shut unnoticed. */
static int check_members(const struct json *object, const struct context *context)
{
    static const char *const members[] = {"secret", "keys", "path", "url", "ca", "refresh"};
    for (size_t i = 0; i < ARRAY_LENGTH(members); i++) {
        char word[20];
        snprintf(word, sizeof(word), " %s ", members[i]);
        if (strstr(context->type->members, word) == NULL &&
            json_get_non_null(object, members[i]) != NULL)
            return refuse(context->error, "verifiers[%zu]: %s: not a member of type %s",
                          context->index, members[i], context->type->word);
    }
    return 0;
}

static int check_require(const struct json *require, const struct context *context)
{
    const struct json *value;
    void *iterator = NULL;
    struct str claim;
    while (json_next(require, &iterator, &claim, &value)) {
        enum json_kind kind = json_kind(value);
        if (kind == JSON_KIND_NULL || kind == JSON_KIND_ARRAY || kind == JSON_KIND_OBJECT)
            return refuse_verifier(context,
                                   "require: each value must be a string, a number or a boolean");
    }
    return 0;
}

static int read_verifier(const struct json *object, struct context *context,
                         struct auth_verifier *verifier)
{
    char sentence[JSON_FIELDS_ERROR_SIZE];
    struct verifier_input input = {.refresh = REFRESH_DEFAULT};
    int rc = json_fields_read(object, verifier_fields, &input, sentence);
    if (rc < 0)
        return refuse_verifier(context, sentence);
    context->type = find_type(input.type);
    if (context->type == NULL)
        return refuse_verifier(context,
                               "type: must be hs256, hs384, hs512, jwks, jwks_file or jwks_url");
    rc = check_members(object, context);
    if (rc == 0 && input.require != NULL)
        rc = check_require(input.require, context);
    if (rc < 0)
        return rc;
    verifier->user_claim = input.user_claim;
    verifier->require = input.require;
    return context->type->read(&input, context, verifier);
}

static void add_user_token_secret(struct auth_settings *settings, struct str secret, int64_t until)
{
    struct auth_verifier *verifier;
    if (secret.len == 0)
        return;
    verifier = &settings->verifiers[settings->verifier_count++];
    verifier->until = until;
    jwks_init_secret(&verifier->keys, secret, JWT_HS256);
}

static int read_earlier(const struct json *earlier, struct auth_settings *settings, char *error)
{
    char sentence[JSON_FIELDS_ERROR_SIZE];
    size_t count = earlier != NULL ? json_length(earlier) : 0;
    if (count > 0 && settings->previous_count == 0)
        return refuse(error, "earlier_user_token_secrets: not without previous_user_token_secret");
    if (count > AUTH_PREVIOUS_MAX - 1)
        return refuse(error, "earlier_user_token_secrets: more than %d", AUTH_PREVIOUS_MAX - 1);
    for (size_t i = 0; i < count; i++) {
        struct auth_previous_secret *previous = &settings->previous[settings->previous_count++];
        if (json_fields_read(json_at(earlier, i), previous_fields, previous, sentence) < 0)
            return refuse(error, "earlier_user_token_secrets[%zu]: %s", i, sentence);
    }
    return 0;
}

static int read_previous(const struct settings_input *input, struct auth_settings *settings,
                         char *error)
{
    bool has_previous = input->previous_user_token_secret.len > 0;
    if (has_previous != (input->previous_user_token_secret_until > 0))
        return refuse(error,
                      "previous_user_token_secret and previous_user_token_secret_until: "
                      "both or none");
    if (has_previous)
        settings->previous[settings->previous_count++] = (struct auth_previous_secret){
            input->previous_user_token_secret, input->previous_user_token_secret_until};
    return read_earlier(input->earlier_user_token_secrets, settings, error);
}

static int read_verifiers(const struct settings_input *input, bool lenient,
                          struct auth_settings *settings, char *error)
{
    size_t given = input->verifiers != NULL ? json_length(input->verifiers) : 0;
    settings->verifiers =
        mem_zalloc((given + 1 + settings->previous_count) * sizeof(struct auth_verifier));
    add_user_token_secret(settings, input->user_token_secret, INT64_MAX);
    /* Those of before do not count: rotating is never refused for want of room. */
    if (given + settings->verifier_count > LIMIT_VERIFIERS)
        return refuse(error, "verifiers: more than %d", LIMIT_VERIFIERS);
    for (size_t i = 0; i < settings->previous_count; i++)
        add_user_token_secret(settings, settings->previous[i].secret, settings->previous[i].until);
    for (size_t i = 0; i < given; i++) {
        struct context context = {
            .lenient = lenient, .index = i, .error = error, .settings = settings};
        struct auth_verifier *verifier = &settings->verifiers[settings->verifier_count++];
        verifier->until = INT64_MAX;
        int rc = read_verifier(json_at(input->verifiers, i), &context, verifier);
        if (rc < 0)
            return rc;
    }
    return 0;
}

/* As the sender of webhooks reads it; a single address is written as a network too. */
static bool read_cidr(const struct json *value, struct address_network *network)
{
    struct str text;
    return json_as_string(value, &text) && memchr(text.ptr, '/', text.len) != NULL &&
           address_network_parse(text, network) == 0;
}

static int read_cidrs(const struct json *cidrs, struct auth_settings *settings, char *error)
{
    size_t count = cidrs != NULL ? json_length(cidrs) : 0;
    if (count > CIDRS_MAX)
        return refuse(error, "webhook_allow_cidrs: more than %d", CIDRS_MAX);
    settings->networks = mem_zalloc((count + 1) * sizeof(struct address_network));
    for (size_t i = 0; i < count; i++) {
        if (!read_cidr(json_at(cidrs, i), &settings->networks[i]))
            return refuse(error,
                          "webhook_allow_cidrs[%zu]: expected an address range like "
                          "\"10.0.0.0/8\" or \"fd00::/8\"",
                          i);
    }
    settings->network_count = count;
    return 0;
}

static int check_origins(const struct json *origins, char *error)
{
    struct str text;
    size_t count = origins != NULL ? json_length(origins) : 0;
    if (count > LIMIT_ALLOWED_ORIGINS)
        return refuse(error, "allowed_origins: more than %d", LIMIT_ALLOWED_ORIGINS);
    for (size_t i = 0; i < count; i++) {
        if (!json_as_string(json_at(origins, i), &text) || !origin_entry_is_valid(text))
            return refuse(error,
                          "allowed_origins[%zu]: expected an origin as browsers send it, like "
                          "\"https://shop.example\" or \"https://*.shop.example\"",
                          i);
    }
    return 0;
}

static int read_settings(struct str text, bool lenient, struct auth_settings *settings, char *error)
{
    struct settings_input input = {.name = STR_LIT("")};
    char sentence[JSON_FIELDS_ERROR_SIZE];
    *settings = (struct auth_settings){.document = json_parse(text, error)};
    if (settings->document == NULL)
        return ERR_INVALID;
    int rc = json_fields_read(settings->document, settings_fields, &input, sentence);
    if (rc < 0)
        refuse(error, "%s", sentence);
    if (rc == 0)
        rc = read_cidrs(input.webhook_allow_cidrs, settings, error);
    if (rc == 0)
        rc = check_origins(input.allowed_origins, error);
    if (rc == 0)
        rc = read_previous(&input, settings, error);
    if (rc == 0)
        rc = read_verifiers(&input, lenient, settings, error);
    if (rc < 0) {
        auth_settings_fini(settings);
        return ERR_INVALID;
    }
    settings->name = input.name;
    settings->strict = input.strict;
    settings->legacy_socket = input.legacy_socket;
    settings->allowed_origins = input.allowed_origins;
    settings->user_token_secret = input.user_token_secret;
    settings->webhook_secret = input.webhook_secret;
    return 0;
}

int auth_settings_read(struct str text, struct auth_settings *settings,
                       char error[AUTH_SETTINGS_ERROR_SIZE])
{
    return read_settings(text, false, settings, error);
}

int auth_settings_read_stored(struct str text, struct auth_settings *settings)
{
    char error[AUTH_SETTINGS_ERROR_SIZE];
    int rc = read_settings(text, true, settings, error);
    if (rc < 0) {
        log_error("stored settings cannot be read", LOG_TEXT("reason", error));
        return ERR_CORRUPT;
    }
    return 0;
}

void auth_settings_fini(struct auth_settings *settings)
{
    for (size_t i = 0; i < settings->verifier_count; i++)
        jwks_fini(&settings->verifiers[i].keys);
    mem_free(settings->verifiers);
    mem_free(settings->networks);
    json_free(&settings->document);
    *settings = (struct auth_settings){0};
}

/* The members of `from` that are not in `but_not`; nulls are left out. */
static void write_members(struct buf *out, const struct json *from, const struct json *but_not)
{
    const struct json *value;
    void *iterator = NULL;
    struct str key;
    while (json_next(from, &iterator, &key, &value)) {
        bool is_left_out = json_kind(value) == JSON_KIND_NULL ||
                           (but_not != NULL && json_get(but_not, key.ptr) != NULL);
        if (!is_left_out)
            json_write_member(out, key, value);
    }
}

static int merge(const struct json *stored, const struct json *changes, struct buf *out,
                 char *error)
{
    struct auth_settings settings;
    buf_append_byte(out, '{');
    write_members(out, stored, changes);
    write_members(out, changes, NULL);
    buf_append_byte(out, '}');
    if (out->overflow) {
        refuse(error, "the settings are larger than %d bytes", LIMIT_SETTINGS);
        return ERR_TOO_LARGE;
    }
    int rc = auth_settings_read(buf_view(out), &settings, error);
    if (rc == 0)
        auth_settings_fini(&settings);
    return rc;
}

int auth_settings_merge(struct str text, const struct json *changes, struct buf *out,
                        char error[AUTH_SETTINGS_ERROR_SIZE])
{
    /* Read for its own sake too: a null member that does not exist is a slip of the pen. */
    struct settings_input input;
    char sentence[JSON_FIELDS_ERROR_SIZE];
    if (json_fields_read(changes, settings_fields, &input, sentence) < 0)
        return refuse(error, "%s", sentence);
    struct json *stored = json_parse(text, error);
    if (stored == NULL)
        return ERR_INVALID;
    struct buf merged;
    buf_init(&merged, LIMIT_SETTINGS);
    int rc = merge(stored, changes, &merged, error);
    if (rc == 0)
        buf_append_str(out, buf_view(&merged));
    buf_wipe(&merged);
    json_free(&stored);
    return rc;
}

static void show_previous(const struct auth_settings *settings, struct buf *out)
{
    json_write_time(out, "previous_user_token_secret_until", settings->previous[0].until);
    json_write_key(out, "earlier_user_token_secrets");
    buf_append_byte(out, '[');
    for (size_t i = 1; i < settings->previous_count; i++) {
        buf_append_text(out, i > 1 ? ",{" : "{");
        json_write_time(out, "until", settings->previous[i].until);
        buf_append_byte(out, '}');
    }
    buf_append_byte(out, ']');
}

static void show_remote(const struct auth_verifier *verifier, struct buf *out)
{
    json_write_text(out, "url", verifier->url);
    json_write_int(out, "refresh", verifier->refresh / CLOCK_SECOND);
    if (verifier->remote == NULL)
        return;
    json_write_int(out, "key_count", (int64_t)auth_remote_keys(verifier->remote)->count);
    int64_t fetched_at = auth_remote_fetched_at(verifier->remote);
    if (fetched_at != 0)
        json_write_time(out, "fetched_at", fetched_at);
}

static void show_verifier(const struct auth_verifier *verifier, const struct json *object,
                          struct buf *out)
{
    struct str text;
    const struct json *type = json_get(object, "type");
    buf_append_text(out, out->ptr[out->len - 1] == '[' ? "{" : ",{");
    if (json_as_string(type, &text))
        json_write_text(out, "type", text);
    if (json_as_string(json_get(object, "path"), &text))
        json_write_text(out, "path", text);
    if (verifier->user_claim.len > 0)
        json_write_text(out, "user_claim", verifier->user_claim);
    if (verifier->require != NULL) {
        json_write_key(out, "require");
        json_dump(verifier->require, out);
    }
    if (verifier->url.len > 0)
        show_remote(verifier, out);
    else if (json_get_non_null(object, "secret") == NULL)
        json_write_int(out, "key_count", (int64_t)verifier->keys.count);
    buf_append_byte(out, '}');
}

void auth_settings_show(const struct auth_settings *settings, struct buf *out)
{
    const struct json *cidrs = json_get_non_null(settings->document, "webhook_allow_cidrs");
    const struct json *given = json_get_non_null(settings->document, "verifiers");
    size_t given_count = given != NULL ? json_length(given) : 0;
    size_t implied = settings->verifier_count - given_count;
    buf_append_byte(out, '{');
    json_write_text(out, "name", settings->name);
    json_write_bool(out, "strict", settings->strict);
    json_write_bool(out, "legacy_socket", settings->legacy_socket);
    json_write_key(out, "allowed_origins");
    if (settings->allowed_origins != NULL)
        json_dump(settings->allowed_origins, out);
    else
        buf_append_text(out, "null");
    if (settings->previous_count > 0)
        show_previous(settings, out);
    json_write_key(out, "webhook_allow_cidrs");
    if (cidrs != NULL)
        json_dump(cidrs, out);
    else
        buf_append_text(out, "[]");
    json_write_key(out, "verifiers");
    buf_append_byte(out, '[');
    for (size_t i = 0; i < given_count && !out->overflow; i++)
        show_verifier(&settings->verifiers[implied + i], json_at(given, i), out);
    buf_append_text(out, "]}");
}
