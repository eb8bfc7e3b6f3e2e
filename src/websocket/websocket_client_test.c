/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The client against websocket.c on a real loop in a thread, and against servers that answer with
 * fixed bytes: those that refuse, that break the protocol, that say nothing.
 */
#include "base/err.h"
#include "base/mem.h"
#include "net/stream.h"
#include "net/tls_certificates_fixture.h"
#include "net/tls_relay_fixture.h"
#include "websocket/websocket.h"
#include "websocket/websocket_client.h"
#include "websocket/websocket_reader.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#define AUTHORIZATION "Authorization: Bearer abc"

enum { SOON = 5000, BIG = 200000, ROOM = 1 << 20 };

struct server {
    pthread_t thread;
    int listener;
    const char
        *answer; /* instead of a handshake; NULL for a real one. "200 OK" changes only the status */
    struct str frames; /* raw bytes after the handshake; a NULL pointer for websocket.c */
    struct loop *loop;
    struct websocket *websocket;
    bool closed;
    uint16_t goodbye; /* the code that the client closed with, 0 for none */
    bool authorized;  /* the handshake came with AUTHORIZATION */
    bool asked;       /* the handshake has come */
    int port;
    char url[64];
};

static void on_message(void *argument, struct str message)
{
    struct server *server = argument;
    if (str_equal(message, STR_LIT("bye"))) {
        websocket_close(server->websocket, 3005, "connection expired", true);
    } else if (str_equal(message, STR_LIT("vanish"))) {
        websocket_abort(&server->websocket);
        loop_stop(server->loop);
    } else if (str_equal(message, STR_LIT("big"))) {
        char *text = mem_zalloc(BIG);
        memset(text, 'b', BIG);
        assert_int_equal(websocket_send(server->websocket, false, str_make(text, BIG)), 0);
        mem_free(text);
    } else {
        assert_int_equal(websocket_send_frame(server->websocket, STR_LIT("\x89\x02hi")), 0);
        assert_int_equal(websocket_send(server->websocket, false, message), 0);
    }
}

static void on_closed(void *argument)
{
    struct server *server = argument;
    server->closed = true;
    loop_stop(server->loop);
}

static void serve_websocket(struct server *server, int fd)
{
    static const struct websocket_handlers handlers = {.message = on_message, .closed = on_closed};
    static const struct stream_handlers none = {0};
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    server->loop = loop_new();
    struct stream *stream = stream_new(server->loop, fd, &address_unix, ROOM, &none, NULL);
    server->websocket = websocket_new(stream, 65536, ROOM, str_make(NULL, 0), &handlers, server);
    loop_run(server->loop);
    loop_free(&server->loop);
}

/* Reads the request up to its end and finds the key in it; empty when nothing is asked. */
static struct str read_key(int fd, char *request, size_t size)
{
    size_t length = 0;
    while (length < size - 1 && (length < 4 || memcmp(request + length - 4, "\r\n\r\n", 4) != 0) &&
           recv(fd, request + length, 1, 0) == 1)
        length++;
    request[length] = '\0';
    if (length == 0)
        return str_make(NULL, 0);
    char *key = strstr(request, "Sec-WebSocket-Key: ");
    assert_non_null(key);
    return str_make(key + 19, 24);
}

/* Hears the client out after raw frames. */
static void hear_goodbye(struct server *server, int fd)
{
    char bytes[1000];
    ssize_t got;
    struct websocket_reader *reader = websocket_reader_new(true, sizeof(bytes));
    while ((got = recv(fd, bytes, sizeof(bytes), 0)) > 0) {
        struct str input = str_make(bytes, (size_t)got);
        struct websocket_item item;
        while (websocket_reader_next(reader, &input, &item))
            server->goodbye = item.kind == WEBSOCKET_CLOSE ? item.code : 0;
    }
    websocket_reader_free(&reader);
}

static void *serve(void *argument)
{
    struct server *server = argument;
    char request[1000];
    int fd = accept(server->listener, NULL, NULL);
    struct websocket_handshake handshake = {STR_LIT("Upgrade"), STR_LIT("websocket"), STR_LIT("13"),
                                            read_key(fd, request, sizeof(request))};
    server->asked = handshake.key.len > 0;
    if (!server->asked) {
        close(fd);
        return NULL;
    }
    server->authorized = strstr(request, "\r\n" AUTHORIZATION "\r\n") != NULL;
    struct buf answer;
    buf_init(&answer, 1000);
    bool other_status = server->answer != NULL && strcmp(server->answer, "200 OK") == 0;
    buf_printf(&answer, "HTTP/1.1 %s\r\n",
               other_status ? server->answer : "101 Switching Protocols");
    assert_int_equal(websocket_accept(&handshake, str_make(NULL, 0), &answer), 0);
    buf_append_text(&answer, "\r\n");
    if (server->answer != NULL && !other_status) {
        buf_clear(&answer);
        buf_append_text(&answer, server->answer);
    }
    /* The first frames may come in the same segment as the handshake's answer. */
    buf_append_str(&answer, server->frames);
    assert_int_equal(send(fd, answer.ptr, answer.len, MSG_NOSIGNAL), answer.len);
    buf_fini(&answer);
    if (server->answer == NULL && server->frames.ptr == NULL) {
        serve_websocket(server, fd);
        return NULL;
    }
    shutdown(fd, SHUT_WR);
    hear_goodbye(server, fd);
    close(fd);
    return NULL;
}

static void start_at(struct server *server, struct sockaddr *address, socklen_t length)
{
    server->listener = socket(address->sa_family, SOCK_STREAM, 0);
    assert_int_equal(bind(server->listener, address, length), 0);
    assert_int_equal(listen(server->listener, 1), 0);
    assert_int_equal(getsockname(server->listener, address, &length), 0);
    assert_int_equal(pthread_create(&server->thread, NULL, serve, server), 0);
}

static void start(struct server *server, const char *answer, struct str frames)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    *server = (struct server){.answer = answer, .frames = frames};
    start_at(server, (struct sockaddr *)&address, sizeof(address));
    server->port = ntohs(address.sin_port);
    snprintf(server->url, sizeof(server->url), "http://127.0.0.1:%d/connection/websocket",
             server->port);
}

static void stop(struct server *server)
{
    pthread_join(server->thread, NULL);
    close(server->listener);
}

static struct websocket_client *connect_to(struct server *server)
{
    char error[WEBSOCKET_CLIENT_ERROR_SIZE];
    struct websocket_client *client = websocket_client_connect(
        &(struct websocket_client_request){.url = server->url, .timeout = SOON}, error);
    if (client == NULL)
        fail_msg("%s", error);
    return client;
}

static struct websocket_client *connect_for_real(struct server *server)
{
    start(server, NULL, str_make(NULL, 0));
    return connect_to(server);
}

static void test_echo_and_goodbye(void **state)
{
    (void)state;
    struct server server;
    struct buf message;
    buf_init(&message, BIG);
    struct websocket_client *client = connect_for_real(&server);
    assert_int_equal(websocket_client_send(client, STR_LIT("Hello")), 0);
    assert_int_equal(websocket_client_receive(client, INT64_MAX, &message), 0);
    assert_true(str_equal(buf_view(&message), STR_LIT("Hello")));
    assert_int_equal(websocket_client_send(client, STR_LIT("big")), 0);
    assert_int_equal(websocket_client_receive(client, SOON, &message), 0);
    assert_int_equal(message.len, BIG);
    assert_int_equal(websocket_client_receive(client, 0, &message), ERR_TIMEOUT);
    assert_int_equal(message.len, 0);
    websocket_client_free(&client);
    assert_null(client);
    stop(&server);
    assert_true(server.closed);
    buf_fini(&message);
}

static void test_header(void **state)
{
    (void)state;
    struct server server;
    char error[WEBSOCKET_CLIENT_ERROR_SIZE];
    static const char *const headers[] = {NULL, AUTHORIZATION};
    for (size_t i = 0; i < ARRAY_LENGTH(headers); i++) {
        start(&server, NULL, str_make(NULL, 0));
        struct websocket_client *client = websocket_client_connect(
            &(struct websocket_client_request){
                .url = server.url, .header = headers[i], .timeout = SOON},
            error);
        assert_non_null(client);
        websocket_client_free(&client);
        stop(&server);
        assert_int_equal(server.authorized, headers[i] != NULL);
    }
}

static void test_server_closes(void **state)
{
    (void)state;
    struct server server;
    struct buf message;
    struct str reason;
    buf_init(&message, 1000);
    struct websocket_client *client = connect_for_real(&server);
    assert_int_equal(websocket_client_close_code(client, NULL), 1006);
    assert_int_equal(websocket_client_send(client, STR_LIT("bye")), 0);
    assert_int_equal(websocket_client_receive(client, SOON, &message), ERR_CLOSED);
    assert_int_equal(websocket_client_close_code(client, &reason), 3005);
    assert_true(str_equal(reason, STR_LIT("connection expired")));
    assert_int_equal(websocket_client_receive(client, SOON, &message), ERR_CLOSED);
    assert_int_equal(websocket_client_send(client, STR_LIT("x")), ERR_CLOSED);
    websocket_client_free(&client);
    stop(&server);
    assert_true(server.closed);
    buf_fini(&message);
}

static void test_server_vanishes(void **state)
{
    (void)state;
    struct server server;
    struct buf message;
    struct str reason;
    buf_init(&message, 1000);
    struct websocket_client *client = connect_for_real(&server);
    assert_int_equal(websocket_client_send(client, STR_LIT("vanish")), 0);
    assert_int_equal(websocket_client_receive(client, SOON, &message), ERR_CLOSED);
    assert_int_equal(websocket_client_close_code(client, &reason), 1006);
    assert_int_equal(reason.len, 0);
    websocket_client_free(&client);
    stop(&server);
    assert_false(server.closed);
    buf_fini(&message);
}

static void test_message_over_the_buffer(void **state)
{
    (void)state;
    struct server server;
    struct buf message;
    buf_init(&message, 4);
    struct websocket_client *client = connect_for_real(&server);
    assert_int_equal(websocket_client_send(client, STR_LIT("Hello")), 0);
    assert_int_equal(websocket_client_receive(client, SOON, &message), ERR_TOO_LARGE);
    assert_int_equal(websocket_client_send(client, STR_LIT("Hell")), 0);
    assert_int_equal(websocket_client_receive(client, SOON, &message), 0);
    websocket_client_free(&client);
    stop(&server);
    buf_fini(&message);
}

/* What comes with the answer to the handshake is heard, and broken frames end it. */
static void test_raw_frames(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t length;
        int result;
        int second;
        uint16_t code;
        uint16_t goodbye;
    } rows[] = {
        {"\x81\x02{}", 4, 0, ERR_CLOSED, 1006, 0},
        {"\x8a\x00\x81\x02{}\x88\x00", 8, 0, ERR_CLOSED, 1005, 1005},
        {"\x01\x01{\x80\x01}\x88\x02\x0b\xb9", 10, 0, ERR_CLOSED, 3001, 3001},
        {"\x81\x82\0\0\0\0{}", 8, ERR_IO, ERR_CLOSED, 1006, 1002},
        {"\x81\x01\xff", 3, ERR_IO, ERR_CLOSED, 1006, 1007},
        {"\x81\x7f\x00\x00\x00\x00\x7f\xff\xff\xffx", 11, ERR_IO, ERR_CLOSED, 1006, 1009},
        {"\x81\x05Hel", 5, ERR_CLOSED, ERR_CLOSED, 1006, 0},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct server server;
        struct buf message;
        buf_init(&message, 1000);
        start(&server, NULL, str_make(rows[i].bytes, rows[i].length));
        struct websocket_client *client = connect_to(&server);
        assert_int_equal(websocket_client_receive(client, SOON, &message), rows[i].result);
        assert_true(rows[i].result != 0 || str_equal(buf_view(&message), STR_LIT("{}")));
        assert_int_equal(websocket_client_receive(client, SOON, &message), rows[i].second);
        assert_int_equal(websocket_client_close_code(client, NULL), rows[i].code);
        websocket_client_free(&client);
        stop(&server);
        assert_int_equal(server.goodbye, rows[i].goodbye);
        buf_fini(&message);
    }
}

/* An owner who has heard enough says so. */
static void test_client_says_goodbye(void **state)
{
    (void)state;
    struct server server;
    struct buf message;
    buf_init(&message, 1000);
    start(&server, NULL, STR_LIT("\x81\x02{}"));
    struct websocket_client *client = connect_to(&server);
    assert_int_equal(websocket_client_receive(client, SOON, &message), 0);
    websocket_client_free(&client);
    stop(&server);
    assert_int_equal(server.goodbye, 1000);
    buf_fini(&message);
}

static void test_refused_handshakes(void **state)
{
    (void)state;
    static const struct {
        const char *answer;
        const char *error;
    } rows[] = {
        {"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\n\r\n",
         "the server refused the handshake: HTTP/1.1 503 Service Unavailable"},
        {"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
         "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
         "the server refused the handshake: HTTP/1.1 101 Switching Protocols"},
        {"HTTP/1.1 101 Switching Protocols\r\n\r\n",
         "the server refused the handshake: HTTP/1.1 101 Switching Protocols"},
        {"\x1b[2J\r\n\r\n", "the server refused the handshake: "},
        {"200 OK", "the server refused the handshake: HTTP/1.1 200 OK"},
        {"HTTP/1.1 101 Sw", "no answer to the handshake: closed"},
        {"", "no answer to the handshake: closed"},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct server server;
        char error[WEBSOCKET_CLIENT_ERROR_SIZE];
        start(&server, rows[i].answer, str_make(NULL, 0));
        assert_null(websocket_client_connect(
            &(struct websocket_client_request){.url = server.url, .timeout = SOON}, error));
        assert_string_equal(error, rows[i].error);
        stop(&server);
    }
}

static void test_no_server(void **state)
{
    (void)state;
    static const struct {
        const char *url;
        const char *error;
    } rows[] = {
        {"ftp://localhost/", "the address is no http:// or https:// URL"},
        {"localhost", "the address is no http:// or https:// URL"},
        {"", "the address is no http:// or https:// URL"},
        {"http://127.0.0.1:1/", "cannot connect to 127.0.0.1 port 1: Connection refused"},
        {"http://[::1]:1/", "cannot connect to ::1 port 1: "},
        {"https://127.0.0.1:1/", "cannot connect to 127.0.0.1 port 1: Connection refused"},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        char error[WEBSOCKET_CLIENT_ERROR_SIZE] = "";
        assert_null(websocket_client_connect(
            &(struct websocket_client_request){.url = rows[i].url, .timeout = SOON}, error));
        assert_true(str_starts_with(str_from(error), str_from(rows[i].error)));
    }
}

static void test_unix_socket(void **state)
{
    (void)state;
    struct server server = {.frames = STR_LIT("\x81\x02{}")};
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char long_path[200], directory[] = "/tmp/orderwire-websocket-XXXXXX";
    char error[WEBSOCKET_CLIENT_ERROR_SIZE] = "";
    struct websocket_client_request request = {
        .url = "http://localhost/", .unix_socket = address.sun_path, .timeout = SOON};
    assert_non_null(mkdtemp(directory));
    snprintf(address.sun_path, sizeof(address.sun_path), "%s/socket", directory);
    assert_null(websocket_client_connect(&request, error));
    assert_non_null(strstr(error, "/socket: No such file or directory"));
    start_at(&server, (struct sockaddr *)&address, sizeof(address));
    struct websocket_client *client = websocket_client_connect(&request, error);
    assert_non_null(client);
    websocket_client_free(&client);
    stop(&server);
    assert_true(server.asked);
    assert_null(websocket_client_connect(&request, error));
    assert_non_null(strstr(error, "/socket: Connection refused"));
    memset(long_path, 'a', sizeof(long_path) - 1);
    long_path[sizeof(long_path) - 1] = '\0';
    request.unix_socket = long_path;
    assert_null(websocket_client_connect(&request, error));
    assert_non_null(strstr(error, "File name too long"));
    unlink(address.sun_path);
    rmdir(directory);
}

/* The listener's queue takes the connection, and nobody ever answers. */
static void test_silent_server(void **state)
{
    (void)state;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t length = sizeof(address);
    char url[64], error[WEBSOCKET_CLIENT_ERROR_SIZE];
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, length), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &length), 0);
    snprintf(url, sizeof(url), "http://127.0.0.1:%d/", ntohs(address.sin_port));
    assert_null(websocket_client_connect(
        &(struct websocket_client_request){.url = url, .timeout = 10}, error));
    assert_string_equal(error, "no answer to the handshake: timed out");
    snprintf(url, sizeof(url), "https://127.0.0.1:%d/", ntohs(address.sin_port));
    assert_null(websocket_client_connect(
        &(struct websocket_client_request){.url = url, .timeout = 10}, error));
    assert_string_equal(error, "the TLS handshake failed: timed out");
    close(listener);
}

static struct tls_relay *start_behind_tls(struct server *server, const char *certificate,
                                          const char *host)
{
    start(server, NULL, str_make(NULL, 0));
    struct tls_relay *relay = tls_relay_start(certificate, server->port);
    snprintf(server->url, sizeof(server->url), "https://%s:%d/", host, tls_relay_port(relay));
    return relay;
}

static void test_encrypted(void **state)
{
    (void)state;
    static const char *const hosts[] = {"127.0.0.1", "localhost"};
    for (size_t i = 0; i < ARRAY_LENGTH(hosts); i++) {
        struct server server;
        struct buf message;
        char error[WEBSOCKET_CLIENT_ERROR_SIZE] = "";
        buf_init(&message, BIG);
        struct tls_relay *relay = start_behind_tls(&server, NULL, hosts[i]);
        struct websocket_client *client = websocket_client_connect(
            &(struct websocket_client_request){
                .url = server.url, .trust = tls_relay_trust(relay, TRUST_RIGHT), .timeout = SOON},
            error);
        assert_string_equal(error, "");
        assert_int_equal(websocket_client_send(client, STR_LIT("Hello")), 0);
        assert_int_equal(websocket_client_receive(client, SOON, &message), 0);
        assert_true(str_equal(buf_view(&message), STR_LIT("Hello")));
        assert_int_equal(websocket_client_send(client, STR_LIT("big")), 0);
        assert_int_equal(websocket_client_receive(client, SOON, &message), 0);
        assert_int_equal(message.len, BIG);
        assert_int_equal(websocket_client_receive(client, 0, &message), ERR_TIMEOUT);
        assert_int_equal(websocket_client_send(client, STR_LIT("vanish")), 0);
        assert_int_equal(websocket_client_receive(client, SOON, &message), ERR_CLOSED);
        assert_int_equal(websocket_client_close_code(client, NULL), 1006);
        websocket_client_free(&client);
        stop(&server);
        tls_relay_stop(&relay);
        buf_fini(&message);
    }
}

/* Nothing is sent to a server that is not the one that was meant. */
static void test_whom_it_trusts(void **state)
{
    (void)state;
    static const struct {
        const char *certificate;
        enum tls_relay_trust trust;
        const char *error;
    } rows[] = {
        {GOOD_PEM, TRUST_RIGHT, ""},
        {EXPIRED_PEM, TRUST_ANYBODY, ""},
        {GOOD_PEM, TRUST_SYSTEM,
         "the TLS handshake failed: unable to get local issuer certificate"},
        {GOOD_PEM, TRUST_OTHER, "the TLS handshake failed: unable to get local issuer certificate"},
        {OTHER_HOST_PEM, TRUST_RIGHT, "the TLS handshake failed: IP address mismatch"},
        {EXPIRED_PEM, TRUST_RIGHT, "the TLS handshake failed: certificate has expired"},
        {GOOD_PEM, TRUST_NO_FILE, "/nonexistent: "},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct server server;
        char error[WEBSOCKET_CLIENT_ERROR_SIZE] = "";
        struct tls_relay *relay = start_behind_tls(&server, rows[i].certificate, "127.0.0.1");
        struct websocket_client *client = websocket_client_connect(
            &(struct websocket_client_request){
                .url = server.url, .trust = tls_relay_trust(relay, rows[i].trust), .timeout = SOON},
            error);
        if (!str_starts_with(str_from(error), str_from(rows[i].error)))
            fail_msg("row %zu: %s", i, error);
        assert_int_equal(client == NULL, rows[i].error[0] != '\0');
        websocket_client_free(&client);
        tls_relay_stop(&relay);
        stop(&server);
        assert_int_equal(server.asked, rows[i].error[0] == '\0');
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_echo_and_goodbye),
        cmocka_unit_test(test_server_closes),
        cmocka_unit_test(test_server_vanishes),
        cmocka_unit_test(test_raw_frames),
        cmocka_unit_test(test_message_over_the_buffer),
        cmocka_unit_test(test_refused_handshakes),
        cmocka_unit_test(test_client_says_goodbye),
        cmocka_unit_test(test_no_server),
        cmocka_unit_test(test_unix_socket),
        cmocka_unit_test(test_silent_server),
        cmocka_unit_test(test_header),
        cmocka_unit_test(test_encrypted),
        cmocka_unit_test(test_whom_it_trusts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
