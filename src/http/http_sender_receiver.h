/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For tests of the sender: a receiver in a thread of its own that answers by a table and behaves
 * as badly as its rows say.
 */
#ifndef ORDERWIRE_HTTP_HTTP_SENDER_RECEIVER_H
#define ORDERWIRE_HTTP_HTTP_SENDER_RECEIVER_H

#include "base/str.h"

enum receiver_then {
    THEN_KEEP,   /* wait for the next request */
    THEN_CLOSE,  /* close */
    THEN_RESET,  /* close with a reset */
    THEN_HANG,   /* read and say no more */
    THEN_PIECES, /* the answer goes out a byte at a time; then as THEN_KEEP */
    THEN_DRIP,   /* `more` a byte each millisecond, for ever */
    THEN_FLOOD,  /* `more` as fast as it is taken, for ever */
    THEN_JUNK,   /* `more` once, a little later; then as THEN_KEEP */
    THEN_LEAVE,  /* close, a little later */
};

struct receiver_row {
    const char *path;
    struct str answer;
    enum receiver_then then;
    struct str more;
};

struct receiver;

/* On 127.0.0.1 and, where the system has it, ::1. */
struct receiver *receiver_start(const struct receiver_row *rows, size_t count);
/* On ::1 alone; NULL where the system has none. */
struct receiver *receiver_start_ipv6(const struct receiver_row *rows, size_t count);
void receiver_stop(struct receiver **receiver);
int receiver_port(const struct receiver *receiver);
bool receiver_has_ipv6(const struct receiver *receiver);

struct receiver_counts {
    int accepted; /* connections */
    int requests; /* whole ones */
    int open;     /* connections now */
    int later;    /* THEN_JUNK and THEN_LEAVE done */
    int bytes;    /* of anything read */
};
struct receiver_counts receiver_counts(struct receiver *receiver);
void receiver_reset_counts(struct receiver *receiver);
/* The latest whole request, NUL-terminated; freed with mem_free. */
char *receiver_last_request(struct receiver *receiver);

#endif
