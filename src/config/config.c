/* SPDX-License-Identifier: Apache-2.0 */
/* Options from text to fields, by the one table of options.def. */
#include "config/config.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "codec/json.h"

#include <stdio.h>
#include <string.h>

/* The longest value of an option. */
#define PRINTED_MAX 65536
/* Two numbers with their units, and some words. */
#define RANGE_SIZE 80

enum option_kind { KIND_TEXT, KIND_INT, KIND_DURATION, KIND_SIZE, KIND_BOOL, KIND_CHOICE };

struct option {
    const char *key;
    enum option_kind kind;
    size_t offset;
    const char *value; /* the default */
    int64_t min;
    int64_t max;
    bool reloadable;
    const char *sentence; /* for a choice it begins with the words that are allowed */
};

static const struct option options[] = {
#define OPTION(key, kind, field, value, min, max, reloadable, sentence)                            \
    {key, KIND_##kind, offsetof(struct config, field), value, min, max, reloadable, sentence},
#include "config/options.def"
};

static const char *const choices[][5] = {
    {"log.level", "debug", "info", "warning", "error"},
    {"log.format", "auto", "text", "json", NULL},
    {"proxy.header", "x-forwarded-for", "forwarded", NULL, NULL},
};

static void *field_of(const struct config *config, const struct option *option)
{
    return (char *)config + option->offset;
}

static const struct option *find(struct str key)
{
    for (size_t i = 0; i < ARRAY_LENGTH(options); i++)
        if (str_equal_text(key, options[i].key))
            return &options[i];
    return NULL;
}

bool config_is_section(struct str name)
{
    for (size_t i = 0; i < ARRAY_LENGTH(options); i++)
        if (name.len > 0 && str_starts_with(str_from(options[i].key), name) &&
            options[i].key[name.len] == '.')
            return true;
    return false;
}

static const char *nearest(struct str key)
{
    struct str_nearest nearest = {key, str_from(options[0].key), SIZE_MAX};
    for (size_t i = 0; i < ARRAY_LENGTH(options); i++)
        str_nearest_offer(&nearest, str_from(options[i].key));
    return nearest.name.ptr;
}

struct unit {
    const char *name;
    int64_t factor;
};

/* The largest unit comes first. */
static const struct unit times[] = {{"d", CLOCK_DAY},    {"h", CLOCK_HOUR}, {"m", CLOCK_MINUTE},
                                    {"s", CLOCK_SECOND}, {"ms", 1},         {NULL, 0}};
static const struct unit sizes[] = {{"MiB", 1024 * 1024}, {"KiB", 1024}, {"", 1}, {NULL, 0}};

/* A whole number and a unit; 0 needs none. */
static bool parse_scaled(struct str text, const struct unit *units, int64_t *value)
{
    size_t digits = 0;
    while (digits < text.len && text.ptr[digits] >= '0' && text.ptr[digits] <= '9')
        digits++;
    struct str name = str_make(text.ptr + digits, text.len - digits);
    int64_t number;
    if (!str_to_int64(str_make(text.ptr, digits), 0, INT64_MAX / units->factor, &number))
        return false;
    *value = 0;
    if (number == 0 && name.len == 0)
        return true;
    while (units->name != NULL && !str_equal_text(name, units->name))
        units++;
    *value = number * units->factor;
    return units->name != NULL;
}

/* In the largest unit that it is a whole number of. */
static void print_scaled(struct buf *out, const struct unit *units, int64_t value)
{
    while (units->factor > 1 && (value < units->factor || value % units->factor != 0))
        units++;
    buf_append_int(out, value / units->factor);
    buf_append_text(out, value == 0 ? "" : units->name);
}

bool config_parse_duration(struct str text, int64_t *ms)
{
    return parse_scaled(text, times, ms);
}

static bool parse_number(const struct option *option, struct str text, int64_t *number)
{
    if (option->kind == KIND_INT)
        return str_to_int64(text, INT64_MIN, INT64_MAX, number);
    return parse_scaled(text, option->kind == KIND_SIZE ? sizes : times, number);
}

static void print_number(const struct option *option, int64_t number, struct buf *out)
{
    if (option->kind == KIND_INT)
        buf_append_int(out, number);
    else
        print_scaled(out, option->kind == KIND_SIZE ? sizes : times, number);
}

static bool is_choice(const struct option *option, struct str value)
{
    for (size_t i = 0; i < ARRAY_LENGTH(choices); i++) {
        if (strcmp(choices[i][0], option->key) != 0)
            continue;
        for (size_t j = 1; j < ARRAY_LENGTH(choices[i]); j++)
            if (choices[i][j] != NULL && str_equal_text(value, choices[i][j]))
                return true;
    }
    return false;
}

static void set_text(char **field, struct str value)
{
    mem_free(*field);
    *field = mem_strndup(value.ptr, value.len);
}

static int fail(char *error, struct str key, const char *expected)
{
    snprintf(error, CONFIG_ERROR_SIZE, "%.*s: expected %s", STR_ARG(key), expected);
    return ERR_INVALID;
}

static int fail_range(char *error, const struct option *option)
{
    char text[RANGE_SIZE];
    struct buf range = {.ptr = text, .capacity = sizeof(text), .max = sizeof(text)};
    buf_append_text(&range, "a value from ");
    print_number(option, option->min, &range);
    buf_append_text(&range, " to ");
    print_number(option, option->max, &range);
    buf_append_byte(&range, '\0');
    return fail(error, str_from(option->key), text);
}

static int set_number(struct config *config, const struct option *option, struct str value,
                      char *error)
{
    static const char *const expected[] = {
        [KIND_INT] = "a whole number",
        [KIND_DURATION] = "a duration such as 250ms, 5s, 5m, 24h or 7d",
        [KIND_SIZE] = "a size such as 65536, 64KiB or 2MiB",
    };
    int64_t number;
    if (!parse_number(option, value, &number))
        return fail(error, str_from(option->key), expected[option->kind]);
    if (number < option->min || number > option->max)
        return fail_range(error, option);
    *(int64_t *)field_of(config, option) = number;
    return 0;
}

static int fail_text(char *error, const struct option *option)
{
    char expected[80];
    snprintf(expected, sizeof(expected), "a text of %lld to %lld bytes without control characters",
             (long long)option->min, (long long)option->max);
    return fail(error, str_from(option->key), expected);
}

static int set_option(struct config *config, const struct option *option, struct str value,
                      char *error)
{
    struct str key = str_from(option->key);
    switch (option->kind) {
    case KIND_INT:
    case KIND_DURATION:
    case KIND_SIZE:
        return set_number(config, option, value, error);
    case KIND_BOOL:
        if (!str_equal_text(value, "true") && !str_equal_text(value, "false"))
            return fail(error, key, "true or false");
        *(bool *)field_of(config, option) = str_equal_text(value, "true");
        return 0;
    case KIND_CHOICE:
        if (!is_choice(option, value))
            return fail(error, key, option->sentence);
        set_text(field_of(config, option), value);
        return 0;
    case KIND_TEXT:
        if ((int64_t)value.len < option->min || (int64_t)value.len > option->max ||
            str_has_control(value))
            return fail_text(error, option);
        set_text(field_of(config, option), value);
        return 0;
    }
    return ERR_INVALID;
}

void config_init(struct config *config)
{
    char error[CONFIG_ERROR_SIZE];
    memset(config, 0, sizeof(*config));
    for (size_t i = 0; i < ARRAY_LENGTH(options); i++) {
        if (set_option(config, &options[i], str_from(options[i].value), error) != 0)
            log_error("default of an option is not valid", LOG_TEXT("cause", error));
    }
    config->store.directory = config->data;
}

void config_fini(struct config *config)
{
    for (size_t i = 0; i < ARRAY_LENGTH(options); i++) {
        if (options[i].kind == KIND_TEXT || options[i].kind == KIND_CHOICE) {
            char **field = field_of(config, &options[i]);
            mem_free(*field);
            *field = NULL;
        }
    }
}

int config_set(struct config *config, struct str key, struct str value,
               char error[CONFIG_ERROR_SIZE])
{
    const struct option *option = find(key);
    if (option == NULL) {
        snprintf(error, CONFIG_ERROR_SIZE, "%.*s: there is no such option; did you mean %s?",
                 (int)(key.len < 80 ? key.len : 80), key.ptr, nearest(key));
        return ERR_INVALID;
    }
    int result = set_option(config, option, value, error);
    config->store.directory = config->data;
    return result;
}

int config_set_pair(struct config *config, const char *pair, char error[CONFIG_ERROR_SIZE])
{
    struct str rest = str_from(pair);
    struct str key;
    if (!str_split(&rest, '=', &key) || rest.ptr == NULL) {
        snprintf(error, CONFIG_ERROR_SIZE, "--set: expected KEY=VALUE: %.80s", pair);
        return ERR_INVALID;
    }
    return config_set(config, key, rest, error);
}

#define ENVIRONMENT_PREFIX "ORDERWIRE_"

#define VARIABLE_SIZE 80

/* "realtime.ping_interval" in the environment is ORDERWIRE_REALTIME_PING_INTERVAL. */
static void name_variable(const struct option *option, char name[VARIABLE_SIZE])
{
    snprintf(name, VARIABLE_SIZE, ENVIRONMENT_PREFIX "%s", option->key);
    for (char *c = name + sizeof(ENVIRONMENT_PREFIX) - 1; *c != '\0'; c++) {
        if (*c == '.')
            *c = '_';
        else if (*c >= 'a' && *c <= 'z')
            *c = (char)(*c - 'a' + 'A');
    }
}

static const struct option *find_variable(struct str name)
{
    char variable[VARIABLE_SIZE];
    for (size_t i = 0; i < ARRAY_LENGTH(options); i++) {
        name_variable(&options[i], variable);
        if (str_equal_text(name, variable))
            return &options[i];
    }
    return NULL;
}

/* A variable that belongs to nobody is perhaps an option misspelt. */
static void warn_of_variable(struct str name)
{
    static const char *const others[] = {"ADMIN_KEY", "API_KEY", "SERVER", "CA",   "CONFIG",
                                         "BINARY",    "FAULT",   "LOAD",   "SEED", "SHORT"};
    struct str rest = str_make(name.ptr + sizeof(ENVIRONMENT_PREFIX) - 1,
                               name.len - (sizeof(ENVIRONMENT_PREFIX) - 1));
    char variable[VARIABLE_SIZE];
    char best[VARIABLE_SIZE] = "";
    size_t best_distance = SIZE_MAX;
    for (size_t i = 0; i < ARRAY_LENGTH(others); i++)
        if (str_equal_text(rest, others[i]))
            return;
    for (size_t i = 0; i < ARRAY_LENGTH(options); i++) {
        name_variable(&options[i], variable);
        size_t distance = str_distance(name, str_from(variable));
        if (distance < best_distance) {
            best_distance = distance;
            memcpy(best, variable, sizeof(best));
        }
    }
    log_warning("environment variable is no option", LOG_STR("name", name),
                LOG_TEXT(best[0] != '\0' ? "nearest" : NULL, best));
}

int config_load_environment(struct config *config, char error[CONFIG_ERROR_SIZE])
{
    for (char **entry = environ; *entry != NULL; entry++) {
        struct str value = str_from(*entry);
        struct str name;
        if (!str_starts_with(value, STR_LIT(ENVIRONMENT_PREFIX)) ||
            !str_split(&value, '=', &name) || value.ptr == NULL)
            continue;
        const struct option *option = find_variable(name);
        if (option == NULL)
            warn_of_variable(name);
        else if (set_option(config, option, value, error) != 0)
            return ERR_INVALID;
    }
    config->store.directory = config->data;
    return 0;
}

static int check_proxies(struct config *config, char *error)
{
    struct forwarded_trust *trust = &config->proxies;
    struct str word;
    int result = forwarded_trust_parse(str_from(config->proxy_trusted), trust, &word);
    trust->field = strcmp(config->proxy_field, "forwarded") == 0 ? "forwarded" : "x-forwarded-for";
    if (result == 0 && config->proxy_protocol && trust->count == 0 && !trust->unix_sockets)
        return fail(error, STR_LIT("proxy.trusted"), "networks of proxies for proxy.protocol");
    if (result == 0)
        return 0;
    int shown = (int)(word.len < 60 ? word.len : 60);
    if (result == ERR_TOO_LARGE)
        snprintf(error, CONFIG_ERROR_SIZE, "proxy.trusted: more than %d networks",
                 LIMIT_PROXY_NETWORKS);
    else if (result == ERR_UNSUPPORTED)
        snprintf(
            error, CONFIG_ERROR_SIZE,
            "proxy.trusted: \"%.*s\": the bits behind its prefix must be zero, as in 10.0.0.0/8",
            shown, word.ptr);
    else
        snprintf(
            error, CONFIG_ERROR_SIZE,
            "proxy.trusted: \"%.*s\" is no network such as 10.0.0.0/8, no address and not unix",
            shown, word.ptr);
    return ERR_INVALID;
}

int config_check(struct config *config, char error[CONFIG_ERROR_SIZE])
{
    int32_t project_id;
    struct str user;
    struct str insecure = str_from(config->realtime.insecure_user);
    if (insecure.len > 0 && !realtime_parse_user(insecure, &project_id, &user))
        return fail(error, STR_LIT("realtime.insecure_user"), "PROJECT/USER, such as 77640/u1");
    if (config->realtime.pong_timeout >= config->realtime.ping_interval)
        return fail(error, STR_LIT("realtime.pong_timeout"),
                    "less than realtime.ping_interval, so that one ping waits at a time");
    if ((config->tls.cert_file[0] == '\0') != (config->tls.key_file[0] == '\0'))
        return fail(error, STR_LIT("tls.cert_file"), "together with tls.key_file");
    if (config->tls.more[0] != '\0' && config->tls.cert_file[0] == '\0')
        return fail(error, STR_LIT("tls.more"), "tls.cert_file and tls.key_file as well");
    return check_proxies(config, error);
}

static void print_value(const struct config *config, const struct option *option, struct buf *out)
{
    const void *field = field_of(config, option);
    int64_t number, usual;
    switch (option->kind) {
    case KIND_INT:
    case KIND_DURATION:
    case KIND_SIZE:
        number = *(const int64_t *)field;
        /* A default is written as the documents have it: 24h, and not 1d. */
        if (parse_number(option, str_from(option->value), &usual) && number == usual)
            buf_append_text(out, option->value);
        else
            print_number(option, number, out);
        break;
    case KIND_BOOL:
        buf_append_text(out, *(const bool *)field ? "true" : "false");
        break;
    case KIND_TEXT:
    case KIND_CHOICE:
        buf_append_text(out, *(char *const *)field);
        break;
    }
}

/* An operator who changed it would otherwise wait for what does not come. */
static void warn_of_restart(const struct config *live, const struct config *fresh,
                            const struct option *option)
{
    struct buf old, new;
    buf_init(&old, PRINTED_MAX);
    buf_init(&new, PRINTED_MAX);
    print_value(live, option, &old);
    print_value(fresh, option, &new);
    if (!str_equal(buf_view(&old), buf_view(&new)))
        log_warning("option takes effect at the next start", LOG_TEXT("option", option->key));
    buf_fini(&old);
    buf_fini(&new);
}

void config_reload(struct config *live, const struct config *fresh)
{
    for (size_t i = 0; i < ARRAY_LENGTH(options); i++) {
        const struct option *option = &options[i];
        if (!option->reloadable)
            warn_of_restart(live, fresh, option);
        else if (option->kind == KIND_BOOL)
            *(bool *)field_of(live, option) = *(bool *)field_of(fresh, option);
        else if (option->kind != KIND_TEXT && option->kind != KIND_CHOICE)
            *(int64_t *)field_of(live, option) = *(int64_t *)field_of(fresh, option);
        else
            set_text(field_of(live, option), str_from(*(char **)field_of(fresh, option)));
    }
    live->proxies = fresh->proxies;
}

void config_print(const struct config *config, bool json, struct buf *out)
{
    if (json)
        buf_append_byte(out, '{');
    for (size_t i = 0; i < ARRAY_LENGTH(options); i++) {
        struct buf value;
        buf_init(&value, PRINTED_MAX);
        print_value(config, &options[i], &value);
        if (json)
            json_write_text(out, options[i].key, buf_view(&value));
        else
            buf_printf(out, "%s: %.*s\n", options[i].key, (int)value.len, value.ptr);
        buf_fini(&value);
    }
    if (json)
        buf_append_text(out, "}\n");
}
