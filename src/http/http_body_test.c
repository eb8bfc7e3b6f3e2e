/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies of a known length and in chunks, whole and one byte at a time, and what is no chunk. */
#include "http/http_internal.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define BODY_MAX 64

struct row {
    struct str text;
    enum api_error expected;
    const char *body; /* NULL: not complete */
    size_t left;      /* bytes that belong to the next request */
};

#define ROW(text, error, body, left)                                                               \
    {                                                                                              \
        STR_LIT(text), API_ERROR_##error, body, left                                               \
    }

static const struct row chunked_rows[] = {
    ROW("5\r\nhello\r\n0\r\n\r\n", NONE, "hello", 0),
    ROW("5\r\nhello\r\n6\r\n world\r\n0\r\n\r\nGET", NONE, "hello world", 3),
    ROW("0\r\n\r\n", NONE, "", 0),
    ROW("000005\r\nhello\r\n000\r\n\r\n", NONE, "hello", 0),
    ROW("A\r\n0123456789\r\n0\r\n\r\n", NONE, "0123456789", 0),
    ROW("a\r\n0\r\n\r\n6789\r\n\r\n0\r\n\r\n", BAD_REQUEST, NULL, 0),
    ROW("4\r\n\r\n\r\n\r\n0\r\n\r\n", NONE, "\r\n\r\n", 0),
    ROW("5;x=y;z=\"a b\"\r\nhello\r\n0;last\r\n\r\n", NONE, "hello", 0),
    ROW("5\r\nhello\r\n0\r\nX-Trailer: 1\r\nY: 2\r\n\r\n", NONE, "hello", 0),
    ROW("5\r\nhel", NONE, NULL, 0),
    ROW("5\r\nhello\r\n0\r\n", NONE, NULL, 0),

    ROW("5\nhello\r\n0\r\n\r\n", BAD_REQUEST, NULL, 0),
    ROW("5\r\nhello\n0\r\n\r\n", BAD_REQUEST, NULL, 0),
    ROW("5\r\nhello\r\n0\n\r\n", BAD_REQUEST, NULL, 0),
    ROW("5\r\nhello\r\n0\r\n\n", BAD_REQUEST, NULL, 0),
    ROW("5\rhello\r\n0\r\n\r\n", BAD_REQUEST, NULL, 0),
    ROW("5\r\nhellohello\r\n0\r\n\r\n", BAD_REQUEST, NULL, 0),
    ROW("5;a\nhello\r\n0\r\n\r\n", BAD_REQUEST, NULL, 0),
    ROW("5;a\r\r\nhello\r\n0\r\n\r\n", BAD_REQUEST, NULL, 0),
    ROW("5;\0\r\nhello\r\n0\r\n\r\n", BAD_REQUEST, NULL, 0),
    ROW("5 \r\nhello\r\n0\r\n\r\n", BAD_REQUEST, NULL, 0),
    ROW(" 5\r\nhello\r\n0\r\n\r\n", BAD_REQUEST, NULL, 0),
    ROW("+5\r\nhello\r\n0\r\n\r\n", BAD_REQUEST, NULL, 0),
    ROW("-5\r\nhello\r\n0\r\n\r\n", BAD_REQUEST, NULL, 0),
    ROW("0x5\r\nhello\r\n0\r\n\r\n", BAD_REQUEST, NULL, 0),
    ROW("\r\n", BAD_REQUEST, NULL, 0),
    ROW("5_0\r\n", BAD_REQUEST, NULL, 0),
    ROW("g\r\n", BAD_REQUEST, NULL, 0),
    ROW("0\r\n folded\r\n\r\n", BAD_REQUEST, NULL, 0),
    ROW("0\r\nX: a\n\r\n", BAD_REQUEST, NULL, 0),
    ROW("0\r\nX: \0\r\n\r\n", BAD_REQUEST, NULL, 0),
    ROW("41\r\n", BODY_TOO_LARGE, NULL, 0),
    ROW("3f\r\n"
        "012345678901234567890123456789012345678901234567890123456789012\r\n2\r\n",
        BODY_TOO_LARGE, NULL, 0),
    ROW("10000000000000005\r\nhello\r\n0\r\n\r\n", BODY_TOO_LARGE, NULL, 0),
    ROW("ffffffffffffffffffffffff\r\n", BODY_TOO_LARGE, NULL, 0),
};

static enum api_error feed(struct http_body *body, struct str text, size_t step, size_t *left)
{
    enum api_error error = API_ERROR_NONE;
    *left = text.len;
    for (size_t at = 0; at < text.len && error == API_ERROR_NONE && !http_body_is_complete(body);
         at += step) {
        size_t length = text.len - at < step ? text.len - at : step;
        char *piece = mem_dup(text.ptr + at, length);
        struct str input = str_make(piece, length);
        error = http_body_read(body, &input);
        *left = text.len - at - length + input.len;
        mem_free(piece);
    }
    return error;
}

static void check_row(size_t i, const struct row *row, size_t step)
{
    static const struct http_head head = {.chunked = true};
    struct http_body body;
    size_t left;
    assert_int_equal(http_body_begin(&body, &head, BODY_MAX), API_ERROR_NONE);
    enum api_error got = feed(&body, row->text, step, &left);
    if (got != row->expected)
        fail_msg("row %zu, %zu bytes at a time: %d", i, step, got);
    if (got == API_ERROR_NONE && http_body_is_complete(&body) != (row->body != NULL))
        fail_msg("row %zu, %zu bytes at a time: complete or not", i, step);
    if (row->body != NULL) {
        assert_true(str_equal_text(buf_view(&body.data), row->body));
        assert_int_equal(left, row->left);
    }
    http_body_fini(&body);
}

static void test_chunked(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(chunked_rows); i++)
        for (size_t step = 1; step <= chunked_rows[i].text.len; step++)
            check_row(i, &chunked_rows[i], step);
}

static void test_known_length(void **state)
{
    (void)state;
    struct http_head head = {.content_length = 5};
    struct http_body body;
    for (size_t step = 1; step < 9; step++) {
        size_t left;
        assert_int_equal(http_body_begin(&body, &head, 5), API_ERROR_NONE);
        assert_false(http_body_is_complete(&body));
        assert_int_equal(feed(&body, STR_LIT("helloGET"), step, &left), API_ERROR_NONE);
        assert_true(http_body_is_complete(&body));
        assert_int_equal(left, 3);
        assert_true(str_equal_text(buf_view(&body.data), "hello"));
        http_body_fini(&body);
    }
    assert_int_equal(http_body_begin(&body, &head, 4), API_ERROR_BODY_TOO_LARGE);
    head.content_length = 0;
    assert_int_equal(http_body_begin(&body, &head, 0), API_ERROR_NONE);
    assert_true(http_body_is_complete(&body));
}

/* Repeats `text` until the body is refused; how many bytes that took. */
static size_t bytes_until_refused(const char *start, const char *text)
{
    static const struct http_head head = {.chunked = true};
    struct http_body body;
    size_t left, total = 0;
    assert_int_equal(http_body_begin(&body, &head, BODY_MAX), API_ERROR_NONE);
    assert_int_equal(feed(&body, str_from(start), 100, &left), API_ERROR_NONE);
    enum api_error error = API_ERROR_NONE;
    while (error == API_ERROR_NONE && total < 1000000) {
        error = feed(&body, str_from(text), 100, &left);
        total += strlen(text);
    }
    assert_true(error != API_ERROR_NONE);
    http_body_fini(&body);
    return total;
}

static void test_overhead_is_bounded(void **state)
{
    (void)state;
    size_t bound = 16 * 1024 + 16 * BODY_MAX + 16;
    assert_in_range(bytes_until_refused("1;", "extension"), 1000, bound);
    assert_in_range(bytes_until_refused("0", "00000000"), 1000, bound);
    assert_in_range(bytes_until_refused("1\r\na\r\n0\r\n", "X: y\r\n"), 1000, bound);
    /* Bytes one by one are slow, but they are a body until it is too large. */
    assert_int_equal(bytes_until_refused("", "1\r\na\r\n"), 6 * (BODY_MAX + 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chunked),
        cmocka_unit_test(test_known_length),
        cmocka_unit_test(test_overhead_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
