/* SPDX-License-Identifier: Apache-2.0 */
/* The world of a session in a test: everything real but the wire, and with it the time it takes. */
#include "realtime/session_fixture.h"

#include "base/err.h"
#include "base/mem.h"
#include "store/store_driver.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LOG_MAX = 1024 * 1024, PATIENCE_MS = 5000 };

static struct store_driver driver;
static bool store_is_broken;

#define MUST(condition) must((condition), #condition, __LINE__)

static void must(bool holds, const char *what, int line)
{
    if (holds)
        return;
    fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, line, what);
    abort();
}

/* The store. */

static int get_user(struct store_connection *connection, int32_t project_id,
                    struct str user_external_id, struct store_user *user)
{
    if (store_is_broken)
        return ERR_IO;
    return store_memory.user_get(connection, project_id, user_external_id, user);
}

void fixture_break_store(bool broken)
{
    store_is_broken = broken;
}

static void put_project(struct fixture *fixture, int32_t project_id)
{
    char settings[200];
    snprintf(settings, sizeof(settings),
             "{\"user_token_secret\":\"a secret of 32 bytes, no. %06d\",%s}", project_id,
             project_id == 1 ? "\"legacy_socket\":true"
                             : "\"allowed_origins\":[\"https://shop.example\"]");
    struct store_project project = {
        .project_id = project_id, .merchant_id = project_id, .settings = str_from(settings)};
    MUST(store_begin(fixture->writer) == 0);
    MUST(store_project_put(fixture->writer, &project) == 0);
    MUST(store_commit(fixture->writer) == 0);
}

static void open_store(struct fixture *fixture)
{
    char error[STORE_ERROR_SIZE];
    driver = store_memory;
    driver.user_get = get_user;
    fixture->store_options = (struct store_options){
        .directory = "", .history_max_age = INT64_MAX, .history_max_events = 300};
    MUST(store_open(&driver, &fixture->store_options, &fixture->store, error) == 0);
    MUST(store_connect(fixture->store, STORE_WRITER, &fixture->writer) == 0);
    MUST(store_connect(fixture->store, STORE_READER, &fixture->reader) == 0);
    put_project(fixture, 1);
    put_project(fixture, 2);
}

void fixture_init(struct fixture *fixture)
{
    memset(fixture, 0, sizeof(*fixture));
    store_is_broken = false;
    open_store(fixture);
    fixture->loop = loop_new();
    MUST(fixture->loop != NULL);
    fixture->hub = hub_new();
    fixture->auth = auth_new(fixture->store, fixture->reader, &fixture->auth_shared);
    fixture->service_options.latest_window = 600 * 1000;
    fixture->service = (struct service){.loop = fixture->loop,
                                        .store = fixture->store,
                                        .reader = fixture->reader,
                                        .hub = fixture->hub,
                                        .auth = fixture->auth,
                                        .options = &fixture->service_options};
    fixture->options = (struct realtime_options){.ping_interval = 25 * 1000,
                                                 .pong_timeout = 8 * 1000,
                                                 .connect_timeout = 10 * 1000,
                                                 .position_interval = 40 * 1000,
                                                 .max_lifetime = 300 * 1000,
                                                 .message_bytes = 64 * 1024,
                                                 .queue_bytes = 64 * 1024,
                                                 .latest_on_connect = true,
                                                 .terminal_refusal_json = true};
    fixture->peers = realtime_peers_new();
    fixture->realtime = realtime_new(&fixture->service, &fixture->options, fixture->peers);
}

void fixture_fini(struct fixture *fixture)
{
    realtime_free(&fixture->realtime);
    realtime_peers_free(&fixture->peers);
    MUST(hub_subscriber_count(fixture->hub) == 0);
    auth_free(&fixture->auth);
    hub_free(&fixture->hub);
    loop_free(&fixture->loop);
    store_disconnect(&fixture->reader);
    store_disconnect(&fixture->writer);
    store_close(&fixture->store);
}

static void find_user(struct fixture *fixture, const char *name, struct store_user *user)
{
    int result = store_user_get(fixture->writer, 1, str_from(name), user);
    if (result == ERR_NOT_FOUND)
        result = store_user_add(fixture->writer, 1, str_from(name), user);
    MUST(result == 0);
}

struct hub_event fixture_commit(struct fixture *fixture, const char *name, int32_t order_id,
                                enum order_status status)
{
    struct store_user user;
    struct store_order order;
    int64_t now = loop_wall(fixture->loop);
    MUST(store_begin(fixture->writer) == 0);
    find_user(fixture, name, &user);
    bool is_new = store_order_get(fixture->writer, 1, order_id, &order) == ERR_NOT_FOUND;
    if (is_new)
        order = (struct store_order){.project_id = 1,
                                     .order_id = order_id,
                                     .user_id = user.user_id,
                                     .user_external_id = str_from(name),
                                     .created_at = now};
    struct store_event event = {.seq = order.seq + 1,
                                .status = status,
                                .previous = order.status,
                                .offset = user.top + 1,
                                .occurred_at = now};
    order.status = status;
    order.seq = event.seq;
    order.updated_at = now;
    MUST((is_new ? store_order_insert(fixture->writer, &order)
                 : store_order_update(fixture->writer, &order)) == 0);
    MUST(store_event_append(fixture->writer, &order, &event) == 0);
    MUST(store_commit(fixture->writer) == 0);
    return (struct hub_event){.project_id = 1,
                              .user_external_id = str_from(name),
                              .order_id = order_id,
                              .status = status,
                              .seq = event.seq,
                              .offset = event.offset};
}

void fixture_publish(struct fixture *fixture, const char *user, int32_t order_id,
                     enum order_status status)
{
    struct hub_event event = fixture_commit(fixture, user, order_id, status);
    hub_publish(fixture->hub, &event);
}

void fixture_prune(struct fixture *fixture)
{
    int deleted;
    MUST(store_begin(fixture->writer) == 0);
    MUST(store_prune(fixture->writer, loop_wall(fixture->loop), 1000, &deleted) == 0);
    MUST(store_commit(fixture->writer) == 0);
}

/* Tokens. */

static void append_token(struct fixture *fixture, char name, struct buf *out)
{
    static const struct {
        char name;
        int32_t project_id;
        const char *user;
        int64_t ttl;
    } tokens[] = {
        {'T', 1, "u1", 3600 * 1000}, {'U', 1, "u2", 3600 * 1000}, {'L', 1, "u1", 2000},
        {'X', 1, "u1", -60 * 1000},  {'O', 2, "u1", 3600 * 1000},
    };
    if (name == 'E') {
        buf_append_text(out, store_identity(fixture->store)->epoch);
        return;
    }
    for (size_t i = 0; i < ARRAY_LENGTH(tokens); i++) {
        const struct auth_project *project;
        if (tokens[i].name != name)
            continue;
        MUST(auth_project(fixture->auth, tokens[i].project_id, &project) == 0);
        MUST(auth_make_user_token(project, str_from(tokens[i].user), loop_wall(fixture->loop),
                                  tokens[i].ttl, NULL, out) == 0);
        return;
    }
    buf_append_byte(out, '$');
    buf_append_byte(out, name);
}

void fixture_expand(struct fixture *fixture, const char *text, struct buf *out)
{
    for (; *text != '\0'; text++) {
        if (*text == '$' && text[1] != '\0')
            append_token(fixture, *++text, out);
        else
            buf_append_byte(out, *text);
    }
}

/* Clients. */

/* Appends `text` with the value behind `key` (up to a quote) replaced by `word`. */
static void append_with(struct buf *out, struct str text, const char *key, const char *word)
{
    const char *found = memmem(text.ptr, text.len, key, strlen(key));
    if (found == NULL) {
        buf_append_str(out, text);
        return;
    }
    const char *value = found + strlen(key);
    const char *quote = memchr(value, '"', (size_t)(text.ptr + text.len - value));
    MUST(quote != NULL && quote > value);
    buf_append(out, text.ptr, (size_t)(value - text.ptr));
    buf_append_text(out, word);
    buf_append(out, quote, (size_t)(text.ptr + text.len - quote));
}

static void log_line(struct client *client, struct str line)
{
    static const char *const varying[][2] = {
        {"\"client\":\"", "C"}, {"\"version\":\"", "V"}, {"\"epoch\":\"", "E"}};
    struct buf texts[2];
    buf_init(&texts[0], LOG_MAX);
    buf_init(&texts[1], LOG_MAX);
    buf_append_str(&texts[0], line);
    for (size_t i = 0; i < ARRAY_LENGTH(varying); i++) {
        struct buf *from = &texts[i % 2], *to = &texts[(i + 1) % 2];
        buf_clear(to);
        append_with(to, buf_view(from), varying[i][0], varying[i][1]);
    }
    buf_append_str(&client->log, buf_view(&texts[ARRAY_LENGTH(varying) % 2]));
    buf_append_byte(&client->log, '\n');
    buf_fini(&texts[0]);
    buf_fini(&texts[1]);
    if (client->awaited != NULL && strstr(client_log(client), client->awaited) != NULL)
        loop_stop(client->fixture->loop);
}

static struct client *client_of(const struct session *session)
{
    return CONTAINER_OF(session, struct client, session);
}

static int send_message(struct session *session, struct str message)
{
    struct client *client = client_of(session);
    MUST(client->closes == 0 && message.len > 0);
    if (client->send_result < 0)
        return client->send_result;
    client->messages++;
    log_line(client, message);
    return 0;
}

static int send_ping(struct session *session)
{
    return send_message(session, STR_LIT("{}"));
}

static void send_close(struct session *session, enum close_code code)
{
    struct client *client = client_of(session);
    char line[64];
    MUST(client->closes++ == 0);
    snprintf(line, sizeof(line), "close %d %s", (int)code, centrifuge_close_reason(code));
    log_line(client, str_from(line));
}

static void abort_session(struct session *session)
{
    client_of(session)->aborted = true;
    session_fini(session);
}

static const struct address *peer(const struct session *session)
{
    (void)session;
    return &address_unix;
}

static const struct session_transport transport = {
    .send = send_message,
    .ping = send_ping,
    .close = send_close,
    .abort = abort_session,
    .peer = peer,
};

void client_open_with(struct client *client, struct fixture *fixture,
                      const struct centrifuge_encoding *encoding)
{
    memset(client, 0, sizeof(*client));
    client->fixture = fixture;
    buf_init(&client->log, LOG_MAX);
    session_init(&client->session, fixture->realtime, &transport, encoding);
}

void client_open(struct client *client, struct fixture *fixture)
{
    client_open_with(client, fixture, &centrifuge_json);
}

void client_fini(struct client *client)
{
    if (!client->aborted)
        session_fini(&client->session);
    buf_fini(&client->log);
}

void client_say(struct client *client, const char *message)
{
    struct buf text;
    buf_init(&text, LOG_MAX);
    fixture_expand(client->fixture, message, &text);
    session_message(&client->session, buf_view(&text));
    buf_fini(&text);
}

void client_connect(struct client *client, struct fixture *fixture)
{
    client_open(client, fixture);
    client_say(client, "{\"id\":1,\"connect\":{\"data\":{\"auth\":\"$T\",\"project_id\":1}}}");
    MUST(client->session.state == SESSION_CONNECTED);
    buf_clear(&client->log);
}

static void lose_patience(struct loop_timer *timer)
{
    (void)timer;
    MUST(!"patience");
}

void client_await(struct client *client, const char *text)
{
    struct loop *loop = client->fixture->loop;
    struct loop_timer patience;
    client->awaited = mem_strdup(text);
    if (strstr(client_log(client), text) == NULL) {
        loop_timer_init(&patience, loop, lose_patience);
        loop_timer_set(&patience, loop_now(loop) + PATIENCE_MS);
        loop_run(loop);
        loop_timer_cancel(&patience);
    }
    mem_free(client->awaited);
    client->awaited = NULL;
}

const char *client_log(struct client *client)
{
    buf_append_byte(&client->log, '\0');
    client->log.len--;
    return client->log.ptr;
}
