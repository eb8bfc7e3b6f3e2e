/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Revocations. Workers look for them only in projects that have any; so the first one of a project
 * counts as a change of the project, and all later ones cost the others nothing.
 */
#include "service/revocation_write.h"

#include "base/mem.h"
#include "service/service.h"
#include "store/store.h"

struct revocation_write *revocation_write_new(struct service *service, int32_t project_id)
{
    struct revocation_write *write = mem_zalloc(sizeof(*write));
    write->service = service;
    write->project_id = project_id;
    return write;
}

static int run(struct writer_job *job, struct writer_transaction *transaction)
{
    struct revocation_write *write = CONTAINER_OF(job, struct revocation_write, job);
    struct str user = str_from(write->user_external_id);
    bool any;
    int rc = store_revocation_any(transaction->connection, write->project_id, &any);
    if (write->before == 0)
        write->before = transaction->now_wall;
    if (rc == 0)
        rc = store_revocation_put(transaction->connection, write->project_id, user, write->before);
    if (rc == 0)
        rc = store_revocation_get(transaction->connection, write->project_id, user, &write->before);
    if (rc < 0)
        return rc;
    if (!any)
        writer_project_changed(transaction);
    writer_revoke(transaction, write->project_id, user, write->before);
    return 0;
}

static void done(struct writer_job *job)
{
    struct revocation_write *write = CONTAINER_OF(job, struct revocation_write, job);
    write->done(write);
}

int revocation_write_submit(struct revocation_write *write)
{
    struct writer_job *job = &write->job;
    job->loop = write->service->loop;
    job->bytes = sizeof(*write);
    job->run = run;
    job->done = done;
    return writer_submit(write->service->writer, job);
}
