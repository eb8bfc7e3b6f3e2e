/* SPDX-License-Identifier: Apache-2.0 */
/* The table of statuses, row by row, and what must hold of any sequence of updates whatever. */
#include "order/order.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define UNKNOWN (-1)
#define NO_STATUS (-1)

/* Events as letters: n p d c; capitals are synthetic, '.' is a change of content alone. */
static void describe(const struct order_effects *effects, char out[ORDER_EVENTS_MAX + 1])
{
    for (size_t i = 0; i < effects->event_count; i++) {
        const struct order_event *event = &effects->events[i];
        out[i] = event->is_publication ? order_status_word(event->status)[0] : '.';
        if (event->synthetic)
            out[i] = (char)(out[i] - 'a' + 'A');
    }
    out[effects->event_count] = '\0';
}

static const struct row {
    int now;
    int update;
    bool content;
    bool is_free;
    bool strict;
    enum order_verdict verdict;
    const char *events;
} rows[] = {
    {UNKNOWN, ORDER_NEW, false, false, false, ORDER_APPLIED, "n"},
    {UNKNOWN, ORDER_PAID, false, false, false, ORDER_APPLIED, "Np"},
    {UNKNOWN, ORDER_DONE, false, false, false, ORDER_APPLIED, "NPd"},
    {UNKNOWN, ORDER_DONE, false, true, false, ORDER_APPLIED, "Nd"},
    {UNKNOWN, ORDER_DONE, false, false, true, ORDER_SKIPPED, ""},
    {UNKNOWN, ORDER_DONE, true, false, true, ORDER_SKIPPED, ""},
    {UNKNOWN, ORDER_DONE, false, true, true, ORDER_APPLIED, "Nd"},
    {UNKNOWN, ORDER_PAID, false, false, true, ORDER_APPLIED, "Np"},
    {UNKNOWN, ORDER_CANCELED, false, false, false, ORDER_APPLIED, "Nc"},
    {UNKNOWN, ORDER_CANCELED, false, false, true, ORDER_APPLIED, "Nc"},
    {UNKNOWN, NO_STATUS, true, false, false, ORDER_APPLIED, "n"},
    {UNKNOWN, NO_STATUS, false, false, true, ORDER_APPLIED, "n"},
    {ORDER_NEW, ORDER_NEW, false, false, false, ORDER_DUPLICATE, ""},
    {ORDER_NEW, ORDER_NEW, true, false, false, ORDER_DUPLICATE, ""},
    {ORDER_NEW, ORDER_PAID, true, false, false, ORDER_APPLIED, "p"},
    {ORDER_NEW, ORDER_DONE, false, false, false, ORDER_APPLIED, "Pd"},
    {ORDER_NEW, ORDER_DONE, false, true, false, ORDER_APPLIED, "d"},
    {ORDER_NEW, ORDER_DONE, false, false, true, ORDER_SKIPPED, ""},
    {ORDER_NEW, ORDER_DONE, false, true, true, ORDER_APPLIED, "d"},
    {ORDER_NEW, ORDER_CANCELED, false, false, false, ORDER_APPLIED, "c"},
    {ORDER_NEW, NO_STATUS, true, false, false, ORDER_APPLIED, "."},
    {ORDER_NEW, NO_STATUS, false, false, false, ORDER_DUPLICATE, ""},
    {ORDER_PAID, ORDER_NEW, true, false, false, ORDER_STALE, ""},
    {ORDER_PAID, ORDER_PAID, true, false, false, ORDER_DUPLICATE, ""},
    {ORDER_PAID, ORDER_DONE, false, false, true, ORDER_APPLIED, "d"},
    {ORDER_PAID, ORDER_CANCELED, false, false, false, ORDER_APPLIED, "c"},
    {ORDER_PAID, NO_STATUS, true, false, false, ORDER_APPLIED, "."},
    {ORDER_DONE, ORDER_NEW, false, false, false, ORDER_STALE, ""},
    {ORDER_DONE, ORDER_PAID, false, false, false, ORDER_STALE, ""},
    {ORDER_DONE, ORDER_DONE, true, false, true, ORDER_DUPLICATE, ""},
    {ORDER_DONE, ORDER_CANCELED, false, false, false, ORDER_APPLIED, "c"},
    {ORDER_CANCELED, ORDER_NEW, false, false, false, ORDER_STALE, ""},
    {ORDER_CANCELED, ORDER_PAID, true, false, false, ORDER_CONFLICT, ""},
    {ORDER_CANCELED, ORDER_DONE, false, false, false, ORDER_CONFLICT, ""},
    {ORDER_CANCELED, ORDER_DONE, false, false, true, ORDER_CONFLICT, ""},
    {ORDER_CANCELED, ORDER_CANCELED, true, false, false, ORDER_DUPLICATE, ""},
    {ORDER_CANCELED, NO_STATUS, true, false, false, ORDER_APPLIED, "."},
    {ORDER_CANCELED, NO_STATUS, false, false, false, ORDER_DUPLICATE, ""},
};

static void test_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        const struct row *row = &rows[i];
        char events[ORDER_EVENTS_MAX + 1];
        struct order_state now = {0};
        if (row->now != UNKNOWN)
            now = (struct order_state){
                .exists = true, .status = (enum order_status)row->now, .seq = 7};
        struct order_update update = {
            .has_status = row->update != NO_STATUS,
            .status = row->update != NO_STATUS ? (enum order_status)row->update : ORDER_NEW,
            .changes_content = row->content,
            .is_free = row->is_free,
            .strict = row->strict,
        };
        struct order_effects effects = order_apply(&now, &update);
        describe(&effects, events);
        if (effects.verdict != row->verdict || strcmp(events, row->events) != 0)
            fail_msg("row %zu: %s \"%s\"", i, order_verdict_word(effects.verdict), events);
        assert_int_equal(effects.created, row->now == UNKNOWN && row->events[0] != '\0');
        assert_int_equal(effects.after.seq, now.seq + (int32_t)strlen(row->events));
    }
}

static void test_events_chain(void **state)
{
    (void)state;
    struct order_state now = {0};
    struct order_update update = {.has_status = true, .status = ORDER_DONE};
    struct order_effects effects = order_apply(&now, &update);
    assert_int_equal(effects.event_count, 3);
    static const struct order_event expected[] = {
        {.seq = 1, .status = ORDER_NEW, .previous = ORDER_NEW, true, true},
        {.seq = 2, .status = ORDER_PAID, .previous = ORDER_NEW, true, true},
        {.seq = 3, .status = ORDER_DONE, .previous = ORDER_PAID, false, true},
    };
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(effects.events[i].seq, expected[i].seq);
        assert_int_equal(effects.events[i].status, expected[i].status);
        assert_int_equal(effects.events[i].previous, expected[i].previous);
        assert_int_equal(effects.events[i].synthetic, expected[i].synthetic);
        assert_true(effects.events[i].is_publication);
    }
}

static void test_content_keeps_status(void **state)
{
    (void)state;
    struct order_state now = {.exists = true, .status = ORDER_PAID, .seq = 2};
    struct order_update update = {.changes_content = true, .is_free = true};
    struct order_effects effects = order_apply(&now, &update);
    assert_int_equal(effects.events[0].seq, 3);
    assert_int_equal(effects.events[0].status, ORDER_PAID);
    assert_int_equal(effects.events[0].previous, ORDER_PAID);
    assert_false(effects.events[0].synthetic);
    assert_true(effects.after.is_free);
    assert_int_equal(effects.after.status, ORDER_PAID);
}

static void test_words(void **state)
{
    (void)state;
    for (int i = 0; i < ORDER_STATUS_COUNT; i++) {
        enum order_status parsed;
        const char *word = order_status_word((enum order_status)i);
        assert_true(order_status_parse(str_from(word), &parsed));
        assert_int_equal(parsed, i);
        assert_int_equal(order_status_is_final((enum order_status)i), i >= ORDER_DONE);
    }
    static const char *const wrong[] = {"", "New", "expired", "paid ", "don", "cancelled"};
    for (size_t i = 0; i < ARRAY_LENGTH(wrong); i++) {
        enum order_status parsed;
        assert_false(order_status_parse(str_from(wrong[i]), &parsed));
    }
    assert_string_equal(order_verdict_word(ORDER_DUPLICATE), "duplicate");
    assert_string_equal(order_verdict_word(ORDER_SKIPPED), "skipped");
}

/* Random sequences. */

#define ORDERS 4
#define UPDATES_MAX 24

static uint64_t random_state;

static uint32_t draw(uint32_t bound)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(random_state >> 33) % bound;
}

struct tracked {
    struct order_state state;
    int published[ORDER_STATUS_COUNT];
    bool accepted[ORDER_STATUS_COUNT];
    bool was_free;
};

static int highest_accepted(const struct tracked *order)
{
    int highest = UNKNOWN;
    for (int i = 0; i < ORDER_STATUS_COUNT; i++) {
        if (order->accepted[i])
            highest = i;
    }
    return highest;
}

static void check_events(struct tracked *order, const struct order_effects *effects)
{
    int32_t seq = order->state.seq;
    enum order_status last = order->state.status;
    for (size_t i = 0; i < effects->event_count; i++) {
        const struct order_event *event = &effects->events[i];
        assert_int_equal(event->seq, ++seq);
        assert_int_equal(event->previous, seq == 1 ? event->status : last);
        assert_int_equal(event->is_publication, seq == 1 || event->status > last);
        order->published[event->status] += event->is_publication;
        last = event->status;
    }
    assert_int_equal(effects->after.seq, seq);
    assert_int_equal(effects->after.status, last);
}

static void check_step(struct tracked *order, const struct order_update *update)
{
    struct order_effects effects = order_apply(&order->state, update);
    if (effects.verdict == ORDER_APPLIED) {
        assert_true(effects.event_count >= 1);
        check_events(order, &effects);
        order->accepted[update->has_status ? update->status : effects.after.status] = true;
        order->was_free |= update->is_free;
        assert_int_equal(effects.created, !order->state.exists);
        order->state = effects.after;
        assert_int_equal(order->state.status, highest_accepted(order));
    } else {
        assert_int_equal(effects.event_count, 0);
        assert_false(effects.created);
        assert_memory_equal(&effects.after, &order->state, sizeof order->state);
    }
    struct order_effects again = order_apply(&order->state, update);
    assert_true(!update->has_status || again.verdict != ORDER_APPLIED);
}

static void check_end(const struct tracked *order)
{
    if (!order->state.exists)
        return;
    assert_int_equal(order->published[ORDER_NEW], 1);
    assert_int_equal(order->published[order->state.status], 1);
    for (int i = 0; i < ORDER_STATUS_COUNT; i++) {
        assert_true(order->published[i] <= 1);
        assert_true(!order->accepted[i] || order->published[i] == 1);
    }
    if (order->published[ORDER_DONE] && !order->was_free)
        assert_int_equal(order->published[ORDER_PAID], 1);
}

static void test_any_sequence(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 4000; seed++) {
        struct tracked orders[ORDERS];
        memset(orders, 0, sizeof orders);
        random_state = seed;
        bool strict = draw(3) == 0;
        for (uint32_t i = draw(UPDATES_MAX); i > 0; i--) {
            struct order_update update = {
                .has_status = draw(5) > 0,
                .changes_content = draw(2) == 0,
                .is_free = draw(4) == 0,
                .strict = strict,
            };
            update.status = update.has_status ? (enum order_status)draw(ORDER_STATUS_COUNT) : 0;
            check_step(&orders[draw(ORDERS)], &update);
        }
        for (size_t i = 0; i < ORDERS; i++)
            check_end(&orders[i]);
    }
}

struct addressed {
    uint32_t order;
    struct order_update update;
};

static size_t fill_with_duplicates(struct addressed *updates)
{
    size_t count = 1 + draw(UPDATES_MAX / 2);
    for (size_t i = 0; i < count; i++) {
        updates[i] = (struct addressed){.order = draw(ORDERS)};
        updates[i].update.has_status = true;
        updates[i].update.status = (enum order_status)draw(ORDER_STATUS_COUNT);
    }
    return count;
}

static void run_shuffled(struct addressed *updates, size_t count, struct tracked orders[ORDERS])
{
    memset(orders, 0, ORDERS * sizeof *orders);
    for (size_t i = count; i > 1; i--) {
        size_t other = draw((uint32_t)i);
        struct addressed swapped = updates[i - 1];
        updates[i - 1] = updates[other];
        updates[other] = swapped;
    }
    for (size_t i = 0; i < count; i++) {
        check_step(&orders[updates[i].order], &updates[i].update);
        size_t repeated = draw((uint32_t)i + 1);
        check_step(&orders[updates[repeated].order], &updates[repeated].update);
    }
}

static void test_order_of_arrival_does_not_matter(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 3000; seed++) {
        struct addressed updates[UPDATES_MAX];
        struct tracked first[ORDERS];
        struct tracked second[ORDERS];
        random_state = seed;
        size_t count = fill_with_duplicates(updates);
        run_shuffled(updates, count, first);
        run_shuffled(updates, count, second);
        for (size_t i = 0; i < ORDERS; i++) {
            check_end(&first[i]);
            assert_int_equal(first[i].state.exists, second[i].state.exists);
            assert_int_equal(first[i].state.status, second[i].state.status);
        }
        for (size_t i = 0; i < count; i++)
            assert_true(first[updates[i].order].state.status >= updates[i].update.status);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_events_chain),
        cmocka_unit_test(test_content_keeps_status),
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_any_sequence),
        cmocka_unit_test(test_order_of_arrival_does_not_matter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
