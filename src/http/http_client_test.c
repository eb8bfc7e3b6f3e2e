/* SPDX-License-Identifier: Apache-2.0 */
/* The client against a small blocking server in a thread, which shows each request back. */
#include "http/http_client.h"

#include "base/err.h"
#include "net/tls_certificates_fixture.h"
#include "net/tls_relay_fixture.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define PATIENCE 5000
#define SHORT 30

static int listening;
static int port;
static pthread_t thread;

#define TLS_HANDSHAKE 0x16 /* the first byte of who begins TLS */

/* All of a request that ends with its head, or with `body`; of TLS, its beginning. */
static size_t read_request(int fd, char *out, size_t size)
{
    size_t length = 0;
    ssize_t n;
    while (length < size - 1 && (n = recv(fd, out + length, size - 1 - length, 0)) > 0) {
        length += (size_t)n;
        out[length] = '\0';
        const char *body = strstr(out, "\r\n\r\n");
        bool has_body =
            strstr(out, "Content-Length: ") != NULL && strstr(out, "Content-Length: 0\r\n") == NULL;
        if (out[0] == TLS_HANDSHAKE || (body != NULL && (!has_body || strstr(body, "end") != NULL)))
            break;
    }
    return length;
}

static void send_text(int fd, const char *text)
{
    send(fd, text, strlen(text), MSG_NOSIGNAL);
}

static void send_without_end(int fd)
{
    static char zeros[65536];
    send_text(fd, "HTTP/1.1 200 OK\r\n\r\n");
    while (send(fd, zeros, sizeof(zeros), MSG_NOSIGNAL) > 0)
        continue;
}

static void serve_one(int fd, const char *request)
{
    char byte;
    if (request[0] == TLS_HANDSHAKE) {
        send_text(fd, "HTTP/1.1 400 Bad Request\r\n\r\n");
    } else if (strstr(request, "/alert") != NULL) {
        send_text(fd, "\x15\x03\x03\x01\x02\x02F");
    } else if (strstr(request, "/echo") != NULL) {
        send_text(fd, "HTTP/1.1 201 Created\r\neTAG:  \"abc\" \r\n\r\n");
        send_text(fd, request);
    } else if (strstr(request, "/redirect") != NULL) {
        send_text(fd, "HTTP/1.1 302 Found\r\nLocation: /echo\r\nContent-Length: 0\r\n\r\n");
    } else if (strstr(request, "/huge") != NULL) {
        send_without_end(fd);
    } else if (strstr(request, "/slow") != NULL) {
        while (recv(fd, &byte, 1, 0) > 0)
            continue;
    } else if (strstr(request, "/long-etag") != NULL) {
        send_text(fd,
                  "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nETag: \"0123456789"
                  "0123456789012345678901234567890123456789012345678901234567890123456789"
                  "\"\r\n\r\n");
    }
}

static void *serve(void *argument)
{
    (void)argument;
    char request[8192];
    int fd;
    while ((fd = accept(listening, NULL, NULL)) >= 0) {
        request[0] = '\0';
        read_request(fd, request, sizeof(request));
        bool last = strncmp(request, "STOP", 4) == 0;
        serve_one(fd, request);
        close(fd);
        if (last)
            break;
    }
    return NULL;
}

static int start(void **state)
{
    (void)state;
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof(address);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    http_client_setup();
    listening = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(listening, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(listening, 8), 0);
    assert_int_equal(getsockname(listening, (struct sockaddr *)&address, &size), 0);
    port = ntohs(address.sin_port);
    return pthread_create(&thread, NULL, serve, NULL);
}

static int call(const char *method, const char *path, const char *const *headers, struct str body,
                int64_t timeout, struct http_client_response *response,
                char error[HTTP_CLIENT_ERROR_SIZE])
{
    char url[200];
    snprintf(url, sizeof(url), "http://127.0.0.1:%d%s", port, path);
    struct http_client_request request = {method, url, headers, body, timeout};
    error[0] = '\0';
    return http_client_call(&request, response, error);
}

static int stop(void **state)
{
    (void)state;
    struct http_client_response response;
    char error[HTTP_CLIENT_ERROR_SIZE];
    int result = call("STOP", "/", NULL, (struct str){0}, PATIENCE, &response, error);
    pthread_join(thread, NULL);
    close(listening);
    return result == ERR_IO ? 0 : -1;
}

/* What the server saw of a request. */
static struct buf seen;

static void echo(const char *method, const char *const *headers, struct str body)
{
    struct http_client_response response;
    char error[HTTP_CLIENT_ERROR_SIZE];
    int result = call(method, "/echo?a=b", headers, body, PATIENCE, &response, error);
    if (result != 0)
        fail_msg("%s: %s", method, error);
    assert_int_equal(response.status, 201);
    assert_string_equal(response.etag, "\"abc\"");
    buf_fini(&seen);
    seen = response.body;
    buf_append_byte(&seen, '\0');
}

static bool saw(const char *text)
{
    return strstr(seen.ptr, text) != NULL;
}

static void test_get(void **state)
{
    (void)state;
    static const char *const headers[] = {"Authorization: Bearer x", "If-None-Match: \"1\"", NULL};
    echo("GET", headers, (struct str){0});
    assert_true(str_starts_with(buf_view(&seen), STR_LIT("GET /echo?a=b HTTP/1.1\r\n")));
    assert_true(saw("\r\nAuthorization: Bearer x\r\nIf-None-Match: \"1\"\r\n"));
    assert_true(saw("\r\nUser-Agent: orderwire/"));
    assert_false(saw("Content-"));
    buf_fini(&seen);
}

static void test_bodies(void **state)
{
    (void)state;
    static const char *const methods[] = {"POST", "PATCH", "PUT", "DELETE"};
    for (size_t i = 0; i < ARRAY_LENGTH(methods); i++) {
        echo(methods[i], NULL, STR_LIT("{\"the\":\"end\"}"));
        assert_true(str_starts_with(buf_view(&seen), str_from(methods[i])));
        assert_true(saw("\r\nContent-Type: application/json\r\n"));
        assert_true(saw("\r\nContent-Length: 13\r\n"));
        assert_true(saw("\r\n\r\n{\"the\":\"end\"}"));
        assert_false(saw("Expect"));
        echo(methods[i], NULL, (struct str){0});
        assert_false(saw("Content-Type"));
        assert_int_equal(saw("\r\nContent-Length: 0\r\n"), i < 3);
    }
    buf_fini(&seen);
}

static void test_type_of_the_caller(void **state)
{
    (void)state;
    static const char *const headers[] = {"content-type: text/plain", "User-Agent: me",
                                          "Accept:", NULL};
    echo("POST", headers, STR_LIT("the end"));
    assert_true(saw("\r\ncontent-type: text/plain\r\n"));
    assert_true(saw("\r\nUser-Agent: me\r\n"));
    assert_false(saw("json") || saw("orderwire") || saw("Accept"));
    buf_fini(&seen);
}

static void test_no_redirect_is_followed(void **state)
{
    (void)state;
    struct http_client_response response;
    char error[HTTP_CLIENT_ERROR_SIZE];
    assert_int_equal(call("GET", "/redirect", NULL, (struct str){0}, PATIENCE, &response, error),
                     0);
    assert_int_equal(response.status, 302);
    assert_string_equal(response.etag, "");
    buf_fini(&response.body);
}

static void test_no_proxy_is_used(void **state)
{
    (void)state;
    setenv("http_proxy", "http://127.0.0.1:1", 1);
    setenv("ALL_PROXY", "http://127.0.0.1:1", 1);
    echo("GET", NULL, (struct str){0});
    unsetenv("http_proxy");
    unsetenv("ALL_PROXY");
    buf_fini(&seen);
}

static void test_failures(void **state)
{
    (void)state;
    struct http_client_response response;
    char error[HTTP_CLIENT_ERROR_SIZE];
    struct str none = {0};
    assert_int_equal(call("GET", "/slow", NULL, none, SHORT, &response, error), ERR_TIMEOUT);
    assert_true(strlen(error) > 10);
    assert_int_equal(call("GET", "/huge", NULL, none, PATIENCE, &response, error), ERR_TOO_LARGE);
    assert_non_null(strstr(error, "16777216"));
    assert_int_equal(call("GET", "/nothing", NULL, none, PATIENCE, &response, error), ERR_IO);
    assert_true(strlen(error) > 10);
    assert_int_equal(call("GET", "/alert", NULL, none, PATIENCE, &response, error),
                     ERR_UNSUPPORTED);
    char as_https[40];
    snprintf(as_https, sizeof(as_https), "https://127.0.0.1:%d/", port);
    const struct {
        const char *url;
        const char *unix_socket;
        int result;
        const char *error;
    } rows[] = {
        {"http://127.0.0.1:1/", NULL, ERR_CLOSED, "cannot connect: Connection refused"},
        {"http://localhost/", "/nowhere", ERR_CLOSED, "cannot connect: No such file or directory"},
        /* A label of more than 63 bytes: nobody needs to be asked for it. */
        {"http://a123456789b123456789c123456789d123456789e123456789f123456789g123456789/", NULL,
         ERR_NOT_FOUND, "Could not resolve host: a123456789"},
        {as_https, NULL, ERR_UNSUPPORTED, "SSL"},
        {"file:///etc/hostname", NULL, ERR_UNSUPPORTED, ""},
        {"gopher://a", NULL, ERR_UNSUPPORTED, ""},
        {"", NULL, ERR_IO, ""},
        {"http://[::bad", NULL, ERR_IO, ""},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        const struct http_client_request request = {.method = "GET",
                                                    .url = rows[i].url,
                                                    .timeout = PATIENCE,
                                                    .unix_socket = rows[i].unix_socket};
        error[0] = '\0';
        int result = http_client_call(&request, &response, error);
        if (result != rows[i].result || strlen(error) <= 10 || !strstr(error, rows[i].error))
            fail_msg("row %zu: %d, %s", i, result, error);
    }
}

static void test_whom_it_trusts(void **state)
{
    (void)state;
    static const struct {
        const char *certificate;
        enum tls_relay_trust trust;
        int result;
    } rows[] = {
        {GOOD_PEM, TRUST_RIGHT, 0},
        {EXPIRED_PEM, TRUST_ANYBODY, 0},
        {GOOD_PEM, TRUST_SYSTEM, ERR_DENIED},
        {GOOD_PEM, TRUST_OTHER, ERR_DENIED},
        {OTHER_HOST_PEM, TRUST_RIGHT, ERR_DENIED},
        {EXPIRED_PEM, TRUST_RIGHT, ERR_DENIED},
        {GOOD_PEM, TRUST_NO_FILE, ERR_DENIED},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        char url[100], error[HTTP_CLIENT_ERROR_SIZE] = "";
        struct http_client_response response;
        struct tls_relay *relay = tls_relay_start(rows[i].certificate, port);
        snprintf(url, sizeof(url), "https://127.0.0.1:%d/echo", tls_relay_port(relay));
        const struct http_client_request request = {
            .method = "GET",
            .url = url,
            .timeout = PATIENCE,
            .trust = tls_relay_trust(relay, rows[i].trust),
        };
        int result = http_client_call(&request, &response, error);
        if (result != rows[i].result)
            fail_msg("row %zu: %d, %s", i, result, error);
        assert_true(strlen(error) > 10);
        if (result == 0)
            buf_fini(&response.body);
        tls_relay_stop(&relay);
    }
}

static void test_etag_that_does_not_fit(void **state)
{
    (void)state;
    struct http_client_response response;
    char error[HTTP_CLIENT_ERROR_SIZE];
    assert_int_equal(call("GET", "/long-etag", NULL, (struct str){0}, PATIENCE, &response, error),
                     0);
    assert_string_equal(response.etag, "");
    buf_fini(&response.body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_get),
        cmocka_unit_test(test_bodies),
        cmocka_unit_test(test_type_of_the_caller),
        cmocka_unit_test(test_no_redirect_is_followed),
        cmocka_unit_test(test_no_proxy_is_used),
        cmocka_unit_test(test_failures),
        cmocka_unit_test(test_etag_that_does_not_fit),
        cmocka_unit_test(test_whom_it_trusts),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
