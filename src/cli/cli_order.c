/* SPDX-License-Identifier: Apache-2.0 */
/* An order as a merchant's backend makes and moves it. */
#include "cli/cli_order.h"

#include "base/limits.h"

#include <stdio.h>

int cli_order_create(const struct cli_orders *orders, int32_t wanted, int32_t *order_id)
{
    char path[64];
    struct buf body;
    struct cli_answer answer;
    int64_t id = 0;
    snprintf(path, sizeof(path), "/server/v1/project/%d/orders", orders->project_id);
    buf_init(&body, LIMIT_HTTP_BODY);
    buf_append_byte(&body, '{');
    json_write_text(&body, "user_external_id", str_from(orders->user));
    if (wanted != 0)
        json_write_int(&body, "order_id", wanted);
    json_write_raw(&body, "content",
                   STR_LIT("{\"price\":{\"amount\":\"4.99\",\"currency\":\"USD\"},"
                           "\"items\":[{\"sku\":\"crystal-sword\",\"quantity\":1}]}"));
    buf_append_byte(&body, '}');
    int result = cli_client_call(orders->client, "POST", path, buf_view(&body), &answer);
    buf_fini(&body);
    if (result != CLI_OK)
        return result;
    if (!json_as_int(json_get(answer.document, "order_id"), &id))
        result = cli_fail("the answer to an order has no order_id");
    *order_id = (int32_t)id;
    cli_answer_fini(&answer);
    return result;
}

int cli_order_set(const struct cli_orders *orders, int32_t order_id, const char *status)
{
    char path[80];
    char body[40];
    struct cli_answer answer;
    snprintf(path, sizeof(path), "/server/v1/project/%d/orders/%d", orders->project_id, order_id);
    snprintf(body, sizeof(body), "{\"status\":\"%s\"}", status);
    int result = cli_client_call(orders->client, "PATCH", path, str_from(body), &answer);
    if (result == CLI_OK)
        cli_answer_fini(&answer);
    return result;
}
