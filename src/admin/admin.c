/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of routes for the operator and for the demo. */
#include "admin/admin.h"

#include "admin/admin_internal.h"
#include "base/limits.h"

#define PROJECTS "/admin/v1/projects"

const struct http_route admin_routes[] = {
    {"GET", "/health", route_health, 0, HTTP_ROUTE_PUBLIC | HTTP_ROUTE_WHILE_DRAINING},
    {"GET", "/ready", route_ready, 0, 0},
    {"GET", "/metrics", route_metrics, 0, HTTP_ROUTE_WHILE_DRAINING},
    {"POST", PROJECTS, route_projects_create, LIMIT_SETTINGS, 0, NULL, "project.create"},
    {"GET", PROJECTS, route_projects_list, 0, 0},
    {"GET", PROJECTS "/{project}", route_projects_show, 0, 0},
    {"PATCH", PROJECTS "/{project}", route_projects_change, LIMIT_SETTINGS, 0, NULL, "project.set"},
    {"POST", PROJECTS "/{project}/rotate", route_projects_rotate, LIMIT_HTTP_BODY, 0, NULL,
     "project.rotate"},
    {"POST", PROJECTS "/{project}/keys", route_keys_create, LIMIT_HTTP_BODY, 0, NULL, "key.create"},
    {"GET", PROJECTS "/{project}/keys", route_keys_list, 0, 0},
    {"DELETE", PROJECTS "/{project}/keys/{key}", route_keys_delete, 0, 0, NULL, "key.delete"},
    {"POST", PROJECTS "/{project}/tokens", route_tokens_create, LIMIT_HTTP_BODY, 0, NULL,
     "token.create"},
    {NULL},
};

const struct http_route admin_page_routes[] = {
    {"GET", "/demo", route_page, 0, HTTP_ROUTE_PUBLIC},
    {"GET", "/demo/demo.mjs", route_page, 0, HTTP_ROUTE_PUBLIC},
    {"GET", "/demo/tracker.mjs", route_page, 0, HTTP_ROUTE_PUBLIC},
    {"GET", "/demo/centrifuge.js", route_page, 0, HTTP_ROUTE_PUBLIC},
    {NULL},
};
