/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configuration: defaults, then a YAML file, then ORDERWIRE_* of the environment, then flags.
 * It fills the options structs that the modules declare; config/options.def has one row an option.
 *
 * config.c       the table, values from text, printing
 * config_file.c  YAML on libyaml, which no other folder sees
 */
#ifndef ORDERWIRE_CONFIG_CONFIG_H
#define ORDERWIRE_CONFIG_CONFIG_H

#include "net/tls.h"
#include "realtime/realtime.h"
#include "service/service.h"
#include "store/store.h"
#include "webhook/webhook.h"

struct config {
    char *data;
    char *listen;
    char *listen_private;
    char *listen_redirect;
    int64_t redirect_port;
    int64_t workers;
    int64_t drain_time; /* ms */
    bool core_dumps;
    char *log_level;
    char *log_format;
    char *proxy_trusted;
    bool proxy_protocol;
    char *proxy_field;              /* as choices spell it */
    struct forwarded_trust proxies; /* what these two say, by config_check */
    struct tls_options tls;
    struct http_options http;
    struct realtime_options realtime;
    struct service_options service;
    struct webhook_options webhook;
    struct store_options store; /* .directory is a view of `data` */
};

#define CONFIG_ERROR_SIZE 300

/* All defaults. */
void config_init(struct config *config);
void config_fini(struct config *config);

/* Sets one option from text. ERR_INVALID with a sentence; an unknown key names the nearest known.
 */
NODISCARD int config_set(struct config *config, struct str key, struct str value,
                         char error[CONFIG_ERROR_SIZE]);
/* Whether options have names that begin with this and a dot. */
bool config_is_section(struct str name);
/* "key=value", as --set takes it. */
NODISCARD int config_set_pair(struct config *config, const char *pair,
                              char error[CONFIG_ERROR_SIZE]);
/* Nested maps of the file are the dots of the keys. ERR_INVALID or ERR_IO, naming file and line. */
NODISCARD int config_load_file(struct config *config, const char *path,
                               char error[CONFIG_ERROR_SIZE]);
/* An unknown ORDERWIRE_ variable is only warned of: others set such names too. */
NODISCARD int config_load_environment(struct config *config, char error[CONFIG_ERROR_SIZE]);
/* What options demand of each other. Call it after the last source. */
NODISCARD int config_check(struct config *config, char error[CONFIG_ERROR_SIZE]);

/* Copies what SIGHUP reloads; the log tells which other options have changed. */
void config_reload(struct config *live, const struct config *fresh);
/* Appends "key: value" lines in the form of the file, every option; `json`: one object. */
void config_print(const struct config *config, bool json, struct buf *out);

/* "250ms", "5s", "5m", "24h", "7d": a whole number and a unit, in ms. */
NODISCARD bool config_parse_duration(struct str text, int64_t *ms);

#endif
