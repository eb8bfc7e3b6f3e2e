/* SPDX-License-Identifier: Apache-2.0 */
/* What the routes about webhooks and deliveries share: one write from its request to its answer. */
#ifndef ORDERWIRE_API_ENDPOINT_REQUEST_H
#define ORDERWIRE_API_ENDPOINT_REQUEST_H

#include "codec/json_fields.h"
#include "http/http_server.h"
#include "service/endpoint_write.h"

/*
 * A write for the caller's project with the Idempotency-Key, its argument the request; NULL after
 * an error answer has been sent.
 */
struct endpoint_write *endpoint_request_begin(struct http_request *http,
                                              enum endpoint_write_kind kind);
/* The same about the endpoint that the path names. */
struct endpoint_write *endpoint_request_begin_about(struct http_request *http,
                                                    enum endpoint_write_kind kind);
/*
 * Reads the body against a table; no body is an empty object. The document owns the texts. NULL
 * after an error answer has been sent.
 */
struct json *endpoint_request_read(struct http_request *http, const struct json_field *fields,
                                   void *target);
/* Answers 422 and frees. */
void endpoint_request_refuse(struct endpoint_write **write, const char *sentence);
/* Submits; it answers later with `status` and frees. When too much is waiting it answers at once. */
void endpoint_request_submit(struct endpoint_write **write);

#endif
