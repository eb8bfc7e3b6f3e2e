/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which endpoints want what. Every event of every order asks, and most projects have few endpoints,
 * so the answer is kept by project; it is read again after a change, and after a rollback, because
 * it may have been read inside the transaction that was undone.
 */
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "service/delivery.h"
#include "service/writer.h"
#include "webhook/webhook_endpoint.h"

enum { KEPT_PROJECTS = 1024 };

struct target {
    int64_t endpoint_id;
    unsigned statuses; /* bit 1 << enum order_status */
    enum webhook_mode mode;
};

struct project_targets {
    size_t count;
    struct target list[LIMIT_WEBHOOK_ENDPOINTS];
};

struct delivery_targets {
    struct map projects;
};

struct delivery_targets *delivery_targets_new(void)
{
    struct delivery_targets *targets = mem_zalloc(sizeof(*targets));
    map_init(&targets->projects);
    return targets;
}

static void free_one(void *argument, struct str key, void *value)
{
    (void)argument;
    (void)key;
    mem_free(value);
}

static void forget_all(struct delivery_targets *targets)
{
    map_each(&targets->projects, free_one, NULL);
    map_fini(&targets->projects);
    map_init(&targets->projects);
}

void delivery_targets_free(struct delivery_targets **owner)
{
    if (*owner == NULL)
        return;
    forget_all(*owner);
    mem_free(*owner);
    *owner = NULL;
}

static struct str key_of(const int32_t *project_id)
{
    return str_make((const char *)project_id, sizeof(*project_id));
}

void delivery_targets_forget(struct delivery_targets *targets, int32_t project_id)
{
    if (project_id == 0)
        forget_all(targets);
    else
        mem_free(map_remove(&targets->projects, key_of(&project_id)));
}

/* What cannot be read wants everything: its rows wait for an operator, and nothing is lost. */
static struct target target_of(const struct store_endpoint *stored)
{
    struct webhook_endpoint endpoint;
    char error[WEBHOOK_ERROR_SIZE];
    struct target target = {.endpoint_id = stored->endpoint_id};
    if (webhook_endpoint_read(stored, NULL, &endpoint, error) < 0) {
        log_error("a webhook's settings cannot be read", LOG_INT("project_id", stored->project_id),
                  LOG_INT("endpoint_id", stored->endpoint_id), LOG_TEXT("reason", error));
        target.statuses = ~0U;
        return target;
    }
    target.mode = endpoint.mode;
    for (int status = 0; status < ORDER_STATUS_COUNT; status++) {
        if (webhook_endpoint_wants(&endpoint, (enum order_status)status))
            target.statuses |= 1U << status;
    }
    webhook_endpoint_fini(&endpoint);
    return target;
}

static void add_target(void *argument, const struct store_endpoint *stored)
{
    struct project_targets *project = argument;
    project->list[project->count++] = target_of(stored);
}

static int load(struct writer_transaction *transaction, int32_t project_id,
                struct project_targets **loaded)
{
    struct project_targets read = {0};
    struct map *projects = &transaction->targets->projects;
    int rc = store_endpoint_list(transaction->connection, project_id, 0, LIMIT_WEBHOOK_ENDPOINTS,
                                 add_target, &read);
    if (rc < 0)
        return rc;
    if (projects->count >= KEPT_PROJECTS)
        forget_all(transaction->targets);
    size_t size = offsetof(struct project_targets, list) + read.count * sizeof(struct target);
    *loaded = mem_dup(&read, size);
    map_put(projects, key_of(&project_id), *loaded);
    return 0;
}

int delivery_add(struct writer_transaction *transaction, const struct store_order *order,
                 const struct store_event *event)
{
    struct project_targets *project =
        map_get(&transaction->targets->projects, key_of(&order->project_id));
    int rc = project == NULL ? load(transaction, order->project_id, &project) : 0;
    for (size_t i = 0; rc == 0 && i < project->count; i++) {
        const struct target *target = &project->list[i];
        int64_t delivery_id;
        bool waiting = false;
        if ((target->statuses >> event->status & 1U) == 0)
            continue;
        rc = store_delivery_add(transaction->connection, target->endpoint_id, order, event->seq,
                                transaction->now_wall, &delivery_id, &waiting);
        if (rc == 0 && !waiting && target->mode == WEBHOOK_LATEST)
            rc = delivery_give_way(transaction, delivery_id);
        if (waiting)
            writer_poke(transaction, target->endpoint_id);
    }
    return rc;
}
