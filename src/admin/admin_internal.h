/* SPDX-License-Identifier: Apache-2.0 */
/* The handlers that the tables of admin.c name. */
#ifndef ORDERWIRE_ADMIN_ADMIN_INTERNAL_H
#define ORDERWIRE_ADMIN_ADMIN_INTERNAL_H

#include "http/http_server.h"

void route_health(struct http_request *http);
void route_ready(struct http_request *http);
void route_metrics(struct http_request *http);

void route_projects_create(struct http_request *http);
void route_projects_list(struct http_request *http);
void route_projects_show(struct http_request *http);
void route_projects_change(struct http_request *http);
void route_projects_rotate(struct http_request *http);
void route_keys_create(struct http_request *http);
void route_keys_list(struct http_request *http);
void route_keys_delete(struct http_request *http);
void route_tokens_create(struct http_request *http);

void route_page(struct http_request *http);

#endif
