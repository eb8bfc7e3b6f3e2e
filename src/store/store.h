/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is durable: projects, keys, orders, events, streams, idempotency answers. Callers see this
 * header; drivers see store_driver.h.
 *
 * A connection belongs to one thread. There is one writer; any number of readers see committed
 * state only. Every function but open, connect and backup returns 0 or:
 *   ERR_NOT_FOUND  no such row to look up, update or delete
 *   ERR_EXISTS     there is such a row already (inserts only)
 *   ERR_NO_SPACE   the disk is full
 *   ERR_IO         reading or writing failed
 *   ERR_CORRUPT    the database is damaged
 * After one of the last three inside a transaction the only legal call is store_rollback. They are
 * logged here, with the cause, once until a commit succeeds again.
 *
 * Texts given to a row callback, and texts in records filled by a look-up, live until the next
 * look-up on the same connection has returned: they may be its arguments. A row callback makes no
 * call on its connection.
 *
 * store.c           dispatch to the driver, and what all drivers share
 * store_webhooks.c  the same for store_webhooks.h
 * sqlite/           the embedded driver: connection, schema, writer, reader, backup
 * memory/           the fake, for tests of upper floors
 */
#ifndef ORDERWIRE_STORE_STORE_H
#define ORDERWIRE_STORE_STORE_H

#include "base/str.h"
#include "order/order.h"

#include <signal.h>

/* Opaque types. */
struct store;
struct store_connection;
struct store_driver;

extern const struct store_driver store_sqlite;
extern const struct store_driver store_memory;

struct store_options {
    const char *directory; /* the data directory; it exists */
    int64_t
        cache_bytes; /* of the database that the writer keeps in memory; 0: the driver's choice */
    int64_t history_max_age;    /* ms; older publications may be pruned */
    int64_t history_max_events; /* of one user; more than that may be pruned, oldest first */
    int64_t deliveries_max_age; /* ms; those finished longer ago may be pruned; 0: kept for ever */
};

#define STORE_ERROR_SIZE 256
#define STORE_EPOCH_LENGTH 8
#define STORE_TOKEN_KEY_SIZE 32

/* Drawn at random when the data directory is made, the epoch also when a backup is put in place. */
struct store_identity {
    char epoch[STORE_EPOCH_LENGTH + 1];      /* letters; the epoch of every stream */
    uint8_t token_key[STORE_TOKEN_KEY_SIZE]; /* signs payment tokens */
};

/*
 * Opens or creates the database, takes the directory's lock, and brings an older schema up to
 * date. ERR_EXISTS: another server has the directory. ERR_UNSUPPORTED: a newer version wrote it.
 * ERR_CORRUPT: it is damaged, or no database of ours; it is left as it is. ERR_IO, ERR_NO_SPACE.
 * Each with a sentence for the operator in `error`. `options` outlive the store.
 */
NODISCARD int store_open(const struct store_driver *driver, const struct store_options *options,
                         struct store **store, char error[STORE_ERROR_SIZE]);
/* All connections are closed before. */
void store_close(struct store **store);
const struct store_identity *store_identity(const struct store *store);

enum store_role { STORE_READER, STORE_WRITER };
NODISCARD int store_connect(struct store *store, enum store_role role,
                            struct store_connection **connection);
void store_disconnect(struct store_connection **connection);

/*
 * A transaction. On the writer it makes changes atomic and durable: store_commit returns 0 only
 * when they are on disk. On a reader it makes several look-ups see one state; it ends in the same way. Look-ups
 * outside of one are each their own.
 */
NODISCARD int store_begin(struct store_connection *connection);
NODISCARD int store_commit(struct store_connection *connection);
/* Also harmless outside of a transaction. After an I/O error it makes the connection usable again.
 */
void store_rollback(struct store_connection *connection);
/* One of both, as `result` is 0 or an error: that, or the commit's. */
NODISCARD int store_end(struct store_connection *connection, int result);

/*
 * Look-ups of a reader outside of a transaction share one from now on, until store_end_reading: one
 * each would cost two locks of a file. A look-up sees all that was committed before it nevertheless.
 * `began` is called at the first one after store_end_reading; its owner calls store_end_reading before the
 * thread waits again, because what was read cannot be cleared away meanwhile.
 */
void store_share_reading(struct store_connection *reader, void (*began)(void *argument),
                         void *argument);
void store_end_reading(struct store_connection *reader);

/* Projects and keys. */

struct store_project {
    int32_t project_id;
    int32_t merchant_id;
    struct str settings; /* JSON; its meaning is auth's */
    int64_t created_at;
};

NODISCARD int store_project_get(struct store_connection *connection, int32_t project_id,
                                struct store_project *project);
/* Inserts or replaces. */
NODISCARD int store_project_put(struct store_connection *writer,
                                const struct store_project *project);
/* By rising id, those after `after`, at most `limit`. */
NODISCARD int store_project_list(struct store_connection *connection, int32_t after, int limit,
                                 void (*row)(void *argument, const struct store_project *project),
                                 void *argument);

#define STORE_KEY_HASH_SIZE 32
#define STORE_KEY_ID_LENGTH 12

struct store_key {
    char key_id[STORE_KEY_ID_LENGTH + 1]; /* public, random */
    int32_t merchant_id;
    int32_t project_id;                /* 0: all projects of the merchant */
    uint8_t hash[STORE_KEY_HASH_SIZE]; /* SHA-256 of the key */
    struct str label;
    int64_t created_at;
};

NODISCARD int store_key_put(struct store_connection *writer, const struct store_key *key);
/* The keys that open a project: its own, and its merchant's. By creation. */
NODISCARD int store_key_list(struct store_connection *connection, int32_t project_id,
                             int32_t merchant_id,
                             void (*row)(void *argument, const struct store_key *key),
                             void *argument);
NODISCARD int store_key_delete(struct store_connection *writer, const char *key_id);

/* Revocations: tokens that were made before a time are not accepted any more. */

/*
 * Of one user, or with an empty `user_external_id` of all users of the project. An earlier time than
 * the one that is there changes nothing.
 */
NODISCARD int store_revocation_put(struct store_connection *writer, int32_t project_id,
                                   struct str user_external_id, int64_t before);
/* The later of the user's and the project's; 0 when there is none. */
NODISCARD int store_revocation_get(struct store_connection *connection, int32_t project_id,
                                   struct str user_external_id, int64_t *before);
/* Whether the project has one, of whomever. */
NODISCARD int store_revocation_any(struct store_connection *connection, int32_t project_id,
                                   bool *any);

/* Users. A user's stream begins with the first order. */

struct store_user {
    int64_t user_id; /* ours, small */
    int32_t top;     /* offset of the last publication; 0 when there is none */
};

NODISCARD int store_user_get(struct store_connection *connection, int32_t project_id,
                             struct str user_external_id, struct store_user *user);
NODISCARD int store_user_add(struct store_connection *writer, int32_t project_id,
                             struct str user_external_id, struct store_user *user);

/* Orders. */

struct store_order {
    int32_t project_id;
    int32_t order_id;
    int64_t user_id;
    struct str user_external_id;
    int32_t user_top; /* of the user's stream, told by store_order_get; no part of the order */
    enum order_status status;
    int32_t seq;
    bool is_free;
    struct str content;           /* JSON; empty when none was given */
    struct str custom_parameters; /* JSON; empty when none */
    struct str cancel_reason;     /* empty when none */
    int64_t created_at;
    int64_t updated_at;
};

NODISCARD int store_order_get(struct store_connection *connection, int32_t project_id,
                              int32_t order_id, struct store_order *order);
/* `user_external_id` is not looked at: `user_id` counts. */
NODISCARD int store_order_insert(struct store_connection *writer, const struct store_order *order);
/* Everything but ids, user and created_at. */
NODISCARD int store_order_update(struct store_connection *writer, const struct store_order *order);
/*
 * The same for less: content and custom_parameters are not looked at and stay. A status that is final
 * stays final.
 */
NODISCARD int store_order_advance(struct store_connection *writer, const struct store_order *order);
/* One more than the highest order_id of the project, 1 for the first. ERR_NOT_FOUND: none is left.
 */
NODISCARD int store_order_next_id(struct store_connection *writer, int32_t project_id,
                                  int32_t *order_id);

struct store_order_filter {
    int32_t project_id;
    int32_t before;              /* only order ids below; 0: from the highest */
    struct str user_external_id; /* empty: all users */
    int status;                  /* -1: all */
    int64_t created_from;        /* 0: no bound */
    int64_t created_until;       /* exclusive; 0: no bound */
    int64_t updated_from;        /* 0: no bound */
    int limit;                   /* rows */
};

/*
 * By falling order_id. A call looks at 10,000 orders at most: `*next_before` is where the next
 * call goes on, 0 when nothing is left; a page may be short and still have a next one.
 */
NODISCARD int store_order_list(struct store_connection *connection,
                               const struct store_order_filter *filter,
                               void (*row)(void *argument, const struct store_order *order),
                               void *argument, int32_t *next_before);

/*
 * The orders of a user that are `new` or `paid`, by falling order_id, at most `limit`.
 */
NODISCARD int store_order_list_open(struct store_connection *connection, int64_t user_id, int limit,
                                    void (*row)(void *argument, int32_t order_id,
                                                enum order_status status),
                                    void *argument);

/* Events of an order, and the publications of a user's stream. */

struct store_event {
    int32_t seq;
    enum order_status status;
    enum order_status previous;
    bool synthetic;
    int32_t offset; /* in the user's stream; 0 when only content changed */
    int64_t occurred_at;
};

/*
 * Adds an event to an order, and unless `event->offset` is 0 to the user's stream, whose top
 * becomes `event->offset` (one more than before).
 */
NODISCARD int store_event_append(struct store_connection *writer, const struct store_order *order,
                                 const struct store_event *event);
/* By rising seq. */
NODISCARD int store_event_list(struct store_connection *connection, int32_t project_id,
                               int32_t order_id,
                               void (*row)(void *argument, const struct store_event *event),
                               void *argument);

struct store_publication {
    int32_t offset;
    int32_t order_id;
    enum order_status status;
    int64_t occurred_at;
};

/*
 * Publications with offsets in (after, before), rising, or falling when `reverse`; at most `limit`.
 * `before` 0 means no bound.
 */
NODISCARD int store_stream_read(struct store_connection *connection, int64_t user_id, int32_t after,
                                int32_t before, bool reverse, int limit,
                                void (*row)(void *argument,
                                            const struct store_publication *publication),
                                void *argument);

/* Answers kept for an Idempotency-Key. */

struct store_idempotency {
    int32_t project_id;
    struct str key;
    uint8_t request_hash[STORE_KEY_HASH_SIZE];
    struct str answer; /* opaque */
    int64_t expires_at;
};

NODISCARD int store_idempotency_get(struct store_connection *connection, int32_t project_id,
                                    struct str key, struct store_idempotency *record);
/* Inserts or replaces. */
NODISCARD int store_idempotency_put(struct store_connection *writer,
                                    const struct store_idempotency *record);

/*
 * One small step of clearing what is out of its time: looks at about `rows` rows of each kind, going
 * round from call to call. Deletes publications beyond the history options, expired idempotency
 * answers, finished deliveries (with their attempts) and replays beyond deliveries_max_age; makes
 * deliveries of deleted endpoints DEAD. `*deleted` counts the rows of all of them.
 */
NODISCARD int store_prune(struct store_connection *writer, int64_t now_wall, int rows,
                          int *deleted);

/*
 * Copies the database of a directory, in use or not, to a new file as of one moment. Each time that
 * it is put in place it gets another epoch: what clients saw after that moment is not in it.
 * ERR_EXISTS when the file is there already, ERR_NOT_FOUND when there is no database, ERR_CLOSED soon
 * after `*stop` is no longer 0; NULL: it is not to be stopped. Each failure with a sentence in
 * `error`, and then there is no new file.
 */
NODISCARD int store_backup(const struct store_driver *driver, const char *directory,
                           const char *destination, const volatile sig_atomic_t *stop,
                           char error[STORE_ERROR_SIZE]);

#endif
