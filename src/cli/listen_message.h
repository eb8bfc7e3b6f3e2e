/* SPDX-License-Identifier: Apache-2.0 */
/* One message of the stream of webhooks: {"id","type","headers":{…},"body":"…"}. Pure. */
#ifndef ORDERWIRE_CLI_LISTEN_MESSAGE_H
#define ORDERWIRE_CLI_LISTEN_MESSAGE_H

#include "codec/json.h"

#define LISTEN_HEADERS_MAX 16

struct listen_message {
    struct json *document; /* owns the texts below but `status` */
    struct json *content;  /* the body parsed; NULL when it is not JSON; owns `status` */
    struct str id;
    struct str type;
    struct str body;
    int64_t order_id;                    /* 0: it is about no order */
    struct str status;                   /* empty: it is about no order */
    char *lines[LISTEN_HEADERS_MAX + 1]; /* "Name: value", ended by NULL */
};

/*
 * False when a member is missing or of another kind, or a header could not be sent as it is. On
 * success the caller calls listen_message_fini.
 */
NODISCARD bool listen_message_read(struct str text, struct listen_message *message);
void listen_message_fini(struct listen_message *message);

/* How the local receiver answered. */
struct listen_answer {
    int64_t at; /* wall ms, when it was sent on */
    int64_t duration_us;
    int status;        /* HTTP; 0 without an answer */
    const char *error; /* words, when there is no answer */
};

/* Appends a line for people, or a JSON object with its line end. */
void listen_message_describe(const struct listen_message *message,
                             const struct listen_answer *answer, bool as_json, struct buf *out);

#endif
