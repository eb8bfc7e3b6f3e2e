/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tells the service manager (systemd, or what speaks its protocol: sd_notify(3)) how the server is,
 * so that a start, a reload and a drain are known to have succeeded and are not cut short.
 */
#ifndef ORDERWIRE_SERVER_NOTIFY_H
#define ORDERWIRE_SERVER_NOTIFY_H

#include "base/attributes.h"

#include <stdint.h>

/*
 * Sends `state` ("READY=1", lines with '\n' between) as one datagram to `socket`: a path, or '@' and
 * an abstract name. NULL or empty: nobody listens, 0. ERR_INVALID when it is no such name, ERR_IO.
 */
NODISCARD int notify_send(const char *socket, const char *state);

/* What the command `serve` has to say, to $NOTIFY_SOCKET; a failure is logged. Times are in ms. */
void notify_ready(void);
void notify_reloading(int64_t now);
void notify_stopping(int64_t drain_time);

#endif
