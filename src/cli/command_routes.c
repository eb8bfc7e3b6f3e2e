/* SPDX-License-Identifier: Apache-2.0 */
/* What the server serves, out of its own tables, for people and for checks of who may do what. */
#include "base/buf.h"
#include "cli/cli.h"
#include "codec/json.h"
#include "http/http_server.h"
#include "server/server.h"

#include <stdio.h>

#define OUTPUT_MAX (64 * 1024)

static const char *access_of(const struct http_route *route)
{
    static const char *const words[] = {
        [HTTP_ANYONE] = "none",
        [HTTP_USER] = "user token",
        [HTTP_MERCHANT] = "merchant key",
        [HTTP_ADMIN] = "admin key",
    };
    return words[route->access];
}

static const char *side_of(const struct http_route *route)
{
    return route->flags & HTTP_ROUTE_PUBLIC ? "public" : "private";
}

static void print_json(const struct http_route *route, struct buf *out)
{
    buf_append_text(out, out->len > 0 ? ",\n{" : "[{");
    json_write_text(out, "method", str_from(route->method));
    json_write_text(out, "pattern", str_from(route->pattern));
    json_write_text(out, "side", str_from(side_of(route)));
    json_write_text(out, "access", str_from(access_of(route)));
    buf_append_byte(out, '}');
}

static void print_row(const struct http_route *route, struct buf *out)
{
    buf_printf(out, "%-7s %-8s %-13s %s\n", route->method, side_of(route), access_of(route),
               route->pattern);
}

static int run(const struct cli_arguments *arguments)
{
    bool json = cli_has(arguments, "json");
    struct buf out;
    buf_init(&out, OUTPUT_MAX);
    for (size_t i = 0; server_routes[i] != NULL; i++) {
        for (const struct http_route *route = server_routes[i]; route->pattern != NULL; route++) {
            if (route->access == HTTP_ACCESS_UNSAID) {
                buf_fini(&out);
                return cli_fail("%s %s: the table does not say who may call it", route->method,
                                route->pattern);
            }
            if (json)
                print_json(route, &out);
            else
                print_row(route, &out);
        }
    }
    if (json)
        buf_append_text(&out, "]\n");
    fwrite(out.ptr, 1, out.len, stdout);
    buf_fini(&out);
    return CLI_OK;
}

static const struct cli_flag flags[] = {{"json", NULL, "print JSON"}, {NULL}};

const struct cli_command command_routes = {
    .name = "routes",
    .arguments = "",
    .sentence = "List what the server serves, where, and who may call it",
    .flags = flags,
    .run = run,
};
