/* SPDX-License-Identifier: Apache-2.0 */
/* How long things took: counts by duration, 1.6 % wide, from which percentiles are read. */
#ifndef ORDERWIRE_BENCH_HISTOGRAM_H
#define ORDERWIRE_BENCH_HISTOGRAM_H

#include <stdint.h>

enum { HISTOGRAM_STEPS = 64, HISTOGRAM_SIZE = 58 * HISTOGRAM_STEPS };

/* All zero is empty. */
struct histogram {
    int64_t counts[HISTOGRAM_SIZE];
    int64_t total;
    int64_t max;
};

/* Nanoseconds; negative counts as 0. */
void histogram_add(struct histogram *h, int64_t duration_ns);
/* The duration that `share` (0 to 1) of all did not pass; 0 when there are none. */
int64_t histogram_at(const struct histogram *h, double share);

#endif
