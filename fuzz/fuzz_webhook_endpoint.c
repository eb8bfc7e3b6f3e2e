/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The same bytes as an endpoint's settings, as its URL, as an order's content and as a receiver's
 * header field: what is accepted can be read back, shown and sent.
 */
#include "fuzz.h"

#include "codec/url.h"
#include "codec/url_callable.h"
#include "webhook/webhook_message.h"
#include "webhook/webhook_policy.h"

static void expect_json(const struct buf *text)
{
    struct json *document = json_parse(buf_view(text), NULL);
    expect(document != NULL);
    json_free(&document);
}

static void try_url(struct str text)
{
    char error[URL_CALLABLE_ERROR_SIZE];
    struct url url;
    struct address address;
    if (url_callable_check(text, NULL, 0, error) < 0)
        return;
    expect(url_parse(text, &url) == 0 && url.host.len > 0);
    expect(!address_looks_numeric(url.host));
    expect(!address_parse(url.host, &address) || address_may_be_called(&address, NULL, 0));
}

static void try_stored(struct str settings)
{
    struct store_endpoint stored = {.endpoint_id = 1, .settings = settings};
    struct webhook_endpoint endpoint;
    char error[WEBHOOK_ERROR_SIZE];
    struct buf shown;
    expect(webhook_endpoint_read(&stored, NULL, &endpoint, error) == 0);
    expect(endpoint.schedule_length <= LIMIT_WEBHOOK_SCHEDULE && endpoint.concurrency > 0);
    webhook_endpoint_fini(&endpoint);
    buf_init(&shown, 4 * LIMIT_WEBHOOK_SETTINGS);
    webhook_endpoint_show(&stored, &shown);
    expect_json(&shown);
    buf_fini(&shown);
}

static void try_settings(const struct json *changes)
{
    struct buf settings;
    struct str client_key;
    char error[WEBHOOK_ERROR_SIZE];
    buf_init(&settings, LIMIT_WEBHOOK_SETTINGS);
    if (webhook_endpoint_merge(STR_LIT("{\"url\":\"https://example.com/\"}"), changes, NULL, 0,
                               &settings, &client_key, error) == 0)
        try_stored(buf_view(&settings));
    buf_fini(&settings);
}

static void try_content(struct str content)
{
    struct store_delivery_payload payload = {
        .event = {.status = ORDER_PAID},
        .content = content,
        .custom_parameters = content,
    };
    for (int preset = WEBHOOK_STANDARD; preset <= WEBHOOK_XSOLLA; preset++) {
        struct buf body;
        buf_init(&body, LIMIT_WEBHOOK_BODY);
        if (webhook_message_body((enum webhook_preset)preset, &payload, &body) == 0)
            expect_json(&body);
        buf_fini(&body);
    }
}

static void try_answer(struct str field)
{
    struct webhook_endpoint endpoint = {.schedule = {5000}, .schedule_length = 1};
    struct webhook_answer answer = {.status = 503, .retry_after = field, .control = field};
    struct webhook_decision decision;
    webhook_policy_decide(&endpoint, &answer, 0, 0, 0, &decision);
    if (decision.verdict == WEBHOOK_RETRY && decision.disable_reason == NULL)
        expect(decision.next_at >= 4000 && decision.next_at <= INT64_C(86400000));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = str_make((const char *)data, size);
    char error[WEBHOOK_ERROR_SIZE];
    struct address_network networks[4];
    try_url(text);
    try_answer(text);
    (void)!webhook_endpoint_check_secret(WEBHOOK_STANDARD, text, error);
    expect(webhook_allowed_networks(text, networks, 4) <= 4);
    struct json *document = json_parse(text, NULL);
    if (document == NULL)
        return 0;
    try_settings(document);
    if (json_depth(document) <= LIMIT_CONTENT_DEPTH)
        try_content(text);
    json_free(&document);
    return 0;
}
