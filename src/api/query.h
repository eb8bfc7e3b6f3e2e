/* SPDX-License-Identifier: Apache-2.0 */
/* Reads the parameters of a list's query against a table, as codec/json_fields.h does for bodies. */
#ifndef ORDERWIRE_API_QUERY_H
#define ORDERWIRE_API_QUERY_H

#include "base/arena.h"

enum query_type {
    QUERY_TEXT,   /* struct str of min to max bytes */
    QUERY_INT,    /* int64_t in [min, max] */
    QUERY_TIME,   /* int64_t, wall ms */
    QUERY_CURSOR, /* int64_t in [1, max], from a next_cursor */
    QUERY_WORD,   /* int64_t: the place of the value in `words` */
};

struct query_field {
    const char *name; /* NULL ends a table */
    enum query_type type;
    size_t offset; /* in the target */
    int64_t min;
    int64_t max;
    const char *expected;     /* "a number from 1 to 100" */
    const char *const *words; /* QUERY_WORD; ended by NULL */
};

#define QUERY_ERROR_SIZE 240

/*
 * Fills `target`; what is absent leaves it untouched. Texts are copied to `texts`, which may
 * be NULL for a table without. ERR_INVALID with
 * a sentence in `error` for an unknown name, a bad escape or a value that is not what is expected.
 */
NODISCARD int query_read(struct str query, const struct query_field *fields, void *target,
                         struct arena *texts, char error[QUERY_ERROR_SIZE]);

#endif
