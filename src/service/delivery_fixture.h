/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For the tests of deliveries: either store, with a recorder and a webhook thread that is started and
 * sends nothing.
 */
#ifndef ORDERWIRE_SERVICE_DELIVERY_FIXTURE_H
#define ORDERWIRE_SERVICE_DELIVERY_FIXTURE_H

#include "base/mem.h"
#include "service/delivery.h"
#include "service/endpoint_fixture.h"
#include "webhook/webhook.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define PROJECT SERVICE_FIXTURE_PROJECT

struct world {
    struct service_fixture fixture;
    char directory[64];
    struct webhook_options options;
    struct webhook *webhook;
    struct delivery_recorder *recorder;
    int recorded; /* an event descriptor */
    int error;    /* what came back */
};

static inline int setup_with(void **state, const struct store_driver *driver)
{
    struct world *world = mem_zalloc(sizeof(*world));
    snprintf(world->directory, sizeof(world->directory), "/tmp/orderwire-delivery-XXXXXX");
    assert_non_null(mkdtemp(world->directory));
    service_fixture_open(&world->fixture, driver, world->directory);
    world->options = (struct webhook_options){10, 1000, 1000};
    world->webhook =
        webhook_start(world->fixture.service.store, service_fixture_key, &world->options);
    assert_non_null(world->webhook);
    writer_use_webhook(world->fixture.service.writer, world->webhook);
    world->recorder = delivery_recorder_new(world->fixture.service.writer, world->webhook);
    world->recorded = eventfd(0, EFD_CLOEXEC);
    endpoint_fixture_project(&world->fixture, PROJECT);
    *state = world;
    return 0;
}

static inline int setup_memory(void **state)
{
    return setup_with(state, &store_memory);
}

static inline int setup_sqlite(void **state)
{
    return setup_with(state, &store_sqlite);
}

static inline int teardown(void **state)
{
    static const char *const files[] = {"orderwire.db", "orderwire.db-wal", "orderwire.db-shm",
                                        "lock"};
    struct world *world = *state;
    char path[128];
    delivery_recorder_close(world->recorder);
    writer_stop(&world->fixture.service.writer);
    webhook_stop(&world->webhook);
    delivery_recorder_free(&world->recorder);
    service_fixture_close(&world->fixture);
    for (size_t i = 0; i < ARRAY_LENGTH(files); i++) {
        snprintf(path, sizeof(path), "%s/%s", world->directory, files[i]);
        unlink(path);
    }
    assert_int_equal(rmdir(world->directory), 0);
    close(world->recorded);
    mem_free(world);
    return 0;
}

static inline int64_t add(struct world *world, const char *settings)
{
    return endpoint_fixture_add(&world->fixture, settings);
}

static inline void put(struct world *world, int32_t order_id, enum order_status status)
{
    service_fixture_put(&world->fixture, order_id, "u1", status);
}

static inline struct endpoint_fixture_deliveries deliveries(struct world *world,
                                                            int64_t endpoint_id)
{
    return endpoint_fixture_deliveries(&world->fixture, endpoint_id);
}

static struct world *recording; /* the recorder hands back the result alone */

static inline void on_recorded(struct webhook_result *result, int error)
{
    (void)result;
    recording->error = error;
    eventfd_write(recording->recorded, 1);
}

static inline int record(struct world *world, struct webhook_result *result)
{
    eventfd_t value;
    recording = world;
    delivery_webhook_recorder.record(world->recorder, result, on_recorded);
    eventfd_read(world->recorded, &value);
    return world->error;
}

static inline struct webhook_result result_of(const struct store_delivery *delivery,
                                              enum webhook_verdict verdict)
{
    return (struct webhook_result){
        .delivery_id = delivery->delivery_id,
        .endpoint_id = delivery->endpoint_id,
        .verdict = verdict,
        .has_attempt = true,
        .attempt = {.started_at = 1000, .duration_us = 1500, .status = 204},
    };
}

#define ON_BOTH(test)                                                                              \
    {"memory: " #test, test, setup_memory, teardown, NULL},                                        \
    {                                                                                              \
        "sqlite: " #test, test, setup_sqlite, teardown, NULL                                       \
    }

#endif
