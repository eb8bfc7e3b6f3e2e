/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Allocation that never gives NULL. A server that limps on without memory answers wrongly in places
 * that no test has seen; ending at once is safe, because whatever was acknowledged is in the store.
 */
#include "base/mem.h"

#include "base/log.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

static NORETURN void out_of_memory(size_t size)
{
    log_error("out of memory", LOG_INT("bytes", (int64_t)size));
    abort();
}

/* The system may answer NULL to a request for nothing. */
static size_t at_least_one(size_t size)
{
    return size > 0 ? size : 1;
}

void *mem_alloc(size_t size)
{
    void *pointer = malloc(at_least_one(size));
    if (pointer == NULL)
        out_of_memory(size);
    return pointer;
}

void *mem_zalloc(size_t size)
{
    void *pointer = calloc(1, at_least_one(size));
    if (pointer == NULL)
        out_of_memory(size);
    return pointer;
}

void *mem_realloc(void *pointer, size_t size)
{
    void *moved = realloc(pointer, at_least_one(size));
    if (moved == NULL)
        out_of_memory(size);
    return moved;
}

void *mem_dup(const void *source, size_t size)
{
    void *copy = mem_alloc(size);
    if (size > 0)
        memcpy(copy, source, size);
    return copy;
}

char *mem_strndup(const char *source, size_t length)
{
    char *copy = mem_alloc(length + 1);
    if (length > 0)
        memcpy(copy, source, length);
    copy[length] = '\0';
    return copy;
}

char *mem_strdup(const char *source)
{
    return mem_strndup(source, strlen(source));
}

void mem_free(void *pointer)
{
    free(pointer);
}

void mem_give_back(void)
{
    malloc_trim(0);
}

void mem_wipe(void *pointer, size_t size)
{
    if (size > 0)
        explicit_bzero(pointer, size);
}
