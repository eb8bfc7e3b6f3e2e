/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON in (RFC 8259): a parsed, read-only tree. JSON out is written by hand into a buffer
 * (json_write_*), because answers are small and their key order is fixed.
 *
 * Refused: anything but one value with white space round it, duplicate keys, bytes that are not
 * UTF-8, NUL in strings (also \u0000), nesting deeper than LIMIT_JSON_DEPTH, too large numbers.
 *
 * json_parse.c  bytes to tree
 * json.c        reading the tree, and printing it
 * json_write.c  writing by hand
 */
#ifndef ORDERWIRE_CODEC_JSON_H
#define ORDERWIRE_CODEC_JSON_H

#include "base/buf.h"

/* Opaque types. A value inside a document lives as long as the document. */
struct json;

#define JSON_ERROR_SIZE 160

/*
 * NULL when it is refused; `error` (JSON_ERROR_SIZE bytes, may be NULL) then holds a sentence with
 * line and column, and never a copy of the input.
 */
struct json *json_parse(struct str text, char *error);
/*
 * The same for the first value of `text` only: `*used` gets the number of bytes it took, and what
 * comes after is not looked at (centrifuge-protocol.md A.2).
 */
struct json *json_parse_first(struct str text, size_t *used, char *error);
void json_free(struct json **document);

enum json_kind {
    JSON_KIND_NULL,
    JSON_KIND_BOOL,
    JSON_KIND_INT,
    JSON_KIND_REAL,
    JSON_KIND_STRING,
    JSON_KIND_ARRAY,
    JSON_KIND_OBJECT,
};
enum json_kind json_kind(const struct json *value);
/* With its article, for sentences: "a string". */
const char *json_kind_name(enum json_kind kind);

/* The member of an object; NULL when it is absent, or `value` is no object or NULL. */
const struct json *json_get(const struct json *value, const char *key);
/* The same, but a member whose value is null counts as absent. */
const struct json *json_get_non_null(const struct json *value, const char *key);
/* The same with ASCII letters compared without case, as the reference Centrifuge server does. */
const struct json *json_get_ignoring_case(const struct json *value, const char *key);

size_t json_length(const struct json *array_or_object);
const struct json *json_at(const struct json *array, size_t index);
/* Members in their order of appearance: false after the last. `*iterator` starts as NULL. */
bool json_next(const struct json *object, void **iterator, struct str *key,
               const struct json **value);

/* False (and `*out` untouched) when `value` is NULL or of another kind. */
NODISCARD bool json_as_string(const struct json *value, struct str *out);
NODISCARD bool json_as_int(const struct json *value, int64_t *out);
NODISCARD bool json_as_bool(const struct json *value, bool *out);
/* A number with or without a fraction. */
NODISCARD bool json_as_number(const struct json *value, double *out);

/* How many arrays and objects are inside each other at most; 0 for a value that is neither. */
size_t json_depth(const struct json *value);
/* Deep equality; key order does not matter, 1 and 1.0 differ. Two NULLs are equal. */
bool json_equals(const struct json *a, const struct json *b);
/* Appends `value` as compact JSON with keys in their order. */
void json_dump(const struct json *value, struct buf *out);

/* Appends a JSON string with its quotes. `text` is UTF-8. */
void json_write_string(struct buf *out, struct str text);
/* Appends `"key":`, with a comma before it unless an object was just opened. */
void json_write_key(struct buf *out, const char *key);
/* A member as another object has it, with a comma in the same way. */
void json_write_member(struct buf *out, struct str key, const struct json *value);
/* Key and value at once. */
void json_write_text(struct buf *out, const char *key, struct str text);
void json_write_int(struct buf *out, const char *key, int64_t value);
void json_write_bool(struct buf *out, const char *key, bool value);
/* Key and a value that is JSON already; an empty `raw` writes null. */
void json_write_raw(struct buf *out, const char *key, struct str raw);
/* A number: so many ms as seconds, with as much of a fraction as there is. */
void json_write_seconds(struct buf *out, int64_t ms);
/* Key and a time as an RFC 3339 string. */
void json_write_time(struct buf *out, const char *key, int64_t wall_ms);

#endif
