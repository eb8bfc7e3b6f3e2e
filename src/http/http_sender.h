/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests to servers that nobody vouches for, many at a time, on one loop: libcurl's multi
 * interface driven by loop descriptors and one timer. Connections are kept and reused.
 *
 * Safe to point at the internet: http and https only, no redirects, no proxy of the environment, no
 * cookies, no credentials from files; the address is checked when the socket is made, after the
 * name was resolved, and again when a kept connection is reused; one deadline over everything;
 * bytes of headers and body counted, 1xx answers too; nothing is decompressed; TLS 1.2 and above,
 * verified. A request goes out once at most: what ended without an answer is not sent again.
 */
#ifndef ORDERWIRE_HTTP_HTTP_SENDER_H
#define ORDERWIRE_HTTP_HTTP_SENDER_H

#include "base/buf.h"
#include "codec/address.h"

/* Opaque types. */
struct http_sender;
struct http_sending;
struct loop;

struct http_sender_request {
    const char *url;
    const char *const *headers;            /* "Name: value" lines, ended by NULL */
    bool get;                              /* GET, without a body */
    struct str body;                       /* sent by POST */
    int64_t timeout;                       /* ms for name, connection, TLS, headers and body */
    const struct address_network *allowed; /* beside the public internet; may be NULL */
    size_t allowed_count;
    bool allowed_only; /* not the public internet either */
    size_t body_max;   /* bytes of the answer's body that are kept; 0: LIMIT_WEBHOOK_RESPONSE */
    struct str ca;     /* PEM; empty: the system's */
    struct str client_cert; /* PEM; empty: none */
    struct str client_key;  /* PEM */
};

enum http_sender_outcome {
    HTTP_SENDER_ANSWERED,
    HTTP_SENDER_BLOCKED,   /* every address is one that may not be called */
    HTTP_SENDER_NAME,      /* the name was not resolved */
    HTTP_SENDER_CONNECT,   /* no connection */
    HTTP_SENDER_TLS,       /* no handshake, or a certificate that is not good */
    HTTP_SENDER_TIMEOUT,   /* the deadline passed */
    HTTP_SENDER_BROKEN,    /* the connection ended before the answer was whole, or it was no HTTP */
    HTTP_SENDER_TOO_LARGE, /* too many bytes of headers */
};

struct http_sender_result {
    enum http_sender_outcome outcome;
    int status;         /* of the final answer; 0 unless ANSWERED */
    const char *error;  /* words for the record; "" when ANSWERED */
    struct str headers; /* of the final answer, "Name: value\r\n" lines: those that fit 4 KiB */
    struct str body;    /* its first bytes */
    bool body_is_whole; /* it had no more */
    char address[ADDRESS_TEXT_SIZE + 8]; /* host:port that it went to; "" when none */
    int64_t duration_us;
};

/* The value of a field in `headers`, empty when absent. */
struct str http_sender_header(const struct http_sender_result *result, const char *name);
/* Reads a date of a field (RFC 9110 section 5.6.7, all three forms), wall ms. False when it is none. */
NODISCARD bool http_sender_date(struct str text, int64_t *wall_ms);

/* NULL when libcurl refuses; logged. `connections_max` bounds kept and open connections. */
struct http_sender *http_sender_new(struct loop *loop, int connections_max);
/* Requests under way end without a call. */
void http_sender_free(struct http_sender **sender);

/*
 * Sends. Everything is copied but ca, client_cert and client_key, which outlive the call of `done`.
 * `done` comes once, later, on the loop's thread, and may send, but not free the sender; `result`
 * is valid during the call, and the sending is over: cancelling it does nothing. NULL when libcurl
 * refuses the request: `done` is then not called.
 */
struct http_sending *
http_sender_send(struct http_sender *sender, const struct http_sender_request *request,
                 void (*done)(void *argument, const struct http_sender_result *result),
                 void *argument);
/* No call of `done`; the connection is closed. NULLs the owner's pointer. */
void http_sender_cancel(struct http_sending **sending);

#endif
