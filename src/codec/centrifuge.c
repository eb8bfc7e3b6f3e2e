/* SPDX-License-Identifier: Apache-2.0 */
/* The vocabularies of the Centrifuge protocol, from their tables. */
#include "codec/centrifuge.h"

static const struct error_row {
    enum client_error error;
    const char *message;
    bool is_temporary;
} error_rows[] = {
#define CLIENT_ERROR(name, code, message, temporary) {CLIENT_ERROR_##name, message, temporary},
#include "codec/client_errors.def"
};

static const struct close_row {
    enum close_code code;
    const char *reason;
    bool flushes;
} close_rows[] = {
#define CLOSE_CODE(name, code, reason, flush, metric) {CLOSE_##name, reason, flush},
#include "codec/close_codes.def"
};

/* An unknown number is answered by the first row: the SDKs misread an empty message or reason. */
static const struct error_row *find_error(enum client_error error)
{
    for (size_t i = 0; i < ARRAY_LENGTH(error_rows); i++) {
        if (error_rows[i].error == error)
            return &error_rows[i];
    }
    return &error_rows[0];
}

static const struct close_row *find_close(enum close_code code)
{
    for (size_t i = 0; i < ARRAY_LENGTH(close_rows); i++) {
        if (close_rows[i].code == code)
            return &close_rows[i];
    }
    return &close_rows[0];
}

const char *centrifuge_error_message(enum client_error error)
{
    return find_error(error)->message;
}

bool centrifuge_error_is_temporary(enum client_error error)
{
    return find_error(error)->is_temporary;
}

const char *centrifuge_close_reason(enum close_code code)
{
    return find_close(code)->reason;
}

bool centrifuge_close_flushes(enum close_code code)
{
    return find_close(code)->flushes;
}
