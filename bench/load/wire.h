/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections of a load generator: bare sockets on one epoll, so that the generator costs less
 * than what it measures. One thread. Failures of the generator's own end the process (wire_fail).
 */
#ifndef ORDERWIRE_BENCH_WIRE_H
#define ORDERWIRE_BENCH_WIRE_H

#include "base/buf.h"

#include <netinet/in.h>

struct wire_set {
    int epoll;
    char *room; /* what is being read; one for all */
};

/* Embedded in what it is about; its owner never frees it while the set is in use. All zero: closed. */
struct wire {
    struct wire_set *set;
    int fd; /* valid while `open` */
    bool open;
    bool waits; /* for room to write, or for the connect */
    struct buf in;
    struct buf out;
    /* Bytes have come, those kept included: how many were used. The rest is kept. */
    size_t (*input)(struct wire *wire, struct str bytes);
    /* The peer has closed it, or it could not be opened; it is closed. */
    void (*ended)(struct wire *wire, const char *why);
    /* Of a listener: a connection has come. */
    void (*accepted)(struct wire *listener, int fd);
};

/* Prints the sentence and ends the process with 1: a figure that is not true must not be printed. */
void wire_fail(const char *format, ...) PRINTF_LIKE(1, 2) NORETURN;

int64_t wire_now(void); /* monotonic nanoseconds */
void wire_set_init(struct wire_set *set);
/* Handles what is ready, and waits for it until `until` at most. */
void wire_wait(struct wire_set *set, int64_t until);

/*
 * Begins to connect; `input` and `ended` are set before. `source` > 0 picks another address of the
 * loopback, since one has only 28,000 ports.
 */
void wire_open(struct wire *wire, struct wire_set *set, const struct sockaddr_in *address,
               int source);
/* Takes a descriptor that is open already. */
void wire_adopt(struct wire *wire, struct wire_set *set, int fd);
/* On a port of the system's choice, which is returned. */
int wire_listen(struct wire *wire, struct wire_set *set);
void wire_send(struct wire *wire, struct str bytes);
/* Gives back the buffers too. */
void wire_close(struct wire *wire);

/* An HTTP/1.1 answer or request off the front of `bytes`: false while it is not whole. */
struct wire_message {
    struct str head; /* first line and headers */
    struct str body;
    int status; /* of an answer */
};
bool wire_take_message(struct str *bytes, struct wire_message *message);
/* The value of a header; empty when there is none. */
struct str wire_header(struct str head, const char *name);

/* A frame of a WebSocket server: false while it is not whole. */
bool wire_take_frame(struct str *bytes, int *opcode, struct str *payload);
/* A client's frame, masked with zeros, so that masking costs nothing. */
void wire_put_frame(struct buf *out, int opcode, struct str payload);

#endif
