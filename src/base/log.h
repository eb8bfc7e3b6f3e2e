/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Structured log lines to standard error: time, level, message, fields; text for a terminal,
 * JSON by option. Any thread may log. Values are escaped, so that no input can forge a line.
 * Secrets (tokens, keys, Authorization headers, query strings) are never passed to these functions.
 */
#ifndef ORDERWIRE_BASE_LOG_H
#define ORDERWIRE_BASE_LOG_H

#include "base/str.h"

enum log_level {
    LOG_LEVEL_DEBUG,
    LOG_LEVEL_INFO,
    LOG_LEVEL_WARNING,
    LOG_LEVEL_ERROR,
    LOG_LEVEL_AUDIT, /* the record of what operators and merchants did: never left out */
};
enum log_format { LOG_FORMAT_TEXT, LOG_FORMAT_JSON };

struct log_field {
    const char *name; /* NULL ends the list */
    enum { LOG_FIELD_STR, LOG_FIELD_INT } kind;
    struct str text;
    int64_t number;
};

#define LOG_STR(field_name, value)                                                                 \
    {                                                                                              \
        .name = (field_name), .kind = LOG_FIELD_STR, .text = (value)                               \
    }
#define LOG_TEXT(field_name, value) LOG_STR(field_name, str_from(value))
#define LOG_INT(field_name, value)                                                                 \
    {                                                                                              \
        .name = (field_name), .kind = LOG_FIELD_INT, .number = (value)                             \
    }

/* log_info("order applied", LOG_INT("order_id", 1), LOG_TEXT("status", "paid")); */
#define log_debug(...) LOG_WRITE(LOG_LEVEL_DEBUG, __VA_ARGS__, {0})
#define log_info(...) LOG_WRITE(LOG_LEVEL_INFO, __VA_ARGS__, {0})
#define log_warning(...) LOG_WRITE(LOG_LEVEL_WARNING, __VA_ARGS__, {0})
#define log_error(...) LOG_WRITE(LOG_LEVEL_ERROR, __VA_ARGS__, {0})
/*
 * log_audit("key.create", LOG_TEXT("who", "admin"), ...): a line of level "audit", and the same as JSON
 * in the audit file.
 */
#define log_audit(...) LOG_WRITE(LOG_LEVEL_AUDIT, __VA_ARGS__, {0})
#define LOG_WRITE(level, message, ...)                                                             \
    log_write(level, message, (const struct log_field[]){__VA_ARGS__})

/* Before other threads start; level alone may change later. Default: info, text. */
void log_setup(enum log_level minimum, enum log_format format);
void log_set_level(enum log_level minimum);
/* Tests only: where lines go instead of standard error; -1 for standard error. */
void log_set_fd(int fd);

/*
 * Opens the audit file, made with mode 0600, to append to; or opens it anew, after somebody moved it.
 * With `alone` audit lines go there and not to the log. ERR_IO, errno says why.
 */
NODISCARD int log_audit_open(const char *path, bool alone);
/* What was written to it so far is on disk. */
void log_audit_sync(void);
/* No thread logs any more. */
void log_audit_close(void);

void log_write(enum log_level level, const char *message, const struct log_field *fields);

#endif
