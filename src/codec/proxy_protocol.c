/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A header is read anew from its beginning whenever more of it has come, for it is short and mostly
 * comes whole. What cannot become a header any more is refused at its first wrong byte.
 */
#include "codec/proxy_protocol.h"

#include "base/err.h"

#include <string.h>

#define TEXT_MAX 107
#define TEXT_START STR_LIT("PROXY ")
#define BINARY_START STR_LIT("\r\n\r\n\0\r\nQUIT\n")
#define BINARY_HEAD 16

/* Whether `bytes` begin with `start`, as far as they have come. */
static bool may_begin_with(struct str bytes, struct str start)
{
    size_t length = bytes.len < start.len ? bytes.len : start.len;
    return memcmp(bytes.ptr, start.ptr, length) == 0;
}

/* "192.0.2.1 198.51.100.1 4711 443", with addresses of one family. */
static int read_endpoints(struct str text, bool is_ipv6, struct proxy_protocol *header)
{
    struct str source, target, port;
    struct address ignored;
    int64_t number;
    if (!str_split(&text, ' ', &source) || !str_split(&text, ' ', &target) ||
        !str_split(&text, ' ', &port) || !str_to_int64(port, 0, 65535, &number) ||
        !str_to_int64(text, 0, 65535, &number))
        return ERR_INVALID;
    bool same = (memchr(source.ptr, ':', source.len) != NULL) == is_ipv6 &&
                (memchr(target.ptr, ':', target.len) != NULL) == is_ipv6;
    if (!same || !address_parse(source, &header->source) || !address_parse(target, &ignored))
        return ERR_INVALID;
    header->has_source = true;
    return 0;
}

static int read_text(struct str bytes, struct proxy_protocol *header)
{
    size_t seen = bytes.len < TEXT_MAX ? bytes.len : TEXT_MAX;
    const char *end = memchr(bytes.ptr, '\n', seen);
    struct str line = str_make(bytes.ptr, end != NULL ? (size_t)(end - bytes.ptr) : seen);
    struct str kind;
    if (end == NULL)
        return seen < TEXT_MAX ? ERR_MORE : ERR_INVALID;
    header->length = line.len + 1;
    if (line.ptr[line.len - 1] != '\r')
        return ERR_INVALID;
    line = str_make(line.ptr + TEXT_START.len, line.len - TEXT_START.len - 1);
    (void)str_split(&line, ' ', &kind);
    if (str_equal_text(kind, "UNKNOWN"))
        return 0;
    if (!str_equal_text(kind, "TCP4") && !str_equal_text(kind, "TCP6"))
        return ERR_INVALID;
    return read_endpoints(line, str_equal_text(kind, "TCP6"), header);
}

/* The block of addresses: source, target, two ports. */
static int read_block(uint8_t family, struct str block, struct proxy_protocol *header)
{
    static const size_t sizes[] = {0, 12, 36, 216};
    const uint8_t *bytes = (const uint8_t *)block.ptr;
    if (family >= ARRAY_LENGTH(sizes) || block.len < sizes[family])
        return ERR_INVALID;
    if (family == 1)
        header->source = address_from_ipv4(bytes);
    else if (family == 2)
        header->source = address_from_ipv6(bytes);
    header->has_source = family == 1 || family == 2;
    return 0;
}

static int read_binary(struct str bytes, struct proxy_protocol *header)
{
    const uint8_t *head = (const uint8_t *)bytes.ptr;
    if (bytes.len < BINARY_HEAD)
        return ERR_MORE;
    uint8_t version = head[12] >> 4;
    uint8_t command = head[12] & 15;
    uint8_t transport = head[13] & 15;
    size_t rest = (size_t)head[14] << 8 | head[15];
    header->length = BINARY_HEAD + rest;
    if (version != 2 || command > 1 || transport > 2 || header->length > PROXY_PROTOCOL_MAX)
        return ERR_INVALID;
    if (bytes.len < header->length)
        return ERR_MORE;
    if (command == 0)
        return 0;
    return read_block(head[13] >> 4, str_make(bytes.ptr + BINARY_HEAD, rest), header);
}

int proxy_protocol_read(struct str bytes, struct proxy_protocol *header)
{
    int result;
    *header = (struct proxy_protocol){0};
    if (bytes.len == 0)
        return ERR_MORE;
    if (may_begin_with(bytes, BINARY_START))
        result = read_binary(bytes, header);
    else if (!may_begin_with(bytes, TEXT_START))
        return ERR_INVALID;
    else
        result = bytes.len < TEXT_START.len ? ERR_MORE : read_text(bytes, header);
    /* "::" would be taken for a Unix socket. */
    if (result == 0 && header->has_source && address_equal(&header->source, &address_unix))
        return ERR_INVALID;
    return result;
}
