/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of endpoint_write share: one job while it runs on the store thread. */
#ifndef ORDERWIRE_SERVICE_ENDPOINT_WRITE_INTERNAL_H
#define ORDERWIRE_SERVICE_ENDPOINT_WRITE_INTERNAL_H

#include "base/arena.h"
#include "service/endpoint_write.h"

struct endpoint_step {
    struct endpoint_write *write;
    struct writer_transaction *transaction;
    struct store_endpoint endpoint; /* as it stands, then as it will be; its texts are in `texts` */
    struct arena texts;
};

/* The request is refused by the rules; returns 0, for the job goes on. */
int endpoint_step_refuse(struct endpoint_step *step, enum api_error error, const char *detail);
/* Fills step->endpoint; refuses when the project has no such endpoint. */
NODISCARD int endpoint_step_find(struct endpoint_step *step, int64_t endpoint_id);

/* One for each kind. Returns 0 or the store's error; write->error tells of refusals. */
int endpoint_write_create(struct endpoint_step *step);
int endpoint_write_change(struct endpoint_step *step);
int endpoint_write_delete(struct endpoint_step *step);
int endpoint_write_pause(struct endpoint_step *step);
int endpoint_write_resume(struct endpoint_step *step);
int endpoint_write_rotate(struct endpoint_step *step);
int endpoint_write_example(struct endpoint_step *step);
int endpoint_write_retry(struct endpoint_step *step);
int endpoint_write_replay(struct endpoint_step *step);

#endif
