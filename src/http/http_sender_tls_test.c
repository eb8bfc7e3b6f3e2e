/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS against `openssl s_server`, a child for each case: whose certificates are good, which
 * versions, and the client's own certificate. What the child shall answer is written to it before,
 * and it says it as soon as a handshake is done.
 */
#include "http/http_sender_fixture.h"
#include "net/tls_certificates_fixture.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

extern char **environ;

static char folder[] = "/tmp/orderwire-tls-XXXXXX";

static const struct {
    const char *name;
    const char *content;
} files[] = {
    {"good", GOOD_PEM KEY_PEM},
    {"other-host", OTHER_HOST_PEM KEY_PEM},
    {"expired", EXPIRED_PEM KEY_PEM},
    {"future", FUTURE_PEM KEY_PEM},
    {"ca", CA_PEM},
    /* Lets the children and libcurl do what the system forbids, so that our own rule is seen. */
    {"openssl.cnf",
     "openssl_conf = a\n[a]\nssl_conf = b\n[b]\nsystem_default = c\n"
     "[c]\nMinProtocol = TLSv1\nCipherString = ALL:@SECLEVEL=0\n"},
};

static int write_files(void **state)
{
    (void)state;
    if (mkdtemp(folder) == NULL || chdir(folder) != 0)
        return -1;
    for (size_t i = 0; i < ARRAY_LENGTH(files); i++) {
        FILE *file = fopen(files[i].name, "w");
        if (file == NULL || fputs(files[i].content, file) < 0 || fclose(file) != 0)
            return -1;
    }
    return setenv("OPENSSL_CONF", "openssl.cnf", 1);
}

/* Those that a failed test did not stop. */
static pid_t children[64];
static size_t child_count;

static int clean_up(void **state)
{
    (void)state;
    for (size_t i = 0; i < child_count; i++) {
        if (children[i] != 0)
            kill(children[i], SIGKILL);
    }
    for (size_t i = 0; i < ARRAY_LENGTH(files); i++)
        unlink(files[i].name);
    return chdir("/") == 0 && rmdir(folder) == 0 ? 0 : -1;
}

struct server {
    pid_t pid;
    int input;
    FILE *output;
    int port;
};

static int find_port(FILE *output)
{
    char line[200];
    while (fgets(line, sizeof(line), output) != NULL) {
        struct str rest = str_from(line);
        struct str word;
        int64_t port = 0;
        if (!str_starts_with(rest, STR_LIT("ACCEPT ")))
            continue;
        if (str_split(&rest, ':', &word) && str_split(&rest, '\n', &word) &&
            str_to_int64(word, 1, UINT16_MAX, &port))
            return (int)port;
    }
    return 0;
}

/* `extra` are options of s_server, ended by NULL. */
static void server_start(struct server *server, const char *certificate, const char *const *extra)
{
    static const char *const common[] = {"openssl", "s_server", "-accept", "127.0.0.1:0", "-cert"};
    const char *arguments[20] = {0};
    size_t count = ARRAY_LENGTH(common);
    int input[2];
    int output[2];
    posix_spawn_file_actions_t actions;
    memcpy(arguments, common, sizeof(common));
    arguments[count++] = certificate;
    for (size_t i = 0; extra != NULL && extra[i] != NULL; i++)
        arguments[count++] = extra[i];
    assert_int_equal(pipe2(input, O_CLOEXEC), 0);
    assert_int_equal(pipe2(output, O_CLOEXEC), 0);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, input[0], 0);
    posix_spawn_file_actions_adddup2(&actions, output[1], 1);
    posix_spawn_file_actions_adddup2(&actions, output[1], 2);
    assert_int_equal(
        posix_spawnp(&server->pid, "openssl", &actions, NULL, (char *const *)arguments, environ),
        0);
    posix_spawn_file_actions_destroy(&actions);
    assert_true(child_count < ARRAY_LENGTH(children));
    children[child_count++] = server->pid;
    close(input[0]);
    close(output[1]);
    server->input = input[1];
    server->output = fdopen(output[0], "r");
}

static void server_await(struct server *server)
{
    server->port = find_port(server->output);
    assert_true(server->port > 0);
}

static void server_answers(const struct server *server)
{
    static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    assert_int_equal(write(server->input, answer, sizeof(answer) - 1), sizeof(answer) - 1);
}

static void server_stop(struct server *server)
{
    kill(server->pid, SIGKILL);
    waitpid(server->pid, NULL, 0);
    for (size_t i = 0; i < child_count; i++) {
        if (children[i] == server->pid)
            children[i] = 0;
    }
    close(server->input);
    fclose(server->output);
}

static struct http_sender_request request_to(const struct server *server, const char *host)
{
    static char url[100];
    snprintf(url, sizeof(url), "https://%s:%d/", host, server->port);
    return (struct http_sender_request){.url = url,
                                        .body = STR_LIT("{}"),
                                        .timeout = PATIENCE,
                                        .allowed = loopback,
                                        .allowed_count = 1,
                                        .ca = STR_LIT(CA_PEM)};
}

static void call(struct world *world, const struct http_sender_request *request,
                 enum http_sender_outcome outcome, const char *error)
{
    struct outcome got;
    world_call(world, request, &got);
    if (got.result.outcome != outcome || strcmp(got.result.error, error) != 0)
        fail_msg("instead of \"%s\": outcome %d, \"%s\"", error, got.result.outcome,
                 got.result.error);
    assert_int_equal(got.result.status, outcome == HTTP_SENDER_ANSWERED ? 200 : 0);
    assert_true(str_starts_with(str_from(got.result.address), STR_LIT("127.0.0.1:")));
    outcome_fini(&got);
}

static const char *const only_1_1[] = {"-tls1_1", NULL};
static const char *const only_1_2[] = {"-tls1_2", NULL};
static const char *const only_1_3[] = {"-tls1_3", NULL};
static const char *const wants_client[] = {"-Verify", "1", "-verify_return_error", "-CAfile", "ca",
                                           "-tls1_2", NULL};

static void test_certificates(void **state)
{
    static const struct {
        const char *certificate;
        const char *const *extra;
        const char *host;
        struct str ca;
        const char *error; /* "": answered */
    } cases[] = {
        {"good", only_1_2, "127.0.0.1", STR_LIT(CA_PEM), ""},
        {"good", only_1_3, "localhost", STR_LIT(OTHER_CA_PEM CA_PEM), ""},
        {"good", NULL, "127.0.0.1", STR_LIT(OTHER_CA_PEM), "the certificate's issuer is not known"},
        {"good", NULL, "127.0.0.1", STR_LIT(""), "the certificate's issuer is not known"},
        {"good", NULL, "127.0.0.1", STR_LIT("no PEM"), "the CA certificate cannot be read"},
        {"other-host", NULL, "127.0.0.1", STR_LIT(CA_PEM), "the certificate is for another name"},
        {"other-host", NULL, "localhost", STR_LIT(CA_PEM), "the certificate is for another name"},
        {"expired", NULL, "127.0.0.1", STR_LIT(CA_PEM), "the certificate has expired"},
        {"future", NULL, "127.0.0.1", STR_LIT(CA_PEM), "the certificate is not valid yet"},
        {"good", only_1_1, "127.0.0.1", STR_LIT(CA_PEM), "the TLS handshake failed"},
    };
    struct server servers[ARRAY_LENGTH(cases)];
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++)
        server_start(&servers[i], cases[i].certificate, cases[i].extra);
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct server server = servers[i];
        server_await(&server);
        server_answers(&server);
        struct http_sender_request request = request_to(&server, cases[i].host);
        request.ca = cases[i].ca;
        call(*state, &request, cases[i].error[0] == '\0' ? HTTP_SENDER_ANSWERED : HTTP_SENDER_TLS,
             cases[i].error);
        server_stop(&server);
    }
}

static void test_client_certificates(void **state)
{
    static const struct {
        struct str certificate, key;
        const char *error;
    } cases[] = {
        {STR_LIT(CLIENT_PEM), STR_LIT(KEY_PEM), ""},
        {STR_LIT(""), STR_LIT(""), "the TLS handshake failed"},
        {STR_LIT(CLIENT_PEM), STR_LIT(OTHER_KEY_PEM),
         "the client certificate or its key cannot be used"},
        {STR_LIT(CLIENT_PEM), STR_LIT(LOCKED_KEY_PEM),
         "the client certificate or its key cannot be used"},
        {STR_LIT(CLIENT_PEM), STR_LIT(""), "the client certificate or its key cannot be used"},
        {STR_LIT("no PEM"), STR_LIT(KEY_PEM), "the client certificate or its key cannot be used"},
    };
    struct server servers[ARRAY_LENGTH(cases)];
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++)
        server_start(&servers[i], "good", wants_client);
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct server server = servers[i];
        server_await(&server);
        server_answers(&server);
        struct http_sender_request request = request_to(&server, "127.0.0.1");
        request.client_cert = cases[i].certificate;
        request.client_key = cases[i].key;
        call(*state, &request, cases[i].error[0] == '\0' ? HTTP_SENDER_ANSWERED : HTTP_SENDER_TLS,
             cases[i].error);
        server_stop(&server);
    }
}

/*
 * The server serves one connection at a time, so whoever is not on the kept one waits for ever: a
 * request with other TLS settings must, and one with the same must not.
 */
static void test_a_kept_connection_keeps_its_tls_settings(void **state)
{
    struct server server;
    server_start(&server, "good", wants_client);
    server_await(&server);
    server_answers(&server);
    struct http_sender_request request = request_to(&server, "127.0.0.1");
    request.client_cert = STR_LIT(CLIENT_PEM);
    request.client_key = STR_LIT(KEY_PEM);
    call(*state, &request, HTTP_SENDER_ANSWERED, "");
    struct http_sender_request other = request;
    other.client_key = STR_LIT(OTHER_KEY_PEM);
    call(*state, &other, HTTP_SENDER_TLS, "the client certificate or its key cannot be used");
    other = request;
    other.timeout = SHORT;
    other.ca = STR_LIT(CA_PEM OTHER_CA_PEM);
    call(*state, &other, HTTP_SENDER_TIMEOUT, "there was no connection in time");
    other.client_cert = (struct str){0};
    other.ca = request.ca;
    call(*state, &other, HTTP_SENDER_TIMEOUT, "there was no connection in time");
    request.timeout = SHORT;
    call(*state, &request, HTTP_SENDER_TIMEOUT, "there was no answer in time");
    server_stop(&server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_certificates),
        WORLD_TEST(test_client_certificates),
        WORLD_TEST(test_a_kept_connection_keeps_its_tls_settings),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, write_files, clean_up);
}
