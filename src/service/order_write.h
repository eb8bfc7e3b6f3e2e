/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Orders created and changed: one order, or a batch, as one job of the store thread. The rules are
 * order_apply's; this applies them to the stored order, appends the events to the order and to its
 * user's stream, and keeps the answer under the Idempotency-Key.
 */
#ifndef ORDERWIRE_SERVICE_ORDER_WRITE_H
#define ORDERWIRE_SERVICE_ORDER_WRITE_H

#include "base/buf.h"
#include "codec/api_error.h"
#include "order/order.h"
#include "service/idempotency.h"
#include "service/writer.h"

/* Opaque types. */
struct service;

enum order_write_mode {
    ORDER_WRITE_CREATE, /* the order need not exist; an existing one is changed */
    ORDER_WRITE_PATCH,  /* the order must exist */
};

/* One order as asked for. Texts are views of what the caller keeps until `done`. */
struct order_input {
    enum order_write_mode mode;
    int32_t order_id;            /* 0: assign one (create only) */
    struct str user_external_id; /* empty: not given; then the order must exist */
    bool has_status;
    enum order_status status;
    struct str content;           /* JSON; empty: not given */
    bool content_is_free;         /* the content's is_free */
    struct str custom_parameters; /* JSON; empty: not given */
    struct str cancel_reason;     /* empty: not given */
    int32_t expected_seq;         /* -1: not given (If-Match) */
    enum api_error error;         /* not NONE: refused before it got here; nothing is done */
};

struct order_answer {
    enum api_error error; /* NONE: the rest holds */
    int32_t order_id;
    enum order_status status; /* after; for a refusal by the rules too, when the order exists */
    int32_t seq;
    bool created;
    enum order_verdict verdict;
    int64_t token_expires_at; /* created orders: for payment_token_encode; else 0 */
};

struct order_write {
    struct writer_job job;
    struct service *service;
    int32_t project_id;
    bool strict;
    struct order_input *inputs;   /* mem_alloc'ed, freed by order_write_free */
    struct order_answer *answers; /* as many */
    size_t count;
    struct idempotency idempotency;
    bool replayed;        /* the answers are those of an earlier request */
    enum api_error error; /* IDEMPOTENCY_OTHER, STORE_UNAVAILABLE: there are no answers */
    int64_t submitted_mono;
    /* On the worker's thread, once. It calls order_write_free. */
    void (*done)(struct order_write *write);
    void *argument;
};

struct order_write *order_write_new(struct service *service, int32_t project_id, size_t count);
void order_write_free(struct order_write **write);

/*
 * Sends it to the store thread; `done` comes later. `job.bytes` holds what the caller keeps with it
 * outside of it. ERR_BUSY: too much is waiting; the caller still owns it.
 */
NODISCARD int order_write_submit(struct order_write *write);

/* Appends the payment token of a created order; nothing when answer->token_expires_at is 0. */
void order_write_token(const struct order_write *write, const struct order_answer *answer,
                       struct buf *out);

#endif
