/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A project's settings; one thread at a time may use them, as the keys in them. They are one JSON
 * object in the store:
 *
 *   {"name":"My shop","strict":false,"user_token_secret":"…","webhook_secret":"…",
 *    "webhook_allow_cidrs":["127.0.0.0/8"],"legacy_socket":false,"allowed_origins":["https://shop.example"],
 *    "verifiers":[{"type":"hs256","secret":"…"}, {"type":"hs384",…}, {"type":"hs512",…},
 *                 {"type":"jwks","keys":[…]}, {"type":"jwks_file","path":"/etc/orderwire/login.json"},
 *                 {"type":"jwks_url","url":"https://…","refresh":600,"ca":"-----BEGIN…"}]}
 *
 * A verifier may also have "user_claim" ("sub" or "user_external_id" or another name; by default
 * `sub`, else `user_external_id`) and "require", an object of claims and the values they must have;
 * a claim that is an array must hold the value.
 * user_token_secret is a verifier (hs256) too, and so is previous_user_token_secret until
 * previous_user_token_secret_until. Who rotates again before that moves it to
 * "earlier_user_token_secrets":[{"secret":"…","until":"…"}], where each serves until its own end.
 */
#ifndef ORDERWIRE_AUTH_AUTH_SETTINGS_H
#define ORDERWIRE_AUTH_AUTH_SETTINGS_H

#include "codec/address.h"
#include "codec/json.h"
#include "codec/jwt.h"

/* Opaque types. */
struct auth_remote;

struct auth_verifier {
    struct jwks keys;           /* of a secret: one; of jwks_url: none */
    bool is_unread;             /* none, because their file cannot be read now */
    struct str url;             /* empty but for jwks_url */
    struct str ca;              /* PEM; empty: the system's */
    int64_t refresh;            /* ms */
    struct auth_remote *remote; /* the url's keys; auth.c makes and frees it */
    int64_t until;              /* wall ms; accepts nothing from then on. INT64_MAX: no end */
    struct str user_claim;      /* empty: sub, else user_external_id */
    const struct json *require; /* an object, or NULL */
};

/* Of user_token_secret: four, as of a webhook's secret. */
#define AUTH_PREVIOUS_MAX 4

struct auth_previous_secret {
    struct str secret;
    int64_t until; /* wall ms */
};

struct auth_settings {
    struct json *document; /* owns the texts */
    struct str name;
    bool strict;
    bool legacy_socket;                 /* /sub/order/status tells anyone the status of an order */
    const struct json *allowed_origins; /* an array of origin.h's entries; NULL: any */
    struct str user_token_secret;
    struct auth_previous_secret previous[AUTH_PREVIOUS_MAX]; /* that serve too; newest first */
    size_t previous_count;
    struct str webhook_secret;
    struct address_network *networks; /* webhook_allow_cidrs */
    size_t network_count;
    struct auth_verifier *verifiers; /* those of user_token_secret first */
    size_t verifier_count;
};

#define AUTH_SETTINGS_ERROR_SIZE 240

/*
 * Reads settings. ERR_INVALID with a sentence in `error`; a JWKS file that cannot be read is an
 * error as well.
 */
NODISCARD int auth_settings_read(struct str text, struct auth_settings *settings,
                                 char error[AUTH_SETTINGS_ERROR_SIZE]);
/*
 * Settings that were accepted before: a JWKS file that cannot be read now is logged and leaves its
 * verifier unread, without keys. ERR_CORRUPT, logged.
 */
NODISCARD int auth_settings_read_stored(struct str text, struct auth_settings *settings);
void auth_settings_fini(struct auth_settings *settings);

/*
 * Appends `text` with the members of `changes` replaced (null removes one), after checking the
 * result by auth_settings_read. ERR_INVALID or ERR_TOO_LARGE (LIMIT_SETTINGS) with a sentence.
 */
NODISCARD int auth_settings_merge(struct str text, const struct json *changes, struct buf *out,
                                  char error[AUTH_SETTINGS_ERROR_SIZE]);

/*
 * Appends the settings as they may be shown: every secret is left out. What is known of keys that
 * are fetched is shown for settings that auth_project gave.
 */
void auth_settings_show(const struct auth_settings *settings, struct buf *out);

#endif
