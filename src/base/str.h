/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A view of bytes that somebody else owns: pointer and length, no NUL at the end.
 * Every parser takes and gives these.
 */
#ifndef ORDERWIRE_BASE_STR_H
#define ORDERWIRE_BASE_STR_H

#include "base/attributes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct str {
    const char *ptr;
    size_t len;
};

/* From a string literal, usable in initialisers too. */
#define STR_LIT(literal) ((struct str){.ptr = (literal), .len = sizeof(literal) - 1})

/* For "%.*s" in printf-like calls. */
#define STR_ARG(s) (int)(s).len, (s).ptr

/* From a NUL-terminated string; NULL gives the empty view. */
struct str str_from(const char *text);
struct str str_make(const char *ptr, size_t len);

bool str_equal(struct str a, struct str b);
bool str_equal_text(struct str a, const char *text);
/* ASCII letters only, as HTTP field names and tokens compare (RFC 9110 section 5.1). */
bool str_equal_ignoring_case(struct str a, struct str b);
bool str_starts_with(struct str s, struct str prefix);
/* Order of bytes; <0, 0, >0. */
int str_compare(struct str a, struct str b);
/* Without spaces and tabs at both ends. */
struct str str_trim(struct str s);

/*
 * Cuts `*rest` at the first `separator`: `*head` gets what is before it, `*rest` what is after it.
 * Without a separator `*head` gets all and `*rest` becomes empty with a NULL pointer.
 * False when there was nothing left (`rest->ptr` is NULL).
 */
bool str_split(struct str *rest, char separator, struct str *head);
/* Whether one of the elements between commas is `token`, in any case (RFC 9110 section 5.6.1). */
bool str_list_has(struct str list, struct str token);

/*
 * A whole decimal number: digits with an optional '-', no spaces, no '+', no leading zero but "0".
 * False when it is anything else or outside [min, max]; `*out` is then untouched.
 */
NODISCARD bool str_to_int64(struct str s, int64_t min, int64_t max, int64_t *out);

/* Well-formed UTF-8: no overlong form, no surrogate, nothing above U+10FFFF (RFC 3629). */
bool str_is_utf8(struct str s);
/* True when a byte below 0x20 or 0x7f is in it. */
bool str_has_control(struct str s);

/* Edit distance (insert, delete, replace), for "did you mean". Long inputs count as far apart. */
size_t str_distance(struct str a, struct str b);

/* The nearest name to a word, found by offering one name after another. */
struct str_nearest {
    struct str word;
    struct str name; /* the best so far; NULL when none was near enough */
    size_t distance; /* of it; at first, a name must be nearer than this */
};
void str_nearest_offer(struct str_nearest *nearest, struct str name);

#endif
