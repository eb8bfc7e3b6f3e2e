/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commands of the protocol that mean nothing where the server alone decides who hears what. One
 * table says how each is refused, as the reference server does (centrifuge-protocol.md A.5).
 */
#include "realtime/realtime_internal.h"

static const struct refusal {
    bool needs_channel;      /* 3501 without one */
    enum client_error own;   /* for the session's own channel; NONE: done, without any effect */
    enum client_error other; /* for any other, and where there is none */
    enum close_code close;   /* instead of a reply */
} refusals[CENTRIFUGE_METHOD_COUNT] = {
    [CENTRIFUGE_SUBSCRIBE] = {.needs_channel = true,
                              .own = CLIENT_ERROR_ALREADY_SUBSCRIBED,
                              .other = CLIENT_ERROR_PERMISSION_DENIED},
    [CENTRIFUGE_UNSUBSCRIBE] = {.needs_channel = true},
    [CENTRIFUGE_PUBLISH] = {.needs_channel = true,
                            .own = CLIENT_ERROR_PERMISSION_DENIED,
                            .other = CLIENT_ERROR_PERMISSION_DENIED},
    [CENTRIFUGE_PRESENCE] = {.needs_channel = true,
                             .own = CLIENT_ERROR_NOT_AVAILABLE,
                             .other = CLIENT_ERROR_NOT_AVAILABLE},
    [CENTRIFUGE_PRESENCE_STATS] = {.needs_channel = true,
                                   .own = CLIENT_ERROR_NOT_AVAILABLE,
                                   .other = CLIENT_ERROR_NOT_AVAILABLE},
    [CENTRIFUGE_RPC] = {.own = CLIENT_ERROR_NOT_AVAILABLE, .other = CLIENT_ERROR_NOT_AVAILABLE},
    [CENTRIFUGE_SEND] = {.close = CLOSE_NOT_AVAILABLE},
    [CENTRIFUGE_REFRESH] = {.close = CLOSE_BAD_REQUEST},
    [CENTRIFUGE_SUB_REFRESH] = {.needs_channel = true,
                                .own = CLIENT_ERROR_NOT_AVAILABLE,
                                .other = CLIENT_ERROR_PERMISSION_DENIED},
};

void command_other(struct session *session, const struct centrifuge_command *command)
{
    const struct refusal *refusal = &refusals[command->method];
    enum client_error error =
        session_has_channel(session, command->channel) ? refusal->own : refusal->other;
    if (refusal->close != CLOSE_NONE) {
        session_close(session, refusal->close);
    } else if (refusal->needs_channel && command->channel.len == 0) {
        session_close(session, CLOSE_BAD_REQUEST);
    } else if (error != CLIENT_ERROR_NONE) {
        session_send_error(session, command->id, error);
    } else {
        session->encoding->write_unsubscribe(session_begin(session), command->id);
        session_send(session);
    }
}
