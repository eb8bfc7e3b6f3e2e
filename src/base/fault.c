/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Death on request. SIGKILL, because it is what neither handlers nor destructors can soften.
 */
#include "base/fault.h"

#include "base/str.h"

#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

bool fault_is_armed;

static struct str armed_name;
static _Atomic int64_t passages_left;

__attribute__((constructor)) static void arm(void)
{
    struct str rest = str_from(getenv("ORDERWIRE_FAULT"));
    int64_t count = 1;
    if (rest.len == 0 || !str_split(&rest, ':', &armed_name))
        return;
    if (rest.ptr != NULL && !str_to_int64(rest, 1, INT_MAX, &count))
        return;
    atomic_init(&passages_left, count);
    fault_is_armed = true;
}

void fault_pass(const char *name)
{
    if (str_equal_text(armed_name, name) && atomic_fetch_sub(&passages_left, 1) == 1)
        kill(getpid(), SIGKILL);
}
