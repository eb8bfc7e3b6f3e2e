/* SPDX-License-Identifier: Apache-2.0 */
/* JSON out, by hand: answers are small, their keys stand in a fixed order, and no tree is built. */
#include "codec/json.h"

#include "base/clock.h"

#include <inttypes.h>

static void write_escape(struct buf *out, unsigned char byte)
{
    static const char short_forms[] = {
        ['"'] = '"',  ['\\'] = '\\', ['\b'] = 'b', ['\f'] = 'f',
        ['\n'] = 'n', ['\r'] = 'r',  ['\t'] = 't',
    };
    if (short_forms[byte] != 0) {
        buf_append_byte(out, '\\');
        buf_append_byte(out, short_forms[byte]);
    } else {
        buf_printf(out, "\\u%04x", byte);
    }
}

void json_write_string(struct buf *out, struct str text)
{
    size_t start = 0;
    buf_append_byte(out, '"');
    for (size_t i = 0; i < text.len; i++) {
        unsigned char byte = (unsigned char)text.ptr[i];
        if (byte >= 0x20 && byte != '"' && byte != '\\')
            continue;
        buf_append(out, text.ptr + start, i - start);
        write_escape(out, byte);
        start = i + 1;
    }
    if (start < text.len)
        buf_append(out, text.ptr + start, text.len - start);
    buf_append_byte(out, '"');
}

static void write_name(struct buf *out, struct str name)
{
    if (out->len > 0 && out->ptr[out->len - 1] != '{')
        buf_append_byte(out, ',');
    json_write_string(out, name);
    buf_append_byte(out, ':');
}

void json_write_key(struct buf *out, const char *key)
{
    write_name(out, str_from(key));
}

void json_write_member(struct buf *out, struct str key, const struct json *value)
{
    write_name(out, key);
    json_dump(value, out);
}

void json_write_text(struct buf *out, const char *key, struct str text)
{
    json_write_key(out, key);
    json_write_string(out, text);
}

void json_write_int(struct buf *out, const char *key, int64_t value)
{
    json_write_key(out, key);
    buf_append_int(out, value);
}

void json_write_bool(struct buf *out, const char *key, bool value)
{
    json_write_key(out, key);
    buf_append_text(out, value ? "true" : "false");
}

void json_write_raw(struct buf *out, const char *key, struct str raw)
{
    json_write_key(out, key);
    buf_append_str(out, raw.len > 0 ? raw : STR_LIT("null"));
}

void json_write_seconds(struct buf *out, int64_t ms)
{
    buf_append_int(out, ms / CLOCK_SECOND);
    if (ms % CLOCK_SECOND != 0)
        buf_printf(out, ".%03" PRId64, ms % CLOCK_SECOND);
}

void json_write_time(struct buf *out, const char *key, int64_t wall_ms)
{
    char text[CLOCK_TEXT_SIZE];
    clock_format(wall_ms, text);
    json_write_text(out, key, str_from(text));
}
