/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ORDERWIRE_NET_TLS_INTERNAL_H
#define ORDERWIRE_NET_TLS_INTERNAL_H

#include "net/tls.h"

#include <openssl/ssl.h>

struct tls {
    SSL *ssl;
    struct tls_settings *settings; /* NULL: the client's end */
    int64_t now_mono;              /* of the handshake's present step */
    int descriptor;                /* the caller's */
    int reads;                     /* of the socket, in the present call */
    bool done;                     /* the handshake */
    bool wants_write;
};

/* A new connection of these settings, without a socket. NULL: no memory. */
SSL *tls_settings_open(struct tls_settings *settings);
/* Makes OpenSSL ask `tickets` for keys; the connections' app data is a struct tls. */
void tls_tickets_use(struct tls_tickets *tickets, SSL_CTX *context);

/*
 * Puts `ssl`, which it takes over, on a socket that stays the caller's and raises no SIGPIPE. NULL, also
 * for an `ssl` that is NULL: no memory.
 */
struct tls *tls_attach(SSL *ssl, int descriptor);

#endif
