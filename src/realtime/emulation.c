/* SPDX-License-Identifier: Apache-2.0 */
/*
 * POST /emulation: what the client says in a session whose connection carries only what it hears.
 * The system gives the POST to any worker, and the session lives on one; its id names that worker,
 * so that no table is shared. Whoever knows the id speaks for the session: it is drawn at random.
 */
#include "realtime/realtime_internal.h"

#include "base/crypto.h"
#include "base/err.h"
#include "base/mem.h"
#include "service/service.h"

#include <stdio.h>
#include <string.h>

/* Characters of 62 kinds: 131 bits. */
enum { RANDOM_LENGTH = 22, NODE_SIZE = 37 };

_Static_assert(LIMIT_HTTP_BODY <= LIMIT_EMULATION_BYTES,
               "what one POST brings may go to any worker");

struct realtime_peers {
    char node[NODE_SIZE]; /* another one after each start, so that no session outlives its server */
    struct realtime **workers;
    size_t count;
};

struct realtime_peers *realtime_peers_new(void)
{
    struct realtime_peers *peers = mem_zalloc(sizeof(*peers));
    crypto_uuid(peers->node);
    return peers;
}

void realtime_peers_free(struct realtime_peers **owner)
{
    struct realtime_peers *peers = *owner;
    *owner = NULL;
    if (peers == NULL)
        return;
    mem_free(peers->workers);
    mem_free(peers);
}

void emulation_init(struct realtime *realtime, struct realtime_peers *peers)
{
    map_init(&realtime->emulated);
    realtime->peers = peers;
    realtime->index = peers->count++;
    peers->workers = mem_realloc(peers->workers, peers->count * sizeof(struct realtime *));
    peers->workers[realtime->index] = realtime;
}

void emulation_fini(struct realtime *realtime)
{
    map_fini(&realtime->emulated);
}

const char *emulation_node(const struct realtime *realtime)
{
    return realtime->peers->node;
}

void emulation_begin(struct session *session, char id[EMULATION_ID_SIZE])
{
    char random[RANDOM_LENGTH + 1];
    crypto_random_text(random, RANDOM_LENGTH);
    snprintf(id, EMULATION_ID_SIZE, "%zu-%s", session->realtime->index, random);
    map_put(&session->realtime->emulated, str_from(id), session);
}

void emulation_end(struct session *session, const char *id)
{
    map_remove(&session->realtime->emulated, str_from(id));
}

/* Sessions end at any time: what comes for one that is over is dropped. */
static void deliver(struct realtime *realtime, struct str id, struct str message)
{
    struct session *session = map_get(&realtime->emulated, id);
    if (session)
        session_message(session, message);
}

/* A message on its way to the worker that has its session. */
struct forwarded {
    struct loop_message message;
    struct realtime *realtime;
    size_t id_length;
    size_t length;
    char bytes[]; /* the id, then the message */
};

static void forwarded_free(struct forwarded *forwarded)
{
    atomic_fetch_sub(&forwarded->realtime->forwarded_bytes,
                     forwarded->id_length + forwarded->length);
    mem_free(forwarded);
}

static void run_forwarded(struct loop_message *message)
{
    struct forwarded *forwarded = CONTAINER_OF(message, struct forwarded, message);
    deliver(forwarded->realtime, str_make(forwarded->bytes, forwarded->id_length),
            str_make(forwarded->bytes + forwarded->id_length, forwarded->length));
    forwarded_free(forwarded);
}

/*
 * The other worker's loop runs as long as this one has connections: the server ends the loops only
 * after all workers have drained.
 */
static int forward(struct realtime *there, struct str id, struct str message)
{
    size_t size = id.len + message.len;
    if (atomic_fetch_add(&there->forwarded_bytes, size) + size > LIMIT_EMULATION_BYTES) {
        atomic_fetch_sub(&there->forwarded_bytes, size);
        return ERR_BUSY;
    }
    struct forwarded *forwarded = mem_alloc(sizeof(*forwarded) + size);
    *forwarded = (struct forwarded){.message.run = run_forwarded,
                                    .realtime = there,
                                    .id_length = id.len,
                                    .length = message.len};
    memcpy(forwarded->bytes, id.ptr, id.len);
    if (message.len > 0)
        memcpy(forwarded->bytes + id.len, message.ptr, message.len);
    int result = loop_post(there->service->loop, &forwarded->message);
    if (result < 0)
        forwarded_free(forwarded);
    return result;
}

/* The worker that an id names; NULL when it is no id of ours. */
static struct realtime *worker_of(const struct realtime_peers *peers, struct str id)
{
    struct str index_text;
    int64_t index;
    if (id.len >= EMULATION_ID_SIZE || !str_split(&id, '-', &index_text) ||
        !str_to_int64(index_text, 0, (int64_t)peers->count - 1, &index))
        return NULL;
    return peers->workers[index];
}

static int take(void *argument, const struct centrifuge_emulation *request)
{
    struct realtime *here = argument;
    if (!str_equal_text(request->node, emulation_node(here)))
        return ERR_NOT_FOUND;
    struct realtime *there = worker_of(here->peers, request->session);
    if (there == here)
        deliver(here, request->session, request->data);
    else if (there)
        return forward(there, request->session, request->data);
    return 0;
}

void emulation_handle(struct http_request *request)
{
    const struct centrifuge_encoding *encoding = transport_stream_encoding(request);
    switch (encoding->read_emulation(request->body, take, request->context)) {
    case 0:
        http_respond(request, &(struct http_answer){.status = 204});
        break;
    case ERR_NOT_FOUND:
        http_respond_error(request, API_ERROR_ROUTE_NOT_FOUND, "There is no such node");
        break;
    case ERR_BUSY:
        http_respond_error(request, API_ERROR_BUSY, NULL);
        break;
    default:
        http_respond_error(request, API_ERROR_BAD_REQUEST, NULL);
    }
}
