/* SPDX-License-Identifier: Apache-2.0 */
/* A payment token comes back as it went, and any other text does not. */
#include "codec/payment_token.h"

#include "base/err.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const uint8_t key[PAYMENT_TOKEN_KEY_SIZE] = {
    1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15, 16,
    17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32,
};

static const struct payment_token sample = {
    .project_id = 77640,
    .order_id = 59614241,
    .expires_at = 1795347084000,
};

static void encode(const struct payment_token *token, struct buf *out)
{
    buf_init(out, 100);
    payment_token_encode(token, key, out);
    assert_false(out->overflow);
}

static void test_there_and_back(void **state)
{
    (void)state;
    struct payment_token token;
    struct buf text;
    encode(&sample, &text);
    assert_true(
        str_equal_text(buf_view(&text), "owp_AQABL0gDjaQhAAAAAGsC0ozLsoshtFY8YhbU9KkUzHsF"));
    assert_true(payment_token_recognize(buf_view(&text)));
    assert_int_equal(payment_token_decode(buf_view(&text), key, &token), 0);
    assert_int_equal(token.project_id, sample.project_id);
    assert_int_equal(token.order_id, sample.order_id);
    assert_int_equal(token.expires_at, sample.expires_at);
    buf_fini(&text);
}

static void test_parts_of_a_second_are_cut(void **state)
{
    (void)state;
    struct payment_token token = {
        .project_id = INT32_MAX, .order_id = INT32_MAX, .expires_at = 1999};
    struct buf text;
    encode(&token, &text);
    assert_int_equal(payment_token_decode(buf_view(&text), key, &token), 0);
    assert_int_equal(token.order_id, INT32_MAX);
    assert_int_equal(token.expires_at, 1000);
    buf_fini(&text);
}

static void test_every_change_is_refused(void **state)
{
    (void)state;
    struct payment_token token;
    struct buf text;
    encode(&sample, &text);
    for (size_t i = 0; i < text.len; i++) {
        for (int bit = 0; bit < 8; bit++) {
            text.ptr[i] = (char)(text.ptr[i] ^ 1 << bit);
            assert_int_equal(payment_token_decode(buf_view(&text), key, &token), ERR_INVALID);
            text.ptr[i] = (char)(text.ptr[i] ^ 1 << bit);
        }
    }
    buf_fini(&text);
}

static void test_every_prefix_is_refused(void **state)
{
    (void)state;
    struct payment_token token;
    struct buf text;
    encode(&sample, &text);
    for (size_t length = 0; length < text.len; length++) {
        char *copy = mem_dup(text.ptr, length + (length == 0));
        assert_int_equal(payment_token_decode(str_make(copy, length), key, &token), ERR_INVALID);
        mem_free(copy);
    }
    buf_append_byte(&text, 'A');
    assert_int_equal(payment_token_decode(buf_view(&text), key, &token), ERR_INVALID);
    buf_fini(&text);
}

static void test_another_key_is_refused(void **state)
{
    (void)state;
    uint8_t other[PAYMENT_TOKEN_KEY_SIZE];
    struct payment_token token;
    struct buf text;
    memcpy(other, key, sizeof other);
    other[31] ^= 1;
    encode(&sample, &text);
    assert_int_equal(payment_token_decode(buf_view(&text), other, &token), ERR_INVALID);
    buf_fini(&text);
}

/* The MAC alone does not make numbers good: a key may have signed them in another version. */
static void test_numbers_out_of_range(void **state)
{
    (void)state;
    static const struct payment_token wrong[] = {
        {.project_id = -1, .order_id = 1, .expires_at = 1000},
        {.project_id = 1, .order_id = -1, .expires_at = 1000},
        {.project_id = 1, .order_id = 1, .expires_at = -1000},
        {.project_id = 1, .order_id = 1, .expires_at = INT64_MAX},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(wrong); i++) {
        struct payment_token token;
        struct buf text;
        encode(&wrong[i], &text);
        assert_int_equal(payment_token_decode(buf_view(&text), key, &token), ERR_INVALID);
        buf_fini(&text);
    }
}

static void test_recognize(void **state)
{
    (void)state;
    assert_true(payment_token_recognize(STR_LIT("owp_")));
    assert_false(payment_token_recognize(STR_LIT("owp")));
    assert_false(payment_token_recognize(STR_LIT("eyJhbGciOiJIUzI1NiJ9.e30.x")));
    assert_false(payment_token_recognize(STR_LIT("")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_there_and_back),
        cmocka_unit_test(test_parts_of_a_second_are_cut),
        cmocka_unit_test(test_every_change_is_refused),
        cmocka_unit_test(test_every_prefix_is_refused),
        cmocka_unit_test(test_another_key_is_refused),
        cmocka_unit_test(test_numbers_out_of_range),
        cmocka_unit_test(test_recognize),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
