/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Origins compared. An entry that could never match is refused when it is typed, because a list
 * that shuts everybody out looks like an outage.
 */
#include "codec/origin.h"

#include <string.h>

enum { PORT_DIGITS_MAX = 5 };

/* "scheme://host:port". */
struct parts {
    struct str scheme;
    struct str host;
    struct str port; /* with its colon; empty when absent */
};

static bool is_lower(char c)
{
    return c >= 'a' && c <= 'z';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_scheme(struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (!is_lower(c) && (i == 0 || !(is_digit(c) || c == '+' || c == '-' || c == '.')))
            return false;
    }
    return text.len > 0;
}

/* Labels of letters, digits, '-' and '_', none of them empty. */
static bool is_name(struct str text)
{
    bool in_label = false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        bool is_letter = is_lower(c) || is_digit(c) || c == '-' || c == '_';
        if (!is_letter && (c != '.' || !in_label))
            return false;
        in_label = is_letter;
    }
    return in_label;
}

static bool is_bracketed(struct str text)
{
    if (text.len < 4 || text.ptr[0] != '[' || text.ptr[text.len - 1] != ']')
        return false;
    for (size_t i = 1; i + 1 < text.len; i++) {
        char c = text.ptr[i];
        if (!is_digit(c) && !(c >= 'a' && c <= 'f') && c != ':')
            return false;
    }
    return true;
}

/* A browser leaves a port out that its scheme implies. */
static bool is_port(struct str scheme, struct str port)
{
    int64_t number;
    if (port.len == 0)
        return true;
    struct str digits = str_make(port.ptr + 1, port.len - 1);
    if (digits.len == 0 || digits.len > PORT_DIGITS_MAX || digits.ptr[0] == '0' ||
        !str_to_int64(digits, 1, UINT16_MAX, &number))
        return false;
    return !(str_equal_text(scheme, "https") && number == 443) &&
           !(str_equal_text(scheme, "http") && number == 80);
}

static bool split(struct str text, struct parts *parts)
{
    const char *slashes = text.len > 0 ? memmem(text.ptr, text.len, "://", 3) : NULL;
    if (slashes == NULL)
        return false;
    const char *host = slashes + 3;
    const char *end = text.ptr + text.len;
    const char *colon = end;
    for (const char *at = end; at > host && at[-1] != ']'; at--)
        if (at[-1] == ':')
            colon = at - 1;
    parts->scheme = str_make(text.ptr, (size_t)(slashes - text.ptr));
    parts->host = str_make(host, (size_t)(colon - host));
    parts->port = str_make(colon, (size_t)(end - colon));
    return is_scheme(parts->scheme) && is_port(parts->scheme, parts->port);
}

static bool is_wildcard(struct str host)
{
    return str_starts_with(host, STR_LIT("*."));
}

bool origin_entry_is_valid(struct str entry)
{
    struct parts parts;
    if (str_equal_text(entry, "null"))
        return true;
    if (!split(entry, &parts))
        return false;
    if (is_wildcard(parts.host))
        return is_name(str_make(parts.host.ptr + 2, parts.host.len - 2));
    return is_name(parts.host) || is_bracketed(parts.host);
}

/* `host` is one label or more before what follows the star. */
static bool host_matches(struct str wildcard, struct str host)
{
    struct str tail = str_make(wildcard.ptr + 1, wildcard.len - 1);
    if (host.len <= tail.len || !is_name(host))
        return false;
    return str_equal(str_make(host.ptr + host.len - tail.len, tail.len), tail);
}

bool origin_matches(struct str entry, struct str origin)
{
    struct parts wanted, given;
    if (str_equal(entry, origin))
        return true;
    if (!split(entry, &wanted) || !is_wildcard(wanted.host) || !split(origin, &given))
        return false;
    return str_equal(wanted.scheme, given.scheme) && str_equal(wanted.port, given.port) &&
           host_matches(wanted.host, given.host);
}

bool origin_is_native(struct str origin)
{
    return str_starts_with(origin, STR_LIT("wss://")) || str_starts_with(origin, STR_LIT("ws://"));
}
