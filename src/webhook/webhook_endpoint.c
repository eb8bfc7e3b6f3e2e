/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Settings and secrets of an endpoint. One reader serves what a merchant sends and what the store
 * gives back, so that nothing is stored that cannot be read again. Defaults are filled in when it is
 * read, not when it is written: a default that improves reaches the endpoints that did not choose.
 */
#include "webhook/webhook_endpoint.h"

#include "base/clock.h"
#include "base/crypto.h"
#include "base/err.h"
#include "base/mem.h"
#include "codec/base64.h"
#include "codec/json_fields.h"
#include "codec/url_callable.h"
#include "webhook/webhook_policy.h"

#include <stdarg.h>
#include <stdio.h>

enum {
    DEFAULT_CONCURRENCY = 10,
    DEFAULT_TIMEOUT = 15 * CLOCK_SECOND,
    RATE_MAX = 100000,
    DESCRIPTION_MAX = 255,
    CLIENT_KEY_MAX = 16 * 1024, /* so that escaped and with all secrets it fits SECRETS_MAX */
    TIMEOUT_MIN = 50,           /* ms */
    WAIT_MIN = 10,              /* ms */
    SECRET_BYTES = 32,
    SECRET_BYTES_MIN = 24,
    SECRET_BYTES_MAX = 64,
    XSOLLA_SECRET_LENGTH = 40,
    XSOLLA_SECRET_MIN = 8,
    XSOLLA_SECRET_MAX = 128,
    SECRETS_MAX = LIMIT_WEBHOOK_SETTINGS,
};

#define DEFAULT_MAX_AGE (7 * CLOCK_DAY)
#define MAX_AGE_MAX (365 * CLOCK_DAY)
#define TIMEOUT_MAX CLOCK_MINUTE
#define WAIT_MAX (7 * CLOCK_DAY)
#define SECRET_PREFIX "whsec_"
#define ALL_STATUSES ((1U << ORDER_STATUS_COUNT) - 1)
#define XSOLLA_STATUSES (1U << ORDER_PAID | 1U << ORDER_CANCELED)

struct input {
    struct str url, preset, mode, description, ca, client_cert, client_key;
    const struct json *statuses, *schedule;
    int32_t concurrency, rate;
    int64_t max_age, timeout;
};

#define FIELD(field, kind, low, high)                                                              \
    {                                                                                              \
#field, kind, offsetof(struct input, field), low, high, false                              \
    }

static const struct json_field fields[] = {
    FIELD(url, JSON_FIELD_TEXT, 1, LIMIT_WEBHOOK_URL),
    FIELD(preset, JSON_FIELD_TEXT, 1, 32),
    FIELD(statuses, JSON_FIELD_ARRAY, 0, 0),
    FIELD(mode, JSON_FIELD_TEXT, 1, 32),
    FIELD(description, JSON_FIELD_TEXT, 0, DESCRIPTION_MAX),
    FIELD(concurrency, JSON_FIELD_INT32, 1, LIMIT_WEBHOOK_CONCURRENCY),
    FIELD(rate, JSON_FIELD_INT32, 0, RATE_MAX),
    FIELD(schedule, JSON_FIELD_ARRAY, 0, 0),
    FIELD(max_age, JSON_FIELD_SECONDS, 0, MAX_AGE_MAX),
    FIELD(timeout, JSON_FIELD_SECONDS, TIMEOUT_MIN, TIMEOUT_MAX),
    FIELD(ca, JSON_FIELD_LINES, 0, LIMIT_WEBHOOK_SETTINGS),
    FIELD(client_cert, JSON_FIELD_LINES, 0, LIMIT_WEBHOOK_SETTINGS),
    FIELD(client_key, JSON_FIELD_LINES, 0, CLIENT_KEY_MAX),
    {NULL},
};

static int refuse(char *error, const char *format, ...) PRINTF_LIKE(2, 3);

static int refuse(char *error, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error, WEBHOOK_ERROR_SIZE, format, arguments);
    va_end(arguments);
    return ERR_INVALID;
}

static int read_preset(const struct input *input, struct webhook_endpoint *endpoint, char *error)
{
    if (str_equal_text(input->preset, "standard"))
        endpoint->preset = WEBHOOK_STANDARD;
    else if (str_equal_text(input->preset, "xsolla"))
        endpoint->preset = WEBHOOK_XSOLLA;
    else
        return refuse(error, "preset: expected standard or xsolla");
    if (str_equal_text(input->mode, "all"))
        endpoint->mode = WEBHOOK_ALL;
    else if (str_equal_text(input->mode, "latest"))
        endpoint->mode = WEBHOOK_LATEST;
    else
        return refuse(error, "mode: expected all or latest");
    return 0;
}

static int read_statuses(const struct json *statuses, struct webhook_endpoint *endpoint,
                         char *error)
{
    bool is_xsolla = endpoint->preset == WEBHOOK_XSOLLA;
    endpoint->statuses = is_xsolla ? XSOLLA_STATUSES : ALL_STATUSES;
    if (statuses == NULL)
        return 0;
    unsigned chosen = 0;
    for (size_t i = 0; i < json_length(statuses); i++) {
        struct str word;
        enum order_status status;
        if (!json_as_string(json_at(statuses, i), &word) || !order_status_parse(word, &status))
            return refuse(error, "statuses[%zu]: expected new, paid, done or canceled", i);
        chosen |= 1U << status;
    }
    if (chosen == 0)
        return refuse(error, "statuses: must name one status at least");
    if (is_xsolla && (chosen & ~XSOLLA_STATUSES) != 0)
        return refuse(error, "statuses: the xsolla preset has webhooks for paid and canceled only");
    endpoint->statuses = chosen;
    return 0;
}

static int read_schedule(const struct json *schedule, struct webhook_endpoint *endpoint,
                         char *error)
{
    if (schedule == NULL) {
        endpoint->schedule_length = webhook_policy_schedule(endpoint->preset, endpoint->schedule);
        return 0;
    }
    size_t length = json_length(schedule);
    if (length > LIMIT_WEBHOOK_SCHEDULE)
        return refuse(error, "schedule: more than %d waits", LIMIT_WEBHOOK_SCHEDULE);
    for (size_t i = 0; i < length; i++) {
        double seconds;
        if (!json_as_number(json_at(schedule, i), &seconds) ||
            !(seconds * CLOCK_SECOND >= WAIT_MIN && seconds * CLOCK_SECOND <= WAIT_MAX))
            return refuse(error, "schedule[%zu]: expected a number of seconds from 0.01 to 604800",
                          i);
        endpoint->schedule[i] = (int64_t)(seconds * CLOCK_SECOND + 0.5);
    }
    endpoint->schedule_length = (int)length;
    return 0;
}

static bool is_pem(struct str text)
{
    return text.len == 0 || str_starts_with(str_trim(text), STR_LIT("-----BEGIN "));
}

static int read_certificates(const struct input *input, struct webhook_endpoint *endpoint,
                             char *error)
{
    if (!is_pem(input->ca))
        return refuse(error, "ca: expected certificates in PEM form");
    if (!is_pem(input->client_cert))
        return refuse(error, "client_cert: expected a certificate in PEM form");
    if (!is_pem(input->client_key))
        return refuse(error, "client_key: expected a private key in PEM form");
    endpoint->ca = input->ca;
    endpoint->client_cert = input->client_cert;
    return 0;
}

static void take_plain(const struct input *input, struct webhook_endpoint *endpoint)
{
    endpoint->url = input->url;
    endpoint->description = input->description;
    endpoint->concurrency = input->concurrency;
    endpoint->rate = input->rate;
    endpoint->max_age = input->max_age;
    endpoint->timeout = input->timeout;
}

static int read_document(const struct json *document, struct webhook_endpoint *endpoint,
                         char *error)
{
    struct input input = {
        .preset = STR_LIT("standard"),
        .mode = STR_LIT("all"),
        .description = STR_LIT(""),
        .concurrency = DEFAULT_CONCURRENCY,
        .max_age = DEFAULT_MAX_AGE,
        .timeout = DEFAULT_TIMEOUT,
    };
    int rc = json_fields_read(document, fields, &input, error);
    if (rc < 0)
        return rc;
    if (input.url.len == 0)
        return refuse(error, "url: required");
    take_plain(&input, endpoint);
    rc = read_preset(&input, endpoint, error);
    if (rc == 0)
        rc = read_statuses(input.statuses, endpoint, error);
    if (rc == 0)
        rc = read_schedule(input.schedule, endpoint, error);
    if (rc == 0)
        rc = read_certificates(&input, endpoint, error);
    return rc;
}

static int read_settings(struct str text, struct webhook_endpoint *endpoint, char *error)
{
    endpoint->settings_document = json_parse(text, error);
    if (endpoint->settings_document == NULL)
        return ERR_INVALID;
    return read_document(endpoint->settings_document, endpoint, error);
}

static struct str text_of(const struct json *object, const char *name)
{
    struct str text = STR_LIT("");
    (void)!json_as_string(json_get(object, name), &text);
    return text;
}

static int read_secrets(struct str sealed, const uint8_t *key, struct webhook_endpoint *endpoint,
                        char *error)
{
    struct buf plain;
    buf_init(&plain, SECRETS_MAX);
    int rc = crypto_open(key, sealed, &plain);
    if (rc == ERR_DENIED)
        refuse(error,
               "the secrets were sealed with another key file, or are damaged: put "
               "its secrets.key back, or make the webhook anew");
    else if (rc < 0)
        rc = refuse(error, "the sealed secrets cannot be read");
    else
        endpoint->secrets_document = json_parse(buf_view(&plain), error);
    buf_wipe(&plain);
    if (rc < 0)
        return rc;
    const struct json *secrets = endpoint->secrets_document;
    endpoint->secret = text_of(secrets, "secret");
    endpoint->previous_secrets = text_of(secrets, "previous");
    endpoint->client_key = text_of(secrets, "client_key");
    if (!json_as_int(json_get(secrets, "previous_until"), &endpoint->previous_until))
        endpoint->previous_until = 0;
    return endpoint->secret.len > 0 ? 0 : refuse(error, "the sealed secrets cannot be read");
}

int webhook_endpoint_read(const struct store_endpoint *stored, const uint8_t *key,
                          struct webhook_endpoint *endpoint, char error[WEBHOOK_ERROR_SIZE])
{
    *endpoint = (struct webhook_endpoint){
        .endpoint_id = stored->endpoint_id,
        .project_id = stored->project_id,
        .state = stored->state,
    };
    int rc = read_settings(stored->settings, endpoint, error);
    if (rc == 0 && key != NULL)
        rc = read_secrets(stored->secrets, key, endpoint, error);
    if (rc < 0)
        webhook_endpoint_fini(endpoint);
    return rc;
}

void webhook_endpoint_fini(struct webhook_endpoint *endpoint)
{
    json_free(&endpoint->settings_document);
    json_free(&endpoint->secrets_document);
    *endpoint = (struct webhook_endpoint){0};
}

/* Nulls and what `but_not` names are left out. */
static void write_members(struct buf *out, const struct json *from, const struct json *but_not)
{
    const struct json *value;
    void *iterator = NULL;
    struct str key;
    while (json_next(from, &iterator, &key, &value)) {
        if (json_kind(value) == JSON_KIND_NULL || str_equal_text(key, "client_key") ||
            (but_not != NULL && json_get(but_not, key.ptr) != NULL))
            continue;
        json_write_member(out, key, value);
    }
}

static int check_merged(struct str text, const struct address_network *allowed,
                        size_t allowed_count, char *error)
{
    struct webhook_endpoint endpoint = {0};
    int rc = read_settings(text, &endpoint, error);
    if (rc == 0)
        rc = url_callable_check(endpoint.url, allowed, allowed_count, error);
    webhook_endpoint_fini(&endpoint);
    return rc;
}

static void write_merged(const struct json *old, const struct json *changes, struct buf *out)
{
    buf_append_byte(out, '{');
    if (old != NULL)
        write_members(out, old, changes);
    write_members(out, changes, NULL);
    buf_append_byte(out, '}');
}

int webhook_endpoint_merge(struct str old, const struct json *changes,
                           const struct address_network *allowed, size_t allowed_count,
                           struct buf *settings, struct str *client_key,
                           char error[WEBHOOK_ERROR_SIZE])
{
    /* Read for its own sake: the client's key does not come with the rest. */
    struct input input = {0};
    int rc = json_fields_read(changes, fields, &input, error);
    if (rc == 0 && !is_pem(input.client_key))
        rc = refuse(error, "client_key: expected a private key in PEM form");
    if (rc < 0)
        return rc;
    bool is_removed = json_get(changes, "client_key") != NULL && input.client_key.ptr == NULL;
    *client_key = is_removed ? STR_LIT("") : input.client_key;

    struct buf merged;
    struct json *document = NULL;
    buf_init(&merged, LIMIT_WEBHOOK_SETTINGS);
    if (old.len > 0 && (document = json_parse(old, error)) == NULL)
        return ERR_INVALID;
    write_merged(document, changes, &merged);
    if (merged.overflow) {
        refuse(error, "the settings are larger than %d bytes", LIMIT_WEBHOOK_SETTINGS);
        rc = ERR_TOO_LARGE;
    } else {
        rc = check_merged(buf_view(&merged), allowed, allowed_count, error);
    }
    if (rc == 0)
        buf_append_str(settings, buf_view(&merged));
    buf_fini(&merged);
    json_free(&document);
    return rc;
}

enum webhook_preset webhook_endpoint_preset(struct str settings)
{
    struct json *document = json_parse(settings, NULL);
    bool is_xsolla = str_equal_text(text_of(document, "preset"), "xsolla");
    json_free(&document);
    return is_xsolla ? WEBHOOK_XSOLLA : WEBHOOK_STANDARD;
}

static int check_xsolla_secret(struct str secret, char *error)
{
    bool is_printable = true;
    for (size_t i = 0; i < secret.len; i++)
        is_printable = is_printable && secret.ptr[i] > 0x20 && secret.ptr[i] < 0x7f;
    if (!is_printable || secret.len < XSOLLA_SECRET_MIN || secret.len > XSOLLA_SECRET_MAX)
        return refuse(error, "secret: must have %d to %d printable ASCII characters",
                      XSOLLA_SECRET_MIN, XSOLLA_SECRET_MAX);
    return 0;
}

int webhook_endpoint_check_secret(enum webhook_preset preset, struct str secret,
                                  char error[WEBHOOK_ERROR_SIZE])
{
    struct buf bytes;
    const size_t prefix = sizeof(SECRET_PREFIX) - 1;
    if (preset == WEBHOOK_XSOLLA)
        return check_xsolla_secret(secret, error);
    buf_init(&bytes, SECRET_BYTES_MAX);
    int rc = ERR_INVALID;
    if (str_starts_with(secret, STR_LIT(SECRET_PREFIX)))
        rc = base64_decode(str_make(secret.ptr + prefix, secret.len - prefix), &bytes);
    if (rc < 0 || bytes.len < SECRET_BYTES_MIN)
        rc = refuse(error, "secret: must be \"whsec_\" and the base64 of %d to %d bytes",
                    SECRET_BYTES_MIN, SECRET_BYTES_MAX);
    buf_fini(&bytes);
    return rc;
}

void webhook_endpoint_make_secret(enum webhook_preset preset, struct buf *out)
{
    if (preset == WEBHOOK_XSOLLA) {
        char text[XSOLLA_SECRET_LENGTH + 1];
        crypto_random_text(text, XSOLLA_SECRET_LENGTH);
        buf_append_text(out, text);
        return;
    }
    char bytes[SECRET_BYTES];
    crypto_random(bytes, sizeof(bytes));
    buf_append_text(out, SECRET_PREFIX);
    base64_encode(str_make(bytes, sizeof(bytes)), out);
    mem_wipe(bytes, sizeof(bytes));
}

void webhook_endpoint_seal(struct str secret, struct str previous, int64_t previous_until,
                           struct str client_key, const uint8_t key[WEBHOOK_KEY_SIZE],
                           struct buf *out)
{
    struct buf plain;
    buf_init(&plain, SECRETS_MAX);
    buf_append_byte(&plain, '{');
    json_write_text(&plain, "secret", secret);
    if (previous.len > 0) {
        json_write_text(&plain, "previous", previous);
        json_write_int(&plain, "previous_until", previous_until);
    }
    if (client_key.len > 0)
        json_write_text(&plain, "client_key", client_key);
    buf_append_byte(&plain, '}');
    if (plain.overflow)
        out->overflow = true;
    else
        crypto_seal(key, buf_view(&plain), out);
    buf_wipe(&plain);
}

static void show_lists(const struct webhook_endpoint *endpoint, struct buf *out)
{
    const char *comma = "";
    json_write_key(out, "statuses");
    buf_append_byte(out, '[');
    for (int status = 0; status < ORDER_STATUS_COUNT; status++) {
        if ((endpoint->statuses & 1U << status) == 0)
            continue;
        buf_printf(out, "%s\"%s\"", comma, order_status_word((enum order_status)status));
        comma = ",";
    }
    buf_append_byte(out, ']');
    json_write_key(out, "schedule");
    buf_append_byte(out, '[');
    for (int i = 0; i < endpoint->schedule_length; i++) {
        if (i > 0)
            buf_append_byte(out, ',');
        json_write_seconds(out, endpoint->schedule[i]);
    }
    buf_append_byte(out, ']');
}

static void show_settings(const struct webhook_endpoint *endpoint, struct buf *out)
{
    json_write_text(out, "url", endpoint->url);
    json_write_text(out, "description", endpoint->description);
    json_write_text(out, "preset",
                    endpoint->preset == WEBHOOK_XSOLLA ? STR_LIT("xsolla") : STR_LIT("standard"));
    json_write_text(out, "mode",
                    endpoint->mode == WEBHOOK_LATEST ? STR_LIT("latest") : STR_LIT("all"));
    show_lists(endpoint, out);
    json_write_int(out, "concurrency", endpoint->concurrency);
    json_write_int(out, "rate", endpoint->rate);
    json_write_key(out, "max_age");
    json_write_seconds(out, endpoint->max_age);
    json_write_key(out, "timeout");
    json_write_seconds(out, endpoint->timeout);
    if (endpoint->ca.len > 0)
        json_write_text(out, "ca", endpoint->ca);
    if (endpoint->client_cert.len > 0)
        json_write_text(out, "client_cert", endpoint->client_cert);
}

void webhook_endpoint_show(const struct store_endpoint *stored, struct buf *out)
{
    static const char *const states[] = {
        [STORE_ENDPOINT_ACTIVE] = "active",
        [STORE_ENDPOINT_PAUSED] = "paused",
        [STORE_ENDPOINT_DISABLED] = "disabled",
    };
    struct webhook_endpoint endpoint = {0};
    char error[WEBHOOK_ERROR_SIZE];
    buf_append_byte(out, '{');
    json_write_int(out, "id", stored->endpoint_id);
    if (read_settings(stored->settings, &endpoint, error) == 0)
        show_settings(&endpoint, out);
    webhook_endpoint_fini(&endpoint);
    json_write_text(out, "state", str_from(states[stored->state]));
    json_write_text(out, "state_reason", stored->state_reason);
    json_write_time(out, "created_at", stored->created_at);
    json_write_time(out, "updated_at", stored->updated_at);
    buf_append_byte(out, '}');
}

bool webhook_endpoint_wants(const struct webhook_endpoint *endpoint, enum order_status status)
{
    unsigned statuses = endpoint->statuses;
    if (endpoint->preset == WEBHOOK_XSOLLA)
        statuses &= XSOLLA_STATUSES;
    return (statuses & 1U << status) != 0;
}

size_t webhook_allowed_networks(struct str project_settings, struct address_network *networks,
                                size_t max)
{
    struct json *document = json_parse(project_settings, NULL);
    const struct json *list = json_get_non_null(document, "webhook_allow_cidrs");
    size_t given = list != NULL && json_kind(list) == JSON_KIND_ARRAY ? json_length(list) : 0;
    size_t count = 0;
    for (size_t i = 0; i < given && count < max; i++) {
        struct str text;
        if (json_as_string(json_at(list, i), &text) &&
            address_network_parse(text, &networks[count]) == 0)
            count++;
    }
    json_free(&document);
    return count;
}
