/* SPDX-License-Identifier: Apache-2.0 */
/* One delivery: where it stands, and what each attempt met. */
#include "cli/cli_delivery.h"

#include "cli/cli_print.h"

#include <inttypes.h>
#include <stdio.h>

int cli_delivery_path(const struct cli_arguments *arguments, int64_t delivery_id, const char *rest,
                      char path[CLI_PATH_SIZE])
{
    char place[CLI_PATH_SIZE];
    snprintf(place, sizeof(place), "/deliveries/%" PRId64 "%s", delivery_id, rest);
    return cli_read_project_path(arguments, place, path);
}

static const char *why_untried(const struct json *state)
{
    static const struct {
        const char *state;
        const char *sentence;
    } rows[] = {
        {"dead", "It was never tried: its webhook was deleted."},
        {"superseded", "It was never tried: a newer one about its order took its place."},
    };
    struct str text;
    for (size_t i = 0; json_as_string(state, &text) && i < ARRAY_LENGTH(rows); i++)
        if (str_equal_text(text, rows[i].state))
            return rows[i].sentence;
    return "It has not been tried yet.";
}

void cli_delivery_show(const struct json *document)
{
    static const char *const members[] = {"number",  "started_at", "duration_ms", "status",
                                          "address", "error",      NULL};
    cli_print_object_without(document, "attempts");
    printf("\n");
    cli_print_table_noted(json_get(document, "attempts"), members, "response_body",
                          why_untried(json_get(document, "state")));
}
