/* SPDX-License-Identifier: Apache-2.0 */
/* Logarithmic rows of 64 linear steps each, so that a p99.9 of seconds and one of microseconds cost alike. */
#include "histogram.h"

/* 64 values below 64 have a step each; above, a power of two has 64 steps. */
static int step_of(int64_t value)
{
    if (value < HISTOGRAM_STEPS)
        return (int)value;
    int power = 63 - __builtin_clzll((uint64_t)value);
    int row = power - 5;
    return row * HISTOGRAM_STEPS + (int)(value >> (power - 6)) - HISTOGRAM_STEPS;
}

static int64_t value_of(int step)
{
    int row = step / HISTOGRAM_STEPS;
    int64_t value = step % HISTOGRAM_STEPS;
    return row == 0 ? value : (value + HISTOGRAM_STEPS) << (row - 1);
}

void histogram_add(struct histogram *h, int64_t duration_ns)
{
    int64_t value = duration_ns < 0 ? 0 : duration_ns;
    int step = step_of(value);
    h->counts[step < HISTOGRAM_SIZE ? step : HISTOGRAM_SIZE - 1]++;
    h->total++;
    if (value > h->max)
        h->max = value;
}

int64_t histogram_at(const struct histogram *h, double share)
{
    int64_t rank = (int64_t)((double)h->total * share);
    int64_t seen = 0;
    for (int i = 0; i < HISTOGRAM_SIZE; i++) {
        seen += h->counts[i];
        if (seen > rank)
            return value_of(i);
    }
    return h->max;
}
