/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names with several addresses, with changing ones and with none in time. This program has a
 * getaddrinfo of its own, which libcurl finds before the system's.
 */
#include "http/http_sender_fixture.h"

#include "base/mem.h"
#include "loop/loop.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

/* The last row of a name goes on answering. An empty first address: not known. */
static const struct name {
    const char *name;
    const char *addresses[4];
} names[] = {
    {"one.test", {"127.0.0.1"}},
    {"mixed.test", {"169.254.169.254", "127.0.0.1", "10.0.0.1"}},
    {"blocked.test", {"169.254.169.254", "10.0.0.1", "fd00:ec2::254"}},
    {"mapped.test", {"::ffff:10.0.0.1", "64:ff9b::7f00:1"}},
    {"changing.test", {"127.0.0.1"}},
    {"changing.test", {"169.254.169.254"}},
    {"refused-first.test", {"127.0.0.3", "127.0.0.4", "127.0.0.1"}},
    {"silent-first.test", {"127.0.0.2", "127.0.0.1"}},
    {"slow.test", {"127.0.0.1"}},
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static bool held;  /* slow.test waits */
static int asked;  /* for slow.test, since the test began */
static int inside; /* in getaddrinfo */
static bool changes_done;

static const struct name *find_name(const char *text)
{
    const struct name *found = NULL;
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        if (strcmp(names[i].name, text) == 0 && (found == NULL || changes_done))
            found = &names[i];
    }
    return found;
}

static void wait_if_slow(const char *name)
{
    if (strcmp(name, "slow.test") != 0)
        return;
    pthread_mutex_lock(&lock);
    asked++;
    while (held)
        pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
}

static void set_held(bool value)
{
    pthread_mutex_lock(&lock);
    held = value;
    asked = 0;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

static bool is_asked(void *argument)
{
    (void)argument;
    pthread_mutex_lock(&lock);
    bool value = asked > 0;
    pthread_mutex_unlock(&lock);
    return value;
}

static void count_inside(int by)
{
    pthread_mutex_lock(&lock);
    inside += by;
    pthread_mutex_unlock(&lock);
}

static bool nobody_is_inside(void *argument)
{
    (void)argument;
    pthread_mutex_lock(&lock);
    bool value = inside == 0;
    pthread_mutex_unlock(&lock);
    return value;
}

struct answer {
    struct addrinfo info;
    union {
        struct sockaddr any;
        struct sockaddr_in ipv4;
        struct sockaddr_in6 ipv6;
    } address;
};

static struct addrinfo *answer_new(const char *text, uint16_t port)
{
    struct answer *answer = mem_zalloc(sizeof(*answer));
    bool ipv6 = strchr(text, ':') != NULL;
    answer->info.ai_family = ipv6 ? AF_INET6 : AF_INET;
    answer->info.ai_socktype = SOCK_STREAM;
    answer->info.ai_protocol = IPPROTO_TCP;
    answer->info.ai_addr = &answer->address.any;
    answer->info.ai_addrlen = ipv6 ? sizeof(answer->address.ipv6) : sizeof(answer->address.ipv4);
    answer->address.any.sa_family = (sa_family_t)answer->info.ai_family;
    if (ipv6) {
        answer->address.ipv6.sin6_port = htons(port);
        inet_pton(AF_INET6, text, &answer->address.ipv6.sin6_addr);
    } else {
        answer->address.ipv4.sin_port = htons(port);
        inet_pton(AF_INET, text, &answer->address.ipv4.sin_addr);
    }
    return &answer->info;
}

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
                struct addrinfo **result)
{
    const struct name *found = find_name(name);
    struct addrinfo **end = result;
    int64_t port = 0;
    (void)hints;
    if (service != NULL && !str_to_int64(str_from(service), 0, UINT16_MAX, &port))
        return EAI_SERVICE;
    if (found == NULL)
        return EAI_NONAME;
    count_inside(1);
    wait_if_slow(name);
    for (size_t i = 0; i < ARRAY_LENGTH(found->addresses) && found->addresses[i] != NULL; i++) {
        *end = answer_new(found->addresses[i], (uint16_t)port);
        end = &(*end)->ai_next;
    }
    count_inside(-1);
    return 0;
}

void freeaddrinfo(struct addrinfo *info)
{
    while (info != NULL) {
        struct addrinfo *next = info->ai_next;
        mem_free(CONTAINER_OF(info, struct answer, info));
        info = next;
    }
}

static struct http_sender_request request_for(const char *name, bool allowed)
{
    static char url[100];
    snprintf(url, sizeof(url), "http://%s:%d/ok", name, receiver_port(receiver));
    struct call call = {.url = url, .nothing_allowed = !allowed};
    return call_request(&call);
}

static void expect(struct world *world, const char *name, bool allowed,
                   enum http_sender_outcome outcome)
{
    struct http_sender_request request = request_for(name, allowed);
    struct outcome got;
    world_call(world, &request, &got);
    if (got.result.outcome != outcome)
        fail_msg("%s: outcome %d, \"%s\"", name, got.result.outcome, got.result.error);
    assert_int_equal(got.result.address[0] != '\0', outcome == HTTP_SENDER_ANSWERED);
    assert_null(strstr(got.result.error, name));
    outcome_fini(&got);
}

static void test_each_address_is_judged(void **state)
{
    expect(*state, "one.test", true, HTTP_SENDER_ANSWERED);
    expect(*state, "mixed.test", true, HTTP_SENDER_ANSWERED);
    assert_int_equal(receiver_counts(receiver).accepted, 2);
    expect(*state, "blocked.test", true, HTTP_SENDER_BLOCKED);
    expect(*state, "one.test", false, HTTP_SENDER_BLOCKED);
    expect(*state, "mixed.test", false, HTTP_SENDER_BLOCKED);
    expect(*state, "mapped.test", false, HTTP_SENDER_BLOCKED);
    assert_int_equal(receiver_counts(receiver).accepted, 2);
}

static void test_a_name_that_answers_differently_the_second_time(void **state)
{
    struct world *later = world_new(4);
    changes_done = false;
    expect(*state, "changing.test", true, HTTP_SENDER_ANSWERED);
    changes_done = true;
    expect(*state, "changing.test", true, HTTP_SENDER_ANSWERED);
    expect(later, "changing.test", true, HTTP_SENDER_BLOCKED);
    changes_done = false;
    expect(later, "changing.test", true, HTTP_SENDER_BLOCKED);
    world_free(&later);
}

static void test_a_name_that_is_not_known(void **state)
{
    struct http_sender_request request = request_for("unknown.test", true);
    struct outcome got;
    world_call(*state, &request, &got);
    assert_int_equal(got.result.outcome, HTTP_SENDER_NAME);
    assert_string_equal(got.result.error, "the name was not resolved");
    assert_string_equal(got.result.address, "");
    outcome_fini(&got);
}

/* The system's resolver cannot be interrupted; the loop must not wait for it. */
static void test_a_name_that_takes_too_long(void **state)
{
    struct http_sender_request request = request_for("slow.test", true);
    struct outcome got;
    request.timeout = SHORT;
    set_held(true);
    world_call(*state, &request, &got);
    assert_int_equal(got.result.outcome, HTTP_SENDER_TIMEOUT);
    assert_string_equal(got.result.error, "the name was not resolved in time");
    outcome_fini(&got);
    expect(*state, "one.test", true, HTTP_SENDER_ANSWERED);
    set_held(false);
    world_run_until(*state, nobody_is_inside, NULL);
    expect(*state, "slow.test", true, HTTP_SENDER_ANSWERED);
}

static void never(void *argument, const struct http_sender_result *result)
{
    (void)argument;
    fail_msg("a cancelled request ended: %d", result->outcome);
}

static struct http_sending *ask_slowly(struct world *world)
{
    struct http_sender_request request = request_for("slow.test", true);
    set_held(true);
    struct http_sending *sending = http_sender_send(world->sender, &request, never, NULL);
    assert_non_null(sending);
    world_run_until(world, is_asked, NULL);
    return sending;
}

static void test_cancel_and_free_while_the_name_is_resolved(void **state)
{
    struct world *world = world_new(4);
    struct http_sending *sending = ask_slowly(*state);
    http_sender_cancel(&sending);
    expect(*state, "one.test", true, HTTP_SENDER_ANSWERED);
    ask_slowly(world);
    world_free(&world);
    set_held(false);
    world_run_until(*state, nobody_is_inside, NULL);
    expect(*state, "one.test", true, HTTP_SENDER_ANSWERED);
}

/* Listens on 127.0.0.2 with the receiver's port, and lets nobody in. */
struct silent {
    int listening, inside[4];
};

static void silent_start(struct silent *silent)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    address.sin_port = htons((uint16_t)receiver_port(receiver));
    inet_pton(AF_INET, "127.0.0.2", &address.sin_addr);
    silent->listening = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(silent->listening, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(silent->listening, 0), 0);
    for (size_t i = 0; i < ARRAY_LENGTH(silent->inside); i++) {
        silent->inside[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)!connect(silent->inside[i], (struct sockaddr *)&address, sizeof(address));
    }
}

static void silent_stop(struct silent *silent)
{
    for (size_t i = 0; i < ARRAY_LENGTH(silent->inside); i++)
        close(silent->inside[i]);
    close(silent->listening);
}

/* libcurl gives up on the first address after half of the time. */
static void test_the_next_address_when_the_first_refuse(void **state)
{
    struct http_sender_request request = request_for("refused-first.test", true);
    struct outcome got;
    world_call(*state, &request, &got);
    assert_int_equal(got.result.outcome, HTTP_SENDER_ANSWERED);
    assert_in_range(got.result.duration_us, 1, PATIENCE * 1000 / 4);
    outcome_fini(&got);
}

static void test_the_second_address_when_the_first_is_silent(void **state)
{
    struct silent silent;
    struct http_sender_request request = request_for("silent-first.test", true);
    struct outcome got;
    silent_start(&silent);
    request.timeout = 700; /* newer ones do not halve less than 600 */
    world_call(*state, &request, &got);
    assert_int_equal(got.result.outcome, HTTP_SENDER_ANSWERED);
    assert_in_range(got.result.duration_us, 100000, 700000);
    outcome_fini(&got);
    silent_stop(&silent);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_each_address_is_judged),
        WORLD_TEST(test_a_name_that_answers_differently_the_second_time),
        WORLD_TEST(test_a_name_that_is_not_known),
        WORLD_TEST(test_a_name_that_takes_too_long),
        WORLD_TEST(test_cancel_and_free_while_the_name_is_resolved),
        WORLD_TEST(test_the_next_address_when_the_first_refuse),
        WORLD_TEST(test_the_second_address_when_the_first_is_silent),
    };
    return cmocka_run_group_tests(tests, world_start_receiver, world_stop_receiver);
}
