/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON in: a parsed, read-only tree, on jansson, which no other folder sees. JSON out is written
 * by hand into a buffer (json_write_*), because answers are small and their key order is fixed.
 *
 * Refused: anything but one value with white space round it, duplicate keys, bytes that are not
 * UTF-8, NUL in strings (also \u0000), nesting deeper than LIMIT_JSON_DEPTH, numbers that do not fit.
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

enum json_type { JSON_NULL, JSON_BOOL, JSON_INT, JSON_REAL, JSON_STRING, JSON_ARRAY, JSON_OBJECT };
enum json_type json_type(const struct json *value);
const char *json_type_name(enum json_type type);

/* The member of an object; NULL when it is absent or `value` is no object. NULL `value` is allowed. */
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

/* False (and `*out` untouched) when `value` is NULL or of another type. */
NODISCARD bool json_string(const struct json *value, struct str *out);
NODISCARD bool json_int(const struct json *value, int64_t *out);
NODISCARD bool json_bool(const struct json *value, bool *out);

/* Deep equality; key order does not matter. */
bool json_equal(const struct json *a, const struct json *b);
/* Appends `value` as compact JSON with keys in their order. */
void json_dump(const struct json *value, struct buf *out);

/* Appends a JSON string with its quotes. `text` is UTF-8. */
void json_write_string(struct buf *out, struct str text);
/* Appends `"key":`, with a comma before it unless the last byte is an opening bracket. */
void json_write_key(struct buf *out, const char *key);
/* Key and value at once. */
void json_write_text(struct buf *out, const char *key, struct str text);
void json_write_int(struct buf *out, const char *key, int64_t value);
void json_write_bool(struct buf *out, const char *key, bool value);
/* Key and a value that is JSON already; an empty `raw` writes null. */
void json_write_raw(struct buf *out, const char *key, struct str raw);
/* Key and a time as an RFC 3339 string. */
void json_write_time(struct buf *out, const char *key, int64_t wall_ms);

#endif
