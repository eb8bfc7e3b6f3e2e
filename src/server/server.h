/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The running server: opens the store, starts the threads, ends them in order. It knows all
 * modules and decides nothing itself.
 *
 * server.c         start, reload, stop
 * capacity.c       the worst case of memory that the limits allow
 * worker.c         one worker: its loop and everything that lives on it
 * admin_key.c      DATA/admin.key
 * secrets_key.c    DATA/secrets.key
 * key_file.c       how both are read and made
 * secrets_reseal.c what it sealed, when it is replaced
 * private_path.c   what others may not open
 * process.c        what the process may do
 * notify.c         what the service manager is told
 */
#ifndef ORDERWIRE_SERVER_SERVER_H
#define ORDERWIRE_SERVER_SERVER_H

#include "config/config.h"

/* Opaque types. */
struct server;

#define SERVER_ERROR_SIZE 500

struct server_extras {
    bool page;        /* serve the demo page */
    bool audit_alone; /* actions stand in the audit file and not in the log */
};

/* What it serves: route tables, ended by NULL. `orderwire demo` has its page beside them. */
extern const struct http_route *const server_routes[];

/* The addresses that it serves on. */
enum server_port {
    SERVER_LISTEN,   /* what buyers reach; all that there is when it is the only one */
    SERVER_PRIVATE,  /* everything, for merchants, the operator and monitoring */
    SERVER_REDIRECT, /* the way to https */
    SERVER_PORTS,
};

/*
 * Whether it may serve on `host_port` with these options: realtime.insecure_user wants a loopback
 * address. ERR_INVALID with a sentence.
 */
NODISCARD int server_check_address(const struct config *config, const char *host_port,
                                   char error[SERVER_ERROR_SIZE]);

/*
 * Starts serving. The directory config->data is made when it is not there. `config` outlives the
 * server. NULL with a sentence in `error`: nothing is left running.
 *
 * Threads inherit the caller's signal mask: the caller blocks what it waits for. The process is
 * confined for the rest of its life (server/process.h).
 */
struct server *server_start(const struct config *config, const struct server_extras *extras,
                            char error[SERVER_ERROR_SIZE]);

/* "http://127.0.0.1:8000", "https://[::1]:443", "unix:/run/orderwire.sock"; "" when there is none. */
const char *server_url(const struct server *server, enum server_port port);

/* `workers` of the configuration, or one a core. */
int server_worker_count(const struct config *config);

/*
 * Looks whether the files of certificates and keys are others by now, and lets new connections use
 * those. To be called every few seconds; files that cannot be used are said once, and change nothing.
 */
void server_renew_certificates(struct server *server);

/*
 * After many connections have ended, gives what they took back to the system. To be called every few
 * seconds.
 */
void server_give_back_memory(struct server *server, int64_t now_mono);

/*
 * Gives the reloadable options of `fresh` and the admin key as its file has it to all workers, lets
 * them read projects anew, and opens the audit file anew.
 */
void server_reload(struct server *server, const struct config *fresh);

/*
 * Ends it within `drain_time` ms and a little: new requests get 503, realtime sessions end with
 * 3001 spread over the time, held requests are answered, what was submitted is committed. Frees it.
 */
void server_stop(struct server **server, int64_t drain_time);

#endif
