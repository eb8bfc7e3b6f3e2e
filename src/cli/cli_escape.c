/* SPDX-License-Identifier: Apache-2.0 */
/*
 * User ids, names and answers come from anybody. Printed as they are, they could move the cursor, or make up lines
 * that nobody wrote.
 */
#include "cli/cli_escape.h"

/* How many bytes of a control character begin here; U+0080 to U+009F too, which some terminals obey. */
static size_t control_at(const unsigned char *byte, size_t left)
{
    if (byte[0] < 0x20 || byte[0] == 0x7f)
        return 1;
    return byte[0] == 0xc2 && left > 1 && byte[1] < 0xa0 ? 2 : 0;
}

void cli_escape(struct str text, struct buf *out)
{
    const unsigned char *bytes = (const unsigned char *)text.ptr;
    bool is_utf8 = str_is_utf8(text);
    for (size_t i = 0; i < text.len; i++) {
        size_t length = is_utf8 || bytes[i] < 0x80 ? control_at(bytes + i, text.len - i) : 1;
        if (bytes[i] == '\n')
            buf_append_text(out, "\\n");
        else if (length > 0)
            buf_printf(out, "\\x%02x", bytes[i += length - 1]);
        else
            buf_append_byte(out, text.ptr[i]);
    }
}
