/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON trees on jansson. Input comes from strangers, so nesting is measured before the parser
 * recurses into it, and error sentences are our own, because jansson's quote the input.
 */
#include "codec/json.h"

#include "base/limits.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct place {
    int line;
    int column;
};

static const json_t *tree(const struct json *value)
{
    return (const json_t *)value;
}

static const struct json *value_of(const json_t *value)
{
    return (const struct json *)value;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool is_open(char c)
{
    return c == '[' || c == '{';
}

static bool is_close(char c)
{
    return c == ']' || c == '}';
}

struct scanner {
    struct place place;
    int depth;
    bool in_string;
    bool is_escaped;
};

static void scan(struct scanner *scanner, char c)
{
    scanner->place.line += c == '\n';
    scanner->place.column = c == '\n' ? 0 : scanner->place.column + 1;
    if (scanner->is_escaped)
        scanner->is_escaped = false;
    else if (c == '"')
        scanner->in_string = !scanner->in_string;
    else if (scanner->in_string)
        scanner->is_escaped = c == '\\';
    else
        scanner->depth += is_open(c) - is_close(c);
}

/* Of the first value only; a malformed one is left for the parser to refuse. */
static bool depth_is_allowed(struct str text, struct place *place)
{
    struct scanner scanner = {.place = {.line = 1}};
    size_t i = 0;
    while (i < text.len && is_space(text.ptr[i]))
        scan(&scanner, text.ptr[i++]);
    do {
        if (i == text.len)
            return true;
        scan(&scanner, text.ptr[i++]);
    } while (scanner.depth > 0 && scanner.depth <= LIMIT_JSON_DEPTH);
    *place = scanner.place;
    return scanner.depth <= LIMIT_JSON_DEPTH;
}

static void write_error(char *error, struct place place, const char *what)
{
    if (error)
        snprintf(error, JSON_ERROR_SIZE, "line %d, column %d: %s", place.line, place.column, what);
}

static const char *error_sentence(enum json_error_code code)
{
    switch (code) {
    case json_error_premature_end_of_input:
        return "the JSON ends too early";
    case json_error_end_of_input_expected:
        return "something follows the JSON value";
    case json_error_invalid_utf8:
        return "a byte is not UTF-8";
    case json_error_null_character:
    case json_error_null_byte_in_key:
        return "a string holds a NUL character";
    case json_error_duplicate_key:
        return "a key appears twice in one object";
    case json_error_numeric_overflow:
        return "a number is too large";
    default:
        return "this is not valid JSON";
    }
}

static struct json *load(struct str text, size_t flags, size_t *used, char *error)
{
    struct place place;
    json_error_t problem;
    if (!depth_is_allowed(text, &place)) {
        write_error(error, place, "the nesting is too deep");
        return NULL;
    }
    json_t *loaded = json_loadb(text.len > 0 ? text.ptr : "", text.len,
                                JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | flags, &problem);
    if (!loaded) {
        place = (struct place){.line = problem.line, .column = problem.column};
        write_error(error, place, error_sentence(json_error_code(&problem)));
        return NULL;
    }
    *used = (size_t)problem.position;
    return (struct json *)loaded;
}

struct json *json_parse(struct str text, char *error)
{
    size_t used;
    return load(text, 0, &used, error);
}

struct json *json_parse_first(struct str text, size_t *used, char *error)
{
    return load(text, JSON_DISABLE_EOF_CHECK, used, error);
}

void json_free(struct json **document)
{
    json_decref((json_t *)*document);
    *document = NULL;
}

enum json_kind json_kind(const struct json *value)
{
    switch (json_typeof(tree(value))) {
    case JSON_OBJECT:
        return JSON_KIND_OBJECT;
    case JSON_ARRAY:
        return JSON_KIND_ARRAY;
    case JSON_STRING:
        return JSON_KIND_STRING;
    case JSON_INTEGER:
        return JSON_KIND_INT;
    case JSON_REAL:
        return JSON_KIND_REAL;
    case JSON_TRUE:
    case JSON_FALSE:
        return JSON_KIND_BOOL;
    default:
        return JSON_KIND_NULL;
    }
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
    return value_of(json_object_get(tree(value), key));
}

const struct json *json_get_non_null(const struct json *value, const char *key)
{
    const struct json *member = json_get(value, key);
    return json_is_null(tree(member)) ? NULL : member;
}

const struct json *json_get_ignoring_case(const struct json *value, const char *key)
{
    const struct json *found = NULL;
    const struct json *member;
    void *iterator = NULL;
    struct str name;
    while (json_next(value, &iterator, &name, &member)) {
        if (!json_is_null(tree(member)) && str_equal_ignoring_case(name, str_from(key)))
            found = member;
    }
    return found;
}

size_t json_length(const struct json *array_or_object)
{
    const json_t *value = tree(array_or_object);
    return json_is_array(value) ? json_array_size(value) : json_object_size(value);
}

const struct json *json_at(const struct json *array, size_t index)
{
    return value_of(json_array_get(tree(array), index));
}

bool json_next(const struct json *object, void **iterator, struct str *key,
               const struct json **value)
{
    json_t *members = (json_t *)object;
    *iterator = *iterator ? json_object_iter_next(members, *iterator) : json_object_iter(members);
    if (!*iterator)
        return false;
    *key = str_from(json_object_iter_key(*iterator));
    *value = value_of(json_object_iter_value(*iterator));
    return true;
}

bool json_as_string(const struct json *value, struct str *out)
{
    if (!json_is_string(tree(value)))
        return false;
    *out = str_make(json_string_value(tree(value)), json_string_length(tree(value)));
    return true;
}

bool json_as_int(const struct json *value, int64_t *out)
{
    if (!json_is_integer(tree(value)))
        return false;
    *out = json_integer_value(tree(value));
    return true;
}

bool json_as_bool(const struct json *value, bool *out)
{
    if (!json_is_boolean(tree(value)))
        return false;
    *out = json_is_true(tree(value));
    return true;
}

bool json_as_number(const struct json *value, double *out)
{
    if (!json_is_number(tree(value)))
        return false;
    *out = json_number_value(tree(value));
    return true;
}

bool json_equals(const struct json *a, const struct json *b)
{
    return a == b || json_equal(tree(a), tree(b)) == 1;
}

/* jansson prints 19.99 with 17 digits; a price has to come back as it was given. */
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

/* Recursion is bounded: no document is deeper than LIMIT_JSON_DEPTH. */
void json_dump(const struct json *value, struct buf *out)
{
    const json_t *v = tree(value);
    switch (json_kind(value)) {
    case JSON_KIND_NULL:
        buf_append_text(out, "null");
        break;
    case JSON_KIND_BOOL:
        buf_append_text(out, json_is_true(v) ? "true" : "false");
        break;
    case JSON_KIND_INT:
        buf_append_int(out, json_integer_value(v));
        break;
    case JSON_KIND_REAL:
        dump_real(json_real_value(v), out);
        break;
    case JSON_KIND_STRING:
        json_write_string(out, str_make(json_string_value(v), json_string_length(v)));
        break;
    case JSON_KIND_ARRAY:
        dump_array(value, out);
        break;
    case JSON_KIND_OBJECT:
        dump_object(value, out);
        break;
    }
}
