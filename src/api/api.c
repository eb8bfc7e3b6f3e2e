/* SPDX-License-Identifier: Apache-2.0 */
/* The table of routes for buyers and merchants. */
#include "api/api.h"

#include "api/routes.h"
#include "base/limits.h"

#define ORDERS "/server/v1/project/{project}/orders"

const struct http_route api_routes[] = {
    {"GET", "/api/v2/project/{project}/order/{order}", route_order_get, 0, HTTP_ROUTE_CORS},
    {"POST", ORDERS, route_orders_create, LIMIT_HTTP_BODY, 0},
    {"GET", ORDERS, route_orders_list, 0, 0},
    {"POST", ORDERS "/batch", route_orders_batch, LIMIT_HTTP_BATCH_BODY, 0},
    {"GET", ORDERS "/{order}", route_orders_read, 0, 0},
    {"PATCH", ORDERS "/{order}", route_orders_change, LIMIT_HTTP_BODY, 0},
    {NULL},
};
