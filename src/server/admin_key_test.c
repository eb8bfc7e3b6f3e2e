/* SPDX-License-Identifier: Apache-2.0 */
#include "server/admin_key.h"

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
    char first[ADMIN_KEY_SIZE];
    char second[ADMIN_KEY_SIZE];
    char error[ADMIN_KEY_ERROR_SIZE];
    struct stat status;
    (void)state;
    assert_non_null(mkdtemp(directory));
    snprintf(path, sizeof(path), "%s/admin.key", directory);
    assert_int_equal(admin_key_read(directory, first, error), ERR_NOT_FOUND);
    assert_int_equal(admin_key_read_or_make(directory, first, error), 0);
    assert_int_equal(admin_key_read_or_make(directory, second, error), 0);
    assert_string_equal(first, second);
    assert_true(strlen(first) > 40);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    assert_int_equal(truncate(path, 3), 0);
    assert_int_equal(admin_key_read_or_make(directory, second, error), ERR_INVALID);
    unlink(path);
    rmdir(directory);
    assert_int_equal(admin_key_read_or_make(directory, second, error), ERR_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_made_once_and_kept)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
