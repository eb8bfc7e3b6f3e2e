/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an update does to an order. Senders repeat themselves and overtake each other, so an
 * order's status is the highest rank it was ever given, and everything else follows from that.
 */
#include "order/order.h"

static const struct row {
    const char *word;
    bool final;
} rows[ORDER_STATUS_COUNT] = {
#define STATUS(name, rank, word, final, meaning) [ORDER_##name] = {word, final},
#include "order/status.def"
};

const char *order_status_word(enum order_status status)
{
    return rows[status].word;
}

bool order_status_parse(struct str word, enum order_status *status)
{
    for (int i = 0; i < ORDER_STATUS_COUNT; i++) {
        if (str_equal_text(word, rows[i].word)) {
            *status = (enum order_status)i;
            return true;
        }
    }
    return false;
}

bool order_status_is_final(enum order_status status)
{
    return rows[status].final;
}

const char *order_verdict_word(enum order_verdict verdict)
{
    static const char *const words[] = {
        [ORDER_APPLIED] = "applied",   [ORDER_DUPLICATE] = "duplicate", [ORDER_STALE] = "stale",
        [ORDER_CONFLICT] = "conflict", [ORDER_SKIPPED] = "skipped",
    };
    return words[verdict];
}

static void add_event(struct order_effects *effects, enum order_status status, bool synthetic,
                      bool is_publication)
{
    struct order_state *after = &effects->after;
    effects->events[effects->event_count++] = (struct order_event){
        .seq = ++after->seq,
        .status = status,
        .previous = after->exists ? after->status : status,
        .synthetic = synthetic,
        .is_publication = is_publication,
    };
    after->exists = true;
    after->status = status;
}

static bool skips_paid(const struct order_state *now, enum order_status wanted, bool is_free)
{
    bool is_unpaid = !now->exists || now->status == ORDER_NEW;
    return is_unpaid && wanted == ORDER_DONE && !is_free;
}

/* The status that the update asks for; `now` keeps its own when only content changes. */
static enum order_status wanted_status(const struct order_state *now,
                                       const struct order_update *update)
{
    if (update->has_status)
        return update->status;
    return now->exists ? now->status : ORDER_NEW;
}

static enum order_verdict judge(const struct order_state *now, const struct order_update *update)
{
    enum order_status wanted = wanted_status(now, update);
    if (skips_paid(now, wanted, update->is_free) && update->strict)
        return ORDER_SKIPPED;
    if (!now->exists || wanted > now->status)
        return ORDER_APPLIED;
    if (!update->has_status)
        return update->changes_content ? ORDER_APPLIED : ORDER_DUPLICATE;
    if (wanted == now->status)
        return ORDER_DUPLICATE;
    return now->status == ORDER_CANCELED && wanted != ORDER_NEW ? ORDER_CONFLICT : ORDER_STALE;
}

struct order_effects order_apply(const struct order_state *now, const struct order_update *update)
{
    enum order_status wanted = wanted_status(now, update);
    struct order_effects effects = {.verdict = judge(now, update), .after = *now};
    if (effects.verdict != ORDER_APPLIED)
        return effects;
    effects.created = !now->exists;
    effects.after.is_free = update->is_free;
    if (effects.created && wanted != ORDER_NEW)
        add_event(&effects, ORDER_NEW, true, true);
    if (skips_paid(now, wanted, update->is_free))
        add_event(&effects, ORDER_PAID, true, true);
    add_event(&effects, wanted, false, !now->exists || wanted != now->status);
    return effects;
}
