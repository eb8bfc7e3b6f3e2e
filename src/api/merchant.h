/* SPDX-License-Identifier: Apache-2.0 */
/* What the merchant's routes share: who is calling, and one write with its answer. */
#ifndef ORDERWIRE_API_MERCHANT_H
#define ORDERWIRE_API_MERCHANT_H

#include "api/order_body.h"
#include "auth/auth.h"
#include "http/http_server.h"

/* One write of orders on its way. */
struct merchant_write {
    struct http_request *http;
    struct order_write *orders;
    struct arena texts;
    const char **details; /* batch: a sentence for each input with an error, else NULL */
};

/*
 * The project of the first path segment, when the caller may work for it; NULL after an error
 * answer has been sent.
 */
const struct auth_project *merchant_project(struct http_request *http);
/* For the routes with large bodies: who is calling, before the body is read. */
enum api_error merchant_admit(struct http_request *http);

/* "{order}" of the path; 0 after an error answer has been sent. */
int32_t merchant_order_id(struct http_request *http);
/* Another id of the path, the param at `place`; 0 after the answer `not_found` has been sent. */
int64_t merchant_id_at(struct http_request *http, size_t place, enum api_error not_found);

/*
 * The Idempotency-Key, a view that is empty when there is none, and the hash of the request that it
 * stands for. False after an error answer has been sent.
 */
NODISCARD bool merchant_idempotency(struct http_request *http, struct idempotency *idempotency);

/* For `count` orders, with the Idempotency-Key; NULL after an error answer has been sent. */
struct merchant_write *merchant_write_new(struct http_request *http,
                                          const struct auth_project *project, size_t count);
void merchant_write_free(struct merchant_write **write);
/*
 * Submits; `done` answers later and frees. When too much is waiting it answers at once and frees.
 */
void merchant_write_submit(struct merchant_write **write, void (*done)(struct order_write *orders));

/* Answers a failed look-up: the store's error, or `not_found`. */
void merchant_respond_failure(struct http_request *http, int result, enum api_error not_found);
/* Answers a look-up: 200 with the body when `result` is 0. */
void merchant_respond_read(struct http_request *http, int result, const struct buf *body,
                           enum api_error not_found);

#endif
