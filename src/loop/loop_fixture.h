/* SPDX-License-Identifier: Apache-2.0 */
/* For tests: a loop that runs until nothing is left to do. */
#ifndef ORDERWIRE_LOOP_LOOP_FIXTURE_H
#define ORDERWIRE_LOOP_LOOP_FIXTURE_H

#include "base/clock.h"
#include "loop/loop.h"

static inline void loop_end_run(struct loop_timer *timer)
{
    loop_stop(timer->loop);
}

/* Lets everything happen that is already due. */
static inline void loop_run_dry(struct loop *loop)
{
    for (int i = 0; i < 4; i++) {
        struct loop_timer timer;
        loop_timer_init(&timer, loop, loop_end_run);
        loop_timer_set(&timer, clock_mono_ms());
        loop_run(loop);
        loop_timer_cancel(&timer);
    }
}

#endif
