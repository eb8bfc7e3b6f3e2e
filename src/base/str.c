/* SPDX-License-Identifier: Apache-2.0 */
/* Comparing, cutting and checking views of bytes. Nothing here allocates or trusts a NUL. */
#include "base/str.h"

#include <string.h>

struct str str_from(const char *text)
{
    return str_make(text, text != NULL ? strlen(text) : 0);
}

struct str str_make(const char *ptr, size_t len)
{
    return (struct str){.ptr = ptr, .len = len};
}

bool str_equal(struct str a, struct str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

bool str_equal_text(struct str a, const char *text)
{
    return str_equal(a, str_from(text));
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

bool str_equal_ignoring_case(struct str a, struct str b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++) {
        if (lower(a.ptr[i]) != lower(b.ptr[i]))
            return false;
    }
    return true;
}

bool str_starts_with(struct str s, struct str prefix)
{
    return s.len >= prefix.len && str_equal(str_make(s.ptr, prefix.len), prefix);
}

int str_compare(struct str a, struct str b)
{
    size_t common = a.len < b.len ? a.len : b.len;
    int order = common > 0 ? memcmp(a.ptr, b.ptr, common) : 0;
    if (order != 0)
        return order;
    return (a.len > b.len) - (a.len < b.len);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

struct str str_trim(struct str s)
{
    while (s.len > 0 && is_blank(s.ptr[0])) {
        s.ptr++;
        s.len--;
    }
    while (s.len > 0 && is_blank(s.ptr[s.len - 1]))
        s.len--;
    return s;
}

bool str_split(struct str *rest, char separator, struct str *head)
{
    if (rest->ptr == NULL)
        return false;
    *head = *rest;
    const char *found = rest->len > 0 ? memchr(rest->ptr, separator, rest->len) : NULL;
    if (found == NULL) {
        *rest = str_make(NULL, 0);
        return true;
    }
    head->len = (size_t)(found - rest->ptr);
    *rest = str_make(found + 1, rest->len - head->len - 1);
    return true;
}

bool str_list_has(struct str list, struct str token)
{
    struct str element;
    while (str_split(&list, ',', &element))
        if (str_equal_ignoring_case(str_trim(element), token))
            return true;
    return false;
}

bool str_to_int64(struct str s, int64_t min, int64_t max, int64_t *out)
{
    bool negative = s.len > 0 && s.ptr[0] == '-';
    size_t i = negative ? 1 : 0;
    if (i == s.len || (s.ptr[i] == '0' && s.len > 1))
        return false;
    int64_t value = 0;
    /* Counted downwards, because INT64_MIN has no positive twin. */
    for (; i < s.len; i++) {
        if (s.ptr[i] < '0' || s.ptr[i] > '9')
            return false;
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_sub_overflow(value, s.ptr[i] - '0', &value))
            return false;
    }
    if (!negative && __builtin_sub_overflow(0, value, &value))
        return false;
    if (value < min || value > max)
        return false;
    *out = value;
    return true;
}

/* Which second byte may follow which first: Unicode 15, table 3-7. */
static const struct {
    uint8_t first;
    uint8_t last;
    uint8_t length;
    uint8_t low;
    uint8_t high;
} utf8_forms[] = {
    {0x00, 0x7f, 1, 0x00, 0x00}, {0xc2, 0xdf, 2, 0x80, 0xbf}, {0xe0, 0xe0, 3, 0xa0, 0xbf},
    {0xe1, 0xec, 3, 0x80, 0xbf}, {0xed, 0xed, 3, 0x80, 0x9f}, {0xee, 0xef, 3, 0x80, 0xbf},
    {0xf0, 0xf0, 4, 0x90, 0xbf}, {0xf1, 0xf3, 4, 0x80, 0xbf}, {0xf4, 0xf4, 4, 0x80, 0x8f},
};

/* The length of the well-formed sequence at `p`, or 0. */
static size_t utf8_sequence(const uint8_t *p, size_t left)
{
    size_t form = 0;
    while (form < ARRAY_LENGTH(utf8_forms) && p[0] > utf8_forms[form].last)
        form++;
    if (form == ARRAY_LENGTH(utf8_forms) || p[0] < utf8_forms[form].first)
        return 0;
    size_t length = utf8_forms[form].length;
    if (left < length)
        return 0;
    if (length > 1 && (p[1] < utf8_forms[form].low || p[1] > utf8_forms[form].high))
        return 0;
    for (size_t i = 2; i < length; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    }
    return length;
}

bool str_is_utf8(struct str s)
{
    const uint8_t *p = (const uint8_t *)s.ptr;
    size_t i = 0;
    while (i < s.len) {
        uint64_t word;
        if (s.len - i >= sizeof(word)) {
            memcpy(&word, p + i, sizeof(word));
            if ((word & UINT64_C(0x8080808080808080)) == 0) {
                i += sizeof(word);
                continue;
            }
        }
        size_t length = utf8_sequence(p + i, s.len - i);
        if (length == 0)
            return false;
        i += length;
    }
    return true;
}

/* To the end in any case: without a way out of the loop it takes 16 bytes at a time. */
bool str_has_control(struct str s)
{
    uint8_t found = 0;
    for (size_t i = 0; i < s.len; i++) {
        uint8_t byte = (uint8_t)s.ptr[i];
        found |= (uint8_t)((byte < 0x20) | (byte == 0x7f));
    }
    return found != 0;
}

enum { DISTANCE_LENGTH = 64 };

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

size_t str_distance(struct str a, struct str b)
{
    if (a.len > DISTANCE_LENGTH || b.len > DISTANCE_LENGTH)
        return SIZE_MAX;
    /* One row of the matrix at a time: row[j] is the distance from a[0..i] to b[0..j]. */
    size_t row[DISTANCE_LENGTH + 1];
    for (size_t j = 0; j <= b.len; j++)
        row[j] = j;
    for (size_t i = 1; i <= a.len; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b.len; j++) {
            size_t replaced = diagonal + (a.ptr[i - 1] == b.ptr[j - 1] ? 0 : 1);
            diagonal = row[j];
            row[j] = smaller(replaced, smaller(row[j], row[j - 1]) + 1);
        }
    }
    return row[b.len];
}

void str_nearest_offer(struct str_nearest *nearest, struct str name)
{
    size_t distance = str_distance(nearest->word, name);
    if (distance >= nearest->distance)
        return;
    nearest->distance = distance;
    nearest->name = name;
}
