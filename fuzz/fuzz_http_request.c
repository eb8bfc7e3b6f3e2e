/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes are requests or are refused, within the limits, and the same whether they come at once or
 * one by one: otherwise somebody could be shown another end of a request than the next server sees.
 */
#include "fuzz.h"

#include "http/http_internal.h"

#include "base/limits.h"

#include <string.h>

enum { FIELDS_MAX = 16 * 1024, BODY_MAX = 256, REQUESTS_MAX = 32 };

struct request {
    enum api_error error;
    size_t method, target, fields, body; /* lengths */
    bool keep_alive;
};

struct reader {
    struct http_head_reader head_reader;
    struct http_body body;
    bool in_body;
    struct request requests[REQUESTS_MAX];
    size_t count;
};

static bool is_over(const struct reader *reader)
{
    return reader->count == REQUESTS_MAX ||
           (reader->count > 0 && reader->requests[reader->count - 1].error != API_ERROR_NONE);
}

static void end_request(struct reader *reader, enum api_error error)
{
    reader->requests[reader->count].error = error;
    reader->requests[reader->count].body = reader->body.data.len;
    reader->count++;
    http_body_fini(&reader->body);
    http_head_reader_reset(&reader->head_reader);
    reader->in_body = false;
}

static void route(const struct http_head *head)
{
    static const struct http_route routes[] = {
        {"GET", "/{a}/b/{c}", HTTP_ANYONE, NULL, 0, HTTP_ROUTE_CORS},
        {"POST", "/", HTTP_ANYONE, NULL, 0, 0},
        {0}};
    static const struct http_route_table tables[] = {{routes, NULL}, {0}};
    struct http_match match;
    http_router_find(tables, 0, head->method, head->target, &match);
    expect(match.route != routes || (match.params[0].len > 0 && match.params[1].len > 0));
}

static enum api_error end_head(struct reader *reader)
{
    struct http_head head;
    const char *detail;
    struct request *request = &reader->requests[reader->count];
    enum api_error error = http_head_parse(buf_view(&reader->head_reader.text), &head, &detail);
    if (error != API_ERROR_NONE)
        return error;
    expect(head.method.len > 0 && head.target.len > 0 && head.target.len <= LIMIT_HTTP_URL);
    expect(head.fields.len <= FIELDS_MAX);
    expect(!head.chunked || head.content_length == 0);
    route(&head);
    /* Field by field: what is compared later includes the padding. */
    request->method = head.method.len;
    request->target = head.target.len;
    request->fields = head.fields.len;
    request->keep_alive = head.keep_alive;
    reader->in_body = true;
    return http_body_begin(&reader->body, &head, BODY_MAX);
}

static void step(struct reader *reader, struct str *input)
{
    const char *detail;
    bool complete;
    enum api_error error;
    if (reader->in_body) {
        error = http_body_read(&reader->body, input);
    } else {
        error = http_head_read(&reader->head_reader, FIELDS_MAX, input, &complete, &detail);
        if (error == API_ERROR_NONE && complete)
            error = end_head(reader);
    }
    expect(reader->body.data.len <= BODY_MAX);
    if (error != API_ERROR_NONE || (reader->in_body && http_body_is_complete(&reader->body)))
        end_request(reader, error);
}

static void read_all(struct reader *reader, const char *bytes, size_t size, size_t piece)
{
    memset(reader, 0, sizeof(*reader));
    http_head_reader_init(&reader->head_reader);
    http_body_init(&reader->body);
    for (size_t at = 0; at < size && !is_over(reader); at += piece) {
        struct str input = str_make(bytes + at, size - at < piece ? size - at : piece);
        while (input.len > 0 && !is_over(reader))
            step(reader, &input);
    }
    buf_fini(&reader->head_reader.text);
    http_body_fini(&reader->body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct reader whole, single;
    read_all(&whole, (const char *)data, size, size + 1);
    read_all(&single, (const char *)data, size, 1);
    expect(whole.count == single.count);
    expect(memcmp(whole.requests, single.requests, sizeof(whole.requests)) == 0);
    return 0;
}
