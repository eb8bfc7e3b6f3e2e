/* SPDX-License-Identifier: Apache-2.0 */
/* What both encodings share: the JSON of an application inside the protocol's messages. */
#ifndef ORDERWIRE_CODEC_CENTRIFUGE_DATA_H
#define ORDERWIRE_CODEC_CENTRIFUGE_DATA_H

#include "codec/centrifuge.h"

/* Opaque types. */
struct json;

/*
 * The connect command's `data`. Its keys are exact, and its faults are no faults of the message:
 * they set `malformed`. Texts are views of the document.
 */
void centrifuge_data_read(const struct json *data, struct centrifuge_credentials *credentials);

/* Appends {"order_id":1,"status":"new"}. */
void centrifuge_data_write(struct buf *out, const struct centrifuge_publication *publication);

#endif
