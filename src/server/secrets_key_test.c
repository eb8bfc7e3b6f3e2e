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
    struct secrets_key first;
    struct secrets_key second;
    char error[KEY_FILE_ERROR_SIZE];
    struct stat status;
    (void)state;
    assert_non_null(mkdtemp(directory));
    snprintf(path, sizeof(path), "%s/secrets.key", directory);
    assert_int_equal(secrets_key_read_or_make(directory, false, &first, error), 0);
    assert_memory_not_equal(first.key, zeros, sizeof(zeros));
    assert_false(first.is_replaced);
    assert_int_equal(secrets_key_read_or_make(directory, false, &second, error), 0);
    assert_memory_equal(&first, &second, sizeof(first));
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    assert_int_equal(status.st_size, SECRETS_KEY_SIZE);
    assert_int_equal(truncate(path, 31), 0);
    assert_int_equal(secrets_key_read_or_make(directory, false, &second, error), ERR_INVALID);
    assert_non_null(strstr(error, "secrets.key"));
    unlink(path);
    rmdir(directory);
    assert_int_equal(secrets_key_read_or_make(directory, false, &second, error), ERR_NOT_FOUND);
}

static void test_not_made_when_secrets_are_sealed(void **state)
{
    char directory[] = "/tmp/orderwire-key-XXXXXX";
    char path[64];
    struct secrets_key first;
    struct secrets_key second;
    char error[KEY_FILE_ERROR_SIZE];
    (void)state;
    assert_non_null(mkdtemp(directory));
    snprintf(path, sizeof(path), "%s/secrets.key", directory);
    assert_int_equal(secrets_key_read_or_make(directory, true, &first, error), ERR_NOT_FOUND);
    assert_non_null(strstr(error, "secrets.key: missing"));
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(secrets_key_read_or_make(directory, false, &first, error), 0);
    assert_int_equal(secrets_key_read_or_make(directory, true, &second, error), 0);
    assert_memory_equal(&first, &second, sizeof(first));
    unlink(path);
    rmdir(directory);
}

static void write_bytes(const char *path, const char *bytes, size_t length)
{
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, length, file), length);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(path, 0600), 0);
}

static void test_a_new_key_and_the_one_it_replaces(void **state)
{
    static const char two[] = "new-key-of-32-bytes.............old-key-of-32-bytes.............!";
    char directory[] = "/tmp/orderwire-key-XXXXXX";
    char path[64];
    struct secrets_key key;
    char error[KEY_FILE_ERROR_SIZE];
    (void)state;
    assert_non_null(mkdtemp(directory));
    snprintf(path, sizeof(path), "%s/secrets.key", directory);
    write_bytes(path, two, (size_t)2 * SECRETS_KEY_SIZE);
    assert_int_equal(secrets_key_read_or_make(directory, true, &key, error), 0);
    assert_true(key.is_replaced);
    assert_memory_equal(key.key, two, SECRETS_KEY_SIZE);
    assert_memory_equal(key.previous, two + SECRETS_KEY_SIZE, SECRETS_KEY_SIZE);
    assert_int_equal(secrets_key_forget_previous(directory, &key, error), 0);
    assert_false(key.is_replaced);
    assert_int_equal(secrets_key_read_or_make(directory, true, &key, error), 0);
    assert_false(key.is_replaced);
    assert_memory_equal(key.key, two, SECRETS_KEY_SIZE);
    for (size_t length = 0; length <= (size_t)2 * SECRETS_KEY_SIZE + 1; length++) {
        bool is_whole = length == SECRETS_KEY_SIZE || length == (size_t)2 * SECRETS_KEY_SIZE;
        write_bytes(path, two, length);
        assert_int_equal(secrets_key_read_or_make(directory, true, &key, error),
                         is_whole ? 0 : ERR_INVALID);
    }
    unlink(path);
    rmdir(directory);
}

/* Of an earlier try: a link that leads elsewhere, or a file that others may read. */
static void test_what_lies_in_the_way(void **state)
{
    char directory[] = "/tmp/orderwire-key-XXXXXX";
    char path[64];
    char temporary[64];
    char elsewhere[64];
    struct secrets_key key;
    char error[KEY_FILE_ERROR_SIZE];
    struct stat status;
    (void)state;
    assert_non_null(mkdtemp(directory));
    snprintf(path, sizeof(path), "%s/secrets.key", directory);
    snprintf(temporary, sizeof(temporary), "%s/secrets.key.new", directory);
    snprintf(elsewhere, sizeof(elsewhere), "%s/elsewhere", directory);
    write_bytes(elsewhere, "mine", 4);
    assert_int_equal(symlink(elsewhere, temporary), 0);
    assert_int_equal(secrets_key_read_or_make(directory, false, &key, error), 0);
    assert_int_equal(stat(elsewhere, &status), 0);
    assert_int_equal(status.st_size, 4);
    unlink(path);
    write_bytes(temporary, "half", 4);
    assert_int_equal(chmod(temporary, 0644), 0);
    assert_int_equal(secrets_key_read_or_make(directory, false, &key, error), 0);
    assert_int_equal(secrets_key_read_or_make(directory, true, &key, error), 0);
    unlink(path);
    unlink(elsewhere);
    rmdir(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_made_once_and_kept),
        cmocka_unit_test(test_not_made_when_secrets_are_sealed),
        cmocka_unit_test(test_a_new_key_and_the_one_it_replaces),
        cmocka_unit_test(test_what_lies_in_the_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
