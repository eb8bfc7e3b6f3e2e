/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Base64 and hexadecimal. Decoding is strict, so that each run of bytes has one text only: a token
 * that could be spelt in two ways would be two tokens to whoever compares them.
 */
#include "codec/base64.h"

#include "base/err.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char alphabet_url[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static void encode(struct str bytes, const char *digits, bool pads, struct buf *out)
{
    for (size_t i = 0; i < bytes.len; i += 3) {
        size_t count = bytes.len - i < 3 ? bytes.len - i : 3;
        uint32_t group = 0;
        for (size_t j = 0; j < 3; j++)
            group = group << 8 | (j < count ? (uint8_t)bytes.ptr[i + j] : 0);
        for (size_t j = 0; j <= count; j++)
            buf_append_byte(out, digits[group >> (18 - 6 * j) & 63]);
        for (size_t j = count; pads && j < 3; j++)
            buf_append_byte(out, '=');
    }
}

void base64_encode(struct str bytes, struct buf *out)
{
    encode(bytes, alphabet, true, out);
}

void base64_encode_url(struct str bytes, struct buf *out)
{
    encode(bytes, alphabet_url, false, out);
}

/* Of letters and numbers; the two that differ are looked at apart. */
static const int8_t values[256] = {
    /* clang-format off */
    ['A'] = 1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26,
    ['a'] = 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 52,
    ['0'] = 53, 54, 55, 56, 57, 58, 59, 60, 61, 62,
    /* clang-format on */
};

static int digit_value(char c, const char *digits)
{
    int value = values[(uint8_t)c] - 1;
    if (value >= 0)
        return value;
    if (c == digits[62])
        return 62;
    return c == digits[63] ? 63 : -1;
}

/* The last group of a text may have 2 or 3 digits; what they do not fill must be zero. */
static int decode_last(struct str group, const char *digits, char *to)
{
    uint32_t bits = 0;
    for (size_t i = 0; i < 4; i++) {
        int value = i < group.len ? digit_value(group.ptr[i], digits) : 0;
        if (value < 0)
            return ERR_INVALID;
        bits = bits << 6 | (uint32_t)value;
    }
    if (group.len < 2 || (group.len == 2 && bits & 0xffff) || (group.len == 3 && bits & 0xff))
        return ERR_INVALID;
    for (size_t i = 0; i + 1 < group.len; i++)
        to[i] = (char)(bits >> (16 - 8 * i));
    return 0;
}

static int decode(struct str text, const char *digits, struct buf *out)
{
    size_t length = text.len / 4 * 3 + (text.len % 4 > 1 ? text.len % 4 - 1 : 0);
    size_t whole = text.len / 4 * 4;
    char *to = buf_reserve(out, length);
    if (!to)
        return ERR_TOO_LARGE;
    int wrong = 0;
    for (size_t i = 0; i < whole; i += 4, to += 3) {
        int a = digit_value(text.ptr[i], digits);
        int b = digit_value(text.ptr[i + 1], digits);
        int c = digit_value(text.ptr[i + 2], digits);
        int d = digit_value(text.ptr[i + 3], digits);
        uint32_t bits = (uint32_t)a << 18 | (uint32_t)b << 12 | (uint32_t)c << 6 | (uint32_t)d;
        wrong |= a | b | c | d;
        to[0] = (char)(bits >> 16);
        to[1] = (char)(bits >> 8);
        to[2] = (char)bits;
    }
    if (wrong < 0)
        return ERR_INVALID;
    if (whole < text.len &&
        decode_last(str_make(text.ptr + whole, text.len - whole), digits, to) < 0)
        return ERR_INVALID;
    buf_wrote(out, length);
    return 0;
}

int base64_decode(struct str text, struct buf *out)
{
    if (text.len % 4 != 0)
        return ERR_INVALID;
    for (int i = 0; i < 2 && text.len > 0 && text.ptr[text.len - 1] == '='; i++)
        text.len--;
    return decode(text, alphabet, out);
}

int base64_decode_url(struct str text, struct buf *out)
{
    return decode(text, alphabet_url, out);
}

void base64_encode_hex(struct str bytes, struct buf *out)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < bytes.len; i++) {
        buf_append_byte(out, digits[(uint8_t)bytes.ptr[i] >> 4]);
        buf_append_byte(out, digits[(uint8_t)bytes.ptr[i] & 15]);
    }
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

int base64_decode_hex(struct str text, struct buf *out)
{
    size_t mark = out->len;
    if (text.len % 2 != 0)
        return ERR_INVALID;
    for (size_t i = 0; i < text.len; i += 2) {
        int high = hex_value(text.ptr[i]);
        int low = hex_value(text.ptr[i + 1]);
        if (high < 0 || low < 0) {
            out->len = mark;
            return ERR_INVALID;
        }
        buf_append_byte(out, (char)(high << 4 | low));
    }
    return out->overflow ? ERR_TOO_LARGE : 0;
}
