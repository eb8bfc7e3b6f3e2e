/* SPDX-License-Identifier: Apache-2.0 */
/* The handlers that the table of api.c names. */
#ifndef ORDERWIRE_API_ROUTES_H
#define ORDERWIRE_API_ROUTES_H

#include "http/http_server.h"

void route_deliveries_list(struct http_request *http);
void route_deliveries_read(struct http_request *http);
void route_deliveries_retry(struct http_request *http);
void route_order_get(struct http_request *http);
enum api_error route_order_check_origin(struct http_request *http, struct str origin,
                                        bool *is_listed);
void route_orders_batch(struct http_request *http);
void route_orders_change(struct http_request *http);
void route_orders_create(struct http_request *http);
void route_orders_list(struct http_request *http);
void route_orders_read(struct http_request *http);
void route_revoke(struct http_request *http);
void route_webhooks_change(struct http_request *http);
void route_webhooks_create(struct http_request *http);
void route_webhooks_delete(struct http_request *http);
void route_webhooks_list(struct http_request *http);
void route_webhooks_pause(struct http_request *http);
void route_webhooks_read(struct http_request *http);
void route_webhooks_replay(struct http_request *http);
void route_webhooks_replay_read(struct http_request *http);
void route_webhooks_resume(struct http_request *http);
void route_webhooks_rotate(struct http_request *http);
void route_webhooks_test(struct http_request *http);

#endif
