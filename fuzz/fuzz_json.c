/* SPDX-License-Identifier: Apache-2.0 */
/* A document that was accepted comes back from its own dump; any text may be read as fields. */
#include "fuzz.h"

#include "codec/json_fields.h"

#include <stdlib.h>

enum { OUT_MAX = 1 << 24 };

struct target {
    struct str text;
    int32_t small;
    int64_t large;
    bool flag;
    const struct json *object;
    const struct json *array;
    int64_t at;
};

static const struct json_field fields[] = {
    {"t", JSON_FIELD_TEXT, offsetof(struct target, text), 1, 20, false},
    {"i", JSON_FIELD_INT32, offsetof(struct target, small), 1, INT32_MAX, true},
    {"l", JSON_FIELD_INT64, offsetof(struct target, large), INT64_MIN, INT64_MAX, false},
    {"b", JSON_FIELD_BOOL, offsetof(struct target, flag), 0, 0, false},
    {"o", JSON_FIELD_OBJECT, offsetof(struct target, object), 0, 0, false},
    {"a", JSON_FIELD_ARRAY, offsetof(struct target, array), 0, 0, false},
    {"at", JSON_FIELD_TIME, offsetof(struct target, at), 0, 0, false},
    {0},
};

static void check_dump(const struct json *document)
{
    struct buf dump;
    buf_init(&dump, OUT_MAX);
    json_dump(document, &dump);
    struct json *again = json_parse(buf_view(&dump), NULL);
    if (!again || !json_equals(document, again))
        abort();
    json_free(&again);
    buf_fini(&dump);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = str_make((const char *)data, size);
    char error[JSON_FIELDS_ERROR_SIZE];
    struct target target = {0};
    size_t used;
    struct json *document = json_parse(text, error);
    struct json *first = json_parse_first(text, &used, error);
    if (document && (!first || used > size || !json_equals(document, first)))
        abort();
    if (document) {
        check_dump(document);
        if (json_fields_read(document, fields, &target, error) == 0 && target.small < 1)
            abort();
    }
    json_free(&document);
    json_free(&first);
    return 0;
}
