/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dispatch to the driver, and what every driver would have to do again: the texts that outlive a
 * call, and a transaction around a change that comes without one, so that a change which takes
 * several rows is never seen, or left, half done.
 */
#include "store/store.h"

#include "base/crypto.h"
#include "store/store_internal.h"

struct str store_keep(struct store_connection *connection, const void *bytes, size_t length)
{
    return length > 0 ? arena_copy(&connection->texts, str_make(bytes, length)) : STR_LIT("");
}

static void share_reading(struct store_connection *reader)
{
    store_driver_of(reader)->share_reading(reader);
    if (reader->has_begun)
        return;
    reader->has_begun = true;
    reader->began(reader->began_argument);
}

/*
 * Only look-ups forget texts, and not those of the look-up before: what was looked up can be given
 * to an update, and to the next look-up.
 */
const struct store_driver *store_look_up(struct store_connection *connection)
{
    arena_fini(&connection->old_texts);
    connection->old_texts = connection->texts;
    arena_init(&connection->texts);
    const struct store_driver *driver = store_driver_of(connection);
    if (connection->began && !connection->in_transaction)
        share_reading(connection);
    return driver;
}

void store_identity_draw(struct store_identity *identity)
{
    for (size_t i = 0; i < STORE_EPOCH_LENGTH; i++)
        identity->epoch[i] = (char)('a' + crypto_random_below(26));
    identity->epoch[STORE_EPOCH_LENGTH] = '\0';
    crypto_random(identity->token_key, sizeof(identity->token_key));
}

bool store_filter_matches(const struct store_order_filter *filter, enum order_status status,
                          int64_t created_at, int64_t updated_at)
{
    return (filter->status < 0 || filter->status == (int)status) &&
           (filter->created_from == 0 || created_at >= filter->created_from) &&
           (filter->created_until == 0 || created_at < filter->created_until) &&
           (filter->updated_from == 0 || updated_at >= filter->updated_from);
}

int store_open(const struct store_driver *driver, const struct store_options *options,
               struct store **store, char error[STORE_ERROR_SIZE])
{
    error[0] = '\0';
    int result = driver->open(options, store, error);
    if (result)
        return result;
    (*store)->driver = driver;
    (*store)->options = options;
    return 0;
}

void store_close(struct store **store)
{
    if (!*store)
        return;
    (*store)->driver->close(*store);
    *store = NULL;
}

const struct store_identity *store_identity(const struct store *store)
{
    return &store->identity;
}

int store_connect(struct store *store, enum store_role role, struct store_connection **connection)
{
    int result = store->driver->connect(store, role, connection);
    if (result)
        return result;
    (*connection)->store = store;
    (*connection)->role = role;
    arena_init(&(*connection)->texts);
    arena_init(&(*connection)->old_texts);
    return 0;
}

void store_disconnect(struct store_connection **connection)
{
    struct store_connection *c = *connection;
    if (!c)
        return;
    store_rollback(c);
    arena_fini(&c->texts);
    arena_fini(&c->old_texts);
    c->store->driver->disconnect(c);
    *connection = NULL;
}

int store_backup(const struct store_driver *driver, const char *directory, const char *destination,
                 const volatile sig_atomic_t *stop, char error[STORE_ERROR_SIZE])
{
    error[0] = '\0';
    return driver->backup(directory, destination, stop, error);
}

int store_begin(struct store_connection *connection)
{
    if (connection->began)
        share_reading(connection);
    int result = store_driver_of(connection)->begin(connection);
    connection->in_transaction = result == 0;
    return result;
}

int store_commit(struct store_connection *connection)
{
    int result = store_driver_of(connection)->commit(connection);
    if (result == 0)
        connection->in_transaction = false;
    return result;
}

void store_rollback(struct store_connection *connection)
{
    if (!connection->in_transaction)
        return;
    store_driver_of(connection)->rollback(connection);
    connection->in_transaction = false;
}

int store_end(struct store_connection *connection, int result)
{
    if (result == 0)
        result = store_commit(connection);
    store_rollback(connection);
    return result;
}

void store_share_reading(struct store_connection *reader, void (*began)(void *argument),
                         void *argument)
{
    if (!store_driver_of(reader)->share_reading)
        return;
    reader->began = began;
    reader->began_argument = argument;
}

void store_end_reading(struct store_connection *reader)
{
    if (!reader->has_begun)
        return;
    reader->has_begun = false;
    store_driver_of(reader)->end_reading(reader);
}

int store_change_begin(struct store_connection *writer, bool *alone)
{
    *alone = !writer->in_transaction;
    return *alone ? store_begin(writer) : 0;
}

int store_change_end(struct store_connection *writer, bool alone, int result)
{
    return alone ? store_end(writer, result) : result;
}

int store_project_get(struct store_connection *connection, int32_t project_id,
                      struct store_project *project)
{
    return store_look_up(connection)->project_get(connection, project_id, project);
}

int store_project_put(struct store_connection *writer, const struct store_project *project)
{
    CHANGE(writer, project_put(writer, project));
}

int store_project_list(struct store_connection *connection, int32_t after, int limit,
                       void (*row)(void *argument, const struct store_project *project),
                       void *argument)
{
    return store_look_up(connection)->project_list(connection, after, limit, row, argument);
}

int store_key_put(struct store_connection *writer, const struct store_key *key)
{
    CHANGE(writer, key_put(writer, key));
}

int store_key_list(struct store_connection *connection, int32_t project_id, int32_t merchant_id,
                   void (*row)(void *argument, const struct store_key *key), void *argument)
{
    return store_look_up(connection)->key_list(connection, project_id, merchant_id, row, argument);
}

int store_key_delete(struct store_connection *writer, const char *key_id)
{
    CHANGE(writer, key_delete(writer, key_id));
}

int store_revocation_put(struct store_connection *writer, int32_t project_id,
                         struct str user_external_id, int64_t before)
{
    CHANGE(writer, revocation_put(writer, project_id, user_external_id, before));
}

int store_revocation_get(struct store_connection *connection, int32_t project_id,
                         struct str user_external_id, int64_t *before)
{
    return store_look_up(connection)
        ->revocation_get(connection, project_id, user_external_id, before);
}

int store_revocation_any(struct store_connection *connection, int32_t project_id, bool *any)
{
    return store_look_up(connection)->revocation_any(connection, project_id, any);
}

int store_user_get(struct store_connection *connection, int32_t project_id,
                   struct str user_external_id, struct store_user *user)
{
    return store_look_up(connection)->user_get(connection, project_id, user_external_id, user);
}

int store_user_add(struct store_connection *writer, int32_t project_id, struct str user_external_id,
                   struct store_user *user)
{
    CHANGE(writer, user_add(writer, project_id, user_external_id, user));
}

int store_order_get(struct store_connection *connection, int32_t project_id, int32_t order_id,
                    struct store_order *order)
{
    return store_look_up(connection)->order_get(connection, project_id, order_id, order);
}

int store_order_insert(struct store_connection *writer, const struct store_order *order)
{
    CHANGE(writer, order_insert(writer, order));
}

int store_order_update(struct store_connection *writer, const struct store_order *order)
{
    CHANGE(writer, order_update(writer, order));
}

int store_order_advance(struct store_connection *writer, const struct store_order *order)
{
    CHANGE(writer, order_advance(writer, order));
}

int store_order_next_id(struct store_connection *writer, int32_t project_id, int32_t *order_id)
{
    return store_look_up(writer)->order_next_id(writer, project_id, order_id);
}

int store_order_list(struct store_connection *connection, const struct store_order_filter *filter,
                     void (*row)(void *argument, const struct store_order *order), void *argument,
                     int32_t *next_before)
{
    return store_look_up(connection)->order_list(connection, filter, row, argument, next_before);
}

int store_order_list_open(struct store_connection *connection, int64_t user_id, int limit,
                          void (*row)(void *argument, int32_t order_id, enum order_status status),
                          void *argument)
{
    return store_look_up(connection)->order_list_open(connection, user_id, limit, row, argument);
}

int store_event_append(struct store_connection *writer, const struct store_order *order,
                       const struct store_event *event)
{
    CHANGE(writer, event_append(writer, order, event));
}

int store_event_list(struct store_connection *connection, int32_t project_id, int32_t order_id,
                     void (*row)(void *argument, const struct store_event *event), void *argument)
{
    return store_look_up(connection)->event_list(connection, project_id, order_id, row, argument);
}

int store_stream_read(struct store_connection *connection, int64_t user_id, int32_t after,
                      int32_t before, bool reverse, int limit,
                      void (*row)(void *argument, const struct store_publication *publication),
                      void *argument)
{
    return store_look_up(connection)
        ->stream_read(connection, user_id, after, before, reverse, limit, row, argument);
}

int store_idempotency_get(struct store_connection *connection, int32_t project_id, struct str key,
                          struct store_idempotency *record)
{
    return store_look_up(connection)->idempotency_get(connection, project_id, key, record);
}

int store_idempotency_put(struct store_connection *writer, const struct store_idempotency *record)
{
    CHANGE(writer, idempotency_put(writer, record));
}

int store_prune(struct store_connection *writer, int64_t now_wall, int rows, int *deleted)
{
    CHANGE(writer, prune(writer, now_wall, rows, deleted));
}
