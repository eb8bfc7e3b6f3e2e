/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store thread: groups, failures, and what comes before what. A job that waits for the test
 * holds the thread, so that what is submitted meanwhile becomes one group.
 */
#include "service/writer.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "service/service_fixture.h"
#include "store/store_driver.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#define PROJECT SERVICE_FIXTURE_PROJECT

struct world;

/* A job that writes an order, waits, or fails, as it is told. */
struct task {
    struct writer_job job;
    struct world *world;
    int32_t order_id; /* 0: writes nothing */
    int64_t occurred_at;
    int failure;
    bool waits;
    bool changes_project;
    uint64_t generation; /* when it was done */
    size_t heard;        /* events heard when it was done */
    size_t place;        /* among those done, from 1 */
};

struct world {
    struct service_fixture fixture;
    struct hub_subscriber subscriber; /* of user u1 */
    size_t heard;
    size_t done;
    size_t wanted; /* the loop ends when so many are done */
    int started;   /* event descriptors */
    int go;
};

static void signal_event(int event)
{
    eventfd_write(event, 1);
}

static void wait_event(int event)
{
    eventfd_t value;
    eventfd_read(event, &value);
}

static void on_event(struct hub_subscriber *subscriber, const struct hub_event *event)
{
    struct world *world = CONTAINER_OF(subscriber, struct world, subscriber);
    assert_int_equal(event->project_id, PROJECT);
    world->heard++;
}

static const struct hub_subscriber_ops ops = {.event = on_event};

static struct world *open_world(const struct store_driver *driver, const char *directory,
                                int64_t prune_interval)
{
    struct world *world = mem_zalloc(sizeof(*world));
    world->started = eventfd(0, EFD_CLOEXEC);
    world->go = eventfd(0, EFD_CLOEXEC);
    world->fixture.options.prune_interval = prune_interval;
    service_fixture_open(&world->fixture, driver, directory);
    hub_subscribe(world->fixture.service.hub, PROJECT, STR_LIT("u1"), &world->subscriber, &ops);
    return world;
}

static void close_world(struct world *world)
{
    hub_unsubscribe(world->fixture.service.hub, &world->subscriber);
    service_fixture_close(&world->fixture);
    close(world->started);
    close(world->go);
    mem_free(world);
}

static void wait_until_ready(const struct writer *writer)
{
    for (int i = 0; i < 5000 && !writer_is_ready(writer); i++)
        usleep(1000);
    assert_true(writer_is_ready(writer));
}

static int setup(void **state)
{
    *state = open_world(&store_memory, ".", 0);
    return 0;
}

static int teardown(void **state)
{
    close_world(*state);
    return 0;
}

static int write_order(struct task *task, struct writer_transaction *transaction)
{
    struct store_user user;
    struct store_order order = {.project_id = PROJECT, .order_id = task->order_id, .seq = 1};
    struct store_event event = {.seq = 1, .occurred_at = task->occurred_at};
    struct hub_event news = {.project_id = PROJECT, .order_id = task->order_id, .seq = 1};
    int rc = store_user_get(transaction->connection, PROJECT, STR_LIT("u1"), &user);
    if (rc == ERR_NOT_FOUND)
        rc = store_user_add(transaction->connection, PROJECT, STR_LIT("u1"), &user);
    order.user_id = user.user_id;
    event.offset = user.top + 1;
    news.offset = event.offset;
    news.user_external_id = STR_LIT("u1");
    if (rc == 0)
        rc = store_order_insert(transaction->connection, &order);
    if (rc == 0)
        rc = store_event_append(transaction->connection, &order, &event);
    writer_publish(transaction, &news);
    return rc;
}

static int run_task(struct writer_job *job, struct writer_transaction *transaction)
{
    struct task *task = CONTAINER_OF(job, struct task, job);
    if (task->waits) {
        signal_event(task->world->started);
        wait_event(task->world->go);
    }
    if (task->changes_project)
        writer_project_changed(transaction);
    int rc = task->order_id != 0 ? write_order(task, transaction) : 0;
    return rc < 0 ? rc : task->failure;
}

static void task_done(struct writer_job *job)
{
    struct task *task = CONTAINER_OF(job, struct task, job);
    struct world *world = task->world;
    task->place = ++world->done;
    task->heard = world->heard;
    task->generation = atomic_load(&world->fixture.shared.generation);
    if (world->done == world->wanted)
        loop_stop(world->fixture.service.loop);
}

static int submit(struct world *world, struct task *task)
{
    task->world = world;
    task->job.loop = world->fixture.service.loop;
    task->job.run = run_task;
    task->job.done = task_done;
    return writer_submit(world->fixture.service.writer, &task->job);
}

/* Submits a task that holds the thread, and returns once it does. */
static void hold(struct world *world, struct task *holder)
{
    *holder = (struct task){.waits = true};
    assert_int_equal(submit(world, holder), 0);
    wait_event(world->started);
}

static void run_until(struct world *world, size_t done)
{
    world->wanted = done;
    loop_run(world->fixture.service.loop);
    assert_int_equal(world->done, done);
}

static void what_gathers_is_one_commit(void **state)
{
    struct world *world = *state;
    struct task holder;
    struct task tasks[5] = {0};
    int64_t commits = metrics_value(METRIC_COMMITS);
    int64_t events = metrics_value(METRIC_EVENTS);
    hold(world, &holder);
    for (size_t i = 0; i < ARRAY_LENGTH(tasks); i++) {
        tasks[i].order_id = (int32_t)i + 1;
        assert_int_equal(submit(world, &tasks[i]), 0);
    }
    assert_int_equal(metrics_value(METRIC_WRITER_QUEUE), 6);
    signal_event(world->go);
    run_until(world, 6);
    assert_int_equal(metrics_value(METRIC_COMMITS) - commits, 2);
    assert_int_equal(metrics_value(METRIC_EVENTS) - events, 5);
    for (size_t i = 0; i < ARRAY_LENGTH(tasks); i++) {
        assert_int_equal(tasks[i].job.result, 0);
        assert_int_equal(tasks[i].place, i + 2);
        /* All events of the group have been published before its first answer. */
        assert_int_equal(tasks[i].heard, 5);
    }
}

static void count_row(void *argument, const struct store_publication *publication)
{
    (void)publication;
    ++*(int *)argument;
}

static int stream_length(struct world *world)
{
    struct store_connection *reader = world->fixture.service.reader;
    struct store_user user;
    int rows = 0;
    assert_int_equal(store_user_get(reader, PROJECT, STR_LIT("u1"), &user), 0);
    assert_int_equal(store_stream_read(reader, user.user_id, 0, 0, false, 100, count_row, &rows),
                     0);
    return rows;
}

static void submit_all(struct world *world, struct task *tasks, size_t count)
{
    struct task holder;
    world->done = 0;
    hold(world, &holder);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(submit(world, &tasks[i]), 0);
    signal_event(world->go);
    run_until(world, count + 1);
}

/* What the others would have announced the first time is announced once. */
static void one_failure_is_the_jobs_own(void **state)
{
    struct world *world = *state;
    struct task tasks[] = {{.order_id = 1},
                           {.failure = ERR_CORRUPT, .order_id = 2, .changes_project = true},
                           {.order_id = 3}};
    int64_t failures = metrics_value(METRIC_COMMIT_FAILURES);
    int64_t events = metrics_value(METRIC_EVENTS);
    submit_all(world, tasks, ARRAY_LENGTH(tasks));
    assert_int_equal(tasks[0].job.result, 0);
    assert_int_equal(tasks[1].job.result, ERR_CORRUPT);
    assert_int_equal(tasks[2].job.result, 0);
    assert_int_equal(metrics_value(METRIC_COMMIT_FAILURES) - failures, 1);
    assert_int_equal(metrics_value(METRIC_EVENTS) - events, 2);
    assert_int_equal(world->heard, 2);
    assert_int_equal(tasks[2].generation, 0);
    assert_int_equal(stream_length(world), 2);
    assert_true(writer_is_ready(world->fixture.service.writer));
}

static void a_second_failure_is_the_whole_groups(void **state)
{
    struct world *world = *state;
    struct writer *writer = world->fixture.service.writer;
    struct store_order order;
    struct task tasks[] = {{.order_id = 1, .changes_project = true},
                           {.failure = ERR_NO_SPACE},
                           {.order_id = 2},
                           {.failure = ERR_NO_SPACE}};
    struct task next = {.order_id = 1};
    int64_t failures = metrics_value(METRIC_COMMIT_FAILURES);
    assert_true(writer_is_ready(writer));
    submit_all(world, tasks, ARRAY_LENGTH(tasks));
    for (size_t i = 0; i < ARRAY_LENGTH(tasks); i++)
        assert_int_equal(tasks[i].job.result, ERR_NO_SPACE);
    assert_int_equal(metrics_value(METRIC_COMMIT_FAILURES) - failures, 2);
    assert_int_equal(world->heard, 0);
    assert_int_equal(tasks[2].generation, 0);
    assert_int_equal(store_order_get(world->fixture.service.reader, PROJECT, 1, &order),
                     ERR_NOT_FOUND);

    /* The next job is tried like any other. */
    assert_int_equal(submit(world, &next), 0);
    run_until(world, 6);
    assert_int_equal(next.job.result, 0);
    assert_int_equal(next.heard, 1);
    wait_until_ready(writer);
    assert_int_equal(metrics_value(METRIC_STORE_READY), 1);
}

static _Atomic bool begins;
static _Atomic int begin_count;

static int begin_or_fail(struct store_connection *connection)
{
    atomic_fetch_add(&begin_count, connection->role == STORE_WRITER);
    return atomic_load(&begins) ? store_memory.begin(connection) : ERR_IO;
}

/* Each try may cost it much: jobs are refused without one, and the probe finds out. */
static void a_store_that_does_not_begin_is_tried_seldom(void **state)
{
    enum { JOBS = 300, PAUSE = 50 };
    struct store_driver driver = store_memory;
    struct task task = {.order_id = 1};
    size_t done = 0;
    (void)state;
    driver.begin = begin_or_fail;
    atomic_store(&begins, false);
    atomic_store(&begin_count, 0);
    struct world *world = open_world(&driver, ".", PAUSE);
    int64_t start = clock_mono_ms();
    while (done < JOBS) {
        assert_int_equal(submit(world, &task), 0);
        run_until(world, ++done);
        assert_int_equal(task.job.result, ERR_IO);
    }
    assert_false(writer_is_ready(world->fixture.service.writer));
    /* The first one, the probe at once, and one a pause. */
    assert_in_range(atomic_load(&begin_count), 1, 2 + (clock_mono_ms() - start) / PAUSE + 1);
    atomic_store(&begins, true);
    wait_until_ready(world->fixture.service.writer);
    assert_int_equal(submit(world, &task), 0);
    run_until(world, ++done);
    assert_int_equal(task.job.result, 0);
    close_world(world);
}

static _Atomic int prunes;

static int fail_to_prune(struct store_connection *writer, int64_t now_wall, int rows, int *deleted)
{
    (void)writer;
    (void)now_wall;
    (void)rows;
    *deleted = 0;
    atomic_fetch_add(&prunes, 1);
    return ERR_CORRUPT;
}

/* It is no reason to take no updates, and is not tried all the time. */
static void clearing_that_fails_is_no_failure_of_writes(void **state)
{
    struct store_driver driver = store_memory;
    struct task task = {.order_id = 1};
    (void)state;
    driver.prune = fail_to_prune;
    atomic_store(&prunes, 0);
    int64_t failures = metrics_value(METRIC_COMMIT_FAILURES);
    struct world *world = open_world(&driver, ".", 1);
    for (int i = 0; i < 5000 && metrics_value(METRIC_COMMIT_FAILURES) == failures; i++)
        usleep(1000);
    for (size_t done = 1; done <= 100; done++) {
        task.order_id++;
        assert_int_equal(submit(world, &task), 0);
        run_until(world, done);
        assert_int_equal(task.job.result, 0);
        assert_true(writer_is_ready(world->fixture.service.writer));
    }
    assert_int_equal(atomic_load(&prunes), 1);
    close_world(world);
}

static void it_finds_out_alone_that_the_store_recovers(void **state)
{
    struct world *world = open_world(&store_memory, ".", 5);
    struct task task = {.failure = ERR_IO};
    (void)state;
    assert_int_equal(submit(world, &task), 0);
    run_until(world, 1);
    wait_until_ready(world->fixture.service.writer);
    close_world(world);
}

static void projects_change_before_the_answer(void **state)
{
    struct world *world = *state;
    struct task task = {.changes_project = true};
    struct task other = {.order_id = 1};
    assert_int_equal(submit(world, &task), 0);
    run_until(world, 1);
    assert_int_equal(task.generation, 1);
    assert_int_equal(submit(world, &other), 0);
    run_until(world, 2);
    assert_int_equal(other.generation, 1);
}

static void the_queue_is_bounded(void **state)
{
    struct world *world = *state;
    struct task holder;
    struct task large = {.job.bytes = LIMIT_WRITER_BYTES};
    struct task extra = {.job.bytes = 1};
    struct task *tasks = mem_zalloc(LIMIT_WRITER_JOBS * sizeof(*tasks));
    hold(world, &holder);
    assert_int_equal(submit(world, &large), 0);
    assert_int_equal(submit(world, &extra), ERR_BUSY);
    for (size_t i = 0; i + 2 < LIMIT_WRITER_JOBS; i++)
        assert_int_equal(submit(world, &tasks[i]), 0);
    extra.job.bytes = 0;
    assert_int_equal(submit(world, &extra), ERR_BUSY);
    signal_event(world->go);
    run_until(world, LIMIT_WRITER_JOBS);
    assert_int_equal(metrics_value(METRIC_WRITER_QUEUE), 0);
    extra.job.bytes = LIMIT_WRITER_BYTES;
    assert_int_equal(submit(world, &extra), 0);
    run_until(world, LIMIT_WRITER_JOBS + 1);
    mem_free(tasks);
}

static void stopping_runs_what_was_submitted(void **state)
{
    struct world *world = *state;
    struct store_order order;
    struct task holder;
    struct task tasks[3] = {{.order_id = 1}, {.order_id = 2}, {.order_id = 3}};
    hold(world, &holder);
    for (size_t i = 0; i < ARRAY_LENGTH(tasks); i++)
        assert_int_equal(submit(world, &tasks[i]), 0);
    signal_event(world->go);
    writer_stop(&world->fixture.service.writer);
    assert_null(world->fixture.service.writer);
    run_until(world, 4);
    for (int32_t id = 1; id <= 3; id++)
        assert_int_equal(store_order_get(world->fixture.service.reader, PROJECT, id, &order), 0);
}

static void what_is_out_of_its_time_is_cleared(void **state)
{
    struct world *world = open_world(&store_memory, ".", 5);
    struct task old = {.order_id = 1, .occurred_at = 1};
    struct task fresh = {.order_id = 2, .occurred_at = INT64_C(4102444800000)};
    (void)state;
    assert_int_equal(submit(world, &old), 0);
    assert_int_equal(submit(world, &fresh), 0);
    run_until(world, 2);
    for (int i = 0; i < 5000 && stream_length(world) > 1; i++)
        usleep(1000);
    assert_int_equal(stream_length(world), 1);
    close_world(world);
}

static void remove_directory(const char *directory)
{
    char command[100];
    snprintf(command, sizeof(command), "rm -r '%s'", directory);
    assert_int_equal(system(command), 0);
}

static void what_is_answered_is_on_disk(void **state)
{
    char directory[] = "/tmp/writer_test_XXXXXX";
    struct store_order order;
    struct task task = {.order_id = 1};
    struct task twice = {.order_id = 1};
    (void)state;
    assert_non_null(mkdtemp(directory));
    struct world *world = open_world(&store_sqlite, directory, 0);
    assert_int_equal(submit(world, &task), 0);
    run_until(world, 1);
    assert_int_equal(task.job.result, 0);
    assert_int_equal(task.heard, 1);
    /* An error of the store, and then it goes on. */
    assert_int_equal(submit(world, &twice), 0);
    run_until(world, 2);
    assert_true(twice.job.result < 0);
    assert_int_equal(world->heard, 1);
    twice.order_id = 2;
    assert_int_equal(submit(world, &twice), 0);
    run_until(world, 3);
    assert_int_equal(twice.job.result, 0);
    close_world(world);

    world = open_world(&store_sqlite, directory, 5);
    assert_int_equal(store_order_get(world->fixture.service.reader, PROJECT, 1, &order), 0);
    assert_int_equal(store_order_get(world->fixture.service.reader, PROJECT, 2, &order), 0);
    /* This driver too takes the write that finds out whether it accepts writes. */
    struct task fails = {.failure = ERR_IO};
    assert_int_equal(submit(world, &fails), 0);
    run_until(world, 1);
    wait_until_ready(world->fixture.service.writer);
    close_world(world);
    remove_directory(directory);
}

/* A repeated update succeeds on a full disk too, because it writes nothing. */
static void a_group_that_writes_nothing_proves_nothing(void **state)
{
    char directory[] = "/tmp/writer_test_XXXXXX";
    struct rlimit limit;
    struct task writes = {.order_id = 1};
    struct task idle = {0};
    (void)state;
    assert_non_null(mkdtemp(directory));
    struct world *world = open_world(&store_sqlite, directory, 0);
    struct writer *writer = world->fixture.service.writer;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    struct rlimit small = {.rlim_cur = 4096, .rlim_max = limit.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    int written = submit(world, &writes);
    run_until(world, 1);
    int idled = submit(world, &idle);
    run_until(world, 2);
    bool is_ready = writer_is_ready(writer);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    assert_int_equal(written, 0);
    assert_int_equal(idled, 0);
    assert_int_equal(writes.job.result, ERR_NO_SPACE);
    assert_int_equal(idle.job.result, 0);
    assert_false(is_ready);
    wait_until_ready(writer);
    close_world(world);
    remove_directory(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_gathers_is_one_commit, setup, teardown),
        cmocka_unit_test_setup_teardown(one_failure_is_the_jobs_own, setup, teardown),
        cmocka_unit_test_setup_teardown(a_second_failure_is_the_whole_groups, setup, teardown),
        cmocka_unit_test(a_store_that_does_not_begin_is_tried_seldom),
        cmocka_unit_test(clearing_that_fails_is_no_failure_of_writes),
        cmocka_unit_test(it_finds_out_alone_that_the_store_recovers),
        cmocka_unit_test_setup_teardown(projects_change_before_the_answer, setup, teardown),
        cmocka_unit_test_setup_teardown(the_queue_is_bounded, setup, teardown),
        cmocka_unit_test_setup_teardown(stopping_runs_what_was_submitted, setup, teardown),
        cmocka_unit_test(what_is_out_of_its_time_is_cleared),
        cmocka_unit_test(a_group_that_writes_nothing_proves_nothing),
        cmocka_unit_test(what_is_answered_is_on_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
