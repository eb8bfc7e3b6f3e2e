/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The operator's side: health, metrics, projects and keys, and the demo page.
 *
 * admin.c           the tables of routes
 * route_status.c    /health, /ready, /metrics
 * route_projects.c  /admin/v1/projects…
 * route_page.c      /demo, when the server runs as a demo
 */
#ifndef ORDERWIRE_ADMIN_ADMIN_H
#define ORDERWIRE_ADMIN_ADMIN_H

#include "http/http_server.h"

/* The context is the worker's struct service. */
extern const struct http_route admin_routes[];
/* Served only by `orderwire demo`: the page, centrifuge-js, and the tracker. No context. */
extern const struct http_route admin_page_routes[];

#endif
