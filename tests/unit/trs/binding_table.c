#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "trs/binding_table.h"

static struct address at(const char *text) {
  struct address address;
  assert_int_equal(address_parse(text, 0, &address), 0);
  return address;
}

static void what_is_entered_is_found_by_all_of_its_key(void **state UNUSED) {
  struct binding_table table = {.seed = 7};
  struct binding binding = {0};
  struct address source = at("192.0.2.1:443"), other_port = at("192.0.2.1:444"),
                 other_ip = at("192.0.2.2:443"), ipv6 = at("[c000:201::]:443");
  assert_true(binding_table_enter(&table, &binding, &source, 0xabcdef01));
  assert_ptr_equal(binding_table_find(&table, &source, 0xabcdef01), &binding);
  assert_null(binding_table_find(&table, &source, 0xabcdef02));
  assert_null(binding_table_find(&table, &other_port, 0xabcdef01));
  assert_null(binding_table_find(&table, &other_ip, 0xabcdef01));
  assert_null(binding_table_find(&table, &ipv6, 0xabcdef01));
  binding_table_leave(&table, &binding);
  assert_null(binding_table_find(&table, &source, 0xabcdef01));
  binding_table_leave(&table, &binding);
}

static void a_new_key_takes_the_place_of_the_old_one(void **state UNUSED) {
  struct binding_table table = {0};
  struct binding binding = {0};
  struct address first = at("[2001:db8::1]:443"), second = at("[2001:db8::2]:443");
  assert_true(binding_table_enter(&table, &binding, &first, 1));
  assert_true(binding_table_enter(&table, &binding, &second, 1));
  assert_null(binding_table_find(&table, &first, 1));
  assert_ptr_equal(binding_table_find(&table, &second, 1), &binding);
  binding_table_leave(&table, &binding);
}

static void two_may_have_one_key_and_each_outlives_the_other(void **state UNUSED) {
  struct binding_table table = {0};
  struct binding stale = {0}, fresh = {0};
  struct address source = at("192.0.2.1:1024");
  assert_true(binding_table_enter(&table, &stale, &source, 1));
  assert_true(binding_table_enter(&table, &fresh, &source, 1));
  assert_non_null(binding_table_find(&table, &source, 1));
  binding_table_leave(&table, &stale);
  assert_ptr_equal(binding_table_find(&table, &source, 1), &fresh);
  binding_table_leave(&table, &fresh);
  assert_null(binding_table_find(&table, &source, 1));
}

static void a_hundred_thousand_find_their_own(void **state UNUSED) {
  enum { COUNT = 100000 };
  struct binding_table table = {.seed = 99};
  struct binding *bindings = calloc(COUNT, sizeof(*bindings));
  assert_non_null(bindings);
  struct address source = at("192.0.2.1:443");
  for (uint32_t i = 0; i < COUNT; i++) {
    source.port = (uint16_t)(1 + i % 1000);
    assert_true(binding_table_enter(&table, &bindings[i], &source, i));
  }
  for (uint32_t i = 0; i < COUNT; i++) {
    source.port = (uint16_t)(1 + i % 1000);
    assert_ptr_equal(binding_table_find(&table, &source, i), &bindings[i]);
  }
  for (uint32_t i = 0; i < COUNT; i++) {
    binding_table_leave(&table, &bindings[i]);
  }
  free(bindings);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_is_entered_is_found_by_all_of_its_key),
      cmocka_unit_test(a_new_key_takes_the_place_of_the_old_one),
      cmocka_unit_test(two_may_have_one_key_and_each_outlives_the_other),
      cmocka_unit_test(a_hundred_thousand_find_their_own),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
