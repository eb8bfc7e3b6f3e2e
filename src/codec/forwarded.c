/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A list is read from its left end, though it is judged from its right: each element replaces what
 * was found unless it is a trusted proxy, and one that cannot be read forgets it. Quotation marks do
 * not hold elements together: no address needs it, and one that is never closed would swallow what
 * the proxies appended.
 */
#include "codec/forwarded.h"

#include "base/err.h"

#include <string.h>

static int add_network(struct forwarded_trust *trust, struct str word)
{
    struct address_network network;
    int result = address_network_parse(word, &network);
    if (result != 0)
        return result;
    if (trust->count == LIMIT_PROXY_NETWORKS)
        return ERR_TOO_LARGE;
    trust->networks[trust->count++] = network;
    return 0;
}

int forwarded_trust_parse(struct str list, struct forwarded_trust *trust, struct str *word)
{
    struct str part;
    int result = 0;
    trust->count = 0;
    trust->unix_sockets = false;
    while (result == 0 && str_split(&list, ',', &part)) {
        *word = str_trim(part);
        if (str_equal_text(*word, "unix"))
            trust->unix_sockets = true;
        else if (word->len > 0)
            result = add_network(trust, *word);
    }
    return result;
}

bool forwarded_trusts(const struct forwarded_trust *trust, const struct address *address)
{
    if (address_equal(address, &address_unix))
        return trust->unix_sockets;
    for (size_t i = 0; i < trust->count; i++) {
        if (address_network_contains(&trust->networks[i], address))
            return true;
    }
    return false;
}

void forwarded_begin(struct forwarded_list *forwarded, const struct forwarded_trust *trust,
                     const struct address *peer)
{
    *forwarded = (struct forwarded_list){.trust = trust, .peer = *peer};
}

/* Nothing, or ":80", or ":_name", as RFC 7239 lets a proxy hide a port. */
static bool is_port(struct str text)
{
    int64_t port;
    struct str name = text.len > 0 ? str_make(text.ptr + 1, text.len - 1) : text;
    if (text.len == 0)
        return true;
    return text.ptr[0] == ':' &&
           (str_starts_with(name, STR_LIT("_")) || str_to_int64(name, 0, 65535, &port));
}

/* "192.0.2.1", "192.0.2.1:80", "2001:db8::1", "[2001:db8::1]", "[2001:db8::1]:80". */
static bool read_node(struct str text, struct address *address)
{
    bool bracketed = str_starts_with(text, STR_LIT("["));
    struct str host = bracketed ? str_make(text.ptr + 1, text.len - 1) : text;
    const char *end = memchr(host.ptr, bracketed ? ']' : ':', host.len);
    /* "::" would be taken for a Unix socket. */
    if (address_parse(text, address))
        return !address_equal(address, &address_unix);
    if (end == NULL)
        return false;
    size_t used = (size_t)(end - host.ptr);
    size_t skipped = bracketed ? used + 1 : used;
    struct str port = str_make(host.ptr + skipped, host.len - skipped);
    host.len = used;
    bool is_ipv6 = memchr(host.ptr, ':', host.len) != NULL;
    return is_port(port) && is_ipv6 == bracketed && address_parse(host, address) &&
           !address_equal(address, &address_unix);
}

/* The value of "for" among the pairs of an element (RFC 7239 section 4), without its quotation marks. */
static bool find_for(struct str element, struct str *value)
{
    struct str pair, name;
    bool found = false;
    while (str_split(&element, ';', &pair)) {
        pair = str_trim(pair);
        if (!str_split(&pair, '=', &name) || !str_equal_ignoring_case(name, STR_LIT("for")))
            continue;
        if (found || pair.len == 0)
            return false;
        found = true;
        *value = pair;
    }
    if (found && value->len >= 2 && value->ptr[0] == '"' && value->ptr[value->len - 1] == '"')
        *value = str_make(value->ptr + 1, value->len - 2);
    return found;
}

static void add_element(struct forwarded_list *forwarded, struct str element)
{
    bool has_pairs = strcmp(forwarded->trust->field, "forwarded") == 0;
    struct str node = element;
    struct address address;
    if ((has_pairs && !find_for(element, &node)) || !read_node(node, &address)) {
        forwarded->found = false;
    } else if (!forwarded->found || !forwarded_trusts(forwarded->trust, &address)) {
        forwarded->found = true;
        forwarded->client = address;
    }
}

void forwarded_add(struct forwarded_list *forwarded, struct str value)
{
    struct str element;
    while (str_split(&value, ',', &element)) {
        element = str_trim(element);
        if (element.len > 0)
            add_element(forwarded, element);
    }
}

struct address forwarded_client(const struct forwarded_list *forwarded)
{
    return forwarded->found ? forwarded->client : forwarded->peer;
}
