/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One request of the sender, seen by http_sender*.c only.
 *
 * http_sender.c          the loop's side: descriptors, the timer, beginning and end of a request
 * http_sender_request.c  what libcurl is told of a request, and what it gives back
 * http_sender_outcome.c  what became of it, in words
 */
#ifndef ORDERWIRE_HTTP_HTTP_SENDER_INTERNAL_H
#define ORDERWIRE_HTTP_HTTP_SENDER_INTERNAL_H

#include "base/list.h"
#include "http/http_sender.h"
#include "loop/loop.h"

#include <curl/curl.h>

struct http_sending {
    struct list node;  /* of the sender */
    struct list stuck; /* of the sender, while it needs a push */
    struct http_sender *sender;
    CURL *curl;
    struct loop_timer deadline;
    int64_t started_us;
    void (*done)(void *argument, const struct http_sender_result *result);
    void *argument;
    bool over; /* `done` runs */

    struct curl_slist *fields;
    struct buf identity; /* client certificate and key */
    struct address_network *allowed;
    size_t allowed_count;
    bool allowed_only;

    bool blocked; /* an address was refused */
    bool opened;  /* a socket was made */
    bool sent;    /* the request went out */
    bool again;   /* libcurl wanted to send it a second time */
    char address[ADDRESS_TEXT_SIZE + 8];

    struct buf headers;
    size_t header_length; /* of all answers */
    bool in_head;
    struct buf body;
    size_t body_length;
    bool cut; /* reading of the body was given up */
};

/* Gives `sending->curl` its options. False when libcurl refuses one. */
NODISCARD bool http_sender_request_set_up(struct http_sending *sending,
                                          const struct http_sender_request *request);
/* Frees what the set-up took, but not `curl`. */
void http_sender_request_clean_up(struct http_sending *sending);

/* For libcurl to close a connection. */
int http_sender_close_socket(void *sender, curl_socket_t fd);

/* While `sending->curl` still stands. */
void http_sender_outcome_describe(const struct http_sending *sending, CURLcode code,
                                  struct http_sender_result *result);

#endif
