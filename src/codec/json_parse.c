/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parser. Every order and every command comes through it, so it reads each byte once, copies a
 * string in one piece up to its next escape, and takes memory by the block and not by the value. The
 * children of what is open stand on a stack and move into the arena when it is closed, side by side.
 */
#include "codec/json_internal.h"

#include "base/limits.h"
#include "base/mem.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Objects with more members than this are sorted to find keys that appear twice. */
enum { COMPARE_ALL_MAX = 16, STACK_FIRST = 24 };

struct parser {
    const char *start, *at, *end;
    struct arena arena;
    const char *error;
    struct json_member *stack; /* an array's children have no key */
    size_t depth;              /* values on the stack */
    size_t capacity;
    int nesting;
};

static bool parse_value(struct parser *p, struct json *out);

static bool fail(struct parser *p, const char *sentence)
{
    p->error = sentence;
    return false;
}

static bool fail_here(struct parser *p)
{
    return fail(p, p->at == p->end ? "the JSON ends too early" : "this is not valid JSON");
}

static void skip_space(struct parser *p)
{
    while (p->at < p->end && (*p->at == ' ' || *p->at == '\n' || *p->at == '\r' || *p->at == '\t'))
        p->at++;
}

static bool at_byte(const struct parser *p, char byte)
{
    return p->at < p->end && *p->at == byte;
}

static void push(struct parser *p, const struct json_member *child)
{
    if (p->depth == p->capacity) {
        bool first = p->capacity == STACK_FIRST;
        struct json_member *old = p->stack;
        p->capacity *= 4;
        p->stack = mem_realloc(first ? NULL : old, p->capacity * sizeof(*p->stack));
        if (first)
            memcpy(p->stack, old, STACK_FIRST * sizeof(*p->stack));
    }
    p->stack[p->depth++] = *child;
}

static bool parse_literal(struct parser *p, const char *word, struct json *out,
                          const struct json *value)
{
    size_t length = strlen(word);
    if ((size_t)(p->end - p->at) < length || memcmp(p->at, word, length) != 0)
        return fail(p, "this is not valid JSON");
    p->at += length;
    if (p->at < p->end && isalpha((unsigned char)*p->at))
        return fail(p, "this is not valid JSON");
    *out = *value;
    return true;
}

static size_t digits(struct parser *p)
{
    const char *first = p->at;
    while (p->at < p->end && *p->at >= '0' && *p->at <= '9')
        p->at++;
    return (size_t)(p->at - first);
}

static bool parse_real(struct parser *p, struct str text, struct json *out)
{
    /* The text goes on behind the number, and has no end that strtod would see. */
    const char *copy = arena_copy(&p->arena, text).ptr;
    double value = strtod(copy, NULL);
    if (isinf(value))
        return fail(p, "a number is too large");
    *out = (struct json){.kind = JSON_KIND_REAL, .real = value};
    return true;
}

static bool parse_number(struct parser *p, struct json *out)
{
    const char *first = p->at;
    bool is_real = false;
    p->at += *p->at == '-';
    bool zero = at_byte(p, '0');
    size_t whole = digits(p);
    if (whole == 0)
        return fail_here(p);
    if (zero && whole > 1)
        return fail(p, "this is not valid JSON");
    if (at_byte(p, '.')) {
        p->at++;
        is_real = true;
        if (digits(p) == 0)
            return fail_here(p);
    }
    if (at_byte(p, 'e') || at_byte(p, 'E')) {
        p->at++;
        is_real = true;
        p->at += at_byte(p, '+') || at_byte(p, '-');
        if (digits(p) == 0)
            return fail_here(p);
    }
    struct str text = str_make(first, (size_t)(p->at - first));
    if (is_real)
        return parse_real(p, text, out);
    *out = (struct json){.kind = JSON_KIND_INT};
    if (str_equal_text(text, "-0") || str_to_int64(text, INT64_MIN, INT64_MAX, &out->integer))
        return true;
    return fail(p, "a number is too large");
}

/* Four hexadecimal digits; -1 when they are not there. */
static int32_t hex4(struct parser *p)
{
    int32_t value = 0;
    for (int i = 0; i < 4; i++, p->at++) {
        char c = p->at < p->end ? *p->at : '\0';
        if (c >= '0' && c <= '9')
            value = value * 16 + c - '0';
        else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
            value = value * 16 + (c | 0x20) - 'a' + 10;
        else
            return -1;
    }
    return value;
}

static char *put_utf8(char *to, uint32_t c)
{
    if (c < 0x80) {
        *to++ = (char)c;
        return to;
    }
    int more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
    static const uint8_t leads[] = {0, 0xc0, 0xe0, 0xf0};
    *to++ = (char)(leads[more] | c >> (6 * more));
    while (more-- > 0)
        *to++ = (char)(0x80 | (c >> (6 * more) & 0x3f));
    return to;
}

/* Behind "\u"; NULL when it is refused. */
static char *unescape_unicode(struct parser *p, char *to)
{
    int32_t c = hex4(p);
    if (c >= 0xd800 && c < 0xdc00 && p->end - p->at >= 2 && p->at[0] == '\\' && p->at[1] == 'u') {
        p->at += 2;
        int32_t low = hex4(p);
        c = low >= 0xdc00 && low < 0xe000 ? 0x10000 + ((c - 0xd800) << 10) + low - 0xdc00 : -1;
    }
    if (c < 0 || (c >= 0xd800 && c < 0xe000)) {
        fail_here(p);
        return NULL;
    }
    if (c == 0) {
        fail(p, "a string holds a NUL character");
        return NULL;
    }
    return put_utf8(to, (uint32_t)c);
}

/* At a backslash; NULL when it is refused. */
static char *unescape(struct parser *p, char *to)
{
    static const char letters[] = "\"\\/bfnrt";
    static const char meanings[] = "\"\\/\b\f\n\r\t";
    p->at++;
    char c = p->at < p->end ? *p->at : '\0';
    if (c == 'u') {
        p->at++;
        return unescape_unicode(p, to);
    }
    const char *found = c ? strchr(letters, c) : NULL;
    if (!found) {
        fail_here(p);
        return NULL;
    }
    p->at++;
    *to++ = meanings[found - letters];
    return to;
}

/* Where a string ends or is cut: its quote, an escape, a control character, or the end of all. */
static const char *plain_end(const char *at, const char *end, uint8_t *high)
{
    uint8_t bits = 0;
    while (at < end && (uint8_t)*at >= 0x20 && *at != '"' && *at != '\\')
        bits |= (uint8_t)*at++;
    *high |= bits & 0x80;
    return at;
}

/* The rest of a string with escapes, whose beginning up to `stop` is plain. */
static bool parse_escaped(struct parser *p, const char *stop, uint8_t *high, struct str *out)
{
    size_t left = (size_t)(p->end - p->at);
    size_t length = (size_t)(stop - p->at);
    while (length < left && p->at[length] != '"')
        length += p->at[length] == '\\' ? 2 : 1;
    if (length >= left) {
        p->at = p->end;
        return fail_here(p);
    }
    char *text = arena_take(&p->arena, length + 1);
    char *to = text;
    for (;;) {
        memcpy(to, p->at, (size_t)(stop - p->at));
        to += stop - p->at;
        p->at = stop;
        if (*p->at != '\\')
            break;
        to = unescape(p, to);
        if (!to)
            return false;
        stop = plain_end(p->at, p->end, high);
    }
    if (*p->at != '"')
        return fail_here(p);
    *to = '\0';
    *out = str_make(text, (size_t)(to - text));
    return true;
}

/* At its opening quote. */
static bool parse_string(struct parser *p, struct str *out)
{
    uint8_t high = 0;
    const char *first = ++p->at;
    const char *stop = plain_end(first, p->end, &high);
    if (stop < p->end && *stop == '\\') {
        if (!parse_escaped(p, stop, &high, out))
            return false;
    } else {
        p->at = stop;
        if (!at_byte(p, '"'))
            return fail_here(p);
        *out = arena_copy(&p->arena, str_make(first, (size_t)(stop - first)));
    }
    if (high && !str_is_utf8(*out))
        return fail(p, "a byte is not UTF-8");
    p->at++;
    return true;
}

static int compare_keys(const void *a, const void *b)
{
    return str_compare(((const struct json_member *)a)->key, ((const struct json_member *)b)->key);
}

static bool has_twice(const struct json_member *members, size_t count)
{
    bool found = false;
    if (count <= COMPARE_ALL_MAX) {
        for (size_t i = 1; i < count; i++)
            for (size_t j = 0; j < i; j++)
                found |= str_equal(members[i].key, members[j].key);
        return found;
    }
    struct json_member *sorted = mem_dup(members, count * sizeof(*members));
    qsort(sorted, count, sizeof(*sorted), compare_keys);
    for (size_t i = 1; i < count; i++)
        found |= str_equal(sorted[i - 1].key, sorted[i].key);
    mem_free(sorted);
    return found;
}

/* The children above `base` become the value's. */
static bool close_object(struct parser *p, size_t base, struct json *out)
{
    size_t count = p->depth - base;
    if (has_twice(p->stack + base, count))
        return fail(p, "a key appears twice in one object");
    struct json_member *members = arena_take(&p->arena, count * sizeof(*members));
    memcpy(members, p->stack + base, count * sizeof(*members));
    *out = (struct json){JSON_KIND_OBJECT, (uint32_t)count, .members = members};
    p->depth = base;
    return true;
}

static bool close_array(struct parser *p, size_t base, struct json *out)
{
    size_t count = p->depth - base;
    struct json *elements = arena_take(&p->arena, count * sizeof(*elements));
    for (size_t i = 0; i < count; i++)
        elements[i] = p->stack[base + i].value;
    *out = (struct json){JSON_KIND_ARRAY, (uint32_t)count, .elements = elements};
    p->depth = base;
    return true;
}

static bool parse_key(struct parser *p, struct str *key)
{
    if (!at_byte(p, '"'))
        return fail_here(p);
    if (!parse_string(p, key))
        return false;
    skip_space(p);
    if (!at_byte(p, ':'))
        return fail_here(p);
    p->at++;
    return true;
}

/* At its bracket. */
static bool parse_container(struct parser *p, struct json *out)
{
    bool is_object = *p->at++ == '{';
    char close = is_object ? '}' : ']';
    size_t base = p->depth;
    if (++p->nesting > LIMIT_JSON_DEPTH)
        return fail(p, "the nesting is too deep");
    skip_space(p);
    while (p->depth > base || !at_byte(p, close)) {
        struct json_member child = {0};
        if (is_object && !parse_key(p, &child.key))
            return false;
        if (!parse_value(p, &child.value))
            return false;
        push(p, &child);
        skip_space(p);
        if (!at_byte(p, ','))
            break;
        p->at++;
        skip_space(p);
    }
    if (!at_byte(p, close))
        return fail_here(p);
    p->at++;
    p->nesting--;
    return is_object ? close_object(p, base, out) : close_array(p, base, out);
}

/* Recursion is bounded by LIMIT_JSON_DEPTH. */
static bool parse_value(struct parser *p, struct json *out)
{
    struct str text;
    skip_space(p);
    switch (p->at < p->end ? *p->at : '\0') {
    case '{':
    case '[':
        return parse_container(p, out);
    case '"':
        if (!parse_string(p, &text))
            return false;
        *out = (struct json){JSON_KIND_STRING, (uint32_t)text.len, .text = text.ptr};
        return true;
    case 't':
        return parse_literal(p, "true", out, &(struct json){JSON_KIND_BOOL, .flag = true});
    case 'f':
        return parse_literal(p, "false", out, &(struct json){JSON_KIND_BOOL, .flag = false});
    case 'n':
        return parse_literal(p, "null", out, &(struct json){JSON_KIND_NULL});
    default:
        break;
    }
    bool is_number = p->at < p->end && (*p->at == '-' || (*p->at >= '0' && *p->at <= '9'));
    return is_number ? parse_number(p, out) : fail_here(p);
}

/* Of the byte that is wrong, or of the last one when more was expected. */
static void write_error(const struct parser *p, char *error)
{
    int line = 1;
    const char *first = p->start;
    for (const char *at = p->start; at < p->at; at++) {
        if (*at == '\n') {
            line++;
            first = at + 1;
        }
    }
    int column = (int)(p->at - first) + (p->at < p->end);
    snprintf(error, JSON_ERROR_SIZE, "line %d, column %d: %s", line, column, p->error);
}

static struct json *parse(struct str text, bool whole, size_t *used, char *error)
{
    struct json_member room[STACK_FIRST];
    struct json_document *document = mem_alloc(sizeof(*document));
    const char *start = text.len > 0 ? text.ptr : "";
    struct parser p = {
        .start = start,
        .at = start,
        .end = start + text.len,
        .stack = room,
        .capacity = STACK_FIRST,
    };
    bool good =
        text.len > UINT32_MAX ? fail(&p, "it is too long") : parse_value(&p, &document->root);
    if (good && whole) {
        skip_space(&p);
        if (p.at < p.end)
            good = fail(&p, "something follows the JSON value");
    }
    if (p.stack != room)
        mem_free(p.stack);
    document->arena = p.arena;
    if (good) {
        *used = (size_t)(p.at - p.start);
        return &document->root;
    }
    if (error)
        write_error(&p, error);
    struct json *refused = &document->root;
    json_free(&refused);
    return NULL;
}

struct json *json_parse(struct str text, char *error)
{
    size_t used;
    return parse(text, true, &used, error);
}

struct json *json_parse_first(struct str text, size_t *used, char *error)
{
    return parse(text, false, used, error);
}

void json_free(struct json **document)
{
    struct json_document *whole = (struct json_document *)*document;
    if (whole) {
        arena_fini(&whole->arena);
        mem_free(whole);
    }
    *document = NULL;
}
