/* SPDX-License-Identifier: Apache-2.0 */
/* Every reader of codec/url.h over the same bytes; encoding and decoding undo each other. */
#include "fuzz.h"

#include "codec/url.h"

enum { OUT_MAX = 1 << 20 };

static void try_escapes(struct str text)
{
    struct buf decoded, encoded, again;
    buf_init(&decoded, OUT_MAX);
    buf_init(&encoded, OUT_MAX);
    buf_init(&again, OUT_MAX);
    if (url_decode(text, &decoded) == 0) {
        url_encode(buf_view(&decoded), &encoded);
        expect(url_decode(buf_view(&encoded), &again) == 0);
        expect(str_equal(buf_view(&decoded), buf_view(&again)));
    }
    buf_fini(&decoded);
    buf_fini(&encoded);
    buf_fini(&again);
}

static void try_query(struct str query)
{
    struct str name, value;
    struct buf out;
    buf_init(&out, OUT_MAX);
    (void)!url_query_get(query, "wait", &out);
    while (url_query_next(&query, &name, &value))
        expect(name.len + value.len <= OUT_MAX);
    buf_fini(&out);
}

static void try_fields(struct str field)
{
    struct str name, password, token;
    struct buf out;
    buf_init(&out, OUT_MAX);
    if (url_basic_credentials(field, &out, &name, &password) == 0)
        expect(!str_has_control(name) && !str_has_control(password));
    if (url_bearer_token(field, &token) == 0)
        expect(token.len > 0 && !str_has_control(token));
    (void)url_etag_matches(field, STR_LIT("\"12\""));
    buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = str_make((const char *)data, size);
    struct str path, query;
    struct url url;
    if (url_split_target(text, &path, &query) == 0) {
        expect(path.len > 0 && path.ptr[0] == '/');
        try_query(query);
        try_escapes(path);
    }
    if (url_parse(text, &url) == 0)
        expect(url.host.len > 0 && url.port > 0);
    try_query(text);
    try_escapes(text);
    try_fields(text);
    return 0;
}
