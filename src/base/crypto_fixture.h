/* SPDX-License-Identifier: Apache-2.0 */
/* For tests of crypto*.c: bytes written as lower-case hexadecimal digits. */
#ifndef ORDERWIRE_BASE_CRYPTO_FIXTURE_H
#define ORDERWIRE_BASE_CRYPTO_FIXTURE_H

#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum { BYTES_MAX = 512 };

struct bytes {
    char ptr[BYTES_MAX];
    size_t len;
};

static inline struct bytes from_hex(const char *hex)
{
    static const char digits[] = "0123456789abcdef";
    struct bytes bytes = {.len = strlen(hex) / 2};
    assert_true(bytes.len <= BYTES_MAX);
    for (size_t i = 0; i < bytes.len; i++)
        bytes.ptr[i] = (char)((strchr(digits, hex[2 * i]) - digits) << 4 |
                              (strchr(digits, hex[2 * i + 1]) - digits));
    return bytes;
}

static inline struct str view(const struct bytes *bytes)
{
    return str_make(bytes->ptr, bytes->len);
}

#endif
