/* SPDX-License-Identifier: Apache-2.0 */
/* What the process may do, beside its own work. */
#ifndef ORDERWIRE_SERVER_PROCESS_H
#define ORDERWIRE_SERVER_PROCESS_H

#include <stdbool.h>

/*
 * Files are made for the own user alone, no program that is started gains rights, and (without
 * `core_dumps`) the memory, which holds keys, gets into no core dump and is closed to other processes
 * of the same user. For all threads, so before they start; it cannot be taken back.
 */
void process_confine(bool core_dumps);

#endif
