/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Chained buckets. User ids and idempotency keys come from outside; with a hash that they can
 * predict, a few thousand keys in one bucket would stop a worker.
 */
#include "base/map.h"

#include "base/hash.h"
#include "base/mem.h"

#include <assert.h>
#include <string.h>

enum { FIRST_BUCKETS = 16 };

struct map_entry {
    struct map_entry *next;
    uint64_t hash;
    void *value;
    size_t length;
    char key[];
};

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
    struct map_entry *entry = *find(m, key, hash_keyed(key));
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
    uint64_t hash = hash_keyed(key);
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
    struct map_entry **link = find(m, key, hash_keyed(key));
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
