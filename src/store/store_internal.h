/* SPDX-License-Identifier: Apache-2.0 */
/* What store.c shares with the files that dispatch the rest of the contract. */
#ifndef ORDERWIRE_STORE_STORE_INTERNAL_H
#define ORDERWIRE_STORE_STORE_INTERNAL_H

#include "store/store_driver.h"

static inline const struct store_driver *store_driver_of(const struct store_connection *connection)
{
    return connection->store->driver;
}

/* Before each look-up: forgets the texts of the look-up before the last one. */
const struct store_driver *store_look_up(struct store_connection *connection);

/* Around every change: `*alone` says that the transaction is the change's own. */
NODISCARD int store_change_begin(struct store_connection *writer, bool *alone);
NODISCARD int store_change_end(struct store_connection *writer, bool alone, int result);

#define CHANGE(writer, call)                                                                       \
    do {                                                                                           \
        bool alone;                                                                                \
        int result = store_change_begin(writer, &alone);                                           \
        return result ? result : store_change_end(writer, alone, store_driver_of(writer)->call);   \
    } while (0)

#endif
