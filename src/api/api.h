/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The HTTP interface for buyers and merchants (design 2.3, 2.4; docs/http-api.md).
 *
 * api.c                the table of routes
 * merchant.c           what the merchant's routes share
 * query.c              parameters of lists
 * route_order_get.c    GET /api/v2/project/{p}/order/{o}: buyers, with ETag and ?wait=
 * route_orders.c       /server/v1/project/{p}/orders…: create, change, read, list
 * route_orders_batch.c /server/v1/project/{p}/orders/batch
 * order_body.c         an order's JSON to struct order_input, and answers to JSON
 * route_webhooks.c     /server/v1/project/{p}/webhooks…: endpoints
 * route_deliveries.c   /server/v1/project/{p}/deliveries…: what became of webhooks
 * endpoint_request.c   what these two share
 * listen.c             /server/v1/project/{p}/webhooks/listen: webhooks as a stream
 */
#ifndef ORDERWIRE_API_API_H
#define ORDERWIRE_API_API_H

#include "http/http_server.h"

/* The context is the worker's struct service. */
extern const struct http_route api_routes[];

#endif
