/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One reader for the members of every request, so that a new route cannot forget a check and no
 * two routes word the same refusal differently.
 */
#include "codec/json_fields.h"

#include "base/clock.h"
#include "base/err.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define QUOTED_KEY_MAX 48

static int refuse(char *error, const char *format, ...) PRINTF_LIKE(2, 3);

static int refuse(char *error, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error, JSON_FIELDS_ERROR_SIZE, format, arguments);
    va_end(arguments);
    return ERR_INVALID;
}

static const char *expected(enum json_field_type type)
{
    static const char *const names[] = {
        [JSON_FIELD_TEXT] = "a string",           [JSON_FIELD_LINES] = "a string",
        [JSON_FIELD_INT32] = "a whole number",    [JSON_FIELD_INT64] = "a whole number",
        [JSON_FIELD_BOOL] = "a boolean",          [JSON_FIELD_OBJECT] = "an object",
        [JSON_FIELD_ARRAY] = "an array",          [JSON_FIELD_SECONDS] = "a number of seconds",
        [JSON_FIELD_TIME] = "a time as a string",
    };
    return names[type];
}

static int refuse_kind(const struct json *value, const struct json_field *field, char *error)
{
    return refuse(error, "%s: expected %s, got %s", field->name, expected(field->type),
                  json_kind_name(json_kind(value)));
}

static bool has_other_control(struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (str_has_control(str_make(text.ptr + i, 1)) && !strchr("\t\r\n", text.ptr[i]))
            return true;
    }
    return false;
}

static int read_text(const struct json *value, const struct json_field *field, void *slot,
                     char *error)
{
    struct str text;
    if (!json_as_string(value, &text))
        return refuse_kind(value, field, error);
    if (text.len < (size_t)field->min || text.len > (size_t)field->max)
        return refuse(error, "%s: must have %" PRId64 " to %" PRId64 " bytes", field->name,
                      field->min, field->max);
    bool lines = field->type == JSON_FIELD_LINES;
    if (lines ? has_other_control(text) : str_has_control(text))
        return refuse(error, "%s: must not contain control characters", field->name);
    *(struct str *)slot = text;
    return 0;
}

static int read_int(const struct json *value, const struct json_field *field, void *slot,
                    char *error)
{
    int64_t number;
    if (!json_as_int(value, &number))
        return refuse_kind(value, field, error);
    if (number < field->min || number > field->max)
        return refuse(error, "%s: must be between %" PRId64 " and %" PRId64, field->name,
                      field->min, field->max);
    if (field->type == JSON_FIELD_INT32)
        *(int32_t *)slot = (int32_t)number;
    else
        *(int64_t *)slot = number;
    return 0;
}

static int read_seconds(const struct json *value, const struct json_field *field, void *slot,
                        char *error)
{
    double seconds;
    if (!json_as_number(value, &seconds))
        return refuse_kind(value, field, error);
    double low = (double)field->min / CLOCK_SECOND;
    double high = (double)field->max / CLOCK_SECOND;
    if (!(seconds >= low && seconds <= high))
        return refuse(error, "%s: must be between %.15g and %.15g seconds", field->name, low, high);
    *(int64_t *)slot = (int64_t)(seconds * CLOCK_SECOND + 0.5);
    return 0;
}

static int read_bool(const struct json *value, const struct json_field *field, void *slot,
                     char *error)
{
    return json_as_bool(value, slot) ? 0 : refuse_kind(value, field, error);
}

static int read_container(const struct json *value, const struct json_field *field, void *slot,
                          char *error)
{
    enum json_kind wanted = field->type == JSON_FIELD_OBJECT ? JSON_KIND_OBJECT : JSON_KIND_ARRAY;
    if (json_kind(value) != wanted)
        return refuse_kind(value, field, error);
    *(const struct json **)slot = value;
    return 0;
}

static int read_time(const struct json *value, const struct json_field *field, void *slot,
                     char *error)
{
    struct str text;
    if (!json_as_string(value, &text))
        return refuse_kind(value, field, error);
    if (!clock_parse(text, slot))
        return refuse(error, "%s: expected a time like 2026-11-22T11:31:24Z", field->name);
    return 0;
}

static int read_field(const struct json *value, const struct json_field *field, void *target,
                      char *error)
{
    static int (*const readers[])(const struct json *, const struct json_field *, void *,
                                  char *) = {
        [JSON_FIELD_TEXT] = read_text,       [JSON_FIELD_LINES] = read_text,
        [JSON_FIELD_INT32] = read_int,       [JSON_FIELD_INT64] = read_int,
        [JSON_FIELD_BOOL] = read_bool,       [JSON_FIELD_OBJECT] = read_container,
        [JSON_FIELD_ARRAY] = read_container, [JSON_FIELD_SECONDS] = read_seconds,
        [JSON_FIELD_TIME] = read_time,
    };
    return readers[field->type](value, field, (char *)target + field->offset, error);
}

static const struct json_field *find_field(const struct json_field *fields, struct str name)
{
    for (; fields->name; fields++) {
        if (str_equal_text(name, fields->name))
            return fields;
    }
    return NULL;
}

static int refuse_unknown(struct str name, const struct json_field *fields, char *error)
{
    if (name.len > QUOTED_KEY_MAX) {
        name.len = QUOTED_KEY_MAX;
        while (name.len > 0 && (name.ptr[name.len] & 0xC0) == 0x80)
            name.len--;
    }
    struct str_nearest nearest = {.word = name, .distance = 3};
    for (; fields->name; fields++)
        str_nearest_offer(&nearest, str_from(fields->name));
    if (nearest.name.ptr != NULL)
        return refuse(error, "%.*s: unknown field, did you mean %.*s?", STR_ARG(name),
                      STR_ARG(nearest.name));
    return refuse(error, "%.*s: unknown field", STR_ARG(name));
}

static int require(const struct json *object, const struct json_field *fields, char *error)
{
    for (; fields->name; fields++) {
        if (fields->required && !json_get_non_null(object, fields->name))
            return refuse(error, "%s: required", fields->name);
    }
    return 0;
}

int json_fields_read(const struct json *object, const struct json_field *fields, void *target,
                     char *error)
{
    const struct json *value;
    void *iterator = NULL;
    struct str name;
    if (json_kind(object) != JSON_KIND_OBJECT)
        return refuse(error, "expected an object, got %s", json_kind_name(json_kind(object)));
    while (json_next(object, &iterator, &name, &value)) {
        const struct json_field *field = find_field(fields, name);
        if (!field)
            return refuse_unknown(name, fields, error);
        if (json_kind(value) == JSON_KIND_NULL)
            continue;
        int rc = read_field(value, field, target, error);
        if (rc < 0)
            return rc;
    }
    return require(object, fields, error);
}
