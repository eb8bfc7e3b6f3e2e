/* SPDX-License-Identifier: Apache-2.0 */
/* A copy of the database as of one moment; the server may run or not. */
#include "base/err.h"
#include "base/log.h"
#include "cli/cli.h"
#include "server/private_path.h"
#include "store/store.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PATH_SIZE 4200

static volatile sig_atomic_t is_told_to_stop;

static void on_signal(int number)
{
    (void)number;
    is_told_to_stop = 1;
}

/* Half a copy would be left, as large as it had become. */
static void stop_at_signals(void)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
    const struct sigaction action = {.sa_handler = on_signal};
    struct sigaction before;
    for (size_t i = 0; i < ARRAY_LENGTH(numbers); i++)
        if (sigaction(numbers[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN)
            sigaction(numbers[i], &action, NULL);
}

/* A copy of everything is in somebody's hands: the record says in whose. */
static void record(const char *data, const char *file, bool done)
{
    char path[PATH_SIZE];
    char who[32];
    snprintf(path, sizeof(path), "%s/audit.log", data);
    snprintf(who, sizeof(who), "uid %ld", (long)getuid());
    if (log_audit_open(path, true) != 0) {
        if (done)
            fprintf(stderr, "The audit file cannot be written: %s: %s\n", path, strerror(errno));
        return;
    }
    log_audit("backup", LOG_TEXT("who", who), LOG_TEXT("object", file),
              LOG_TEXT("result", done ? "done" : "failed"));
    log_audit_close();
}

static int run(const struct cli_arguments *arguments)
{
    char error[STORE_ERROR_SIZE];
    char blame[PRIVATE_PATH_ERROR_SIZE];
    const char *data = cli_value_or(arguments, "data", "ORDERWIRE_DATA", "data");
    const char *file = cli_argument(arguments, 0);
    if (file[0] == '\0')
        return cli_usage(arguments, "FILE: expected a name");
    stop_at_signals();
    int result = store_backup(&store_sqlite, data, file, &is_told_to_stop, error);
    if (result != ERR_NOT_FOUND)
        record(data, file, result == 0);
    if (result != 0) {
        private_path_blame(data, blame);
        return cli_fail("%s%s", error, result != ERR_EXISTS ? blame : "");
    }
    if (cli_has(arguments, "json"))
        printf("{\"ok\":true}\n");
    else
        printf(
            "The database stands in %s. To restore it, put it as orderwire.db into an empty "
            "data directory, with the secrets.key of this one.\n",
            file);
    return CLI_OK;
}

static const struct cli_flag flags[] = {
    {"data", "DIR", "the data directory; default data, or ORDERWIRE_DATA"},
    {"json", NULL, "print JSON"},
    {NULL},
};

const struct cli_command command_backup = {
    .name = "backup",
    .arguments = "FILE",
    .sentence = "Copy the database to a new file, also while the server runs",
    .flags = flags,
    .run = run,
};
