/* SPDX-License-Identifier: Apache-2.0 */
/* The datagrams as a service manager gets them, at a path and at an abstract name. */
#include "server/notify.h"

#include "base/err.h"
#include "base/log.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

static int manager = -1;
static char directory[] = "/tmp/orderwire-notify-XXXXXX";
static char path[64];

static void listen_at(const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t length = strlen(name);
    memcpy(address.sun_path, name, length);
    if (name[0] == '@')
        address.sun_path[0] = '\0';
    manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(manager, (struct sockaddr *)&address,
                          (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length)),
                     0);
}

static int setup(void **state)
{
    (void)state;
    if (mkdtemp(directory) == NULL)
        return -1;
    snprintf(path, sizeof(path), "%s/notify", directory);
    log_set_fd(open("/dev/null", O_WRONLY | O_CLOEXEC));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    return rmdir(directory);
}

static int hang_up(void **state)
{
    (void)state;
    close(manager);
    unlink(path);
    unsetenv("NOTIFY_SOCKET");
    return 0;
}

static void assert_told(const char *expected)
{
    char text[200] = "";
    assert_true(recv(manager, text, sizeof(text) - 1, 0) >= 0);
    assert_string_equal(text, expected);
}

static void test_path(void **state)
{
    (void)state;
    listen_at(path);
    assert_int_equal(notify_send(path, "READY=1"), 0);
    assert_told("READY=1");
}

static void test_abstract_name(void **state)
{
    char name[64];
    (void)state;
    snprintf(name, sizeof(name), "@orderwire-test-%d", (int)getpid());
    listen_at(name);
    assert_int_equal(notify_send(name, "STOPPING=1"), 0);
    assert_told("STOPPING=1");
}

static void test_what_serve_says(void **state)
{
    (void)state;
    listen_at(path);
    assert_int_equal(setenv("NOTIFY_SOCKET", path, 1), 0);
    notify_ready();
    assert_told("READY=1");
    notify_reloading(1234);
    assert_told("RELOADING=1\nMONOTONIC_USEC=1234999");
    notify_stopping(10000);
    assert_told("STOPPING=1\nEXTEND_TIMEOUT_USEC=40000000");
}

static void test_nobody_listens(void **state)
{
    char long_name[sizeof(((struct sockaddr_un *)NULL)->sun_path) + 1];
    (void)state;
    assert_int_equal(notify_send(NULL, "READY=1"), 0);
    assert_int_equal(notify_send("", "READY=1"), 0);
    assert_int_equal(notify_send("vsock:2:1", "READY=1"), ERR_INVALID);
    memset(long_name, '/', sizeof(long_name) - 1);
    long_name[sizeof(long_name) - 1] = '\0';
    assert_int_equal(notify_send(long_name, "READY=1"), ERR_INVALID);
    assert_int_equal(notify_send(path, "READY=1"), ERR_IO);
    assert_int_equal(setenv("NOTIFY_SOCKET", path, 1), 0);
    notify_ready();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_path, hang_up),
        cmocka_unit_test_teardown(test_abstract_name, hang_up),
        cmocka_unit_test_teardown(test_what_serve_says, hang_up),
        cmocka_unit_test(test_nobody_listens),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
