/* SPDX-License-Identifier: Apache-2.0 */
/* For tests of streams: a stream on one end of a socket pair, the test on the other. */
#ifndef ORDERWIRE_NET_STREAM_FIXTURE_H
#define ORDERWIRE_NET_STREAM_FIXTURE_H

#include "base/buf.h"
#include "net/stream.h"

#define OUTPUT_MAX (4 * 1024 * 1024)
/* Milliseconds until a test that waits for something fails. */
#define PATIENCE 5000

static const struct address somebody = {{[10] = 0xff, 0xff, 192, 0, 2, 1}};

struct world {
    struct loop *loop;
    struct stream *stream;
    int peer;
    struct buf received;
    int receptions, drains, closes; /* the loop stops after each */
    bool in_call;                   /* the test is inside a function of the stream */
    void (*on_received)(struct world *world);
    struct loop_timer guard;
    int64_t connections_before;
};

/* They write down what happens in the world that is their owner. */
extern const struct stream_handlers world_handlers;

/* Set-up of a test, with a world as its state; a tear-down that checks that nothing is left. */
int set_up(void **state);
int tear_down(void **state);
/* Another pair of sockets of this type instead. */
void use_sockets(struct world *world, int type);

/* Runs the loop until the counter has the value. */
void run_until(struct world *world, const int *counter, int value);

/* As those of the stream; no handler may run inside. */
NODISCARD int write_checked(struct world *world, struct str bytes);
void close_checked(struct world *world, int64_t deadline_mono);

void send_text(struct world *world, const char *text);
/* Everything the peer can read now; true at the end of the stream. */
bool read_peer(struct world *world, struct buf *out);
/* For the caller to free. */
struct str make_pattern(size_t length);

#endif
