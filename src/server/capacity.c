/* SPDX-License-Identifier: Apache-2.0 */
/* The arithmetic of base/limits.def and of the options that bound the number of connections. */
#include "server/capacity.h"

#include "auth/auth_accepted.h"
#include "base/limits.h"
#include "hub/hub.h"
#include "net/stream.h"
#include "service/order_write.h"

#include <string.h>

#define KIB INT64_C(1024)
#define MIB (KIB * KIB)

/* The structs of one connection, with what malloc adds. */
#define CONNECTION_OVERHEAD (4 * KIB)
/* What OpenSSL holds for one connection while records are on their way in both directions. */
#define TLS_CONNECTION (52 * KIB)
/* What wslay holds while a message comes in. */
#define FRAME_READER (6 * KIB)
/* SQLite's page caches (store/sqlite/sqlite_connection.c): workers read, and the threads of webhooks and of key sets. */
#define READER_CACHE (4 * MIB)
#define OTHER_READERS 2
/* What one commit may bring at most: the bytes that wait for the store thread are all small lines. */
#define GROUP_EVENTS                                                                               \
    ((int64_t)(LIMIT_WRITER_BYTES / (sizeof(struct order_input) + sizeof(struct order_answer))) *  \
     ORDER_EVENTS_MAX)

/*
 * A head, those of its fields that came in several and are joined, input that came after it, a body
 * and an answer. What passes LIMIT_LARGE_BODY comes out of the stock, whatever the options let a body
 * be; a smaller body may be one of settings.
 */
static int64_t http_bytes(const struct http_options *options)
{
    return LIMIT_HTTP_URL + 2 * options->header_bytes + STREAM_READ_SIZE + 2 * LIMIT_LARGE_BODY;
}

static int64_t realtime_bytes(const struct realtime_options *options)
{
    return options->message_bytes + options->queue_bytes + FRAME_READER;
}

static int64_t connection_bytes(const struct config *config)
{
    int64_t http = http_bytes(&config->http);
    int64_t realtime = realtime_bytes(&config->realtime);
    int64_t tls = config->tls.cert_file[0] != '\0' ? TLS_CONNECTION : 0;
    return CONNECTION_OVERHEAD + tls + (http > realtime ? http : realtime);
}

int64_t capacity_of(const struct config *config, int workers,
                    struct capacity_row rows[CAPACITY_ROWS])
{
    const struct capacity_row all[CAPACITY_ROWS] = {
        {"connections", config->http.connections, connection_bytes(config)},
        {"large bodies and answers", 1, LIMIT_LARGE_BYTES},
        {"updates waiting for the store thread", 1, LIMIT_WRITER_BYTES},
        {"events of one commit", GROUP_EVENTS,
         (int64_t)(sizeof(struct hub_event) + sizeof(size_t))},
        {"events waiting for a worker", (int64_t)workers * LIMIT_FEED_EVENTS,
         (int64_t)sizeof(struct hub_event) + LIMIT_USER_EXTERNAL_ID},
        {"commands from other workers", workers, LIMIT_EMULATION_BYTES},
        {"listeners for webhooks", (int64_t)workers * LIMIT_WEBHOOK_LISTENERS,
         LIMIT_WEBHOOK_LISTEN_QUEUE},
        {"webhooks in flight", LIMIT_WEBHOOK_IN_FLIGHT,
         LIMIT_WEBHOOK_BODY + LIMIT_WEBHOOK_RESPONSE + LIMIT_WEBHOOK_HEADERS},
        {"rates of addresses and users", LIMIT_QUOTA_RATES, 16},
        {"tokens that were accepted", workers, (int64_t)auth_accepted_size()},
        {"the store thread's page cache", 1, config->store.cache_bytes},
        {"the page caches of who reads", workers + OTHER_READERS, READER_CACHE},
    };
    int64_t sum = 0;
    memcpy(rows, all, sizeof(all));
    for (size_t i = 0; i < CAPACITY_ROWS; i++)
        sum += rows[i].count * rows[i].bytes;
    return sum;
}
