/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store thread: group commit. What makes an update durable is a wait for the disk, the same for
 * one row as for a thousand, so all that has arrived while the last group was committed shares
 * the next wait. Events leave before answers, so that a worker has published what it acknowledges.
 */
#include "service/writer.h"

#include "auth/auth.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/fault.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "hub/hub.h"
#include "service/delivery.h"
#include "service/pokes.h"
#include "service/service.h"
#include "store/store.h"

#include <pthread.h>
#include <string.h>
#include <time.h>

enum {
    PRUNE_ROWS = 200,
    PRUNE_SOON = 20,            /* ms until the next step when one has found much to do */
    PRUNE_LATER = CLOCK_MINUTE, /* when one has failed on a damaged row */
    PROBE_INTERVAL = 1000,      /* ms at most between attempts to write while the store refuses */
    PROBE_SIZE = 64 * 1024,     /* as much as one order may need */
};

struct writer {
    struct store_connection *connection;
    struct hub_feed *const *feeds;
    int feed_count;
    struct auth_shared *auth;
    const struct service_options *options;
    struct webhook *webhook; /* NULL: nobody is poked */
    pthread_t thread;
    _Atomic bool is_ready;

    /* The thread's own. */
    struct hub_batch *batch; /* events of the group; NULL before the first */
    int64_t events;          /* of them, those of orders */
    bool projects_changed;
    struct delivery_targets *targets;
    struct pokes pokes;    /* of the group */
    int64_t maintain_mono; /* when the next step of clearing, or probe, is due */
    int begin_error;       /* what store_begin gave last */

    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t wake;
    struct list queue;
    size_t jobs; /* submitted and not sent back yet */
    size_t bytes;
    bool is_stopping;
};

static int64_t probe_interval(const struct writer *writer)
{
    int64_t interval = writer->options->prune_interval;
    return interval < PROBE_INTERVAL ? interval : PROBE_INTERVAL;
}

static void set_ready(struct writer *writer, int rc)
{
    bool was_ready = atomic_exchange(&writer->is_ready, rc == 0);
    metrics_set(METRIC_STORE_READY, rc == 0);
    if (was_ready && rc < 0) {
        log_error("the store refuses writes", LOG_TEXT("reason", err_text(rc)));
        writer->maintain_mono = clock_mono_ms() + probe_interval(writer);
    } else if (!was_ready && rc == 0) {
        log_info("the store accepts writes again");
    }
}

static int begin(struct writer *writer)
{
    writer->begin_error = store_begin(writer->connection);
    return writer->begin_error;
}

/*
 * After a failure, and while the store refuses, a write of no meaning finds out whether it was the store
 * or a damaged row, and when the store recovers: an answer for a project that cannot exist, expired already,
 * so that clearing takes it away.
 */
static void probe(struct writer *writer)
{
    char *zeros = mem_zalloc(PROBE_SIZE);
    struct store_idempotency record = {
        .project_id = 0,
        .key = STR_LIT("probe"),
        .answer = str_make(zeros, PROBE_SIZE),
    };
    int rc = begin(writer);
    if (rc == 0)
        rc = store_idempotency_put(writer->connection, &record);
    rc = store_end(writer->connection, rc);
    mem_free(zeros);
    set_ready(writer, rc);
}

/* `*failed` is the job that failed, NULL when it was none. */
static int run_jobs(struct writer *writer, const struct list *group, struct writer_job **failed)
{
    struct writer_transaction transaction = {
        .connection = writer->connection,
        .now_wall = clock_wall_ms(),
        .targets = writer->targets,
        .writer = writer,
    };
    /*
     * A store that mends itself before it begins may copy its whole log for that, each time: while it
     * fails, the probe alone tries, and jobs are refused at once.
     */
    int rc = writer->begin_error < 0 ? writer->begin_error : begin(writer);
    *failed = NULL;
    LIST_EACH (group, node) {
        struct writer_job *job = LIST_ENTRY(node, struct writer_job, node);
        if (rc < 0)
            break;
        rc = job->run(job, &transaction);
        if (rc < 0)
            *failed = job;
    }
    fault_point("writer_before_commit");
    rc = store_end(writer->connection, rc);
    if (rc < 0)
        delivery_targets_forget(writer->targets, 0);
    return rc;
}

/* What the group has changed becomes visible to the other threads: live connections first. */
static void announce(struct writer *writer)
{
    if (writer->projects_changed)
        atomic_fetch_add(&writer->auth->generation, 1);
    if (writer->batch != NULL) {
        metrics_add(METRIC_EVENTS, writer->events);
        for (int i = 0; i < writer->feed_count; i++)
            hub_feed_post(writer->feeds[i], writer->batch);
    }
    pokes_send(&writer->pokes, writer->webhook);
}

static void send_back(struct loop_message *message)
{
    struct writer_job *job = CONTAINER_OF(message, struct writer_job, message);
    job->done(job);
}

static void answer(struct writer *writer, struct list *group, int result)
{
    struct list *node;
    size_t jobs = 0;
    size_t bytes = 0;
    while ((node = list_pop(group)) != NULL) {
        struct writer_job *job = LIST_ENTRY(node, struct writer_job, node);
        jobs++;
        bytes += job->bytes;
        job->result = result;
        job->message.run = send_back;
        /* From here on the job is the worker's. */
        loop_post_always(job->loop, &job->message);
    }
    pthread_mutex_lock(&writer->lock);
    writer->jobs -= jobs;
    writer->bytes -= bytes;
    pthread_mutex_unlock(&writer->lock);
    metrics_add(METRIC_WRITER_QUEUE, -(int64_t)jobs);
}

/* What the group was to announce. */
static void forget(struct writer *writer)
{
    hub_batch_release(&writer->batch);
    writer->events = 0;
    writer->projects_changed = false;
    pokes_clear(&writer->pokes);
}

/*
 * One job fails where its own rows are damaged, say, and is sent again and again: it goes back alone, and
 * the others are run once more without it.
 */
static int run_others(struct writer *writer, struct list *group, struct writer_job *failed, int rc)
{
    struct list alone;
    list_init(&alone);
    list_append(&alone, &failed->node);
    metrics_add(METRIC_COMMIT_FAILURES, 1);
    forget(writer);
    answer(writer, &alone, rc);
    return run_jobs(writer, group, &failed);
}

static void run_group(struct writer *writer, struct list *group)
{
    int64_t start = clock_mono_us();
    struct writer_job *failed;
    int rc = run_jobs(writer, group, &failed);
    bool has_failed = rc < 0;
    if (failed != NULL) {
        list_remove(&failed->node);
        if (list_is_empty(group))
            list_append(group, &failed->node);
        else
            rc = run_others(writer, group, failed, rc);
    }
    metrics_add(rc == 0 ? METRIC_COMMITS : METRIC_COMMIT_FAILURES, 1);
    if (rc == 0) {
        fault_point("writer_after_commit");
        metrics_observe(METRIC_COMMIT_SECONDS, clock_mono_us() - start);
        announce(writer);
        fault_point("writer_before_answer");
    }
    if (has_failed && atomic_load(&writer->is_ready))
        probe(writer);
    else if (rc == 0 && !atomic_load(&writer->is_ready))
        writer->maintain_mono = 0; /* It may have written nothing: the probe finds out, now. */
    forget(writer);
    answer(writer, group, rc);
}

/* Returns when the next step is due. */
static int64_t prune(struct writer *writer, int64_t now_mono)
{
    int deleted = 0;
    int64_t interval = writer->options->prune_interval;
    int rc = begin(writer);
    if (rc == 0)
        rc = store_prune(writer->connection, clock_wall_ms(), PRUNE_ROWS, &deleted);
    rc = store_end(writer->connection, rc);
    if (rc < 0) {
        metrics_add(METRIC_COMMIT_FAILURES, 1);
        probe(writer);
        return now_mono + (atomic_load(&writer->is_ready) ? PRUNE_LATER : probe_interval(writer));
    }
    bool is_much = deleted >= PRUNE_ROWS / 2 && interval > PRUNE_SOON;
    return now_mono + (is_much ? PRUNE_SOON : interval);
}

static void maintain(struct writer *writer)
{
    int64_t now_mono = clock_mono_ms();
    if (now_mono < writer->maintain_mono)
        return;
    log_audit_sync();
    if (atomic_load(&writer->is_ready)) {
        writer->maintain_mono = prune(writer, now_mono);
    } else {
        probe(writer);
        writer->maintain_mono = now_mono + probe_interval(writer);
    }
}

static struct timespec deadline_of(int64_t mono)
{
    return (struct timespec){
        .tv_sec = mono / CLOCK_SECOND,
        .tv_nsec = mono % CLOCK_SECOND * 1000000,
    };
}

/* Waits for jobs or for the next step of maintenance. False when all is done and we stop. */
static bool take_group(struct writer *writer, struct list *group)
{
    struct timespec deadline = deadline_of(writer->maintain_mono);
    int waited = 0;
    pthread_mutex_lock(&writer->lock);
    while (list_is_empty(&writer->queue) && !writer->is_stopping && waited == 0)
        waited = pthread_cond_timedwait(&writer->wake, &writer->lock, &deadline);
    for (int i = 0; i < LIMIT_GROUP_JOBS && !list_is_empty(&writer->queue); i++)
        list_append(group, list_pop(&writer->queue));
    bool goes_on = !writer->is_stopping || !list_is_empty(group);
    pthread_mutex_unlock(&writer->lock);
    return goes_on;
}

static void *run_thread(void *argument)
{
    struct writer *writer = argument;
    struct list group;
    list_init(&group);
    metrics_set(METRIC_STORE_READY, 1);
    while (take_group(writer, &group)) {
        if (!list_is_empty(&group))
            run_group(writer, &group);
        maintain(writer);
    }
    return NULL;
}

static void init_lock(struct writer *writer)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&writer->wake, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&writer->lock, NULL);
}

static void writer_free(struct writer *writer)
{
    store_disconnect(&writer->connection);
    delivery_targets_free(&writer->targets);
    pokes_fini(&writer->pokes);
    pthread_cond_destroy(&writer->wake);
    pthread_mutex_destroy(&writer->lock);
    mem_free(writer);
}

struct writer *writer_start(struct store *store, struct hub_feed *const *feeds, int feed_count,
                            struct auth_shared *auth, const struct service_options *options)
{
    struct store_connection *connection = NULL;
    int rc = store_connect(store, STORE_WRITER, &connection);
    if (rc < 0) {
        log_error("no connection to write to the store", LOG_TEXT("reason", err_text(rc)));
        return NULL;
    }
    struct writer *writer = mem_zalloc(sizeof(*writer));
    writer->connection = connection;
    writer->feeds = feeds;
    writer->feed_count = feed_count;
    writer->auth = auth;
    writer->options = options;
    writer->targets = delivery_targets_new();
    writer->maintain_mono = clock_mono_ms() + options->prune_interval;
    atomic_init(&writer->is_ready, true);
    list_init(&writer->queue);
    init_lock(writer);
    int status = pthread_create(&writer->thread, NULL, run_thread, writer);
    if (status != 0) {
        log_error("no thread for the store", LOG_TEXT("reason", strerror(status)));
        writer_free(writer);
        return NULL;
    }
    return writer;
}

void writer_use_webhook(struct writer *writer, struct webhook *webhook)
{
    writer->webhook = webhook;
}

void writer_stop(struct writer **writer)
{
    if (*writer == NULL)
        return;
    pthread_mutex_lock(&(*writer)->lock);
    (*writer)->is_stopping = true;
    pthread_cond_signal(&(*writer)->wake);
    pthread_mutex_unlock(&(*writer)->lock);
    pthread_join((*writer)->thread, NULL);
    writer_free(*writer);
    *writer = NULL;
}

int writer_submit(struct writer *writer, struct writer_job *job)
{
    pthread_mutex_lock(&writer->lock);
    bool is_accepted =
        writer->jobs < LIMIT_WRITER_JOBS && writer->bytes + job->bytes <= LIMIT_WRITER_BYTES;
    if (is_accepted) {
        bool was_empty = list_is_empty(&writer->queue);
        list_append(&writer->queue, &job->node);
        writer->jobs++;
        writer->bytes += job->bytes;
        /* Only this thread's slot is touched, and before the job can be counted out. */
        metrics_add(METRIC_WRITER_QUEUE, 1);
        if (was_empty)
            pthread_cond_signal(&writer->wake);
    }
    pthread_mutex_unlock(&writer->lock);
    return is_accepted ? 0 : ERR_BUSY;
}

static void add_event(struct writer *writer, const struct hub_event *event)
{
    if (writer->batch == NULL)
        writer->batch = hub_batch_new();
    hub_batch_add(writer->batch, event);
}

void writer_publish(struct writer_transaction *transaction, const struct hub_event *event)
{
    add_event(transaction->writer, event);
    transaction->writer->events++;
}

void writer_revoke(struct writer_transaction *transaction, int32_t project_id,
                   struct str user_external_id, int64_t before)
{
    const struct hub_event event = {
        .project_id = project_id,
        .user_external_id = user_external_id,
        .revoked_before = before,
    };
    add_event(transaction->writer, &event);
}

void writer_project_changed(struct writer_transaction *transaction)
{
    transaction->writer->projects_changed = true;
}

void writer_poke(struct writer_transaction *transaction, int64_t endpoint_id)
{
    pokes_add(&transaction->writer->pokes, endpoint_id);
}

void writer_poke_replays(struct writer_transaction *transaction)
{
    pokes_add_replays(&transaction->writer->pokes);
}

bool writer_is_ready(const struct writer *writer)
{
    return atomic_load(&writer->is_ready);
}
