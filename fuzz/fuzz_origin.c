/* SPDX-License-Identifier: Apache-2.0 */
/* The first line is an entry of a list of origins, the rest what a browser sends. */
#include "fuzz.h"

#include "codec/origin.h"

#include <string.h>

/* Nothing of an origin that is allowed can end a header line, or begin another part of a URL. */
static void check_match(struct str entry, struct str origin)
{
    expect(!str_has_control(origin));
    if (str_equal(entry, origin))
        return;
    const char *star = memchr(entry.ptr, '*', entry.len);
    expect(star != NULL && origin.len >= entry.len);
    size_t before = (size_t)(star - entry.ptr);
    size_t after = entry.len - before - 1;
    expect(memcmp(entry.ptr, origin.ptr, before) == 0);
    expect(memcmp(star + 1, origin.ptr + origin.len - after, after) == 0);
    for (size_t i = before; i < origin.len - after; i++)
        expect(strchr("/@#?:*[]\\ ", origin.ptr[i]) == NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str origin = str_make((const char *)data, size);
    struct str entry = {0};
    (void)str_split(&origin, '\n', &entry);
    (void)origin_is_native(origin);
    if (!origin_entry_is_valid(entry))
        return 0;
    expect(origin_matches(entry, entry));
    if (origin_matches(entry, origin))
        check_match(entry, origin);
    return 0;
}
