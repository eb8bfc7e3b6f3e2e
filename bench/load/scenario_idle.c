/* SPDX-License-Identifier: Apache-2.0 */
/* Many connections that only stand there, pinged: what one costs in the server's memory, and a ping in time. */
#include "load.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { SETTLE_SECONDS = 1, STATUS_MAX = 8192 };

/* Resident bytes of a process. */
static int64_t memory_of(int64_t pid)
{
    char path[64];
    char text[STATUS_MAX];
    snprintf(path, sizeof(path), "/proc/%lld/status", (long long)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
    if (got <= 0)
        wire_fail("%s cannot be read: %m", path);
    close(fd);
    int64_t kib;
    struct str line = str_trim(wire_header(str_make(text, (size_t)got), "VmRSS"));
    struct str number;
    str_split(&line, ' ', &number);
    if (!str_to_int64(number, 0, INT64_MAX / 1024, &kib))
        wire_fail("%s does not say VmRSS", path);
    return kib * 1024;
}

static int64_t server_memory(const struct load *load)
{
    int64_t sum = 0;
    struct str rest = str_from(load->options.pids);
    int64_t pid;
    while ((pid = flow_next_pid(&rest)) > 0)
        sum += memory_of(pid);
    return sum;
}

static int64_t pings_of(const struct subscriber *all, int64_t count, int64_t *least)
{
    int64_t sum = 0;
    *least = INT64_MAX;
    for (int64_t i = 0; i < count; i++) {
        sum += all[i].pings;
        *least = all[i].pings < *least ? all[i].pings : *least;
    }
    return sum;
}

static bool never(void *owner)
{
    (void)owner;
    return true;
}

static bool nothing(void *owner, int64_t n, int64_t due)
{
    (void)owner;
    (void)n;
    (void)due;
    return false;
}

void scenario_idle(struct load *load)
{
    const struct load_options *options = &load->options;
    int64_t least;
    int64_t before = server_memory(load);
    struct subscriber *all = subscriber_open_all(load, NULL, NULL);
    struct flow quiet = {.send = nothing, .is_done = never, .duration_ms = options->warm_up};
    flow_run(load, &quiet);
    load->memory = (server_memory(load) - before) / options->users;
    int64_t pings = pings_of(all, options->users, &least);
    quiet.duration_ms = options->duration;
    quiet.measured = true;
    flow_run(load, &quiet);
    load->units = pings_of(all, options->users, &least) - pings;
    if (least == 0)
        wire_fail("a connection was not pinged");
}
