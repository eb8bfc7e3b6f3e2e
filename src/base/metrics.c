/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The registry of metrics. A counter that all threads share costs a cache line's journey for every
 * message, so each thread takes a slot of its own at its first call and keeps it. When more threads
 * come than there are slots, the rest share the last one and add atomically.
 */
#include "base/metrics.h"

#include <stdalign.h>
#include <stdatomic.h>
#include <string.h>

enum { SLOT_COUNT = 64, SHARED_SLOT = SLOT_COUNT - 1, CACHE_LINE = 64 };

static const struct {
    int64_t microseconds;
    const char *seconds;
} bounds[] = {
    {50, "0.00005"},  {100, "0.0001"},  {250, "0.00025"}, {500, "0.0005"},  {1000, "0.001"},
    {2500, "0.0025"}, {5000, "0.005"},  {10000, "0.01"},  {25000, "0.025"}, {50000, "0.05"},
    {100000, "0.1"},  {250000, "0.25"}, {500000, "0.5"},  {1000000, "1"},   {2500000, "2.5"},
    {5000000, "5"},   {10000000, "10"},
};

enum { BOUND_COUNT = ARRAY_LENGTH(bounds) };

struct slot {
    alignas(CACHE_LINE) _Atomic int64_t values[METRIC_COUNT];
    _Atomic int64_t buckets[HISTOGRAM_COUNT][BOUND_COUNT + 1]; /* the last has no bound */
    _Atomic int64_t sums[HISTOGRAM_COUNT];                     /* microseconds */
};

static struct slot slots[SLOT_COUNT];
static _Atomic int64_t set_values[METRIC_COUNT];
static _Atomic unsigned slots_taken;
static _Thread_local struct slot *own_slot;

static struct slot *take_slot(void)
{
    unsigned index = atomic_fetch_add_explicit(&slots_taken, 1, memory_order_relaxed);
    own_slot = &slots[index < SHARED_SLOT ? index : SHARED_SLOT];
    return own_slot;
}

static struct slot *slot_of_thread(void)
{
    return own_slot != NULL ? own_slot : take_slot();
}

static int64_t read_value(const _Atomic int64_t *value)
{
    return atomic_load_explicit(value, memory_order_relaxed);
}

static void add(const struct slot *slot, _Atomic int64_t *value, int64_t amount)
{
    /* Nobody else writes to a slot that is the thread's own: two plain moves will do. */
    if (slot != &slots[SHARED_SLOT])
        atomic_store_explicit(value, read_value(value) + amount, memory_order_relaxed);
    else
        atomic_fetch_add_explicit(value, amount, memory_order_relaxed);
}

void metrics_add(enum metric metric, int64_t amount)
{
    struct slot *slot = slot_of_thread();
    add(slot, &slot->values[metric], amount);
}

void metrics_set(enum metric metric, int64_t value)
{
    atomic_store_explicit(&set_values[metric], value, memory_order_relaxed);
}

void metrics_observe(enum histogram histogram, int64_t microseconds)
{
    struct slot *slot = slot_of_thread();
    size_t bucket = 0;
    while (bucket < BOUND_COUNT && microseconds > bounds[bucket].microseconds)
        bucket++;
    add(slot, &slot->buckets[histogram][bucket], 1);
    add(slot, &slot->sums[histogram], microseconds);
}

int64_t metrics_value(enum metric metric)
{
    int64_t total = read_value(&set_values[metric]);
    for (size_t i = 0; i < SLOT_COUNT; i++)
        total += read_value(&slots[i].values[metric]);
    return total;
}

struct row {
    const char *type;
    const char *name; /* as in metrics.def */
    const char *labels;
    const char *help;
};

static const struct row metric_rows[] = {
#define COUNTER(name, labels, help) {"counter", #name, labels, help},
#define GAUGE(name, labels, help) {"gauge", #name, labels, help},
#define HISTOGRAM(name, labels, help)
#include "base/metrics.def"
};

static const struct row histogram_rows[] = {
#define COUNTER(name, labels, help)
#define GAUGE(name, labels, help)
#define HISTOGRAM(name, labels, help) {"histogram", #name, labels, help},
#include "base/metrics.def"
};

/* The part of the name that goes on the wire. */
static struct str family_of(const struct row *row)
{
    const char *end = strstr(row->name, "__");
    return end != NULL ? str_make(row->name, (size_t)(end - row->name)) : str_from(row->name);
}

static void render_name(struct buf *out, const struct row *row)
{
    struct str family = family_of(row);
    buf_append_text(out, "orderwire_");
    for (size_t i = 0; i < family.len; i++) {
        char c = family.ptr[i];
        buf_append_byte(out, c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c);
    }
    if (strcmp(row->type, "counter") == 0)
        buf_append_text(out, "_total");
}

static void render_head(struct buf *out, const struct row *row)
{
    buf_append_text(out, "# HELP ");
    render_name(out, row);
    buf_printf(out, " %s\n# TYPE ", row->help);
    render_name(out, row);
    buf_printf(out, " %s\n", row->type);
}

static void render_metrics(struct buf *out)
{
    for (size_t i = 0; i < METRIC_COUNT; i++) {
        const struct row *row = &metric_rows[i];
        if (i == 0 || !str_equal(family_of(row), family_of(row - 1)))
            render_head(out, row);
        render_name(out, row);
        if (row->labels[0] != '\0')
            buf_printf(out, "{%s}", row->labels);
        buf_append_byte(out, ' ');
        buf_append_int(out, metrics_value((enum metric)i));
        buf_append_byte(out, '\n');
    }
}

static void render_bucket(struct buf *out, const struct row *row, const char *bound, int64_t count)
{
    const char *comma = row->labels[0] != '\0' ? "," : "";
    render_name(out, row);
    buf_printf(out, "_bucket{%s%sle=\"%s\"} %lld\n", row->labels, comma, bound, (long long)count);
}

static void render_total(struct buf *out, const struct row *row, const char *suffix)
{
    render_name(out, row);
    buf_append_text(out, suffix);
    if (row->labels[0] != '\0')
        buf_printf(out, "{%s}", row->labels);
}

static void render_histogram(struct buf *out, const struct row *row, size_t histogram)
{
    int64_t count = 0;
    int64_t sum = 0;
    render_head(out, row);
    for (size_t bucket = 0; bucket <= BOUND_COUNT; bucket++) {
        for (size_t i = 0; i < SLOT_COUNT; i++)
            count += read_value(&slots[i].buckets[histogram][bucket]);
        render_bucket(out, row, bucket < BOUND_COUNT ? bounds[bucket].seconds : "+Inf", count);
    }
    for (size_t i = 0; i < SLOT_COUNT; i++)
        sum += read_value(&slots[i].sums[histogram]);
    render_total(out, row, "_sum");
    buf_printf(out, " %lld.%06lld\n", (long long)(sum / 1000000), (long long)(sum % 1000000));
    render_total(out, row, "_count");
    buf_printf(out, " %lld\n", (long long)count);
}

void metrics_render(struct buf *out)
{
    render_metrics(out);
    for (size_t i = 0; i < HISTOGRAM_COUNT; i++)
        render_histogram(out, &histogram_rows[i], i);
}
