/* SPDX-License-Identifier: Apache-2.0 */
/* The demo page and its scripts, which the build puts into the binary. */
#include "admin/admin_internal.h"

#include "base/attributes.h"

/* Made by orderwire_embed. */
extern const unsigned char page_index_html[];
extern const size_t page_index_html_size;
extern const unsigned char page_demo_mjs[];
extern const size_t page_demo_mjs_size;
extern const unsigned char page_tracker_mjs[];
extern const size_t page_tracker_mjs_size;
extern const unsigned char page_centrifuge_js[];
extern const size_t page_centrifuge_js_size;

struct page_file {
    const char *path;
    const char *content_type;
    const unsigned char *bytes;
    const size_t *size;
};

#define SCRIPT "text/javascript; charset=utf-8"

static const struct page_file files[] = {
    {"/demo", "text/html; charset=utf-8", page_index_html, &page_index_html_size},
    {"/demo/demo.mjs", SCRIPT, page_demo_mjs, &page_demo_mjs_size},
    {"/demo/tracker.mjs", SCRIPT, page_tracker_mjs, &page_tracker_mjs_size},
    {"/demo/centrifuge.js", SCRIPT, page_centrifuge_js, &page_centrifuge_js_size},
};

/* The page holds a buyer's token in its address, so nothing of it may go elsewhere. */
static const struct str headers = STR_LIT(
    "Cache-Control: no-cache\r\n"
    "Content-Security-Policy: default-src 'self'; connect-src 'self' ws: wss:; "
    "style-src 'self' 'unsafe-inline'; img-src data:; frame-ancestors 'none'\r\n"
    "Referrer-Policy: no-referrer\r\n");

void route_page(struct http_request *http)
{
    for (size_t i = 0; i < ARRAY_LENGTH(files); i++) {
        const struct page_file *file = &files[i];
        if (!str_equal_text(str_from(http->route->pattern), file->path))
            continue;
        http_respond(http,
                     &(struct http_answer){.status = 200,
                                           .content_type = file->content_type,
                                           .body = str_make((const char *)file->bytes, *file->size),
                                           .headers = headers});
        return;
    }
    http_respond_error(http, API_ERROR_ROUTE_NOT_FOUND, NULL);
}
