/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The growing byte buffer. Its maximum is checked in one function, buf_reserve, without which no memory
 * is taken, so that no peer can make a buffer grow past what base/limits.def says.
 */
#include "base/buf.h"

#include "base/mem.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { FIRST_CAPACITY = 64, STACK_TEXT = 256 };

void buf_init(struct buf *b, size_t max)
{
    *b = (struct buf){.max = max};
}

void buf_fini(struct buf *b)
{
    mem_free(b->ptr);
    buf_init(b, b->max);
}

void buf_wipe(struct buf *b)
{
    if (b->ptr != NULL)
        mem_wipe(b->ptr, b->capacity);
    buf_fini(b);
}

void buf_clear(struct buf *b)
{
    b->len = 0;
    b->overflow = false;
}

/* `needed` is at most b->max. */
static void grow(struct buf *b, size_t needed)
{
    size_t capacity = b->capacity > 0 ? b->capacity : FIRST_CAPACITY;
    while (capacity < needed)
        capacity = capacity > b->max / 2 ? b->max : capacity * 2;
    if (capacity > b->max)
        capacity = b->max;
    b->ptr = mem_realloc(b->ptr, capacity);
    b->capacity = capacity;
}

char *buf_reserve(struct buf *b, size_t length)
{
    if (b->overflow || length > b->max - b->len) {
        b->overflow = true;
        return NULL;
    }
    if (b->ptr == NULL || length > b->capacity - b->len)
        grow(b, b->len + length);
    return b->ptr + b->len;
}

void buf_wrote(struct buf *b, size_t length)
{
    assert(length <= b->capacity - b->len);
    b->len += length;
}

void buf_append(struct buf *b, const void *bytes, size_t length)
{
    if (length == 0)
        return;
    char *end = buf_reserve(b, length);
    if (end == NULL)
        return;
    memcpy(end, bytes, length);
    b->len += length;
}

void buf_append_str(struct buf *b, struct str s)
{
    buf_append(b, s.ptr, s.len);
}

void buf_append_text(struct buf *b, const char *text)
{
    buf_append_str(b, str_from(text));
}

void buf_append_int(struct buf *b, int64_t value)
{
    char digits[20];
    size_t start = sizeof(digits);
    uint64_t left = value < 0 ? -(uint64_t)value : (uint64_t)value;
    do {
        digits[--start] = (char)('0' + left % 10);
        left /= 10;
    } while (left > 0);
    if (value < 0)
        digits[--start] = '-';
    buf_append(b, digits + start, sizeof(digits) - start);
}

/* The slow half of buf_printf: text that did not fit on the stack. */
static PRINTF_LIKE(3, 0) void append_long(struct buf *b, size_t length, const char *format,
                                          va_list arguments)
{
    if (length > b->max - b->len) {
        b->overflow = true;
        return;
    }
    char *text = mem_alloc(length + 1);
    vsnprintf(text, length + 1, format, arguments);
    buf_append(b, text, length);
    mem_free(text);
}

void buf_printf(struct buf *b, const char *format, ...)
{
    char text[STACK_TEXT];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    if (length < 0) {
        b->overflow = true;
    } else if ((size_t)length < sizeof(text)) {
        buf_append(b, text, (size_t)length);
    } else {
        va_start(arguments, format);
        append_long(b, (size_t)length, format, arguments);
        va_end(arguments);
    }
}

void buf_consume(struct buf *b, size_t length)
{
    assert(length <= b->len);
    b->len -= length;
    if (b->len > 0)
        memmove(b->ptr, b->ptr + length, b->len);
}

struct str buf_view(const struct buf *b)
{
    return str_make(b->ptr, b->len);
}

char *buf_detach_text(struct buf *b)
{
    char *text = mem_realloc(b->ptr, b->len + 1);
    text[b->len] = '\0';
    buf_init(b, b->max);
    return text;
}
