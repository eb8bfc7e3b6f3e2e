/* SPDX-License-Identifier: Apache-2.0 */
/* One delivery: where it stands, and what each attempt met. */
#include "cli/cli_delivery.h"

#include "cli/cli_input.h"
#include "cli/cli_print.h"

#include <inttypes.h>
#include <stdio.h>

int cli_delivery_path(const struct cli_arguments *arguments, int64_t delivery_id, const char *rest,
                      char path[CLI_DELIVERY_PATH_SIZE])
{
    int32_t project_id = 0;
    int result = cli_read_project(arguments, &project_id);
    if (result == CLI_OK)
        snprintf(path, CLI_DELIVERY_PATH_SIZE, "/server/v1/project/%d/deliveries/%" PRId64 "%s",
                 project_id, delivery_id, rest);
    return result;
}

void cli_delivery_show(const struct json *document)
{
    static const char *const members[] = {"number",  "started_at", "duration_ms", "status",
                                          "address", "error",      NULL};
    cli_print_object(document);
    printf("\n");
    cli_print_table(json_get(document, "attempts"), members, "It has not been tried yet.");
}
