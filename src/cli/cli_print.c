/* SPDX-License-Identifier: Apache-2.0 */
/* Objects and tables of JSON, padded for a terminal. */
#include "cli/cli_print.h"

#include "base/limits.h"
#include "cli/cli.h"
#include "cli/cli_escape.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define COLUMNS_MAX 12
#define NOTE_MAX 200

/* Appends a value as a person reads it. */
static void write_value(const struct json *value, struct buf *out)
{
    struct str text;
    struct buf dump;
    if (value == NULL || json_kind(value) == JSON_KIND_NULL) {
        buf_append_byte(out, '-');
    } else if (json_as_string(value, &text)) {
        cli_escape(text, out);
    } else {
        buf_init(&dump, LIMIT_CLIENT_RESPONSE);
        json_dump(value, &dump);
        cli_escape(buf_view(&dump), out);
        buf_fini(&dump);
    }
}

/* Characters, not bytes. */
static size_t width_of(struct str text)
{
    size_t width = 0;
    for (size_t i = 0; i < text.len; i++)
        if (((unsigned char)text.ptr[i] & 0xc0) != 0x80)
            width++;
    return width;
}

static void write_padded(struct buf *out, struct str text, size_t width)
{
    buf_append_str(out, text);
    for (size_t i = width_of(text); i < width; i++)
        buf_append_byte(out, ' ');
}

static bool is_list(const struct json *value)
{
    return json_kind(value) == JSON_KIND_ARRAY && json_length(value) > 0 &&
           json_kind(json_at(value, 0)) == JSON_KIND_OBJECT;
}

static void print(struct buf *out)
{
    fwrite(out->ptr, 1, out->len, stdout);
    buf_fini(out);
}

bool cli_flush(void)
{
    int number = fflush(stdout) != 0 ? errno : 0;
    if (number != 0)
        cli_fail("standard output cannot be written: %s", strerror(number));
    else if (ferror(stdout))
        cli_fail("standard output cannot be written");
    return !ferror(stdout);
}

void cli_print_object(const struct json *object)
{
    cli_print_object_without(object, "");
}

void cli_print_secret(const struct json *object)
{
    cli_print_object(object);
    printf("Keep the secret: it is not shown again.\n");
}

void cli_print_object_without(const struct json *object, const char *table)
{
    void *iterator = NULL;
    struct str key;
    const struct json *value;
    struct buf out;
    size_t width = 0;
    while (json_next(object, &iterator, &key, &value))
        width = key.len > width ? key.len : width;
    buf_init(&out, LIMIT_CLIENT_RESPONSE);
    iterator = NULL;
    while (json_next(object, &iterator, &key, &value)) {
        if (is_list(value) || str_equal_text(key, table))
            continue;
        write_padded(&out, key, width + 2);
        write_value(value, &out);
        buf_append_byte(&out, '\n');
    }
    print(&out);
}

static void measure(const struct json *rows, const char *const *members, size_t *widths)
{
    struct buf cell;
    buf_init(&cell, LIMIT_CLIENT_RESPONSE);
    for (size_t column = 0; members[column] != NULL; column++)
        widths[column] = strlen(members[column]);
    for (size_t row = 0; row < json_length(rows); row++) {
        for (size_t column = 0; members[column] != NULL; column++) {
            buf_clear(&cell);
            write_value(json_get(json_at(rows, row), members[column]), &cell);
            size_t width = width_of(buf_view(&cell));
            widths[column] = width > widths[column] ? width : widths[column];
        }
    }
    buf_fini(&cell);
}

/* The last column is not padded. */
static void write_cell(struct buf *out, struct str text, bool last, size_t width)
{
    write_padded(out, text, last ? 0 : width + 2);
    if (last)
        buf_append_byte(out, '\n');
}

/* At most so many bytes, and no half of a character. */
static struct str beginning_of(struct str text, size_t max)
{
    if (text.len <= max)
        return text;
    while (max > 0 && ((unsigned char)text.ptr[max] & 0xc0) == 0x80)
        max--;
    return str_make(text.ptr, max);
}

static void write_note(const struct json *row, const char *note, struct buf *out)
{
    struct str text;
    if (note == NULL || !json_as_string(json_get(row, note), &text) || text.len == 0)
        return;
    struct str shown = beginning_of(text, NOTE_MAX);
    buf_append_text(out, "   ");
    cli_escape(shown, out);
    buf_append_text(out, shown.len < text.len ? "...\n" : "\n");
}

void cli_print_table(const struct json *rows, const char *const *members, const char *empty)
{
    cli_print_table_noted(rows, members, NULL, empty);
}

void cli_print_page(const struct json *document, const char *name, const char *const *members,
                    const char *empty)
{
    struct str cursor;
    cli_print_table(json_get(document, name), members, empty);
    if (json_as_string(json_get(document, "next_cursor"), &cursor))
        printf("More: --cursor %.*s\n", STR_ARG(cursor));
}

void cli_print_table_noted(const struct json *rows, const char *const *members, const char *note,
                           const char *empty)
{
    size_t widths[COLUMNS_MAX] = {0};
    struct buf out;
    struct buf cell;
    if (json_length(rows) == 0) {
        printf("%s\n", empty);
        return;
    }
    measure(rows, members, widths);
    buf_init(&out, LIMIT_CLIENT_RESPONSE);
    buf_init(&cell, LIMIT_CLIENT_RESPONSE);
    for (size_t i = 0; members[i] != NULL; i++)
        write_cell(&out, str_from(members[i]), members[i + 1] == NULL, widths[i]);
    for (size_t row = 0; row < json_length(rows); row++) {
        for (size_t i = 0; members[i] != NULL; i++) {
            buf_clear(&cell);
            write_value(json_get(json_at(rows, row), members[i]), &cell);
            write_cell(&out, buf_view(&cell), members[i + 1] == NULL, widths[i]);
        }
        write_note(json_at(rows, row), note, &out);
    }
    buf_fini(&cell);
    print(&out);
}
