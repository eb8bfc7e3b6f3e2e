/* SPDX-License-Identifier: Apache-2.0 */
/* Two streams a connection, the outer one in TLS; what one receives the other writes. */
#include "net/tls_relay_fixture.h"

#include "base/clock.h"
#include "base/list.h"
#include "base/mem.h"
#include "net/listener.h"
#include "net/stream.h"
#include "net/tls.h"
#include "net/tls_certificates_fixture.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum { OUTPUT_MAX = 4 * 1024 * 1024, PATIENCE = 5000, PATH_SIZE = 100 };
enum { CERT, KEY, CA, OTHER_CA, FILES };

struct tls_relay {
    char directory[64];
    char paths[FILES][PATH_SIZE];
    struct tls_trust trust; /* as asked for last */
    struct tls_tickets *tickets;
    struct tls_settings *settings;
    struct loop *loop;
    struct listener *listener;
    struct list passages;
    struct loop_message end;
    pthread_t thread;
    int port, target;
};

struct passage {
    struct list node;
    struct end {
        struct passage *passage;
        struct stream *stream;
        struct end *other;
    } outer, inner;
};

static void received(void *owner, struct str bytes)
{
    struct end *end = owner;
    /* One that is gone tells it by itself. */
    if (end->other->stream != NULL)
        (void)!stream_write(end->other->stream, bytes);
}

static void closed(void *owner)
{
    struct end *end = owner;
    end->stream = NULL;
    if (end->other->stream != NULL) {
        stream_close(end->other->stream, clock_mono_ms() + PATIENCE);
        return;
    }
    list_remove(&end->passage->node);
    mem_free(end->passage);
}

static const struct stream_handlers handlers = {.received = received, .closed = closed};

static int dial(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr = {htonl(INADDR_LOOPBACK)},
                                  .sin_port = htons((uint16_t)port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) != 0)
        perror("the relay");
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    return fd;
}

static void accepted(void *argument, int descriptor, const struct address *peer)
{
    struct tls_relay *relay = argument;
    struct passage *passage = mem_zalloc(sizeof(*passage));
    passage->outer = (struct end){passage, NULL, &passage->inner};
    passage->inner = (struct end){passage, NULL, &passage->outer};
    list_append(&relay->passages, &passage->node);
    passage->outer.stream =
        stream_new(relay->loop, descriptor, peer, OUTPUT_MAX, &handlers, &passage->outer);
    passage->inner.stream = stream_new(relay->loop, dial(relay->target), &address_unix, OUTPUT_MAX,
                                       &handlers, &passage->inner);
    (void)!stream_use_tls(passage->outer.stream, relay->settings);
}

static void on_end(struct loop_message *message)
{
    struct tls_relay *relay = CONTAINER_OF(message, struct tls_relay, end);
    listener_free(&relay->listener);
    struct list *node;
    while ((node = list_pop(&relay->passages)) != NULL) {
        struct passage *passage = CONTAINER_OF(node, struct passage, node);
        stream_abort(&passage->outer.stream);
        stream_abort(&passage->inner.stream);
        mem_free(passage);
    }
    loop_stop(relay->loop);
}

static void *run(void *argument)
{
    loop_run(((struct tls_relay *)argument)->loop);
    return NULL;
}

static void write_files(struct tls_relay *relay, const char *certificate)
{
    const char *texts[FILES] = {certificate != NULL ? certificate : GOOD_PEM, KEY_PEM, CA_PEM,
                                OTHER_CA_PEM};
    snprintf(relay->directory, sizeof(relay->directory), "/tmp/orderwire-relay-XXXXXX");
    assert_non_null(mkdtemp(relay->directory));
    for (int i = 0; i < FILES; i++) {
        snprintf(relay->paths[i], PATH_SIZE, "%s/%d.pem", relay->directory, i);
        int fd = open(relay->paths[i], O_WRONLY | O_CREAT | O_EXCL, 0600);
        assert_int_equal(write(fd, texts[i], strlen(texts[i])), strlen(texts[i]));
        close(fd);
    }
}

struct tls_relay *tls_relay_start(const char *certificate, int port)
{
    struct tls_relay *relay = mem_zalloc(sizeof(*relay));
    char error[TLS_ERROR_SIZE] = "";
    char address[LISTENER_ADDRESS_SIZE];
    char none[] = "";
    int descriptor = -1;
    struct str rest, host;
    int64_t number = 0;
    write_files(relay, certificate);
    const struct tls_options options = {relay->paths[CERT], relay->paths[KEY], none, PATIENCE};
    relay->target = port;
    list_init(&relay->passages);
    relay->tickets = tls_tickets_new();
    relay->settings = tls_settings_new(&options, relay->tickets, error);
    if (relay->settings == NULL ||
        listener_bind("127.0.0.1:0", 1, &descriptor, address, error) != 0)
        fail_msg("%s", error);
    rest = str_from(address);
    assert_true(str_split(&rest, ':', &host) && str_to_int64(rest, 1, UINT16_MAX, &number));
    relay->port = (int)number;
    relay->loop = loop_new();
    relay->end.run = on_end;
    relay->listener = listener_new(relay->loop, descriptor, accepted, relay);
    assert_int_equal(pthread_create(&relay->thread, NULL, run, relay), 0);
    return relay;
}

int tls_relay_port(const struct tls_relay *relay)
{
    return relay->port;
}

const struct tls_trust *tls_relay_trust(struct tls_relay *relay, enum tls_relay_trust trust)
{
    const struct tls_trust trusts[] = {[TRUST_RIGHT] = {.ca_file = relay->paths[CA]},
                                       [TRUST_OTHER] = {.ca_file = relay->paths[OTHER_CA]},
                                       [TRUST_ANYBODY] = {.insecure = true},
                                       [TRUST_NO_FILE] = {.ca_file = "/nonexistent"}};
    relay->trust = trusts[trust];
    return trust == TRUST_SYSTEM ? NULL : &relay->trust;
}

void tls_relay_stop(struct tls_relay **owner)
{
    struct tls_relay *relay = *owner;
    *owner = NULL;
    loop_post_always(relay->loop, &relay->end);
    pthread_join(relay->thread, NULL);
    loop_free(&relay->loop);
    tls_settings_release(&relay->settings);
    tls_tickets_free(&relay->tickets);
    for (int i = 0; i < FILES; i++)
        unlink(relay->paths[i]);
    rmdir(relay->directory);
    mem_free(relay);
}
