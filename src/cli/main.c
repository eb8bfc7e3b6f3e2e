/* SPDX-License-Identifier: Apache-2.0 */
/* Finds the command by its one or two words and runs it. */
#include "base/str.h"
#include "cli/cli_internal.h"
#include "cli/cli_print.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

const struct cli_command *const cli_commands[] = {
#define COMMAND(symbol) &command_##symbol,
#include "cli/commands.def"
};
const size_t cli_command_count = ARRAY_LENGTH(cli_commands);

/* How many of the words are the command's name; 0: they are not. */
static int words_of(const struct cli_command *command, int argc, char **argv)
{
    struct str rest = str_from(command->name);
    struct str word;
    int count = 0;
    while (str_split(&rest, ' ', &word)) {
        if (count >= argc || !str_equal_text(word, argv[count]))
            return 0;
        count++;
    }
    return count;
}

/* NULL, and no words, when there is none. */
static const struct cli_command *find(int argc, char **argv, int *words)
{
    for (size_t i = 0; i < cli_command_count; i++) {
        *words = words_of(cli_commands[i], argc, argv);
        if (*words > 0)
            return cli_commands[i];
    }
    return NULL;
}

/* A command, or the first word of some; empty when nothing is near. */
static struct str nearest(const char *text)
{
    struct str_nearest nearest = cli_nearest(str_from(text));
    for (size_t i = 0; i < cli_command_count; i++) {
        struct str rest = str_from(cli_commands[i]->name);
        struct str first;
        str_nearest_offer(&nearest, rest);
        if (str_split(&rest, ' ', &first))
            str_nearest_offer(&nearest, first);
    }
    return nearest.name;
}

/* "order" alone: says which words may follow. False when none may. */
static bool explain_second_word(const char *word)
{
    const char *separator = ": ";
    for (size_t i = 0; i < cli_command_count; i++) {
        if (!cli_begins_with_word(cli_commands[i], word))
            continue;
        if (separator[0] == ':')
            fprintf(stderr, "orderwire: %s needs a second word", word);
        fprintf(stderr, "%s%s", separator, cli_commands[i]->name + strlen(word) + 1);
        separator = ", ";
    }
    if (separator[0] == ',')
        fputc('\n', stderr);
    return separator[0] == ',';
}

static bool is_help(const char *word)
{
    return strcmp(word, "help") == 0 || strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

static int refuse(int argc, char **argv)
{
    char name[80];
    bool has_second = argc > 2 && argv[2][0] != '-' && !is_help(argv[2]);
    if (!has_second && explain_second_word(argv[1]))
        return CLI_USAGE;
    snprintf(name, sizeof(name), "%s%s%s", argv[1], has_second ? " " : "",
             has_second ? argv[2] : "");
    struct str meant = nearest(name);
    if (meant.len > 0)
        cli_fail("%s: there is no such command; did you mean %.*s?", name, STR_ARG(meant));
    else
        cli_fail("%s: there is no such command", name);
    fprintf(stderr, "See: orderwire --help\n");
    return CLI_USAGE;
}

/*
 * Of who closed them, the next files and sockets would have these numbers, and what is printed or logged would go
 * there. For reading: what is printed is not to pass for written.
 */
static void open_standard_streams(void)
{
    int fd;
    do
        fd = open("/dev/null", O_RDONLY);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0)
        close(fd);
}

/* About the words behind the first; CLI_USAGE when it was not asked for. */
static int help(int argc, char **argv)
{
    int words;
    const struct cli_command *about = argc > 1 ? find(argc - 1, argv + 1, &words) : NULL;
    if (about != NULL)
        cli_help_command(about);
    else if (argc < 2)
        cli_help_all();
    else if (!cli_help_group(argv[1]))
        return refuse(argc, argv);
    return argc < 1 ? CLI_USAGE : CLI_OK;
}

static int run(int argc, char **argv)
{
    int words;
    struct cli_arguments arguments = {0};
    if (argc < 2 || is_help(argv[1]))
        return help(argc - 1, argv + 1);
    if (strcmp(argv[1], "--version") == 0)
        return command_version.run(&arguments);
    const struct cli_command *command = find(argc - 1, argv + 1, &words);
    if (words == 0)
        return argc > 2 && is_help(argv[2]) ? help(2, argv) : refuse(argc, argv);
    int result = cli_read(&arguments, command, argc - 1 - words, argv + 1 + words);
    if (result != 0)
        return result;
    if (arguments.help) {
        cli_help_command(command);
        return CLI_OK;
    }
    return command->run(&arguments);
}

int main(int argc, char **argv)
{
    open_standard_streams();
    /* A reader that goes away is an error of the write, not the end of the process. */
    signal(SIGPIPE, SIG_IGN);
    /* So is a file-size limit: the store says that the disk is full and recovers later. */
    signal(SIGXFSZ, SIG_IGN);
    int result = run(argc, argv);
    return cli_flush() ? result : CLI_FAILED;
}
