/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A body of POST /emulation, as JSON or (after a first byte 1) as Protobuf: read or refused, and what
 * it brings is safe to give to a session.
 */
#include "fuzz.h"

#include "base/err.h"
#include "codec/centrifuge.h"

static int handle_command(void *argument, const struct centrifuge_command *command)
{
    (void)argument;
    expect(command->method <= CENTRIFUGE_NO_METHOD);
    return 0;
}

static int handle_request(void *argument, const struct centrifuge_emulation *request)
{
    const struct centrifuge_encoding *encoding = argument;
    struct str rest = request->data;
    int rc = rest.len > 0 ? 0 : ERR_INVALID;
    expect(encoding->binary || (str_is_utf8(request->session) && str_is_utf8(request->node)));
    for (size_t step = 0; rc == 0; step++) {
        expect(step <= request->data.len + 1);
        rc = encoding->next_command(&rest, handle_command, NULL);
    }
    return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bool binary = size > 0 && data[0] == 1;
    const struct centrifuge_encoding *encoding = binary ? &centrifuge_protobuf : &centrifuge_json;
    struct str body = str_make((const char *)data + binary, size - binary);
    int rc = encoding->read_emulation(body, handle_request, (void *)encoding);
    expect(rc == ERR_NOT_FOUND || rc == ERR_INVALID || rc == ERR_TOO_LARGE);
    return 0;
}
