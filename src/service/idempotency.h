/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One mechanism for the Idempotency-Key of all writes. The answer is kept in the transaction that
 * did the work, so a repeated request finds both or neither.
 */
#ifndef ORDERWIRE_SERVICE_IDEMPOTENCY_H
#define ORDERWIRE_SERVICE_IDEMPOTENCY_H

#include "base/str.h"

/* Opaque types. */
struct writer_transaction;

struct idempotency {
    struct str key;   /* a view; empty: none; nothing is then found or kept */
    uint8_t hash[32]; /* SHA-256 over method, path and body */
};

/*
 * In a job: 0 and the kept answer, valid until the next look-up; ERR_NOT_FOUND when there is none;
 * ERR_EXISTS when the key stands for another request; or an error of the store.
 */
NODISCARD int idempotency_find(const struct writer_transaction *transaction, int32_t project_id,
                               const struct idempotency *request, struct str *answer);
/* In a job: keeps the answer for `ttl` ms. */
NODISCARD int idempotency_keep(const struct writer_transaction *transaction, int32_t project_id,
                               const struct idempotency *request, struct str answer, int64_t ttl);

#endif
