/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hash of all tables whose keys come from outside: under a key drawn at random for each process,
 * so that a peer who chooses keys cannot choose collisions. Any thread.
 */
#ifndef ORDERWIRE_BASE_HASH_H
#define ORDERWIRE_BASE_HASH_H

#include "base/str.h"

uint64_t hash_keyed(struct str key);

#endif
