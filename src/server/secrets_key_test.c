/* SPDX-License-Identifier: Apache-2.0 */
#include "server/secrets_key.h"

#include "base/err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static void test_made_once_and_kept(void **state)
{
    char directory[] = "/tmp/orderwire-key-XXXXXX";
    char path[64];
    uint8_t zeros[SECRETS_KEY_SIZE] = {0};
    uint8_t first[SECRETS_KEY_SIZE] = {0};
    uint8_t second[SECRETS_KEY_SIZE] = {0};
    char error[KEY_FILE_ERROR_SIZE];
    struct stat status;
    (void)state;
    assert_non_null(mkdtemp(directory));
    snprintf(path, sizeof(path), "%s/secrets.key", directory);
    assert_int_equal(secrets_key_read_or_make(directory, false, first, error), 0);
    assert_memory_not_equal(first, zeros, sizeof(first));
    assert_int_equal(secrets_key_read_or_make(directory, false, second, error), 0);
    assert_memory_equal(first, second, sizeof(first));
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    assert_int_equal(status.st_size, SECRETS_KEY_SIZE);
    assert_int_equal(truncate(path, 31), 0);
    assert_int_equal(secrets_key_read_or_make(directory, false, second, error), ERR_INVALID);
    assert_non_null(strstr(error, "secrets.key"));
    unlink(path);
    rmdir(directory);
    assert_int_equal(secrets_key_read_or_make(directory, false, second, error), ERR_NOT_FOUND);
}

static void test_not_made_when_secrets_are_sealed(void **state)
{
    char directory[] = "/tmp/orderwire-key-XXXXXX";
    char path[64];
    uint8_t first[SECRETS_KEY_SIZE] = {0};
    uint8_t second[SECRETS_KEY_SIZE] = {0};
    char error[KEY_FILE_ERROR_SIZE];
    (void)state;
    assert_non_null(mkdtemp(directory));
    snprintf(path, sizeof(path), "%s/secrets.key", directory);
    assert_int_equal(secrets_key_read_or_make(directory, true, first, error), ERR_NOT_FOUND);
    assert_non_null(strstr(error, "secrets.key: missing"));
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(secrets_key_read_or_make(directory, false, first, error), 0);
    assert_int_equal(secrets_key_read_or_make(directory, true, second, error), 0);
    assert_memory_equal(first, second, sizeof(first));
    unlink(path);
    rmdir(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_made_once_and_kept),
        cmocka_unit_test(test_not_made_when_secrets_are_sealed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
