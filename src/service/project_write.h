/* SPDX-License-Identifier: Apache-2.0 */
/* Projects and keys changed, as jobs of the store thread. */
#ifndef ORDERWIRE_SERVICE_PROJECT_WRITE_H
#define ORDERWIRE_SERVICE_PROJECT_WRITE_H

#include "base/buf.h"
#include "codec/api_error.h"
#include "service/writer.h"

/* Opaque types. */
struct service;

enum project_write_kind {
    PROJECT_CREATE, /* a new project with its first key and its secrets */
    PROJECT_CHANGE, /* settings merged */
    PROJECT_ROTATE, /* a new user_token_secret; the old one serves too until `overlap` has passed */
    PROJECT_ADD_KEY, /* a key for the project, or for all projects of its merchant */
    PROJECT_DELETE_KEY,
};

struct project_write {
    struct writer_job job;
    struct service *service;
    enum project_write_kind kind;
    int32_t project_id;
    int32_t merchant_id; /* create; 0: the same number as the project */
    bool merchant_wide;  /* add key */
    struct buf settings; /* create and change: a JSON object of members to set */
    int64_t overlap;     /* rotate: ms; 0: all old ones end at once */
    char label[64];      /* add key */
    char key_id[16];     /* delete key; add key: the new one's */
    /* The answer. */
    enum api_error error;                      /* NONE: done */
    char detail[240];                          /* a sentence, or "" */
    struct buf answer;                         /* JSON; secrets are in it, this once */
    void (*done)(struct project_write *write); /* calls project_write_free */
    void *argument;
};

struct project_write *project_write_new(struct service *service, enum project_write_kind kind,
                                        int32_t project_id);
void project_write_free(struct project_write **write);
NODISCARD int project_write_submit(struct project_write *write);

/* Look-ups on the worker's connection. Secrets are never shown. */
NODISCARD int project_read(struct service *service, int32_t project_id, struct buf *out);
NODISCARD int project_read_list(struct service *service, int32_t after, struct buf *out);
NODISCARD int project_read_keys(struct service *service, int32_t project_id, struct buf *out);

#endif
