/* SPDX-License-Identifier: Apache-2.0 */
/* Compiler attributes and the few macros that every folder uses. */
#ifndef ORDERWIRE_BASE_ATTRIBUTES_H
#define ORDERWIRE_BASE_ATTRIBUTES_H

#include <stddef.h>

#define NODISCARD __attribute__((warn_unused_result))
#define PRINTF_LIKE(format_index, first_argument)                                                  \
    __attribute__((format(printf, format_index, first_argument)))
#define NORETURN __attribute__((noreturn))

#define ARRAY_LENGTH(array) (sizeof(array) / sizeof((array)[0]))

/* The struct of type `type` whose field `member` is at `pointer`. */
#define CONTAINER_OF(pointer, type, member) ((type *)((char *)(pointer)-offsetof(type, member)))

#endif
