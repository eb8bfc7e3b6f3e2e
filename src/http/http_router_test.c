/* SPDX-License-Identifier: Apache-2.0 */
/* Paths to routes. */
#include "http/http_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const struct http_route first_routes[] = {
    {"GET", "/health", HTTP_ANYONE, NULL, 0, HTTP_ROUTE_WHILE_DRAINING},
    {"GET", "/p/{project}/orders/{order}", HTTP_ANYONE, NULL, 0, HTTP_ROUTE_CORS},
    {"PATCH", "/p/{project}/orders/{order}", HTTP_ANYONE, NULL, 10, 0},
    {.method = "GET", .pattern = "/unsaid"},
    {"POST", "/p/{project}/orders/batch", HTTP_ANYONE, NULL, 10, 0},
    {NULL},
};
static const struct http_route second_routes[] = {
    {"GET", "/", HTTP_ANYONE, NULL, 0, 0},
    {"DELETE", "/p/{project}/orders/{order}", HTTP_ANYONE, NULL, 0, 0},
    {"GET", "/a/{1}/{2}/{3}/{4}", HTTP_ANYONE, NULL, 0, 0},
    {"GET", "/a/{1}/{2}/{3}/{4}/{5}", HTTP_ANYONE, NULL, 0, 0},
    {NULL},
};
static int first_context, second_context;
static const struct http_route_table tables[] = {
    {first_routes, &first_context},
    {second_routes, &second_context},
    {NULL, NULL},
};

static const struct {
    const char *method, *path;
    const struct http_route *route;
    const char *params; /* joined by spaces */
    const char *allow;
} rows[] = {
    {"GET", "/health", &first_routes[0], "", ""},
    {"HEAD", "/health", &first_routes[0], "", ""},
    {"GET", "/", &second_routes[0], "", ""},
    {"GET", "/p/1/orders/2", &first_routes[1], "1 2", ""},
    {"PATCH", "/p/1/orders/2", &first_routes[2], "1 2", ""},
    {"DELETE", "/p/1/orders/%2F", &second_routes[1], "1 %2F", ""},
    {"POST", "/p/1/orders/batch", &first_routes[4], "1", ""},
    {"GET", "/a/1/2/3/4", &second_routes[2], "1 2 3 4", ""},
    {"GET", "/a/1/2/3/4/5", NULL, "", ""},
    {"POST", "/health", NULL, "", "GET, HEAD"},
    {"PUT", "/p/1/orders/2", NULL, "1 2", "GET, HEAD, OPTIONS, PATCH, DELETE"},
    {"get", "/health", NULL, "", "GET, HEAD"},
    {"GET", "/health/", NULL, "", ""},
    {"GET", "//health", NULL, "", ""},
    {"GET", "/./health", NULL, "", ""},
    {"GET", "/healt", NULL, "", ""},
    {"GET", "/unsaid", NULL, "", ""},
    {"POST", "/unsaid", NULL, "", ""},
    {"GET", "/healthy", NULL, "", ""},
    {"GET", "/Health", NULL, "", ""},
    {"GET", "/p//orders/2", NULL, "", ""},
    {"GET", "/p/1/orders/", NULL, "", ""},
    {"GET", "/p/1/orders", NULL, "", ""},
    {"GET", "/p/1/orders/2/3", NULL, "", ""},
    {"GET", "/p/1/2/../orders/2", NULL, "", ""},
    {"GET", "", NULL, "", ""},
};

static void test_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct http_match match;
        char params[64] = "";
        size_t used = 0;
        http_router_find(tables, 0, str_from(rows[i].method), str_from(rows[i].path), &match);
        for (size_t k = 0; k < HTTP_PARAMS_MAX && match.params[k].len > 0; k++)
            used += (size_t)snprintf(params + used, sizeof(params) - used, "%s%.*s",
                                     k > 0 ? " " : "", STR_ARG(match.params[k]));
        if (match.route != rows[i].route || strcmp(params, rows[i].params) != 0 ||
            strcmp(match.route != NULL ? "" : match.allow, rows[i].allow) != 0)
            fail_msg("row %zu: %s %s: params \"%s\" allow \"%s\"", i, rows[i].method, rows[i].path,
                     params, match.allow);
    }
}

/* A route without the flags that are asked for is not there at all. */
static void test_routes_of_a_side(void **state)
{
    (void)state;
    struct http_match match;
    http_router_find(tables, HTTP_ROUTE_CORS, STR_LIT("GET"), STR_LIT("/p/1/orders/2"), &match);
    assert_ptr_equal(match.route, &first_routes[1]);
    http_router_find(tables, HTTP_ROUTE_CORS, STR_LIT("GET"), STR_LIT("/health"), &match);
    assert_null(match.route);
    assert_string_equal(match.allow, "");
    http_router_find(tables, HTTP_ROUTE_CORS, STR_LIT("PATCH"), STR_LIT("/p/1/orders/2"), &match);
    assert_null(match.route);
    assert_string_equal(match.allow, "GET, HEAD, OPTIONS");
}

static void test_flags_and_context(void **state)
{
    (void)state;
    struct http_match match;
    http_router_find(tables, 0, STR_LIT("GET"), STR_LIT("/health"), &match);
    assert_int_equal(match.flags, HTTP_ROUTE_WHILE_DRAINING);
    assert_ptr_equal(match.context, &first_context);
    http_router_find(tables, 0, STR_LIT("PATCH"), STR_LIT("/p/1/orders/2"), &match);
    assert_int_equal(match.flags, 0);
    http_router_find(tables, 0, STR_LIT("OPTIONS"), STR_LIT("/p/1/orders/2"), &match);
    assert_int_equal(match.flags, HTTP_ROUTE_CORS);
    /* Only a preflight asks it. */
    assert_ptr_equal(match.other, &first_routes[1]);
    assert_ptr_equal(match.context, &first_context);
    http_router_find(tables, 0, STR_LIT("GET"), STR_LIT("/"), &match);
    assert_ptr_equal(match.context, &second_context);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_flags_and_context),
        cmocka_unit_test(test_routes_of_a_side),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
