#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "quic/route_table.h"

static struct address remote(uint8_t host, uint16_t port) {
  struct address address = {.ip = {.family = 4, .bytes = {192, 0, 2, host}}, .port = port};
  return address;
}

static void a_route_keeps_its_number(void **state UNUSED) {
  struct route_table table = {0};
  struct address one = remote(1, 443), two = remote(2, 443);
  struct route *first = route_table_add(&table, &one, 0, 1);
  uint16_t number = first->number;
  assert_int_not_equal(number, 0);
  assert_int_not_equal(route_table_add(&table, &two, 0, 2)->number, number);
  assert_ptr_equal(route_table_add(&table, &one, 0, 3), first);
  assert_int_equal(first->number, number);
  assert_ptr_equal(route_table_by_number(&table, number), first);
  assert_null(route_table_by_number(&table, 0));
  assert_null(route_table_by_number(&table, 999));
}

static void a_path_leads_back_to_its_route(void **state UNUSED) {
  struct route_table table = {0};
  struct address one = remote(1, 443);
  struct route *route = route_table_add(&table, &one, 0, 1);
  struct virtual_path path;
  route_path(route, &path);
  assert_int_equal(route_number(&path.path), route->number);
}

static void each_route_is_a_path_of_its_own_at_both_ends(void **state UNUSED) {
  struct route_table table = {0};
  struct address before = remote(1, 443), after = remote(1, 1024);
  struct virtual_path first, second;
  route_path(route_table_add(&table, &before, 0, 1), &first);
  route_path(route_table_add(&table, &after, 0, 2), &second);
  assert_memory_not_equal(&first.local, &second.local, sizeof(first.local));
  assert_memory_not_equal(&first.remote, &second.remote, sizeof(first.remote));
}

static void
a_full_table_forgets_the_route_longest_unheard_but_never_the_current(void **state UNUSED) {
  struct route_table table = {0};
  struct address current = remote(100, 443);
  uint16_t keep = route_table_add(&table, &current, 0, 0)->number;
  for (uint8_t i = 1; i < 3 * ROUTES_MAX; i++) {
    struct address stranger = remote(i, 443);
    uint16_t last = table.last_number;
    struct route *route = route_table_add(&table, &stranger, keep, i);
    assert_true(route->number > last);
    assert_non_null(route_table_find(&table, &current));
  }
  struct address newest = remote(3 * ROUTES_MAX - 1, 443), oldest = remote(1, 443);
  assert_non_null(route_table_find(&table, &newest));
  assert_null(route_table_find(&table, &oldest));
  assert_int_equal(route_table_find(&table, &current)->number, keep);
}

static void what_comes_from_a_route_that_was_left_comes_by_a_new_one(void **state UNUSED) {
  struct route_table table = {0};
  struct address one = remote(1, 443);
  uint16_t before = route_table_add(&table, &one, 0, 1)->number;
  route_table_leave(&table, before);
  assert_null(route_table_find(&table, &one));
  struct route *again = route_table_add(&table, &one, before, 2);
  assert_int_not_equal(again->number, before);
  assert_ptr_equal(route_table_find(&table, &one), again);
  assert_true(address_equal(&route_table_by_number(&table, before)->remote, &one));
  route_table_leave(&table, 999);
}

/* While another address of ours is tried, the same peer is heard at both. */
static void what_arrives_at_a_pinned_address_comes_by_its_route(void **state UNUSED) {
  struct route_table table = {0};
  struct address one = remote(1, 443), two = remote(2, 443);
  struct ip_address old = {.family = 4, .bytes = {10, 0, 0, 1}};
  struct ip_address new = {.family = 4, .bytes = {10, 0, 0, 2}};
  struct route *held = route_table_add(&table, &one, 0, 1);
  held->local = old;
  assert_ptr_equal(route_table_arrival(&table, &one, &new), held);
  held->pinned = true;
  assert_ptr_equal(route_table_arrival(&table, &one, &new), held);
  held->left = true;
  assert_null(route_table_arrival(&table, &one, &new));
  struct route *tried = route_table_move(&table, &one, held->number, 2);
  assert_non_null(tried);
  assert_ptr_equal(route_table_arrival(&table, &one, &new), tried);
  assert_ptr_equal(route_table_arrival(&table, &one, &old), held);
  assert_null(route_table_arrival(&table, &two, &old));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_route_keeps_its_number),
      cmocka_unit_test(a_path_leads_back_to_its_route),
      cmocka_unit_test(each_route_is_a_path_of_its_own_at_both_ends),
      cmocka_unit_test(a_full_table_forgets_the_route_longest_unheard_but_never_the_current),
      cmocka_unit_test(what_comes_from_a_route_that_was_left_comes_by_a_new_one),
      cmocka_unit_test(what_arrives_at_a_pinned_address_comes_by_its_route),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
