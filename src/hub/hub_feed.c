/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Committed events on their way from the store thread to the workers: one batch for all, counted
 * references, one message for each worker. A worker that does not keep up gets a single message
 * that makes it read the store, instead of a queue without end.
 */
#include "hub/hub.h"

#include "base/buf.h"
#include "base/fault.h"
#include "base/limits.h"
#include "base/mem.h"
#include "loop/loop.h"

#include <stdatomic.h>

struct entry {
    struct hub_event event; /* user_external_id.ptr is not set: `text` may move while it grows */
    size_t text_offset;
};

struct hub_batch {
    atomic_int references;
    struct entry *entries;
    size_t count;
    size_t capacity;
    struct buf text;
};

struct hub_feed {
    struct hub *hub;
    struct loop *loop;
    atomic_size_t waiting; /* events on their way */
    atomic_bool resync_waits;
    struct loop_message resync;
};

struct post {
    struct loop_message message;
    struct hub_feed *feed;
    struct hub_batch *batch;
};

struct hub_batch *hub_batch_new(void)
{
    struct hub_batch *batch = mem_zalloc(sizeof(*batch));
    atomic_init(&batch->references, 1);
    buf_init(&batch->text, LIMIT_WRITER_BYTES);
    return batch;
}

static struct entry *add_entry(struct hub_batch *batch)
{
    if (batch->count == batch->capacity) {
        batch->capacity = batch->capacity > 0 ? batch->capacity * 2 : 16;
        batch->entries = mem_realloc(batch->entries, batch->capacity * sizeof(struct entry));
    }
    return &batch->entries[batch->count++];
}

static struct str entry_user(const struct hub_batch *batch, const struct entry *entry)
{
    if (entry->event.user_external_id.len == 0)
        return STR_LIT("");
    return str_make(batch->text.ptr + entry->text_offset, entry->event.user_external_id.len);
}

/* Where the user's text is; the events of one order come in a row and share it. */
static size_t put_user(struct hub_batch *batch, struct str user_external_id)
{
    if (batch->count > 0) {
        const struct entry *last = &batch->entries[batch->count - 1];
        if (str_equal(entry_user(batch, last), user_external_id))
            return last->text_offset;
    }
    buf_append_str(&batch->text, user_external_id);
    return batch->text.len - user_external_id.len;
}

void hub_batch_add(struct hub_batch *batch, const struct hub_event *event)
{
    size_t text_offset = put_user(batch, event->user_external_id);
    if (batch->text.overflow)
        return;
    struct entry *entry = add_entry(batch);
    *entry = (struct entry){.event = *event, .text_offset = text_offset};
    entry->event.user_external_id.ptr = NULL;
}

void hub_batch_release(struct hub_batch **owner)
{
    struct hub_batch *batch = *owner;
    if (batch == NULL)
        return;
    *owner = NULL;
    if (atomic_fetch_sub_explicit(&batch->references, 1, memory_order_acq_rel) > 1)
        return;
    buf_fini(&batch->text);
    mem_free(batch->entries);
    mem_free(batch);
}

static void run_resync(struct loop_message *message)
{
    struct hub_feed *feed = CONTAINER_OF(message, struct hub_feed, resync);
    /* Before the look-ups: what is left out from here on asks for another one. */
    atomic_store(&feed->resync_waits, false);
    hub_resync(feed->hub);
}

struct hub_feed *hub_feed_new(struct hub *hub, struct loop *loop)
{
    struct hub_feed *feed = mem_zalloc(sizeof(*feed));
    *feed = (struct hub_feed){.hub = hub, .loop = loop, .resync.run = run_resync};
    return feed;
}

void hub_feed_free(struct hub_feed **feed)
{
    mem_free(*feed);
    *feed = NULL;
}

static void post_free(struct post *post)
{
    atomic_fetch_sub_explicit(&post->feed->waiting, post->batch->count, memory_order_relaxed);
    hub_batch_release(&post->batch);
    mem_free(post);
}

static void run_post(struct loop_message *message)
{
    struct post *post = CONTAINER_OF(message, struct post, message);
    const struct hub_batch *batch = post->batch;
    fault_point("worker_feed");
    for (size_t i = 0; i < batch->count; i++) {
        struct hub_event event = batch->entries[i].event;
        event.user_external_id = entry_user(batch, &batch->entries[i]);
        if (event.revoked_before != 0)
            hub_revoke(post->feed->hub, event.project_id, event.user_external_id,
                       event.revoked_before);
        else
            hub_publish(post->feed->hub, &event);
    }
    post_free(post);
}

static void post_resync(struct hub_feed *feed)
{
    if (!atomic_exchange(&feed->resync_waits, true))
        loop_post_always(feed->loop, &feed->resync);
}

void hub_feed_post(struct hub_feed *feed, struct hub_batch *batch)
{
    size_t waiting = atomic_load_explicit(&feed->waiting, memory_order_relaxed);
    if (batch->text.overflow || waiting >= LIMIT_FEED_EVENTS) {
        post_resync(feed);
        return;
    }
    struct post *post = mem_alloc(sizeof(*post));
    *post = (struct post){.message.run = run_post, .feed = feed, .batch = batch};
    atomic_fetch_add_explicit(&batch->references, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&feed->waiting, batch->count, memory_order_relaxed);
    if (loop_post(feed->loop, &post->message) == 0)
        return;
    post_free(post);
    post_resync(feed);
}
