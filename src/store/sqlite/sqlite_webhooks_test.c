/* SPDX-License-Identifier: Apache-2.0 */
/* What is SQLite's alone of the webhooks' rows: an older database, contents, ids, and kill -9. */
#include "store/store_webhooks_fixture.h"

#include "store/sqlite/sqlite_internal.h"
#include "store/sqlite/sqlite_kill_fixture.h"

/* Schema 1 as it was written once; the second script must go on from exactly this. */
static const char schema_1[] =
    "CREATE TABLE meta ( key TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;"
    "CREATE TABLE projects ( project_id INTEGER PRIMARY KEY, merchant_id INTEGER NOT NULL, "
    "settings TEXT NOT NULL, created_at INTEGER NOT NULL) STRICT;"
    "CREATE TABLE keys ( row_id INTEGER PRIMARY KEY, key_id TEXT NOT NULL UNIQUE, "
    "merchant_id INTEGER NOT NULL, project_id INTEGER NOT NULL, hash BLOB NOT NULL, label "
    "TEXT NOT NULL, created_at INTEGER NOT NULL) STRICT;"
    "CREATE INDEX keys_by_project ON keys (project_id, merchant_id);"
    "CREATE TABLE users ( user_id INTEGER PRIMARY KEY, project_id INTEGER NOT NULL, "
    "external_id TEXT NOT NULL, top INTEGER NOT NULL, UNIQUE (project_id, external_id)) "
    "STRICT;"
    "CREATE TABLE contents ( content_id INTEGER PRIMARY KEY, content TEXT NOT NULL, "
    "custom_parameters TEXT NOT NULL) STRICT;"
    "CREATE TABLE orders ( project_id INTEGER NOT NULL, order_id INTEGER NOT NULL, user_id "
    "INTEGER NOT NULL, status INTEGER NOT NULL, seq INTEGER NOT NULL, is_open INTEGER NOT "
    "NULL, is_free INTEGER NOT NULL, content_id INTEGER NOT NULL, cancel_reason TEXT NOT "
    "NULL, created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL, PRIMARY KEY "
    "(project_id, order_id)) STRICT, WITHOUT ROWID;"
    "CREATE INDEX orders_by_user ON orders (user_id, order_id);"
    "CREATE INDEX orders_open ON orders (user_id, order_id) WHERE is_open = 1;"
    "CREATE TABLE events ( project_id INTEGER NOT NULL, order_id INTEGER NOT NULL, seq "
    "INTEGER NOT NULL, status INTEGER NOT NULL, previous INTEGER NOT NULL, synthetic INTEGER "
    "NOT NULL, offset INTEGER NOT NULL, occurred_at INTEGER NOT NULL, PRIMARY KEY "
    "(project_id, order_id, seq)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE stream ( user_id INTEGER NOT NULL, offset INTEGER NOT NULL, order_id "
    "INTEGER NOT NULL, status INTEGER NOT NULL, occurred_at INTEGER NOT NULL, PRIMARY KEY "
    "(user_id, offset)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE idempotency ( row_id INTEGER PRIMARY KEY, project_id INTEGER NOT NULL, key "
    "TEXT NOT NULL, request_hash BLOB NOT NULL, answer BLOB NOT NULL, expires_at INTEGER NOT "
    "NULL, UNIQUE (project_id, key)) STRICT;"
    "CREATE INDEX idempotency_by_expiry ON idempotency (expires_at);";

static const char data_1[] =
    "INSERT INTO meta VALUES ('epoch', CAST('abcdefgh' AS BLOB)), ('token_key', zeroblob(32));"
    "INSERT INTO projects VALUES (77640, 4, '{}', 1);"
    "INSERT INTO users VALUES (1, 77640, 'u1', 2);"
    "INSERT INTO contents VALUES (3, '{\"a\":1}', '[]');"
    "INSERT INTO orders VALUES (77640, 5, 1, 1, 2, 1, 0, 3, '', 10, 20);"
    "INSERT INTO events VALUES (77640, 5, 1, 0, 0, 0, 1, 10), (77640, 5, 2, 1, 0, 0, 2, 20);"
    "INSERT INTO stream VALUES (1, 1, 5, 0, 10), (1, 2, 5, 1, 20);"
    "PRAGMA application_id = 1331120466; PRAGMA user_version = 1; PRAGMA journal_mode = WAL;";

static const char *database_of(const struct fixture *f)
{
    static char path[128];
    snprintf(path, sizeof(path), "%s/" SQLITE_STORE_FILE, f->directory);
    return path;
}

/* The first value of a query. */
static int64_t query(struct fixture *f, const char *sql)
{
    sqlite3 *db;
    int64_t value = -1;
    assert_int_equal(sqlite3_open(database_of(f), &db), SQLITE_OK);
    assert_int_equal(sqlite_schema_query(db, sql, &value), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    return value;
}

/* All that CREATE ever said, in order of names. */
static char *schema_of(struct fixture *f)
{
    sqlite3 *db;
    sqlite3_stmt *statement;
    assert_int_equal(sqlite3_open(database_of(f), &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db,
                                        "SELECT group_concat(sql, char(10)) FROM"
                                        " (SELECT sql FROM sqlite_schema ORDER BY name)",
                                        -1, &statement, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    char *text = mem_strdup((const char *)sqlite3_column_text(statement, 0));
    sqlite3_finalize(statement);
    sqlite3_close(db);
    return text;
}

static void older_database_is_brought_up_to_date(void **state)
{
    struct fixture *f = *state;
    sqlite3 *db;
    struct store_order order;
    struct store_delivery_payload payload;
    char *fresh = schema_of(f);
    close_fixture(f);
    unlink(database_of(f));
    assert_int_equal(sqlite3_open(database_of(f), &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, schema_1, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, data_1, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);

    open_fixture(f);
    char *upgraded = schema_of(f);
    assert_string_equal(upgraded, fresh);
    assert_int_equal(query(f, "PRAGMA user_version"), 3);
    assert_string_equal(store_identity(f->store)->epoch, "abcdefgh");
    assert_int_equal(store_order_get(f->reader, PROJECT, 5, &order), 0);
    assert_str(order.content, "{\"a\":1}");
    assert_int_equal(stream(f, f->reader, 1, 0, 0, false, 10), 2);
    int64_t delivery_id = deliver(f, add_endpoint(f, PROJECT), 5, 2, NOW, true);
    assert_int_equal(store_delivery_payload(f->reader, delivery_id, &payload), 0);
    assert_str(payload.content, "{\"a\":1}");
    assert_int_equal(payload.event.status, ORDER_PAID);
    mem_free(fresh);
    mem_free(upgraded);
}

static void change_content(struct fixture *f, const char *content)
{
    struct store_order order = make_order(1, 1, ORDER_NEW);
    order.content = str_from(content);
    assert_int_equal(store_order_update(f->writer, &order), 0);
}

/* Old contents live as long as a delivery says them, and no longer. */
static void contents_live_as_long_as_needed(void **state)
{
    static const char count[] = "SELECT count(*) FROM contents";
    struct fixture *f = *state;
    int64_t e = add_endpoint(f, PROJECT);
    int64_t other = add_endpoint(f, PROJECT);
    int64_t ids[6];
    f->options.deliveries_max_age = DAY;
    add_order(f, 1, add_user(f, "u1"), ORDER_NEW);
    change_content(f, "1");
    change_content(f, "2");
    change_content(f, "2");
    assert_int_equal(query(f, count), 1);
    ids[0] = deliver(f, e, 1, 1, NOW, true);
    ids[1] = deliver(f, other, 1, 1, NOW, true);
    change_content(f, "3");
    change_content(f, "4");
    assert_int_equal(query(f, count), 2);
    ids[2] = deliver(f, e, 1, 2, NOW, false);
    change_content(f, "5");
    assert_int_equal(query(f, count), 3);
    ids[3] = deliver(f, e, 1, 3, NOW, false);
    ids[4] = deliver(f, other, 1, 3, NOW, false);
    change_content(f, "6");
    ids[5] = deliver(f, e, 1, 4, NOW, false);
    (void)deliver_body(f, e, NOW);

    static const int finished[] = {1, 2, 0, 3, 4, 5};
    static const int contents[] = {4, 3, 2, 2, 1, 1};
    for (size_t i = 0; i < ARRAY_LENGTH(finished); i++) {
        finish(f, ids[finished[i]], STORE_DELIVERY_DELIVERED, NOW);
        assert_int_equal(prune(f, NOW + 2 * DAY, 100), 1);
        assert_int_equal(query(f, count), contents[i]);
    }
    struct store_order order;
    assert_int_equal(store_order_get(f->reader, PROJECT, 1, &order), 0);
    assert_str(order.content, "6");
}

/* A receiver takes an id that it knows for a duplicate. */
static void ids_are_never_given_twice(void **state)
{
    struct fixture *f = *state;
    int64_t e = add_endpoint(f, PROJECT);
    int64_t last = 0;
    f->options.deliveries_max_age = DAY;
    for (int i = 0; i < 3; i++) {
        int64_t delivery_id = deliver_body(f, e, NOW);
        assert_true(delivery_id > last);
        last = delivery_id;
        finish(f, delivery_id, STORE_DELIVERY_DELIVERED, NOW);
        (void)prune(f, NOW + 9 * DAY, 100);
        (void)prune(f, NOW + 9 * DAY, 100);
    }
    assert_int_equal(query(f, "SELECT count(*) FROM deliveries"), 1);
}

static void attempts_stay_with_their_delivery(void **state)
{
    struct fixture *f = *state;
    int64_t e = add_endpoint(f, PROJECT);
    int64_t delivery_id = deliver_body(f, e, NOW);
    int64_t next = deliver_body(f, e, NOW);
    (void)query(f, "UPDATE deliveries SET attempts = 1048573");
    for (int i = 0; i < 4; i++)
        attempt(f, delivery_id, 200 + i);
    assert_int_equal(attempts_of(f, delivery_id), 2);
    assert_int_equal(f->numbers[1], 1048575);
    assert_int_equal(attempts_of(f, next), 0);
    assert_int_equal(get(f, delivery_id).attempts, 1048575);
}

/* Counters do not stay behind the endpoints they are of. */
static void counters_go_with_their_endpoints(void **state)
{
    struct fixture *f = *state;
    int64_t idle = add_endpoint(f, PROJECT);
    int64_t busy = add_endpoint(f, PROJECT);
    finish(f, deliver_body(f, idle, NOW), STORE_DELIVERY_DELIVERED, NOW);
    (void)deliver_body(f, busy, NOW);
    assert_int_equal(store_endpoint_delete(f->writer, idle), 0);
    assert_int_equal(store_endpoint_delete(f->writer, busy), 0);
    assert_int_equal(query(f, "SELECT count(*) FROM backlogs"), 1);
    assert_int_equal(prune(f, NOW, 10), 1);
    assert_int_equal(query(f, "SELECT count(*) FROM backlogs"), 0);
}

/* Rows of a damaged file stay in the bounds of their enums. */
static void damaged_states_stay_in_bounds(void **state)
{
    struct fixture *f = *state;
    struct store_delivery delivery;
    struct store_endpoint endpoint;
    int64_t e = add_endpoint(f, PROJECT);
    int64_t delivery_id = deliver_body(f, e, NOW);
    (void)query(f, "UPDATE deliveries SET state = 77");
    (void)query(f, "UPDATE endpoints SET state = -5");
    assert_int_equal(store_delivery_get(f->reader, delivery_id, &delivery), 0);
    assert_in_range(delivery.state, STORE_DELIVERY_WAITING, STORE_DELIVERY_SUPERSEDED);
    assert_int_equal(store_endpoint_get(f->reader, e, &endpoint), 0);
    assert_in_range(endpoint.state, STORE_ENDPOINT_ACTIVE, STORE_ENDPOINT_DISABLED);
}

/*
 * Each commit adds a delivery to the lane of order 1, makes an attempt at the one that waits, and
 * finishes it two times in three; then the new one's id is told.
 */
static void deliver_and_tell(struct fixture *f, int64_t e, int out)
{
    open_fixture(f);
    struct store_order order = make_order(1, 1, ORDER_NEW);
    int32_t seq = (int32_t)query(f, "SELECT coalesce(max(seq), 0) FROM deliveries");
    for (seq++;; seq++) {
        struct deliveries next = {.count = 0};
        int64_t delivery_id;
        bool waiting;
        if (store_begin(f->writer) ||
            store_delivery_add(f->writer, e, &order, seq, NOW, &delivery_id, &waiting) ||
            store_delivery_next(f->writer, e, 10, on_delivery, &next) || next.count != 1)
            _exit(1);
        struct store_attempt made = {.delivery_id = next.rows[0].delivery_id, .status = 200};
        if (store_attempt_add(f->writer, &made) ||
            (seq % 3 != 0 && store_delivery_finish(f->writer, made.delivery_id,
                                                   STORE_DELIVERY_DELIVERED, NOW + seq)) ||
            store_commit(f->writer) ||
            write(out, &delivery_id, sizeof(delivery_id)) != sizeof(delivery_id))
            _exit(1);
    }
}

static void assert_whole(struct fixture *f, int64_t told)
{
    int64_t highest = query(f, "SELECT max(delivery_id) FROM deliveries");
    assert_in_range(highest, told, told + 1);
    assert_int_equal(query(f, "SELECT count(*) FROM deliveries"), highest);
    assert_int_equal(query(f, "SELECT sum(attempts) FROM deliveries"), highest);
    assert_int_equal(query(f, "SELECT count(*) FROM attempts"), highest);
    assert_int_equal(query(f, "SELECT count(*) FROM deliveries WHERE state = 0"),
                     query(f, "SELECT min(1, count(*)) FROM deliveries WHERE state < 2"));
    assert_int_equal(query(f, "SELECT count FROM backlogs"),
                     query(f, "SELECT count(*) FROM deliveries WHERE state < 2"));
    assert_int_equal(query(f,
                           "SELECT count(*) FROM deliveries w JOIN deliveries b"
                           " ON b.seq < w.seq WHERE w.state = 0 AND b.state = 1"),
                     0);
}

static void kill_loses_no_delivery(void **state)
{
    struct fixture *f = *state;
    int64_t e = add_endpoint(f, PROJECT);
    add_order(f, 1, add_user(f, "u1"), ORDER_NEW);
    for (int round = 0; round < 3; round++) {
        assert_whole(f, kill_writer(f, deliver_and_tell, e, 40 + round));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON(sqlite, older_database_is_brought_up_to_date),
        ON(sqlite, contents_live_as_long_as_needed),
        ON(sqlite, ids_are_never_given_twice),
        ON(sqlite, attempts_stay_with_their_delivery),
        ON(sqlite, counters_go_with_their_endpoints),
        ON(sqlite, damaged_states_stay_in_bounds),
        ON(sqlite, kill_loses_no_delivery),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
