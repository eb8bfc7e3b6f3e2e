/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Users' tokens revoked, as a job of the store thread. When it is durable, connections and held
 * requests that such a token opened have been told to end.
 */
#ifndef ORDERWIRE_SERVICE_REVOCATION_WRITE_H
#define ORDERWIRE_SERVICE_REVOCATION_WRITE_H

#include "base/limits.h"
#include "service/writer.h"

/* Opaque types. */
struct service;

struct revocation_write {
    struct writer_job job; /* job.result: 0, or the store's error */
    struct service *service;
    int32_t project_id;
    char user_external_id[LIMIT_USER_EXTERNAL_ID + 1]; /* "": all users of the project */
    int64_t before;                                    /* wall ms, 0: now; then the time in force */
    void (*done)(struct revocation_write *write);      /* frees it by mem_free */
    void *argument;
};

struct revocation_write *revocation_write_new(struct service *service, int32_t project_id);
NODISCARD int revocation_write_submit(struct revocation_write *write);

#endif
