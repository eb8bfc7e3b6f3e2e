/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The load generator: drives one server through one scenario, checks all that comes back, and
 * prints one line of JSON. A server may be ours, a limit program, nginx with nchan, or one that
 * speaks the Centrifuge protocol.
 *
 * main.c              options, and the line that is printed
 * flow.c              when which unit is due, and what was measured meanwhile
 * orders.c            what user and order a unit is about, in each server's words
 * poster.c            posts units as requests and checks the answers
 * subscriber.c        a buyer's WebSocket
 * scenario_*.c        one each
 */
#ifndef ORDERWIRE_BENCH_LOAD_H
#define ORDERWIRE_BENCH_LOAD_H

#include "histogram.h"
#include "wire.h"

#include <time.h>

enum load_kind { LOAD_ORDERWIRE, LOAD_LIMIT, LOAD_NCHAN, LOAD_CENTRIFUGE };

/* Whole numbers of the command line; main.c has the list. */
struct load_options {
    const char *host;
    const char *kind_name;
    const char *key;     /* the project's API key, or the peer's */
    const char *secret;  /* signs users' tokens */
    const char *path;    /* of the WebSocket, or of what is polled */
    const char *publish; /* of a Centrifuge server's API */
    const char *etag;    /* poll: If-None-Match */
    const char *pids;  /* the server's processes, with commas: their time and memory are measured */
    const char *begin; /* shell commands, run when the measured time begins and when it ends */
    const char *end;
    enum load_kind kind;
    int64_t port;
    int64_t project;
    int64_t connections;
    int64_t users;
    int64_t first_user; /* user N is called user-(first + N * step) */
    int64_t user_step;
    int64_t first_order; /* lowest order_id */
    int64_t batch;       /* updates of one request */
    int64_t posters;     /* requests at once */
    int64_t rate;        /* units per second; 0: as fast as answers come */
    int64_t warm_up;     /* ms, not measured */
    int64_t duration;    /* ms */
    int64_t count;       /* units; 0: as many as fit */
    int64_t endpoints;
    int64_t hanging;
    int64_t prepared; /* the orders are there already */
};

struct load {
    struct load_options options;
    struct sockaddr_in address;
    struct wire_set wires;
    struct histogram latency;
    bool ignores_events; /* subscribers do not check them */
    /* What the measured time took. */
    int64_t units; /* a scenario may count others than the flow's */
    int64_t wall_ns;
    int64_t server_ns;
    int64_t own_ns;
    int64_t
        late_ns; /* p99 of how late units went out by the generator's own fault; of a rate only */
    int64_t memory; /* bytes, of the idle scenario */
};

/*
 * A flow of units. `send` sends unit `n`, due at `due`, or says false when it cannot go yet. The
 * flow is over when its time or count is, and `is_done`.
 */
struct flow {
    bool (*send)(void *owner, int64_t n, int64_t due);
    bool (*is_done)(void *owner);
    void *owner;
    int64_t rate, duration_ms, count; /* as in the options */
    int64_t sent;                     /* units of this flow and, before it runs, of earlier ones */
    bool measured;
};

/* Runs it; when `measured`, fills what load took. Ends the process when what was sent does not come back. */
void flow_run(struct load *load, struct flow *flow);
/* Warms up, then measures, both as the options say. Units go on counting. */
void flow_measure(struct load *load, struct flow *flow);
/* Handles input until `is_done`, at most `seconds`. */
void flow_wait(struct load *load, bool (*is_done)(void *owner), void *owner, int seconds,
               const char *what);
/* The next of a list of processes off its front; 0 at its end. */
int64_t flow_next_pid(struct str *pids);
/* The measured time begins and ends. */
void flow_begin(struct load *load);
void flow_end(struct load *load);

/* Unit `n` is update (n / users) of user (n % users): each order takes new, paid, done. */
int32_t orders_id(const struct load *load, int64_t user, int64_t update);
const char *orders_status(int64_t update);
/* Appends the request that posts units [first, first + batch); returns how many answers it has. */
int orders_request(const struct load *load, int64_t first, struct buf *out);
/* Appends a user's JWT. */
void orders_token(const struct load *load, int64_t user, struct buf *out);
void orders_user(const struct load *load, int64_t user, struct buf *out);
void orders_authorization(const struct load *load, struct buf *out);

/* Posts units as batches, several at once, never two of one user at once. */
struct poster;
struct poster *poster_new(struct load *load, void (*answered)(void *owner, int64_t due),
                          void *owner);
/* For a flow, whose unit is then a batch. */
bool poster_send(void *poster, int64_t batch, int64_t due);
bool poster_is_done(void *poster);
/* When a batch was due; of the last 65,536. */
int64_t poster_due(const struct poster *poster, int64_t batch);
/* Makes each user's first order, unless the server has no orders. Returns the number of batches. */
int64_t poster_prepare(struct load *load, struct poster *poster);

struct subscriber {
    struct wire wire;
    struct load *load;
    int64_t user;
    int64_t due; /* of opening it; the scenario's */
    enum { SUBSCRIBER_CLOSED, SUBSCRIBER_UPGRADING, SUBSCRIBER_CONNECTING, SUBSCRIBER_LIVE } state;
    int64_t first;  /* offset before the first event of this run: another server's streams go on */
    int64_t offset; /* of the last event, less `first` */
    int64_t pings;
    bool told; /* where its order stands */
    void (*live)(struct subscriber *subscriber);
    void (*latest)(struct subscriber *subscriber); /* it has been told where its order stands */
    /* The next event of its stream has come; others end the process. */
    void (*event)(struct subscriber *subscriber);
    /* The answer to a command has come. */
    void (*reply)(struct subscriber *subscriber, struct str text);
    void *owner;
};

void subscriber_send(struct subscriber *subscriber, struct str text);
/* `user`, `load` and the callbacks are set. */
void subscriber_open(struct subscriber *subscriber, int source);
/* One for each user, opened some at a time, and waits until all are live. */
struct subscriber *subscriber_open_all(struct load *load, void (*event)(struct subscriber *),
                                       void *owner);

struct scenario {
    const char *name;
    void (*run)(struct load *load);
};

void scenario_deliver(struct load *load);
void scenario_idle(struct load *load);
void scenario_connect(struct load *load);
void scenario_ingest(struct load *load);
void scenario_poll(struct load *load);
void scenario_list(struct load *load);
void scenario_history(struct load *load);
void scenario_webhook(struct load *load);
void scenario_receive(struct load *load);

#endif
