/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A URL is read by us, by libcurl and by a resolver, and an attacker lives from their differences.
 * So only what all three read alike is let through, and the merchant is told at once what is wrong.
 * The address that a name resolves to is judged when the socket is made, not here.
 */
#include "codec/url_callable.h"

#include "base/err.h"
#include "base/limits.h"
#include "codec/url.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { HOST_MAX = 253, LABEL_MAX = 63 };

static int refuse(char *error, const char *format, ...) PRINTF_LIKE(2, 3);

static int refuse(char *error, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error, URL_CALLABLE_ERROR_SIZE, format, arguments);
    va_end(arguments);
    return ERR_INVALID;
}

static bool has_byte(struct str text, const char *bytes)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] != '\0' && strchr(bytes, text.ptr[i]))
            return true;
    }
    return false;
}

static bool is_ascii(struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        if ((unsigned char)text.ptr[i] > 0x7e)
            return false;
    }
    return true;
}

/* What is between the scheme and the path. */
static struct str authority_of(struct str url)
{
    const char *start = memchr(url.ptr, ':', url.len);
    size_t skipped = start != NULL ? (size_t)(start - url.ptr) + 3 : url.len;
    if (skipped > url.len)
        skipped = url.len;
    struct str rest = str_make(url.ptr + skipped, url.len - skipped);
    size_t end = 0;
    while (end < rest.len && rest.ptr[end] != '/' && rest.ptr[end] != '?')
        end++;
    rest.len = end;
    return rest;
}

static bool has_scheme(struct str url, struct str scheme)
{
    return url.len >= scheme.len && str_equal_ignoring_case(str_make(url.ptr, scheme.len), scheme);
}

static int check_text(struct str url, char *error)
{
    if (url.len == 0 || url.len > LIMIT_WEBHOOK_URL)
        return refuse(error, "url: must have 1 to %d bytes", LIMIT_WEBHOOK_URL);
    if (str_has_control(url) || has_byte(url, " \\\"<>^`{|}"))
        return refuse(error,
                      "url: spaces, control characters, quotes, braces and backslashes must be "
                      "percent-encoded");
    if (!has_scheme(url, STR_LIT("https://")) && !has_scheme(url, STR_LIT("http://")))
        return refuse(error, "url: must begin with https:// or http://");
    struct str authority = authority_of(url);
    if (has_byte(authority, "@"))
        return refuse(error, "url: must not hold a user name or a password");
    if (has_byte(url, "#"))
        return refuse(error, "url: must not have a fragment (#)");
    if (!is_ascii(authority))
        return refuse(error,
                      "url: the host must be ASCII; write an international name in its "
                      "Punycode form (xn--...)");
    if (!is_ascii(url))
        return refuse(error, "url: characters that are not ASCII must be percent-encoded");
    return 0;
}

static int check_name(struct str host, char *error)
{
    struct str rest = host;
    struct str label;
    if (host.len > 0 && host.ptr[host.len - 1] == '.')
        rest.len--;
    if (rest.len == 0 || rest.len > HOST_MAX || rest.ptr[rest.len - 1] == '.')
        return refuse(error, "url: the host is not a name or an address");
    while (str_split(&rest, '.', &label)) {
        if (label.len == 0 || label.len > LABEL_MAX || label.ptr[0] == '-' ||
            label.ptr[label.len - 1] == '-')
            return refuse(error, "url: the host is not a name or an address");
    }
    return 0;
}

static bool is_localhost(struct str host)
{
    static const char name[] = "localhost";
    const size_t length = sizeof(name) - 1;
    if (host.len > 0 && host.ptr[host.len - 1] == '.')
        host.len--;
    if (host.len < length)
        return false;
    struct str tail = str_make(host.ptr + host.len - length, length);
    return str_equal_ignoring_case(tail, STR_LIT(name)) &&
           (host.len == length || tail.ptr[-1] == '.');
}

static int check_address(const struct address *address, const struct address_network *allowed,
                         size_t allowed_count, char *error)
{
    char text[ADDRESS_TEXT_SIZE];
    if (address_may_be_called(address, allowed, allowed_count))
        return 0;
    address_format(address, text);
    return refuse(error,
                  "url: %s is not an address of the public internet; allow its network for the "
                  "project first: webhook_allow_cidrs, or `orderwire project set P "
                  "--webhook-allow CIDR`",
                  text);
}

/* localhost is the loopback wherever it is resolved (RFC 6761 section 6.3). */
static int check_localhost(const struct address_network *allowed, size_t allowed_count, char *error)
{
    struct address address;
    if (address_parse(STR_LIT("::1"), &address) &&
        address_may_be_called(&address, allowed, allowed_count))
        return 0;
    if (!address_parse(STR_LIT("127.0.0.1"), &address))
        return ERR_INVALID;
    return check_address(&address, allowed, allowed_count, error);
}

int url_callable_check(struct str text, const struct address_network *allowed, size_t allowed_count,
                       char error[URL_CALLABLE_ERROR_SIZE])
{
    struct url url;
    struct address address;
    int rc = check_text(text, error);
    if (rc < 0)
        return rc;
    if (url_parse(text, &url) < 0)
        return refuse(error, "url: the host or the port is not valid");
    bool is_address = address_parse(url.host, &address);
    bool is_ipv6 = has_byte(url.host, ":");
    if (is_ipv6 ? !is_address : authority_of(text).ptr[0] == '[')
        return refuse(error, "url: the address in brackets is not valid");
    if (is_address)
        return check_address(&address, allowed, allowed_count, error);
    if (address_looks_numeric(url.host))
        return refuse(error, "url: write an IPv4 address as four decimal numbers, like 192.0.2.1");
    if (is_localhost(url.host))
        return check_localhost(allowed, allowed_count, error);
    return check_name(url.host, error);
}
