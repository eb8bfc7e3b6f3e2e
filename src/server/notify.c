/* SPDX-License-Identifier: Apache-2.0 */
/* The protocol is one datagram, which needs no library. */
#include "server/notify.h"

#include "base/err.h"
#include "base/log.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* After the drain the last commit and the last webhooks may still take a moment. */
#define AFTER_DRAIN_MS 30000

int notify_send(const char *socket_name, const char *state)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t length = socket_name != NULL ? strlen(socket_name) : 0;
    if (length == 0)
        return 0;
    if ((socket_name[0] != '/' && socket_name[0] != '@') || length >= sizeof(address.sun_path))
        return ERR_INVALID;
    memcpy(address.sun_path, socket_name, length);
    if (socket_name[0] == '@')
        address.sun_path[0] = '\0';
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return ERR_IO;
    /* An abstract name ends with the length, a path with a zero that may be left out. */
    ssize_t sent = sendto(fd, state, strlen(state), MSG_NOSIGNAL, (const struct sockaddr *)&address,
                          (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length));
    close(fd);
    return sent < 0 ? ERR_IO : 0;
}

static void tell(const char *state)
{
    int result = notify_send(getenv("NOTIFY_SOCKET"), state);
    if (result != 0)
        log_warning("the service manager cannot be told", LOG_TEXT("cause", err_text(result)));
}

void notify_ready(void)
{
    tell("READY=1");
}

void notify_reloading(int64_t now)
{
    char state[80];
    /* To the end of the millisecond: a time before the signal's would not count (Type=notify-reload). */
    snprintf(state, sizeof(state), "RELOADING=1\nMONOTONIC_USEC=%" PRId64, now * 1000 + 999);
    tell(state);
}

void notify_stopping(int64_t drain_time)
{
    char state[80];
    snprintf(state, sizeof(state), "STOPPING=1\nEXTEND_TIMEOUT_USEC=%" PRId64,
             (drain_time + AFTER_DRAIN_MS) * 1000);
    tell(state);
}
