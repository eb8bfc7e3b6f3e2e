/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Places where a test may kill the process, to see what survives, or hold up a thread, to see what
 * goes on without it. They are compiled into every
 * build and do nothing unless the environment names one of them when the process starts:
 *
 *   ORDERWIRE_FAULT=NAME     SIGKILL at the first passage of fault_point("NAME")
 *   ORDERWIRE_FAULT=NAME:N   at the Nth
 *   ORDERWIRE_FAULT=NAME:N:MS  the Nth waits so many milliseconds instead; with N = 0 each
 *
 * webhook_after_send     a receiver has answered, nothing is recorded
 * webhook_before_record  the result is about to be handed to the store thread
 * worker_feed            a worker is about to hand committed events to its connections
 * writer_before_commit   a group's rows are written, not durable
 * writer_after_commit    durable, nobody has been told
 * writer_before_answer   live connections are told, who asked for it is not
 */
#ifndef ORDERWIRE_BASE_FAULT_H
#define ORDERWIRE_BASE_FAULT_H

#include <stdbool.h>

/* Set before main, never after. */
extern bool fault_is_armed;
void fault_pass(const char *name);

/* Any thread. */
static inline void fault_point(const char *name)
{
    if (fault_is_armed)
        fault_pass(name);
}

#endif
