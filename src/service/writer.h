/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store thread. Workers submit jobs; it takes what has arrived, runs the jobs of a group in one
 * transaction, commits once, hands the events to the hubs of all workers, and then sends each
 * job back to the worker it came from. While it commits, the next group gathers: load makes
 * groups larger instead of commits more frequent.
 *
 * If the store fails (disk full, I/O error) the transaction is rolled back. Was it at one job, that one comes
 * back with the error and the others are run once more; else, or when that fails too, every job of the group
 * comes back. The thread goes on, and so does service when the store recovers: while it does not even begin,
 * jobs come back untried, and a probe, once a second, finds out.
 */
#ifndef ORDERWIRE_SERVICE_WRITER_H
#define ORDERWIRE_SERVICE_WRITER_H

#include "base/list.h"
#include "base/str.h"
#include "loop/loop.h"

/* Opaque types. */
struct auth_shared;
struct delivery_targets;
struct hub_event;
struct hub_feed;
struct service_options;
struct store;
struct store_connection;
struct webhook;
struct writer;

/* What a job works with. */
struct writer_transaction {
    struct store_connection *connection; /* inside a transaction; jobs neither begin nor commit */
    int64_t now_wall;                    /* the same for the whole group */
    struct delivery_targets *targets;
    struct writer *writer;
};

/* Embedded in the struct of a use case. */
struct writer_job {
    struct list node;
    struct loop_message message;
    struct loop *loop; /* set by the submitter: where `done` runs */
    size_t bytes;      /* set by the submitter: how much memory waits with it */
    int result;
    /*
     * On the store thread. Returns 0, also when the request is refused by the rules (it has then
     * written nothing); or the store's error, which may fail the whole group. It may be run again for
     * the same job after a failure of another job, so it begins by resetting what it fills.
     */
    int (*run)(struct writer_job *job, struct writer_transaction *transaction);
    /* On the loop's thread, once: job->result is 0 (committed) or the store's error. It frees the job. */
    void (*done)(struct writer_job *job);
};

/*
 * Starts the thread. `feeds` (one per worker) and the rest outlive it. NULL when the store gives no
 * writing connection or the system no thread; logged.
 */
struct writer *writer_start(struct store *store, struct hub_feed *const *feeds, int feed_count,
                            struct auth_shared *auth, const struct service_options *options);
/* Before the first job: who is poked. Without this call nobody is. `webhook` outlives the writer. */
void writer_use_webhook(struct writer *writer, struct webhook *webhook);
/* Runs what was submitted, ends the thread, frees. Nothing submits any more. */
void writer_stop(struct writer **writer);

/*
 * From any thread. ERR_BUSY when LIMIT_WRITER_JOBS or LIMIT_WRITER_BYTES wait already: the job is
 * then still the caller's and `done` is not called.
 */
NODISCARD int writer_submit(struct writer *writer, struct writer_job *job);

/* In a job: this event is to be handed out once the group is durable. It is copied. */
void writer_publish(struct writer_transaction *transaction, const struct hub_event *event);
/*
 * In a job: tokens of a user, or with an empty text of all users, that were made before a time end
 * with what they opened once the group is durable.
 */
void writer_revoke(struct writer_transaction *transaction, int32_t project_id,
                   struct str user_external_id, int64_t before);
/* In a job: a project or key changes; workers read it anew once the group is durable. */
void writer_project_changed(struct writer_transaction *transaction);

/* In a job: the webhook thread looks at this endpoint, or at replays, once the group is durable. */
void writer_poke(struct writer_transaction *transaction, int64_t endpoint_id);
void writer_poke_replays(struct writer_transaction *transaction);

/* From any thread: false once the store has refused a write and a probe after it, until a probe goes well. */
bool writer_is_ready(const struct writer *writer);

#endif
