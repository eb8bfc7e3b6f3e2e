/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rows of updates, written by bare SQLite: the same tables, the same settings, as many updates in
 * a transaction as the server had in one. No look-up that the rows do not need, no HTTP, no JSON.
 *
 *   limit_commit --data DIR --users N --user-step N --first-order N --group N --count N --warm-up N
 *   limit_commit --data DIR --group N --deliveries N
 *
 * DIR holds a store that a server has made; with --user-step N its users are there already, else new. With
 * --deliveries so many that wait are read, and recorded as delivered at the first attempt.
 */
#include "base/buf.h"
#include "base/mem.h"
#include "store/sqlite/sqlite_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CONTENT                                                                                    \
    "{\"price\":{\"amount\":\"4.99\",\"amount_without_discount\":\"4.99\",\"currency\":\"USD\"},"  \
    "\"virtual_price\":null,\"is_free\":false,\"items\":[{\"sku\":\"com.example.sword_of_dawn\","  \
    "\"quantity\":1,\"is_free\":false,\"price\":{\"amount\":\"4.99\","                             \
    "\"amount_without_discount\":\"4.99\",\"currency\":\"USD\"}}]}"

enum { PROJECT = 77640, NEW = 0, PAID = 1, DONE = 2 };

enum statement {
    ROW_BEGIN,
    ROW_COMMIT,
    ROW_USER_ADD,
    ROW_USER_FIND,
    ROW_USER_TOP,
    ROW_CONTENT_ADD,
    ROW_ORDER_ADD,
    ROW_ORDER_PAID,
    ROW_ORDER_DONE,
    ROW_EVENT_ADD,
    ROW_STREAM_ADD,
    ROW_DELIVERY_ADD,
    ROW_DELIVERY_READ,
    ROW_DELIVERY_DONE,
    ROW_ATTEMPT_ADD,
    STATEMENTS
};

static const char *const texts[] = {
    [ROW_BEGIN] = "BEGIN IMMEDIATE",
    [ROW_COMMIT] = "COMMIT",
    [ROW_USER_ADD] = "INSERT INTO users (project_id, external_id, top) VALUES (?1, ?2, 0)",
    [ROW_USER_FIND] = "SELECT user_id, top FROM users WHERE project_id = ?1 AND external_id = ?2",
    [ROW_USER_TOP] = "UPDATE users SET top = ?2 WHERE user_id = ?1",
    [ROW_CONTENT_ADD] = "INSERT INTO contents (content, custom_parameters) VALUES (?1, '')",
    [ROW_ORDER_ADD] =
        "INSERT INTO orders (project_id, order_id, user_id, status, seq, is_open, is_free,"
        " content_id, cancel_reason, created_at, updated_at)"
        " VALUES (?1, ?2, ?3, 0, 1, 1, 0, ?4, '', ?5, ?5)",
    [ROW_ORDER_PAID] =
        "UPDATE orders SET status = 1, seq = 2, updated_at = ?3"
        " WHERE project_id = ?1 AND order_id = ?2",
    [ROW_ORDER_DONE] =
        "UPDATE orders SET status = 2, seq = 3, is_open = 0, updated_at = ?3"
        " WHERE project_id = ?1 AND order_id = ?2",
    [ROW_EVENT_ADD] =
        "INSERT INTO events (project_id, order_id, seq, status, previous, synthetic, offset,"
        " occurred_at) VALUES (?1, ?2, ?3, ?4, ?5, 0, ?6, ?7)",
    [ROW_STREAM_ADD] =
        "INSERT INTO stream (user_id, offset, order_id, status, occurred_at)"
        " VALUES (?1, ?2, ?3, ?4, ?5)",
    [ROW_DELIVERY_ADD] =
        "INSERT INTO deliveries (endpoint_id, project_id, order_id, seq, state, attempts, step,"
        " next_at, created_at, finished_at, content_id, is_free, cancel_reason, type, body)"
        " VALUES (1, ?1, ?2, 1, 0, 0, 0, ?3, ?3, 0, 0, 0, '', '', x'')",
    [ROW_DELIVERY_READ] =
        "SELECT d.seq, e.status, e.offset, e.occurred_at, u.external_id, c.content"
        " FROM deliveries d JOIN events e"
        " ON e.project_id = d.project_id AND e.order_id = d.order_id AND e.seq = d.seq"
        " JOIN orders o ON o.project_id = d.project_id AND o.order_id = d.order_id"
        " JOIN users u ON u.user_id = o.user_id JOIN contents c ON c.content_id = o.content_id"
        " WHERE d.delivery_id = ?1",
    [ROW_DELIVERY_DONE] =
        "UPDATE deliveries SET state = 2, attempts = 1, finished_at = ?2 WHERE delivery_id = ?1",
    [ROW_ATTEMPT_ADD] =
        "INSERT INTO attempts (attempt_id, started_at, duration_us, status, error, address, "
        "headers, body)"
        " VALUES ((?1 << 20) + 1, ?2, 500, 200, '', '127.0.0.1:8000',"
        " CAST('Content-Length: 2' AS BLOB), x'6f6b')",
};

struct user {
    int64_t id;
    int64_t top;
};

static sqlite3 *db;
static sqlite3_stmt *statements[STATEMENTS];
static int64_t user_count = 1000, user_step = 1, first_order = 1000000, group = 100, count = 10000;
static int64_t warm_up = 0, deliveries = 0;
static const char *directory;

static void NORETURN die(const char *what)
{
    fprintf(stderr, "limit_commit: %s: %s\n", what, db ? sqlite3_errmsg(db) : "");
    exit(1);
}

/* Binds whole numbers from parameter 1 on, and steps once. */
static void run(enum statement which, const int64_t *numbers, int length)
{
    sqlite3_stmt *statement = statements[which];
    for (int i = 0; i < length; i++)
        sqlite3_bind_int64(statement, i + 1, numbers[i]);
    if (sqlite3_step(statement) != SQLITE_DONE)
        die(texts[which]);
    sqlite3_reset(statement);
}

#define RUN(which, ...)                                                                            \
    run(which, (const int64_t[]){__VA_ARGS__},                                                     \
        sizeof((const int64_t[]){__VA_ARGS__}) / sizeof(int64_t))

static int64_t now_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static int64_t wall_ms(void)
{
    return now_ns(CLOCK_REALTIME) / 1000000;
}

static struct user find_user(int64_t number)
{
    char name[32];
    struct user user = {0};
    long long external = number * user_step;
    snprintf(name, sizeof(name), "user-%lld", external);
    sqlite3_stmt *find = statements[ROW_USER_FIND];
    sqlite3_bind_int64(find, 1, PROJECT);
    sqlite3_bind_text(find, 2, name, -1, SQLITE_STATIC);
    if (sqlite3_step(find) == SQLITE_ROW)
        user = (struct user){sqlite3_column_int64(find, 0), sqlite3_column_int64(find, 1)};
    sqlite3_reset(find);
    if (user.id > 0)
        return user;
    sqlite3_bind_text(statements[ROW_USER_ADD], 2, name, -1, SQLITE_STATIC);
    RUN(ROW_USER_ADD, PROJECT);
    user.id = sqlite3_last_insert_rowid(db);
    return user;
}

static void update(struct user *users, int64_t n)
{
    struct user *user = &users[n % user_count];
    int64_t step = n / user_count;
    int64_t order = first_order + n % user_count * user_step + step / 3 * user_count * user_step;
    int64_t status = step % 3;
    int64_t now = wall_ms();
    if (step == 0)
        *user = find_user(n % user_count);
    if (status == NEW) {
        sqlite3_bind_text(statements[ROW_CONTENT_ADD], 1, CONTENT, -1, SQLITE_STATIC);
        run(ROW_CONTENT_ADD, NULL, 0);
        RUN(ROW_ORDER_ADD, PROJECT, order, user->id, sqlite3_last_insert_rowid(db), now);
    } else {
        RUN(status == PAID ? ROW_ORDER_PAID : ROW_ORDER_DONE, PROJECT, order, now);
    }
    user->top++;
    RUN(ROW_EVENT_ADD, PROJECT, order, status + 1, status, status == NEW ? 0 : status - 1,
        user->top, now);
    RUN(ROW_STREAM_ADD, user->id, user->top, order, status, now);
    RUN(ROW_USER_TOP, user->id, user->top);
}

static void write_all(struct user *users, int64_t first, int64_t end)
{
    for (int64_t n = first; n < end;) {
        run(ROW_BEGIN, NULL, 0);
        for (int64_t i = 0; i < group && n < end; i++)
            update(users, n++);
        run(ROW_COMMIT, NULL, 0);
    }
}

static int64_t add_deliveries(struct user *users)
{
    int64_t first = 0;
    user_count = deliveries < user_count ? deliveries : user_count;
    run(ROW_BEGIN, NULL, 0);
    for (int64_t n = 0; n < deliveries; n++) {
        /* The updates that make orders: each third round of all users. */
        update(users, n / user_count * 3 * user_count + n % user_count);
        RUN(ROW_DELIVERY_ADD, PROJECT, first_order + n, wall_ms());
        if (n == 0)
            first = sqlite3_last_insert_rowid(db);
    }
    run(ROW_COMMIT, NULL, 0);
    return first;
}

static void record(int64_t delivery)
{
    sqlite3_stmt *read = statements[ROW_DELIVERY_READ];
    sqlite3_bind_int64(read, 1, delivery);
    if (sqlite3_step(read) != SQLITE_ROW || sqlite3_column_bytes(read, 5) == 0)
        die(texts[ROW_DELIVERY_READ]);
    sqlite3_reset(read);
    RUN(ROW_ATTEMPT_ADD, delivery, wall_ms());
    RUN(ROW_DELIVERY_DONE, delivery, wall_ms());
}

static void record_all(int64_t first)
{
    for (int64_t n = 0; n < deliveries;) {
        run(ROW_BEGIN, NULL, 0);
        for (int64_t i = 0; i < group && n < deliveries; i++)
            record(first + n++);
        run(ROW_COMMIT, NULL, 0);
    }
}

static void read_options(int argc, char **argv)
{
    static const struct {
        const char *name;
        int64_t *value;
    } numbers[] = {
        {"--users", &user_count},      {"--user-step", &user_step}, {"--first-order", &first_order},
        {"--group", &group},           {"--count", &count},         {"--warm-up", &warm_up},
        {"--deliveries", &deliveries},
    };
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--data") == 0)
            directory = argv[i + 1];
        for (size_t j = 0; j < ARRAY_LENGTH(numbers); j++)
            if (strcmp(argv[i], numbers[j].name) == 0 &&
                !str_to_int64(str_from(argv[i + 1]), 0, INT64_MAX, numbers[j].value))
                die(argv[i]);
    }
    if (!directory || user_count < 1 || group < 1)
        die("usage");
}

int main(int argc, char **argv)
{
    char path[4096];
    read_options(argc, argv);
    snprintf(path, sizeof(path), "%s/orderwire.db", directory);
    if (sqlite_open(path, STORE_WRITER, &db) != SQLITE_OK)
        die(path);
    for (int i = 0; i < STATEMENTS; i++)
        if (sqlite3_prepare_v3(db, texts[i], -1, SQLITE_PREPARE_PERSISTENT, &statements[i], NULL))
            die(texts[i]);
    struct user *users = mem_zalloc((size_t)user_count * sizeof(*users));
    int64_t first = deliveries > 0 ? add_deliveries(users) : 0;
    if (deliveries == 0)
        write_all(users, 0, warm_up);
    int64_t wall = now_ns(CLOCK_MONOTONIC);
    int64_t cpu = now_ns(CLOCK_PROCESS_CPUTIME_ID);
    if (deliveries > 0)
        record_all(first);
    else
        write_all(users, warm_up, warm_up + count);
    printf("{\"units\":%lld,\"wall_ns\":%lld,\"server_ns\":%lld}\n",
           (long long)(deliveries > 0 ? deliveries : count),
           (long long)(now_ns(CLOCK_MONOTONIC) - wall),
           (long long)(now_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu));
    return 0;
}
