/* SPDX-License-Identifier: Apache-2.0 */
/* What is read from the files of certificates and keys, and what is said of those that cannot be used. */
#include "base/mem.h"
#include "net/tls.h"
#include "net/tls_certificates_fixture.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct world {
    char directory[64];
    char cert[100], key[100], other_cert[100], more[220];
    struct tls_tickets *tickets;
    struct tls_options options;
};

static void write_file(const char *path, const char *text, mode_t mode)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, mode);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);
}

static int set_up(void **state)
{
    struct world *world = mem_zalloc(sizeof(*world));
    snprintf(world->directory, sizeof(world->directory), "/tmp/orderwire-tls-XXXXXX");
    assert_non_null(mkdtemp(world->directory));
    snprintf(world->cert, sizeof(world->cert), "%s/cert.pem", world->directory);
    snprintf(world->key, sizeof(world->key), "%s/key.pem", world->directory);
    snprintf(world->other_cert, sizeof(world->other_cert), "%s/other.pem", world->directory);
    snprintf(world->more, sizeof(world->more), "%s %s", world->other_cert, world->key);
    write_file(world->cert, GOOD_PEM, 0644);
    write_file(world->other_cert, OTHER_HOST_PEM, 0644);
    write_file(world->key, KEY_PEM, 0600);
    world->tickets = tls_tickets_new();
    world->options =
        (struct tls_options){.cert_file = world->cert, .key_file = world->key, .more = world->more};
    *state = world;
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;
    tls_tickets_free(&world->tickets);
    unlink(world->cert);
    unlink(world->key);
    unlink(world->other_cert);
    rmdir(world->directory);
    mem_free(world);
    return 0;
}

static int64_t first_end(struct world *world)
{
    char error[TLS_ERROR_SIZE];
    struct tls_settings *settings = tls_settings_new(&world->options, world->tickets, error);
    assert_non_null(settings);
    int64_t end = tls_settings_not_after(settings);
    tls_settings_release(&settings);
    return end;
}

static void test_the_first_end(void **state)
{
    struct world *world = *state;
    assert_int_equal(first_end(world), 4733510400);
    write_file(world->other_cert, EXPIRED_PEM, 0644);
    assert_int_equal(first_end(world), 1609459200);
}

static void test_files_that_cannot_be_used(void **state)
{
    struct world *world = *state;
    static const struct {
        const char *cert, *key;
        mode_t mode;
        const char *sentence;
    } rows[] = {
        {GOOD_PEM, KEY_PEM, 0604, "key.pem: others may read this key"},
        {GOOD_PEM, LOCKED_KEY_PEM, 0600, "key.pem: is no private key in PEM without a password"},
        {GOOD_PEM, "no key", 0600, "key.pem: is no private key in PEM"},
        {"no certificate", KEY_PEM, 0600, "cert.pem: is no certificate in PEM"},
        {CA_PEM, KEY_PEM, 0600, "key.pem: does not belong to the certificate"},
        {"", KEY_PEM, 0600, "cert.pem: is no certificate in PEM"},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        char error[TLS_ERROR_SIZE] = "";
        write_file(world->cert, rows[i].cert, 0644);
        write_file(world->key, rows[i].key, rows[i].mode);
        assert_null(tls_settings_new(&world->options, world->tickets, error));
        if (strstr(error, rows[i].sentence) == NULL)
            fail_msg("row %zu: %s", i, error);
    }
    char error[TLS_ERROR_SIZE] = "";
    char missing[] = "/nonexistent/cert.pem";
    world->options.cert_file = missing;
    assert_null(tls_settings_new(&world->options, world->tickets, error));
    assert_string_equal(error, "/nonexistent/cert.pem: No such file or directory");
}

static void test_malformed_list(void **state)
{
    struct world *world = *state;
    char error[TLS_ERROR_SIZE] = "";
    char alone[] = "/a.pem";
    write_file(world->key, KEY_PEM, 0600);
    world->options.more = alone;
    assert_null(tls_settings_new(&world->options, world->tickets, error));
    assert_string_equal(error, "tls.more: expected CERT KEY, CERT KEY");
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_the_first_end),
        TEST(test_files_that_cannot_be_used),
        TEST(test_malformed_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
