/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_load SCENARIO --NAME VALUE ...: options in, one line of JSON out. Exit 1 with a sentence when
 * anything was lost, doubled, out of order or refused.
 */
#include "load.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

/* clang-format off */
static const struct scenario scenarios[] = {
    {"deliver", scenario_deliver}, {"idle",    scenario_idle},    {"connect", scenario_connect},
    {"ingest",  scenario_ingest},  {"poll",    scenario_poll},    {"webhook", scenario_webhook},
    {"receive", scenario_receive}, {"list",    scenario_list},    {"history", scenario_history},
};

#define TEXT(name, field)   {"--" name, offsetof(struct load_options, field), true}
#define NUMBER(name, field) {"--" name, offsetof(struct load_options, field), false}

static const struct option {
    const char *name;
    size_t place;
    bool is_text;
} options[] = {
    TEXT("host", host), NUMBER("port", port), TEXT("pids", pids), TEXT("kind", kind_name),
    NUMBER("project", project), TEXT("key", key), TEXT("secret", secret), TEXT("path", path),
    TEXT("publish", publish), TEXT("etag", etag), TEXT("begin", begin), TEXT("end", end),
    NUMBER("connections", connections),
    NUMBER("users", users), NUMBER("first-user", first_user), NUMBER("user-step", user_step),
    NUMBER("first-order", first_order),
    NUMBER("batch", batch), NUMBER("posters", posters), NUMBER("rate", rate),
    NUMBER("warm-up", warm_up), NUMBER("duration", duration), NUMBER("count", count),
    NUMBER("endpoints", endpoints), NUMBER("hanging", hanging), NUMBER("prepared", prepared),
};

static const char *const kinds[] = {
    [LOAD_ORDERWIRE] = "orderwire", [LOAD_LIMIT] = "limit",
    [LOAD_NCHAN] = "nchan",         [LOAD_CENTRIFUGE] = "centrifuge",
};
/* clang-format on */

static void set_option(struct load_options *to, const char *name, const char *value)
{
    for (size_t i = 0; i < ARRAY_LENGTH(options); i++) {
        void *place = (char *)to + options[i].place;
        if (strcmp(options[i].name, name) != 0)
            continue;
        if (options[i].is_text)
            *(const char **)place = value;
        else if (!str_to_int64(str_from(value), 0, INT64_MAX, place))
            wire_fail("%s wants a whole number", name);
        return;
    }
    wire_fail("there is no option %s", name);
}

static void read_options(struct load *load, int count, char **words)
{
    struct load_options *to = &load->options;
    for (int i = 0; i + 1 < count; i += 2)
        set_option(to, words[i], words[i + 1]);
    for (size_t i = 0; i < ARRAY_LENGTH(kinds); i++)
        if (strcmp(kinds[i], to->kind_name) == 0)
            to->kind = (enum load_kind)i;
    if (to->batch < 1 || to->users < 1 || to->users % to->batch != 0)
        wire_fail("--users is not a multiple of --batch");
    load->address.sin_family = AF_INET;
    load->address.sin_port = htons((uint16_t)to->port);
    if (inet_pton(AF_INET, to->host, &load->address.sin_addr) != 1)
        wire_fail("--host wants an IPv4 address");
}

static void print(const struct load *load)
{
    const struct histogram *h = &load->latency;
    printf(
        "{\"units\":%lld,\"wall_ns\":%lld,\"server_ns\":%lld,\"load_ns\":%lld,\"late_p99_ns\":%lld,"
        "\"memory\":%lld,\"latencies\":%lld,\"p50_ns\":%lld,\"p99_ns\":%lld,\"p999_ns\":%lld,"
        "\"max_ns\":%lld}\n",
        (long long)load->units, (long long)load->wall_ns, (long long)load->server_ns,
        (long long)load->own_ns, (long long)load->late_ns, (long long)load->memory,
        (long long)h->total, (long long)histogram_at(h, 0.5), (long long)histogram_at(h, 0.99),
        (long long)histogram_at(h, 0.999), (long long)h->max);
}

static const struct scenario *find(const char *name)
{
    for (size_t i = 0; i < ARRAY_LENGTH(scenarios); i++)
        if (strcmp(scenarios[i].name, name) == 0)
            return &scenarios[i];
    wire_fail("there is no scenario %s", name);
}

int main(int argc, char **argv)
{
    static struct load load = {
        .options =
            {
                .host = "127.0.0.1",
                .kind_name = "orderwire",
                .key = "",
                .pids = "",
                .secret = "",
                .path = "/connection/websocket",
                .publish = "/api/batch",
                .project = 77640,
                .connections = 64,
                .users = 1000,
                .user_step = 1,
                .first_order = 1000000,
                .batch = 100,
                .posters = 4,
                .warm_up = 300,
                .duration = 2000,
                .endpoints = 1,
            },
    };
    if (argc < 2 || argc % 2 != 0)
        wire_fail("usage: bench_load SCENARIO --NAME VALUE ...");
    const struct scenario *scenario = find(argv[1]);
    read_options(&load, argc - 2, argv + 2);
    wire_set_init(&load.wires);
    scenario->run(&load);
    print(&load);
    return 0;
}
