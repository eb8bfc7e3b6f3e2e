/* SPDX-License-Identifier: Apache-2.0 */
/* Answers kept under the key of a request. What they are made of is their writers' business. */
#include "service/idempotency.h"

#include "base/err.h"
#include "service/writer.h"
#include "store/store.h"

#include <string.h>

int idempotency_find(const struct writer_transaction *transaction, int32_t project_id,
                     const struct idempotency *request, struct str *answer)
{
    struct store_idempotency record;
    if (request->key.len == 0)
        return ERR_NOT_FOUND;
    int rc = store_idempotency_get(transaction->connection, project_id, request->key, &record);
    if (rc < 0)
        return rc;
    if (record.expires_at <= transaction->now_wall)
        return ERR_NOT_FOUND;
    if (memcmp(record.request_hash, request->hash, STORE_KEY_HASH_SIZE) != 0)
        return ERR_EXISTS;
    *answer = record.answer;
    return 0;
}

int idempotency_keep(const struct writer_transaction *transaction, int32_t project_id,
                     const struct idempotency *request, struct str answer, int64_t ttl)
{
    struct store_idempotency record = {
        .project_id = project_id,
        .key = request->key,
        .answer = answer,
        .expires_at = transaction->now_wall + ttl,
    };
    if (request->key.len == 0)
        return 0;
    memcpy(record.request_hash, request->hash, STORE_KEY_HASH_SIZE);
    return store_idempotency_put(transaction->connection, &record);
}
