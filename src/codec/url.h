/* SPDX-License-Identifier: Apache-2.0 */
/* Paths and queries of requests (RFC 3986), and credentials and entity tags in header fields. */
#ifndef ORDERWIRE_CODEC_URL_H
#define ORDERWIRE_CODEC_URL_H

#include "base/buf.h"

/*
 * Splits a request target in origin form, "/path?query". ERR_INVALID when it does not begin with
 * '/', holds a control character, space or '#'. Absolute form ("http://host/path") is accepted
 * (RFC 9112 section 3.2.2) and its authority dropped.
 */
NODISCARD int url_split_target(struct str target, struct str *path, struct str *query);

/* Percent-decoding; '+' stays (paths). ERR_INVALID on a bad escape, NUL, and bytes not UTF-8. */
NODISCARD int url_decode(struct str text, struct buf *out);
/* The same for the value of a parameter of a query, where '+' means a space. */
NODISCARD int url_decode_query(struct str text, struct buf *out);
/* Percent-encodes everything but unreserved characters. */
void url_encode(struct str text, struct buf *out);

/*
 * The decoded value of the first parameter `name` of a query ('+' means space) into `out`.
 * ERR_NOT_FOUND when absent, ERR_INVALID when badly escaped.
 */
NODISCARD int url_query_get(struct str query, const char *name, struct buf *out);
/* Names in order: false after the last. `*rest` starts as the query. Values stay encoded. */
bool url_query_next(struct str *rest, struct str *name, struct str *value);

/* An http or https URL in its parts; all are views. */
struct url {
    bool secure;
    struct str host;   /* without brackets */
    uint16_t port;     /* the scheme's when absent */
    struct str target; /* path and query, at least "/" when written out; empty when absent */
};
NODISCARD int url_parse(struct str text, struct url *url);

/*
 * "Basic …" (RFC 7617): decoded into `out`, then name and password are views of it. ERR_INVALID.
 */
NODISCARD int url_basic_credentials(struct str authorization, struct buf *out, struct str *name,
                                    struct str *password);
/* "Bearer …" (RFC 6750): the token. ERR_INVALID when the scheme is another or it is empty. */
NODISCARD int url_bearer_token(struct str authorization, struct str *token);

/*
 * Whether an If-None-Match or If-Match list holds `tag` (with its quotes) or is "*" (RFC 9110
 * section 8.8.3). Weak comparison: a W/ prefix is ignored.
 */
bool url_etag_matches(struct str list, struct str tag);

#endif
