/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Death and delay on request. SIGKILL, because it is what neither handlers nor destructors can
 * soften.
 */
#include "base/fault.h"

#include "base/clock.h"
#include "base/str.h"

#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

bool fault_is_armed;

static struct str armed_name;
static bool is_each;
static int64_t wait_ms; /* 0: die */
static _Atomic int64_t passages_left;

__attribute__((constructor)) static void arm(void)
{
    struct str rest = str_from(getenv("ORDERWIRE_FAULT"));
    struct str number;
    int64_t count = 1;
    if (rest.len == 0 || !str_split(&rest, ':', &armed_name))
        return;
    if (str_split(&rest, ':', &number) && !str_to_int64(number, 0, INT_MAX, &count))
        return;
    if (rest.ptr != NULL && !str_to_int64(rest, 1, CLOCK_MINUTE, &wait_ms))
        return;
    is_each = count == 0;
    if (is_each && wait_ms == 0)
        return;
    atomic_init(&passages_left, count);
    fault_is_armed = true;
}

static void strike(void)
{
    struct timespec pause = {
        .tv_sec = wait_ms / CLOCK_SECOND,
        .tv_nsec = wait_ms % CLOCK_SECOND * 1000000,
    };
    if (wait_ms == 0)
        kill(getpid(), SIGKILL);
    nanosleep(&pause, NULL);
}

void fault_pass(const char *name)
{
    if (!str_equal_text(armed_name, name))
        return;
    if (is_each || atomic_fetch_sub(&passages_left, 1) == 1)
        strike();
}
