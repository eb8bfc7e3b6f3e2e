/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Certificates and keys as OpenSSL keeps them, one context each. A set of them never changes: files
 * that were renewed make a new set, and connections keep the set they began with.
 */
#include "base/clock.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/mem.h"
#include "net/tls_internal.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What tells one version of a file from another. */
struct file {
    char *path;
    struct timespec modified;
    off_t size;
    ino_t inode;
};

struct pair {
    SSL_CTX *context;
    struct file cert, key;
};

struct tls_settings {
    atomic_size_t references;
    int64_t handshake_timeout;
    size_t count;
    struct pair pairs
        [LIMIT_TLS_CERTIFICATES]; /* the first one serves whoever asks for no name of another */
};

static int complain(char *error, const char *path, const char *reason)
{
    snprintf(error, TLS_ERROR_SIZE, "%.180s: %.100s", path, reason);
    return ERR_INVALID;
}

/*
 * OpenSSL's last word on it, which holds nothing of the file; but of what is no PEM it says "PEM
 * lib" and no more.
 */
static int complain_as_openssl(char *error, const char *path, const char *otherwise)
{
    unsigned long last = ERR_peek_last_error();
    const char *reason = ERR_reason_error_string(last);
    bool is_told = reason != NULL && ERR_GET_REASON(last) != ERR_R_PEM_LIB;
    return complain(error, path, is_told ? reason : otherwise);
}

/* A key of another kind than the certificate's is read, and then missed by OpenSSL. */
static int complain_of_key(char *error, const char *path)
{
    unsigned long last = ERR_peek_last_error();
    return complain(error, path,
                    ERR_GET_REASON(last) == ERR_R_PEM_LIB
                        ? "is no private key in PEM without a password"
                        : "does not belong to the certificate");
}

static bool look_at(const char *path, struct stat *status, struct file *file)
{
    if (stat(path, status) != 0)
        return false;
    file->modified = status->st_mtim;
    file->size = status->st_size;
    file->inode = status->st_ino;
    return true;
}

static int note_file(struct file *file, struct str path, bool secret, char *error)
{
    struct stat status;
    file->path = mem_strndup(path.ptr, path.len);
    if (!look_at(file->path, &status, file))
        return complain(error, file->path, strerror(errno));
    if (access(file->path, R_OK) != 0)
        return complain(error, file->path, strerror(errno));
    if (secret && (status.st_mode & (S_IROTH | S_IWOTH)) != 0)
        return complain(error, file->path, "others may read this key; chmod o= keeps it secret");
    return 0;
}

bool tls_settings_are_stale(const struct tls_settings *settings)
{
    for (size_t i = 0; i < settings->count; i++) {
        const struct file *files[] = {&settings->pairs[i].cert, &settings->pairs[i].key};
        for (size_t j = 0; j < 2; j++) {
            struct stat status;
            struct file now;
            /* In the middle of a renewal there may be none: look again later. */
            if (!look_at(files[j]->path, &status, &now))
                continue;
            if (now.modified.tv_sec != files[j]->modified.tv_sec ||
                now.modified.tv_nsec != files[j]->modified.tv_nsec || now.size != files[j]->size ||
                now.inode != files[j]->inode)
                return true;
        }
    }
    return false;
}

/* Nobody is there to be asked for a password. */
static int no_password(char *buffer, int size, int writing, void *argument)
{
    (void)buffer;
    (void)size;
    (void)writing;
    (void)argument;
    return 0;
}

/*
 * HTTP/1.1 or nothing: a client that means another protocol, and its cookies or passwords, is not
 * for us (RFC 7301 section 3.2).
 */
static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *length,
                           const unsigned char *offered, unsigned offered_length, void *argument)
{
    static const unsigned char ours[] = "\x08http/1.1";
    (void)ssl;
    (void)argument;
    unsigned char *chosen;
    int result =
        SSL_select_next_proto(&chosen, length, ours, sizeof(ours) - 1, offered, offered_length);
    *out = chosen;
    return result == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

static bool is_for(const SSL_CTX *context, const char *name)
{
    X509 *certificate = SSL_CTX_get0_certificate(context);
    return certificate != NULL && X509_check_host(certificate, name, 0, 0, NULL) == 1;
}

/* The certificate for the name that the client asks for (SNI, RFC 6066 section 3). */
static int choose_certificate(SSL *ssl, int *alert, void *argument)
{
    const struct tls *tls = SSL_get_app_data(ssl);
    const struct tls_settings *settings = tls->settings;
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    (void)alert;
    (void)argument;
    if (name == NULL || is_for(settings->pairs[0].context, name))
        return SSL_TLSEXT_ERR_OK;
    for (size_t i = 1; i < settings->count; i++) {
        if (is_for(settings->pairs[i].context, name)) {
            SSL_set_SSL_CTX(ssl, settings->pairs[i].context);
            break;
        }
    }
    return SSL_TLSEXT_ERR_OK;
}

static bool set_offer(SSL_CTX *context)
{
    static const unsigned char id[] = "orderwire";
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                     SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA |
                                     SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_alpn_select_cb(context, choose_protocol, NULL);
    SSL_CTX_set_tlsext_servername_callback(context, choose_certificate);
    SSL_CTX_set_default_passwd_cb(context, no_password);
    return SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1 &&
           SSL_CTX_set_cipher_list(context, "ECDHE+AESGCM:ECDHE+CHACHA20") == 1 &&
           SSL_CTX_set1_groups_list(context, "X25519:P-256:P-384") == 1 &&
           SSL_CTX_set_num_tickets(context, 1) == 1 &&
           SSL_CTX_set_session_id_context(context, id, sizeof(id) - 1) == 1;
}

static int read_pair(struct pair *pair, struct tls_tickets *tickets, char *error)
{
    ERR_clear_error();
    pair->context = SSL_CTX_new(TLS_server_method());
    if (pair->context == NULL || !set_offer(pair->context))
        return complain_as_openssl(error, "TLS", "cannot be set up");
    tls_tickets_use(tickets, pair->context);
    if (SSL_CTX_use_certificate_chain_file(pair->context, pair->cert.path) != 1)
        return complain_as_openssl(error, pair->cert.path, "is no certificate in PEM");
    if (SSL_CTX_use_PrivateKey_file(pair->context, pair->key.path, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_check_private_key(pair->context) != 1)
        return complain_of_key(error, pair->key.path);
    return 0;
}

static int add_pair(struct tls_settings *settings, struct str cert, struct str key,
                    struct tls_tickets *tickets, char *error)
{
    if (settings->count == LIMIT_TLS_CERTIFICATES)
        return complain(error, "tls.more", "too many certificates");
    struct pair *pair = &settings->pairs[settings->count++];
    int result = note_file(&pair->cert, cert, false, error);
    if (result == 0)
        result = note_file(&pair->key, key, true, error);
    return result != 0 ? result : read_pair(pair, tickets, error);
}

/* "CERT KEY, CERT KEY" */
static int add_more(struct tls_settings *settings, struct str list, struct tls_tickets *tickets,
                    char *error)
{
    struct str item, cert;
    int result = 0;
    while (result == 0 && str_split(&list, ',', &item)) {
        item = str_trim(item);
        if (item.len == 0)
            continue;
        if (!str_split(&item, ' ', &cert) || str_trim(item).len == 0)
            return complain(error, "tls.more", "expected CERT KEY, CERT KEY");
        result = add_pair(settings, cert, str_trim(item), tickets, error);
    }
    return result;
}

/* Seconds between the epoch and a certificate's end, which OpenSSL has read already. */
static int64_t not_after(const X509 *certificate)
{
    int days = 0, seconds = 0;
    ASN1_TIME *epoch = ASN1_TIME_set(NULL, 0);
    (void)!ASN1_TIME_diff(&days, &seconds, epoch, X509_get0_notAfter(certificate));
    ASN1_TIME_free(epoch);
    return (int64_t)days * (CLOCK_DAY / CLOCK_SECOND) + seconds;
}

int64_t tls_settings_not_after(const struct tls_settings *settings)
{
    int64_t first = INT64_MAX;
    for (size_t i = 0; i < settings->count; i++) {
        int64_t at = not_after(SSL_CTX_get0_certificate(settings->pairs[i].context));
        first = at < first ? at : first;
    }
    return first;
}

bool tls_settings_have_ended(const struct tls_settings *settings, int64_t now_wall,
                             char text[CLOCK_TEXT_SIZE])
{
    int64_t not_after = tls_settings_not_after(settings);
    if (not_after > now_wall / CLOCK_SECOND)
        return false;
    clock_format(not_after * CLOCK_SECOND, text);
    return true;
}

struct tls_settings *tls_settings_new(const struct tls_options *options,
                                      struct tls_tickets *tickets, char error[TLS_ERROR_SIZE])
{
    struct tls_settings *settings = mem_zalloc(sizeof(*settings));
    atomic_init(&settings->references, 1);
    settings->handshake_timeout = options->handshake_timeout;
    int result = add_pair(settings, str_from(options->cert_file), str_from(options->key_file),
                          tickets, error);
    if (result == 0)
        result = add_more(settings, str_from(options->more), tickets, error);
    ERR_clear_error();
    if (result != 0)
        tls_settings_release(&settings);
    return settings;
}

struct tls_settings *tls_settings_hold(struct tls_settings *settings)
{
    atomic_fetch_add(&settings->references, 1);
    return settings;
}

void tls_settings_release(struct tls_settings **owner)
{
    struct tls_settings *settings = *owner;
    *owner = NULL;
    if (settings == NULL || atomic_fetch_sub(&settings->references, 1) > 1)
        return;
    for (size_t i = 0; i < settings->count; i++) {
        SSL_CTX_free(settings->pairs[i].context);
        mem_free(settings->pairs[i].cert.path);
        mem_free(settings->pairs[i].key.path);
    }
    mem_free(settings);
}

int64_t tls_settings_handshake_timeout(const struct tls_settings *settings)
{
    return settings->handshake_timeout;
}

SSL *tls_settings_open(struct tls_settings *settings)
{
    return SSL_new(settings->pairs[0].context);
}
