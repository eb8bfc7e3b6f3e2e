/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For the tests of this folder: a whole service on one thread beside the store thread. A test
 * submits a job and runs the loop until the job's `done` ends it.
 */
#ifndef ORDERWIRE_SERVICE_SERVICE_FIXTURE_H
#define ORDERWIRE_SERVICE_SERVICE_FIXTURE_H

#include "auth/auth.h"
#include "hub/hub.h"
#include "service/order_write.h"
#include "service/service.h"
#include "store/store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum { SERVICE_FIXTURE_PROJECT = 77640, SERVICE_FIXTURE_DAY = 24 * 60 * 60 * 1000 /* ms */ };

static const uint8_t service_fixture_key[32] = {1, 2, 3};

struct service_fixture {
    struct store_options store_options;
    struct service_options options;
    struct auth_shared shared;
    struct hub_feed *feeds[1];
    struct service service;
};

/* Opens a store and starts everything. Options that the test has set before are kept. */
static inline void service_fixture_open(struct service_fixture *fixture,
                                        const struct store_driver *driver, const char *directory)
{
    struct service *service = &fixture->service;
    char error[STORE_ERROR_SIZE];
    fixture->store_options.directory = directory;
    if (fixture->options.prune_interval == 0)
        fixture->options.prune_interval = SERVICE_FIXTURE_DAY;
    if (fixture->store_options.history_max_age == 0)
        fixture->store_options.history_max_age = 7 * SERVICE_FIXTURE_DAY;
    if (fixture->store_options.history_max_events == 0)
        fixture->store_options.history_max_events = LIMIT_HISTORY_PAGE;
    assert_int_equal(store_open(driver, &fixture->store_options, &service->store, error), 0);
    assert_int_equal(store_connect(service->store, STORE_READER, &service->reader), 0);
    service->loop = loop_new();
    service->hub = hub_new();
    service->auth = auth_new(service->store, service->reader, &fixture->shared);
    service->options = &fixture->options;
    service->webhook_key = service_fixture_key;
    fixture->feeds[0] = hub_feed_new(service->hub, service->loop);
    service->writer =
        writer_start(service->store, fixture->feeds, 1, &fixture->shared, &fixture->options);
    assert_non_null(service->writer);
}

static inline void service_fixture_close(struct service_fixture *fixture)
{
    struct service *service = &fixture->service;
    writer_stop(&service->writer);
    hub_feed_free(&fixture->feeds[0]);
    auth_free(&service->auth);
    hub_free(&service->hub);
    loop_free(&service->loop);
    store_disconnect(&service->reader);
    store_close(&service->store);
}

/* For tests that need no more than it, on the fake. */
static inline int service_fixture_setup(void **state)
{
    static struct service_fixture fixture;
    memset(&fixture, 0, sizeof(fixture));
    fixture.options.latest_window = SERVICE_FIXTURE_DAY / 24;
    service_fixture_open(&fixture, &store_memory, ".");
    *state = &fixture;
    return 0;
}

static inline int service_fixture_teardown(void **state)
{
    service_fixture_close(*state);
    return 0;
}

static inline void service_fixture_order_done(struct order_write *write)
{
    loop_stop(write->service->loop);
}

/* Applies the write's inputs; the write stays the caller's, with its answers. */
static inline void service_fixture_run(struct order_write *write)
{
    write->done = service_fixture_order_done;
    assert_int_equal(order_write_submit(write), 0);
    loop_run(write->service->loop);
}

/* Creates or changes one order of the project; its status afterwards is asserted. */
static inline void service_fixture_put(struct service_fixture *fixture, int32_t order_id,
                                       const char *user, enum order_status status)
{
    struct order_write *write = order_write_new(&fixture->service, SERVICE_FIXTURE_PROJECT, 1);
    write->inputs[0].order_id = order_id;
    write->inputs[0].user_external_id = str_from(user);
    write->inputs[0].has_status = true;
    write->inputs[0].status = status;
    service_fixture_run(write);
    assert_int_equal(write->error, API_ERROR_NONE);
    assert_int_equal(write->answers[0].error, API_ERROR_NONE);
    assert_int_equal(write->answers[0].status, status);
    order_write_free(&write);
}

#endif
