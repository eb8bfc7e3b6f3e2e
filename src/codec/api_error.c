/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Error answers from one table. The store SDKs read `statusCode` and `errorCode` out of the body
 * and not the HTTP status, so every error of every route has this body.
 */
#include "codec/api_error.h"

#include "codec/json.h"

static const struct row {
    int http_status;
    int code;
    const char *sentence;
} rows[] = {
    [API_ERROR_NONE] = {200, 0, ""},
#define API_ERROR(name, http_status, code, sentence)                                               \
    [API_ERROR_##name] = {http_status, code, sentence},
#include "codec/api_errors.def"
};

int api_error_http_status(enum api_error error)
{
    return rows[error].http_status;
}

int api_error_code(enum api_error error)
{
    return rows[error].code;
}

void api_error_write(struct buf *out, enum api_error error, const char *detail,
                     struct str transaction_id)
{
    struct buf message;
    buf_init(&message, 1024);
    buf_printf(&message, "[0401-%d]: ", rows[error].code);
    buf_append_text(&message, detail ? detail : rows[error].sentence);
    buf_append_byte(out, '{');
    json_write_int(out, "statusCode", rows[error].http_status);
    json_write_int(out, "errorCode", rows[error].code);
    json_write_text(out, "errorMessage", buf_view(&message));
    if (transaction_id.len > 0)
        json_write_text(out, "transactionId", transaction_id);
    buf_append_byte(out, '}');
    buf_fini(&message);
}
