/* SPDX-License-Identifier: Apache-2.0 */
/* A command line for tests, from one text. */
#ifndef ORDERWIRE_CLI_CLI_FLAGS_FIXTURE_H
#define ORDERWIRE_CLI_CLI_FLAGS_FIXTURE_H

#include "cli/cli_internal.h"

#include <stdio.h>
#include <string.h>

struct cli_words {
    char text[400];
    char *list[32];
    int count;
};

/* Cuts at single spaces. */
static inline void cli_words_split(struct cli_words *words, const char *text)
{
    snprintf(words->text, sizeof(words->text), "%s", text);
    words->count = 0;
    for (char *word = words->text; word[0] != '\0';) {
        char *end = strchr(word, ' ');
        words->list[words->count++] = word;
        if (end == NULL)
            break;
        *end = '\0';
        word = end + 1;
    }
}

#endif
