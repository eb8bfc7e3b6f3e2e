/* SPDX-License-Identifier: Apache-2.0 */
/* The parameters of a list: what is accepted is of its kind and within its bounds. Cursors come back. */
#include "fuzz.h"

#include "api/query.h"

#include "base/clock.h"
#include "service/list_cursor.h"

#include <stddef.h>
#include <string.h>

enum { TEXT_MAX = 255, LIMIT_MAX = 100, PLACE_MAX = 1 << 30, WORD_COUNT = 2 };

struct target {
    struct str user;
    int64_t limit;
    int64_t since;
    int64_t cursor;
    int64_t status;
};

static const char *const words[] = {"paid", "done", NULL};

static const struct query_field fields[] = {
    {"user", QUERY_TEXT, offsetof(struct target, user), 1, TEXT_MAX, "1 to 255 bytes", NULL},
    {"limit", QUERY_INT, offsetof(struct target, limit), 1, LIMIT_MAX, "1 to 100", NULL},
    {"since", QUERY_TIME, offsetof(struct target, since), 0, 0, "a time", NULL},
    {"cursor", QUERY_CURSOR, offsetof(struct target, cursor), 1, PLACE_MAX, "a cursor", NULL},
    {"status", QUERY_WORD, offsetof(struct target, status), 0, 0, "paid or done", words},
    {NULL, QUERY_INT, 0, 0, 0, NULL, NULL},
};

static void try_query(struct str query)
{
    char error[QUERY_ERROR_SIZE] = "";
    struct target target = {.limit = 1, .cursor = 1};
    struct arena texts;
    arena_init(&texts);
    if (query_read(query, fields, &target, &texts, error) == 0) {
        expect(target.user.len <= TEXT_MAX);
        expect(target.limit >= 1 && target.limit <= LIMIT_MAX);
        expect(target.cursor >= 1 && target.cursor <= PLACE_MAX);
        expect(target.status >= 0 && target.status < WORD_COUNT);
    } else {
        expect(error[0] != '\0');
    }
    arena_fini(&texts);
}

static void try_time(struct str text)
{
    char formatted[CLOCK_TEXT_SIZE];
    int64_t at, again;
    if (!clock_parse(text, &at) || at < 0 || at > INT64_C(253402300799999))
        return;
    clock_format(at, formatted);
    expect(clock_parse(str_from(formatted), &again) && again == at);
}

static void try_cursor(const uint8_t *data, size_t size)
{
    static const struct str head = STR_LIT("\"next_cursor\":\"");
    struct buf out;
    int64_t place = 0, again;
    if (size < sizeof(place))
        return;
    memcpy(&place, data, sizeof(place));
    place = (place & (PLACE_MAX - 1)) + 1;
    buf_init(&out, LIST_CURSOR_MAX);
    list_cursor_write(&out, place);
    expect(!out.overflow && str_starts_with(buf_view(&out), head));
    struct str cursor = str_make(buf_view(&out).ptr + head.len, out.len - head.len - 1);
    expect(list_cursor_read(cursor, PLACE_MAX, &again) == 0 && again == place);
    buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = str_make((const char *)data, size);
    try_query(text);
    try_time(text);
    try_cursor(data, size);
    return 0;
}
