/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of http/ share. The head and the body are parsed without I/O. */
#ifndef ORDERWIRE_HTTP_HTTP_INTERNAL_H
#define ORDERWIRE_HTTP_HTTP_INTERNAL_H

#include "base/limits.h"
#include "http/http_server.h"
#include "loop/loop.h"

/* Collects the head of a request, up to the empty line, and refuses line ends but CR LF. */
struct http_head_reader {
    struct buf text;
    size_t line_start;
    size_t fields_start; /* 0 while the request line is coming */
    unsigned lines;
    bool skipped_empty_line;
};

void http_head_reader_init(struct http_head_reader *reader);
/* Forgets the head, keeps the memory. */
void http_head_reader_reset(struct http_head_reader *reader);
/*
 * Takes bytes from the front of `*input`. API_ERROR_NONE and *complete when `text` holds the head;
 * else an error with a sentence in `*detail`. `fields_max`: bytes of its lines after the first,
 * LIMIT_HTTP_HEADERS at most.
 */
enum api_error http_head_read(struct http_head_reader *reader, size_t fields_max, struct str *input,
                              bool *complete, const char **detail);

/* A head that was understood; views into its text. */
struct http_head {
    struct str method;
    struct str target;
    struct str fields; /* the lines after the first */
    uint64_t content_length;
    bool chunked;
    bool keep_alive;
    bool http_1_0;
    bool expects_continue;
};

/* `head` ends with an empty line. API_ERROR_NONE, or an error with a sentence in `*detail`. */
enum api_error http_head_parse(struct str head, struct http_head *out, const char **detail);
/* The next field of `*fields`, its value trimmed; false after the last. */
bool http_head_next_field(struct str *fields, struct str *name, struct str *value);
/* The next one with this name, in any case; false, and `*value` as before, after the last. */
bool http_head_find_field(struct str *fields, struct str wanted, struct str *value);

/* The body of one request, of a known length or chunked (RFC 9112 section 7.1). */
struct http_body {
    struct buf data;
    uint64_t left;     /* bytes still to come, of the body or of the present chunk */
    uint64_t overhead; /* bytes of chunk sizes, extensions and trailers so far */
    unsigned state;
};

void http_body_init(struct http_body *body);
/* Releases the data; then as after http_body_init. */
void http_body_fini(struct http_body *body);
/* BODY_TOO_LARGE when the announced length passes `max`. */
enum api_error http_body_begin(struct http_body *body, const struct http_head *head, size_t max);
bool http_body_is_complete(const struct http_body *body);
/* Takes bytes from the front of `*input`. */
enum api_error http_body_read(struct http_body *body, struct str *input);

struct http_match {
    const struct http_route *route;     /* NULL: none, or none with this method */
    void *context;                      /* of the table of `route`, else of `other` */
    const struct http_route *other;     /* with this path and HTTP_ROUTE_CORS, for preflights */
    unsigned flags;                     /* of the route, or of all routes with this path */
    struct str params[HTTP_PARAMS_MAX]; /* of `route`, else of `other`; not decoded */
    char allow[64];                     /* methods of this path; empty when there is no such path */
};

/* Among the routes that have all of these flags. */
void http_router_find(const struct http_route_table *tables, unsigned flags, struct str method,
                      struct str path, struct http_match *match);

struct http_server {
    struct loop *loop;
    struct http_route_table *tables; /* ended by NULL routes */
    const struct http_options *options;
    struct list connections;
    size_t count;
    bool draining;
    struct quota *quota;                 /* NULL: no limits */
    int64_t complained_mono;             /* of refused connections */
    const struct forwarded_trust *trust; /* NULL: no proxy is believed */
    struct buf scratch;                  /* the answer being written */
    int64_t date_second;
    char date[32];
};

enum http_phase {
    HTTP_PHASE_HEAD,    /* the head is awaited or coming */
    HTTP_PHASE_BODY,    /* the body is coming */
    HTTP_PHASE_HANDLER, /* the handler has the request */
    HTTP_PHASE_FLUSH,   /* the peer has not yet taken all of the answer */
    HTTP_PHASE_CLOSING, /* the last answer was given */
    HTTP_PHASE_OVER,    /* the stream is gone or given away; to be freed */
};

struct http_connection {
    struct list node; /* in the server's list */
    struct http_server *server;
    struct stream *stream; /* NULL when the client is gone */
    struct address client; /* of the present request */
    enum http_phase phase;
    int64_t redirect_port; /* 0: it serves routes */
    unsigned route_flags;  /* of the routes that this port serves */
    bool proceeding;       /* one of our frames below will settle */
    bool deferred;         /* `later` waits in the loop */
    bool unread_body;      /* a body was announced that nobody will read */
    bool origin_listed;    /* what check_origin said of the present request */
    bool origin_refused;   /* no page may read the answer */
    struct http_head_reader reader;
    struct http_head head;
    struct http_body body;
    struct http_match match;
    struct http_request request;
    struct buf decoded; /* of params */
    struct buf joined;  /* lines of those fields that came in several, as they were asked for */
    struct str input;   /* received and not taken; valid while `proceeding` */
    struct buf rest;    /* kept until the present request is answered */
    size_t reserved;    /* bytes of the quota's stock for the present body and answer */
    struct loop_timer timer;
    struct loop_message later;
    int64_t deadline_mono; /* of the phase; 0: none */
    int64_t armed_mono;    /* what the timer is set to; 0: not set */
    int64_t started_mono;  /* when the head was complete */
    char transaction[17];  /* names the request in an error answer and in the log; "" until then */
    char caller[32];       /* for the record of actions; "" until it is known */
    char object[64];
    void (*aborted)(void *argument);
    void *aborted_argument;
};

void http_connection_start(struct http_server *server, int descriptor, const struct address *peer,
                           const struct http_port *port);
/* The stream is gone: the handler hears it, or the connection ends. */
void http_connection_lost(struct http_connection *connection);
/* Ends it now if it waits for a request, otherwise after the present one. */
void http_connection_drain(struct http_connection *connection);
/* The present request has its answer, of which all that could be was written. */
void http_connection_answered(struct http_connection *connection, bool keep_alive);

/*
 * Room for a body or an answer of this many bytes; once answered, for what the peer has not yet taken.
 * False when all connections together hold too much.
 */
NODISCARD bool http_connection_reserve(struct http_connection *connection, uint64_t bytes);

/* Counts the connection until its stream ends. ERR_BUSY: there are too many. */
NODISCARD int http_limits_count(struct http_connection *connection, const struct http_port *port);
/* Tells the log, now and then, that connections are refused. */
void http_limits_complain(struct http_server *server, const struct address *peer);
/* One more request of its client, to the route that was found; or the error that refuses it. */
enum api_error http_limits_take(const struct http_connection *connection);

/* The answer to a request that no handler gets; closes when it cannot be followed by another. */
void http_answer_error(struct http_connection *connection, enum api_error error,
                       const char *detail);
void http_answer_preflight(struct http_connection *connection);

/* The answer to every request of a port that leads to https alone. */
void http_redirect(struct http_connection *connection);
/*
 * Appends "https://HOST[:port]/path?query" for a Host field; the port is left out when it is 443.
 * ERR_INVALID, and nothing appended, when the field is no host's name or address with or without a
 * port, or a byte of the target could not stand in a header line.
 */
NODISCARD int http_redirect_location(struct str host_field, int64_t port, struct str path,
                                     struct str query, struct buf *out);

#endif
