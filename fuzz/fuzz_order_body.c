/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A merchant's orders. What is accepted keeps to the limits and is JSON; content is brought into a
 * form that is its own normal form, so that what was read may be written back. What is refused is
 * refused with a sentence.
 */
#include "fuzz.h"

#include "api/order_body.h"

#include "base/limits.h"
#include "service/order_content.h"

static void expect_normal(struct str content, bool is_free)
{
    char error[ORDER_CONTENT_ERROR_SIZE + JSON_ERROR_SIZE];
    struct buf again;
    bool is_free_again;
    struct json *document = json_parse(content, error);
    expect(document != NULL);
    buf_init(&again, LIMIT_CONTENT);
    expect(order_content_normalize(document, &again, &is_free_again, error) == 0);
    expect(str_equal(buf_view(&again), content) && is_free_again == is_free);
    buf_fini(&again);
    json_free(&document);
}

static void expect_json(struct str text)
{
    char error[JSON_ERROR_SIZE];
    struct json *document = json_parse(text, error);
    expect(document != NULL);
    json_free(&document);
}

static void expect_order(enum order_body_kind kind, const struct order_input *input)
{
    expect(input->order_id >= 0 && (kind != ORDER_BODY_PATCH || input->order_id == 0));
    expect(input->user_external_id.len <= LIMIT_USER_EXTERNAL_ID);
    expect(kind != ORDER_BODY_CREATE || input->user_external_id.len > 0);
    expect(!str_has_control(input->user_external_id) && !str_has_control(input->cancel_reason));
    expect(input->cancel_reason.len <= LIMIT_CANCEL_REASON);
    expect(input->content.len <= LIMIT_CONTENT);
    expect(input->custom_parameters.len <= LIMIT_CUSTOM_PARAMETERS);
    if (input->content.len > 0)
        expect_normal(input->content, input->content_is_free);
    if (input->custom_parameters.len > 0)
        expect_json(input->custom_parameters);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = str_make((const char *)data, size);
    for (enum order_body_kind kind = ORDER_BODY_CREATE; kind <= ORDER_BODY_BATCH; kind++) {
        char error[ORDER_BODY_ERROR_SIZE] = "";
        struct order_input input;
        struct arena texts;
        arena_init(&texts);
        if (order_body_read(kind, text, &texts, &input, error) == API_ERROR_NONE)
            expect_order(kind, &input);
        else
            expect(error[0] != '\0');
        arena_fini(&texts);
    }
    return 0;
}
