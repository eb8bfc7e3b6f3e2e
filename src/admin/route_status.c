/* SPDX-License-Identifier: Apache-2.0 */
/* What probes and Prometheus ask: is it alive, does it take work, what has it counted. */
#include "admin/admin_internal.h"

#include "base/limits.h"
#include "base/metrics.h"
#include "service/service.h"
#include "service/writer.h"
#include "store/store.h"

#include <limits.h>

void route_health(struct http_request *http)
{
    http_respond_json(http, 200, STR_LIT("{\"status\":\"ok\"}"));
}

static void ignore_row(void *argument, const struct store_project *project)
{
    (void)argument;
    (void)project;
}

/* Asks for the projects after the last possible one: it finds none, but it reads. */
static bool store_reads(struct service *service)
{
    return store_project_list(service->reader, INT32_MAX, 1, ignore_row, NULL) == 0;
}

void route_ready(struct http_request *http)
{
    struct service *service = http->context;
    if (writer_is_ready(service->writer) && store_reads(service))
        http_respond_json(http, 200, STR_LIT("{\"status\":\"ready\"}"));
    else
        http_respond_error(http, API_ERROR_STORE_UNAVAILABLE, NULL);
}

void route_metrics(struct http_request *http)
{
    struct buf out;
    buf_init(&out, LIMIT_HTTP_RESPONSE);
    metrics_render(&out);
    http_respond(http, &(struct http_answer){.status = 200,
                                             .content_type = "text/plain; version=0.0.4",
                                             .body = buf_view(&out)});
    buf_fini(&out);
}
