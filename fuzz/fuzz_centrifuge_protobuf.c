/* SPDX-License-Identifier: Apache-2.0 */
/* Any frame is read to its end or refused, one step a message; what it names lies inside bounds. */
#include "fuzz.h"

#include "base/err.h"
#include "codec/centrifuge.h"

static int handle(void *argument, const struct centrifuge_command *command)
{
    int *count = argument;
    expect(command->method <= CENTRIFUGE_NO_METHOD);
    expect(command->position_count <= LIMIT_REALTIME_SUBS);
    for (size_t i = 0; i < command->position_count; i++)
        expect(command->positions[i].offset >= 0);
    expect(str_is_utf8(command->credentials.auth));
    expect(str_is_utf8(command->credentials.user_external_id));
    expect(command->since_offset >= 0);
    ++*count;
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str rest = str_make((const char *)data, size);
    int count = 0;
    int rc = 0;
    for (size_t step = 0; rc == 0; step++) {
        expect(step <= size + 1);
        rc = centrifuge_protobuf.next_command(&rest, handle, &count);
    }
    expect(rc == ERR_NOT_FOUND || rc == ERR_INVALID || rc == ERR_TOO_LARGE);
    expect(rc != ERR_NOT_FOUND || count > 0 || !data);
    return 0;
}
