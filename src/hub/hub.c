/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Subscribers by user. The trouble here is what an op may do while we go through a list: end any
 * subscription, the next one's too, or begin a new one. So the list is emptied into another and
 * refilled one by one: a node can be taken out of either, and newcomers are not visited.
 */
#include "hub/hub.h"

#include "base/limits.h"
#include "base/map.h"
#include "base/mem.h"

#include <assert.h>
#include <string.h>

enum { KEY_SIZE = sizeof(int32_t) + LIMIT_USER_EXTERNAL_ID };

/*
 * A user with at least one subscriber, or one whose subscribers are being called just now. The user
 * without a name stands for the whole project.
 */
struct hub_user {
    struct list node;
    struct list subscribers;
    uint32_t count;  /* of subscribers, also those not in the list at the moment */
    bool is_visited; /* must not be freed */
    uint16_t key_length;
    char key[];
};

struct hub {
    struct map users;
    struct list all; /* the same users */
    size_t subscriber_count;
    size_t project_count; /* of them, those of whole projects: mostly none, then nobody looks */
};

struct hub *hub_new(void)
{
    struct hub *hub = mem_zalloc(sizeof(*hub));
    map_init(&hub->users);
    list_init(&hub->all);
    return hub;
}

void hub_free(struct hub **owner)
{
    struct hub *hub = *owner;
    if (hub == NULL)
        return;
    assert(hub->subscriber_count == 0);
    map_fini(&hub->users);
    mem_free(hub);
    *owner = NULL;
}

static struct str make_key(char key[KEY_SIZE], int32_t project_id, struct str user_external_id)
{
    assert(user_external_id.len <= LIMIT_USER_EXTERNAL_ID);
    memcpy(key, &project_id, sizeof(project_id));
    if (user_external_id.len > 0)
        memcpy(key + sizeof(project_id), user_external_id.ptr, user_external_id.len);
    return str_make(key, sizeof(project_id) + user_external_id.len);
}

static struct hub_user *user_new(struct hub *hub, struct str key)
{
    struct hub_user *user = mem_alloc(sizeof(*user) + key.len);
    *user = (struct hub_user){.key_length = (uint16_t)key.len};
    memcpy(user->key, key.ptr, key.len);
    list_init(&user->subscribers);
    list_append(&hub->all, &user->node);
    map_put(&hub->users, key, user);
    return user;
}

static bool is_project(const struct hub_user *user)
{
    return user->key_length == sizeof(int32_t);
}

static void free_when_unused(struct hub *hub, struct hub_user *user)
{
    if (user->count > 0 || user->is_visited)
        return;
    map_remove(&hub->users, str_make(user->key, user->key_length));
    list_remove(&user->node);
    mem_free(user);
}

void hub_subscribe(struct hub *hub, int32_t project_id, struct str user_external_id,
                   struct hub_subscriber *subscriber, const struct hub_subscriber_ops *ops)
{
    char room[KEY_SIZE];
    struct str key = make_key(room, project_id, user_external_id);
    struct hub_user *user = map_get(&hub->users, key);
    if (user == NULL)
        user = user_new(hub, key);
    subscriber->ops = ops;
    subscriber->user = user;
    list_append(&user->subscribers, &subscriber->node);
    user->count++;
    hub->subscriber_count++;
    hub->project_count += is_project(user);
}

void hub_unsubscribe(struct hub *hub, struct hub_subscriber *subscriber)
{
    struct hub_user *user = subscriber->user;
    if (user == NULL)
        return;
    list_remove(&subscriber->node);
    subscriber->user = NULL;
    user->count--;
    hub->subscriber_count--;
    hub->project_count -= is_project(user);
    free_when_unused(hub, user);
}

static void tell(struct hub_subscriber *subscriber, const struct hub_event *event)
{
    if (event == NULL)
        subscriber->ops->resync(subscriber);
    else if (event->revoked_before == 0)
        subscriber->ops->event(subscriber, event);
    else if (subscriber->ops->revoked != NULL)
        subscriber->ops->revoked(subscriber, event->revoked_before);
}

/* Each subscriber of the user gets the event, or without one is told to resync. */
static void visit(struct hub *hub, struct hub_user *user, const struct hub_event *event)
{
    struct list waiting;
    struct list *node;
    assert(!user->is_visited);
    user->is_visited = true;
    list_init(&waiting);
    list_move_all(&waiting, &user->subscribers);
    while ((node = list_pop(&waiting)) != NULL) {
        struct hub_subscriber *subscriber = LIST_ENTRY(node, struct hub_subscriber, node);
        list_append(&user->subscribers, node);
        tell(subscriber, event);
    }
    user->is_visited = false;
    free_when_unused(hub, user);
}

static void publish_to(struct hub *hub, struct str user_external_id, const struct hub_event *event)
{
    char room[KEY_SIZE];
    struct str key = make_key(room, event->project_id, user_external_id);
    struct hub_user *user = map_get(&hub->users, key);
    if (user != NULL)
        visit(hub, user, event);
}

void hub_publish(struct hub *hub, const struct hub_event *event)
{
    assert(event->user_external_id.len > 0);
    publish_to(hub, event->user_external_id, event);
    if (hub->project_count > 0)
        publish_to(hub, STR_LIT(""), event);
}

/* All users, or those of one project (0: all projects). */
static void visit_all(struct hub *hub, int32_t project_id, const struct hub_event *event)
{
    struct list waiting;
    struct list *node;
    list_init(&waiting);
    list_move_all(&waiting, &hub->all);
    while ((node = list_pop(&waiting)) != NULL) {
        struct hub_user *user = LIST_ENTRY(node, struct hub_user, node);
        list_append(&hub->all, node);
        if (project_id == 0 || memcmp(user->key, &project_id, sizeof(project_id)) == 0)
            visit(hub, user, event);
    }
}

void hub_resync(struct hub *hub)
{
    visit_all(hub, 0, NULL);
}

void hub_revoke(struct hub *hub, int32_t project_id, struct str user_external_id, int64_t before)
{
    const struct hub_event event = {.project_id = project_id, .revoked_before = before};
    if (user_external_id.len > 0)
        publish_to(hub, user_external_id, &event);
    else
        visit_all(hub, project_id, &event);
}

size_t hub_subscriber_count(const struct hub *hub)
{
    return hub->subscriber_count;
}
