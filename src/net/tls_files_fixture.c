/* SPDX-License-Identifier: Apache-2.0 */
/* The files, and what a server would make its settings from. */
#include "net/tls_files_fixture.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

void write_file(const char *path, const char *text, mode_t mode)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, mode);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);
}

void tls_files_init(struct tls_files *files)
{
    snprintf(files->directory, sizeof(files->directory), "/tmp/orderwire-tls-XXXXXX");
    assert_non_null(mkdtemp(files->directory));
    snprintf(files->cert, sizeof(files->cert), "%s/cert.pem", files->directory);
    snprintf(files->key, sizeof(files->key), "%s/key.pem", files->directory);
    snprintf(files->other_cert, sizeof(files->other_cert), "%s/other.pem", files->directory);
    snprintf(files->more, sizeof(files->more), "%s %s", files->other_cert, files->key);
    write_file(files->cert, GOOD_PEM, 0644);
    write_file(files->other_cert, OTHER_HOST_PEM, 0644);
    write_file(files->key, KEY_PEM, 0600);
    files->tickets = tls_tickets_new();
    files->options =
        (struct tls_options){.cert_file = files->cert, .key_file = files->key, .more = files->more};
}

void tls_files_fini(struct tls_files *files)
{
    tls_tickets_free(&files->tickets);
    unlink(files->cert);
    unlink(files->key);
    unlink(files->other_cert);
    rmdir(files->directory);
}
