/* SPDX-License-Identifier: Apache-2.0 */
/* Parameters of lists, from one table for each list. */
#include "api/query.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/limits.h"
#include "codec/url.h"
#include "service/list_cursor.h"

#include <stdio.h>

static bool take_word(const struct query_field *field, struct str value, int64_t *out)
{
    for (int i = 0; field->words[i] != NULL; i++) {
        if (str_equal_text(value, field->words[i])) {
            *out = i;
            return true;
        }
    }
    return false;
}

static bool take_text(const struct query_field *field, struct str value, struct arena *texts,
                      struct str *out)
{
    if ((int64_t)value.len < field->min || (int64_t)value.len > field->max)
        return false;
    *out = arena_copy(texts, value);
    return true;
}

static bool take(const struct query_field *field, struct str value, void *target,
                 struct arena *texts)
{
    void *out = (char *)target + field->offset;
    switch (field->type) {
    case QUERY_TEXT:
        return take_text(field, value, texts, out);
    case QUERY_INT:
        return str_to_int64(value, field->min, field->max, out);
    case QUERY_TIME:
        return clock_parse(value, out);
    case QUERY_CURSOR:
        return list_cursor_read(value, field->max, out) == 0;
    case QUERY_WORD:
        return take_word(field, value, out);
    }
    return false;
}

static int refuse_unknown(const struct query_field *fields, char *error)
{
    int length = snprintf(error, QUERY_ERROR_SIZE, "The query knows %s", fields->name);
    for (fields++; fields->name != NULL && length < QUERY_ERROR_SIZE; fields++)
        length += snprintf(error + length, QUERY_ERROR_SIZE - (size_t)length, ", %s", fields->name);
    return ERR_INVALID;
}

static int read_one(const struct query_field *fields, struct str name, struct str value,
                    void *target, struct arena *texts, char *error)
{
    for (const struct query_field *field = fields; field->name != NULL; field++) {
        if (!str_equal_text(name, field->name))
            continue;
        if (take(field, value, target, texts))
            return 0;
        snprintf(error, QUERY_ERROR_SIZE, "%s: expected %s", field->name, field->expected);
        return ERR_INVALID;
    }
    return refuse_unknown(fields, error);
}

int query_read(struct str query, const struct query_field *fields, void *target,
               struct arena *texts, char error[QUERY_ERROR_SIZE])
{
    struct str name;
    struct str raw;
    struct buf value;
    int result = 0;
    buf_init(&value, LIMIT_HTTP_URL);
    while (result == 0 && url_query_next(&query, &name, &raw)) {
        buf_clear(&value);
        if (url_decode_query(raw, &value) == 0) {
            result = read_one(fields, name, buf_view(&value), target, texts, error);
        } else {
            snprintf(error, QUERY_ERROR_SIZE, "The query is badly escaped");
            result = ERR_INVALID;
        }
    }
    buf_fini(&value);
    return result;
}
