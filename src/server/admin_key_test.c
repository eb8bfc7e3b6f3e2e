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

static void test_own_keys(void **state)
{
    static const struct {
        int zeros; /* before the text */
        const char *text;
        size_t length; /* of the key; 0: refused */
    } rows[] = {
        {16, "", 16},       {16, "\n", 16},   {16, "\r\n", 16},    {64, "\n", 64},
        {256, "\r\n", 256}, {257, "\n", 0},   {300, "\n", 0},      {15, "\n", 0},
        {16, " abc\n", 0},  {16, "\nabc", 0}, {16, "\xc3\xa4", 0}, {0, "", 0},
    };
    char directory[] = "/tmp/orderwire-key-XXXXXX";
    char path[64];
    char key[ADMIN_KEY_SIZE];
    char error[ADMIN_KEY_ERROR_SIZE];
    (void)state;
    assert_non_null(mkdtemp(directory));
    snprintf(path, sizeof(path), "%s/admin.key", directory);
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        FILE *file = fopen(path, "w");
        assert_non_null(file);
        for (int j = 0; j < rows[i].zeros; j++)
            fputc('0', file);
        fputs(rows[i].text, file);
        fclose(file);
        assert_int_equal(chmod(path, 0600), 0);
        int result = admin_key_read(directory, key, error);
        assert_int_equal(result, rows[i].length > 0 ? 0 : ERR_INVALID);
        if (result == 0)
            assert_int_equal(strlen(key), rows[i].length);
        else
            assert_non_null(strstr(error, "16 to 256"));
    }
    unlink(path);
    rmdir(directory);
}

/* Nobody writes to it, ever. */
static void test_a_pipe_is_not_waited_for(void **state)
{
    char directory[] = "/tmp/orderwire-key-XXXXXX";
    char path[64];
    char key[ADMIN_KEY_SIZE];
    char error[ADMIN_KEY_ERROR_SIZE];
    (void)state;
    assert_non_null(mkdtemp(directory));
    snprintf(path, sizeof(path), "%s/admin.key", directory);
    assert_int_equal(mkfifo(path, 0600), 0);
    alarm(5);
    assert_int_equal(admin_key_read_or_make(directory, key, error), ERR_INVALID);
    alarm(0);
    unlink(path);
    rmdir(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_made_once_and_kept),
                                       cmocka_unit_test(test_own_keys),
                                       cmocka_unit_test(test_a_pipe_is_not_waited_for)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
