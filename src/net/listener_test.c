/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses understood and refused, connections accepted, and an empty descriptor table survived. */
#include "net/listener.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/str.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#define PATIENCE 5000

static struct loop *loop;
static struct listener *listener;
static struct loop_timer guard;
static int accepted_fd = -1;
static int accepted_count;
static char accepted_peer[ADDRESS_TEXT_SIZE];
static bool free_when_accepted;

static void on_guard(struct loop_timer *timer)
{
    (void)timer;
    fail_msg("nothing happened for too long");
}

static int set_up(void **state)
{
    (void)state;
    loop = loop_new();
    loop_timer_init(&guard, loop, on_guard);
    loop_timer_set(&guard, clock_mono_ms() + PATIENCE);
    accepted_count = 0;
    free_when_accepted = false;
    return loop != NULL ? 0 : -1;
}

static void drop_accepted(void)
{
    if (accepted_fd >= 0)
        close(accepted_fd);
    accepted_fd = -1;
}

static int tear_down(void **state)
{
    (void)state;
    drop_accepted();
    listener_free(&listener);
    loop_timer_cancel(&guard);
    loop_free(&loop);
    return 0;
}

static void on_accepted(void *argument, int fd, const struct address *peer)
{
    assert_ptr_equal(argument, &accepted_count);
    drop_accepted();
    accepted_fd = fd;
    accepted_count++;
    (void)address_text(peer, accepted_peer);
    if (free_when_accepted)
        listener_free(&listener);
    loop_stop(loop);
}

static void bind_one(const char *host_port, int *fd, char address[LISTENER_ADDRESS_SIZE])
{
    char error[LISTENER_ERROR_SIZE] = "";
    if (listener_bind(host_port, 1, fd, address, error) != 0)
        fail_msg("%s: %s", host_port, error);
}

static int port_of(const char *address)
{
    int64_t port = 0;
    assert_true(str_to_int64(str_from(strrchr(address, ':') + 1), 1, 65535, &port));
    return (int)port;
}

static int new_client(void)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(fd >= 0);
    return fd;
}

static void dial(int fd, int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
}

static int connect_to(int port)
{
    int fd = new_client();
    dial(fd, port);
    return fd;
}

static void wait_for_accepted(int count)
{
    while (accepted_count < count)
        loop_run(loop);
}

static void test_accepts(void **state)
{
    (void)state;
    char address[LISTENER_ADDRESS_SIZE];
    int fd;
    bind_one("127.0.0.1:0", &fd, address);
    assert_true(str_starts_with(str_from(address), STR_LIT("127.0.0.1:")));
    listener = listener_new(loop, fd, on_accepted, &accepted_count);
    assert_non_null(listener);
    int client = connect_to(port_of(address));
    wait_for_accepted(1);
    int no_delay = 0;
    socklen_t size = sizeof(no_delay);
    assert_string_equal(accepted_peer, "127.0.0.1");
    assert_true(fcntl(accepted_fd, F_GETFL) & O_NONBLOCK);
    assert_true(fcntl(accepted_fd, F_GETFD) & FD_CLOEXEC);
    assert_int_equal(getsockopt(accepted_fd, IPPROTO_TCP, TCP_NODELAY, &no_delay, &size), 0);
    assert_true(no_delay);
    close(client);
}

static void test_workers_share_a_port(void **state)
{
    (void)state;
    char address[LISTENER_ADDRESS_SIZE], error[LISTENER_ERROR_SIZE];
    int fds[3];
    assert_int_equal(listener_bind("127.0.0.1:0", 3, fds, address, error), 0);
    for (int i = 0; i < 3; i++) {
        struct sockaddr_in bound;
        socklen_t size = sizeof(bound);
        assert_int_equal(getsockname(fds[i], (struct sockaddr *)&bound, &size), 0);
        assert_int_equal(ntohs(bound.sin_port), port_of(address));
        close(fds[i]);
    }
}

static void connect_to_unix(int fd, const char *address, int expected)
{
    struct sockaddr_un unix_address = {.sun_family = AF_UNIX};
    assert_true(strlen(address + 5) < sizeof(unix_address.sun_path));
    memcpy(unix_address.sun_path, address + 5, strlen(address + 5));
    int result = connect(fd, (struct sockaddr *)&unix_address, sizeof(unix_address));
    assert_int_equal(result == 0 ? 0 : errno, expected);
}

static void test_unix_socket(void **state)
{
    (void)state;
    char directory[] = "/tmp/orderwire-listener-XXXXXX";
    char wanted[64], address[LISTENER_ADDRESS_SIZE], error[LISTENER_ERROR_SIZE] = "";
    struct stat status;
    int fds[3], others[1];
    assert_non_null(mkdtemp(directory));
    snprintf(wanted, sizeof(wanted), "unix:%s/a.sock", directory);
    mode_t mask = umask(0);
    assert_int_equal(listener_bind(wanted, 3, fds, address, error), 0);
    umask(077);
    assert_string_equal(address, wanted);
    assert_int_equal(stat(wanted + 5, &status), 0);
    assert_int_equal(status.st_mode, S_IFSOCK | 0660);
    assert_int_equal(listener_bind(wanted, 1, others, address, error), ERR_EXISTS);
    assert_non_null(strstr(error, "another server listens on this socket"));
    listener = listener_new(loop, fds[2], on_accepted, &accepted_count);
    int client = socket(AF_UNIX, SOCK_STREAM, 0);
    connect_to_unix(client, address, 0);
    wait_for_accepted(1);
    assert_string_equal(accepted_peer, "unix");
    close(client);
    close(fds[0]);
    close(fds[1]);
    listener_free(&listener);
    /* What a server left behind that was killed. */
    client = socket(AF_UNIX, SOCK_STREAM, 0);
    connect_to_unix(client, address, ECONNREFUSED);
    assert_int_equal(listener_bind(wanted, 1, fds, address, error), 0);
    umask(mask);
    assert_int_equal(stat(wanted + 5, &status), 0);
    assert_int_equal(status.st_mode, S_IFSOCK | 0660);
    close(client);
    close(fds[0]);
    listener_remove("127.0.0.1:8000");
    listener_remove(address);
    assert_int_equal(stat(wanted + 5, &status), -1);
    close(open(wanted + 5, O_CREAT | O_WRONLY, 0600));
    assert_int_equal(listener_bind(wanted, 1, fds, address, error), ERR_EXISTS);
    assert_non_null(strstr(error, "no socket"));
    unlink(wanted + 5);
    rmdir(directory);
}

static void test_second_server_is_refused(void **state)
{
    (void)state;
    char address[LISTENER_ADDRESS_SIZE], other[LISTENER_ADDRESS_SIZE];
    char error[LISTENER_ERROR_SIZE] = "";
    int fd, others[2];
    bind_one("127.0.0.1:0", &fd, address);
    assert_int_equal(listener_bind(address, 2, others, other, error), ERR_EXISTS);
    assert_non_null(strstr(error, address));
    assert_non_null(strstr(error, "another server"));
    close(fd);
    assert_int_equal(listener_bind(address, 2, others, other, error), 0);
    assert_string_equal(address, other);
    close(others[0]);
    close(others[1]);
}

static void test_malformed_addresses(void **state)
{
    (void)state;
    /* Nothing here that a resolver would be asked for. */
    static const char *const malformed[] = {
        "unix:",       "unix:a.sock", "",          "8000",      "127.0.0.1",     "127.0.0.1:",
        "127.0.0.1:x", ":65536",      ":-1",       ":080",      "::1:8000",      "[]:8000",
        "[::1",        "[::1]",       "[::1]8000", "[::1:8000", "127.0.0.1:80 ", "http://a:8000/",
    };
    for (size_t i = 0; i < ARRAY_LENGTH(malformed); i++) {
        char address[LISTENER_ADDRESS_SIZE], error[LISTENER_ERROR_SIZE] = "";
        int fd;
        if (listener_check(malformed[i], error) != ERR_INVALID ||
            listener_bind(malformed[i], 1, &fd, address, error) != ERR_INVALID)
            fail_msg("accepted: %s", malformed[i]);
        assert_true(strlen(error) > 20);
    }
}

static void test_loopback(void **state)
{
    (void)state;
    static const struct {
        const char *address;
        bool is_loopback;
    } rows[] = {
        {"127.0.0.1:0", true},
        {"127.255.255.254:80", true},
        {"[::1]:8000", true},
        {"localhost:0", true},
        {":8000", false},
        {"0.0.0.0:8000", false},
        {"[::]:8000", false},
        {"192.0.2.1:8000", false},
        {"128.0.0.1:0", false},
        {"[::2]:8000", false},
        {"[::ffff:192.0.2.1]:1", false},
        {"8000", false},
        {"unix:/run/a.sock", true},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        if (listener_is_loopback(rows[i].address) != rows[i].is_loopback)
            fail_msg("%s", rows[i].address);
}

static void test_address_of_another_machine(void **state)
{
    (void)state;
    char address[LISTENER_ADDRESS_SIZE], error[LISTENER_ERROR_SIZE] = "";
    int fd;
    assert_int_equal(listener_bind("192.0.2.1:0", 1, &fd, address, error), ERR_IO);
    assert_non_null(strstr(error, "192.0.2.1:0: "));
}

static void test_all_addresses(void **state)
{
    (void)state;
    char address[LISTENER_ADDRESS_SIZE];
    int fd;
    bind_one(":0", &fd, address);
    listener = listener_new(loop, fd, on_accepted, &accepted_count);
    int client = connect_to(port_of(address));
    wait_for_accepted(1);
    assert_string_equal(accepted_peer, "127.0.0.1");
    close(client);
}

static void test_localhost_and_ipv6(void **state)
{
    (void)state;
    char address[LISTENER_ADDRESS_SIZE], error[LISTENER_ERROR_SIZE];
    int fd;
    bind_one("localhost:0", &fd, address);
    close(fd);
    /* A machine without IPv6 has nothing to show here. */
    if (listener_bind("[::1]:0", 1, &fd, address, error) != 0)
        skip();
    assert_true(str_starts_with(str_from(address), STR_LIT("[::1]:")));
    close(fd);
}

static void test_freed_in_handler(void **state)
{
    (void)state;
    char address[LISTENER_ADDRESS_SIZE];
    int fd;
    bind_one("127.0.0.1:0", &fd, address);
    listener = listener_new(loop, fd, on_accepted, &accepted_count);
    int one = connect_to(port_of(address));
    int two = connect_to(port_of(address));
    free_when_accepted = true;
    wait_for_accepted(1);
    assert_null(listener);
    assert_int_equal(accepted_count, 1);
    close(one);
    close(two);
}

/* Takes every descriptor there is; how many were taken. */
static int use_up_descriptors(int *taken, int max)
{
    int count = 0;
    while (count < max && (taken[count] = dup(STDERR_FILENO)) >= 0)
        count++;
    return count;
}

static void stop(struct loop_timer *timer)
{
    loop_stop(timer->loop);
}

static void run_for_a_moment(void)
{
    struct loop_timer timer;
    loop_timer_init(&timer, loop, stop);
    loop_timer_set(&timer, clock_mono_ms() + 20);
    loop_run(loop);
}

/* Descriptors below `count` alone can be had from now on. Those that are open stay. */
static void allow_descriptors(rlim_t count)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = count;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

/* The waiting connection is dropped, and not waited for any more. */
static void assert_dropped(int client, const char *address)
{
    char byte;
    int count = accepted_count;
    dial(client, port_of(address));
    run_for_a_moment();
    assert_int_equal(accepted_count, count);
    assert_true(recv(client, &byte, 1, MSG_DONTWAIT) == 0 || errno == ECONNRESET);
    close(client);
}

static void test_descriptors_used_up(void **state)
{
    (void)state;
    static int taken[4096];
    struct rlimit limit;
    char address[LISTENER_ADDRESS_SIZE];
    int fd;
    bind_one("127.0.0.1:0", &fd, address);
    listener = listener_new(loop, fd, on_accepted, &accepted_count);
    int clients[] = {new_client(), new_client(), new_client()};
    int silence = open("/dev/null", O_WRONLY);
    log_set_fd(silence);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    allow_descriptors(256);
    int count = use_up_descriptors(taken, 4096);
    assert_dropped(clients[0], address);

    /* Given up and not to be had again, as when another thread is quicker: this one has to wait. */
    allow_descriptors(3);
    dial(clients[1], port_of(address));
    run_for_a_moment();
    assert_int_equal(accepted_count, 0);
    while (count > 0)
        close(taken[--count]);
    allow_descriptors(256);
    wait_for_accepted(1);

    count = use_up_descriptors(taken, 4096);
    assert_dropped(clients[2], address);
    while (count > 0)
        close(taken[--count]);
    allow_descriptors(limit.rlim_cur);
    close(connect_to(port_of(address)));
    wait_for_accepted(2);
    close(clients[1]);
    log_set_fd(-1);
    close(silence);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_accepts),
        TEST(test_workers_share_a_port),
        TEST(test_unix_socket),
        TEST(test_second_server_is_refused),
        TEST(test_malformed_addresses),
        TEST(test_loopback),
        TEST(test_address_of_another_machine),
        TEST(test_all_addresses),
        TEST(test_localhost_and_ipv6),
        TEST(test_freed_in_handler),
        TEST(test_descriptors_used_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
