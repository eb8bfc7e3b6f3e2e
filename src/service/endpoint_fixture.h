/* SPDX-License-Identifier: Apache-2.0 */
/* For the tests about webhooks: a project whose endpoints may be local, and writes about them. */
#ifndef ORDERWIRE_SERVICE_ENDPOINT_FIXTURE_H
#define ORDERWIRE_SERVICE_ENDPOINT_FIXTURE_H

#include "codec/json.h"
#include "service/endpoint_write.h"
#include "service/project_write.h"
#include "service/service_fixture.h"
#include "store/store_webhooks.h"

#include <string.h>

#define ENDPOINT_FIXTURE_URL "{\"url\":\"http://127.0.0.1:1/hook\""

static inline void endpoint_fixture_project_done(struct project_write *write)
{
    loop_stop(write->service->loop);
}

static inline void endpoint_fixture_project(struct service_fixture *fixture, int32_t project_id)
{
    struct project_write *write = project_write_new(&fixture->service, PROJECT_CREATE, project_id);
    buf_append_text(&write->settings, "{\"webhook_allow_cidrs\":[\"127.0.0.0/8\"]}");
    write->done = endpoint_fixture_project_done;
    assert_int_equal(project_write_submit(write), 0);
    loop_run(fixture->service.loop);
    assert_int_equal(write->error, API_ERROR_NONE);
    project_write_free(&write);
}

static inline void endpoint_fixture_done(struct endpoint_write *write)
{
    loop_stop(write->service->loop);
}

/* A write about an endpoint of the fixture's project; the caller frees it. */
static inline struct endpoint_write *endpoint_fixture_new(struct service_fixture *fixture,
                                                          enum endpoint_write_kind kind,
                                                          int64_t endpoint_id, const char *settings)
{
    struct endpoint_write *write =
        endpoint_write_new(&fixture->service, kind, SERVICE_FIXTURE_PROJECT);
    write->endpoint_id = endpoint_id;
    write->status = ORDER_PAID;
    buf_append_text(&write->settings, settings);
    return write;
}

static inline void endpoint_fixture_run(struct endpoint_write *write)
{
    write->done = endpoint_fixture_done;
    assert_int_equal(endpoint_write_submit(write), 0);
    loop_run(write->service->loop);
}

/* Runs and frees a write that must be refused so, with `sentence` in its detail. */
static inline void endpoint_fixture_refused(struct endpoint_write *write, enum api_error error,
                                            const char *sentence)
{
    endpoint_fixture_run(write);
    if (write->error != error || strstr(write->detail, sentence) == NULL)
        fail_msg("error %d: %s", (int)write->error, write->detail);
    assert_int_equal(write->answer.len, 0);
    endpoint_write_free(&write);
}

static inline int64_t endpoint_fixture_id(const struct endpoint_write *write, const char *name)
{
    int64_t id = 0;
    struct json *document = json_parse(buf_view(&write->answer), NULL);
    assert_true(json_as_int(json_get(document, name), &id));
    json_free(&document);
    return id;
}

/* Runs a write that must succeed; gives back a member of its answer, 0 when `name` is NULL. */
static inline int64_t endpoint_fixture_do(struct service_fixture *fixture,
                                          enum endpoint_write_kind kind, int64_t endpoint_id,
                                          const char *settings, const char *name)
{
    struct endpoint_write *write = endpoint_fixture_new(fixture, kind, endpoint_id, settings);
    endpoint_fixture_run(write);
    if (write->error != API_ERROR_NONE)
        fail_msg("error %d: %s", (int)write->error, write->detail);
    int64_t id = name != NULL ? endpoint_fixture_id(write, name) : 0;
    endpoint_write_free(&write);
    return id;
}

static inline int64_t endpoint_fixture_add(struct service_fixture *fixture, const char *settings)
{
    return endpoint_fixture_do(fixture, ENDPOINT_CREATE, 0, settings, "id");
}

/* Deliveries of one endpoint, oldest first. Types are not kept. */
struct endpoint_fixture_deliveries {
    struct store_delivery list[64];
    size_t count;
};

static inline void endpoint_fixture_take(void *argument, const struct store_delivery *delivery)
{
    struct endpoint_fixture_deliveries *found = argument;
    assert_true(found->count < ARRAY_LENGTH(found->list));
    for (size_t i = found->count++; i > 0; i--)
        found->list[i] = found->list[i - 1];
    found->list[0] = *delivery;
}

static inline struct endpoint_fixture_deliveries
endpoint_fixture_deliveries(struct service_fixture *fixture, int64_t endpoint_id)
{
    struct endpoint_fixture_deliveries found = {0};
    const struct store_delivery_filter filter = {
        .project_id = SERVICE_FIXTURE_PROJECT,
        .endpoint_id = endpoint_id,
        .state = -1,
        .limit = ARRAY_LENGTH(found.list),
    };
    int64_t next;
    assert_int_equal(
        store_delivery_list(fixture->service.reader, &filter, endpoint_fixture_take, &found, &next),
        0);
    return found;
}

#endif
