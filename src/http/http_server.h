/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server side of HTTP/1.1 (and 1.0), on llhttp in strict mode, which no other folder sees.
 * One server per worker. Requests of one connection are handled one after another; while one
 * is being answered its connection is not read, so a peer cannot pile work up.
 *
 * http_server.c      connections accepted, deadlines, draining
 * http_connection.c  requests of one connection, one after another
 * http_head.c        the head of a request, and what is refused in it
 * http_body.c        the body of a request, chunks decoded
 * http_router.c      which route a path belongs to
 * http_redirect.c    from http to https
 * http_limits.c      what one address, and all of them together, may take
 * http_answer.c      answers to bytes: common fields, CORS, errors, streams given away
 */
#ifndef ORDERWIRE_HTTP_HTTP_SERVER_H
#define ORDERWIRE_HTTP_HTTP_SERVER_H

#include "base/buf.h"
#include "codec/api_error.h"
#include "codec/forwarded.h"

/* Opaque types. */
struct http_connection;
struct http_server;
struct loop;
struct quota;
struct stream;
struct tls_settings;

#define HTTP_PARAMS_MAX 4

/* One request. Its views live until http_respond returns. */
struct http_request {
    const char *method; /* "GET"; a HEAD request is handled as GET and its answer has no body */
    struct str path;    /* as sent, without the query */
    struct str query;   /* as sent, without '?'; it may hold secrets: never log it */
    struct str body;
    struct str params[HTTP_PARAMS_MAX]; /* what stood for {…} in the route, percent-decoded */
    void *context;                      /* of the route's table */
    const struct http_route *route;
    struct http_connection *connection;
};

/*
 * Must lead to exactly one http_respond, http_respond_error, http_upgrade or http_take_over for the
 * request, now or later, even when the client has gone meanwhile (the answer is then dropped).
 */
typedef void http_handler_fn(struct http_request *request);

enum {
    /* Browsers of any origin may use it: answers preflights, adds the CORS headers to each answer. */
    HTTP_ROUTE_CORS = 1,
    /* Also answered while the server drains. */
    HTTP_ROUTE_WHILE_DRAINING = 2,
    /* For the buyers' side: served also where the rest is not. */
    HTTP_ROUTE_PUBLIC = 4,
    /* Begins a realtime connection: counted by limits of its own. */
    HTTP_ROUTE_HANDSHAKE = 8,
};

/*
 * Who gets more than a refusal. The handler asks; this is what it is held against, and what
 * `orderwire routes` lists. A route that does not say it is not served.
 */
enum http_access {
    HTTP_ACCESS_UNSAID,
    HTTP_ANYONE,
    HTTP_USER,     /* a user's token, in the request or in the connect command */
    HTTP_MERCHANT, /* a key of the project, or the admin key */
    HTTP_ADMIN,    /* the admin key */
};

/* As a route's body_max: what the options say. */
#define HTTP_BODY SIZE_MAX
#define HTTP_BATCH_BODY (SIZE_MAX - 1)

struct http_route {
    const char *method;  /* "GET", "POST", "PATCH", "DELETE" */
    const char *pattern; /* "/server/v1/project/{project}/orders/{order}"; {…} is one segment */
    enum http_access access;
    http_handler_fn *handle;
    size_t
        body_max; /* or HTTP_BODY, HTTP_BATCH_BODY; 0: a request with a body is refused with 413 */
    unsigned flags;
    /*
     * Asked when the head is there, so that a stranger cannot send a large body; an error answers
     * the request. NULL: nobody is asked.
     */
    enum api_error (*admit)(struct http_request *request);
    /* "key.create": the record of actions gets a line for each answer to a known caller. NULL: none. */
    const char *audit;
    /*
     * Of a route with HTTP_ROUTE_CORS: asked about the Origin field of a request or of its preflight,
     * before `admit`; an error answers it, and no page can read the answer. With `*is_listed` the
     * answers name this origin rather than any. NULL: any origin.
     */
    enum api_error (*check_origin)(struct http_request *request, struct str origin,
                                   bool *is_listed);
};

struct http_options {
    int64_t header_timeout; /* ms from the first byte of a request to the end of its headers */
    int64_t body_timeout;   /* ms from the end of the headers to the end of the body */
    int64_t idle_timeout;   /* ms that a connection may wait between requests */
    /* Of the process; 0: no limit. Rates are a second, in the long run. */
    int64_t connections;
    int64_t connections_per_address;
    int64_t handshakes;             /* of HTTP_ROUTE_HANDSHAKE; as many of TLS */
    int64_t handshakes_per_address; /* the same */
    int64_t requests_per_address;   /* of HTTP_ROUTE_CORS and preflights, but for handshakes */
    int64_t header_bytes;           /* all header lines of a request; LIMIT_HTTP_HEADERS at most */
    int64_t body_bytes;             /* of HTTP_BODY; LIMIT_HTTP_BODY at most */
    int64_t batch_bytes;            /* of HTTP_BATCH_BODY; LIMIT_HTTP_BATCH_BODY at most */
};

/* The routes of one folder, ended by a NULL pattern, and what their handlers get as `context`. */
struct http_route_table {
    const struct http_route *routes;
    void *context;
};

/*
 * `tables` ends with NULL routes. Routes and options outlive the server; the tables are copied.
 * Options are read at each use, so a reload takes effect at once.
 */
struct http_server *http_server_new(struct loop *loop, const struct http_route_table *tables,
                                    const struct http_options *options);
/* Before the first connection; it outlives the server. Without it nothing is limited. */
void http_server_use_quota(struct http_server *server, struct quota *quota);
/* Before the first connection; it outlives the server, and may change. Without it no proxy is believed. */
void http_server_trust_proxies(struct http_server *server, const struct forwarded_trust *trust);
/* All connections have ended. */
void http_server_free(struct http_server **server);

/* What the address that a connection came to is for. */
struct http_port {
    int64_t redirect_port;    /* not 0: each answer leads to https there (443: not written) */
    struct tls_settings *tls; /* what connections are encrypted by; NULL: nothing */
    bool public_alone;        /* routes without HTTP_ROUTE_PUBLIC are not there */
    bool proxy_protocol;      /* only from trusted proxies, and beginning with its header */
};

/* Takes an accepted descriptor over. */
void http_server_accept(struct http_server *server, int descriptor, const struct address *peer,
                        const struct http_port *port);
/*
 * From now on idle connections are closed, new requests get 503 (SHUTTING_DOWN) and each answer
 * closes its connection.
 */
void http_server_drain(struct http_server *server);
/* Ends all connections at once; requests without an answer hear it through http_request_on_abort. */
void http_server_abort(struct http_server *server);
/* Connections that are still HTTP; upgraded ones do not count. */
size_t http_server_connections(const struct http_server *server);

/*
 * The value of a field (case-insensitive name), trimmed; empty when absent. One that came in several
 * is joined by ", ": a list may be spread like that, and what is none does not make sense any more.
 */
struct str http_request_header(const struct http_request *request, const char *name);
/* False when the field is absent: an empty field is present. */
bool http_request_has_header(const struct http_request *request, const char *name);
/*
 * The client's address: who a limit is for, and whom the record of actions names. It is the peer of
 * the connection; behind a trusted proxy, whom the proxy names, so that it differs from request to
 * request (codec/forwarded.h). address_unix when all that is known is a Unix socket. It lives as
 * long as the request, also when the client has gone.
 */
const struct address *http_request_address(const struct http_request *request);
/* The server drains: a held request should be answered. */
bool http_request_is_draining(const struct http_request *request);

/*
 * Calls `aborted` once if the client goes away before the answer, so that a held request can be let
 * go. It still has to be answered. A NULL `aborted` takes the wish back.
 */
void http_request_on_abort(struct http_request *request, void (*aborted)(void *argument),
                           void *argument);

/* For the record of actions: who makes the request, and what it is about beside its path. Copied, cut. */
void http_request_set_caller(struct http_request *request, const char *caller);
void http_request_set_object(struct http_request *request, struct str object);

struct http_answer {
    int status;
    const char *content_type; /* NULL: "application/json" */
    struct str body;
    /* More header lines, each "Name: value\r\n"; values are without control characters. */
    struct str headers;
};

/* The request is freed. The body is copied or sent before this returns. */
void http_respond(struct http_request *request, const struct http_answer *answer);
/*
 * The transactionId of error answers to this request, made when it is first asked for; the line of
 * the log about the request has it too.
 */
struct str http_request_transaction(struct http_request *request);
/* An error of codec/api_errors.def; `detail` may be NULL. Sends WWW-Authenticate, Retry-After where due. */
void http_respond_error(struct http_request *request, enum api_error error, const char *detail);
/* `body` is JSON. */
void http_respond_json(struct http_request *request, int status, struct str body);

/*
 * Answers 101 with `headers` (lines as above) and gives the connection's stream away. The request is
 * freed; the caller calls stream_set_owner at once. `early` gets bytes that came after the request
 * (to be freed by buf_fini). NULL when the client has gone, or has its answer: 426 unless the request
 * is a GET of HTTP/1.1 (RFC 6455 section 4.2.1), 503 while the server drains.
 */
struct stream *http_upgrade(struct http_request *request, struct str headers, struct buf *early);

/*
 * Begins an answer whose body lasts as long as the connection: sends a head with `headers` (lines as
 * above, Content-Type too) and gives the stream away, to be written to and closed by the caller, who
 * calls stream_set_owner at once. What the client has sent after the request is dropped. NULL when
 * the client has gone, or has its whole answer: to HEAD, or 503 while the server drains.
 */
struct stream *http_take_over(struct http_request *request, int status, struct str headers);

#endif
