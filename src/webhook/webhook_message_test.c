/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies to the byte, and the published vectors of both kinds of signature. */
#include "webhook/webhook_message.h"

#include "base/err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define CONTENT                                                                                    \
    "{\"price\":{\"amount\":\"9.99\",\"amount_without_discount\":\"12.99\",\"currency\":\"USD\"}," \
    "\"virtual_price\":null,\"is_free\":false,\"items\":[{\"sku\":\"sword\",\"quantity\":2,"       \
    "\"is_free\":false,\"price\":{\"amount\":\"4.99\",\"amount_without_discount\":\"4.99\","       \
    "\"currency\":\"USD\"}},{\"sku\":\"gift\",\"quantity\":1,\"is_free\":true,\"price\":null}]}"

static struct store_delivery_payload make_payload(enum order_status status,
                                                  enum order_status previous)
{
    return (struct store_delivery_payload){
        .delivery = {.delivery_id = 3, .order_id = 59614241, .seq = 2},
        .event = {.seq = 2,
                  .status = status,
                  .previous = previous,
                  .offset = 9,
                  .occurred_at = 1795347084123},
        .user_external_id = STR_LIT("user-1"),
        .content = STR_LIT(CONTENT),
        .custom_parameters = STR_LIT("{\"k\":1}"),
    };
}

static void assert_body(enum webhook_preset preset, const struct store_delivery_payload *payload,
                        const char *expected)
{
    struct buf out;
    buf_init(&out, LIMIT_WEBHOOK_BODY);
    assert_int_equal(webhook_message_body(preset, payload, &out), 0);
    if (!str_equal_text(buf_view(&out), expected))
        fail_msg("%.*s", STR_ARG(buf_view(&out)));
    struct json *document = json_parse(buf_view(&out), NULL);
    assert_non_null(document);
    json_free(&document);
    buf_fini(&out);
}

static void test_standard_bodies(void **state)
{
    (void)state;
    struct store_delivery_payload payload = make_payload(ORDER_PAID, ORDER_NEW);
    assert_body(WEBHOOK_STANDARD, &payload,
                "{\"type\":\"order.paid\",\"timestamp\":\"2026-11-22T11:31:24.123Z\","
                "\"data\":{\"order_id\":59614241,\"status\":\"paid\",\"content\":" CONTENT
                ",\"user_external_id\":\"user-1\",\"seq\":2,\"previous_status\":\"new\","
                "\"cancel_reason\":null,\"occurred_at\":\"2026-11-22T11:31:24.123Z\","
                "\"custom_parameters\":{\"k\":1},\"synthetic\":false}}");
    payload = make_payload(ORDER_CANCELED, ORDER_DONE);
    payload.cancel_reason = STR_LIT("a \"refund\"");
    payload.content = STR_LIT("");
    payload.custom_parameters = STR_LIT("");
    payload.event.synthetic = true;
    assert_body(
        WEBHOOK_STANDARD, &payload,
        "{\"type\":\"order.canceled\",\"timestamp\":\"2026-11-22T11:31:24.123Z\","
        "\"data\":{\"order_id\":59614241,\"status\":\"canceled\",\"content\":{\"price\":null,"
        "\"virtual_price\":null,\"is_free\":false,\"items\":[]},"
        "\"user_external_id\":\"user-1\",\"seq\":2,\"previous_status\":\"done\","
        "\"cancel_reason\":\"a \\\"refund\\\"\",\"occurred_at\":\"2026-11-22T11:31:24.123Z\","
        "\"custom_parameters\":null,\"synthetic\":true}}");
}

static void test_xsolla_bodies(void **state)
{
    (void)state;
    struct store_delivery_payload payload = make_payload(ORDER_PAID, ORDER_NEW);
    assert_body(
        WEBHOOK_XSOLLA, &payload,
        "{\"items\":[{\"sku\":\"sword\",\"type\":\"virtual_good\",\"is_pre_order\":false,"
        "\"quantity\":2,\"amount\":\"4.99\",\"promotions\":[]},{\"sku\":\"gift\","
        "\"type\":\"virtual_good\",\"is_pre_order\":false,\"quantity\":1,\"amount\":\"0\","
        "\"promotions\":[]}],\"notification_type\":\"order_paid\",\"order\":{\"id\":59614241,"
        "\"mode\":\"default\",\"currency_type\":\"real\",\"currency\":\"USD\","
        "\"amount\":\"9.99\",\"status\":\"paid\",\"platform\":null,\"comment\":null,"
        "\"invoice_id\":\"59614241\",\"promotions\":[]},\"user\":{"
        "\"external_id\":\"user-1\",\"email\":\"\",\"country\":\"\"},"
        "\"custom_parameters\":{\"k\":1}}");
    payload = make_payload(ORDER_CANCELED, ORDER_PAID);
    payload.custom_parameters = STR_LIT("{\"country\":\"DE\"}");
    payload.content = STR_LIT(
        "{\"price\":null,\"virtual_price\":{\"sku\":\"gems\",\"currency\":\"gems\",\"amount\":70},"
        "\"items\":[{\"sku\":\"box\",\"type\":\"bundle\",\"is_pre_order\":true,\"quantity\":3,"
        "\"promotions\":[{\"sequence\":1}],\"custom_attributes\":{\"a\":1},\"price\":{\"amount\":1."
        "5}}],"
        "\"mode\":\"sandbox\",\"platform\":\"steam\",\"comment\":\"c\",\"invoice_id\":\"77\","
        "\"promotions\":[],\"user\":{\"email\":\"a@example.com\"}}");
    assert_body(WEBHOOK_XSOLLA, &payload,
                "{\"items\":[{\"sku\":\"box\",\"type\":\"bundle\",\"is_pre_order\":true,"
                "\"quantity\":3,\"amount\":\"1.5\",\"promotions\":[{\"sequence\":1}],"
                "\"custom_attributes\":{\"a\":1}}],\"notification_type\":\"order_canceled\","
                "\"order\":{\"id\":59614241,\"mode\":\"sandbox\",\"currency_type\":\"virtual\","
                "\"currency\":\"gems\",\"amount\":\"70\",\"status\":\"canceled\","
                "\"platform\":\"steam\",\"comment\":\"c\",\"invoice_id\":\"77\",\"promotions\":[]},"
                "\"user\":{\"external_id\":\"user-1\",\"email\":\"a@example.com\","
                "\"country\":\"DE\"},\"custom_parameters\":{\"country\":\"DE\"}}");
    payload.content = STR_LIT("");
    payload.custom_parameters = STR_LIT("");
    assert_body(WEBHOOK_XSOLLA, &payload,
                "{\"items\":[],\"notification_type\":\"order_canceled\",\"order\":{\"id\":59614241,"
                "\"mode\":\"default\",\"currency_type\":\"unknown\",\"currency\":\"\","
                "\"amount\":\"0\",\"status\":\"canceled\",\"platform\":null,\"comment\":null,"
                "\"invoice_id\":\"59614241\",\"promotions\":[]},\"user\":{"
                "\"external_id\":\"user-1\",\"email\":\"\",\"country\":\"\"},"
                "\"custom_parameters\":{}}");
}

/*
 * Many items of few bytes: in the xsolla preset each grows by what an order leaves out. And the
 * e-mail address stands there a second time.
 */
static void test_the_largest_order_fits(void **state)
{
    (void)state;
    static const char item[] = "{\"sku\":\"a\",\"quantity\":1,\"is_free\":false,\"price\":null},";
    static const char end[] = "{\"sku\":\"a\",\"quantity\":1,\"is_free\":false,\"price\":null}]}";
    struct store_delivery_payload payload = make_payload(ORDER_CANCELED, ORDER_PAID);
    char user[LIMIT_USER_EXTERNAL_ID];
    struct buf content, custom, out;
    memset(user, '"', sizeof(user));
    buf_init(&content, LIMIT_CONTENT);
    buf_init(&custom, LIMIT_CUSTOM_PARAMETERS);
    buf_init(&out, LIMIT_WEBHOOK_BODY);
    buf_append_text(&content,
                    "{\"price\":null,\"virtual_price\":null,\"is_free\":false,\"items\":[");
    while (content.len + strlen(item) + strlen(end) <= LIMIT_CONTENT)
        buf_append_text(&content, item);
    buf_append_text(&content, end);
    buf_append_text(&custom, "{\"email\":\"");
    while (custom.len < LIMIT_CUSTOM_PARAMETERS - 2)
        buf_append_byte(&custom, 'x');
    buf_append_text(&custom, "\"}");
    payload.user_external_id = str_make(user, sizeof(user));
    payload.content = buf_view(&content);
    payload.custom_parameters = buf_view(&custom);
    assert_int_equal(webhook_message_body(WEBHOOK_XSOLLA, &payload, &out), 0);
    buf_fini(&content);
    buf_fini(&custom);
    buf_fini(&out);
}

static void test_no_body(void **state)
{
    (void)state;
    struct buf out;
    struct store_delivery_payload payload = make_payload(ORDER_NEW, ORDER_NEW);
    buf_init(&out, 100);
    assert_int_equal(webhook_message_body(WEBHOOK_XSOLLA, &payload, &out), ERR_NOT_FOUND);
    payload.event.status = ORDER_DONE;
    assert_int_equal(webhook_message_body(WEBHOOK_XSOLLA, &payload, &out), ERR_NOT_FOUND);
    assert_int_equal(webhook_message_body(WEBHOOK_STANDARD, &payload, &out), ERR_TOO_LARGE);
    buf_clear(&out);
    payload.body = STR_LIT("{\"type\":\"example\"}");
    assert_int_equal(webhook_message_body(WEBHOOK_XSOLLA, &payload, &out), 0);
    assert_true(str_equal(buf_view(&out), payload.body));
    buf_fini(&out);
}

static void test_examples(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, LIMIT_WEBHOOK_BODY);
    for (int preset = WEBHOOK_STANDARD; preset <= WEBHOOK_XSOLLA; preset++) {
        for (int status = ORDER_NEW; status <= ORDER_CANCELED; status++) {
            buf_clear(&out);
            webhook_message_example((enum webhook_preset)preset, (enum order_status)status,
                                    1795347084123, &out);
            struct json *document = json_parse(buf_view(&out), NULL);
            assert_non_null(document);
            assert_non_null(
                json_get(document, preset == WEBHOOK_XSOLLA ? "notification_type" : "type"));
            json_free(&document);
        }
    }
    buf_clear(&out);
    webhook_message_disabled(9, STR_LIT("https://example.com/a"), STR_LIT("410"), 1795347084123,
                             &out);
    assert_true(str_equal_text(
        buf_view(&out),
        "{\"type\":\"endpoint.disabled\",\"timestamp\":\"2026-11-22T11:31:24.123Z\",\"data\":{"
        "\"endpoint_id\":9,\"url\":\"https://example.com/a\",\"reason\":\"410\"}}"));
    buf_fini(&out);
}

static void test_ids(void **state)
{
    (void)state;
    char id[WEBHOOK_ID_SIZE];
    webhook_message_id("abcdefgh", 1, id);
    assert_string_equal(id, "msg_abcdefgh_1");
    webhook_message_id("abcdefgh", INT64_MAX, id);
    assert_string_equal(id, "msg_abcdefgh_9223372036854775807");
}

static const char *line_of(const struct webhook_headers *headers, const char *name)
{
    size_t length = strlen(name);
    for (int i = 0; headers->list[i] != NULL; i++) {
        if (strncmp(headers->list[i], name, length) == 0 && headers->list[i][length] == ':')
            return headers->list[i] + length + 2;
    }
    return NULL;
}

#define VECTOR_SECRET "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
#define VECTOR_SIGNATURE "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="

static void sign(const char *secret, const char *previous, struct webhook_headers *headers)
{
    webhook_message_headers(WEBHOOK_STANDARD, str_from(secret), str_from(previous),
                            "msg_p5jXN8AQM9LWM0D4loKWxJek", STR_LIT("{\"test\": 2432232314}"),
                            INT64_C(1614265330999), headers);
}

static void test_standard_headers(void **state)
{
    (void)state;
    struct webhook_headers headers;
    sign(VECTOR_SECRET, "", &headers);
    assert_string_equal(line_of(&headers, "webhook-signature"), VECTOR_SIGNATURE);
    assert_string_equal(line_of(&headers, "webhook-id"), "msg_p5jXN8AQM9LWM0D4loKWxJek");
    assert_string_equal(line_of(&headers, "webhook-timestamp"), "1614265330");
    assert_string_equal(line_of(&headers, "Content-Type"), "application/json");
    assert_non_null(line_of(&headers, "User-Agent"));
    assert_null(line_of(&headers, "Authorization"));

    sign("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", VECTOR_SECRET, &headers);
    const char *both = line_of(&headers, "webhook-signature");
    assert_int_equal(strlen(both), 2 * strlen(VECTOR_SIGNATURE) + 1);
    assert_string_equal(both + strlen(VECTOR_SIGNATURE) + 1, VECTOR_SIGNATURE);
    assert_memory_not_equal(both, VECTOR_SIGNATURE, strlen(VECTOR_SIGNATURE));

    sign("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "whsec_BBBB " VECTOR_SECRET " whsec_CCCC",
         &headers);
    both = line_of(&headers, "webhook-signature");
    assert_int_equal(strlen(both), 4 * (strlen(VECTOR_SIGNATURE) + 1) - 1);
    assert_memory_equal(both + 2 * (strlen(VECTOR_SIGNATURE) + 1), VECTOR_SIGNATURE " ",
                        strlen(VECTOR_SIGNATURE) + 1);

    /* The vector's key as plain bytes. */
    sign(
        "\x31\xf2\x90\xf6\xbf\x06\x29\x8a\xab\x4f\x08\xd4\x3c\x3f\x08\x2c\xf6\x48\xa3\x62\xda"
        "\x2d\xa4\xb0",
        "", &headers);
    assert_string_equal(line_of(&headers, "webhook-signature"), VECTOR_SIGNATURE);
}

static void test_xsolla_headers(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"{\"notification_type\": \"payment\"}", "89404631c86da9f508954da7b50799199a6b1d3a"},
        {"", "78143a5ac4b892a68ce8b0b8b49e26667db0fa07"},
    };
    struct webhook_headers headers;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        webhook_message_headers(WEBHOOK_XSOLLA, STR_LIT("PROJECT_SECRET_KEY"), STR_LIT("previous"),
                                "msg_1", str_from(rows[i][0]), 0, &headers);
        const char *line = line_of(&headers, "Authorization");
        assert_memory_equal(line, "Signature ", 10);
        assert_string_equal(line + 10, rows[i][1]);
        assert_string_equal(line_of(&headers, "webhook-id"), "msg_1");
        assert_string_equal(line_of(&headers, "Accept"), "application/json");
        assert_null(line_of(&headers, "webhook-signature"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_standard_bodies),
        cmocka_unit_test(test_xsolla_bodies),
        cmocka_unit_test(test_the_largest_order_fits),
        cmocka_unit_test(test_no_body),
        cmocka_unit_test(test_examples),
        cmocka_unit_test(test_ids),
        cmocka_unit_test(test_standard_headers),
        cmocka_unit_test(test_xsolla_headers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
