/* SPDX-License-Identifier: Apache-2.0 */
/* The table of routes for buyers and merchants. */
#include "api/api.h"

#include "api/merchant.h"
#include "api/routes.h"
#include "base/limits.h"

#define ORDERS "/server/v1/project/{project}/orders"
#define WEBHOOKS "/server/v1/project/{project}/webhooks"
#define WEBHOOK WEBHOOKS "/{webhook}"
#define DELIVERIES "/server/v1/project/{project}/deliveries"

/* The bodies of commands: a few members. */
#define COMMAND_BODY 4096

const struct http_route api_routes[] = {
    {"GET", "/api/v2/project/{project}/order/{order}", HTTP_USER, route_order_get, 0,
     HTTP_ROUTE_PUBLIC | HTTP_ROUTE_CORS, .check_origin = route_order_check_origin},
    {"POST", ORDERS, HTTP_MERCHANT, route_orders_create, HTTP_BODY, 0},
    {"GET", ORDERS, HTTP_MERCHANT, route_orders_list, 0, 0},
    {"POST", ORDERS "/batch", HTTP_MERCHANT, route_orders_batch, HTTP_BATCH_BODY, 0,
     merchant_admit},
    {"GET", ORDERS "/{order}", HTTP_MERCHANT, route_orders_read, 0, 0},
    {"PATCH", ORDERS "/{order}", HTTP_MERCHANT, route_orders_change, HTTP_BODY, 0},
    {"POST", "/server/v1/project/{project}/revoke", HTTP_MERCHANT, route_revoke, COMMAND_BODY, 0,
     NULL, "token.revoke"},
    {"POST", WEBHOOKS, HTTP_MERCHANT, route_webhooks_create, LIMIT_WEBHOOK_SETTINGS, 0, NULL,
     "webhook.create"},
    {"GET", WEBHOOKS, HTTP_MERCHANT, route_webhooks_list, 0, 0},
    {"GET", WEBHOOK, HTTP_MERCHANT, route_webhooks_read, 0, 0},
    {"PATCH", WEBHOOK, HTTP_MERCHANT, route_webhooks_change, LIMIT_WEBHOOK_SETTINGS, 0, NULL,
     "webhook.set"},
    {"DELETE", WEBHOOK, HTTP_MERCHANT, route_webhooks_delete, 0, 0, NULL, "webhook.delete"},
    {"POST", WEBHOOK "/pause", HTTP_MERCHANT, route_webhooks_pause, COMMAND_BODY, 0, NULL,
     "webhook.pause"},
    {"POST", WEBHOOK "/resume", HTTP_MERCHANT, route_webhooks_resume, COMMAND_BODY, 0, NULL,
     "webhook.resume"},
    {"POST", WEBHOOK "/rotate", HTTP_MERCHANT, route_webhooks_rotate, COMMAND_BODY, 0, NULL,
     "webhook.rotate"},
    {"POST", WEBHOOK "/test", HTTP_MERCHANT, route_webhooks_test, COMMAND_BODY, 0},
    {"POST", WEBHOOK "/replay", HTTP_MERCHANT, route_webhooks_replay, COMMAND_BODY, 0, NULL,
     "webhook.replay"},
    {"GET", WEBHOOK "/replays/{replay}", HTTP_MERCHANT, route_webhooks_replay_read, 0, 0},
    {"GET", DELIVERIES, HTTP_MERCHANT, route_deliveries_list, 0, 0},
    {"GET", DELIVERIES "/{delivery}", HTTP_MERCHANT, route_deliveries_read, 0, 0},
    {"POST", DELIVERIES "/{delivery}/retry", HTTP_MERCHANT, route_deliveries_retry, COMMAND_BODY,
     0},
    {NULL},
};
