/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changes of a project's settings as the operator gives them. What is accepted is accepted again as
 * it is stored, and shown without the secrets of before.
 */
#include "fuzz.h"

#include "auth/auth_settings.h"

#include "base/err.h"
#include "base/limits.h"

#include <string.h>

#define SECRET "correct horse battery staple"

static bool has_secret(struct str text)
{
    return memmem(text.ptr, text.len, SECRET, sizeof(SECRET) - 1) != NULL;
}

static void expect_stored(struct str text, bool hidden)
{
    struct auth_settings settings;
    struct buf shown;
    struct json *document;
    char error[JSON_ERROR_SIZE];
    expect(auth_settings_read_stored(text, &settings) == 0);
    buf_init(&shown, 2 * (size_t)LIMIT_SETTINGS);
    auth_settings_show(&settings, &shown);
    document = json_parse(buf_view(&shown), error);
    expect(document != NULL);
    json_free(&document);
    expect(!hidden || !has_secret(buf_view(&shown)));
    auth_settings_fini(&settings);
    buf_fini(&shown);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct str before =
        STR_LIT("{\"name\":\"My shop\",\"user_token_secret\":\"" SECRET
                "\",\"webhook_secret\":\"whsec_" SECRET
                "\",\"verifiers\":[{\"type\":\"hs256\",\"secret\":\"" SECRET "\"}]}");
    struct str text = str_make((const char *)data, size);
    char error[AUTH_SETTINGS_ERROR_SIZE + JSON_ERROR_SIZE] = "";
    struct json *changes = json_parse(text, error);
    struct buf merged;
    if (changes == NULL)
        return 0;
    buf_init(&merged, LIMIT_SETTINGS);
    if (auth_settings_merge(before, changes, &merged, error) == 0)
        expect_stored(buf_view(&merged), !has_secret(text));
    else
        expect(error[0] != '\0');
    buf_fini(&merged);
    json_free(&changes);
    return 0;
}
