/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads the members of a request's JSON object against a table, so that every route refuses bad
 * input with the same sentences: "status: expected a string, got a number".
 */
#ifndef ORDERWIRE_CODEC_JSON_FIELDS_H
#define ORDERWIRE_CODEC_JSON_FIELDS_H

#include "codec/json.h"

enum json_field_type {
    JSON_FIELD_TEXT,   /* struct str of min to max bytes, without control characters */
    JSON_FIELD_LINES,  /* the same, but tabs and ends of lines are allowed: PEM */
    JSON_FIELD_INT32,  /* int32_t in [min, max]; a JSON integer, not 1.0, not "1" */
    JSON_FIELD_INT64,  /* int64_t in [min, max] */
    JSON_FIELD_BOOL,   /* bool */
    JSON_FIELD_OBJECT, /* const struct json *, an object */
    JSON_FIELD_ARRAY,  /* const struct json *, an array */
    JSON_FIELD_SECONDS, /* int64_t ms in [min, max]; a number of seconds, with or without a fraction */
    JSON_FIELD_TIME,    /* int64_t wall ms; a string that clock_parse reads */
};

struct json_field {
    const char *name;
    enum json_field_type type;
    size_t offset; /* where in the target struct */
    int64_t min;
    int64_t max;
    bool required;
};

#define JSON_FIELDS_ERROR_SIZE 200

/*
 * Fills `target`. Members that are absent or null leave it untouched (so set defaults before); an
 * unknown member, a wrong type or a value out of range is ERR_INVALID with a sentence in `error`
 * (JSON_FIELDS_ERROR_SIZE bytes). Texts point into the document. The table ends with a NULL name.
 */
NODISCARD int json_fields_read(const struct json *object, const struct json_field *fields,
                               void *target, char *error);

#endif
