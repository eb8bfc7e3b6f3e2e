/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Units at their times. With a rate the flow is open: a unit is due when its time has come, whatever
 * became of the ones before, and its latency is counted from then, so that a server that stands still
 * cannot hide it. The server's time is read from the kernel's own account of the process.
 */
#include "load.h"

#include <stdlib.h>
#include <sys/types.h>

static const int64_t second = 1000000000;
static const int64_t millisecond = 1000000;

enum { DRAIN_SECONDS = 20 };

int64_t flow_next_pid(struct str *pids)
{
    int64_t pid = 0;
    struct str word;
    if (!str_split(pids, ',', &word) || word.len == 0)
        return 0;
    if (!str_to_int64(word, 1, INT32_MAX, &pid))
        wire_fail("--pids wants whole numbers");
    return pid;
}

/* Of all processes together. */
static int64_t server_cpu(const struct load *load)
{
    int64_t sum = 0;
    struct str rest = str_from(load->options.pids);
    int64_t pid;
    while ((pid = flow_next_pid(&rest)) > 0) {
        clockid_t clock;
        struct timespec used;
        if (clock_getcpuclockid((pid_t)pid, &clock) || clock_gettime(clock, &used))
            wire_fail("the time of process %lld cannot be read: %m", (long long)pid);
        sum += used.tv_sec * second + used.tv_nsec;
    }
    return sum;
}

static int64_t own_cpu(void)
{
    struct timespec used;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return used.tv_sec * second + used.tv_nsec;
}

static void run_command(const char *command)
{
    if (command && system(command) != 0)
        wire_fail("this failed: %s", command);
}

void flow_begin(struct load *load)
{
    run_command(load->options.begin);
    load->wall_ns = -wire_now();
    load->own_ns = -own_cpu();
    load->server_ns = -server_cpu(load);
}

void flow_end(struct load *load)
{
    load->server_ns += server_cpu(load);
    load->own_ns += own_cpu();
    load->wall_ns += wire_now();
    run_command(load->options.end);
}

/* A flow that runs. */
struct run {
    struct flow *flow;
    int64_t start, end;
    int64_t first; /* unit of this run */
    bool refused;  /* the next unit has been, already */
};

static bool has_more(const struct run *run, int64_t now)
{
    const struct flow *flow = run->flow;
    return now < run->end && (flow->count == 0 || flow->sent - run->first < flow->count);
}

static int64_t due_of(const struct run *run, int64_t now)
{
    const struct flow *flow = run->flow;
    if (flow->rate == 0)
        return now;
    int64_t n = flow->sent - run->first;
    return run->start + n / flow->rate * second + n % flow->rate * second / flow->rate;
}

/* When to look again. */
static int64_t send_due(struct run *run, struct histogram *late)
{
    struct flow *flow = run->flow;
    for (;;) {
        int64_t now = wire_now();
        if (!has_more(run, now))
            return now + millisecond;
        int64_t due = due_of(run, now);
        if (due > now)
            return due < run->end ? due : run->end;
        if (!flow->send(flow->owner, flow->sent, due)) {
            run->refused = true;
            return run->end;
        }
        /* When nothing was free to send it with, the server was late. */
        if (!run->refused)
            histogram_add(late, now - due);
        run->refused = false;
        flow->sent++;
    }
}

void flow_run(struct load *load, struct flow *flow)
{
    static struct histogram late;
    late = (struct histogram){0};
    struct run run = {.flow = flow, .start = wire_now(), .first = flow->sent};
    run.end = flow->duration_ms > 0 ? run.start + flow->duration_ms * millisecond : INT64_MAX;
    if (flow->measured) {
        load->latency = (struct histogram){0};
        flow_begin(load);
    }
    for (;;) {
        int64_t until = send_due(&run, &late);
        int64_t now = wire_now();
        if (!has_more(&run, now) && flow->is_done(flow->owner))
            break;
        if (flow->duration_ms > 0 && now > run.end + DRAIN_SECONDS * second)
            wire_fail("something that was sent did not come back in %d s", DRAIN_SECONDS);
        wire_wait(&load->wires, until < now + second ? until : now + second);
    }
    if (flow->measured) {
        flow_end(load);
        load->units = flow->sent - run.first;
        load->late_ns = flow->rate > 0 ? histogram_at(&late, 0.99) : 0;
    }
}

void flow_measure(struct load *load, struct flow *flow)
{
    const struct load_options *options = &load->options;
    flow->rate = options->rate;
    flow->duration_ms = options->warm_up;
    if (options->warm_up > 0)
        flow_run(load, flow);
    flow->duration_ms = options->count > 0 ? 0 : options->duration;
    flow->count = options->count;
    flow->measured = true;
    flow_run(load, flow);
}

void flow_wait(struct load *load, bool (*is_done)(void *owner), void *owner, int seconds,
               const char *what)
{
    int64_t end = wire_now() + seconds * second;
    while (!is_done(owner)) {
        int64_t now = wire_now();
        if (now > end)
            wire_fail("waited %d s for %s", seconds, what);
        wire_wait(&load->wires, now + 10 * millisecond);
    }
}
