/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The connect command: who is it, where does the stream stand, what was missed. The session
 * subscribes to the hub before it looks into the store, so that what is committed in between comes
 * twice rather than never; the position then tells the doubles apart.
 *
 * The reply never carries `expires`: a client that gave its token in `data` could not refresh it
 * and would stop for good (centrifuge-protocol.md A.7). A session ends with 3005 instead.
 */
#include "realtime/realtime_internal.h"

#include "auth/auth.h"
#include "base/crypto.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "service/buyer_stream.h"
#include "service/service.h"

#include <string.h>

/* Who is at the other end. */
struct identity {
    int32_t project_id;
    struct auth_user user;
};

/* Only browsers send an origin, and SDKs for browsers take 3507 as final. */
static enum close_code check_origin(const struct session *session, int32_t project_id)
{
    bool is_listed;
    struct str origin = session->origin ? str_from(session->origin) : STR_LIT("");
    int result = auth_origin(session->realtime->service->auth, project_id, origin, &is_listed);
    if (result == 0)
        return CLOSE_NONE;
    return result == ERR_DENIED ? CLOSE_PERMISSION_DENIED : CLOSE_SERVER_ERROR;
}

static enum close_code refusal_for(int result)
{
    if (result == ERR_DENIED || result == ERR_EXPIRED || result == ERR_NOT_FOUND)
        return CLOSE_INVALID_TOKEN;
    return result < 0 ? CLOSE_SERVER_ERROR : CLOSE_NONE;
}

/* The client hears no more than "invalid token"; whoever runs the server may look why. */
static void log_refusal(int64_t project_id, const char *reason)
{
    log_debug("token refused", LOG_INT("project_id", project_id), LOG_TEXT("reason", reason));
}

static enum close_code identify_by_token(const struct session *session,
                                         const struct centrifuge_command *command,
                                         struct identity *identity)
{
    const struct centrifuge_credentials *credentials = &command->credentials;
    struct str token = credentials->auth.len > 0 ? credentials->auth : command->token;
    struct service *service = session->realtime->service;
    struct auth_user *user = &identity->user;
    if (token.len == 0 || credentials->project_id < 1 || credentials->project_id > INT32_MAX) {
        log_refusal(credentials->project_id, token.len == 0 ? "no token" : "no project_id");
        return CLOSE_INVALID_TOKEN;
    }
    identity->project_id = (int32_t)credentials->project_id;
    int result =
        auth_user(service->auth, identity->project_id, token, loop_wall(service->loop), user);
    if (result == 0 && credentials->user_external_id.len > 0 &&
        !str_equal(credentials->user_external_id, user->user_external_id)) {
        log_refusal(identity->project_id, "user_external_id is not its user");
        result = ERR_DENIED;
    }
    return refusal_for(result);
}

/* A token alone is among it: without a project nobody can say whose it would be. */
static bool says_nothing(const struct centrifuge_credentials *credentials)
{
    return credentials->auth.len == 0 && credentials->user_external_id.len == 0 &&
           credentials->project_id == 0;
}

static enum close_code identify_insecure(const struct session *session, struct identity *identity)
{
    const struct realtime *realtime = session->realtime;
    struct auth_user *user = &identity->user;
    const struct auth_project *project;
    struct str name;
    if (!realtime_parse_user(str_from(realtime->options->insecure_user), &identity->project_id,
                             &name))
        return CLOSE_INVALID_TOKEN;
    memcpy(user->external_id, name.ptr, name.len);
    user->user_external_id = str_make(user->external_id, name.len);
    user->issued_at = loop_wall(realtime->service->loop);
    user->expires_at = INT64_MAX;
    return refusal_for(auth_project(realtime->service->auth, identity->project_id, &project));
}

/* The code that refuses the client, CLOSE_SERVER_ERROR when the store does not answer. */
static enum close_code identify(const struct session *session,
                                const struct centrifuge_command *command, struct identity *identity)
{
    if (command->credentials.malformed)
        return CLOSE_BAD_REQUEST;
    enum close_code refusal = says_nothing(&command->credentials)
                                  ? identify_insecure(session, identity)
                                  : identify_by_token(session, command, identity);
    return refusal == CLOSE_NONE ? check_origin(session, identity->project_id) : refusal;
}

/* A temporary error, then a code below 3500: every known client tries again or polls. */
static void refuse(struct session *session, uint32_t id, enum close_code code)
{
    metrics_add(METRIC_CONNECTS__REFUSED, 1);
    if (code == CLOSE_SERVER_ERROR && !session->encoding->one_way)
        session_send_error(session, id, CLIENT_ERROR_INTERNAL);
    session_close(session, code == CLOSE_INVALID_TOKEN ? session_refusal(session) : code);
}

/* The position that the client brings for its own channel; others are not looked at. */
static void find_position(const struct session *session, const struct centrifuge_command *command,
                          struct buyer_stream_query *query)
{
    for (size_t i = 0; i < command->position_count; i++) {
        const struct centrifuge_position *position = &command->positions[i];
        if (!position->recover || !session_has_channel(session, position->channel))
            continue;
        query->recover = true;
        /* No stream gets that far, so a position that is out of range is never recovered. */
        query->offset = position->offset > INT32_MAX ? INT32_MAX : (int32_t)position->offset;
        query->epoch = position->epoch;
    }
}

static int64_t end_of_token(const struct session *session, const struct auth_user *user)
{
    struct loop *loop = session->realtime->service->loop;
    if (user->expires_at == INT64_MAX)
        return INT64_MAX;
    return session_deadline(loop_now(loop), user->expires_at - loop_wall(loop));
}

/* A client whose transport carries one direction is told where to send the other. */
static void name_session(const struct session *session, struct centrifuge_connect_reply *fields)
{
    const struct session_transport *transport = session->transport;
    if (!transport->emulation_id)
        return;
    fields->session = str_from(transport->emulation_id(session));
    if (fields->session.len > 0)
        fields->node = str_from(emulation_node(session->realtime));
}

static void reply(struct session *session, uint32_t id, const struct buyer_stream_query *query,
                  const struct buyer_stream_view *view)
{
    struct service *service = session->realtime->service;
    int64_t ping_seconds = session->realtime->options->ping_interval / 1000;
    struct centrifuge_publication *publications = NULL;
    char client[37];
    crypto_uuid(client);
    struct centrifuge_connect_reply fields = {
        .client = str_from(client),
        .version = STR_LIT(ORDERWIRE_VERSION),
        .channel = session_channel(session),
        .epoch = str_from(store_identity(service->store)->epoch),
        .offset = view->recovered ? query->offset : view->top,
        .was_recovering = query->recover,
        .recovered = view->recovered,
        .ping_seconds = ping_seconds > 0 ? (int)ping_seconds : 1,
    };
    if (view->recovered) {
        publications = session_publications(view->publications, view->publication_count);
        fields.publications = publications;
        fields.publication_count = view->publication_count;
        metrics_add(METRIC_PUBLICATIONS, (int64_t)view->publication_count);
    }
    name_session(session, &fields);
    session->encoding->write_connect(session_begin(session), id, &fields);
    session_send(session);
    mem_free(publications);
}

static void count_connect(const struct buyer_stream_query *query,
                          const struct buyer_stream_view *view)
{
    metrics_add(METRIC_CONNECTS__OK, 1);
    if (query->recover)
        metrics_add(view->recovered ? METRIC_RECOVERIES__OK : METRIC_RECOVERIES__FAILED, 1);
}

void command_connect(struct session *session, const struct centrifuge_command *command)
{
    struct service *service = session->realtime->service;
    struct buyer_stream_view view = {0};
    struct identity identity;
    enum close_code refusal = identify(session, command, &identity);
    if (refusal != CLOSE_NONE) {
        refuse(session, command->id, refusal);
        return;
    }
    session->issued_at = identity.user.issued_at;
    if (session_subscribe(session, identity.project_id, identity.user.user_external_id) != 0) {
        refuse(session, command->id, CLOSE_TOO_MANY_REQUESTS);
        return;
    }
    struct buyer_stream_query query = {
        .project_id = session->project_id,
        .user_external_id = session_user(session),
        .now_wall = loop_wall(service->loop),
    };
    find_position(session, command, &query);
    if (buyer_stream_open(service, &query, &view) < 0) {
        refuse(session, command->id, CLOSE_SERVER_ERROR);
        return;
    }
    count_connect(&query, &view);
    session_connect(session, view.top, end_of_token(session, &identity.user));
    reply(session, command->id, &query, &view);
    if (!view.recovered && session->realtime->options->latest_on_connect)
        session_push(session, view.publications, view.publication_count);
    buyer_stream_view_fini(&view);
}
