/* SPDX-License-Identifier: Apache-2.0 */
/* For tests of the store in SQLite: a process that dies while it writes. */
#ifndef ORDERWIRE_STORE_SQLITE_SQLITE_KILL_FIXTURE_H
#define ORDERWIRE_STORE_SQLITE_SQLITE_KILL_FIXTURE_H

#include "store/store_fixture.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

/*
 * Opens the fixture's store and commits ids that rise, each told as an int64_t to `out` once it is durable,
 * until the process is killed. Ends it when something fails.
 */
typedef void writer_fn(struct fixture *f, int64_t argument, int out);

/*
 * Runs `write` in a process of its own, which is killed when it has told `count` ids. The highest one
 * told; the fixture is open again.
 */
static inline int64_t kill_writer(struct fixture *f, writer_fn *write, int64_t argument, int count)
{
    int ends[2], status;
    int64_t id, last = 0;
    close_fixture(f);
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        close(ends[0]);
        write(f, argument, ends[1]);
    }
    close(ends[1]);
    while (read(ends[0], &id, sizeof(id)) == sizeof(id)) {
        last = id;
        if (--count == 0)
            assert_int_equal(kill(child, SIGKILL), 0);
    }
    close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    open_fixture(f);
    return last;
}

#endif
