/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The measures that need no rights and cost nothing. What would need a list of all paths that options,
 * projects and libraries may name is left to the system's sandbox (deploy/orderwire.service).
 */
#include "server/process.h"

#include "base/log.h"

#include <sys/prctl.h>
#include <sys/stat.h>

void process_confine(bool core_dumps)
{
    umask(S_IRWXG | S_IRWXO);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        log_warning("gaining rights cannot be ruled out (no_new_privs)");
    if (!core_dumps && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
        log_warning("core dumps cannot be ruled out");
}
