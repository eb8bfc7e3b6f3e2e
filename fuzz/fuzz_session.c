/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client's side of a conversation: messages with NUL bytes between them, in which $T is a valid
 * token. A message of the byte 1 alone makes an event happen instead, 2 one that the hub loses.
 * Whatever is said, there is no reply without a command, nothing after a close and no second one.
 */
#include "base/str.h"
#include "realtime/session_fixture.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct fixture fixture;

static size_t count_lines(struct str message)
{
    size_t count = 0;
    struct str line;
    while (str_split(&message, '\n', &line))
        count++;
    return count;
}

static size_t count_replies(struct client *client)
{
    size_t count = 0;
    struct str log = str_from(client_log(client));
    struct str line;
    while (str_split(&log, '\n', &line))
        count += str_starts_with(line, STR_LIT("{\"id\":"));
    return count;
}

/* The number of commands at most. */
static size_t say(struct client *client, struct str message)
{
    if (message.len == 1 && message.ptr[0] == 1) {
        fixture_publish(&fixture, "u1", 7, ORDER_PAID);
        return 0;
    }
    if (message.len == 1 && message.ptr[0] == 2) {
        (void)fixture_commit(&fixture, "u1", 8, ORDER_NEW);
        return 0;
    }
    struct buf text;
    buf_init(&text, message.len + 1);
    buf_append_str(&text, message);
    buf_append_byte(&text, '\0');
    client_say(client, text.ptr);
    buf_fini(&text);
    return count_lines(message);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str rest = str_make((const char *)data, size);
    struct client client;
    struct str message;
    size_t commands = 0;
    fixture_init(&fixture);
    client_open(&client, &fixture);
    while (size > 0 && str_split(&rest, '\0', &message))
        commands += say(&client, message);
    if (count_replies(&client) > commands)
        abort();
    client_fini(&client);
    fixture_fini(&fixture);
    return 0;
}
