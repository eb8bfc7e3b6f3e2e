/* SPDX-License-Identifier: Apache-2.0 */
/* For tests of TLS: certificates and their key as files in a directory of the test's own. */
#ifndef ORDERWIRE_NET_TLS_FILES_FIXTURE_H
#define ORDERWIRE_NET_TLS_FILES_FIXTURE_H

#include "net/tls.h"
#include "net/tls_certificates_fixture.h"

#include <sys/types.h>

/* GOOD_PEM in `cert`, OTHER_HOST_PEM in `other_cert`, and KEY_PEM. */
struct tls_files {
    char directory[64];
    char cert[100], key[100], other_cert[100], more[220];
    struct tls_tickets *tickets;
    struct tls_options options; /* of all of them, without a timeout */
};

/* `files` must stay where it is. */
void tls_files_init(struct tls_files *files);
void tls_files_fini(struct tls_files *files);

void write_file(const char *path, const char *text, mode_t mode);

#endif
