/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /server/v1/project/{project}/orders/batch: newline-delimited JSON, one order a line, one job for
 * all. A bad line is answered in its place and spoils no other.
 */
#include "api/merchant.h"
#include "api/routes.h"
#include "base/mem.h"

static size_t count_lines(struct str body)
{
    size_t count = 0;
    for (size_t i = 0; i < body.len; i++)
        count += body.ptr[i] == '\n';
    return count + (body.len > 0 && body.ptr[body.len - 1] != '\n');
}

static void write_answer(const struct merchant_write *write, size_t i, struct buf *out)
{
    const struct order_answer *answer = &write->orders->answers[i];
    if (answer->error == API_ERROR_NONE)
        order_body_write(answer, false, STR_LIT(""), out);
    else
        api_error_write(out, answer->error, write->details[i],
                        http_request_transaction(write->http));
    buf_append_byte(out, '\n');
}

static void written(struct order_write *orders)
{
    struct merchant_write *write = orders->argument;
    if (orders->error != API_ERROR_NONE) {
        http_respond_error(write->http, orders->error, NULL);
    } else {
        struct buf body;
        buf_init(&body, LIMIT_HTTP_RESPONSE);
        for (size_t i = 0; i < orders->count; i++)
            write_answer(write, i, &body);
        http_respond(write->http,
                     &(struct http_answer){.status = 200,
                                           .content_type = "application/x-ndjson",
                                           .body = buf_view(&body),
                                           .headers = orders->replayed
                                                          ? STR_LIT("Idempotent-Replayed: true\r\n")
                                                          : STR_LIT("")});
        buf_fini(&body);
    }
    merchant_write_free(&write);
}

static void read_lines(struct merchant_write *write, struct str body)
{
    char error[ORDER_BODY_ERROR_SIZE];
    struct str line;
    for (size_t i = 0; i < write->orders->count && str_split(&body, '\n', &line); i++) {
        struct order_input *input = &write->orders->inputs[i];
        input->error = order_body_read(ORDER_BODY_BATCH, line, &write->texts, input, error);
        if (input->error != API_ERROR_NONE)
            write->details[i] = arena_copy(&write->texts, str_from(error)).ptr;
    }
}

void route_orders_batch(struct http_request *http)
{
    const struct auth_project *project = merchant_project(http);
    if (project == NULL)
        return;
    size_t count = count_lines(http->body);
    if (count == 0 || count > LIMIT_BATCH_LINES) {
        http_respond_error(http, API_ERROR_INVALID_FIELD,
                           "A batch has 1 to 1000 lines, each one order as JSON");
        return;
    }
    struct merchant_write *write = merchant_write_new(http, project, count);
    if (write == NULL)
        return;
    write->details = mem_zalloc(count * sizeof(*write->details));
    read_lines(write, http->body);
    merchant_write_submit(&write, written);
}
