/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ORDERWIRE_NET_TLS_INTERNAL_H
#define ORDERWIRE_NET_TLS_INTERNAL_H

#include "net/tls.h"

#include <openssl/ssl.h>

struct tls {
    SSL *ssl;
    struct tls_settings *settings;
    int64_t now_mono; /* of the handshake's present step */
    bool done;        /* the handshake */
    bool wants_write;
};

/* A new connection of these settings, without a socket. NULL: no memory. */
SSL *tls_settings_open(struct tls_settings *settings);
/* Makes OpenSSL ask `tickets` for keys; the connections' app data is a struct tls. */
void tls_tickets_use(struct tls_tickets *tickets, SSL_CTX *context);

/* A BIO on a socket that stays the caller's, which raises no SIGPIPE. NULL: no memory. */
BIO *tls_socket_new(int descriptor);

#endif
