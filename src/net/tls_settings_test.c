/* SPDX-License-Identifier: Apache-2.0 */
/* What is read from the files of certificates and keys, and what is said of those that cannot be used. */
#include "base/mem.h"
#include "net/tls_files_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static int set_up(void **state)
{
    struct tls_files *files = mem_zalloc(sizeof(*files));
    tls_files_init(files);
    *state = files;
    return 0;
}

static int tear_down(void **state)
{
    struct tls_files *files = *state;
    tls_files_fini(files);
    mem_free(files);
    return 0;
}

static int64_t first_end(struct tls_files *files)
{
    char error[TLS_ERROR_SIZE];
    struct tls_settings *settings = tls_settings_new(&files->options, files->tickets, error);
    assert_non_null(settings);
    int64_t end = tls_settings_not_after(settings);
    tls_settings_release(&settings);
    return end;
}

static void test_the_first_end(void **state)
{
    struct tls_files *files = *state;
    assert_int_equal(first_end(files), 4733510400);
    write_file(files->other_cert, EXPIRED_PEM, 0644);
    assert_int_equal(first_end(files), 1609459200);
}

static void test_files_that_cannot_be_used(void **state)
{
    struct tls_files *files = *state;
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
        write_file(files->cert, rows[i].cert, 0644);
        write_file(files->key, rows[i].key, rows[i].mode);
        assert_null(tls_settings_new(&files->options, files->tickets, error));
        if (strstr(error, rows[i].sentence) == NULL)
            fail_msg("row %zu: %s", i, error);
    }
    char error[TLS_ERROR_SIZE] = "";
    char missing[] = "/nonexistent/cert.pem";
    files->options.cert_file = missing;
    assert_null(tls_settings_new(&files->options, files->tickets, error));
    assert_string_equal(error, "/nonexistent/cert.pem: No such file or directory");
}

static void test_malformed_list(void **state)
{
    struct tls_files *files = *state;
    char error[TLS_ERROR_SIZE] = "";
    char alone[] = "/a.pem";
    write_file(files->key, KEY_PEM, 0600);
    files->options.more = alone;
    assert_null(tls_settings_new(&files->options, files->tickets, error));
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
