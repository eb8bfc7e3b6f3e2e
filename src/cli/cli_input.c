/* SPDX-License-Identifier: Apache-2.0 */
/* Values of flags, checked here so that a slip of the pen does not cost a request. */
#include "cli/cli_input.h"

#include "base/clock.h"
#include "base/limits.h"
#include "codec/json.h"
#include "codec/url.h"
#include "config/config.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int cli_read_id(const struct cli_arguments *arguments, const char *name, const char *text,
                int32_t *id)
{
    int64_t number;
    if (!str_to_int64(str_from(text), 1, INT32_MAX, &number))
        return cli_usage(arguments, "%s: expected a number from 1 to %d", name, INT32_MAX);
    *id = (int32_t)number;
    return CLI_OK;
}

int cli_read_long_id(const struct cli_arguments *arguments, const char *name, const char *text,
                     int64_t *id)
{
    if (!str_to_int64(str_from(text), 1, INT64_MAX, id))
        return cli_usage(arguments, "%s: expected a whole number above 0", name);
    return CLI_OK;
}

int cli_read_text(const struct cli_arguments *arguments, const char *flag, const char **text)
{
    *text = cli_value(arguments, flag);
    if (*text == NULL)
        return cli_usage(arguments, "--%s is missing", flag);
    return CLI_OK;
}

void cli_write_text(const struct cli_arguments *arguments, const char *flag, struct buf *object)
{
    const char *text = cli_value(arguments, flag);
    if (text != NULL)
        json_write_text(object, cli_field(arguments, flag), str_from(text));
}

int cli_read_project(const struct cli_arguments *arguments, int32_t *project_id)
{
    const char *text;
    int result = cli_read_text(arguments, "project", &text);
    return result == CLI_OK ? cli_read_id(arguments, "--project", text, project_id) : result;
}

int cli_read_project_path(const struct cli_arguments *arguments, const char *rest,
                          char path[CLI_PATH_SIZE])
{
    int32_t id = 0;
    int result = cli_read_project(arguments, &id);
    snprintf(path, CLI_PATH_SIZE, "/server/v1/project/%d%s", id, rest);
    return result;
}

int cli_read_order_path(const struct cli_arguments *arguments, char path[CLI_PATH_SIZE])
{
    int32_t id = 0;
    int result = cli_read_project_path(arguments, "/orders/", path);
    if (result == CLI_OK)
        result = cli_read_id(arguments, "ORDER_ID", cli_argument(arguments, 0), &id);
    size_t length = strlen(path);
    snprintf(path + length, CLI_PATH_SIZE - length, "%d", id);
    return result;
}

int cli_read_admin_path(const struct cli_arguments *arguments, const char *rest,
                        char path[CLI_PATH_SIZE])
{
    int32_t id = 0;
    int result = cli_read_id(arguments, "ID", cli_argument(arguments, 0), &id);
    snprintf(path, CLI_PATH_SIZE, "/admin/v1/projects/%d%s", id, rest);
    return result;
}

int cli_read_duration(const struct cli_arguments *arguments, const char *flag, int64_t *ms)
{
    const char *text = cli_value(arguments, flag);
    if (text != NULL && (!config_parse_duration(str_from(text), ms) || *ms < 1000))
        return cli_usage(arguments, "--%s: expected a duration of a second or more, such as 24h",
                         flag);
    return CLI_OK;
}

int cli_read_file(const struct cli_arguments *arguments, const char *flag, const char *path,
                  struct buf *out)
{
    char bytes[4096];
    ssize_t length;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return path[0] == '\0' ? cli_usage(arguments, "--%s: the name of a file is missing", flag)
                               : cli_fail("--%s: %.200s: %s", flag, path, strerror(errno));
    while ((length = read(fd, bytes, sizeof(bytes))) > 0)
        buf_append(out, bytes, (size_t)length);
    int number = errno;
    close(fd);
    if (length < 0)
        return cli_fail("--%s: %.200s: %s", flag, path, strerror(number));
    return out->overflow ? cli_fail("--%s: %.200s: too large", flag, path) : CLI_OK;
}

int cli_read_overlap(const struct cli_arguments *arguments, struct buf *object)
{
    int64_t overlap = -1;
    int result = CLI_OK;
    if (cli_has(arguments, "overlap") &&
        str_equal_text(STR_LIT("0"), cli_value(arguments, "overlap")))
        overlap = 0;
    else
        result = cli_read_duration(arguments, "overlap", &overlap);
    if (overlap >= 0)
        json_write_int(object, "overlap", overlap / CLOCK_SECOND);
    return result;
}

int cli_read_moment(const struct cli_arguments *arguments, const char *flag, int64_t *wall_ms)
{
    int64_t ago;
    const char *text = cli_value(arguments, flag);
    if (text == NULL || clock_parse(str_from(text), wall_ms))
        return CLI_OK;
    if (config_parse_duration(str_from(text), &ago)) {
        *wall_ms = clock_wall_ms() - ago;
        return CLI_OK;
    }
    return cli_usage(arguments,
                     "--%s: expected a time such as 2026-11-22T00:00:00Z, or how long ago, such "
                     "as 2h",
                     flag);
}

int cli_read_json(const struct cli_arguments *arguments, const char *flag, const char *text,
                  struct buf *out)
{
    char error[JSON_ERROR_SIZE];
    struct buf bytes;
    buf_init(&bytes, LIMIT_SETTINGS);
    int result = CLI_OK;
    if (text[0] == '{')
        buf_append_text(&bytes, text);
    else
        result = cli_read_file(arguments, flag, text[0] == '@' ? text + 1 : text, &bytes);
    if (result == CLI_OK) {
        struct json *document = json_parse(buf_view(&bytes), error);
        if (document == NULL)
            result = cli_usage(arguments, "--%s: %s", flag, error);
        else if (json_kind(document) != JSON_KIND_OBJECT)
            result = cli_usage(arguments, "--%s: expected a JSON object", flag);
        else
            json_dump(document, out);
        json_free(&document);
    }
    buf_fini(&bytes);
    return result;
}

static void write_pair(struct str name, struct str value, struct buf *out)
{
    struct json *document = json_parse(value, NULL);
    if (out->ptr[out->len - 1] != '{')
        buf_append_byte(out, ',');
    json_write_string(out, name);
    buf_append_byte(out, ':');
    if (document != NULL)
        json_dump(document, out);
    else
        json_write_string(out, value);
    json_free(&document);
}

int cli_read_pairs(const struct cli_arguments *arguments, const char *flag, struct buf *out)
{
    const char *pair = cli_value(arguments, flag);
    if (pair == NULL)
        return CLI_OK;
    buf_append_byte(out, '{');
    for (int i = 0; (pair = cli_value_at(arguments, flag, i)) != NULL; i++) {
        struct str value = str_from(pair);
        struct str name;
        if (!str_split(&value, '=', &name) || name.len == 0 || value.ptr == NULL)
            return cli_usage(arguments, "--%s: expected NAME=VALUE", flag);
        write_pair(name, value, out);
    }
    buf_append_byte(out, '}');
    return CLI_OK;
}

int cli_read_query(const struct cli_arguments *arguments, const char *const *flags,
                   struct buf *path)
{
    char separator = '?';
    for (; *flags != NULL; flags++) {
        const char *value = cli_value(arguments, *flags);
        if (value == NULL)
            continue;
        buf_append_byte(path, separator);
        buf_append_text(path, cli_field(arguments, *flags));
        buf_append_byte(path, '=');
        url_encode(str_from(value), path);
        separator = '&';
    }
    buf_append_byte(path, '\0');
    return path->overflow ? cli_usage(arguments, "the filters are too long") : CLI_OK;
}

static int read_bool(const struct cli_arguments *arguments, const char *flag, struct buf *object)
{
    const char *word = cli_value(arguments, flag);
    if (word == NULL)
        return CLI_OK;
    if (strcmp(word, "true") != 0 && strcmp(word, "false") != 0)
        return cli_usage(arguments, "--%s: expected true or false", flag);
    json_write_bool(object, cli_field(arguments, flag), strcmp(word, "true") == 0);
    return CLI_OK;
}

int cli_read_list(const struct cli_arguments *arguments, const char *flag, struct buf *object)
{
    const char *text = cli_value(arguments, flag);
    if (text == NULL)
        return CLI_OK;
    if (text[0] == '\0' && cli_value_at(arguments, flag, 1) == NULL) {
        json_write_raw(object, cli_field(arguments, flag), STR_LIT("null"));
        return CLI_OK;
    }
    json_write_key(object, cli_field(arguments, flag));
    buf_append_byte(object, '[');
    for (int i = 0; (text = cli_value_at(arguments, flag, i)) != NULL; i++) {
        if (text[0] == '\0')
            return cli_usage(arguments, "--%s: an empty value empties the list, and stands alone",
                             flag);
        if (i > 0)
            buf_append_byte(object, ',');
        json_write_string(object, str_from(text));
    }
    buf_append_byte(object, ']');
    return CLI_OK;
}

int cli_read_json_settings(const struct cli_arguments *arguments, struct buf *object)
{
    struct buf text;
    const char *given = cli_value(arguments, "json-settings");
    if (given == NULL)
        return CLI_OK;
    buf_init(&text, LIMIT_SETTINGS);
    int result = cli_read_json(arguments, "json-settings", given, &text);
    if (result == CLI_OK && text.len > 2) {
        if (object->ptr[object->len - 1] != '{')
            buf_append_byte(object, ',');
        buf_append(object, text.ptr + 1, text.len - 2);
    }
    buf_fini(&text);
    return result;
}

int cli_read_settings(const struct cli_arguments *arguments, struct buf *object)
{
    cli_write_text(arguments, "name", object);
    int result = read_bool(arguments, "strict", object);
    if (result == CLI_OK)
        result = read_bool(arguments, "legacy-socket", object);
    if (result == CLI_OK)
        result = cli_read_list(arguments, "webhook-allow", object);
    if (result == CLI_OK)
        result = cli_read_list(arguments, "allow-origin", object);
    if (result == CLI_OK)
        result = cli_read_json_settings(arguments, object);
    return result;
}
