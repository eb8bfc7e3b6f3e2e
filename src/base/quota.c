/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counters in open addressing, rates in a set-associative table; both in shards with a lock each, so
 * that threads seldom meet. Keys are kept as 64-bit hashes under a secret: a collision would only
 * let two keys share a limit, and nobody can choose one.
 */
#include "base/quota.h"

#include "base/hash.h"
#include "base/limits.h"
#include "base/mem.h"

#include <pthread.h>
#include <stdatomic.h>

enum {
    SHARDS = 64,
    FIRST_SLOTS = 64,
    WAYS = 8, /* rates that share a set; the one that is forgiven first makes room */
    SETS = LIMIT_QUOTA_RATES / SHARDS / WAYS,
};

struct counter {
    uint64_t hash;  /* 0: the slot is free */
    uint64_t count; /* 0 with a hash: was in use, so that a search goes on behind it */
};

struct rate {
    uint64_t hash;
    int64_t earned_us;
};

struct shard {
    pthread_mutex_t mutex;
    struct counter *counters;
    size_t slots; /* a power of two */
    size_t used;  /* slots with a hash */
    struct rate rates[SETS][WAYS];
};

struct quota {
    struct shard shards[SHARDS];
    atomic_size_t large_bytes; /* reserved */
};

#define BURST_SECONDS 2
#define SECOND_US INT64_C(1000000)

int64_t quota_rate_take(int64_t *earned_us, int64_t per_second, int64_t now_mono)
{
    if (per_second == 0)
        return 0;
    int64_t now_us = now_mono * 1000;
    int64_t base = *earned_us > now_us ? *earned_us : now_us;
    int64_t ahead = base + SECOND_US / per_second - now_us;
    if (ahead > BURST_SECONDS * SECOND_US)
        return (ahead - BURST_SECONDS * SECOND_US + 999) / 1000;
    *earned_us = now_us + ahead;
    return 0;
}

static uint64_t hash_of(enum quota_kind kind, struct str key)
{
    /* Kinds are told apart after the hash: which key it was is hidden in it. */
    uint64_t hash = hash_keyed(key) ^ (uint64_t)(kind + 1) * UINT64_C(0x9e3779b97f4a7c15);
    return hash != 0 ? hash : 1;
}

/* The lowest bits choose the shard, the others the place in it. */
static struct shard *lock_shard(struct quota *quota, uint64_t hash)
{
    struct shard *shard = &quota->shards[hash % SHARDS];
    pthread_mutex_lock(&shard->mutex);
    return shard;
}

static struct counter *find_counter(const struct shard *shard, uint64_t hash)
{
    size_t i = hash / SHARDS & (shard->slots - 1);
    while (shard->counters[i].hash != 0 && shard->counters[i].hash != hash)
        i = (i + 1) & (shard->slots - 1);
    return &shard->counters[i];
}

/* Leaves out what is not counted any more; twice the room when that would not help. */
static void make_room(struct shard *shard)
{
    struct counter *old = shard->counters;
    size_t old_slots = shard->slots;
    size_t living = 0;
    for (size_t i = 0; i < old_slots; i++)
        living += old[i].count > 0;
    while (shard->slots < (living + 1) * 4)
        shard->slots *= 2;
    shard->counters = mem_zalloc(shard->slots * sizeof(*shard->counters));
    shard->used = living;
    for (size_t i = 0; i < old_slots; i++)
        if (old[i].count > 0)
            *find_counter(shard, old[i].hash) = old[i];
    mem_free(old);
}

bool quota_enter(struct quota *quota, enum quota_kind kind, struct str key, int64_t max)
{
    if (quota == NULL)
        return true;
    uint64_t hash = hash_of(kind, key);
    struct shard *shard = lock_shard(quota, hash);
    struct counter *counter = find_counter(shard, hash);
    bool allowed = max == 0 || counter->count < (uint64_t)max;
    if (allowed && counter->hash == 0 && ++shard->used * 2 > shard->slots) {
        make_room(shard);
        shard->used++;
        counter = find_counter(shard, hash);
    }
    if (allowed) {
        counter->hash = hash;
        counter->count++;
    }
    pthread_mutex_unlock(&shard->mutex);
    return allowed;
}

void quota_leave(struct quota *quota, enum quota_kind kind, struct str key)
{
    if (quota == NULL)
        return;
    uint64_t hash = hash_of(kind, key);
    struct shard *shard = lock_shard(quota, hash);
    struct counter *counter = find_counter(shard, hash);
    if (counter->count > 0)
        counter->count--;
    pthread_mutex_unlock(&shard->mutex);
}

/* The one of this hash, or the one that is forgiven first, made new. */
static struct rate *find_rate(struct rate set[WAYS], uint64_t hash)
{
    struct rate *oldest = &set[0];
    for (size_t i = 0; i < WAYS; i++) {
        if (set[i].hash == hash)
            return &set[i];
        if (set[i].earned_us < oldest->earned_us)
            oldest = &set[i];
    }
    *oldest = (struct rate){.hash = hash};
    return oldest;
}

int64_t quota_take(struct quota *quota, enum quota_kind kind, struct str key, int64_t per_second,
                   int64_t now_mono)
{
    if (quota == NULL || per_second == 0)
        return 0;
    uint64_t hash = hash_of(kind, key);
    struct shard *shard = lock_shard(quota, hash);
    struct rate *rate = find_rate(shard->rates[hash / SHARDS % SETS], hash);
    int64_t wait = quota_rate_take(&rate->earned_us, per_second, now_mono);
    pthread_mutex_unlock(&shard->mutex);
    return wait;
}

bool quota_reserve(struct quota *quota, size_t bytes)
{
    if (quota == NULL)
        return true;
    if (atomic_fetch_add(&quota->large_bytes, bytes) + bytes <= LIMIT_LARGE_BYTES)
        return true;
    atomic_fetch_sub(&quota->large_bytes, bytes);
    return false;
}

void quota_give_back(struct quota *quota, size_t bytes)
{
    if (quota != NULL)
        atomic_fetch_sub(&quota->large_bytes, bytes);
}

struct quota *quota_new(void)
{
    struct quota *quota = mem_zalloc(sizeof(*quota));
    for (size_t i = 0; i < SHARDS; i++) {
        struct shard *shard = &quota->shards[i];
        pthread_mutex_init(&shard->mutex, NULL);
        shard->slots = FIRST_SLOTS;
        shard->counters = mem_zalloc(shard->slots * sizeof(*shard->counters));
    }
    return quota;
}

void quota_free(struct quota **owner)
{
    struct quota *quota = *owner;
    if (quota == NULL)
        return;
    for (size_t i = 0; i < SHARDS; i++) {
        pthread_mutex_destroy(&quota->shards[i].mutex);
        mem_free(quota->shards[i].counters);
    }
    mem_free(quota);
    *owner = NULL;
}
