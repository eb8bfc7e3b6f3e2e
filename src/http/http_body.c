/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The body of a request. Chunks are decoded here and not by llhttp, whose versions differ in what
 * they forgive inside the framing (bare LF, spaces, odd extensions), and forgiveness there is
 * how requests are smuggled. Trailers are dropped, but everything that is not data counts.
 */
#include "http/http_internal.h"

/* Framing that may come in any case, and with each byte of data. */
#define OVERHEAD_BASE 16384
#define OVERHEAD_PER_BYTE 16

enum state {
    STATE_SIZE_FIRST, /* the first digit of a chunk's size */
    STATE_SIZE,       /* more digits, ';' or CR */
    STATE_EXTENSION,  /* up to CR */
    STATE_SIZE_LF,    /* the LF after the size */
    STATE_DATA,       /* `left` bytes of a chunk */
    STATE_DATA_CR,    /* the CR after a chunk */
    STATE_DATA_LF,    /* its LF */
    STATE_LINE_FIRST, /* the first byte of a trailer, or the CR that ends all */
    STATE_LINE,       /* a trailer up to CR */
    STATE_LINE_LF,    /* its LF */
    STATE_END_LF,     /* the last LF */
    STATE_PLAIN,      /* `left` bytes of a body without chunks */
    STATE_COMPLETE,
    STATE_REFUSED,
};

void http_body_init(struct http_body *body)
{
    *body = (struct http_body){.state = STATE_COMPLETE};
    buf_init(&body->data, 0);
}

void http_body_fini(struct http_body *body)
{
    buf_fini(&body->data);
    http_body_init(body);
}

enum api_error http_body_begin(struct http_body *body, const struct http_head *head, size_t max)
{
    http_body_init(body);
    if (head->content_length > max)
        return API_ERROR_BODY_TOO_LARGE;
    buf_init(&body->data, max);
    body->left = head->content_length;
    if (head->chunked)
        body->state = STATE_SIZE_FIRST;
    else if (body->left > 0)
        body->state = STATE_PLAIN;
    return API_ERROR_NONE;
}

bool http_body_is_complete(const struct http_body *body)
{
    return body->state == STATE_COMPLETE;
}

static void take_data(struct http_body *body, struct str *input)
{
    size_t length = input->len < body->left ? input->len : (size_t)body->left;
    buf_append(&body->data, input->ptr, length);
    *input = str_make(input->ptr + length, input->len - length);
    body->left -= length;
    if (body->left == 0)
        body->state = body->state == STATE_PLAIN ? STATE_COMPLETE : STATE_DATA_CR;
}

static int hex_value(char byte)
{
    if (byte >= '0' && byte <= '9')
        return byte - '0';
    if (byte >= 'a' && byte <= 'f')
        return byte - 'a' + 10;
    if (byte >= 'A' && byte <= 'F')
        return byte - 'A' + 10;
    return -1;
}

/* Visible, space, tab or above ASCII: what a field value may hold (RFC 9110 section 5.5). */
static bool is_text(char byte)
{
    unsigned char c = (unsigned char)byte;
    return c == '\t' || (c >= ' ' && c != 0x7f);
}

static unsigned expect(char byte, char expected, unsigned next)
{
    return byte == expected ? next : STATE_REFUSED;
}

static unsigned take_digit(struct http_body *body, char byte)
{
    int digit = hex_value(byte);
    if (digit < 0)
        return STATE_REFUSED;
    /* Never wraps: a size that passes the maximum is refused at once. */
    body->left = body->left * 16 + (uint64_t)digit;
    return STATE_SIZE;
}

static unsigned take_size_byte(struct http_body *body, char byte)
{
    switch (body->state) {
    case STATE_SIZE_FIRST:
        body->left = 0;
        return take_digit(body, byte);
    case STATE_SIZE:
        if (byte == '\r')
            return STATE_SIZE_LF;
        return byte == ';' ? STATE_EXTENSION : take_digit(body, byte);
    case STATE_EXTENSION:
        if (byte == '\r')
            return STATE_SIZE_LF;
        return is_text(byte) ? STATE_EXTENSION : STATE_REFUSED;
    default:
        return expect(byte, '\n', body->left > 0 ? STATE_DATA : STATE_LINE_FIRST);
    }
}

static unsigned take_line_byte(struct http_body *body, char byte)
{
    switch (body->state) {
    case STATE_DATA_CR:
        return expect(byte, '\r', STATE_DATA_LF);
    case STATE_DATA_LF:
        return expect(byte, '\n', STATE_SIZE_FIRST);
    case STATE_LINE_FIRST:
        if (byte == '\r')
            return STATE_END_LF;
        return is_text(byte) && byte != ' ' && byte != '\t' ? STATE_LINE : STATE_REFUSED;
    case STATE_LINE:
        if (byte == '\r')
            return STATE_LINE_LF;
        return is_text(byte) ? STATE_LINE : STATE_REFUSED;
    case STATE_LINE_LF:
        return expect(byte, '\n', STATE_LINE_FIRST);
    default:
        return expect(byte, '\n', STATE_COMPLETE);
    }
}

static enum api_error take_framing_byte(struct http_body *body, char byte)
{
    if (body->state <= STATE_SIZE_LF)
        body->state = take_size_byte(body, byte);
    else
        body->state = take_line_byte(body, byte);
    body->overhead++;
    if (body->state == STATE_REFUSED)
        return API_ERROR_BAD_REQUEST;
    if (body->left > body->data.max - body->data.len)
        return API_ERROR_BODY_TOO_LARGE;
    if (body->overhead > OVERHEAD_BASE + OVERHEAD_PER_BYTE * (uint64_t)body->data.len)
        return API_ERROR_BAD_REQUEST;
    return API_ERROR_NONE;
}

enum api_error http_body_read(struct http_body *body, struct str *input)
{
    while (input->len > 0 && body->state != STATE_COMPLETE) {
        if (body->state == STATE_DATA || body->state == STATE_PLAIN) {
            take_data(body, input);
            continue;
        }
        enum api_error error = take_framing_byte(body, input->ptr[0]);
        if (error != API_ERROR_NONE)
            return error;
        *input = str_make(input->ptr + 1, input->len - 1);
    }
    return API_ERROR_NONE;
}
