/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of routes for the operator and for the demo. */
#include "admin/admin.h"

#include "admin/admin_internal.h"
#include "base/limits.h"

#define PROJECTS "/admin/v1/projects"

const struct http_route admin_routes[] = {
    {"GET", "/health", HTTP_ANYONE, route_health, 0, HTTP_ROUTE_PUBLIC | HTTP_ROUTE_WHILE_DRAINING},
    {"GET", "/ready", HTTP_ANYONE, route_ready, 0, 0},
    {"GET", "/metrics", HTTP_ANYONE, route_metrics, 0, HTTP_ROUTE_WHILE_DRAINING},
    {"POST", PROJECTS, HTTP_ADMIN, route_projects_create, LIMIT_SETTINGS, 0, NULL,
     "project.create"},
    {"GET", PROJECTS, HTTP_ADMIN, route_projects_list, 0, 0},
    {"GET", PROJECTS "/{project}", HTTP_ADMIN, route_projects_show, 0, 0},
    {"PATCH", PROJECTS "/{project}", HTTP_ADMIN, route_projects_change, LIMIT_SETTINGS, 0, NULL,
     "project.set"},
    {"POST", PROJECTS "/{project}/rotate", HTTP_ADMIN, route_projects_rotate, HTTP_BODY, 0, NULL,
     "project.rotate"},
    {"POST", PROJECTS "/{project}/keys", HTTP_ADMIN, route_keys_create, HTTP_BODY, 0, NULL,
     "key.create"},
    {"GET", PROJECTS "/{project}/keys", HTTP_ADMIN, route_keys_list, 0, 0},
    {"DELETE", PROJECTS "/{project}/keys/{key}", HTTP_ADMIN, route_keys_delete, 0, 0, NULL,
     "key.delete"},
    {"POST", PROJECTS "/{project}/tokens", HTTP_ADMIN, route_tokens_create, HTTP_BODY, 0, NULL,
     "token.create"},
    {NULL},
};

const struct http_route admin_page_routes[] = {
    {"GET", "/demo", HTTP_ANYONE, route_page, 0, HTTP_ROUTE_PUBLIC},
    {"GET", "/demo/demo.mjs", HTTP_ANYONE, route_page, 0, HTTP_ROUTE_PUBLIC},
    {"GET", "/demo/tracker.mjs", HTTP_ANYONE, route_page, 0, HTTP_ROUTE_PUBLIC},
    {"GET", "/demo/centrifuge.js", HTTP_ANYONE, route_page, 0, HTTP_ROUTE_PUBLIC},
    {NULL},
};
