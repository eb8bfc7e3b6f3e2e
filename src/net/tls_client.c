/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client sends keys and tokens, so it asks who is there before: the server's certificate is for
 * the host that was meant and by an authority that is trusted, or the handshake fails.
 */
#include "net/tls_internal.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>

static void complain(char *error, const char *what)
{
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());
    snprintf(error, TLS_ERROR_SIZE, "%.180s: %.100s", what, reason != NULL ? reason : "no memory");
    ERR_clear_error();
}

static bool set_trust(SSL_CTX *context, const struct tls_trust *trust)
{
    static const struct tls_trust of_the_system;
    if (trust == NULL)
        trust = &of_the_system;
    SSL_CTX_set_verify(context, trust->insecure ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, NULL);
    if (trust->insecure)
        return true;
    return trust->ca_file != NULL ? SSL_CTX_load_verify_file(context, trust->ca_file) == 1
                                  : SSL_CTX_set_default_verify_paths(context) == 1;
}

/* The end of a connection is told by WebSocket's Close frame, so TLS need not tell it (RFC 6455). */
static bool set_offer(SSL_CTX *context)
{
    static const unsigned char protocols[] = "\x08http/1.1";
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                     SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    return SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1 &&
           SSL_CTX_set_alpn_protos(context, protocols, sizeof(protocols) - 1) == 0;
}

/* An address stands in another field of a certificate, and is no name to ask for (RFC 6066 section 3). */
static bool set_host(SSL *ssl, const char *host)
{
    X509_VERIFY_PARAM *wanted = SSL_get0_param(ssl);
    if (X509_VERIFY_PARAM_set1_ip_asc(wanted, host) == 1)
        return true;
    X509_VERIFY_PARAM_set_hostflags(wanted, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return X509_VERIFY_PARAM_set1_host(wanted, host, 0) == 1 &&
           SSL_set_tlsext_host_name(ssl, host) == 1;
}

static SSL *open_for(SSL_CTX *context, const char *host)
{
    SSL *ssl = SSL_new(context);
    if (ssl != NULL && set_host(ssl, host))
        return ssl;
    SSL_free(ssl);
    return NULL;
}

struct tls *tls_client_new(const char *host, const struct tls_trust *trust, int descriptor,
                           char error[TLS_ERROR_SIZE])
{
    ERR_clear_error();
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    struct tls *tls = NULL;
    if (context == NULL || !set_offer(context))
        complain(error, "TLS");
    else if (!set_trust(context, trust))
        complain(error, trust != NULL && trust->ca_file != NULL ? trust->ca_file
                                                                : "the system's certificates");
    else if ((tls = tls_attach(open_for(context, host), descriptor)) == NULL)
        complain(error, host);
    else
        SSL_set_connect_state(tls->ssl);
    SSL_CTX_free(context);
    return tls;
}

const char *tls_client_distrust(const struct tls *tls)
{
    long result = SSL_get_verify_result(tls->ssl);
    bool matters = SSL_get_verify_mode(tls->ssl) != SSL_VERIFY_NONE;
    return matters && result != X509_V_OK ? X509_verify_cert_error_string(result) : NULL;
}
