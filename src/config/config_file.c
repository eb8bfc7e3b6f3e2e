/* SPDX-License-Identifier: Apache-2.0 */
/*
 * YAML files. The event stream of libyaml is enough: nested maps become dotted keys, and each
 * scalar goes the way of a flag, so that a file and a flag can never disagree about a value.
 */
#include "config/config.h"

#include "base/err.h"
#include "base/map.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <yaml.h>

#define DEPTH_MAX 4
#define KEY_MAX 128

struct reader {
    struct config *config;
    const char *path;
    char *error;
    char key[KEY_MAX];         /* the dotted key so far */
    size_t lengths[DEPTH_MAX]; /* of the key at each open map */
    int depth;                 /* open maps */
    bool expects_value;
    struct map seen; /* dotted keys that had their value */
};

static int refuse(struct reader *r, const yaml_mark_t *mark, const char *what)
{
    char sentence[CONFIG_ERROR_SIZE];
    snprintf(sentence, sizeof(sentence), "%s", what);
    snprintf(r->error, CONFIG_ERROR_SIZE, "%.120s:%zu: %.150s", r->path, mark->line + 1, sentence);
    return ERR_INVALID;
}

static int take_key(struct reader *r, const yaml_event_t *event)
{
    size_t length = r->lengths[r->depth - 1];
    size_t more = event->data.scalar.length;
    if (length + more + 2 > KEY_MAX || memchr(event->data.scalar.value, '\0', more) != NULL)
        return refuse(r, &event->start_mark, "the key is too long");
    if (length > 0)
        r->key[length++] = '.';
    memcpy(r->key + length, event->data.scalar.value, more);
    r->key[length + more] = '\0';
    r->expects_value = true;
    return 0;
}

static int take_value(struct reader *r, const yaml_event_t *event)
{
    char cause[CONFIG_ERROR_SIZE];
    struct str value = str_make((const char *)event->data.scalar.value, event->data.scalar.length);
    r->expects_value = false;
    if (map_put(&r->seen, str_from(r->key), r) != NULL) {
        snprintf(cause, sizeof(cause), "%s: it is there twice", r->key);
        return refuse(r, &event->start_mark, cause);
    }
    /* A section of which every line is a comment. */
    if (value.len == 0 && config_is_section(str_from(r->key)))
        return 0;
    if (config_set(r->config, str_from(r->key), value, cause) != 0)
        return refuse(r, &event->start_mark, cause);
    return 0;
}

static int open_map(struct reader *r, const yaml_event_t *event)
{
    if (r->depth == DEPTH_MAX)
        return refuse(r, &event->start_mark, "maps are nested too deeply");
    r->lengths[r->depth] = r->depth == 0 ? 0 : strlen(r->key);
    r->depth++;
    r->expects_value = false;
    return 0;
}

static int take_event(struct reader *r, const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_MAPPING_START_EVENT:
        return open_map(r, event);
    case YAML_MAPPING_END_EVENT:
        r->depth--;
        return 0;
    case YAML_SCALAR_EVENT:
        if (r->depth == 0)
            return event->data.scalar.length == 0
                       ? 0
                       : refuse(r, &event->start_mark, "expected keys and values");
        return r->expects_value ? take_value(r, event) : take_key(r, event);
    case YAML_SEQUENCE_START_EVENT:
    case YAML_ALIAS_EVENT:
        return refuse(
            r, &event->start_mark,
            "expected one value, not a list or an alias (write a list as one text, with commas)");
    default:
        return 0;
    }
}

static int read_events(struct reader *r, yaml_parser_t *parser)
{
    for (bool done = false; !done;) {
        yaml_event_t event;
        if (!yaml_parser_parse(parser, &event))
            return refuse(r, &parser->problem_mark,
                          parser->problem != NULL ? parser->problem : "this is no YAML");
        done = event.type == YAML_STREAM_END_EVENT;
        int result = take_event(r, &event);
        yaml_event_delete(&event);
        if (result != 0)
            return result;
    }
    return 0;
}

int config_load_file(struct config *config, const char *path, char error[CONFIG_ERROR_SIZE])
{
    struct reader r = {.config = config, .path = path, .error = error};
    yaml_parser_t parser;
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        snprintf(error, CONFIG_ERROR_SIZE, "%.200s: %s", path, strerror(errno));
        return ERR_IO;
    }
    int result = ERR_IO;
    map_init(&r.seen);
    if (yaml_parser_initialize(&parser)) {
        yaml_parser_set_input_file(&parser, file);
        result = read_events(&r, &parser);
        yaml_parser_delete(&parser);
    }
    map_fini(&r.seen);
    fclose(file);
    return result;
}
