/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Endpoints and their deliveries changed, as jobs of the store thread.
 *
 * endpoint_write.c           the job, and its answer kept for an Idempotency-Key
 * endpoint_write_settings.c  endpoints made, changed, deleted, paused, their secrets
 * endpoint_write_send.c      examples, retries, replays
 */
#ifndef ORDERWIRE_SERVICE_ENDPOINT_WRITE_H
#define ORDERWIRE_SERVICE_ENDPOINT_WRITE_H

#include "base/buf.h"
#include "codec/api_error.h"
#include "service/idempotency.h"
#include "service/writer.h"
#include "store/store_webhooks.h"

/* Opaque types. */
struct service;

enum endpoint_write_kind {
    ENDPOINT_CREATE,
    ENDPOINT_CHANGE,
    ENDPOINT_DELETE,
    ENDPOINT_PAUSE,
    ENDPOINT_RESUME,  /* also of a disabled one */
    ENDPOINT_ROTATE,  /* a new secret; the old one signs too until `overlap` has passed */
    ENDPOINT_EXAMPLE, /* one delivery with an example body */
    ENDPOINT_RETRY,   /* one finished delivery again */
    ENDPOINT_REPLAY,  /* all dead deliveries since a time */
};

struct endpoint_write {
    struct writer_job job;
    struct service *service;
    enum endpoint_write_kind kind;
    int32_t project_id;
    int64_t endpoint_id;      /* create: of the new one */
    int64_t delivery_id;      /* retry */
    struct buf settings;      /* create, change: a JSON object */
    struct buf secret;        /* create, rotate: given by the merchant; empty: a new one is drawn */
    int64_t overlap;          /* rotate: ms */
    enum order_status status; /* example */
    int64_t since;            /* replay: wall ms */
    struct idempotency idempotency;
    /* The answer. */
    bool replayed;        /* it is that of an earlier request */
    enum api_error error; /* NONE: done */
    char detail[240];
    struct buf answer;                          /* JSON; a new secret is in it, this once */
    void (*done)(struct endpoint_write *write); /* calls endpoint_write_free */
    void *argument;
};

struct endpoint_write *endpoint_write_new(struct service *service, enum endpoint_write_kind kind,
                                          int32_t project_id);
void endpoint_write_free(struct endpoint_write **write);
NODISCARD int endpoint_write_submit(struct endpoint_write *write);

#endif
