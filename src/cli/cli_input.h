/* SPDX-License-Identifier: Apache-2.0 */
/* Values of flags and arguments, read. Each function prints its own sentence when it fails. */
#ifndef ORDERWIRE_CLI_CLI_INPUT_H
#define ORDERWIRE_CLI_CLI_INPUT_H

#include "base/buf.h"
#include "cli/cli.h"

/* `text` as an id from 1 to 2^31-1; `name` is what it is called: "--project". CLI_OK or CLI_USAGE. */
NODISCARD int cli_read_id(const struct cli_arguments *arguments, const char *name, const char *text,
                          int32_t *id);
/* The same, as far as ids of webhooks and deliveries go. */
NODISCARD int cli_read_long_id(const struct cli_arguments *arguments, const char *name,
                               const char *text, int64_t *id);
/* The flag --project. */
NODISCARD int cli_read_project(const struct cli_arguments *arguments, int32_t *project_id);

#define CLI_PATH_SIZE 128
/* "/server/v1/project/{--project}" and `rest` behind it. CLI_OK or CLI_USAGE. */
NODISCARD int cli_read_project_path(const struct cli_arguments *arguments, const char *rest,
                                    char path[CLI_PATH_SIZE]);
/* The same of the order that the first argument names. */
NODISCARD int cli_read_order_path(const struct cli_arguments *arguments, char path[CLI_PATH_SIZE]);
/* "/admin/v1/projects/{the first argument}" and `rest` behind it. CLI_OK or CLI_USAGE. */
NODISCARD int cli_read_admin_path(const struct cli_arguments *arguments, const char *rest,
                                  char path[CLI_PATH_SIZE]);

/* A flag that must be there: CLI_USAGE when it is not. */
NODISCARD int cli_read_text(const struct cli_arguments *arguments, const char *flag,
                            const char **text);
/* Appends a flag as a text to an open object; nothing when it is absent. */
void cli_write_text(const struct cli_arguments *arguments, const char *flag, struct buf *object);
/* A duration such as "24h" of a flag; `*ms` stays when it is absent. */
NODISCARD int cli_read_duration(const struct cli_arguments *arguments, const char *flag,
                                int64_t *ms);
/*
 * Appends the flag --overlap, in seconds, to an open object; nothing when it is absent. "0" is a
 * duration there: a hard cut is a choice too.
 */
NODISCARD int cli_read_overlap(const struct cli_arguments *arguments, struct buf *object);

/*
 * A moment of a flag: a time, or how long ago, such as "2h". CLI_USAGE when it is neither; `*wall_ms`
 * stays when the flag is absent.
 */
NODISCARD int cli_read_moment(const struct cli_arguments *arguments, const char *flag,
                              int64_t *wall_ms);

/*
 * Appends a JSON object: `text` itself when it begins with '{', else what the file of that name (a
 * '@' before it is allowed) holds. CLI_OK, CLI_USAGE or CLI_FAILED.
 */
NODISCARD int cli_read_json(const struct cli_arguments *arguments, const char *flag,
                            const char *text, struct buf *out);
/*
 * Appends "name=value" pairs of a repeated flag as a JSON object. A value that is JSON stays what it
 * is; another is a text. Nothing when there is no pair.
 */
NODISCARD int cli_read_pairs(const struct cli_arguments *arguments, const char *flag,
                             struct buf *out);

/*
 * Appends the values of a repeated flag to an open object, as an array of texts; nothing when there is none. One that
 * is empty is null, which removes the list; beside others it is CLI_USAGE.
 */
NODISCARD int cli_read_list(const struct cli_arguments *arguments, const char *flag,
                            struct buf *object);
/* The members of the object given by --json-settings, appended to an open object. */
NODISCARD int cli_read_json_settings(const struct cli_arguments *arguments, struct buf *object);
/* The whole of a flag's file. CLI_OK, or CLI_FAILED after a sentence. */
NODISCARD int cli_read_file(const struct cli_arguments *arguments, const char *flag,
                            const char *path, struct buf *out);

/*
 * Appends "?field=value&…" for those of the flags (NULL ends them) that are given, and a NUL. CLI_OK, or CLI_USAGE when
 * it is too long.
 */
NODISCARD int cli_read_query(const struct cli_arguments *arguments, const char *const *flags,
                             struct buf *path);

/* The settings of a project, as flags. */
#define CLI_SETTINGS_FLAGS                                                                         \
    {"name", "TEXT", "what people call the project"},                                              \
        {"strict", "true|false", "refuse done before paid"},                                       \
        {"legacy-socket", "true|false", "tell anyone who knows an order id its status", false,     \
         "legacy_socket"},                                                                         \
        {"allow-origin", "ORIGIN", "pages that may ask for orders; without any, all pages", true,  \
         "allowed_origins"},                                                                       \
        {"webhook-allow", "CIDR", "addresses that webhooks may go to beside public ones", true,    \
         "webhook_allow_cidrs"},                                                                   \
    {                                                                                              \
        "json-settings", "JSON|FILE", "any settings, as an object; see docs/http-api.md"           \
    }

/*
 * Appends them to an open JSON object, each with its comma. CLI_OK, CLI_USAGE or CLI_FAILED.
 */
NODISCARD int cli_read_settings(const struct cli_arguments *arguments, struct buf *object);

#endif
