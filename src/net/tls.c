/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OpenSSL reads and writes the socket itself, a record at a time and without reading ahead, so that
 * nothing waits inside it: what it has not given out is still in the kernel, and the loop sees it.
 * Its buffers are given back between records, so an idle connection holds none. After a record that
 * brings no data it would read on for as long as more come; so what it may read in one go is counted.
 */
#include "net/tls.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "net/tls_internal.h"

#include <errno.h>
#include <openssl/err.h>
#include <pthread.h>
#include <sys/socket.h>

/* Each record takes two: its head, and the rest. */
#define READS_AT_ONCE 32

static int socket_read(BIO *bio, char *bytes, int size)
{
    struct tls *tls = BIO_get_data(bio);
    ssize_t n = -1;
    BIO_clear_retry_flags(bio);
    if (tls->reads == READS_AT_ONCE) {
        BIO_set_retry_read(bio);
        return -1;
    }
    tls->reads++;
    do
        n = recv(tls->descriptor, bytes, (size_t)size, 0);
    while (n < 0 && errno == EINTR);
    if (n < 0 && errno == EAGAIN)
        BIO_set_retry_read(bio);
    return (int)n;
}

static int socket_write(BIO *bio, const char *bytes, int length)
{
    const struct tls *tls = BIO_get_data(bio);
    ssize_t n;
    do
        n = send(tls->descriptor, bytes, (size_t)length, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    BIO_clear_retry_flags(bio);
    if (n < 0 && (errno == EAGAIN || errno == ENOBUFS || errno == ENOMEM))
        BIO_set_retry_write(bio);
    return (int)n;
}

static long socket_control(BIO *bio, int command, long number, void *pointer)
{
    (void)bio;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH;
}

static BIO_METHOD *socket_method;

static void make_socket_method(void)
{
    socket_method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "socket");
    if (socket_method == NULL)
        return;
    BIO_meth_set_read(socket_method, socket_read);
    BIO_meth_set_write(socket_method, socket_write);
    BIO_meth_set_ctrl(socket_method, socket_control);
}

static BIO *socket_new(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_socket_method);
    return socket_method != NULL ? BIO_new(socket_method) : NULL;
}

struct tls *tls_attach(SSL *ssl, int descriptor)
{
    BIO *bio = socket_new();
    if (ssl == NULL || bio == NULL) {
        SSL_free(ssl);
        BIO_free(bio);
        return NULL;
    }
    struct tls *tls = mem_zalloc(sizeof(*tls));
    tls->ssl = ssl;
    tls->descriptor = descriptor;
    BIO_set_data(bio, tls);
    BIO_set_init(bio, 1);
    SSL_set_bio(ssl, bio, bio);
    return tls;
}

struct tls *tls_new(struct tls_settings *settings, int descriptor)
{
    struct tls *tls = tls_attach(tls_settings_open(settings), descriptor);
    if (tls == NULL)
        return NULL;
    tls->settings = tls_settings_hold(settings);
    SSL_set_app_data(tls->ssl, tls);
    SSL_set_accept_state(tls->ssl);
    return tls;
}

/* Of the server's end. */
static void count(const struct tls *tls, enum metric metric)
{
    if (tls->settings != NULL)
        metrics_add(metric, 1);
}

void tls_free(struct tls **owner)
{
    struct tls *tls = *owner;
    *owner = NULL;
    if (tls == NULL)
        return;
    if (!tls->done)
        count(tls, METRIC_TLS_HANDSHAKES__FAILED);
    SSL_free(tls->ssl);
    tls_settings_release(&tls->settings);
    mem_free(tls);
}

bool tls_is_shaking_hands(const struct tls *tls)
{
    return !tls->done;
}

bool tls_wants_write(const struct tls *tls)
{
    return tls->wants_write;
}

/* Before each call that may read or write. */
static void begin(struct tls *tls)
{
    ERR_clear_error();
    tls->reads = 0;
}

/* ERR_MORE when the socket has to get ready first, else ERR_CLOSED. */
static int explain(struct tls *tls, int result)
{
    int reason = SSL_get_error(tls->ssl, result);
    tls->wants_write = reason == SSL_ERROR_WANT_WRITE;
    return reason == SSL_ERROR_WANT_READ || reason == SSL_ERROR_WANT_WRITE ? ERR_MORE : ERR_CLOSED;
}

int tls_handshake(struct tls *tls, int64_t now_mono)
{
    begin(tls);
    tls->now_mono = now_mono;
    int result = SSL_do_handshake(tls->ssl);
    if (result == 1) {
        tls->done = true;
        tls->wants_write = false;
        count(tls, SSL_session_reused(tls->ssl) ? METRIC_TLS_HANDSHAKES__RESUMED
                                                : METRIC_TLS_HANDSHAKES__FULL);
        return 0;
    }
    int error = explain(tls, result);
    if (error == ERR_MORE)
        return error;
    return ERR_GET_REASON(ERR_peek_error()) == SSL_R_HTTP_REQUEST ? ERR_UNSUPPORTED : error;
}

int tls_read(struct tls *tls, char *bytes, size_t size, size_t *length)
{
    begin(tls);
    int result = SSL_read_ex(tls->ssl, bytes, size, length);
    if (result == 1) {
        tls->wants_write = false;
        return 0;
    }
    return explain(tls, result);
}

int tls_write(struct tls *tls, struct str bytes, size_t *taken)
{
    begin(tls);
    *taken = 0;
    int result = SSL_write_ex(tls->ssl, bytes.ptr, bytes.len, taken);
    if (result == 1)
        return 0;
    bool wanted_write = tls->wants_write;
    int error = explain(tls, result);
    /* The owner waits for that anyway, while it has something to write. */
    tls->wants_write = wanted_write;
    return error == ERR_MORE ? 0 : error;
}

void tls_finish(struct tls *tls)
{
    if (!tls->done)
        return;
    begin(tls);
    /* The peer learns it from the end of the connection as well. */
    (void)SSL_shutdown(tls->ssl);
}
