/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory. These functions never return NULL: when the system has no memory left, the process
 * ends and its supervisor restarts it; nothing acknowledged is lost, because it is in the store.
 * Sizes that come from a peer are checked against base/limits.def before they get here.
 */
#ifndef ORDERWIRE_BASE_MEM_H
#define ORDERWIRE_BASE_MEM_H

#include <stddef.h>

void *mem_alloc(size_t size);
void *mem_zalloc(size_t size);
void *mem_realloc(void *pointer, size_t size);

/* A copy of `size` bytes at `source`. */
void *mem_dup(const void *source, size_t size);

/* A NUL-terminated copy of `length` bytes at `source`. */
char *mem_strndup(const char *source, size_t length);
char *mem_strdup(const char *source);

/* Accepts NULL. */
void mem_free(void *pointer);

/* Gives free memory back to the system; other threads may wait some ms for theirs meanwhile. */
void mem_give_back(void);

/* Overwrites secrets in a way that the compiler does not remove. */
void mem_wipe(void *pointer, size_t size);

#endif
