/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A webhook as it goes over the wire: body and header lines. Pure. Standard Webhooks
 * (webhook-id, -timestamp, -signature v1) and Xsolla (Authorization: Signature sha1(body+secret)),
 * webhooks.md sections 1 and 6, xsolla-sdks.md section 3.
 */
#ifndef ORDERWIRE_WEBHOOK_WEBHOOK_MESSAGE_H
#define ORDERWIRE_WEBHOOK_WEBHOOK_MESSAGE_H

#include "webhook/webhook_endpoint.h"

/*
 * Appends the body of a delivery, the same for each attempt. ERR_NOT_FOUND when the preset has no
 * message for the event.
 */
NODISCARD int webhook_message_body(enum webhook_preset preset,
                                   const struct store_delivery_payload *payload, struct buf *out);

/* Appends the body of an example of a status, as `send example` delivers it. */
void webhook_message_example(enum webhook_preset preset, enum order_status status, int64_t now_wall,
                             struct buf *out);
/* Appends the body that tells other endpoints of a disabled one. */
void webhook_message_disabled(int64_t endpoint_id, struct str url, struct str reason,
                              int64_t now_wall, struct buf *out);

/* The id of a delivery, constant over all attempts: "msg_" epoch "_" delivery_id. */
#define WEBHOOK_ID_SIZE 40
void webhook_message_id(const char *epoch, int64_t delivery_id, char out[WEBHOOK_ID_SIZE]);

#define WEBHOOK_HEADERS_MAX 8
/* Header lines of one attempt, NUL-terminated. */
struct webhook_headers {
    char lines[WEBHOOK_HEADERS_MAX][512];
    const char *list[WEBHOOK_HEADERS_MAX + 1]; /* ended by NULL */
    int count;
};

/*
 * Content-Type, User-Agent and the preset's headers. With the standard preset the previous secrets, a
 * space between two, sign as well. The secret of the standard preset is base64 behind "whsec_", or plain bytes without it.
 */
void webhook_message_headers(enum webhook_preset preset, struct str secret,
                             struct str previous_secrets, const char *id, struct str body,
                             int64_t now_wall, struct webhook_headers *headers);

#endif
