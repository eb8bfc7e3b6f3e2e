/* SPDX-License-Identifier: Apache-2.0 */
/* The contract of store.h, against every driver: projects, keys, users, orders, transactions. */
#include "store/store_fixture.h"

static void identity_is_drawn(void **state)
{
    struct fixture *f = *state;
    const struct store_identity *identity = store_identity(f->store);
    uint8_t zeros[STORE_TOKEN_KEY_SIZE] = {0};
    assert_int_equal(strlen(identity->epoch), STORE_EPOCH_LENGTH);
    for (size_t i = 0; i < STORE_EPOCH_LENGTH; i++)
        assert_in_range(identity->epoch[i], 'a', 'z');
    assert_memory_not_equal(identity->token_key, zeros, sizeof(zeros));
}

static void projects(void **state)
{
    struct fixture *f = *state;
    struct store_project project;
    assert_int_equal(store_project_get(f->reader, PROJECT, &project), ERR_NOT_FOUND);
    for (int32_t id = 5; id > 0; id--) {
        struct store_project row = {id, MERCHANT, STR_LIT("{}"), NOW};
        assert_int_equal(store_project_put(f->writer, &row), 0);
    }
    struct store_project changed = {3, 9, STR_LIT("{\"a\":1}"), NOW + 1};
    assert_int_equal(store_project_put(f->writer, &changed), 0);
    assert_int_equal(store_project_get(f->reader, 3, &project), 0);
    assert_int_equal(project.project_id, 3);
    assert_int_equal(project.merchant_id, 9);
    assert_str(project.settings, "{\"a\":1}");
    assert_true(project.created_at == NOW + 1);

    assert_int_equal(store_project_list(f->reader, 1, 3, on_project, f), 0);
    assert_got(f, 2, 3, 4);
    assert_string_equal(f->texts[1], "{\"a\":1}");
    f->count = 0;
    assert_int_equal(store_project_list(f->reader, 5, 3, on_project, f), 0);
    assert_int_equal(f->count, 0);
}

static void put_key(struct fixture *f, const char *key_id, int32_t merchant_id, int32_t project_id,
                    uint8_t mark, int64_t created_at)
{
    struct store_key key = {.merchant_id = merchant_id,
                            .project_id = project_id,
                            .hash = {mark},
                            .label = STR_LIT("till"),
                            .created_at = created_at};
    snprintf(key.key_id, sizeof(key.key_id), "%s", key_id);
    assert_int_equal(store_key_put(f->writer, &key), 0);
}

static void list_keys(struct fixture *f, int32_t project_id, int32_t merchant_id)
{
    f->count = 0;
    assert_int_equal(store_key_list(f->reader, project_id, merchant_id, on_key, f), 0);
}

static void keys_of_project_and_merchant(void **state)
{
    struct fixture *f = *state;
    put_key(f, "kkkkkkkkkkk1", MERCHANT, PROJECT, 1, NOW + 3);
    put_key(f, "kkkkkkkkkkk2", MERCHANT, 0, 2, NOW + 1);
    put_key(f, "kkkkkkkkkkk3", MERCHANT, PROJECT + 1, 3, NOW);
    put_key(f, "kkkkkkkkkkk4", MERCHANT + 1, 0, 4, NOW);
    put_key(f, "kkkkkkkkkkk5", MERCHANT, PROJECT, 5, NOW + 1);
    list_keys(f, PROJECT, MERCHANT);
    assert_got(f, 2, 5, 1);
    assert_string_equal(f->texts[0], "kkkkkkkkkkk2");
    list_keys(f, PROJECT + 1, MERCHANT + 1);
    assert_got(f, 3, 4);
    list_keys(f, PROJECT + 2, MERCHANT + 2);
    assert_int_equal(f->count, 0);

    put_key(f, "kkkkkkkkkkk2", MERCHANT, PROJECT, 9, NOW + 1);
    list_keys(f, PROJECT, MERCHANT);
    assert_got(f, 9, 5, 1);
    assert_int_equal(store_key_delete(f->writer, "kkkkkkkkkkk2"), 0);
    assert_int_equal(store_key_delete(f->writer, "kkkkkkkkkkk2"), ERR_NOT_FOUND);
    list_keys(f, PROJECT, MERCHANT);
    assert_got(f, 5, 1);
}

static void assert_revoked(struct fixture *f, int32_t project_id, const char *user,
                           int64_t expected)
{
    int64_t before = -1;
    assert_int_equal(store_revocation_get(f->reader, project_id, str_from(user), &before), 0);
    assert_true(before == expected);
}

static bool revokes(struct fixture *f, int32_t project_id)
{
    bool any;
    assert_int_equal(store_revocation_any(f->reader, project_id, &any), 0);
    return any;
}

static void revoke_before(struct fixture *f, const char *user, int64_t before)
{
    assert_int_equal(store_revocation_put(f->writer, PROJECT, str_from(user), before), 0);
}

static void revocations(void **state)
{
    struct fixture *f = *state;
    assert_revoked(f, PROJECT, "u1", 0);
    assert_false(revokes(f, PROJECT));
    revoke_before(f, "u1", NOW);
    assert_revoked(f, PROJECT, "u1", NOW);
    assert_revoked(f, PROJECT, "u2", 0);
    assert_revoked(f, PROJECT, "U1", 0);
    assert_revoked(f, PROJECT + 1, "u1", 0);
    assert_true(revokes(f, PROJECT));
    assert_false(revokes(f, PROJECT + 1));
    assert_false(revokes(f, PROJECT - 1));

    revoke_before(f, "u1", NOW - 1);
    assert_revoked(f, PROJECT, "u1", NOW);
    revoke_before(f, "u1", NOW + 2);
    assert_revoked(f, PROJECT, "u1", NOW + 2);

    revoke_before(f, "", NOW + 1);
    assert_revoked(f, PROJECT, "u1", NOW + 2);
    assert_revoked(f, PROJECT, "u2", NOW + 1);
    assert_revoked(f, PROJECT, "", NOW + 1);
    assert_revoked(f, PROJECT + 1, "u2", 0);

    assert_int_equal(store_begin(f->writer), 0);
    revoke_before(f, "u2", NOW + 9);
    store_rollback(f->writer);
    assert_revoked(f, PROJECT, "u2", NOW + 1);
}

static void users(void **state)
{
    struct fixture *f = *state;
    struct store_user user = {.top = 7};
    assert_int_equal(store_user_get(f->reader, PROJECT, STR_LIT("u1"), &user), ERR_NOT_FOUND);
    int64_t first = add_user(f, "u1");
    int64_t second = add_user(f, "u2");
    assert_true(first > 0 && second > 0 && first != second);
    assert_int_equal(store_user_add(f->writer, PROJECT, STR_LIT("u1"), &user), ERR_EXISTS);
    assert_int_equal(store_user_add(f->writer, PROJECT + 1, STR_LIT("u1"), &user), 0);
    assert_true(user.user_id != first);
    assert_int_equal(store_user_get(f->reader, PROJECT, STR_LIT("u1"), &user), 0);
    assert_true(user.user_id == first);
    assert_int_equal(user.top, 0);
    assert_int_equal(store_user_get(f->reader, PROJECT, STR_LIT("U1"), &user), ERR_NOT_FOUND);
    assert_int_equal(store_user_get(f->reader, PROJECT, str_make("u1\0", 3), &user), ERR_NOT_FOUND);
}

static void assert_order(struct fixture *f, const struct store_order *expected)
{
    struct store_order order;
    assert_int_equal(store_order_get(f->reader, expected->project_id, expected->order_id, &order),
                     0);
    assert_int_equal(order.project_id, expected->project_id);
    assert_int_equal(order.order_id, expected->order_id);
    assert_true(order.user_id == expected->user_id);
    assert_str(order.user_external_id, "u1");
    assert_int_equal(order.status, expected->status);
    assert_int_equal(order.seq, expected->seq);
    assert_int_equal(order.is_free, expected->is_free);
    assert_true(str_equal(order.content, expected->content));
    assert_true(str_equal(order.custom_parameters, expected->custom_parameters));
    assert_true(str_equal(order.cancel_reason, expected->cancel_reason));
    assert_true(order.created_at == expected->created_at);
    assert_true(order.updated_at == expected->updated_at);
}

static void order_round_trip(void **state)
{
    struct fixture *f = *state;
    struct store_order order = make_order(INT32_MAX, add_user(f, "u1"), ORDER_NEW);
    struct store_order other;
    assert_int_equal(store_order_get(f->reader, PROJECT, INT32_MAX, &other), ERR_NOT_FOUND);
    assert_int_equal(store_order_update(f->writer, &order), ERR_NOT_FOUND);
    assert_int_equal(store_order_insert(f->writer, &order), 0);
    assert_int_equal(store_order_insert(f->writer, &order), ERR_EXISTS);
    assert_order(f, &order);
    assert_int_equal(store_order_get(f->reader, PROJECT + 1, INT32_MAX, &other), ERR_NOT_FOUND);

    struct store_order changed = order;
    changed.user_id = 999;
    changed.created_at = 1;
    order.status = changed.status = ORDER_CANCELED;
    order.seq = changed.seq = 4;
    order.is_free = changed.is_free = true;
    order.content = changed.content = STR_LIT("{\"items\":[\"\xc3\xa9\"]}");
    order.custom_parameters = changed.custom_parameters = STR_LIT("{}");
    order.cancel_reason = changed.cancel_reason = STR_LIT("expired");
    order.updated_at = changed.updated_at = NOW + 77;
    assert_int_equal(store_order_update(f->writer, &changed), 0);
    assert_order(f, &order);
}

/* Each row changes the order of the row before; contents come, stay, grow, shrink and go. */
static void order_contents_change(void **state)
{
    static char large[32 * 1024];
    memset(large, 'x', sizeof(large));
    const struct {
        struct str content;
        struct str custom_parameters;
    } rows[] = {
        {STR_LIT(""), STR_LIT("")},
        {STR_LIT("{}"), STR_LIT("")},
        {STR_LIT("{}"), STR_LIT("")},
        {STR_LIT("{}"), STR_LIT("[1]")},
        {{large, sizeof(large)}, STR_LIT("[1]")},
        {{large, sizeof(large)}, STR_LIT("[2]")},
        {STR_LIT(""), STR_LIT("")},
        {STR_LIT("{\"a\":2}"), STR_LIT("")},
    };
    struct fixture *f = *state;
    struct store_order order = make_order(1, add_user(f, "u1"), ORDER_NEW);
    assert_int_equal(store_order_insert(f->writer, &order), 0);
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        order.content = rows[i].content;
        order.custom_parameters = rows[i].custom_parameters;
        assert_int_equal(store_order_update(f->writer, &order), 0);
        assert_order(f, &order);
    }
}

/* The record that a look-up filled can be changed and given back as it is. */
static void order_read_change_write(void **state)
{
    static char large[32 * 1024];
    memset(large, 'x', sizeof(large));
    struct fixture *f = *state;
    struct store_order order = make_order(1, add_user(f, "u1"), ORDER_NEW);
    order.content = str_make(large, sizeof(large));
    order.custom_parameters = STR_LIT("[]");
    assert_int_equal(store_order_insert(f->writer, &order), 0);
    struct store_order read;
    begin(f);
    assert_int_equal(store_order_get(f->writer, PROJECT, 1, &read), 0);
    read.status = order.status = ORDER_PAID;
    assert_int_equal(store_order_update(f->writer, &read), 0);
    struct store_user user;
    assert_int_equal(store_user_get(f->writer, PROJECT, read.user_external_id, &user), 0);
    commit(f);
    assert_order(f, &order);
}

static void next_id(void **state)
{
    struct fixture *f = *state;
    int32_t id = 0;
    assert_int_equal(store_order_next_id(f->writer, PROJECT, &id), 0);
    assert_int_equal(id, 1);
    int64_t user_id = add_user(f, "u1");
    add_order(f, 41, user_id, ORDER_NEW);
    add_order(f, 7, user_id, ORDER_NEW);
    assert_int_equal(store_order_next_id(f->writer, PROJECT, &id), 0);
    assert_int_equal(id, 42);
    assert_int_equal(store_order_next_id(f->writer, PROJECT - 1, &id), 0);
    assert_int_equal(id, 1);
    add_order(f, INT32_MAX, user_id, ORDER_NEW);
    assert_int_equal(store_order_next_id(f->writer, PROJECT, &id), ERR_NOT_FOUND);
}

static int32_t list(struct fixture *f, struct store_order_filter filter)
{
    int32_t next = -1;
    f->count = 0;
    filter.project_id = PROJECT;
    assert_int_equal(store_order_list(f->reader, &filter, on_order, f, &next), 0);
    return next;
}

static void order_list_filters(void **state)
{
    struct fixture *f = *state;
    int64_t u1 = add_user(f, "u1");
    int64_t u2 = add_user(f, "u2");
    begin(f);
    for (int32_t id = 1; id <= 8; id++)
        add_order(f, id, id % 2 ? u1 : u2, (enum order_status)(id % 4));
    struct store_user stranger;
    assert_int_equal(store_user_add(f->writer, PROJECT + 1, STR_LIT("u1"), &stranger), 0);
    struct store_order foreign = make_order(9, stranger.user_id, ORDER_NEW);
    foreign.project_id = PROJECT + 1;
    assert_int_equal(store_order_insert(f->writer, &foreign), 0);
    commit(f);

    struct store_order_filter all = {.status = -1, .limit = 100};
    assert_int_equal(list(f, all), 0);
    assert_got(f, 8, 7, 6, 5, 4, 3, 2, 1);
    assert_string_equal(f->texts[0], "u2");
    assert_string_equal(f->texts[1], "u1");

    struct store_order_filter filter = all;
    filter.limit = 3;
    assert_int_equal(list(f, filter), 6);
    assert_got(f, 8, 7, 6);
    filter.before = 6;
    assert_int_equal(list(f, filter), 3);
    assert_got(f, 5, 4, 3);
    filter.before = 3;
    assert_int_equal(list(f, filter), 0);
    assert_got(f, 2, 1);

    filter = all;
    filter.user_external_id = STR_LIT("u1");
    assert_int_equal(list(f, filter), 0);
    assert_got(f, 7, 5, 3, 1);
    filter.before = 5;
    filter.limit = 1;
    assert_int_equal(list(f, filter), 3);
    assert_got(f, 3);
    filter.user_external_id = STR_LIT("nobody");
    assert_int_equal(list(f, filter), 0);
    assert_int_equal(f->count, 0);

    filter = all;
    filter.status = ORDER_DONE;
    assert_int_equal(list(f, filter), 0);
    assert_got(f, 6, 2);
    filter.status = ORDER_NEW;
    filter.limit = 1;
    assert_int_equal(list(f, filter), 8);

    filter = all;
    filter.created_from = NOW + 3;
    filter.created_until = NOW + 5;
    assert_int_equal(list(f, filter), 0);
    assert_got(f, 4, 3);
    filter = all;
    filter.updated_from = NOW + 7;
    assert_int_equal(list(f, filter), 0);
    assert_got(f, 8, 7);
}

static void order_list_looks_at_so_many(void **state)
{
    struct fixture *f = *state;
    int64_t user_id = add_user(f, "u1");
    begin(f);
    for (int32_t id = 1; id <= 10002; id++)
        add_order(f, id, user_id, id <= 2 ? ORDER_DONE : ORDER_NEW);
    commit(f);
    struct store_order_filter filter = {.status = ORDER_DONE, .limit = 10};
    assert_int_equal(list(f, filter), 3);
    assert_int_equal(f->count, 0);
    filter.before = 3;
    assert_int_equal(list(f, filter), 0);
    assert_got(f, 2, 1);
    filter = (struct store_order_filter){
        .status = ORDER_DONE, .limit = 10, .user_external_id = STR_LIT("u1")};
    assert_int_equal(list(f, filter), 3);
    assert_int_equal(f->count, 0);
    filter.before = 10002;
    assert_int_equal(list(f, filter), 2);
    assert_got(f, 2);
}

static void list_open(struct fixture *f, int64_t user_id, int limit)
{
    f->count = 0;
    assert_int_equal(store_order_list_open(f->reader, user_id, limit, on_open_order, f), 0);
}

static void open_orders(void **state)
{
    struct fixture *f = *state;
    int64_t u1 = add_user(f, "u1");
    int64_t u2 = add_user(f, "u2");
    for (int32_t id = 1; id <= 8; id++)
        add_order(f, id, id == 5 ? u2 : u1, (enum order_status)(id % 4));
    list_open(f, u1, 10);
    assert_got(f, 8, 4, 1);
    assert_string_equal(f->texts[0], "new");
    assert_string_equal(f->texts[2], "paid");
    list_open(f, u1, 2);
    assert_got(f, 8, 4);

    const struct {
        enum order_status status;
        int32_t expected[4];
    } rows[] = {
        {ORDER_PAID, {8, 4, 1}},
        {ORDER_DONE, {8, 1}},
        {ORDER_CANCELED, {8, 1}},
        {ORDER_NEW, {8, 4, 1}},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct store_order order = make_order(4, u1, rows[i].status);
        assert_int_equal(store_order_update(f->writer, &order), 0);
        list_open(f, u1, 10);
        assert_numbers(f, rows[i].expected);
    }
}

/* Everything but the content changes; the user's top is told with the order. */
static void order_advances(void **state)
{
    struct fixture *f = *state;
    struct store_order order = make_order(1, add_user(f, "u1"), ORDER_NEW);
    assert_int_equal(store_order_advance(f->writer, &order), ERR_NOT_FOUND);
    order.content = STR_LIT("{}");
    order.custom_parameters = STR_LIT("[1]");
    assert_int_equal(store_order_insert(f->writer, &order), 0);
    static const enum order_status statuses[] = {ORDER_PAID, ORDER_DONE, ORDER_CANCELED};
    for (size_t i = 0; i < ARRAY_LENGTH(statuses); i++) {
        struct store_event event = {
            .seq = (int32_t)i + 2, .status = statuses[i], .offset = (int32_t)i + 1};
        order.status = statuses[i];
        order.seq = event.seq;
        order.cancel_reason = i == 2 ? STR_LIT("expired") : STR_LIT("");
        order.updated_at = NOW + (int64_t)i;
        struct store_order changed = order;
        changed.content = changed.custom_parameters = STR_LIT("");
        assert_int_equal(store_order_advance(f->writer, &changed), 0);
        assert_int_equal(store_event_append(f->writer, &order, &event), 0);
        assert_order(f, &order);
        list_open(f, order.user_id, 10);
        assert_numbers(f, i == 0 ? (const int32_t[]){1, 0} : (const int32_t[]){0});
        assert_int_equal(store_order_get(f->reader, PROJECT, 1, &changed), 0);
        assert_int_equal(changed.user_top, event.offset);
    }
}

/* One row of everything. */
static void write_everything(struct fixture *f)
{
    struct store_project project = {PROJECT, MERCHANT, STR_LIT("{}"), NOW};
    struct store_idempotency record = {.project_id = PROJECT,
                                       .key = STR_LIT("k"),
                                       .answer = STR_LIT("x"),
                                       .expires_at = NOW + DAY};
    assert_int_equal(store_project_put(f->writer, &project), 0);
    put_key(f, "kkkkkkkkkkk1", MERCHANT, PROJECT, 1, NOW);
    int64_t user_id = add_user(f, "u1");
    add_order(f, 1, user_id, ORDER_NEW);
    add_events(f, 1, user_id, 1, 1);
    assert_int_equal(store_idempotency_put(f->writer, &record), 0);
}

/* How many of the six are there. */
static int see_everything(struct fixture *f, struct store_connection *connection)
{
    struct store_project project;
    struct store_user user = {0};
    struct store_order order;
    struct store_idempotency record;
    int seen = store_project_get(connection, PROJECT, &project) == 0;
    seen += store_user_get(connection, PROJECT, STR_LIT("u1"), &user) == 0;
    seen += store_order_get(connection, PROJECT, 1, &order) == 0;
    seen += store_idempotency_get(connection, PROJECT, STR_LIT("k"), &record) == 0;
    f->count = 0;
    assert_int_equal(store_key_list(connection, PROJECT, MERCHANT, on_key, f), 0);
    assert_int_equal(store_event_list(connection, PROJECT, 1, on_event, f), 0);
    return seen + (int)f->count;
}

static void rollback_leaves_nothing(void **state)
{
    struct fixture *f = *state;
    store_rollback(f->writer);
    begin(f);
    write_everything(f);
    assert_int_equal(see_everything(f, f->writer), 6);
    store_rollback(f->writer);
    assert_int_equal(see_everything(f, f->writer), 0);
    assert_int_equal(see_everything(f, f->reader), 0);
    store_rollback(f->writer);

    begin(f);
    write_everything(f);
    commit(f);
    store_rollback(f->writer);
    assert_int_equal(see_everything(f, f->reader), 6);
    begin(f);
    assert_int_equal(store_key_delete(f->writer, "kkkkkkkkkkk1"), 0);
    struct store_order order = make_order(1, 1, ORDER_DONE);
    assert_int_equal(store_order_update(f->writer, &order), 0);
    int deleted;
    assert_int_equal(store_prune(f->writer, NOW + 30 * DAY, 100, &deleted), 0);
    assert_int_equal(deleted, 2);
    store_rollback(f->writer);
    assert_int_equal(see_everything(f, f->reader), 6);
    assert_int_equal(store_order_get(f->reader, PROJECT, 1, &order), 0);
    assert_int_equal(order.status, ORDER_NEW);
}

/* A refused insert leaves the transaction alive. */
static void refusal_keeps_the_transaction(void **state)
{
    struct fixture *f = *state;
    struct store_user user;
    begin(f);
    write_everything(f);
    assert_int_equal(store_user_add(f->writer, PROJECT, STR_LIT("u1"), &user), ERR_EXISTS);
    struct store_order order = make_order(1, 1, ORDER_NEW);
    assert_int_equal(store_order_insert(f->writer, &order), ERR_EXISTS);
    assert_int_equal(store_key_delete(f->writer, "nonesuch"), ERR_NOT_FOUND);
    commit(f);
    assert_int_equal(see_everything(f, f->reader), 6);
}

static void readers_see_commits_only(void **state)
{
    struct fixture *f = *state;
    begin(f);
    write_everything(f);
    assert_int_equal(see_everything(f, f->reader), 0);
    commit(f);
    assert_int_equal(see_everything(f, f->reader), 6);
}

static void reader_transaction_sees_one_state(void **state)
{
    struct fixture *f = *state;
    struct store_user user;
    struct store_connection *other;
    assert_int_equal(store_connect(f->store, STORE_READER, &other), 0);
    assert_int_equal(store_begin(f->reader), 0);
    assert_int_equal(store_user_get(f->reader, PROJECT, STR_LIT("u1"), &user), ERR_NOT_FOUND);
    write_everything(f);
    assert_int_equal(see_everything(f, f->reader), 0);
    assert_int_equal(see_everything(f, other), 6);
    assert_int_equal(store_commit(f->reader), 0);
    assert_int_equal(see_everything(f, f->reader), 6);
    assert_int_equal(store_begin(f->reader), 0);
    store_rollback(f->reader);
    store_disconnect(&other);
}

static void count_beginning(void *argument)
{
    ++*(int *)argument;
}

static void shared_reading_sees_every_commit(void **state)
{
    struct fixture *f = *state;
    struct store_user user;
    int beginnings = 0;
    store_share_reading(f->reader, count_beginning, &beginnings);
    assert_int_equal(see_everything(f, f->reader), 0);
    write_everything(f);
    assert_int_equal(see_everything(f, f->reader), 6);
    assert_true(beginnings <= 1);

    assert_int_equal(store_begin(f->reader), 0);
    add_user(f, "u2");
    assert_int_equal(store_user_get(f->reader, PROJECT, STR_LIT("u2"), &user), ERR_NOT_FOUND);
    assert_int_equal(store_commit(f->reader), 0);
    assert_int_equal(store_user_get(f->reader, PROJECT, STR_LIT("u2"), &user), 0);
    add_user(f, "u3");
    assert_int_equal(store_begin(f->reader), 0);
    assert_int_equal(store_user_get(f->reader, PROJECT, STR_LIT("u3"), &user), 0);
    store_rollback(f->reader);
    add_user(f, "u4");
    assert_int_equal(store_user_get(f->reader, PROJECT, STR_LIT("u4"), &user), 0);
    assert_true(beginnings <= 1);

    store_end_reading(f->reader);
    store_end_reading(f->reader);
    add_user(f, "u5");
    assert_int_equal(store_user_get(f->reader, PROJECT, STR_LIT("u5"), &user), 0);
    assert_true(beginnings <= 2);
}

static struct str seen_texts[8];

static void on_kept_order(void *argument, const struct store_order *order)
{
    size_t *count = argument;
    seen_texts[(*count)++] = order->content;
}

/* All texts of a list live until the next look-up, also those of its first row. */
static void texts_outlive_the_list(void **state)
{
    static char large[20 * 1024];
    struct fixture *f = *state;
    int64_t user_id = add_user(f, "u1");
    for (int32_t id = 1; id <= 8; id++) {
        struct store_order order = make_order(id, user_id, ORDER_NEW);
        memset(large, '0' + id, sizeof(large));
        order.content = str_make(large, id % 2 ? 10 : sizeof(large));
        assert_int_equal(store_order_insert(f->writer, &order), 0);
    }
    struct store_order_filter filter = {.project_id = PROJECT, .status = -1, .limit = 8};
    size_t count = 0;
    int32_t next;
    assert_int_equal(store_order_list(f->reader, &filter, on_kept_order, &count, &next), 0);
    assert_int_equal(count, 8);
    for (size_t i = 0; i < count; i++) {
        char expected = (char)('8' - (int)i);
        assert_int_equal(seen_texts[i].len, i % 2 ? 10 : sizeof(large));
        assert_int_equal(seen_texts[i].ptr[0], expected);
        assert_int_equal(seen_texts[i].ptr[seen_texts[i].len - 1], expected);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_EVERY_DRIVER(identity_is_drawn),
        ON_EVERY_DRIVER(projects),
        ON_EVERY_DRIVER(keys_of_project_and_merchant),
        ON_EVERY_DRIVER(revocations),
        ON_EVERY_DRIVER(users),
        ON_EVERY_DRIVER(order_round_trip),
        ON_EVERY_DRIVER(order_contents_change),
        ON_EVERY_DRIVER(order_advances),
        ON_EVERY_DRIVER(order_read_change_write),
        ON_EVERY_DRIVER(next_id),
        ON_EVERY_DRIVER(order_list_filters),
        ON_EVERY_DRIVER(order_list_looks_at_so_many),
        ON_EVERY_DRIVER(open_orders),
        ON_EVERY_DRIVER(rollback_leaves_nothing),
        ON_EVERY_DRIVER(refusal_keeps_the_transaction),
        ON_EVERY_DRIVER(readers_see_commits_only),
        ON_EVERY_DRIVER(reader_transaction_sees_one_state),
        ON_EVERY_DRIVER(shared_reading_sees_every_commit),
        ON_EVERY_DRIVER(texts_outlive_the_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
