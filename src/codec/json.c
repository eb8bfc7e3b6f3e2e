/* SPDX-License-Identifier: Apache-2.0 */
/* What stands in a parsed document, and how it is printed again. */
#include "codec/json_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum json_kind json_kind(const struct json *value)
{
    return value->kind;
}

static bool is_kind(const struct json *value, enum json_kind kind)
{
    return value && value->kind == kind;
}

const char *json_kind_name(enum json_kind kind)
{
    static const char *const names[] = {
        [JSON_KIND_NULL] = "null",        [JSON_KIND_BOOL] = "a boolean",
        [JSON_KIND_INT] = "a number",     [JSON_KIND_REAL] = "a number with a fraction or exponent",
        [JSON_KIND_STRING] = "a string",  [JSON_KIND_ARRAY] = "an array",
        [JSON_KIND_OBJECT] = "an object",
    };
    return names[kind];
}

const struct json *json_get(const struct json *value, const char *key)
{
    struct str name = str_from(key);
    if (!is_kind(value, JSON_KIND_OBJECT))
        return NULL;
    for (uint32_t i = 0; i < value->count; i++) {
        if (str_equal(value->members[i].key, name))
            return &value->members[i].value;
    }
    return NULL;
}

const struct json *json_get_non_null(const struct json *value, const char *key)
{
    const struct json *member = json_get(value, key);
    return is_kind(member, JSON_KIND_NULL) ? NULL : member;
}

const struct json *json_get_ignoring_case(const struct json *value, const char *key)
{
    const struct json *found = NULL;
    const struct json *member;
    void *iterator = NULL;
    struct str name;
    while (json_next(value, &iterator, &name, &member)) {
        if (!is_kind(member, JSON_KIND_NULL) && str_equal_ignoring_case(name, str_from(key)))
            found = member;
    }
    return found;
}

size_t json_length(const struct json *array_or_object)
{
    bool has_children =
        is_kind(array_or_object, JSON_KIND_ARRAY) || is_kind(array_or_object, JSON_KIND_OBJECT);
    return has_children ? array_or_object->count : 0;
}

const struct json *json_at(const struct json *array, size_t index)
{
    if (!is_kind(array, JSON_KIND_ARRAY) || index >= array->count)
        return NULL;
    return &array->elements[index];
}

bool json_next(const struct json *object, void **iterator, struct str *key,
               const struct json **value)
{
    if (!is_kind(object, JSON_KIND_OBJECT))
        return false;
    const struct json_member *member = *iterator;
    member = member ? member + 1 : object->members;
    if (member == object->members + object->count)
        return false;
    *iterator = (void *)member;
    *key = member->key;
    *value = &member->value;
    return true;
}

bool json_as_string(const struct json *value, struct str *out)
{
    if (!is_kind(value, JSON_KIND_STRING))
        return false;
    *out = str_make(value->text, value->count);
    return true;
}

bool json_as_int(const struct json *value, int64_t *out)
{
    if (!is_kind(value, JSON_KIND_INT))
        return false;
    *out = value->integer;
    return true;
}

bool json_as_bool(const struct json *value, bool *out)
{
    if (!is_kind(value, JSON_KIND_BOOL))
        return false;
    *out = value->flag;
    return true;
}

bool json_as_number(const struct json *value, double *out)
{
    if (is_kind(value, JSON_KIND_REAL))
        *out = value->real;
    else if (is_kind(value, JSON_KIND_INT))
        *out = (double)value->integer;
    else
        return false;
    return true;
}

static bool arrays_equal(const struct json *a, const struct json *b)
{
    for (uint32_t i = 0; i < a->count; i++) {
        if (!json_equals(&a->elements[i], &b->elements[i]))
            return false;
    }
    return true;
}

/* Both have as many members, and no key twice. */
/* Recursion is bounded: no document is deeper than LIMIT_JSON_DEPTH. */
size_t json_depth(const struct json *value)
{
    size_t deepest = 0;
    if (value->kind != JSON_KIND_ARRAY && value->kind != JSON_KIND_OBJECT)
        return 0;
    for (uint32_t i = 0; i < value->count; i++) {
        size_t depth = json_depth(value->kind == JSON_KIND_ARRAY ? &value->elements[i]
                                                                 : &value->members[i].value);
        deepest = depth > deepest ? depth : deepest;
    }
    return deepest + 1;
}

static bool objects_equal(const struct json *a, const struct json *b)
{
    for (uint32_t i = 0; i < a->count; i++) {
        const struct json *other = json_get(b, a->members[i].key.ptr);
        if (!other || !json_equals(&a->members[i].value, other))
            return false;
    }
    return true;
}

/* Bounded in the same way. */
bool json_equals(const struct json *a, const struct json *b)
{
    if (!a || !b || a->kind != b->kind || a->count != b->count)
        return a == b;
    switch (a->kind) {
    case JSON_KIND_NULL:
        return true;
    case JSON_KIND_BOOL:
        return a->flag == b->flag;
    case JSON_KIND_INT:
        return a->integer == b->integer;
    case JSON_KIND_REAL:
        return a->real == b->real;
    case JSON_KIND_STRING:
        return memcmp(a->text, b->text, a->count) == 0;
    case JSON_KIND_ARRAY:
        return arrays_equal(a, b);
    case JSON_KIND_OBJECT:
        return objects_equal(a, b);
    }
    return false;
}

/* 17 digits would always do; a price has to come back as it was given. */
static void dump_real(double value, struct buf *out)
{
    char text[32];
    for (int precision = 15; precision <= 17; precision++) {
        snprintf(text, sizeof text, "%.*g", precision, value);
        if (strtod(text, NULL) == value)
            break;
    }
    buf_append_text(out, text);
    if (!strpbrk(text, ".e"))
        buf_append_text(out, ".0");
}

static void dump_array(const struct json *array, struct buf *out)
{
    buf_append_byte(out, '[');
    for (size_t i = 0; i < json_length(array); i++) {
        if (i > 0)
            buf_append_byte(out, ',');
        json_dump(json_at(array, i), out);
    }
    buf_append_byte(out, ']');
}

static void dump_object(const struct json *object, struct buf *out)
{
    const struct json *member;
    void *iterator = NULL;
    struct str key;
    bool first = true;
    buf_append_byte(out, '{');
    while (json_next(object, &iterator, &key, &member)) {
        if (!first)
            buf_append_byte(out, ',');
        first = false;
        json_write_string(out, key);
        buf_append_byte(out, ':');
        json_dump(member, out);
    }
    buf_append_byte(out, '}');
}

/* As deep as json_equals. */
void json_dump(const struct json *value, struct buf *out)
{
    switch (value->kind) {
    case JSON_KIND_NULL:
        buf_append_text(out, "null");
        break;
    case JSON_KIND_BOOL:
        buf_append_text(out, value->flag ? "true" : "false");
        break;
    case JSON_KIND_INT:
        buf_append_int(out, value->integer);
        break;
    case JSON_KIND_REAL:
        dump_real(value->real, out);
        break;
    case JSON_KIND_STRING:
        json_write_string(out, str_make(value->text, value->count));
        break;
    case JSON_KIND_ARRAY:
        dump_array(value, out);
        break;
    case JSON_KIND_OBJECT:
        dump_object(value, out);
        break;
    }
}
