/* SPDX-License-Identifier: Apache-2.0 */
/* Requests to a running server, with the operator's key or, where a merchant's routes take it, a project's. */
#ifndef ORDERWIRE_CLI_CLI_CLIENT_H
#define ORDERWIRE_CLI_CLI_CLIENT_H

#include "base/buf.h"
#include "cli/cli.h"
#include "codec/json.h"
#include "net/tls.h"

struct cli_client {
    char *server;            /* "http://127.0.0.1:8000" or "unix:/run/a.sock" */
    const char *base_url;    /* what paths are put behind: http:// or https:// */
    const char *unix_socket; /* the path of the socket to connect to; NULL: what base_url says */
    struct tls_trust trust;
    char *authorization; /* a header line; NULL until the first request */
    char *key_doubt;     /* what to ask when it is refused; NULL when the key was given */
    const struct cli_arguments *arguments;
};

/*
 * For a command with CLI_CLIENT_FLAGS. CLI_OK, or CLI_USAGE after a sentence; it is to be given back in both
 * cases. The key is looked for at the first request, and serves for all: on a merchant's route ORDERWIRE_API_KEY
 * with --project, else ORDERWIRE_ADMIN_KEY, else admin.key of --data.
 */
NODISCARD int cli_client_init(struct cli_client *client, const struct cli_arguments *arguments);
/* For a server and a key that are known. */
void cli_client_init_with(struct cli_client *client, const char *server, const char *key);
void cli_client_fini(struct cli_client *client);

struct cli_answer {
    struct buf body;       /* as it came */
    struct json *document; /* parsed; NULL when there is no body */
};

/*
 * CLI_OK and an answer, to be freed by cli_answer_fini; or CLI_FAILED after the server's
 * errorMessage, or what kept it from answering, on standard error.
 */
NODISCARD int cli_client_call(struct cli_client *client, const char *method, const char *path,
                              struct str body, struct cli_answer *answer);
void cli_answer_fini(struct cli_answer *answer);
/* Prints the errorMessage of an answer that is a refusal, by the flags' names; CLI_FAILED. */
int cli_client_report(const struct cli_client *client, int http_status, struct str body);
/* Says why the server could not be asked, by an error of http_client_call, and what to try; CLI_FAILED. */
int cli_client_unreachable(const struct cli_client *client, int error, const char *reason);

/*
 * A token for a user of a project: CLI_OK and the answer {"token","expires_at"}, or CLI_FAILED
 * after a sentence. `ttl` in ms; `claims` is a JSON object, or empty.
 */
NODISCARD int cli_client_token(struct cli_client *client, int32_t project_id, const char *user,
                               int64_t ttl, struct str claims, struct cli_answer *answer);

/* For a command that makes one request and shows the answer: as it came with --json, else by `show`. */
NODISCARD int cli_client_run(const struct cli_arguments *arguments, const char *method,
                             const char *path, struct str body,
                             void (*show)(const struct json *document));
/*
 * The same for a page of what a project has: "/orders" of --project, by those of the filters (flags, NULL ends them)
 * that are given.
 */
NODISCARD int cli_client_page(const struct cli_arguments *arguments, const char *what,
                              const char *const *filters,
                              void (*show)(const struct json *document));
/* The same with an object for a body, to which `fill` appends the members; what that returns but CLI_OK is the end. */
NODISCARD int
cli_client_send(const struct cli_arguments *arguments, const char *method, const char *path,
                int (*fill)(const struct cli_arguments *arguments, struct buf *object),
                void (*show)(const struct json *document));

#endif
