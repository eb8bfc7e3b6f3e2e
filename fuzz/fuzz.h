/* SPDX-License-Identifier: Apache-2.0 */
/* What every fuzzer has. */
#ifndef ORDERWIRE_FUZZ_FUZZ_H
#define ORDERWIRE_FUZZ_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* An input for which it does not hold is a finding. */
static inline void expect(bool condition)
{
    if (!condition)
        abort();
}

#endif
