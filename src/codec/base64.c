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

static int digit_value(char c, const char *digits)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == digits[62])
        return 62;
    return c == digits[63] ? 63 : -1;
}

/* The last group of a text may have 2 or 3 digits; what they do not fill must be zero. */
static int decode_group(struct str group, const char *digits, struct buf *out)
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
        buf_append_byte(out, (char)(bits >> (16 - 8 * i)));
    return 0;
}

static int decode(struct str text, const char *digits, struct buf *out)
{
    size_t mark = out->len;
    for (size_t i = 0; i < text.len; i += 4) {
        size_t count = text.len - i < 4 ? text.len - i : 4;
        if (decode_group(str_make(text.ptr + i, count), digits, out) < 0) {
            out->len = mark;
            return ERR_INVALID;
        }
    }
    return out->overflow ? ERR_TOO_LARGE : 0;
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
