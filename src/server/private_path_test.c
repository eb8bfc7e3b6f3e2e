/* SPDX-License-Identifier: Apache-2.0 */
/* Which owners and modes are refused, and that a refused key is not read. */
#include "server/private_path.h"

#include "base/err.h"
#include "server/key_file.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void test_modes(void **state)
{
    static const struct {
        mode_t mode;
        int result;
        const char *advice;
    } cases[] = {
        {S_IFREG | 0600, 0, NULL},
        {S_IFREG | 0400, 0, NULL},
        {S_IFDIR | 0700, 0, NULL},
        {S_IFDIR | 02700, 0, NULL},
        {S_IFREG | 0640, ERR_DENIED, "(mode 0640); close it with `chmod 600`"},
        {S_IFREG | 0620, ERR_DENIED, "chmod 600"},
        {S_IFREG | 0604, ERR_DENIED, "chmod 600"},
        {S_IFREG | 0602, ERR_DENIED, "chmod 600"},
        {S_IFDIR | 0710, ERR_DENIED, "(mode 0710); close it with `chmod 700`"},
        {S_IFDIR | 0701, ERR_DENIED, "chmod 700"},
        {S_IFDIR | 01777, ERR_DENIED, "(mode 1777)"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        char error[PRIVATE_PATH_ERROR_SIZE] = "";
        const struct stat status = {.st_mode = cases[i].mode, .st_uid = geteuid()};
        assert_int_equal(private_path_check(&status, "data", error), cases[i].result);
        if (cases[i].advice != NULL)
            assert_non_null(strstr(error, cases[i].advice));
    }
}

static void test_owners(void **state)
{
    char error[PRIVATE_PATH_ERROR_SIZE] = "";
    struct stat status = {.st_mode = S_IFREG | 0600, .st_uid = geteuid() + 1};
    uid_t self = geteuid();
    (void)state;
    if (self == 0) {
        assert_int_equal(private_path_check(&status, "key", error), 0);
        assert_int_equal(seteuid(1000), 0);
        status.st_uid = 1001;
    }
    assert_int_equal(private_path_check(&status, "key", error), ERR_DENIED);
    assert_non_null(strstr(error, "key: it belongs to another user"));
    status.st_uid = 0;
    assert_int_equal(private_path_check(&status, "key", error), 0);
    assert_int_equal(seteuid(self), 0);
}

static void test_directory(void **state)
{
    char parent[] = "/tmp/orderwire-private-XXXXXX";
    char path[64];
    char error[PRIVATE_PATH_ERROR_SIZE];
    struct stat status;
    (void)state;
    assert_non_null(mkdtemp(parent));
    snprintf(path, sizeof(path), "%s/data", parent);
    assert_int_equal(private_path_directory(path, error), 0);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0700);
    assert_int_equal(private_path_directory(path, error), 0);
    assert_int_equal(chmod(path, 0755), 0);
    assert_int_equal(private_path_directory(path, error), ERR_DENIED);
    assert_non_null(strstr(error, "chmod 700"));
    assert_int_equal(chmod(path, 01755), 0);
    assert_int_equal(private_path_directory(path, error), ERR_DENIED);
    assert_non_null(strstr(error, "(mode 1755) and in use for other things; choose a directory"));
    assert_int_equal(chmod(parent, 0755), 0);
    assert_int_equal(private_path_directory(parent, error), ERR_DENIED);
    assert_non_null(strstr(error, "(mode 0755) and in use for other things; choose a directory"));
    assert_int_equal(chmod(parent, 0700), 0);
    assert_int_equal(private_path_directory(parent, error), 0);
    rmdir(path);
    assert_int_equal(close(open(path, O_WRONLY | O_CREAT, 0600)), 0);
    assert_int_equal(private_path_directory(path, error), ERR_IO);
    assert_non_null(strstr(error, "Not a directory"));
    unlink(path);
    rmdir(parent);
    assert_int_equal(private_path_directory(path, error), ERR_IO);
}

/* Who may not use what belongs to another learns whose it is. */
static void test_blame(void **state)
{
    static const struct {
        mode_t directory;
        mode_t file;
        const char *blame;
    } rows[] = {
        {0700, 0600, ""},
        {0500, 0600, "/data belongs to uid "},
        {0700, 0400, "/data/audit.log belongs to uid "},
        {0000, 0600, "/data belongs to uid "},
    };
    char parent[] = "/tmp/orderwire-private-XXXXXX";
    char path[64], file[80], this[40];
    char blame[PRIVATE_PATH_ERROR_SIZE];
    uid_t self = geteuid();
    (void)state;
    assert_non_null(mkdtemp(parent));
    assert_int_equal(chmod(parent, 0755), 0);
    snprintf(path, sizeof(path), "%s/data", parent);
    snprintf(file, sizeof(file), "%s/audit.log", path);
    uid_t user = self == 0 ? 1000 : self;
    snprintf(this, sizeof(this), ", and this is uid %u", user);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(close(open(file, O_WRONLY | O_CREAT, 0600)), 0);
    if (self == 0)
        assert_int_equal(chown(path, user, user) | chown(file, user, user), 0);
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        assert_int_equal(chmod(file, rows[i].file) | chmod(path, rows[i].directory), 0);
        assert_int_equal(seteuid(user), 0);
        private_path_blame(path, blame);
        assert_int_equal(seteuid(self), 0);
        assert_int_equal(chmod(path, 0700), 0);
        assert_non_null(strstr(blame, rows[i].blame));
        assert_int_equal(strstr(blame, this) != NULL, rows[i].blame[0] != '\0');
        assert_int_equal(strstr(blame, "use `chmod -R u+rwX`") != NULL, rows[i].blame[0] != '\0');
    }
    unlink(file);
    rmdir(path);
    private_path_blame(path, blame);
    assert_string_equal(blame, "");
    if (self == 0) {
        assert_int_equal(seteuid(user), 0);
        assert_int_equal(private_path_directory(path, blame), ERR_IO);
        assert_int_equal(seteuid(self), 0);
        assert_non_null(strstr(blame, " belongs to uid 0 (mode 0755), and this is uid 1000"));
    }
    rmdir(parent);
}

static void test_a_key_open_to_others_is_not_read(void **state)
{
    char directory[] = "/tmp/orderwire-private-XXXXXX";
    char path[64];
    char bytes[8] = "";
    size_t length = 0;
    char error[KEY_FILE_ERROR_SIZE];
    (void)state;
    assert_non_null(mkdtemp(directory));
    snprintf(path, sizeof(path), "%s/some.key", directory);
    assert_int_equal(key_file_make(directory, "some.key", "12345678", 8, error), 0);
    assert_int_equal(key_file_read(directory, "some.key", bytes, 8, &length, error), 0);
    memset(bytes, 0, sizeof(bytes));
    assert_int_equal(chmod(path, 0644), 0);
    assert_int_equal(key_file_read(directory, "some.key", bytes, 8, &length, error), ERR_DENIED);
    assert_non_null(strstr(error, "some.key: open to other users (mode 0644)"));
    assert_int_equal(bytes[0], 0);
    unlink(path);
    rmdir(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_modes),
        cmocka_unit_test(test_owners),
        cmocka_unit_test(test_directory),
        cmocka_unit_test(test_blame),
        cmocka_unit_test(test_a_key_open_to_others_is_not_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
