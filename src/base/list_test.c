/* SPDX-License-Identifier: Apache-2.0 */
#include "base/list.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

struct letter {
    char name;
    struct list node;
};

static void fill(struct list *head, struct letter *letters, const char *names)
{
    list_init(head);
    for (; *names != '\0'; names++, letters++) {
        letters->name = *names;
        list_append(head, &letters->node);
    }
}

/* Checks the ring in both directions. */
static void assert_names(const struct list *head, const char *names)
{
    const struct list *node = head;
    for (; *names != '\0'; names++) {
        assert_ptr_equal(node->next->prev, node);
        node = node->next;
        assert_int_equal(LIST_ENTRY(node, const struct letter, node)->name, *names);
    }
    assert_ptr_equal(node->next, head);
    assert_ptr_equal(head->prev, node);
}

static void test_append_and_pop(void **state)
{
    (void)state;
    struct list head;
    struct letter letters[3];
    fill(&head, letters, "");
    assert_true(list_is_empty(&head));
    assert_null(list_pop(&head));
    fill(&head, letters, "abc");
    assert_false(list_is_empty(&head));
    assert_names(&head, "abc");
    assert_ptr_equal(list_pop(&head), &letters[0].node);
    assert_names(&head, "bc");
}

static void test_remove_twice_is_harmless(void **state)
{
    (void)state;
    struct list head;
    struct letter letters[3];
    fill(&head, letters, "abc");
    list_remove(&letters[1].node);
    list_remove(&letters[1].node);
    assert_names(&head, "ac");
    list_append(&head, &letters[1].node);
    assert_names(&head, "acb");
}

static void test_move_all(void **state)
{
    (void)state;
    struct list to;
    struct list from;
    struct letter letters[4];
    fill(&to, letters, "ab");
    fill(&from, letters + 2, "cd");
    list_move_all(&to, &from);
    assert_names(&to, "abcd");
    assert_names(&from, "");
    list_move_all(&to, &from);
    assert_names(&to, "abcd");
    list_move_all(&from, &to);
    assert_names(&from, "abcd");
    assert_names(&to, "");
}

static void test_each_may_remove_its_node(void **state)
{
    (void)state;
    struct list head;
    struct letter letters[4];
    fill(&head, letters, "abcd");
    int visited = 0;
    LIST_EACH (&head, node) {
        visited++;
        if (LIST_ENTRY(node, struct letter, node)->name != 'c')
            list_remove(node);
    }
    assert_int_equal(visited, 4);
    assert_names(&head, "c");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_append_and_pop),
        cmocka_unit_test(test_remove_twice_is_harmless),
        cmocka_unit_test(test_move_all),
        cmocka_unit_test(test_each_may_remove_its_node),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
