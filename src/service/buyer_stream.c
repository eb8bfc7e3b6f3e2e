/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A buyer's stream as its client may see it. Position and publications are read in one transaction,
 * so that what is told belongs to the position that is told with it.
 */
#include "service/buyer_stream.h"

#include "base/err.h"
#include "base/limits.h"
#include "base/mem.h"
#include "service/service.h"

/* The view being filled: room for `capacity` publications. */
struct collector {
    struct buyer_stream_view *view;
    size_t capacity;
};

void buyer_stream_view_fini(struct buyer_stream_view *view)
{
    mem_free(view->publications);
    *view = (struct buyer_stream_view){0};
}

static void collect(void *argument, const struct store_publication *publication)
{
    const struct collector *collector = argument;
    struct buyer_stream_view *view = collector->view;
    if (view->publication_count < collector->capacity)
        view->publications[view->publication_count++] = *publication;
}

/* Publications with offsets in (after, before), at most `limit`. */
static int read_range(struct store_connection *reader, const struct store_user *user, int32_t after,
                      int32_t before, bool reverse, int limit, struct buyer_stream_view *view)
{
    struct collector collector = {.view = view, .capacity = (size_t)limit};
    view->publications = mem_alloc(collector.capacity * sizeof(struct store_publication));
    return store_stream_read(reader, user->user_id, after, before, reverse, limit, collect,
                             &collector);
}

/* A user without orders has a stream too: an empty one. */
static int find_user(struct store_connection *reader, int32_t project_id,
                     struct str user_external_id, struct store_user *user)
{
    *user = (struct store_user){0};
    int rc = store_user_get(reader, project_id, user_external_id, user);
    return rc == ERR_NOT_FOUND ? 0 : rc;
}

/*
 * What came after `after`. ERR_NOT_FOUND when it is too much, partly pruned, or when `after` was
 * never reached.
 */
static int read_missed(struct store_connection *reader, const struct store_user *user,
                       int32_t after, struct buyer_stream_view *view)
{
    int64_t missed = (int64_t)user->top - after;
    if (after < 0 || missed < 0 || missed > LIMIT_HISTORY_PAGE)
        return ERR_NOT_FOUND;
    if (missed == 0)
        return 0;
    int rc = read_range(reader, user, after, 0, false, (int)missed, view);
    if (rc == 0 && view->publication_count != (size_t)missed) {
        mem_free(view->publications);
        view->publications = NULL;
        view->publication_count = 0;
        rc = ERR_NOT_FOUND;
    }
    return rc;
}

/* The latest status of each order, newest change first while it is gathered. */
struct latest {
    struct buyer_stream_view *view;
    int64_t finished_since;
    int32_t seen[LIMIT_HISTORY_PAGE]; /* orders met in the stream's tail */
    size_t seen_count;
};

static bool is_seen(const struct latest *latest, int32_t order_id)
{
    for (size_t i = 0; i < latest->seen_count; i++) {
        if (latest->seen[i] == order_id)
            return true;
    }
    return false;
}

static void add_latest(struct latest *latest, int32_t order_id, enum order_status status,
                       int64_t occurred_at)
{
    struct buyer_stream_view *view = latest->view;
    if (view->publication_count == LIMIT_LATEST_ORDERS)
        return;
    view->publications[view->publication_count++] = (struct store_publication){
        .order_id = order_id,
        .status = status,
        .occurred_at = occurred_at,
    };
}

/* Rows come newest first: the first of an order is its latest. */
static void take_tail(void *argument, const struct store_publication *publication)
{
    struct latest *latest = argument;
    if (latest->seen_count == LIMIT_HISTORY_PAGE || is_seen(latest, publication->order_id))
        return;
    latest->seen[latest->seen_count++] = publication->order_id;
    if (!order_status_is_final(publication->status) ||
        publication->occurred_at >= latest->finished_since)
        add_latest(latest, publication->order_id, publication->status, publication->occurred_at);
}

/* Open orders whose last change is older than the tail. */
static void take_open(void *argument, int32_t order_id, enum order_status status)
{
    struct latest *latest = argument;
    if (!is_seen(latest, order_id))
        add_latest(latest, order_id, status, 0);
}

static void reverse_publications(struct buyer_stream_view *view)
{
    for (size_t i = 0, j = view->publication_count; i + 1 < j; i++) {
        struct store_publication first = view->publications[i];
        view->publications[i] = view->publications[--j];
        view->publications[j] = first;
    }
}

static int read_latest(struct store_connection *reader, const struct store_user *user,
                       int64_t finished_since, struct buyer_stream_view *view)
{
    struct latest latest = {.view = view, .finished_since = finished_since};
    if (user->top == 0)
        return 0;
    view->publications = mem_alloc(LIMIT_LATEST_ORDERS * sizeof(struct store_publication));
    int rc = store_stream_read(reader, user->user_id, 0, 0, true, LIMIT_HISTORY_PAGE, take_tail,
                               &latest);
    if (rc == 0)
        rc = store_order_list_open(reader, user->user_id, LIMIT_LATEST_ORDERS, take_open, &latest);
    reverse_publications(view);
    return rc;
}

static bool may_recover(const struct service *service, const struct buyer_stream_query *query)
{
    if (!query->recover)
        return false;
    return query->epoch.len == 0 ||
           str_equal_text(query->epoch, store_identity(service->store)->epoch);
}

static int read_open(struct service *service, const struct buyer_stream_query *query,
                     struct buyer_stream_view *view)
{
    struct store_user user;
    int rc = find_user(service->reader, query->project_id, query->user_external_id, &user);
    if (rc < 0)
        return rc;
    view->top = user.top;
    if (may_recover(service, query)) {
        rc = read_missed(service->reader, &user, query->offset, view);
        view->recovered = rc == 0;
        if (rc != ERR_NOT_FOUND)
            return rc;
    }
    return read_latest(service->reader, &user, query->now_wall - service->options->latest_window,
                       view);
}

/* Ends the read transaction; a view that could not be filled is emptied. */
static int finish(struct service *service, struct buyer_stream_view *view, int rc)
{
    rc = store_end(service->reader, rc);
    if (rc < 0)
        buyer_stream_view_fini(view);
    return rc;
}

int buyer_stream_open(struct service *service, const struct buyer_stream_query *query,
                      struct buyer_stream_view *view)
{
    *view = (struct buyer_stream_view){0};
    int rc = store_begin(service->reader);
    if (rc == 0)
        rc = read_open(service, query, view);
    return finish(service, view, rc);
}

static int read_order(struct service *service, int32_t project_id, int32_t order_id,
                      struct buf *user_external_id, struct buyer_stream_view *view)
{
    struct store_order order;
    struct store_user user;
    int rc = store_order_get(service->reader, project_id, order_id, &order);
    if (rc < 0)
        return rc;
    buf_append_str(user_external_id, order.user_external_id);
    view->publications = mem_zalloc(sizeof(struct store_publication));
    view->publications[0].order_id = order_id;
    view->publications[0].status = order.status;
    view->publication_count = 1;
    rc = find_user(service->reader, project_id, buf_view(user_external_id), &user);
    view->top = user.top;
    return rc;
}

int buyer_stream_open_order(struct service *service, int32_t project_id, int32_t order_id,
                            struct buf *user, struct buyer_stream_view *view)
{
    *view = (struct buyer_stream_view){0};
    int rc = store_begin(service->reader);
    if (rc == 0)
        rc = read_order(service, project_id, order_id, user, view);
    return finish(service, view, rc);
}

static int32_t clamp(int64_t offset)
{
    if (offset < 0)
        return 0;
    return offset > INT32_MAX ? INT32_MAX : (int32_t)offset;
}

static int read_history(struct service *service, const struct store_user *user,
                        const struct buyer_stream_history *history, struct buyer_stream_view *view)
{
    int limit = LIMIT_HISTORY_PAGE;
    int32_t after = 0;
    int32_t before = 0;
    if (history->limit >= 0 && history->limit < limit)
        limit = (int)history->limit;
    if (history->has_since && history->reverse)
        before = clamp(history->since_offset);
    else if (history->has_since)
        after = clamp(history->since_offset);
    if (limit == 0 || user->top == 0 || after >= user->top)
        return 0;
    return read_range(service->reader, user, after, before, history->reverse, limit, view);
}

int buyer_stream_history(struct service *service, int32_t project_id, struct str user_external_id,
                         const struct buyer_stream_history *history, struct buyer_stream_view *view)
{
    struct store_user user;
    *view = (struct buyer_stream_view){0};
    if (history->has_since && history->reverse && history->since_offset <= 0)
        return ERR_INVALID;
    if (history->has_since && history->since_epoch.len > 0 &&
        !str_equal_text(history->since_epoch, store_identity(service->store)->epoch))
        return ERR_EXPIRED;
    int rc = store_begin(service->reader);
    if (rc == 0)
        rc = find_user(service->reader, project_id, user_external_id, &user);
    if (rc == 0) {
        view->top = user.top;
        rc = read_history(service, &user, history, view);
    }
    return finish(service, view, rc);
}

int buyer_stream_missed(struct service *service, int32_t project_id, struct str user_external_id,
                        int32_t after, struct buyer_stream_view *view)
{
    struct store_user user;
    *view = (struct buyer_stream_view){0};
    int rc = store_begin(service->reader);
    if (rc == 0)
        rc = find_user(service->reader, project_id, user_external_id, &user);
    if (rc == 0) {
        view->top = user.top;
        rc = read_missed(service->reader, &user, after, view);
    }
    return finish(service, view, rc);
}
