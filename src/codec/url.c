/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Paths, queries and the small grammars of header fields. Whatever two readers could take in two
 * ways is refused here, before anything is routed or allowed by it.
 */
#include "codec/url.h"

#include "base/err.h"
#include "codec/base64.h"

#include <string.h>

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_unreserved(char c)
{
    return is_digit(c) || is_letter(c) || c == '-' || c == '.' || c == '_' || c == '~';
}

static struct str str_after(struct str s, size_t count)
{
    return str_make(s.ptr + count, s.len - count);
}

static bool str_contains_byte(struct str s, char byte)
{
    return s.len > 0 && memchr(s.ptr, byte, s.len) != NULL;
}

static size_t str_find_any(struct str s, const char *bytes)
{
    size_t i = 0;
    while (i < s.len && (s.ptr[i] == '\0' || !strchr(bytes, s.ptr[i])))
        i++;
    return i;
}

static bool str_starts_ignoring_case(struct str s, struct str prefix)
{
    return s.len >= prefix.len && str_equal_ignoring_case(str_make(s.ptr, prefix.len), prefix);
}

static bool skip_scheme(struct str *text, bool *secure)
{
    if (str_starts_ignoring_case(*text, STR_LIT("http://"))) {
        *text = str_after(*text, 7);
        *secure = false;
        return true;
    }
    if (str_starts_ignoring_case(*text, STR_LIT("https://"))) {
        *text = str_after(*text, 8);
        *secure = true;
        return true;
    }
    return false;
}

int url_split_target(struct str target, struct str *path, struct str *query)
{
    bool secure;
    if (str_has_control(target) || str_contains_byte(target, ' ') || str_contains_byte(target, '#'))
        return ERR_INVALID;
    if (skip_scheme(&target, &secure)) {
        size_t authority = str_find_any(target, "/?");
        if (authority == 0)
            return ERR_INVALID;
        target = str_after(target, authority);
    } else if (target.len == 0 || target.ptr[0] != '/') {
        return ERR_INVALID;
    }
    size_t end = str_find_any(target, "?");
    *path = end > 0 ? str_make(target.ptr, end) : STR_LIT("/");
    *query = end < target.len ? str_after(target, end + 1) : str_make("", 0);
    return 0;
}

static int hex_value(char c)
{
    if (is_digit(c))
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Takes one character, escaped or not, off the front of `*rest`, which is not empty. */
static int take_character(struct str *rest, bool plus_is_space, char *out)
{
    char c = rest->ptr[0];
    if (c != '%') {
        *rest = str_after(*rest, 1);
        *out = plus_is_space && c == '+' ? ' ' : c;
        return 0;
    }
    int high = rest->len >= 3 ? hex_value(rest->ptr[1]) : -1;
    int low = rest->len >= 3 ? hex_value(rest->ptr[2]) : -1;
    if (high < 0 || low < 0)
        return ERR_INVALID;
    *rest = str_after(*rest, 3);
    *out = (char)(high << 4 | low);
    return 0;
}

static int decode(struct str text, bool plus_is_space, struct buf *out)
{
    size_t mark = out->len;
    while (text.len > 0) {
        char c;
        if (take_character(&text, plus_is_space, &c) < 0 || c == '\0') {
            out->len = mark;
            return ERR_INVALID;
        }
        buf_append_byte(out, c);
    }
    if (out->overflow)
        return ERR_TOO_LARGE;
    if (out->len > mark && !str_is_utf8(str_after(buf_view(out), mark))) {
        out->len = mark;
        return ERR_INVALID;
    }
    return 0;
}

int url_decode(struct str text, struct buf *out)
{
    return decode(text, false, out);
}

int url_decode_query(struct str text, struct buf *out)
{
    return decode(text, true, out);
}

void url_encode(struct str text, struct buf *out)
{
    for (size_t i = 0; i < text.len; i++) {
        if (is_unreserved(text.ptr[i]))
            buf_append_byte(out, text.ptr[i]);
        else
            buf_printf(out, "%%%02X", (unsigned char)text.ptr[i]);
    }
}

static bool name_matches(struct str encoded, const char *name)
{
    while (encoded.len > 0) {
        char c;
        if (take_character(&encoded, true, &c) < 0 || c == '\0' || c != *name)
            return false;
        name++;
    }
    return *name == '\0';
}

int url_query_get(struct str query, const char *name, struct buf *out)
{
    struct str candidate;
    struct str value;
    while (url_query_next(&query, &candidate, &value)) {
        if (name_matches(candidate, name))
            return decode(value, true, out);
    }
    return ERR_NOT_FOUND;
}

bool url_query_next(struct str *rest, struct str *name, struct str *value)
{
    struct str pair;
    do {
        if (!str_split(rest, '&', &pair))
            return false;
    } while (pair.len == 0);
    size_t end = str_find_any(pair, "=");
    *name = str_make(pair.ptr, end);
    *value = end < pair.len ? str_after(pair, end + 1) : str_make("", 0);
    return true;
}

static bool is_host_name(struct str host)
{
    for (size_t i = 0; i < host.len; i++) {
        char c = host.ptr[i];
        if (!is_digit(c) && !is_letter(c) && c != '-' && c != '.' && c != '_')
            return false;
    }
    return host.len > 0;
}

static bool is_ipv6_text(struct str host)
{
    for (size_t i = 0; i < host.len; i++) {
        if (hex_value(host.ptr[i]) < 0 && host.ptr[i] != ':' && host.ptr[i] != '.')
            return false;
    }
    return host.len > 1;
}

/* "host", "host:port", "[address]" or "[address]:port". User information is refused. */
static int parse_authority(struct str authority, struct url *url)
{
    int64_t port = url->secure ? 443 : 80;
    bool bracketed = authority.len > 0 && authority.ptr[0] == '[';
    size_t end = str_find_any(authority, bracketed ? "]" : ":");
    if (bracketed && end == authority.len)
        return ERR_INVALID;
    url->host = bracketed ? str_make(authority.ptr + 1, end - 1) : str_make(authority.ptr, end);
    if (bracketed ? !is_ipv6_text(url->host) : !is_host_name(url->host))
        return ERR_INVALID;
    struct str rest = str_after(authority, bracketed ? end + 1 : end);
    if (rest.len > 0 &&
        (rest.ptr[0] != ':' || !str_to_int64(str_after(rest, 1), 1, UINT16_MAX, &port)))
        return ERR_INVALID;
    url->port = (uint16_t)port;
    return 0;
}

int url_parse(struct str text, struct url *url)
{
    *url = (struct url){0};
    if (str_has_control(text) || str_contains_byte(text, ' ') || str_contains_byte(text, '#'))
        return ERR_INVALID;
    if (!skip_scheme(&text, &url->secure))
        return ERR_INVALID;
    size_t end = str_find_any(text, "/?");
    url->target = str_after(text, end);
    return parse_authority(str_make(text.ptr, end), url);
}

static int skip_auth_scheme(struct str *authorization, struct str scheme)
{
    struct str value = str_trim(*authorization);
    if (!str_starts_ignoring_case(value, scheme))
        return ERR_INVALID;
    value = str_after(value, scheme.len);
    if (value.len == 0 || value.ptr[0] != ' ')
        return ERR_INVALID;
    *authorization = str_trim(value);
    return authorization->len > 0 ? 0 : ERR_INVALID;
}

int url_basic_credentials(struct str authorization, struct buf *out, struct str *name,
                          struct str *password)
{
    size_t mark = out->len;
    int rc = skip_auth_scheme(&authorization, STR_LIT("Basic"));
    if (rc == 0)
        rc = base64_decode(authorization, out);
    if (rc < 0)
        return rc;
    struct str pair = str_after(buf_view(out), mark);
    size_t colon = str_find_any(pair, ":");
    if (colon == pair.len || str_has_control(pair))
        return ERR_INVALID;
    *name = str_make(pair.ptr, colon);
    *password = str_after(pair, colon + 1);
    return 0;
}

int url_bearer_token(struct str authorization, struct str *token)
{
    int rc = skip_auth_scheme(&authorization, STR_LIT("Bearer"));
    if (rc < 0)
        return rc;
    if (str_has_control(authorization) || str_contains_byte(authorization, ' '))
        return ERR_INVALID;
    *token = authorization;
    return 0;
}

/* Takes `"opaque"` off the front of `*list`; a tag may hold commas, so the list cannot be cut
 * there. */
static bool take_tag(struct str *list, struct str *tag)
{
    struct str s = str_trim(*list);
    while (s.len > 0 && s.ptr[0] == ',')
        s = str_trim(str_after(s, 1));
    if (str_starts_with(s, STR_LIT("W/")))
        s = str_after(s, 2);
    if (s.len < 2 || s.ptr[0] != '"')
        return false;
    size_t end = str_find_any(str_after(s, 1), "\"") + 1;
    if (end == s.len)
        return false;
    *tag = str_make(s.ptr, end + 1);
    *list = str_after(s, end + 1);
    return true;
}

bool url_etag_matches(struct str list, struct str tag)
{
    struct str candidate;
    if (str_equal_text(str_trim(list), "*"))
        return true;
    if (str_starts_with(tag, STR_LIT("W/")))
        tag = str_after(tag, 2);
    while (take_tag(&list, &candidate)) {
        if (str_equal(candidate, tag))
            return true;
    }
    return false;
}
