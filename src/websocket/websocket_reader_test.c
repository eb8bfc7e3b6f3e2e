/* SPDX-License-Identifier: Apache-2.0 */
/* Frames as raw bytes to what they mean: whole, in pieces of every size, and cut at every point. */
#include "base/mem.h"
#include "websocket/websocket.h"
#include "websocket/websocket_internal.h"
#include "websocket/websocket_reader.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum { MESSAGE_MAX = 70000, SMALL_MAX = 20 };

#define MASK "\x37\xfa\x21\x3d"
#define BYTES(literal) .bytes = (literal), .length = sizeof(literal) - 1

/* The same items as text: "text:Hello|ping:|close:1000:bye|violation:1002". */
static void write_item(struct buf *out, const struct websocket_item *item)
{
    static const char *const names[] = {"text", "ping", "pong", "close", "violation"};
    if (out->len > 0)
        buf_append_byte(out, '|');
    bool binary = item->kind == WEBSOCKET_MESSAGE && item->binary;
    buf_printf(out, "%s:", binary ? "binary" : names[item->kind]);
    if (item->kind == WEBSOCKET_VIOLATION || item->kind == WEBSOCKET_CLOSE)
        buf_printf(out, "%d", item->code);
    if (item->kind == WEBSOCKET_CLOSE)
        buf_append_byte(out, ':');
    if (item->payload.len > 200)
        buf_printf(out, "%zu bytes", item->payload.len);
    else
        buf_append_str(out, item->payload);
}

struct transcript {
    struct buf items;
    bool idle;
};

/* A copy of exactly the piece's size lets a sanitizer see a read past its end. */
static void feed(struct websocket_reader *reader, struct str bytes, struct transcript *out)
{
    char *copy = mem_dup(bytes.ptr, bytes.len);
    struct str piece = str_make(copy, bytes.len);
    struct websocket_item item;
    while (websocket_reader_next(reader, &piece, &item))
        write_item(&out->items, &item);
    assert_int_equal(piece.len, 0);
    mem_free(copy);
}

/* Pieces of `first` bytes, then of `rest` bytes each. */
static void read_in_pieces(struct str bytes, size_t first, size_t rest, bool masked, size_t max,
                           struct transcript *out)
{
    struct websocket_reader *reader = websocket_reader_new(masked, max);
    buf_init(&out->items, 100000);
    for (size_t at = 0, size = first; at < bytes.len; at += size, size = rest) {
        if (size > bytes.len - at)
            size = bytes.len - at;
        feed(reader, str_make(bytes.ptr + at, size), out);
    }
    out->idle = websocket_reader_is_idle(reader);
    websocket_reader_free(&reader);
    assert_null(reader);
}

static void expect(struct str bytes, size_t first, size_t rest, bool masked, size_t max,
                   const char *expected, bool idle, size_t row)
{
    struct transcript got;
    read_in_pieces(bytes, first, rest, masked, max, &got);
    struct str items = buf_view(&got.items);
    if (!str_equal_text(items, expected) || got.idle != idle)
        fail_msg("row %zu, pieces of %zu and %zu: got \"%.*s\"%s", row, first, rest, STR_ARG(items),
                 got.idle ? ", idle" : "");
    buf_fini(&got.items);
}

struct row {
    const char *bytes;
    size_t length;
    const char *expected;
    bool idle;
    size_t max;
};

static const struct row rows[] = {
    /* RFC 6455 section 5.7: masked "Hello", a masked Pong; the lengths of the others below. */
    {BYTES("\x81\x85" MASK "\x7f\x9f\x4d\x51\x58"), "text:Hello", true},
    {BYTES("\x8a\x85" MASK "\x7f\x9f\x4d\x51\x58"), "pong:Hello", true},
    {BYTES("\x89\x80" MASK), "ping:", true},
    {BYTES("\x81\x80" MASK), "text:", true},
    {BYTES("\x82\x80" MASK), "binary:", true},
    {BYTES("\x82\x82\0\0\0\0\xff\xfe"), "binary:\xff\xfe", true},
    {BYTES("\x81\x81\0\0\0\0{\x81\x81\0\0\0\0}"), "text:{|text:}", true},
    /* Fragments, with control frames between them. */
    {BYTES("\x01\x83\0\0\0\0Hel\x80\x82\0\0\0\0lo"), "text:Hello", true},
    {BYTES("\x01\x81\0\0\0\0H\x89\x81\0\0\0\0p\x00\x81\0\0\0\0i\x80\x80\0\0\0\0"), "ping:p|text:Hi",
     true},
    {BYTES("\x01\x80\0\0\0\0\x00\x80\0\0\0\0\x80\x80\0\0\0\0"), "text:", true},
    {BYTES("\x01\x81\0\0\0\0H\x88\x82\0\0\0\0\x03\xe8\x80\x81\0\0\0\0i"), "close:1000:", false},
    {BYTES("\x02\x81\0\0\0\0\xff\x80\x81\0\0\0\0\xff\x81\x81\0\0\0\0x"), "binary:\xff\xff|text:x",
     true},
    /* Not whole yet. */
    {BYTES(""), "", true},
    {BYTES("\x81"), "", false},
    {BYTES("\x81\x85\x37"), "", false},
    {BYTES("\x81\x85" MASK "\x7f\x9f\x4d\x51"), "", false},
    {BYTES("\x01\x83\0\0\0\0Hel"), "", false},
    {BYTES("\x81\x81\0\0\0\0x\x81"), "text:x", false},
    /* Close frames. */
    {BYTES("\x88\x80\0\0\0\0"), "close:1005:", false},
    {BYTES("\x88\x85\0\0\0\0\x03\xe8"
           "bye"),
     "close:1000:bye", false},
    {BYTES("\x88\x87\0\0\0\0\x0b\xb8"
           "h\xc3\xa9ll"),
     "close:3000:h\xc3\xa9ll", false},
    {BYTES("\x88\x85\0\0\0\0\x0b\xb8\xe2\x82\xac"), "close:3000:\xe2\x82\xac", false},
    {BYTES("\x88\x82\0\0\0\0\x13\x87\x81\x81\0\0\0\0x"), "close:4999:", false},
    {BYTES("\x88\x82\0\0\0\0\x03\xf6"), "close:1014:", false},
    {BYTES("\x88\x81\0\0\0\0\x03"), "violation:1002", false},
    {BYTES("\x89\x82\0\0\0\0\x03\xe8\x88\x81\0\0\0\0\x03"), "ping:\x03\xe8|violation:1002", false},
    {BYTES("\x88\x82\0\0\0\0\x03\xe7"), "violation:1002", false},
    {BYTES("\x88\x82\0\0\0\0\x03\xec"), "violation:1002", false},
    {BYTES("\x88\x82\0\0\0\0\x03\xed"), "violation:1002", false},
    {BYTES("\x88\x82\0\0\0\0\x03\xee"), "violation:1002", false},
    {BYTES("\x88\x82\0\0\0\0\x03\xf7"), "violation:1002", false},
    {BYTES("\x88\x82\0\0\0\0\x0b\xb7"), "violation:1002", false},
    {BYTES("\x88\x82\0\0\0\0\x13\x88"), "violation:1002", false},
    {BYTES("\x88\x84\0\0\0\0\x03\xe8\xc3\x28"), "violation:1007", false},
    {BYTES("\x88\x84\0\0\0\0\x03\xe8\xe2\x82"), "violation:1007", false},
    /* Text that is not UTF-8: wrong byte, overlong, surrogate, cut short, cut by a fragment's end.
     */
    {BYTES("\x81\x81\0\0\0\0\xff"), "violation:1007", false},
    {BYTES("\x81\x82\0\0\0\0\xc0\xaf"), "violation:1007", false},
    {BYTES("\x81\x83\0\0\0\0\xed\xa0\x80"), "violation:1007", false},
    {BYTES("\x81\x82\0\0\0\0\xe2\x82"), "violation:1007", false},
    {BYTES("\x01\x82\0\0\0\0\xe2\x82\x80\x81\0\0\0\0\xac"), "text:\xe2\x82\xac", true},
    {BYTES("\x01\x82\0\0\0\0\xe2\x82\x80\x81\0\0\0\0x"), "violation:1007", false},
    /* Broken frames: unmasked, RSV bits, reserved opcodes, control frames too long or fragmented.
     */
    {BYTES("\x81\x05Hello"), "violation:1002", false},
    {BYTES("\xc1\x81\0\0\0\0x"), "violation:1002", false},
    {BYTES("\xa1\x81\0\0\0\0x"), "violation:1002", false},
    {BYTES("\x91\x81\0\0\0\0x"), "violation:1002", false},
    {BYTES("\xc9\x80\0\0\0\0"), "violation:1002", false},
    {BYTES("\x83\x81\0\0\0\0x"), "violation:1002", false},
    {BYTES("\x87\x80\0\0\0\0"), "violation:1002", false},
    {BYTES("\x8b\x80\0\0\0\0"), "violation:1002", false},
    {BYTES("\x8f\x81\0\0\0\0x"), "violation:1002", false},
    {BYTES("\x89\xfe\x00\x7e\0\0\0\0"), "violation:1002", false},
    {BYTES("\x09\x80\0\0\0\0"), "violation:1002", false},
    {BYTES("\x08\x82\0\0\0\0\x03\xe8"), "violation:1002", false},
    /* Broken sequences. */
    {BYTES("\x80\x81\0\0\0\0x"), "violation:1002", false},
    {BYTES("\x00\x80\0\0\0\0"), "violation:1002", false},
    {BYTES("\x01\x81\0\0\0\0x\x81\x81\0\0\0\0y"), "violation:1002", false},
    {BYTES("\x01\x81\0\0\0\0x\x02\x80\0\0\0\0"), "violation:1002", false},
    {BYTES("\x81\x81\0\0\0\0x\x80\x81\0\0\0\0y"), "text:x|violation:1002", false},
    /* Lengths: not minimal, over 2^63 - 1. */
    {BYTES("\x81\xfe\x00\x7d\0\0\0\0x"), "violation:1002", false},
    {BYTES("\x81\xff\0\0\0\0\0\0\xff\xff\0\0\0\0x"), "violation:1002", false},
    {BYTES("\x82\xff\x80\0\0\0\0\0\0\0\0\0\0\0x"), "violation:1002", false},
    {BYTES("\x82\xff\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\0x"), "violation:1002", false},
    {BYTES("\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0x"), "violation:1009", false},
    /* The maximum of a message, also over fragments. */
    {BYTES("\x81\x94\0\0\0\0"
           "12345678901234567890"),
     "text:12345678901234567890", true, SMALL_MAX},
    {BYTES("\x81\x95\0\0\0\0x"), "violation:1009", false, SMALL_MAX},
    {BYTES("\x01\x8b\0\0\0\0"
           "12345678901\x80\x89\0\0\0\0"
           "123456789"),
     "text:12345678901123456789", true, SMALL_MAX},
    {BYTES("\x01\x8b\0\0\0\0"
           "12345678901\x80\x8a\0\0\0\0"
           "1234567890"),
     "violation:1009", false, SMALL_MAX},
    {BYTES("\x89\x95\0\0\0\0"
           "123456789012345678901"),
     "ping:123456789012345678901", true, SMALL_MAX},
    /* Nothing is heard after the end. */
    {BYTES("\x88\x80\0\0\0\0\x88\x80\0\0\0\0\x81\x81\0\0\0\0x"), "close:1005:", false},
    {BYTES("\x81\x01x\x81\x81\0\0\0\0y"), "violation:1002", false},
};

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        const struct row *row = &rows[i];
        struct str bytes = str_make(row->bytes, row->length);
        size_t max = row->max > 0 ? row->max : MESSAGE_MAX;
        for (size_t size = 1; size <= bytes.len + 1; size++) {
            expect(bytes, size, size, true, max, row->expected, row->idle, i);
            expect(bytes, size, bytes.len + 1, true, max, row->expected, row->idle, i);
        }
    }
}

/* What a client hears: the same frames unmasked (RFC 6455 section 5.7), and masked ones refused. */
static void test_client_side(void **state)
{
    (void)state;
    static const struct row server_rows[] = {
        {BYTES("\x81\x05Hello"), "text:Hello", true},
        {BYTES("\x01\x03Hel\x80\x02lo"), "text:Hello", true},
        {BYTES("\x89\x05Hello"), "ping:Hello", true},
        {BYTES("\x88\x02\x0b\xbd\x81\x01x"), "close:3005:", false},
        {BYTES("\x81\x85" MASK "\x7f\x9f\x4d\x51\x58"), "violation:1002", false},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(server_rows); i++) {
        const struct row *row = &server_rows[i];
        struct str bytes = str_make(row->bytes, row->length);
        for (size_t size = 1; size <= bytes.len; size++)
            expect(bytes, size, size, false, MESSAGE_MAX, row->expected, row->idle, i);
    }
}

/* Every length at which the header changes, written by us and read back, masked and not. */
static void test_lengths(void **state)
{
    (void)state;
    static const struct {
        size_t length;
        size_t header; /* unmasked */
    } lengths[] = {{0, 2},   {1, 2},    {125, 2},   {126, 4},    {127, 4},
                   {256, 4}, {4096, 4}, {65535, 4}, {65536, 10}, {69999, 10}};
    char *payload = mem_alloc(MESSAGE_MAX);
    memset(payload, 'a', MESSAGE_MAX);
    for (size_t i = 0; i < ARRAY_LENGTH(lengths); i++) {
        for (int masked = 0; masked < 2; masked++) {
            struct buf frame;
            buf_init(&frame, MESSAGE_MAX + FRAME_HEADER_MAX);
            struct str text = str_make(payload, lengths[i].length);
            if (masked)
                websocket_frame_write_masked(&frame, OPCODE_TEXT, text, (const uint8_t *)MASK);
            else
                websocket_frame_write(&frame, OPCODE_TEXT, text);
            assert_int_equal(frame.len, text.len + lengths[i].header + (masked ? 4 : 0));
            struct transcript whole;
            read_in_pieces(buf_view(&frame), frame.len, 1, masked, MESSAGE_MAX, &whole);
            assert_true(whole.idle);
            char *items = buf_detach_text(&whole.items);
            expect(buf_view(&frame), 3, 1021, masked, MESSAGE_MAX, items, true, i);
            mem_free(items);
            buf_fini(&frame);
        }
    }
    mem_free(payload);
}

/* The frames that RFC 6455 section 5.7 shows unmasked, and the masked one. */
static void test_written_bytes(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 1000);
    websocket_frame_write(&out, OPCODE_TEXT, STR_LIT("Hello"));
    websocket_frame_write(&out, OPCODE_PING, STR_LIT("Hello"));
    websocket_frame_write_masked(&out, OPCODE_TEXT, STR_LIT("Hello"), (const uint8_t *)MASK);
    websocket_frame_write_close(&out, 3005, STR_LIT("no"), NULL);
    websocket_frame_write_close(&out, CLOSE_NO_CODE, STR_LIT("no"), NULL);
    assert_true(str_equal(buf_view(&out),
                          STR_LIT("\x81\x05Hello\x89\x05Hello\x81\x85" MASK "\x7f\x9f\x4d\x51\x58"
                                  "\x88\x04\x0b\xbdno\x88\x00")));
    buf_fini(&out);
}

/* A reason over 123 bytes is cut in front of the character that does not fit. */
static void test_long_reason(void **state)
{
    (void)state;
    static const char euro[] = {'\xe2', '\x82', '\xac'};
    char reason[130];
    memset(reason, 'r', sizeof(reason));
    memcpy(reason + 121, euro, sizeof(euro));
    struct buf out;
    buf_init(&out, 1000);
    websocket_frame_write_close(&out, 3000, str_make(reason, sizeof(reason)), NULL);
    assert_int_equal(out.len, 2 + 2 + 121);
    buf_clear(&out);
    memset(reason, 'r', sizeof(reason));
    websocket_frame_write_close(&out, 3000, str_make(reason, sizeof(reason)), NULL);
    assert_int_equal(out.len, 2 + 2 + 123);
    buf_fini(&out);
}

/* A frame of more than wslay's buffer leaves the beginning of the next one in it. */
static void test_many_frames_in_one_piece(void **state)
{
    (void)state;
    struct buf bytes, expected;
    buf_init(&bytes, 100000);
    buf_init(&expected, 100000);
    char payload[300];
    memset(payload, 'x', sizeof(payload));
    for (size_t i = 0; i < 60; i++) {
        struct str text = str_make(payload, i * 5);
        websocket_frame_write_masked(&bytes, OPCODE_TEXT, text, (const uint8_t *)MASK);
        struct websocket_item item = {.kind = WEBSOCKET_MESSAGE, .payload = text};
        write_item(&expected, &item);
    }
    char *text = buf_detach_text(&expected);
    for (size_t first = 1; first < bytes.len; first += 41)
        expect(buf_view(&bytes), first, bytes.len, true, MESSAGE_MAX, text, true, first);
    mem_free(text);
    buf_fini(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),        cmocka_unit_test(test_client_side),
        cmocka_unit_test(test_lengths),     cmocka_unit_test(test_written_bytes),
        cmocka_unit_test(test_long_reason), cmocka_unit_test(test_many_frames_in_one_piece),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
