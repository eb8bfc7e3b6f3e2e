/* SPDX-License-Identifier: Apache-2.0 */
/* The application's JSON: who connects, and what became of an order. */
#include "codec/centrifuge_data.h"

#include "codec/json.h"

void centrifuge_data_read(const struct json *data, struct centrifuge_credentials *credentials)
{
    const struct json *auth = json_get_non_null(data, "auth");
    const struct json *user = json_get_non_null(data, "user_external_id");
    const struct json *project = json_get_non_null(data, "project_id");
    struct str digits;
    bool is_fine = json_kind(data) == JSON_KIND_OBJECT;
    if (auth)
        is_fine &= json_as_string(auth, &credentials->auth);
    if (user)
        is_fine &= json_as_string(user, &credentials->user_external_id);
    if (json_as_string(project, &digits))
        is_fine &= str_to_int64(digits, 0, INT64_MAX, &credentials->project_id);
    else if (project)
        is_fine &= json_as_int(project, &credentials->project_id);
    credentials->malformed = !is_fine;
}

void centrifuge_data_write(struct buf *out, const struct centrifuge_publication *publication)
{
    buf_append_byte(out, '{');
    json_write_int(out, "order_id", publication->order_id);
    json_write_text(out, "status", str_from(publication->status));
    buf_append_byte(out, '}');
}
