/* SPDX-License-Identifier: Apache-2.0 */
/* Revocations through the store thread: what is stored, what the hub hears, when projects are read anew. */
#include "service/revocation_write.h"

#include "base/mem.h"
#include "service/service_fixture.h"

#include <stdio.h>

#define PROJECT SERVICE_FIXTURE_PROJECT

struct listener {
    struct hub_subscriber subscriber;
    int64_t before;
    int calls;
};

static void on_event(struct hub_subscriber *subscriber, const struct hub_event *event)
{
    (void)subscriber;
    (void)event;
    fail_msg("a revocation is no event");
}

static void on_revoked(struct hub_subscriber *subscriber, int64_t before)
{
    struct listener *listener = CONTAINER_OF(subscriber, struct listener, subscriber);
    listener->before = before;
    listener->calls++;
}

static void revoked(struct revocation_write *write)
{
    assert_int_equal(write->job.result, 0);
    *(int64_t *)write->argument = write->before;
    loop_stop(write->service->loop);
    mem_free(write);
}

/* Returns the time that was written. */
static int64_t revoke_tokens(struct service_fixture *fixture, const char *user, int64_t before)
{
    int64_t written = -1;
    struct revocation_write *write = revocation_write_new(&fixture->service, PROJECT);
    snprintf(write->user_external_id, sizeof(write->user_external_id), "%s", user);
    write->before = before;
    write->done = revoked;
    write->argument = &written;
    assert_int_equal(revocation_write_submit(write), 0);
    loop_run(fixture->service.loop);
    return written;
}

static void those_concerned_hear_it(void **state)
{
    static const struct hub_subscriber_ops ops = {.event = on_event, .revoked = on_revoked};
    static const struct hub_subscriber_ops deaf = {.event = on_event};
    static const struct {
        int32_t project_id;
        const char *user;
        int of_user; /* calls after u1 was revoked */
        int of_all;  /* and after all were */
    } rows[] = {
        {PROJECT, "u1", 1, 2}, {PROJECT, "u1", 1, 2},     {PROJECT, "u2", 0, 1},
        {PROJECT, "", 0, 1},   {PROJECT + 1, "u1", 0, 0},
    };
    struct service_fixture *fixture = *state;
    struct hub *hub = fixture->service.hub;
    struct listener listeners[ARRAY_LENGTH(rows)] = {0};
    struct listener other = {0};
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        hub_subscribe(hub, rows[i].project_id, str_from(rows[i].user), &listeners[i].subscriber,
                      &ops);
    hub_subscribe(hub, PROJECT, STR_LIT("u1"), &other.subscriber, &deaf);
    int64_t now = revoke_tokens(fixture, "u1", 0);
    assert_true(now > 0);
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        assert_int_equal(listeners[i].calls, rows[i].of_user);
    assert_true(listeners[0].before == now);
    assert_true(revoke_tokens(fixture, "", now - 5) == now - 5);
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        assert_int_equal(listeners[i].calls, rows[i].of_all);
        hub_unsubscribe(hub, &listeners[i].subscriber);
    }
    assert_true(listeners[2].before == now - 5);
    /* What is told is what is in force: the latest, of the user or of all. */
    assert_true(revoke_tokens(fixture, "u1", now - 9) == now);
    assert_true(revoke_tokens(fixture, "u2", now - 9) == now - 5);
    assert_true(revoke_tokens(fixture, "", now - 9) == now - 5);
    hub_unsubscribe(hub, &other.subscriber);
}

static void it_is_stored_and_the_first_changes_the_project(void **state)
{
    struct service_fixture *fixture = *state;
    struct store_connection *reader = fixture->service.reader;
    uint64_t generation = atomic_load(&fixture->shared.generation);
    int64_t before = 0;
    revoke_tokens(fixture, "u1", 1000);
    assert_int_equal(store_revocation_get(reader, PROJECT, STR_LIT("u1"), &before), 0);
    assert_true(before == 1000);
    assert_true(atomic_load(&fixture->shared.generation) == generation + 1);
    revoke_tokens(fixture, "u2", 2000);
    assert_true(atomic_load(&fixture->shared.generation) == generation + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(those_concerned_hear_it, service_fixture_setup,
                                        service_fixture_teardown),
        cmocka_unit_test_setup_teardown(it_is_stored_and_the_first_changes_the_project,
                                        service_fixture_setup, service_fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
