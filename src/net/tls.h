/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS 1.2 and 1.3 (RFC 5246, RFC 8446): what the server offers, whom a client trusts, and one
 * connection's records over a non-blocking socket. OpenSSL's libssl is seen by this folder only.
 *
 * tls_settings.c  certificates and keys, chosen by name; versions, ciphers, protocols
 * tls_tickets.c   the keys of session tickets, which all workers share
 * tls.c           one connection: handshake, reading, writing
 * tls_client.c    how a client's end begins
 */
#ifndef ORDERWIRE_NET_TLS_H
#define ORDERWIRE_NET_TLS_H

#include "base/attributes.h"
#include "base/clock.h"
#include "base/str.h"

/* Opaque types. */
struct tls;
struct tls_settings;
struct tls_tickets;

#define TLS_ERROR_SIZE 300

struct tls_options {
    char *cert_file;           /* PEM, the server's certificate first, then its chain; "": no TLS */
    char *key_file;            /* PEM, not encrypted, not readable by everybody */
    char *more;                /* "CERT KEY, CERT KEY": for clients that ask for a name of these */
    int64_t handshake_timeout; /* ms */
};

/* One per process, so that a session begun on one worker is resumed on any. Any thread. */
struct tls_tickets *tls_tickets_new(void);
void tls_tickets_free(struct tls_tickets **tickets);

/*
 * Reads the files. `tickets` outlives it. NULL with a sentence in `error`, which never tells what a
 * key file holds. The caller has one reference.
 */
struct tls_settings *tls_settings_new(const struct tls_options *options,
                                      struct tls_tickets *tickets, char error[TLS_ERROR_SIZE]);
/* One more reference, from any thread. Settings never change; connections keep those they began with. */
struct tls_settings *tls_settings_hold(struct tls_settings *settings);
/* Accepts NULL. */
void tls_settings_release(struct tls_settings **settings);
/* Whether one of the files is not the one that was read: another time, size or inode. */
bool tls_settings_are_stale(const struct tls_settings *settings);
/* When the first of the certificates ends: wall seconds. */
int64_t tls_settings_not_after(const struct tls_settings *settings);
/* Whether that has passed at `now_wall` (ms); then `text` tells it. */
bool tls_settings_have_ended(const struct tls_settings *settings, int64_t now_wall,
                             char text[CLOCK_TEXT_SIZE]);
int64_t tls_settings_handshake_timeout(const struct tls_settings *settings);

/* The server's end of a connection on `descriptor`, which stays the caller's. NULL: no memory. */
struct tls *tls_new(struct tls_settings *settings, int descriptor);

/* Whose word a client takes for who the server is. */
struct tls_trust {
    const char *ca_file; /* PEM of the only authorities; NULL: those of the system */
    bool insecure;       /* anybody's */
};

/*
 * The client's end of a connection to `host`, a name or a numeric address. NULL with a sentence in
 * `error`. `trust` may be NULL: the system's authorities.
 */
struct tls *tls_client_new(const char *host, const struct tls_trust *trust, int descriptor,
                           char error[TLS_ERROR_SIZE]);
/* After a handshake that failed: what is wrong with the server's certificate, NULL when nothing is. */
const char *tls_client_distrust(const struct tls *tls);

/* Before the handshake is done, it counts as one that failed, whoever gave up. */
void tls_free(struct tls **tls);

/*
 * Goes on with the handshake at `now_mono`. 0: it is done. ERR_MORE: when the socket is ready again
 * (see tls_wants_write). ERR_UNSUPPORTED: the peer speaks HTTP without TLS. ERR_CLOSED: it failed;
 * an alert has been sent where one is due.
 */
NODISCARD int tls_handshake(struct tls *tls, int64_t now_mono);
bool tls_is_shaking_hands(const struct tls *tls);
/* The last call could not go on before the socket takes bytes. */
bool tls_wants_write(const struct tls *tls);

/*
 * At most one record. 0 and *length > 0; ERR_MORE, also when there is more to read but enough was read for
 * once; ERR_CLOSED at the end, or when it is broken.
 */
NODISCARD int tls_read(struct tls *tls, char *bytes, size_t size, size_t *length);
/*
 * 0 and how many of `bytes` were taken, 0 when the socket takes none now: then the next call brings
 * the same bytes again, or more behind them. ERR_CLOSED.
 */
NODISCARD int tls_write(struct tls *tls, struct str bytes, size_t *taken);
/* Says that nothing more will be written (close_notify), if the socket takes it. */
void tls_finish(struct tls *tls);

#endif
