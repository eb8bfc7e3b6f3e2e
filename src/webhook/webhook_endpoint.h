/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An endpoint's settings and secrets: read from and written to the JSON that the store keeps.
 *
 *   settings {"url","preset":"standard"|"xsolla","statuses":["paid",…],"mode":"all"|"latest","description",
 *             "concurrency","rate","schedule":[5,300,…],"max_age","timeout","ca","client_cert"};
 *            schedule, max_age and timeout in seconds, with or without a fraction
 *   secrets  {"secret","previous","previous_until","client_key"}, sealed under the key file
 */
#ifndef ORDERWIRE_WEBHOOK_WEBHOOK_ENDPOINT_H
#define ORDERWIRE_WEBHOOK_WEBHOOK_ENDPOINT_H

#include "base/limits.h"
#include "codec/address.h"
#include "codec/json.h"
#include "order/order.h"
#include "store/store_webhooks.h"

enum webhook_preset { WEBHOOK_STANDARD, WEBHOOK_XSOLLA };
enum webhook_mode {
    WEBHOOK_ALL,    /* each event is delivered */
    WEBHOOK_LATEST, /* an older event that is not delivered yet gives way to a newer one */
};

struct webhook_endpoint {
    int64_t endpoint_id;
    int32_t project_id;
    enum store_endpoint_state state;
    struct json *settings_document; /* owns the texts below */
    struct json *secrets_document;
    struct str url;
    struct str description;
    enum webhook_preset preset;
    enum webhook_mode mode;
    unsigned statuses;                        /* bit 1 << enum order_status */
    int concurrency;                          /* requests in flight */
    int rate;                                 /* requests a second; 0: no bound */
    int64_t schedule[LIMIT_WEBHOOK_SCHEDULE]; /* ms between attempts */
    int schedule_length;
    int64_t max_age; /* ms that a delivery may be held before it is dead; 0: for ever */
    int64_t timeout; /* ms for one attempt */
    struct str ca, client_cert, client_key; /* PEM, or empty */
    struct str secret;
    struct str
        previous_secrets;   /* a space between two, newest first; signing until previous_until */
    int64_t previous_until; /* wall ms */
};

#define WEBHOOK_ERROR_SIZE 240
#define WEBHOOK_KEY_SIZE 32
#define WEBHOOK_PREVIOUS_MAX 4

/*
 * Reads a stored endpoint. ERR_INVALID, or ERR_DENIED when the key file is not the one the secrets
 * were sealed with; a sentence in `error`. On success the caller calls webhook_endpoint_fini. With
 * a NULL `key` the secrets are not looked at and stay empty.
 */
NODISCARD int webhook_endpoint_read(const struct store_endpoint *stored, const uint8_t *key,
                                    struct webhook_endpoint *endpoint,
                                    char error[WEBHOOK_ERROR_SIZE]);
void webhook_endpoint_fini(struct webhook_endpoint *endpoint);

/*
 * Settings as a merchant gives them: `changes` over `old` (empty for a new endpoint; null removes a
 * member), checked as a whole, appended as JSON. A member "client_key" is moved to `client_key`, a
 * view into `changes`: a NULL pointer when there is none, empty when it is null and so removed.
 * `allowed` are the project's networks: a URL whose host is an address that may not be called is
 * refused, and so are other schemes, credentials, fragments, hosts that are not ASCII, and numbers
 * that pass for addresses. ERR_INVALID or ERR_TOO_LARGE with a sentence that names the field.
 */
NODISCARD int webhook_endpoint_merge(struct str old, const struct json *changes,
                                     const struct address_network *allowed, size_t allowed_count,
                                     struct buf *settings, struct str *client_key,
                                     char error[WEBHOOK_ERROR_SIZE]);

/* The preset that settings have; standard when they cannot be read. */
enum webhook_preset webhook_endpoint_preset(struct str settings);
/*
 * A secret that a merchant gives: "whsec_" and base64 of 24 to 64 bytes; for the xsolla preset 8 to
 * 128 printable ASCII characters. ERR_INVALID with a sentence.
 */
NODISCARD int webhook_endpoint_check_secret(enum webhook_preset preset, struct str secret,
                                            char error[WEBHOOK_ERROR_SIZE]);
/* A new secret: "whsec_" and base64 of 32 random bytes; for the xsolla preset 40 characters. */
void webhook_endpoint_make_secret(enum webhook_preset preset, struct buf *out);
/* Appends the sealed form of secrets; `previous`, as previous_secrets, and `client_key` may be empty. */
void webhook_endpoint_seal(struct str secret, struct str previous, int64_t previous_until,
                           struct str client_key, const uint8_t key[WEBHOOK_KEY_SIZE],
                           struct buf *out);

/* Appends {"id",…settings,"state","state_reason","created_at","updated_at"}: no secret in it. */
void webhook_endpoint_show(const struct store_endpoint *stored, struct buf *out);

/* Whether it wants an event: its statuses, and what its preset has a message for. */
bool webhook_endpoint_wants(const struct webhook_endpoint *endpoint, enum order_status status);

#define WEBHOOK_NETWORKS_MAX 64
/* The networks that a project's settings allow; at most `max`. */
size_t webhook_allowed_networks(struct str project_settings, struct address_network *networks,
                                size_t max);

#endif
