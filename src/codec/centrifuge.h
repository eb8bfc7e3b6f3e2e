/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Centrifuge client protocol, version 2, as structs (centrifuge-protocol.md A). An encoding
 * turns bytes into struct centrifuge_command and the reply structs into bytes; what a command
 * means is realtime/'s business, whatever the encoding.
 *
 * centrifuge.c       the vocabularies
 * centrifuge_json.c  the JSON encodings
 * centrifuge_protobuf.c, centrifuge.proto  the Protobuf encoding
 * centrifuge_data.c  the application's JSON inside both
 */
#ifndef ORDERWIRE_CODEC_CENTRIFUGE_H
#define ORDERWIRE_CODEC_CENTRIFUGE_H

#include "base/buf.h"
#include "base/limits.h"

enum client_error {
    CLIENT_ERROR_NONE = 0,
#define CLIENT_ERROR(name, code, message, temporary) CLIENT_ERROR_##name = (code),
#include "codec/client_errors.def"
};

enum close_code {
    CLOSE_NONE = 0,
#define CLOSE_CODE(name, code, reason, flush, metric) CLOSE_##name = (code),
#include "codec/close_codes.def"
};

const char *centrifuge_error_message(enum client_error error);
bool centrifuge_error_is_temporary(enum client_error error);
const char *centrifuge_close_reason(enum close_code code);
bool centrifuge_close_flushes(enum close_code code);

/* In the order in which the reference server looks for them (A.5.3). */
enum centrifuge_method {
    CENTRIFUGE_CONNECT,
    CENTRIFUGE_SUBSCRIBE,
    CENTRIFUGE_UNSUBSCRIBE,
    CENTRIFUGE_PUBLISH,
    CENTRIFUGE_PRESENCE,
    CENTRIFUGE_PRESENCE_STATS,
    CENTRIFUGE_HISTORY,
    CENTRIFUGE_RPC,
    CENTRIFUGE_SEND,
    CENTRIFUGE_REFRESH,
    CENTRIFUGE_SUB_REFRESH,
    CENTRIFUGE_METHOD_COUNT,
    CENTRIFUGE_PONG = CENTRIFUGE_METHOD_COUNT, /* id 0 and no request: an empty object */
    CENTRIFUGE_NO_METHOD,                      /* an id without a request this server knows */
};

/* The position a client brings for a channel. */
struct centrifuge_position {
    struct str channel;
    bool recover;
    int64_t offset;   /* 0 when absent */
    struct str epoch; /* empty when absent */
};

/* The connect command's `data`, read as {"user_external_id","auth","project_id"}. */
struct centrifuge_credentials {
    struct str auth;             /* empty when absent or null */
    struct str user_external_id; /* empty when absent or null */
    int64_t project_id;          /* 0 when absent; a number, or a string of digits */
    bool malformed;              /* not an object, or a member of the wrong type */
};

struct centrifuge_command {
    uint32_t id;
    enum centrifuge_method method;
    struct str channel; /* subscribe, unsubscribe, publish, presence, history, sub_refresh */
    /* connect */
    struct str token;
    struct centrifuge_credentials credentials;
    struct centrifuge_position positions[LIMIT_REALTIME_SUBS];
    size_t position_count;
    /* history */
    int64_t limit; /* 0 when absent; negative means all */
    bool has_since;
    int64_t since_offset;
    struct str since_epoch;
    bool reverse;
};

/* One publication of an order. */
struct centrifuge_publication {
    int32_t order_id;
    const char *status;
    int32_t offset; /* 0: none, the client's position stays (design 2.3) */
};

struct centrifuge_connect_reply {
    struct str client;
    struct str version;
    struct str channel;
    struct str epoch;
    int32_t offset;
    bool was_recovering;
    bool recovered;
    const struct centrifuge_publication *publications; /* only when recovered */
    size_t publication_count;
    int ping_seconds; /* 0: omitted, and `pong` too */
    /* What the client names in each POST to /emulation; empty: omitted. */
    struct str session;
    struct str node;
};

struct centrifuge_history_reply {
    const struct centrifuge_publication *publications;
    size_t publication_count;
    int32_t offset; /* the stream's top */
    struct str epoch;
};

/* A POST to /emulation: commands for a session whose transport carries nothing upwards. */
struct centrifuge_emulation {
    struct str session; /* empty when absent */
    struct str node;    /* empty when absent */
    struct str data;    /* a message as next_command takes it */
};

/* One encoding: how messages are cut into commands, and how replies are written. */
struct centrifuge_encoding {
    const char *name; /* "json" */
    bool binary;      /* the WebSocket opcode of what we send */
    /*
     * The client says who it is and nothing after that, pongs neither; pushes stand alone, not in
     * replies. Functions below that are not for it are NULL: history, unsubscribe, error, emulation.
     */
    bool one_way;
    /*
     * Takes the next command out of `*rest` (a whole WebSocket message at first) and gives it to
     * `handle` while its views are valid. Returns what `handle` returned, ERR_INVALID when
     * malformed (an empty message too), ERR_TOO_LARGE over LIMIT_REALTIME_COMMAND or
     * LIMIT_REALTIME_SUBS, ERR_NOT_FOUND when `*rest` was empty with a NULL pointer, as the last
     * command leaves it.
     */
    int (*next_command)(struct str *rest,
                        int (*handle)(void *argument, const struct centrifuge_command *command),
                        void *argument);
    /* Each writes one whole message that may travel alone in a frame. */
    void (*write_connect)(struct buf *out, uint32_t id,
                          const struct centrifuge_connect_reply *reply);
    void (*write_history)(struct buf *out, uint32_t id,
                          const struct centrifuge_history_reply *reply);
    void (*write_unsubscribe)(struct buf *out, uint32_t id);
    void (*write_error)(struct buf *out, uint32_t id, enum client_error error);
    void (*write_publication)(struct buf *out, struct str channel,
                              const struct centrifuge_publication *publication);
    void (*write_ping)(struct buf *out);
    /* The close code as a message, for transports that have no other way to tell it. */
    void (*write_disconnect)(struct buf *out, enum close_code code);
    /*
     * Reads the body of a POST to /emulation and gives it to `handle` while its views are valid.
     * ERR_INVALID, or what `handle` returned.
     */
    int (*read_emulation)(struct str body,
                          int (*handle)(void *argument, const struct centrifuge_emulation *request),
                          void *argument);
};

extern const struct centrifuge_encoding centrifuge_json;
/* Unidirectional, its first message is the connect command's request alone: {"data":{…}}. */
extern const struct centrifuge_encoding centrifuge_json_one_way;
extern const struct centrifuge_encoding centrifuge_protobuf;
/*
 * Not Centrifuge's: the application's JSON alone, {"order_id":…,"status":…}, as the older socket of
 * xsolla-sdks.md 1.11 wants it. Clients say nothing, and are told nothing else: only
 * write_publication is there.
 */
extern const struct centrifuge_encoding centrifuge_status;

#endif
