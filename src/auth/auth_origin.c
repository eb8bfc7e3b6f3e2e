/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which pages may use a project's interface for buyers. It keeps another site's page from asking
 * with a token that it got hold of; who is no browser says what he likes, so it guards nothing else.
 */
#include "auth/auth.h"

#include "base/err.h"
#include "codec/origin.h"

static bool is_listed_in(const struct json *origins, struct str origin)
{
    struct str entry;
    for (size_t i = 0; i < json_length(origins); i++) {
        if (json_as_string(json_at(origins, i), &entry) && origin_matches(entry, origin))
            return true;
    }
    return false;
}

int auth_origin(struct auth *auth, int32_t project_id, struct str origin, bool *is_listed)
{
    const struct auth_project *project;
    *is_listed = false;
    if (origin.len == 0 || origin_is_native(origin))
        return 0;
    int rc = auth_project(auth, project_id, &project);
    if (rc < 0)
        return rc;
    const struct json *origins = project->settings.allowed_origins;
    if (origins == NULL)
        return 0;
    *is_listed = is_listed_in(origins, origin);
    return *is_listed ? 0 : ERR_DENIED;
}
