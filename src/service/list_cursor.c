/* SPDX-License-Identifier: Apache-2.0 */
/* A place in a list is an id; it is encoded so that nobody counts on what it is. */
#include "service/list_cursor.h"

#include "base/err.h"
#include "codec/base64.h"
#include "codec/json.h"

enum { DIGITS_MAX = 32 };

void list_cursor_write(struct buf *out, int64_t place)
{
    struct buf digits;
    json_write_key(out, "next_cursor");
    if (place == 0) {
        buf_append_text(out, "null");
        return;
    }
    buf_init(&digits, DIGITS_MAX);
    buf_append_int(&digits, place);
    buf_append_byte(out, '"');
    base64_encode_url(buf_view(&digits), out);
    buf_append_byte(out, '"');
    buf_fini(&digits);
}

int list_cursor_read(struct str cursor, int64_t max, int64_t *place)
{
    struct buf digits;
    buf_init(&digits, DIGITS_MAX);
    int rc = base64_decode_url(cursor, &digits);
    if (rc == 0 && !str_to_int64(buf_view(&digits), 1, max, place))
        rc = ERR_INVALID;
    buf_fini(&digits);
    return rc == 0 ? 0 : ERR_INVALID;
}
