/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For tests of the sender: a loop with a sender on it, one receiver for all tests of a program, and
 * words for sending to it.
 */
#ifndef ORDERWIRE_HTTP_HTTP_SENDER_FIXTURE_H
#define ORDERWIRE_HTTP_HTTP_SENDER_FIXTURE_H

#include "http/http_sender.h"
#include "http/http_sender_receiver.h"

#define PATIENCE 10000 /* ms, after which a test fails */
#define SHORT 40       /* ms of a deadline that a test waits for */

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

/* Answers by the table in the .c, whatever path no row has as its first row. */
extern struct receiver *receiver;

/* For cmocka. A test's state is a struct world with room for 64 connections. */
int world_start_receiver(void **state);
int world_stop_receiver(void **state);
int world_set_up(void **state);
int world_tear_down(void **state);
#define WORLD_TEST(function)                                                                       \
    cmocka_unit_test_setup_teardown(function, world_set_up, world_tear_down)

/* To the receiver, or to a URL. */
struct call {
    const char *url; /* NULL: that of the receiver */
    const char *path;
    int64_t timeout; /* 0: PATIENCE */
    bool nothing_allowed;
};

/* Valid until the next call. */
struct http_sender_request call_request(const struct call *call);
/* Sends, awaits, and expects this; `body` NULL: any. */
void call_expect(struct world *world, const struct call *call, enum http_sender_outcome outcome,
                 int status, const char *body);
void call_expect_answer(struct world *world, const char *path, int status, const char *body);

#endif
