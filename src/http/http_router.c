/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which route a path belongs to. Segments are compared as sent, without any normalisation: a path
 * with "//" or ".." simply matches nothing, so there is no second spelling to guard against.
 */
#include "http/http_internal.h"

#include <stdio.h>
#include <string.h>

static bool is_placeholder(struct str segment)
{
    return segment.len > 2 && segment.ptr[0] == '{';
}

/* Most patterns differ from a path before their first placeholder. */
static bool starts_alike(const char *pattern, struct str path)
{
    for (size_t i = 0; pattern[i] != '\0' && pattern[i] != '{'; i++)
        if (i >= path.len || path.ptr[i] != pattern[i])
            return false;
    return true;
}

static bool path_matches(const char *pattern, struct str path, struct str params[HTTP_PARAMS_MAX])
{
    if (!starts_alike(pattern, path))
        return false;
    struct str expected = str_from(pattern);
    struct str wanted, segment;
    size_t count = 0;
    while (str_split(&expected, '/', &wanted)) {
        if (!str_split(&path, '/', &segment))
            return false;
        if (is_placeholder(wanted)) {
            if (segment.len == 0 || count == HTTP_PARAMS_MAX)
                return false;
            params[count++] = segment;
        } else if (!str_equal(wanted, segment)) {
            return false;
        }
    }
    return path.ptr == NULL;
}

static void allow(struct http_match *match, const char *method)
{
    size_t used = strlen(match->allow);
    if (strstr(match->allow, method) != NULL)
        return;
    snprintf(match->allow + used, sizeof(match->allow) - used, "%s%s", used > 0 ? ", " : "",
             method);
}

static void allow_route(struct http_match *match, const struct http_route *route)
{
    allow(match, route->method);
    if (strcmp(route->method, "GET") == 0)
        allow(match, "HEAD");
    if (route->flags & HTTP_ROUTE_CORS)
        allow(match, "OPTIONS");
}

static void note_params(struct http_match *match, void *context, const struct str *params)
{
    match->context = context;
    memcpy(match->params, params, sizeof(match->params));
}

/* True when the search is over. */
static bool consider(const struct http_route *route, void *context, struct str method,
                     struct str path, struct http_match *match)
{
    struct str params[HTTP_PARAMS_MAX] = {0};
    if (!path_matches(route->pattern, path, params))
        return false;
    if (!str_equal_text(method, route->method)) {
        match->flags |= route->flags;
        allow_route(match, route);
        if (route->flags & HTTP_ROUTE_CORS) {
            match->other = route;
            note_params(match, context, params);
        }
        return false;
    }
    match->route = route;
    match->flags = route->flags;
    note_params(match, context, params);
    return true;
}

void http_router_find(const struct http_route_table *tables, unsigned flags, struct str method,
                      struct str path, struct http_match *match)
{
    *match = (struct http_match){0};
    if (str_equal_text(method, "HEAD"))
        method = STR_LIT("GET");
    for (; tables->routes != NULL; tables++) {
        for (const struct http_route *route = tables->routes; route->pattern != NULL; route++)
            if (route->access != HTTP_ACCESS_UNSAID && (route->flags & flags) == flags &&
                consider(route, tables->context, method, path, match))
                return;
    }
}
