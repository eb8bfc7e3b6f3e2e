/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers as bytes: a version and fixed rows, big-endian. They outlive the binary that wrote them,
 * so an error is kept by its errorCode and not by its place in the table.
 */
#include "service/order_answers.h"

enum { VERSION = 1, HEADER_SIZE = 1, ROW_SIZE = 2 + 4 + 1 + 4 + 1 + 1 + 8 };

static const struct {
    enum api_error error;
    int code;
} errors[] = {
    {API_ERROR_NONE, 0},
#define API_ERROR(name, http_status, code, sentence) {API_ERROR_##name, code},
#include "codec/api_errors.def"
};

size_t order_answers_size(size_t count)
{
    return HEADER_SIZE + count * ROW_SIZE;
}

static void put(struct buf *out, int64_t value, int size)
{
    for (int shift = 8 * (size - 1); shift >= 0; shift -= 8)
        buf_append_byte(out, (char)(uint8_t)((uint64_t)value >> shift));
}

static int64_t take(const uint8_t **bytes, int size)
{
    uint64_t value = 0;
    for (int i = 0; i < size; i++)
        value = value << 8 | *(*bytes)++;
    return (int64_t)value;
}

static int code_of(enum api_error error)
{
    return error == API_ERROR_NONE ? 0 : api_error_code(error);
}

static bool error_of(int64_t code, enum api_error *error)
{
    for (size_t i = 0; i < ARRAY_LENGTH(errors); i++) {
        if (errors[i].code == code) {
            *error = errors[i].error;
            return true;
        }
    }
    return false;
}

void order_answers_encode(const struct order_answer *answers, size_t count, struct buf *out)
{
    put(out, VERSION, 1);
    for (size_t i = 0; i < count; i++) {
        const struct order_answer *answer = &answers[i];
        put(out, code_of(answer->error), 2);
        put(out, answer->order_id, 4);
        put(out, answer->status, 1);
        put(out, answer->seq, 4);
        put(out, answer->created, 1);
        put(out, answer->verdict, 1);
        put(out, answer->token_expires_at, 8);
    }
}

static bool decode_row(const uint8_t *row, struct order_answer *answer)
{
    struct order_answer read = {0};
    if (!error_of(take(&row, 2), &read.error))
        return false;
    read.order_id = (int32_t)take(&row, 4);
    read.status = (enum order_status)take(&row, 1);
    read.seq = (int32_t)take(&row, 4);
    read.created = take(&row, 1) != 0;
    read.verdict = (enum order_verdict)take(&row, 1);
    read.token_expires_at = take(&row, 8);
    if (read.status >= ORDER_STATUS_COUNT || read.verdict > ORDER_SKIPPED)
        return false;
    *answer = read;
    return true;
}

bool order_answers_decode(struct str bytes, struct order_answer *answers, size_t count)
{
    if (bytes.len != order_answers_size(count) || bytes.ptr[0] != VERSION)
        return false;
    const uint8_t *row = (const uint8_t *)bytes.ptr + HEADER_SIZE;
    for (size_t i = 0; i < count; i++, row += ROW_SIZE) {
        if (!decode_row(row, &answers[i]))
            return false;
    }
    return true;
}
