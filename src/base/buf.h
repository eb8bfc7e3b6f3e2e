/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A byte buffer that grows up to a maximum given at birth. An append that would pass the maximum
 * changes nothing, sets `overflow`, and so do all later appends; a caller appends freely and
 * checks once at the end.
 */
#ifndef ORDERWIRE_BASE_BUF_H
#define ORDERWIRE_BASE_BUF_H

#include "base/str.h"

struct buf {
    char *ptr;
    size_t len;
    size_t capacity;
    size_t max;
    bool overflow;
};

/* No memory is taken before the first append. */
void buf_init(struct buf *b, size_t max);
/* Frees the memory; the buffer is then as after buf_init. */
void buf_fini(struct buf *b);
/* The same after overwriting what it held, for secrets. Growing may have left copies behind. */
void buf_wipe(struct buf *b);
/* Forgets the contents and the overflow, keeps the memory. */
void buf_clear(struct buf *b);

void buf_append(struct buf *b, const void *bytes, size_t length);
void buf_append_str(struct buf *b, struct str s);
void buf_append_text(struct buf *b, const char *text);
void buf_append_int(struct buf *b, int64_t value);
void buf_printf(struct buf *b, const char *format, ...) PRINTF_LIKE(2, 3);

/*
 * Room for at least `length` more bytes at the end: a pointer to write to, or NULL on overflow.
 * Then buf_wrote says how many were used.
 */
char *buf_reserve(struct buf *b, size_t length);
void buf_wrote(struct buf *b, size_t length);

static inline void buf_append_byte(struct buf *b, char byte)
{
    char *end = b->len < b->capacity && !b->overflow ? b->ptr + b->len : buf_reserve(b, 1);
    if (end) {
        *end = byte;
        b->len++;
    }
}

/* Drops the first `length` bytes. */
void buf_consume(struct buf *b, size_t length);

/* The contents; valid until the next change. */
struct str buf_view(const struct buf *b);

/* The contents as a NUL-terminated string that the caller frees with mem_free; `b` becomes empty. */
char *buf_detach_text(struct buf *b);

#endif
