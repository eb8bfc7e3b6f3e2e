/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a fuzzer's function over files and folders of inputs, so that every crash ever found is
 * tried again by compilers that have no libFuzzer.
 */
#include "fuzz.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"

enum { INPUT_MAX = 4 * 1024 * 1024 };

static int complain(const char *path)
{
    fprintf(stderr, "%s: %s\n", path, errno ? strerror(errno) : "not readable");
    return -1;
}

/* The copy has exactly the input's size, so that a sanitizer sees a read past its end. */
static int replay_file(const char *path, size_t size)
{
    if (size > INPUT_MAX) {
        errno = EFBIG;
        return complain(path);
    }
    FILE *file = fopen(path, "rb");
    if (!file)
        return complain(path);
    uint8_t *data = mem_alloc(size ? size : 1);
    size_t got = fread(data, 1, size, file);
    fclose(file);
    if (got == size)
        (void)LLVMFuzzerTestOneInput(data, size);
    mem_free(data);
    return got == size ? 0 : complain(path);
}

/* The number of inputs that were run, or -1. Folders are one level deep. */
static int replay(const char *path, bool folders)
{
    struct stat status;
    if (stat(path, &status))
        return complain(path);
    if (!S_ISDIR(status.st_mode))
        return replay_file(path, (size_t)status.st_size) ? -1 : 1;
    if (!folders)
        return 0;
    DIR *folder = opendir(path);
    if (!folder)
        return complain(path);
    int count = 0;
    struct dirent *entry;
    while (count >= 0 && (entry = readdir(folder))) {
        if (entry->d_name[0] == '.')
            continue;
        char file[PATH_MAX];
        snprintf(file, sizeof(file), "%s/%s", path, entry->d_name);
        int ran = replay(file, false);
        count = ran < 0 ? -1 : count + ran;
    }
    closedir(folder);
    return count;
}

int main(int argc, char **argv)
{
    int count = 0;
    for (int i = 1; i < argc; i++) {
        int ran = replay(argv[i], true);
        if (ran < 0)
            return 1;
        count += ran;
    }
    printf("%d inputs replayed\n", count);
    return count ? 0 : 1;
}
