/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How much memory the server may take in the worst case that its limits allow: every connection there
 * is, each with every buffer full, and every queue full. What it takes in practice is far less (an
 * idle connection about 1 KiB). Projects and their keys are not in it: they are the operator's.
 */
#ifndef ORDERWIRE_SERVER_CAPACITY_H
#define ORDERWIRE_SERVER_CAPACITY_H

#include "config/config.h"

struct capacity_row {
    const char *what;
    int64_t count;
    int64_t bytes; /* of each */
};

#define CAPACITY_ROWS 12

/* Fills `rows` and returns their sum in bytes. */
int64_t capacity_of(const struct config *config, int workers,
                    struct capacity_row rows[CAPACITY_ROWS]);

#endif
