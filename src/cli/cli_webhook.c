/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An endpoint's settings from flags. The server checks them; here a flag only gets the form that
 * JSON has for it: durations become seconds, files become texts.
 */
#include "cli/cli_webhook.h"

#include "base/clock.h"
#include "base/limits.h"
#include "codec/json.h"
#include "config/config.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

int cli_webhook_path(const struct cli_arguments *arguments, const char *rest,
                     char path[CLI_PATH_SIZE])
{
    int64_t id = 0;
    int result = cli_read_project_path(arguments, "/webhooks/", path);
    if (result == CLI_OK)
        result = cli_read_long_id(arguments, "ID", cli_argument(arguments, 0), &id);
    size_t length = strlen(path);
    snprintf(path + length, CLI_PATH_SIZE - length, "%" PRId64 "%s", id, rest);
    return result;
}

static int write_file(const struct cli_arguments *arguments, const char *flag, const char *name,
                      const char *path, struct buf *object)
{
    struct buf text;
    buf_init(&text, LIMIT_WEBHOOK_SETTINGS);
    int result = cli_read_file(arguments, flag, path, &text);
    if (result == CLI_OK && !str_is_utf8(buf_view(&text)))
        result = cli_usage(arguments, "--%s: %s is not a text", flag, path);
    if (result == CLI_OK)
        json_write_text(object, name, buf_view(&text));
    buf_wipe(&text);
    return result;
}

/* A secret ends where the line does. */
static struct str first_line(struct str text)
{
    struct str line = STR_LIT("");
    (void)!str_split(&text, '\n', &line);
    if (line.len > 0 && line.ptr[line.len - 1] == '\r')
        line.len--;
    return line;
}

int cli_webhook_secret(const struct cli_arguments *arguments, struct buf *object)
{
    const char *given = cli_value(arguments, "secret");
    struct buf text;
    int result = CLI_OK;
    if (given == NULL)
        return CLI_OK;
    buf_init(&text, LIMIT_WEBHOOK_SETTINGS);
    if (given[0] == '@')
        result = cli_read_file(arguments, "secret", given + 1, &text);
    else
        buf_append_text(&text, given);
    struct str secret = first_line(buf_view(&text));
    if (result == CLI_OK && (secret.len == 0 || !str_is_utf8(secret)))
        result = cli_usage(arguments, "--secret: expected a text or @FILE");
    if (result == CLI_OK)
        json_write_text(object, "secret", secret);
    buf_wipe(&text);
    return result;
}

static int write_durations(const struct cli_arguments *arguments, struct str text,
                           struct buf *object)
{
    struct str word;
    int64_t ms = 0;
    json_write_key(object, "schedule");
    buf_append_byte(object, '[');
    for (bool first = true; str_split(&text, ',', &word); first = false) {
        if (!config_parse_duration(str_trim(word), &ms))
            return cli_usage(arguments, "--schedule: expected durations such as 5s,5m,30m");
        if (!first)
            buf_append_byte(object, ',');
        json_write_seconds(object, ms);
    }
    buf_append_byte(object, ']');
    return CLI_OK;
}

enum form { TEXT, NUMBER, DURATION, DURATIONS, FILE_TEXT };

static const struct {
    const char *flag;
    enum form form;
} settings[] = {
    {"preset", TEXT},           {"mode", TEXT},
    {"description", TEXT},      {"concurrency", NUMBER},
    {"rate", NUMBER},           {"schedule", DURATIONS},
    {"timeout", DURATION},      {"max-age", DURATION},
    {"receiver-ca", FILE_TEXT}, {"client-cert", FILE_TEXT},
    {"client-key", FILE_TEXT},
};

static int write_setting(const struct cli_arguments *arguments, size_t index, const char *value,
                         struct buf *object)
{
    const char *flag = settings[index].flag;
    const char *name = cli_field(arguments, flag);
    int64_t number = 0;
    if (value[0] == '\0') {
        json_write_raw(object, name, STR_LIT("null"));
        return CLI_OK;
    }
    switch (settings[index].form) {
    case TEXT:
        json_write_text(object, name, str_from(value));
        return CLI_OK;
    case NUMBER:
        if (!str_to_int64(str_from(value), 0, INT32_MAX, &number))
            return cli_usage(arguments, "--%s: expected a whole number", flag);
        json_write_int(object, name, number);
        return CLI_OK;
    case DURATION:
        if (!config_parse_duration(str_from(value), &number))
            return cli_usage(arguments, "--%s: expected a duration such as 15s", flag);
        json_write_key(object, name);
        json_write_seconds(object, number);
        return CLI_OK;
    case DURATIONS:
        return write_durations(arguments, str_from(value), object);
    case FILE_TEXT:
        return write_file(arguments, flag, name, value, object);
    }
    return CLI_OK;
}

int cli_webhook_settings(const struct cli_arguments *arguments, struct buf *object)
{
    int result = cli_read_list(arguments, "status", object);
    for (size_t i = 0; i < ARRAY_LENGTH(settings) && result == CLI_OK; i++) {
        const char *value = cli_value(arguments, settings[i].flag);
        if (value != NULL)
            result = write_setting(arguments, i, value, object);
    }
    return result == CLI_OK ? cli_read_json_settings(arguments, object) : result;
}
