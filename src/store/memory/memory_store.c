/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fake: a store in memory, for tests of upper floors. Records never change once they are
 * made; a state has for each table a sorted array of pointers to them. A transaction of the writer
 * works on a copy of the arrays, which a commit puts in place of the old state, so that readers see
 * what is committed and a rollback has nothing to undo. Records live until the store is closed.
 */
#include "base/err.h"
#include "base/mem.h"
#include "store/memory/memory_webhooks.h"

#include <stdio.h>
#include <string.h>

struct record {
    struct record *next;
    _Alignas(max_align_t) char bytes[];
};

void *memory_store_record(struct store_connection *writer, const void *source, size_t size)
{
    struct memory_store *store = (struct memory_store *)writer->store;
    struct record *record = mem_alloc(sizeof(*record) + size);
    record->next = store->records;
    store->records = record;
    return size ? memcpy(record->bytes, source, size) : record->bytes;
}

struct str memory_store_text(struct store_connection *writer, struct str text)
{
    return text.len ? str_make(memory_store_record(writer, text.ptr, text.len), text.len)
                    : STR_LIT("");
}

struct str memory_store_keep(struct store_connection *connection, struct str text)
{
    return store_keep(connection, text.ptr, text.len);
}

static void release_state(struct memory_store *store, struct state *state)
{
    pthread_mutex_lock(&store->mutex);
    bool unused = --state->references == 0;
    pthread_mutex_unlock(&store->mutex);
    if (unused)
        memory_state_free(state);
}

static struct state *hold_committed(struct memory_store *store)
{
    pthread_mutex_lock(&store->mutex);
    struct state *state = store->committed;
    state->references++;
    pthread_mutex_unlock(&store->mutex);
    return state;
}

const struct state *memory_store_enter(struct store_connection *connection)
{
    struct memory_connection *c = (struct memory_connection *)connection;
    if (!connection->in_transaction)
        c->state = hold_committed((struct memory_store *)connection->store);
    return c->state;
}

void memory_store_leave(struct store_connection *connection)
{
    struct memory_connection *c = (struct memory_connection *)connection;
    if (connection->in_transaction)
        return;
    release_state((struct memory_store *)connection->store, c->state);
    c->state = NULL;
}

struct state *memory_store_working(struct store_connection *writer)
{
    return ((struct memory_connection *)writer)->state;
}

static int memory_open(const struct store_options *options, struct store **store,
                       char error[STORE_ERROR_SIZE])
{
    (void)options;
    (void)error;
    struct memory_store *s = mem_zalloc(sizeof(*s));
    pthread_mutex_init(&s->mutex, NULL);
    s->committed = mem_zalloc(sizeof(*s->committed));
    s->committed->references = 1;
    store_identity_draw(&s->base.identity);
    *store = &s->base;
    return 0;
}

static void memory_close(struct store *store)
{
    struct memory_store *s = (struct memory_store *)store;
    release_state(s, s->committed);
    while (s->records) {
        struct record *record = s->records;
        s->records = record->next;
        mem_free(record);
    }
    pthread_mutex_destroy(&s->mutex);
    mem_free(s);
}

static int memory_connect(struct store *store, enum store_role role,
                          struct store_connection **connection)
{
    (void)store;
    (void)role;
    struct memory_connection *c = mem_zalloc(sizeof(*c));
    *connection = &c->base;
    return 0;
}

static void memory_disconnect(struct store_connection *connection)
{
    mem_free(connection);
}

static int memory_backup(const char *directory, const char *destination,
                         const volatile sig_atomic_t *stop, char error[STORE_ERROR_SIZE])
{
    (void)directory;
    (void)destination;
    (void)stop;
    snprintf(error, STORE_ERROR_SIZE, "a store in memory has no backup");
    return ERR_UNSUPPORTED;
}

static int memory_begin(struct store_connection *connection)
{
    struct memory_connection *c = (struct memory_connection *)connection;
    struct memory_store *store = (struct memory_store *)connection->store;
    struct state *committed = hold_committed(store);
    if (connection->role == STORE_READER) {
        c->state = committed;
        return 0;
    }
    c->state = memory_state_copy(committed);
    release_state(store, committed);
    return 0;
}

static void memory_rollback(struct store_connection *connection)
{
    struct memory_connection *c = (struct memory_connection *)connection;
    release_state((struct memory_store *)connection->store, c->state);
    c->state = NULL;
}

static int memory_commit(struct store_connection *connection)
{
    struct memory_connection *c = (struct memory_connection *)connection;
    struct memory_store *store = (struct memory_store *)connection->store;
    if (connection->role == STORE_WRITER) {
        pthread_mutex_lock(&store->mutex);
        struct state *old = store->committed;
        store->committed = c->state;
        c->state = old;
        pthread_mutex_unlock(&store->mutex);
    }
    memory_rollback(connection);
    return 0;
}

static struct store_project project_out(struct store_connection *connection,
                                        const struct store_project *row)
{
    struct store_project project = *row;
    project.settings = memory_store_keep(connection, row->settings);
    return project;
}

static int memory_project_get(struct store_connection *connection, int32_t project_id,
                              struct store_project *project)
{
    const struct store_project *row =
        memory_state_find(memory_store_enter(connection), PROJECTS,
                          &(struct store_project){.project_id = project_id});
    if (row)
        *project = project_out(connection, row);
    memory_store_leave(connection);
    return row ? 0 : ERR_NOT_FOUND;
}

static int memory_project_put(struct store_connection *writer, const struct store_project *project)
{
    struct store_project *row = memory_store_record(writer, project, sizeof(*project));
    row->settings = memory_store_text(writer, project->settings);
    memory_state_put(memory_store_working(writer), PROJECTS, row);
    return 0;
}

static int memory_project_list(struct store_connection *connection, int32_t after, int limit,
                               void (*row)(void *argument, const struct store_project *project),
                               void *argument)
{
    const struct rows *rows = &memory_store_enter(connection)->tables[PROJECTS];
    int given = 0;
    for (size_t i = 0; i < rows->count && given < limit; i++) {
        struct store_project project = project_out(connection, rows->items[i]);
        if (project.project_id <= after)
            continue;
        row(argument, &project);
        given++;
    }
    memory_store_leave(connection);
    return 0;
}

/* The place of a key, or the number of keys. */
static size_t key_place(const struct rows *rows, const char *key_id)
{
    size_t i = 0;
    while (i < rows->count &&
           strcmp(((const struct key_row *)rows->items[i])->key.key_id, key_id) != 0)
        i++;
    return i;
}

static int memory_key_put(struct store_connection *writer, const struct store_key *key)
{
    struct memory_store *store = (struct memory_store *)writer->store;
    struct rows *rows = &memory_store_working(writer)->tables[KEYS];
    size_t place = key_place(rows, key->key_id);
    struct key_row *row = memory_store_record(writer, &(struct key_row){.key = *key}, sizeof(*row));
    row->key.label = memory_store_text(writer, key->label);
    row->serial = place < rows->count ? ((const struct key_row *)rows->items[place])->serial
                                      : ++store->last_key;
    if (place < rows->count)
        memory_state_remove(rows, place);
    memory_state_put(memory_store_working(writer), KEYS, row);
    return 0;
}

static int memory_key_list(struct store_connection *connection, int32_t project_id,
                           int32_t merchant_id,
                           void (*row)(void *argument, const struct store_key *key), void *argument)
{
    const struct rows *rows = &memory_store_enter(connection)->tables[KEYS];
    for (size_t i = 0; i < rows->count; i++) {
        struct store_key key = ((const struct key_row *)rows->items[i])->key;
        if (key.project_id != project_id &&
            !(key.project_id == 0 && key.merchant_id == merchant_id))
            continue;
        key.label = memory_store_keep(connection, key.label);
        row(argument, &key);
    }
    memory_store_leave(connection);
    return 0;
}

static int memory_key_delete(struct store_connection *writer, const char *key_id)
{
    struct rows *rows = &memory_store_working(writer)->tables[KEYS];
    size_t place = key_place(rows, key_id);
    if (place == rows->count)
        return ERR_NOT_FOUND;
    memory_state_remove(rows, place);
    return 0;
}

static int64_t revoked_before(const struct state *state, int32_t project_id, struct str external_id)
{
    const struct revocation_row *row = memory_state_find(
        state, REVOCATIONS,
        &(struct revocation_row){.project_id = project_id, .external_id = external_id});
    return row ? row->before : 0;
}

static int memory_revocation_put(struct store_connection *writer, int32_t project_id,
                                 struct str user_external_id, int64_t before)
{
    struct state *state = memory_store_working(writer);
    struct revocation_row row = {project_id, memory_store_text(writer, user_external_id), before};
    if (before > revoked_before(state, project_id, user_external_id))
        memory_state_put(state, REVOCATIONS, memory_store_record(writer, &row, sizeof(row)));
    return 0;
}

static int memory_revocation_get(struct store_connection *connection, int32_t project_id,
                                 struct str user_external_id, int64_t *before)
{
    const struct state *state = memory_store_enter(connection);
    int64_t of_user = revoked_before(state, project_id, user_external_id);
    int64_t of_all = revoked_before(state, project_id, STR_LIT(""));
    *before = of_user > of_all ? of_user : of_all;
    memory_store_leave(connection);
    return 0;
}

static int memory_revocation_any(struct store_connection *connection, int32_t project_id, bool *any)
{
    const struct state *state = memory_store_enter(connection);
    const struct rows *rows = &state->tables[REVOCATIONS];
    struct revocation_row first = {.project_id = project_id};
    size_t place = memory_state_place(state, REVOCATIONS, &first);
    *any = place < rows->count &&
           ((const struct revocation_row *)rows->items[place])->project_id == project_id;
    memory_store_leave(connection);
    return 0;
}

static int memory_user_get(struct store_connection *connection, int32_t project_id,
                           struct str user_external_id, struct store_user *user)
{
    const struct user_row *row = memory_state_find(
        memory_store_enter(connection), USERS,
        &(struct user_row){.project_id = project_id, .external_id = user_external_id});
    if (row)
        *user = row->user;
    memory_store_leave(connection);
    return row ? 0 : ERR_NOT_FOUND;
}

const struct user_row *memory_store_user(const struct state *state, int64_t user_id)
{
    const struct rows *rows = &state->tables[USERS];
    for (size_t i = 0; i < rows->count; i++) {
        const struct user_row *row = rows->items[i];
        if (row->user.user_id == user_id)
            return row;
    }
    return NULL;
}

static int memory_user_add(struct store_connection *writer, int32_t project_id,
                           struct str user_external_id, struct store_user *user)
{
    struct memory_store *store = (struct memory_store *)writer->store;
    struct user_row row = {
        .project_id = project_id,
        .external_id = memory_store_text(writer, user_external_id),
        .user = {.user_id = store->last_user_id + 1},
    };
    int result = memory_state_insert(memory_store_working(writer), USERS,
                                     memory_store_record(writer, &row, sizeof(row)));
    if (result)
        return result;
    store->last_user_id++;
    *user = row.user;
    return 0;
}

static struct store_order order_out(struct store_connection *connection, const struct state *state,
                                    const struct store_order *row)
{
    const struct user_row *user = memory_store_user(state, row->user_id);
    struct store_order order = *row;
    order.user_external_id = user ? memory_store_keep(connection, user->external_id) : STR_LIT("");
    order.user_top = user ? user->user.top : 0;
    order.content = memory_store_keep(connection, row->content);
    order.custom_parameters = memory_store_keep(connection, row->custom_parameters);
    order.cancel_reason = memory_store_keep(connection, row->cancel_reason);
    return order;
}

const struct store_order *memory_store_order(const struct state *state, int32_t project_id,
                                             int32_t order_id)
{
    return memory_state_find(state, ORDERS,
                             &(struct store_order){.project_id = project_id, .order_id = order_id});
}

static struct store_order *new_order(struct store_connection *writer,
                                     const struct store_order *order)
{
    struct store_order *row = memory_store_record(writer, order, sizeof(*order));
    row->user_external_id = STR_LIT("");
    row->content = memory_store_text(writer, order->content);
    row->custom_parameters = memory_store_text(writer, order->custom_parameters);
    row->cancel_reason = memory_store_text(writer, order->cancel_reason);
    return row;
}

static int memory_order_get(struct store_connection *connection, int32_t project_id,
                            int32_t order_id, struct store_order *order)
{
    const struct state *state = memory_store_enter(connection);
    const struct store_order *row = memory_store_order(state, project_id, order_id);
    if (row)
        *order = order_out(connection, state, row);
    memory_store_leave(connection);
    return row ? 0 : ERR_NOT_FOUND;
}

static int memory_order_insert(struct store_connection *writer, const struct store_order *order)
{
    return memory_state_insert(memory_store_working(writer), ORDERS, new_order(writer, order));
}

static int memory_order_update(struct store_connection *writer, const struct store_order *order)
{
    const struct store_order *old =
        memory_store_order(memory_store_working(writer), order->project_id, order->order_id);
    if (!old)
        return ERR_NOT_FOUND;
    struct store_order *row = new_order(writer, order);
    row->user_id = old->user_id;
    row->created_at = old->created_at;
    memory_state_put(memory_store_working(writer), ORDERS, row);
    return 0;
}

static int memory_order_advance(struct store_connection *writer, const struct store_order *order)
{
    const struct store_order *old =
        memory_store_order(memory_store_working(writer), order->project_id, order->order_id);
    if (!old)
        return ERR_NOT_FOUND;
    struct store_order changed = *order;
    changed.content = old->content;
    changed.custom_parameters = old->custom_parameters;
    return memory_order_update(writer, &changed);
}

static int memory_order_next_id(struct store_connection *writer, int32_t project_id,
                                int32_t *order_id)
{
    const struct rows *rows = &memory_store_enter(writer)->tables[ORDERS];
    int32_t highest = 0;
    for (size_t i = 0; i < rows->count; i++) {
        const struct store_order *row = rows->items[i];
        if (row->project_id == project_id)
            highest = row->order_id;
    }
    memory_store_leave(writer);
    if (highest == INT32_MAX)
        return ERR_NOT_FOUND;
    *order_id = highest + 1;
    return 0;
}

/* Whether an order is among those that the list goes over. */
static bool is_listed(const struct state *state, const struct store_order_filter *filter,
                      const struct store_order *row)
{
    if (row->project_id != filter->project_id ||
        (filter->before > 0 && row->order_id >= filter->before))
        return false;
    const struct user_row *user = memory_store_user(state, row->user_id);
    return filter->user_external_id.len == 0 ||
           (user && str_equal(user->external_id, filter->user_external_id));
}

static int memory_order_list(struct store_connection *connection,
                             const struct store_order_filter *filter,
                             void (*row)(void *argument, const struct store_order *order),
                             void *argument, int32_t *next_before)
{
    const struct state *state = memory_store_enter(connection);
    const struct rows *rows = &state->tables[ORDERS];
    int32_t last = 0;
    int seen = 0;
    int given = 0;
    *next_before = 0;
    for (size_t i = rows->count; i-- > 0;) {
        const struct store_order *item = rows->items[i];
        if (!is_listed(state, filter, item))
            continue;
        if (given == filter->limit || seen == STORE_LIST_SCAN) {
            *next_before = last;
            break;
        }
        last = item->order_id;
        seen++;
        if (!store_filter_matches(filter, item->status, item->created_at, item->updated_at))
            continue;
        struct store_order order = order_out(connection, state, item);
        row(argument, &order);
        given++;
    }
    memory_store_leave(connection);
    return 0;
}

static int memory_order_list_open(struct store_connection *connection, int64_t user_id, int limit,
                                  void (*row)(void *argument, int32_t order_id,
                                              enum order_status status),
                                  void *argument)
{
    const struct rows *rows = &memory_store_enter(connection)->tables[ORDERS];
    int given = 0;
    for (size_t i = rows->count; i-- > 0 && given < limit;) {
        const struct store_order *item = rows->items[i];
        if (item->user_id != user_id || order_status_is_final(item->status))
            continue;
        row(argument, item->order_id, item->status);
        given++;
    }
    memory_store_leave(connection);
    return 0;
}

static int publish(struct store_connection *writer, const struct store_order *order,
                   const struct store_event *event)
{
    struct publication_row row = {
        .user_id = order->user_id,
        .publication = {event->offset, order->order_id, event->status, event->occurred_at},
    };
    int result = memory_state_insert(memory_store_working(writer), STREAM,
                                     memory_store_record(writer, &row, sizeof(row)));
    const struct user_row *old = memory_store_user(memory_store_working(writer), order->user_id);
    if (result || !old)
        return result;
    struct user_row *user = memory_store_record(writer, old, sizeof(*old));
    user->user.top = event->offset;
    memory_state_put(memory_store_working(writer), USERS, user);
    return 0;
}

static int memory_event_append(struct store_connection *writer, const struct store_order *order,
                               const struct store_event *event)
{
    struct event_row row = {order->project_id, order->order_id, *event};
    int result = memory_state_insert(memory_store_working(writer), EVENTS,
                                     memory_store_record(writer, &row, sizeof(row)));
    return result || event->offset == 0 ? result : publish(writer, order, event);
}

static int memory_event_list(struct store_connection *connection, int32_t project_id,
                             int32_t order_id,
                             void (*row)(void *argument, const struct store_event *event),
                             void *argument)
{
    const struct rows *rows = &memory_store_enter(connection)->tables[EVENTS];
    for (size_t i = 0; i < rows->count; i++) {
        const struct event_row *item = rows->items[i];
        if (item->project_id == project_id && item->order_id == order_id)
            row(argument, &item->event);
    }
    memory_store_leave(connection);
    return 0;
}

static int memory_stream_read(struct store_connection *connection, int64_t user_id, int32_t after,
                              int32_t before, bool reverse, int limit,
                              void (*row)(void *argument,
                                          const struct store_publication *publication),
                              void *argument)
{
    const struct rows *rows = &memory_store_enter(connection)->tables[STREAM];
    int given = 0;
    for (size_t i = 0; i < rows->count && given < limit; i++) {
        const struct publication_row *item = rows->items[reverse ? rows->count - 1 - i : i];
        int32_t offset = item->publication.offset;
        if (item->user_id != user_id || offset <= after || (before > 0 && offset >= before))
            continue;
        row(argument, &item->publication);
        given++;
    }
    memory_store_leave(connection);
    return 0;
}

static int memory_idempotency_get(struct store_connection *connection, int32_t project_id,
                                  struct str key, struct store_idempotency *record)
{
    const struct store_idempotency *row =
        memory_state_find(memory_store_enter(connection), IDEMPOTENCY,
                          &(struct store_idempotency){.project_id = project_id, .key = key});
    if (row) {
        *record = *row;
        record->key = memory_store_keep(connection, row->key);
        record->answer = memory_store_keep(connection, row->answer);
    }
    memory_store_leave(connection);
    return row ? 0 : ERR_NOT_FOUND;
}

static int memory_idempotency_put(struct store_connection *writer,
                                  const struct store_idempotency *record)
{
    struct store_idempotency *row = memory_store_record(writer, record, sizeof(*record));
    row->key = memory_store_text(writer, record->key);
    row->answer = memory_store_text(writer, record->answer);
    memory_state_put(memory_store_working(writer), IDEMPOTENCY, row);
    return 0;
}

static bool is_out_of_time(const struct store_connection *writer, const struct publication_row *row,
                           int64_t now_wall)
{
    const struct store_options *options = writer->store->options;
    const struct user_row *user =
        memory_store_user(((const struct memory_connection *)writer)->state, row->user_id);
    return row->publication.occurred_at < now_wall - options->history_max_age ||
           (user && row->publication.offset <= user->user.top - options->history_max_events);
}

static int memory_prune(struct store_connection *writer, int64_t now_wall, int rows, int *deleted)
{
    struct memory_connection *c = (struct memory_connection *)writer;
    struct rows *stream = &c->state->tables[STREAM];
    struct rows *answers = &c->state->tables[IDEMPOTENCY];
    *deleted = 0;
    for (int seen = 0; seen < rows && c->prune_at < stream->count; seen++) {
        if (is_out_of_time(writer, stream->items[c->prune_at], now_wall)) {
            memory_state_remove(stream, c->prune_at);
            ++*deleted;
        } else {
            c->prune_at++;
        }
    }
    if (c->prune_at >= stream->count)
        c->prune_at = 0;
    for (size_t i = answers->count; i-- > 0;) {
        if (((const struct store_idempotency *)answers->items[i])->expires_at > now_wall)
            continue;
        memory_state_remove(answers, i);
        ++*deleted;
    }
    memory_delivery_prune(writer, now_wall, rows, deleted);
    return 0;
}

const struct store_driver store_memory = {
    .name = "memory",
    .open = memory_open,
    .close = memory_close,
    .connect = memory_connect,
    .disconnect = memory_disconnect,
    .backup = memory_backup,
    .begin = memory_begin,
    .commit = memory_commit,
    .rollback = memory_rollback,
    .project_get = memory_project_get,
    .project_put = memory_project_put,
    .project_list = memory_project_list,
    .key_put = memory_key_put,
    .key_list = memory_key_list,
    .key_delete = memory_key_delete,
    .revocation_put = memory_revocation_put,
    .revocation_get = memory_revocation_get,
    .revocation_any = memory_revocation_any,
    .user_get = memory_user_get,
    .user_add = memory_user_add,
    .order_get = memory_order_get,
    .order_insert = memory_order_insert,
    .order_update = memory_order_update,
    .order_advance = memory_order_advance,
    .order_next_id = memory_order_next_id,
    .order_list = memory_order_list,
    .order_list_open = memory_order_list_open,
    .event_append = memory_event_append,
    .event_list = memory_event_list,
    .stream_read = memory_stream_read,
    .idempotency_get = memory_idempotency_get,
    .idempotency_put = memory_idempotency_put,
    .prune = memory_prune,
    .endpoint_add = memory_endpoint_add,
    .endpoint_update = memory_endpoint_update,
    .endpoint_delete = memory_endpoint_delete,
    .endpoint_get = memory_endpoint_get,
    .endpoint_list = memory_endpoint_list,
    .delivery_add = memory_delivery_add,
    .delivery_add_body = memory_delivery_add_body,
    .delivery_next = memory_delivery_next,
    .delivery_payload = memory_delivery_payload,
    .delivery_postpone = memory_delivery_postpone,
    .delivery_finish = memory_delivery_finish,
    .delivery_retry = memory_delivery_retry,
    .delivery_get = memory_delivery_get,
    .delivery_list = memory_delivery_list,
    .delivery_backlog = memory_delivery_backlog,
    .delivery_list_dead = memory_delivery_list_dead,
    .attempt_add = memory_attempt_add,
    .attempt_list = memory_attempt_list,
    .replay_add = memory_replay_add,
    .replay_get = memory_replay_get,
    .replay_open = memory_replay_open,
    .replay_update = memory_replay_update,
};
