/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counters, gauges and histograms named in base/metrics.def. Each thread writes its own slots
 * without a lock; reading adds them up, so a reading is close but not one instant.
 */
#ifndef ORDERWIRE_BASE_METRICS_H
#define ORDERWIRE_BASE_METRICS_H

#include "base/buf.h"

enum metric {
#define COUNTER(name, labels, help) METRIC_##name,
#define GAUGE(name, labels, help) METRIC_##name,
#define HISTOGRAM(name, labels, help)
#include "base/metrics.def"
    METRIC_COUNT
};

enum histogram {
#define COUNTER(name, labels, help)
#define GAUGE(name, labels, help)
#define HISTOGRAM(name, labels, help) METRIC_##name,
#include "base/metrics.def"
    HISTOGRAM_COUNT
};

/* A gauge takes negative amounts too. */
void metrics_add(enum metric metric, int64_t amount);
/* Sets a gauge that one thread alone writes. */
void metrics_set(enum metric metric, int64_t value);
/* Counts a duration, in microseconds, into fixed buckets from 50 us to 10 s. */
void metrics_observe(enum histogram histogram, int64_t microseconds);

int64_t metrics_value(enum metric metric);

/* Appends everything in Prometheus text format 0.0.4. */
void metrics_render(struct buf *out);

#endif
