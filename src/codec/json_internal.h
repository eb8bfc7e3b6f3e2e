/* SPDX-License-Identifier: Apache-2.0 */
/* What a parsed document looks like, for the files of json.h. */
#ifndef ORDERWIRE_CODEC_JSON_INTERNAL_H
#define ORDERWIRE_CODEC_JSON_INTERNAL_H

#include "base/arena.h"
#include "codec/json.h"

struct json_member;

/* 16 bytes. Elements and members stand in one row, so that the n-th is found at once. */
struct json {
    enum json_kind kind;
    uint32_t count; /* bytes of a string, elements of an array, members of an object */
    union {
        bool flag;
        int64_t integer;
        double real;
        const char *text; /* with a NUL at the end */
        const struct json *elements;
        const struct json_member *members;
    };
};

struct json_member {
    struct str key;
    struct json value;
};

/* The root comes first: a pointer to it is a pointer to its document. */
struct json_document {
    struct json root;
    struct arena arena; /* everything else */
};

#endif
