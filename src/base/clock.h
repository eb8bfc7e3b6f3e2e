/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The only place that reads a clock. Waiting uses monotonic milliseconds, stamps use wall-clock
 * milliseconds since 1970; the names of variables end in _mono and _at (or _wall) to keep them
 * apart. Functions that depend on time take it as a parameter.
 */
#ifndef ORDERWIRE_BASE_CLOCK_H
#define ORDERWIRE_BASE_CLOCK_H

#include "base/str.h"

#define CLOCK_SECOND INT64_C(1000)
#define CLOCK_MINUTE (60 * CLOCK_SECOND)
#define CLOCK_HOUR (60 * CLOCK_MINUTE)
#define CLOCK_DAY (24 * CLOCK_HOUR)

int64_t clock_mono_ms(void);
/* Microseconds of the same clock, for measuring how long something took. */
int64_t clock_mono_us(void);
int64_t clock_wall_ms(void);

static inline int64_t clock_earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static inline int64_t clock_later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

#define CLOCK_TEXT_SIZE 25
/* RFC 3339 in UTC with milliseconds: "2026-11-22T11:31:24.123Z". Years 1970 to 9999. */
void clock_format(int64_t wall_ms, char out[CLOCK_TEXT_SIZE]);
/*
 * Reads RFC 3339 (any offset, optional fraction of a second) or a whole number of seconds since
 * 1970. False when it is neither.
 */
NODISCARD bool clock_parse(struct str text, int64_t *wall_ms);

#endif
