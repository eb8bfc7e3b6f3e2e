/* SPDX-License-Identifier: Apache-2.0 */
/* RFC 4648 section 10, and texts that have to be refused. */
#include "codec/base64.h"

#include "base/err.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define BYTES(literal)                                                                             \
    {                                                                                              \
        literal, sizeof(literal) - 1                                                               \
    }

static const struct vector {
    struct str bytes;
    const char *padded;
    const char *url;
    const char *hex;
} vectors[] = {
    {BYTES(""), "", "", ""},
    {BYTES("f"), "Zg==", "Zg", "66"},
    {BYTES("fo"), "Zm8=", "Zm8", "666f"},
    {BYTES("foo"), "Zm9v", "Zm9v", "666f6f"},
    {BYTES("foob"), "Zm9vYg==", "Zm9vYg", "666f6f62"},
    {BYTES("fooba"), "Zm9vYmE=", "Zm9vYmE", "666f6f6261"},
    {BYTES("foobar"), "Zm9vYmFy", "Zm9vYmFy", "666f6f626172"},
    {BYTES("\0\xff\xfb\xef\xbe"), "AP/7774=", "AP_7774", "00fffbefbe"},
};

static void check_decoded(int (*decode)(struct str, struct buf *), const char *text,
                          struct str bytes)
{
    struct buf out;
    buf_init(&out, 100);
    buf_append_byte(&out, '!');
    assert_int_equal(decode(str_from(text), &out), 0);
    assert_true(str_equal(str_make(out.ptr + 1, out.len - 1), bytes));
    buf_fini(&out);
}

static void check_encoded(void (*encode)(struct str, struct buf *), struct str bytes,
                          const char *text)
{
    struct buf out;
    buf_init(&out, 100);
    encode(bytes, &out);
    assert_true(str_equal_text(buf_view(&out), text));
    buf_fini(&out);
}

static void test_vectors(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(vectors); i++) {
        const struct vector *v = &vectors[i];
        check_encoded(base64_encode, v->bytes, v->padded);
        check_encoded(base64_encode_url, v->bytes, v->url);
        check_encoded(base64_encode_hex, v->bytes, v->hex);
        check_decoded(base64_decode, v->padded, v->bytes);
        check_decoded(base64_decode_url, v->url, v->bytes);
        check_decoded(base64_decode_hex, v->hex, v->bytes);
    }
    check_decoded(base64_decode_hex, "FFfBEF", STR_LIT("\xff\xfb\xef"));
}

static void check_refused(int (*decode)(struct str, struct buf *), const char *text)
{
    struct buf out;
    buf_init(&out, 100);
    buf_append_byte(&out, '!');
    if (decode(str_from(text), &out) != ERR_INVALID)
        fail_msg("\"%s\" was accepted", text);
    assert_true(str_equal_text(buf_view(&out), "!"));
    buf_fini(&out);
}

static void test_refused(void **state)
{
    (void)state;
    static const char *const padded[] = {
        "Z",    "Zg",     "Zg=",   "Zg===",    "=",    "====", "A===", "Zh==",
        "Zm9=", "Zm9v\n", " Zg==", "Zg==Zg==", "A-==", "A_8=", "Z=g=", "Zm9vY"};
    static const char *const url[] = {"Z",    "Zg==", "Zh",   "Zm9", "Zm9vY",
                                      "Zm+v", "Zm/v", "Zm 8", "Zm8="};
    static const char *const hex[] = {"6", "6g", "0x66", "66 6f", " 6", "6\xc3"};
    for (size_t i = 0; i < ARRAY_LENGTH(padded); i++)
        check_refused(base64_decode, padded[i]);
    for (size_t i = 0; i < ARRAY_LENGTH(url); i++)
        check_refused(base64_decode_url, url[i]);
    for (size_t i = 0; i < ARRAY_LENGTH(hex); i++)
        check_refused(base64_decode_hex, hex[i]);
}

/* Each text that is accepted is the only one for its bytes. */
static void test_one_spelling(void **state)
{
    (void)state;
    for (int first = 0; first < 256; first++) {
        for (int second = 0; second < 256; second++) {
            char text[] = {'A', (char)first, (char)second};
            struct buf bytes;
            struct buf again;
            buf_init(&bytes, 8);
            buf_init(&again, 8);
            if (base64_decode_url(str_make(text, sizeof text), &bytes) == 0) {
                base64_encode_url(buf_view(&bytes), &again);
                assert_true(str_equal(buf_view(&again), str_make(text, sizeof text)));
            }
            buf_fini(&bytes);
            buf_fini(&again);
        }
    }
}

static void test_full(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 3);
    assert_int_equal(base64_decode_url(STR_LIT("Zm9vYg"), &out), ERR_TOO_LARGE);
    buf_fini(&out);
    buf_init(&out, 3);
    assert_int_equal(base64_decode_hex(STR_LIT("01020304"), &out), ERR_TOO_LARGE);
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_one_spelling),
        cmocka_unit_test(test_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
