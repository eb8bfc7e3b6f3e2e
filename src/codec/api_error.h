/* SPDX-License-Identifier: Apache-2.0 */
/* The JSON body of every error answer (design 2.4, xsolla-sdks.md 2.4). */
#ifndef ORDERWIRE_CODEC_API_ERROR_H
#define ORDERWIRE_CODEC_API_ERROR_H

#include "base/buf.h"

enum api_error {
    API_ERROR_NONE = 0,
#define API_ERROR(name, http_status, code, sentence) API_ERROR_##name,
#include "codec/api_errors.def"
};

int api_error_http_status(enum api_error error);
int api_error_code(enum api_error error);

/*
 * Appends {"statusCode","errorCode","errorMessage":"[0401-NNNN]: …","transactionId"}. `detail`
 * replaces the table's sentence when it is not NULL. `transaction_id` may be empty: then absent.
 */
void api_error_write(struct buf *out, enum api_error error, const char *detail,
                     struct str transaction_id);

#endif
