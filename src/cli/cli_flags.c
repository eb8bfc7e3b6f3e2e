/* SPDX-License-Identifier: Apache-2.0 */
/* Flags and positional arguments, read against the command's table: "--flag value", "--flag=value".
 */
#include "cli/cli_internal.h"

#include "cli/cli_escape.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SENTENCE_SIZE 1000

/* What it quotes came from anybody, and of any length. */
static void say(const char *before, const char *format, va_list list, const char *after)
{
    char text[SENTENCE_SIZE];
    struct buf line;
    size_t length = (size_t)vsnprintf(text, sizeof(text), format, list);
    bool is_cut = length >= sizeof(text);
    if (is_cut)
        length = sizeof(text) - 1;
    /* Perhaps half a character. */
    while (is_cut && length > 0 && (unsigned char)text[length - 1] >= 0x80)
        length--;
    buf_init(&line, SENTENCE_SIZE * sizeof("\\x00"));
    cli_escape(str_make(text, length), &line);
    fprintf(stderr, "%s%.*s%s%s\n", before, STR_ARG(buf_view(&line)), is_cut ? "..." : "", after);
    buf_fini(&line);
}

int cli_fail(const char *format, ...)
{
    va_list list;
    va_start(list, format);
    say("orderwire: ", format, list, "");
    va_end(list);
    return CLI_FAILED;
}

void cli_hint(const char *format, ...)
{
    va_list list;
    va_start(list, format);
    say("(", format, list, ")");
    va_end(list);
}

int cli_usage(const struct cli_arguments *arguments, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    say("orderwire: ", format, list, "");
    fprintf(stderr, "See: orderwire %s --help\n", arguments->command->name);
    va_end(list);
    return CLI_USAGE;
}

/* What is farther from a word than this, or than half of it, was not meant by it. */
#define MISTAKES_MAX 3

struct str_nearest cli_nearest(struct str word)
{
    size_t mistakes = word.len / 2 < MISTAKES_MAX ? word.len / 2 : MISTAKES_MAX;
    return (struct str_nearest){.word = word, .distance = mistakes + 1};
}

static int refuse_flag(const struct cli_arguments *arguments, struct str name)
{
    struct str_nearest nearest = cli_nearest(name);
    for (const struct cli_flag *flag = arguments->command->flags; flag->name != NULL; flag++)
        str_nearest_offer(&nearest, str_from(flag->name));
    if (nearest.name.ptr == NULL)
        return cli_usage(arguments, "--%.*s: there is no such flag", STR_ARG(name));
    return cli_usage(arguments, "--%.*s: there is no such flag; did you mean --%.*s?",
                     STR_ARG(name), STR_ARG(nearest.name));
}

static const struct cli_flag *find_flag(const struct cli_command *command, struct str name)
{
    for (const struct cli_flag *flag = command->flags; flag->name != NULL; flag++)
        if (str_equal_text(name, flag->name))
            return flag;
    return NULL;
}

static bool names_file(const char *what)
{
    return strstr(what, "FILE") != NULL || strstr(what, "DIR") != NULL;
}

static bool flag_seen(const struct cli_arguments *arguments, const struct cli_flag *flag)
{
    for (int i = 0; i < arguments->value_count; i++)
        if (arguments->values[i].flag == flag)
            return true;
    return false;
}

/* `*index` is the place of the flag; it moves on when the value is the next word. */
static int read_flag(struct cli_arguments *arguments, int argc, char **argv, int *index)
{
    struct str rest = str_from(argv[*index] + 2);
    struct str name;
    const char *value = NULL;
    if (!str_split(&rest, '=', &name))
        return cli_usage(arguments, "%s: a flag has a name", argv[*index]);
    if (rest.ptr != NULL)
        value = rest.ptr;
    const struct cli_flag *flag = find_flag(arguments->command, name);
    if (flag == NULL)
        return refuse_flag(arguments, name);
    if (flag->value == NULL && value != NULL)
        return cli_usage(arguments, "--%s takes no value", flag->name);
    if (flag->value != NULL && value == NULL) {
        if (*index + 1 >= argc)
            return cli_usage(arguments, "--%s needs %s", flag->name, flag->value);
        value = argv[++*index];
    }
    if (value != NULL && !names_file(flag->value) && !str_is_utf8(str_from(value)))
        return cli_usage(arguments, "--%s: expected UTF-8", flag->name);
    if (!flag->repeated && flag_seen(arguments, flag))
        return cli_usage(arguments, "--%s is given twice", flag->name);
    if (arguments->value_count == CLI_VALUES_MAX)
        return cli_usage(arguments, "too many flags");
    arguments->values[arguments->value_count].flag = flag;
    arguments->values[arguments->value_count].value = value;
    arguments->value_count++;
    return 0;
}

static void count_arguments(const struct cli_command *command, int *min, int *max)
{
    struct str rest = str_from(command->arguments);
    struct str word;
    *min = *max = 0;
    while (str_split(&rest, ' ', &word) && word.len > 0) {
        *min += word.ptr[0] != '[';
        (*max)++;
    }
}

static int take_word(struct cli_arguments *arguments, const char *word, int max)
{
    const struct cli_command *command = arguments->command;
    if (arguments->positional_count == max)
        return cli_usage(arguments, "%.80s: one word too many", word);
    if (!names_file(command->arguments) && !str_is_utf8(str_from(word)))
        return cli_usage(arguments, "%s: expected UTF-8", command->arguments);
    arguments->positional[arguments->positional_count++] = word;
    return 0;
}

int cli_read(struct cli_arguments *arguments, const struct cli_command *command, int argc,
             char **argv)
{
    bool only_positional = false;
    int result = 0;
    int min, max;
    arguments->command = command;
    count_arguments(command, &min, &max);
    for (int i = 0; i < argc && result == 0 && !arguments->help; i++) {
        const char *word = argv[i];
        if (only_positional || word[0] != '-' || word[1] == '\0')
            result = take_word(arguments, word, max);
        else if (strcmp(word, "--") == 0)
            only_positional = true;
        else if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)
            arguments->help = true;
        else if (strncmp(word, "--", 2) == 0)
            result = read_flag(arguments, argc, argv, &i);
        else
            result = cli_usage(arguments, "%.80s: flags begin with two dashes", word);
    }
    if (result != 0 || arguments->help)
        return result;
    if (arguments->positional_count < min)
        return cli_usage(arguments, "expected: orderwire %s %s", command->name, command->arguments);
    return 0;
}

const char *cli_value_at(const struct cli_arguments *arguments, const char *flag, int index)
{
    for (int i = 0; i < arguments->value_count; i++)
        if (strcmp(arguments->values[i].flag->name, flag) == 0 && index-- == 0)
            return arguments->values[i].value;
    return NULL;
}

const char *cli_value(const struct cli_arguments *arguments, const char *flag)
{
    return cli_value_at(arguments, flag, 0);
}

const char *cli_variable(const char *name)
{
    const char *value = getenv(name);
    return value != NULL && value[0] != '\0' ? value : NULL;
}

const char *cli_value_or(const struct cli_arguments *arguments, const char *flag,
                         const char *variable, const char *otherwise)
{
    const char *value = cli_value(arguments, flag);
    if (value == NULL || value[0] == '\0')
        value = cli_variable(variable);
    return value != NULL ? value : otherwise;
}

bool cli_has(const struct cli_arguments *arguments, const char *flag)
{
    for (int i = 0; i < arguments->value_count; i++)
        if (strcmp(arguments->values[i].flag->name, flag) == 0)
            return true;
    return false;
}

static const char *field_of(const struct cli_flag *flag)
{
    return flag->field != NULL ? flag->field : flag->name;
}

const char *cli_field(const struct cli_arguments *arguments, const char *flag)
{
    return field_of(find_flag(arguments->command, str_from(flag)));
}

/* "ORDER_ID STATUS" names `status`. */
static bool names_argument(const struct cli_arguments *arguments, struct str field,
                           struct str *name)
{
    struct str rest = str_from(arguments->command->arguments);
    while (str_split(&rest, ' ', name)) {
        if (str_equal_ignoring_case(*name, field))
            return true;
    }
    return false;
}

void cli_name_field(const struct cli_arguments *arguments, struct str message, struct buf *out)
{
    struct str rest = message, code, field, argument;
    size_t length = 0;
    if (str_split(&rest, ' ', &code) && rest.ptr != NULL)
        while (length < rest.len && rest.ptr[length] != ':' && rest.ptr[length] != '[')
            length++;
    field = str_make(rest.ptr, length);
    for (int i = 0; i < arguments->value_count && length > 0; i++) {
        const struct cli_flag *flag = arguments->values[i].flag;
        if (!str_equal_text(field, field_of(flag)))
            continue;
        buf_printf(out, "--%s%.*s", flag->name, (int)(rest.len - length), rest.ptr + length);
        return;
    }
    if (length > 0 && names_argument(arguments, field, &argument))
        buf_printf(out, "%.*s%.*s", STR_ARG(argument), (int)(rest.len - length), rest.ptr + length);
    else
        buf_append_str(out, message);
}

const char *cli_argument(const struct cli_arguments *arguments, int index)
{
    return index < arguments->positional_count ? arguments->positional[index] : NULL;
}
