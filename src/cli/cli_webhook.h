/* SPDX-License-Identifier: Apache-2.0 */
/* What the webhook commands share: paths, and an endpoint's settings as flags. */
#ifndef ORDERWIRE_CLI_CLI_WEBHOOK_H
#define ORDERWIRE_CLI_CLI_WEBHOOK_H

#include "cli/cli_input.h"

/*
 * The path of the webhook that the first argument names, and `rest` behind it: "" or "/pause".
 * CLI_OK or CLI_USAGE.
 */
NODISCARD int cli_webhook_path(const struct cli_arguments *arguments, const char *rest,
                               char path[CLI_PATH_SIZE]);

/* The flag --secret: a text, or @FILE. Appends nothing when it is absent. */
NODISCARD int cli_webhook_secret(const struct cli_arguments *arguments, struct buf *object);

#define CLI_WEBHOOK_FLAGS                                                                          \
    {"preset", "standard|xsolla", "whose bodies, headers and answers; default standard"},          \
        {"status", "STATUS", "only events of this status", true, "statuses"},                      \
        {"mode", "all|latest", "every event, or the latest one that waits"},                       \
        {"description", "TEXT", "a note for people"},                                              \
        {"concurrency", "N", "requests in flight at a time"},                                      \
        {"rate", "N", "requests a second; 0: no bound"},                                           \
        {"schedule", "DURATIONS", "waits between attempts: 5s,5m,30m"},                            \
        {"timeout", "DURATION", "for one attempt, such as 15s"},                                   \
        {"max-age", "DURATION", "how long a delivery may be held", .field = "max_age"},            \
        {"receiver-ca", "FILE", "authorities that the server trusts for this receiver, PEM",       \
         .field = "ca"},                                                                           \
        {"client-cert", "FILE", "certificate to show it, PEM", .field = "client_cert"},            \
        {"client-key", "FILE", "its private key, PEM", .field = "client_key"},                     \
    {                                                                                              \
        "json-settings", "JSON|FILE", "any settings, as an object; see docs/http-api.md"           \
    }

/*
 * Appends these to an open JSON object, each with its comma. An empty value is written as null,
 * which removes a setting. CLI_OK, CLI_USAGE or CLI_FAILED.
 */
NODISCARD int cli_webhook_settings(const struct cli_arguments *arguments, struct buf *object);

#endif
