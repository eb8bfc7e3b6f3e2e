/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For tests of the server: it has one end of a socket pair, a client the other, and both live in one
 * loop. The client sends as fast or as slowly as a test wants and reads whole answers. A test
 * that waits for too long fails.
 */
#ifndef ORDERWIRE_HTTP_HTTP_FIXTURE_H
#define ORDERWIRE_HTTP_HTTP_FIXTURE_H

#include "base/buf.h"
#include "http/http_server.h"
#include "loop/loop.h"

#define HOST "Host: a\r\n"
#define BIG (3 * 1024 * 1024) /* bytes of the answer of /big */
#define SHORT 20              /* ms of a timeout that a test waits for */

struct client {
    int fd; /* -1: not connected */
    struct loop_watch *watch;
    struct str to_send;
    size_t step;  /* bytes a write; 0: all */
    bool reading; /* takes what comes */
    bool eof;
    struct buf got;
};

struct world {
    struct loop *loop;
    struct http_server *server;
    struct http_options options;
    struct address peer; /* of the client: 192.0.2.7 */
    struct client client;
    struct loop_timer guard;
    struct http_request *held;
    int handled, aborts;
    struct stream *upgraded;
    struct buf upgraded_bytes;
    int upgraded_closes;
};

/* The one of the test that runs. Routes: see http_fixture.c. */
extern struct world *world;

int world_set_up(void **state);
int world_tear_down(void **state);
/* Lets everything happen that is already due. */
void world_run_dry(void);
void world_run_for(int64_t duration);
/* Until a request for /hold has come, which is then `held`. */
void world_wait_until_held(void);
/* Until the server has no connection any more. */
void world_wait_until_empty(void);
/* Answers as text/plain, and counts in `handled`. */
void world_answer(struct http_request *request, int status, struct str text);
/* What the handler of /upgrade does: the stream becomes `upgraded`. */
void world_upgrade(struct http_request *request);

/* Hangs up and connects anew. */
void client_dial(void);
void client_hang_up(void);
/* `text` lives until it is sent, `step` bytes at a time; 0: all at once. */
void client_say(struct str text, size_t step);
void client_say_text(const char *text);
/* The status of the next answer, which becomes `last_reply`; 0 when the connection has ended. */
int client_take_reply(bool to_head);
/* Says `text` and takes the answer. */
int client_ask(const char *text);
void client_assert_ended(void);

/* One answer; its texts end with NUL. */
struct reply {
    int status; /* 0: the connection ended instead */
    struct str head, body;
    size_t length;
};

extern struct reply last_reply;

bool reply_has_line(const char *line);
bool reply_has_field(const char *name);
bool reply_body_has(const char *text);
void reply_assert_body(const char *text);

#endif
