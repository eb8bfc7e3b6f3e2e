/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A blocking HTTP request on libcurl, for commands of the CLI. No redirects, no proxy of the
 * environment. libcurl is seen by this folder only.
 */
#ifndef ORDERWIRE_HTTP_HTTP_CLIENT_H
#define ORDERWIRE_HTTP_HTTP_CLIENT_H

#include "base/buf.h"

/* Opaque types. */
struct tls_trust;

struct http_client_request {
    const char *method;
    const char *url;
    const char *const *headers; /* "Name: value" lines, ended by NULL; may be NULL */
    struct str body;            /* not empty: sent as application/json unless a header says else */
    int64_t timeout;            /* ms, for all of it */
    const char *unix_socket;    /* the path of the socket to connect to; NULL: what the URL says */
    const struct tls_trust *trust; /* for https:// (net/tls.h); NULL: the system's authorities */
};

#define HTTP_CLIENT_ERROR_SIZE 256

struct http_client_response {
    int status;
    struct buf body; /* at most LIMIT_CLIENT_RESPONSE; freed by buf_fini */
    char etag[80];   /* "" when absent */
};

/* Once, before threads start. */
void http_client_setup(void);
/*
 * ERR_CLOSED when nobody listens there, ERR_NOT_FOUND when the host's name is not known, ERR_UNSUPPORTED when what
 * answers speaks something else than the URL says, ERR_DENIED when the server's certificate is not trusted; else
 * ERR_IO, ERR_TIMEOUT, ERR_TOO_LARGE; with a sentence in `error`. On failure nothing is to be freed.
 */
NODISCARD int http_client_call(const struct http_client_request *request,
                               struct http_client_response *response,
                               char error[HTTP_CLIENT_ERROR_SIZE]);

#endif
