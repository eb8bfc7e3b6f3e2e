/* SPDX-License-Identifier: Apache-2.0 */
/* A process dies or waits at the passage that its environment names, and at no other. */
#include "base/fault.h"

#include "base/attributes.h"
#include "base/clock.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static const char *program;

/* Exit status is the number of passages survived. */
static int pass_points(void)
{
    for (int i = 0; i < 3; i++) {
        fault_point("first");
        fault_point("second");
    }
    return 3;
}

static int run_with(const char *value)
{
    int status;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        if (value != NULL)
            setenv("ORDERWIRE_FAULT", value, 1);
        else
            unsetenv("ORDERWIRE_FAULT");
        execl(program, program, "pass", (char *)NULL);
        _exit(99);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static void test_armed(void **state)
{
    (void)state;
    static const struct {
        const char *value;
        bool dies;
    } rows[] = {
        {NULL, false},      {"", false},        {"first", true},    {"second", true},
        {"second:3", true}, {"first:4", false}, {"fir", false},     {"third", false},
        {"first:0", false}, {"first:", false},  {"first:x", false},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        int status = run_with(rows[i].value);
        bool died = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
        if (died != rows[i].dies)
            fail_msg("row %zu", i);
        if (!died)
            assert_int_equal(WEXITSTATUS(status), 3);
    }
}

static void test_waits(void **state)
{
    (void)state;
    static const struct {
        const char *value;
        int least_ms;
    } rows[] = {
        {"first:1:50", 50},   {"second:3:50", 50}, {"first:0:20", 60}, {"first:4:60000", 0},
        {"third:0:60000", 0}, {"first:1:0", 0},    {"first:1:x", 0},   {"first::5", 0},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        int64_t start = clock_mono_ms();
        int status = run_with(rows[i].value);
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 3)
            fail_msg("row %zu", i);
        if (clock_mono_ms() - start < rows[i].least_ms)
            fail_msg("row %zu did not wait", i);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_armed),
        cmocka_unit_test(test_waits),
    };
    program = argv[0];
    if (argc == 2 && strcmp(argv[1], "pass") == 0)
        return pass_points();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
