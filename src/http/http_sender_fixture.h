/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For tests of the sender: a loop with a sender on it, and a receiver in a thread of its own that
 * answers by a table and behaves as badly as its rows say.
 */
#ifndef ORDERWIRE_HTTP_HTTP_SENDER_FIXTURE_H
#define ORDERWIRE_HTTP_HTTP_SENDER_FIXTURE_H

#include "http/http_sender.h"

#define PATIENCE 10000 /* ms, after which a test fails */
#define SHORT 40       /* ms of a deadline that a test waits for */

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

struct receiver *receiver_start(const struct receiver_row *rows, size_t count);
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

/* What a result said, kept after the call of `done`. */
struct outcome {
    int calls;
    struct http_sender_result result; /* headers and body point into `kept` */
    struct buf kept;
};

struct world {
    struct loop *loop;
    struct http_sender *sender;
};

struct world *world_new(int connections_max);
void world_free(struct world **world);

/* For `done`, with a struct outcome as its argument; stops the loop. */
void world_keep_outcome(void *outcome, const struct http_sender_result *result);
/* Runs the loop until `outcome` has come. */
void world_await(struct world *world, struct outcome *outcome);
/* Runs the loop until `condition` holds. */
void world_run_until(struct world *world, bool (*condition)(void *argument), void *argument);
/* Sends and awaits. */
void world_call(struct world *world, const struct http_sender_request *request,
                struct outcome *outcome);
void outcome_fini(struct outcome *outcome);

/* 127.0.0.0/8 and ::1. */
extern const struct address_network loopback[2];

#endif
