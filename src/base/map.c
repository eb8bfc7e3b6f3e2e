/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Chained buckets under SipHash-1-3 (Aumasson and Bernstein, 2012). User ids and idempotency keys
 * come from outside; with a hash that they can predict, a few thousand keys in one bucket would
 * stop a worker.
 */
#include "base/map.h"

#include "base/crypto.h"
#include "base/mem.h"

#include <assert.h>
#include <pthread.h>
#include <string.h>

enum { FIRST_BUCKETS = 16 };

struct map_entry {
    struct map_entry *next;
    uint64_t hash;
    void *value;
    size_t length;
    char key[];
};

static pthread_once_t hash_key_once = PTHREAD_ONCE_INIT;
static uint64_t hash_key[2];

static void draw_hash_key(void)
{
    crypto_random(hash_key, sizeof(hash_key));
}

static uint64_t rotate(uint64_t x, unsigned bits)
{
    return x << bits | x >> (64 - bits);
}

static void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[1] = rotate(v[1], 13) ^ v[0];
    v[0] = rotate(v[0], 32);
    v[2] += v[3];
    v[3] = rotate(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotate(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotate(v[1], 17) ^ v[2];
    v[2] = rotate(v[2], 32);
}

static void sip_word(uint64_t v[4], uint64_t word)
{
    v[3] ^= word;
    sip_round(v);
    v[0] ^= word;
}

static uint64_t hash_of(struct str key)
{
    pthread_once(&hash_key_once, draw_hash_key);
    uint64_t v[4] = {
        hash_key[0] ^ UINT64_C(0x736f6d6570736575),
        hash_key[1] ^ UINT64_C(0x646f72616e646f6d),
        hash_key[0] ^ UINT64_C(0x6c7967656e657261),
        hash_key[1] ^ UINT64_C(0x7465646279746573),
    };
    /* Words in the machine's byte order: the hash never leaves the process. */
    uint64_t word;
    size_t i = 0;
    for (; key.len - i >= sizeof(word); i += sizeof(word)) {
        memcpy(&word, key.ptr + i, sizeof(word));
        sip_word(v, word);
    }
    word = (uint64_t)key.len << 56;
    for (unsigned shift = 0; i < key.len; i++, shift += 8)
        word |= (uint64_t)(uint8_t)key.ptr[i] << shift;
    sip_word(v, word);
    v[2] ^= 0xff;
    for (int round = 0; round < 3; round++)
        sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

void map_init(struct map *m)
{
    *m = (struct map){0};
}

void map_fini(struct map *m)
{
    for (size_t i = 0; i < m->bucket_count; i++) {
        struct map_entry *entry = m->buckets[i];
        while (entry != NULL) {
            struct map_entry *next = entry->next;
            mem_free(entry);
            entry = next;
        }
    }
    mem_free(m->buckets);
    map_init(m);
}

/* The link that points to the entry of `key`, or the NULL link at its chain's end. */
static struct map_entry **find(const struct map *m, struct str key, uint64_t hash)
{
    struct map_entry **link = &m->buckets[hash & (m->bucket_count - 1)];
    while (*link != NULL) {
        struct map_entry *entry = *link;
        if (entry->hash == hash && str_equal(str_make(entry->key, entry->length), key))
            break;
        link = &entry->next;
    }
    return link;
}

void *map_get(const struct map *m, struct str key)
{
    if (m->count == 0)
        return NULL;
    struct map_entry *entry = *find(m, key, hash_of(key));
    return entry != NULL ? entry->value : NULL;
}

static void grow(struct map *m)
{
    size_t bucket_count = m->bucket_count > 0 ? m->bucket_count * 2 : FIRST_BUCKETS;
    struct map_entry **buckets = mem_zalloc(bucket_count * sizeof(struct map_entry *));
    for (size_t i = 0; i < m->bucket_count; i++) {
        struct map_entry *entry = m->buckets[i];
        while (entry != NULL) {
            struct map_entry *next = entry->next;
            struct map_entry **bucket = &buckets[entry->hash & (bucket_count - 1)];
            entry->next = *bucket;
            *bucket = entry;
            entry = next;
        }
    }
    mem_free(m->buckets);
    m->buckets = buckets;
    m->bucket_count = bucket_count;
}

void *map_put(struct map *m, struct str key, void *value)
{
    assert(value != NULL);
    if (m->count >= m->bucket_count)
        grow(m);
    uint64_t hash = hash_of(key);
    struct map_entry **link = find(m, key, hash);
    if (*link != NULL) {
        void *previous = (*link)->value;
        (*link)->value = value;
        return previous;
    }
    struct map_entry *entry = mem_alloc(sizeof(*entry) + key.len);
    *entry = (struct map_entry){.hash = hash, .value = value, .length = key.len};
    if (key.len > 0)
        memcpy(entry->key, key.ptr, key.len);
    *link = entry;
    m->count++;
    return NULL;
}

void *map_remove(struct map *m, struct str key)
{
    if (m->count == 0)
        return NULL;
    struct map_entry **link = find(m, key, hash_of(key));
    struct map_entry *entry = *link;
    if (entry == NULL)
        return NULL;
    void *value = entry->value;
    *link = entry->next;
    mem_free(entry);
    m->count--;
    return value;
}

void map_each(const struct map *m, void (*visit)(void *argument, struct str key, void *value),
              void *argument)
{
    for (size_t i = 0; i < m->bucket_count; i++) {
        for (struct map_entry *entry = m->buckets[i]; entry != NULL; entry = entry->next)
            visit(argument, str_make(entry->key, entry->length), entry->value);
    }
}
