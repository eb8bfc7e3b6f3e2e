/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The history command: the past of the session's own stream. The position in the reply is always
 * the stream's top, whatever was asked for (centrifuge-protocol.md A.6).
 */
#include "realtime/realtime_internal.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/quota.h"
#include "service/buyer_stream.h"
#include "service/service.h"

static enum client_error error_of(int result)
{
    switch (result) {
    case ERR_EXPIRED:
        return CLIENT_ERROR_UNRECOVERABLE_POSITION;
    case ERR_INVALID:
        return CLIENT_ERROR_BAD_REQUEST;
    default:
        return CLIENT_ERROR_INTERNAL;
    }
}

static int look_up(const struct session *session, const struct centrifuge_command *command,
                   struct buyer_stream_view *view)
{
    const struct buyer_stream_history history = {
        .limit = command->limit,
        .has_since = command->has_since,
        .since_offset = command->since_offset,
        .since_epoch = command->since_epoch,
        .reverse = command->reverse,
    };
    return buyer_stream_history(session->realtime->service, session->project_id,
                                session_user(session), &history, view);
}

/* It costs as much as Get order; one user with many connections must not have a worker to themselves. */
static bool is_too_fast(const struct session *session)
{
    const struct service *service = session->realtime->service;
    if (quota_take(service->quota, QUOTA_USER_REQUESTS, session_channel(session),
                   service->options->requests_per_user, loop_now(service->loop)) == 0)
        return false;
    metrics_add(METRIC_REQUESTS_REFUSED__USER, 1);
    return true;
}

void command_history(struct session *session, const struct centrifuge_command *command)
{
    struct buyer_stream_view view = {0};
    if (command->channel.len == 0) {
        session_close(session, CLOSE_BAD_REQUEST);
        return;
    }
    if (!session_has_channel(session, command->channel)) {
        session_send_error(session, command->id, CLIENT_ERROR_PERMISSION_DENIED);
        return;
    }
    if (is_too_fast(session)) {
        session_send_error(session, command->id, CLIENT_ERROR_TOO_MANY_REQUESTS);
        return;
    }
    int result = look_up(session, command, &view);
    if (result < 0) {
        session_send_error(session, command->id, error_of(result));
        return;
    }
    struct centrifuge_publication *publications =
        session_publications(view.publications, view.publication_count);
    const struct centrifuge_history_reply reply = {
        .publications = publications,
        .publication_count = view.publication_count,
        .offset = view.top,
        .epoch = str_from(store_identity(session->realtime->service->store)->epoch),
    };
    session->encoding->write_history(session_begin(session), command->id, &reply);
    session_send(session);
    mem_free(publications);
    buyer_stream_view_fini(&view);
}
