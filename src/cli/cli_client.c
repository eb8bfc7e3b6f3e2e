/* SPDX-License-Identifier: Apache-2.0 */
/* Finds the server and the key, asks, and turns refusals into sentences. */
#include "cli/cli_client.h"

#include "base/err.h"
#include "base/limits.h"
#include "base/mem.h"
#include "cli/cli_input.h"
#include "codec/api_error.h"
#include "codec/base64.h"
#include "codec/url.h"
#include "http/http_client.h"
#include "server/admin_key.h"
#include "server/private_path.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of a server at a socket: "unix:/run/orderwire.sock". */
#define UNIX_PREFIX "unix:"
#define SERVER_DEFAULT "http://127.0.0.1:8000"
#define ANSWER_TIMEOUT_MS 30000
#define KEY_MAX 4096
#define BEARER "Authorization: Bearer "
/* Where a project's API key serves. */
#define MERCHANT_ROUTES "/server/"
#define SERVER_MAX 1000
#define SENTENCE_MAX 200

/* Takes a server as people say it: "127.0.0.1:8000" is http. */
static void set_server(struct cli_client *client, const char *said)
{
    struct buf text;
    size_t length = strlen(said);
    while (length > 0 && said[length - 1] == '/')
        length--;
    buf_init(&text, length + sizeof("http://"));
    bool is_unix = str_starts_with(str_from(said), STR_LIT(UNIX_PREFIX));
    if (!is_unix && strstr(said, "://") == NULL)
        buf_append_text(&text, "http://");
    buf_append(&text, said, length);
    client->server = buf_detach_text(&text);
    client->base_url = is_unix ? "http://localhost" : client->server;
    client->unix_socket = is_unix ? client->server + strlen(UNIX_PREFIX) : NULL;
}

static bool server_is_good(const struct cli_client *client)
{
    struct url url;
    struct str server = str_from(client->server);
    return server.len <= SERVER_MAX && !str_has_control(server) && str_is_utf8(server) &&
           (client->unix_socket != NULL ? client->unix_socket[0] != '\0'
                                        : url_parse(server, &url) == 0);
}

static char *join(const char *a, const char *b, const char *c)
{
    struct buf text;
    buf_init(&text, 2 * KEY_MAX);
    buf_append_text(&text, a);
    buf_append_text(&text, b);
    buf_append_text(&text, c);
    return buf_detach_text(&text);
}

int cli_client_init(struct cli_client *client, const struct cli_arguments *arguments)
{
    const char *flag = cli_value(arguments, "server");
    http_client_setup();
    *client = (struct cli_client){
        .trust = {.ca_file = cli_value_or(arguments, "ca", "ORDERWIRE_CA", NULL),
                  .insecure = cli_has(arguments, "insecure")},
        .arguments = arguments,
    };
    set_server(client, cli_value_or(arguments, "server", "ORDERWIRE_SERVER", SERVER_DEFAULT));
    if (server_is_good(client))
        return CLI_OK;
    return cli_usage(arguments, "%s: expected http://HOST:PORT, https://HOST:PORT or unix:/PATH",
                     flag != NULL && flag[0] != '\0' ? "--server" : "ORDERWIRE_SERVER");
}

void cli_client_init_with(struct cli_client *client, const char *server, const char *key)
{
    http_client_setup();
    *client = (struct cli_client){.authorization = join(BEARER, key, "")};
    set_server(client, server);
}

void cli_client_fini(struct cli_client *client)
{
    if (client->authorization != NULL)
        mem_wipe(client->authorization, strlen(client->authorization));
    mem_free(client->authorization);
    mem_free(client->key_doubt);
    mem_free(client->server);
    *client = (struct cli_client){0};
}

static bool is_key(const char *text)
{
    return strlen(text) <= KEY_MAX && !str_has_control(str_from(text));
}

static int use_api_key(struct cli_client *client, const char *key)
{
    int32_t project_id;
    struct buf pair, text;
    int result = cli_read_project(client->arguments, &project_id);
    if (result != CLI_OK)
        return result;
    if (!is_key(key))
        return cli_fail("ORDERWIRE_API_KEY: this is no API key");
    buf_init(&pair, 2 * KEY_MAX);
    buf_init(&text, 3 * KEY_MAX);
    buf_printf(&pair, "%d:", project_id);
    buf_append_text(&pair, key);
    buf_append_text(&text, "Authorization: Basic ");
    base64_encode(buf_view(&pair), &text);
    buf_wipe(&pair);
    client->authorization = buf_detach_text(&text);
    client->key_doubt =
        mem_strdup("the API key in ORDERWIRE_API_KEY is not one of this project's?");
    return CLI_OK;
}

static void use_admin_key(struct cli_client *client, const char *key, const char *origin)
{
    client->authorization = join(BEARER, key, "");
    client->key_doubt = join("the admin key in ", origin, " is not this server's?");
}

/* `other` names what would do as well, for the sentence when there is none. */
static int read_admin_key(struct cli_client *client, const char *other)
{
    char key[ADMIN_KEY_SIZE];
    char error[ADMIN_KEY_ERROR_SIZE];
    char blame[PRIVATE_PATH_ERROR_SIZE];
    const char *directory = cli_value_or(client->arguments, "data", "ORDERWIRE_DATA", "data");
    if (admin_key_read(directory, key, error) != 0) {
        private_path_blame(directory, blame);
        return cli_fail("the admin key: %s%s; say where with --data, or set ORDERWIRE_ADMIN_KEY%s",
                        error, blame, other);
    }
    char *path = join(directory, "/admin.key", "");
    use_admin_key(client, key, path);
    mem_free(path);
    mem_wipe(key, sizeof(key));
    return CLI_OK;
}

/* Of the keys that open the route, the one that opens the least. */
static int find_key(struct cli_client *client, const char *path)
{
    bool is_merchants = str_starts_with(str_from(path), STR_LIT(MERCHANT_ROUTES));
    const char *api_key = is_merchants ? cli_variable("ORDERWIRE_API_KEY") : NULL;
    const char *admin_key = cli_variable("ORDERWIRE_ADMIN_KEY");
    if (api_key != NULL)
        return use_api_key(client, api_key);
    if (admin_key == NULL)
        return read_admin_key(client, is_merchants ? " or ORDERWIRE_API_KEY" : "");
    if (!is_key(admin_key))
        return cli_fail("ORDERWIRE_ADMIN_KEY: this is no admin key");
    use_admin_key(client, admin_key, "ORDERWIRE_ADMIN_KEY");
    return CLI_OK;
}

/* What answers before the server does, or TLS of the server to who speaks none, says it in plain words. */
static bool is_sentence(struct str text)
{
    return text.len > 0 && text.len < SENTENCE_MAX && text.ptr[0] != '<' && text.ptr[0] != '{' &&
           !str_has_control(text) && str_is_utf8(text);
}

static void refuse(const struct cli_client *client, struct str message)
{
    struct buf text;
    buf_init(&text, LIMIT_CLIENT_RESPONSE);
    if (client->arguments != NULL)
        cli_name_field(client->arguments, message, &text);
    else
        buf_append_str(&text, message);
    cli_fail("%.*s", STR_ARG(buf_view(&text)));
    buf_fini(&text);
}

int cli_client_report(const struct cli_client *client, int http_status, struct str body)
{
    struct str message;
    struct str rest = body;
    struct str line = STR_LIT("");
    struct json *document = json_parse(body, NULL);
    bool has_line = str_split(&rest, '\n', &line) && rest.len == 0;
    if (json_as_string(json_get(document, "errorMessage"), &message))
        refuse(client, message);
    else if (has_line && is_sentence(line))
        cli_fail("the server answered with HTTP status %d: %.*s", http_status, STR_ARG(line));
    else
        cli_fail("the server answered with HTTP status %d", http_status);
    json_free(&document);
    return CLI_FAILED;
}

int cli_client_unreachable(const struct cli_client *client, int error, const char *reason)
{
    bool is_https = str_starts_with(str_from(client->server), STR_LIT("https:"));
    const char *advice = "";
    switch (error) {
    case ERR_CLOSED:
        advice = "; is the server running?";
        break;
    case ERR_NOT_FOUND:
        advice = "; is this the server's name?";
        break;
    case ERR_UNSUPPORTED:
        advice =
            is_https ? "; a port without TLS wants http://" : "; a port with TLS wants https://";
        break;
    case ERR_DENIED:
        advice = "; --ca FILE says whom to trust";
        break;
    default:
        break;
    }
    return cli_fail("%s: %s%s", client->server, reason, advice);
}

/*
 * Two servers on one machine, or two data directories, are told apart by nothing else. And at the address for buyers
 * the operator's routes are as good as none.
 */
static void hint(const struct cli_client *client, int http_status, const struct json *document)
{
    int64_t code = 0;
    (void)!json_as_int(json_get(document, "errorCode"), &code);
    if (http_status == 401 && client->key_doubt != NULL)
        cli_hint("%s", client->key_doubt);
    if (code == api_error_code(API_ERROR_ROUTE_NOT_FOUND))
        cli_hint("a server with listen_private takes commands at that address alone: --server");
}

/* Takes over the response's body. */
static int take(struct cli_client *client, struct http_client_response *response,
                struct cli_answer *answer)
{
    char error[JSON_ERROR_SIZE];
    int result = CLI_OK;
    *answer = (struct cli_answer){.body = response->body};
    if (response->body.len > 0)
        answer->document = json_parse(buf_view(&answer->body), error);
    if (response->status < 200 || response->status > 299) {
        result = cli_client_report(client, response->status, buf_view(&answer->body));
        hint(client, response->status, answer->document);
    } else if (response->body.len > 0 && answer->document == NULL) {
        result = cli_fail("%s: the answer is not JSON: %s", client->server, error);
    }
    if (result != CLI_OK)
        cli_answer_fini(answer);
    return result;
}

int cli_client_call(struct cli_client *client, const char *method, const char *path,
                    struct str body, struct cli_answer *answer)
{
    char error[HTTP_CLIENT_ERROR_SIZE];
    struct buf url;
    struct http_client_response response;
    if (client->authorization == NULL && find_key(client, path) != CLI_OK)
        return CLI_FAILED;
    buf_init(&url, 2 * LIMIT_HTTP_URL);
    buf_append_text(&url, client->base_url);
    buf_append_text(&url, path);
    char *text = buf_detach_text(&url);
    int result = http_client_call(
        &(struct http_client_request){.method = method,
                                      .url = text,
                                      .unix_socket = client->unix_socket,
                                      .headers = (const char *const[]){client->authorization, NULL},
                                      .body = body,
                                      .timeout = ANSWER_TIMEOUT_MS,
                                      .trust = &client->trust},
        &response, error);
    mem_free(text);
    if (result != 0)
        return cli_client_unreachable(client, result, error);
    return take(client, &response, answer);
}

void cli_answer_fini(struct cli_answer *answer)
{
    json_free(&answer->document);
    buf_wipe(&answer->body);
}

int cli_client_token(struct cli_client *client, int32_t project_id, const char *user, int64_t ttl,
                     struct str claims, struct cli_answer *answer)
{
    char path[100];
    struct buf body;
    buf_init(&body, LIMIT_HTTP_BODY);
    buf_append_byte(&body, '{');
    json_write_text(&body, "user_external_id", str_from(user));
    json_write_int(&body, "ttl", ttl / 1000);
    if (claims.len > 0)
        json_write_raw(&body, "claims", claims);
    buf_append_byte(&body, '}');
    snprintf(path, sizeof(path), "/admin/v1/projects/%d/tokens", project_id);
    int result = body.overflow ? cli_fail("the claims are too large")
                               : cli_client_call(client, "POST", path, buf_view(&body), answer);
    buf_fini(&body);
    return result;
}

int cli_client_run(const struct cli_arguments *arguments, const char *method, const char *path,
                   struct str body, void (*show)(const struct json *document))
{
    struct cli_client client;
    struct cli_answer answer = {0};
    int result = cli_client_init(&client, arguments);
    if (result == CLI_OK)
        result = cli_client_call(&client, method, path, body, &answer);
    cli_client_fini(&client);
    if (result != CLI_OK)
        return result;
    if (!cli_has(arguments, "json"))
        show(answer.document);
    else if (answer.body.len > 0)
        printf("%.*s\n", STR_ARG(buf_view(&answer.body)));
    else
        printf("{\"ok\":true}\n");
    cli_answer_fini(&answer);
    return CLI_OK;
}

int cli_client_page(const struct cli_arguments *arguments, const char *what,
                    const char *const *filters, void (*show)(const struct json *document))
{
    char path[CLI_PATH_SIZE];
    struct buf page;
    int result = cli_read_project_path(arguments, what, path);
    if (result != CLI_OK)
        return result;
    buf_init(&page, LIMIT_HTTP_URL);
    buf_append_text(&page, path);
    result = cli_read_query(arguments, filters, &page);
    if (result == CLI_OK)
        result = cli_client_run(arguments, "GET", page.ptr, STR_LIT(""), show);
    buf_fini(&page);
    return result;
}

int cli_client_send(const struct cli_arguments *arguments, const char *method, const char *path,
                    int (*fill)(const struct cli_arguments *arguments, struct buf *object),
                    void (*show)(const struct json *document))
{
    struct buf body;
    buf_init(&body, LIMIT_HTTP_BODY);
    buf_append_byte(&body, '{');
    int result = fill(arguments, &body);
    buf_append_byte(&body, '}');
    if (result == CLI_OK && body.overflow)
        result = cli_fail("what is to be sent is too large");
    if (result == CLI_OK)
        result = cli_client_run(arguments, method, path, buf_view(&body), show);
    buf_wipe(&body);
    return result;
}
